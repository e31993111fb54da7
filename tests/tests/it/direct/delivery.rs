//! From one node to another while both are there, and over restarts.

use harness::{Node, NodeOptions, connected_to, seconds};
use node::model::{DirectState, NodeEvent};

use super::{all_are, came, texts};

#[tokio::test(flavor = "multi_thread")]
async fn a_message_to_somebody_who_is_there_is_delivered_at_once_and_its_states_are_reported() {
    let ada = Node::start(NodeOptions::named("ada")).await;
    let bob = Node::start(NodeOptions::named("bob").joining(&ada)).await;
    connected_to(&bob, 1, seconds(20)).await;
    let sent = ada.api().write(bob.peer_id(), "hello").await.unwrap();
    let is_it = |event: &NodeEvent| matches!(event, NodeEvent::Direct(message) if message.id == sent.id);
    bob.feed.wait_for("the message", seconds(10), is_it).await;
    let reaches = |wanted: DirectState| {
        let id = sent.id.clone();
        move |event: &NodeEvent| matches!(event, NodeEvent::DirectState { id: of, state, .. } if *of == id && *state == wanted)
    };
    ada.feed.wait_for("delivered", seconds(10), reaches(DirectState::Delivered)).await;
    bob.api().post("direct/read", &serde_json::json!({ "peer": ada.peer_id() })).await.unwrap();
    ada.feed.wait_for("read", seconds(20), reaches(DirectState::Read)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_while_nobody_was_there_is_delivered_when_the_recipient_appears_also_after_a_kill() {
    let mut bob = Node::start(NodeOptions::named("bob")).await;
    let mut ada = Node::start(NodeOptions::named("ada").joining(&bob)).await;
    connected_to(&ada, 1, seconds(20)).await;
    // With nobody else there, they find each other only where they were.
    bob.stay();
    ada.stay();
    bob.kill().await;
    let written: Vec<String> = (0..20).map(|number| format!("message {number}")).collect();
    for text in &written {
        assert_eq!(ada.api().write(bob.peer_id(), text).await.unwrap().state, DirectState::Queued);
    }
    ada.kill().await;
    bob.restart().await;
    ada.restart().await;
    all_are(&ada, 20, DirectState::Delivered, seconds(60)).await;
    assert_eq!(texts(&came(&bob, ada.peer_id()).await), written);
    bob.kill().await;
    bob.restart().await;
    assert_eq!(texts(&came(&bob, ada.peer_id()).await), written);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_receipts_nobody_is_told_what_was_read() {
    let ada = Node::start(NodeOptions::named("ada")).await;
    let bob = Node::start(NodeOptions::named("bob").joining(&ada).with(&["--no-read-receipts"])).await;
    connected_to(&bob, 1, seconds(20)).await;
    ada.api().write(bob.peer_id(), "one").await.unwrap();
    all_are(&ada, 1, DirectState::Delivered, seconds(20)).await;
    bob.api().post("direct/read", &serde_json::json!({ "peer": ada.peer_id() })).await.unwrap();
    assert_eq!(came(&bob, ada.peer_id()).await[0].state, DirectState::Read);
    // A receipt would have come with the next message, if not before it.
    bob.api().write(ada.peer_id(), "two").await.unwrap();
    all_are(&bob, 1, DirectState::Delivered, seconds(20)).await;
    ada.api().write(bob.peer_id(), "three").await.unwrap();
    all_are(&ada, 2, DirectState::Delivered, seconds(20)).await;
    let states: Vec<DirectState> = came(&ada, ada.peer_id()).await.iter().map(|message| message.state).collect();
    assert_eq!(states, [DirectState::Delivered; 2]);
}

//! Direct messages between whole nodes.

use node::{
    handle::{CallError, DirectFilter},
    model::{DirectMessage, DirectState, NodeEvent},
    store::memory::MemoryStore,
    swarm::DirectSettings,
};
use proto::{
    direct::{letter::LetterId, mailbox},
    ids::{EventId, LogId},
};
use tokio::sync::broadcast;

use crate::{Node, PATIENCE, start, start_with};

fn store(number: u64) -> MemoryStore {
    MemoryStore::new(LogId(number))
}

async fn messages(node: &Node) -> Vec<DirectMessage> {
    node.handle.messages(DirectFilter { limit: 10_000, ..DirectFilter::default() }).await.unwrap()
}

/// Waits for something to be reported.
async fn until(events: &mut broadcast::Receiver<NodeEvent>, mut wanted: impl FnMut(&NodeEvent) -> bool) {
    let found = async { while !wanted(&events.recv().await.unwrap()) {} };
    tokio::time::timeout(PATIENCE, found).await.unwrap();
}

fn reached(id: &str, wanted: DirectState) -> impl FnMut(&NodeEvent) -> bool + use<> {
    let id = id.to_owned();
    move |event| matches!(event, NodeEvent::DirectState { id: of, state, .. } if *of == id && *state == wanted)
}

#[tokio::test]
async fn a_message_is_delivered_and_then_read() {
    let ada = start(31, &[]).await;
    let bob = start(32, &[&ada]).await;
    let (mut of_ada, mut of_bob) = (ada.handle.subscribe(), bob.handle.subscribe());

    let sent = ada.handle.message(bob.handle.peer_id(), "hello".into()).await.unwrap();
    assert_eq!((sent.state, sent.text.as_str()), (DirectState::Queued, "hello"));
    until(&mut of_bob, |event| matches!(event, NodeEvent::Direct(came) if came.id == sent.id)).await;
    until(&mut of_ada, reached(&sent.id, DirectState::Delivered)).await;
    assert_eq!(messages(&bob).await, [DirectMessage { state: DirectState::Delivered, ..sent.clone() }]);
    assert_eq!(messages(&ada).await, [DirectMessage { state: DirectState::Delivered, ..sent.clone() }]);

    bob.handle.mark_read(ada.handle.peer_id(), None).await.unwrap();
    until(&mut of_ada, reached(&sent.id, DirectState::Read)).await;
    assert_eq!(messages(&ada).await[0].state, DirectState::Read);
    assert_eq!(messages(&bob).await[0].state, DirectState::Read);
}

#[tokio::test]
async fn a_mailbox_keeps_messages_for_somebody_who_is_away() {
    let direct = DirectSettings { mailbox: Some(mailbox::Settings::default()), ..DirectSettings::default() };
    let hub = start_with(41, &[], store(41), direct).await;
    let disk = store(42);
    let bob = start_with(42, &[&hub], disk.reopen(), DirectSettings::default()).await;
    let registered = async {
        while bob.handle.status().await.unwrap().mailboxes.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, registered).await.expect("a mailbox is found");
    let bob_id = bob.handle.peer_id();
    bob.handle.shutdown().await.unwrap();

    let ada = start(43, &[&hub]).await;
    let mut of_ada = ada.handle.subscribe();
    let sent = ada.handle.message(bob_id, "are you there?".into()).await.unwrap();
    until(&mut of_ada, reached(&sent.id, DirectState::Sent)).await;
    let kept = hub.handle.status().await.unwrap().mailbox.unwrap();
    assert_eq!((kept.recipients, kept.letters), (1, 1));

    let bob = start_with(42, &[&hub], disk.reopen(), DirectSettings::default()).await;
    until(&mut of_ada, reached(&sent.id, DirectState::Delivered)).await;
    assert_eq!(messages(&bob).await, [DirectMessage { state: DirectState::Delivered, ..sent }]);
}

#[tokio::test]
async fn what_came_after_the_message_up_to_which_was_read_stays_unread() {
    let ada = start(61, &[]).await;
    let bob = start(62, &[&ada]).await;
    let (ada_id, bob_id) = (ada.handle.peer_id(), bob.handle.peer_id());
    let (mut of_ada, mut sent) = (ada.handle.subscribe(), Vec::new());
    for text in ["one", "two", "three"] {
        sent.push(ada.handle.message(bob_id, text.into()).await.unwrap());
    }
    until(&mut of_ada, reached(&sent[2].id, DirectState::Delivered)).await;

    let id = |message: &DirectMessage| LetterId(message.id.parse::<EventId>().unwrap().0);
    bob.handle.mark_read(ada_id, Some(id(&sent[1]))).await.unwrap();
    until(&mut of_ada, reached(&sent[1].id, DirectState::Read)).await;
    let states = |messages: Vec<DirectMessage>| messages.iter().map(|message| message.state).collect::<Vec<_>>();
    let expected = [DirectState::Read, DirectState::Read, DirectState::Delivered];
    assert_eq!((states(messages(&bob).await), states(messages(&ada).await)), (expected.to_vec(), expected.to_vec()));
    assert!(matches!(
        bob.handle.mark_read(ada_id, Some(LetterId([9; 32]))).await,
        Err(CallError::NoSuchDirectMessage(_))
    ));
}

#[tokio::test]
async fn a_strangers_messages_can_be_thrown_away_for_good_and_those_of_people_one_knows_cannot() {
    let disk = store(72);
    let ada = start(71, &[]).await;
    let bob = start_with(72, &[&ada], disk.reopen(), DirectSettings::default()).await;
    let (ada_id, bob_id) = (ada.handle.peer_id(), bob.handle.peer_id());
    let mut of_ada = ada.handle.subscribe();
    let first = ada.handle.message(bob_id, "you have won".into()).await.unwrap();
    until(&mut of_ada, reached(&first.id, DirectState::Delivered)).await;
    bob.handle.dismiss(ada_id).await.unwrap();
    assert_eq!(messages(&bob).await, []);

    let second = ada.handle.message(bob_id, "it is me, Ada".into()).await.unwrap();
    until(&mut of_ada, reached(&second.id, DirectState::Delivered)).await;
    bob.handle.name_contact(ada_id, Some("Ada".into())).await.unwrap();
    assert_eq!(bob.handle.dismiss(ada_id).await, Err(CallError::NoStranger));
    bob.handle.shutdown().await.unwrap();
    let bob = start_with(72, &[&ada], disk.reopen(), DirectSettings::default()).await;
    assert_eq!(messages(&bob).await, [DirectMessage { state: DirectState::Delivered, ..second }]);
}

#[tokio::test]
async fn a_blocked_peer_is_refused() {
    let ada = start(51, &[]).await;
    let bob = start(52, &[&ada]).await;
    let mut of_ada = ada.handle.subscribe();
    bob.handle.block(ada.handle.peer_id(), true).await.unwrap();
    let sent = ada.handle.message(bob.handle.peer_id(), "hello".into()).await.unwrap();
    until(&mut of_ada, reached(&sent.id, DirectState::Refused)).await;
    assert_eq!(messages(&bob).await, []);
    let refused = bob.handle.status().await.unwrap().refused;
    assert!(refused.iter().any(|refusal| refusal.reason == "letter_blocked"), "{refused:?}");
}

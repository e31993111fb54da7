//! Several nodes talk in one room.

use std::collections::BTreeSet;

use harness::{Node, NodeOptions, same_history, seconds};

const ROOM: &str = "plaza";
const MESSAGES_EACH: usize = 100;

async fn talk(node: &Node) {
    for number in 0..MESSAGES_EACH {
        let message = node.say(ROOM, &format!("{} says {number}", node.name())).await;
        assert_eq!((message.room.as_str(), message.author.as_str()), (ROOM, node.peer_id()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_that_talk_at_once_hold_the_same_history_in_the_same_order() {
    let options = |name| NodeOptions { rooms: vec![ROOM.into()], ..NodeOptions::named(name) };
    let first = Node::start(options("first")).await;
    let second = Node::start(options("second").joining(&first)).await;
    let third = Node::start(options("third").joining(&first)).await;
    let nodes = [&first, &second, &third];

    tokio::join!(talk(&first), talk(&second), talk(&third));

    let count = MESSAGES_EACH * nodes.len();
    let ids = same_history(&nodes, ROOM, count, seconds(60)).await;
    assert_eq!(ids.len(), count);
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), count, "an id stands twice in the history");
    for node in nodes {
        let shown = node.feed.wait_for_messages(count, seconds(10)).await.unwrap();
        assert_eq!(shown.len(), count, "{} showed a message twice", node.name());
        assert_eq!(node.feed.shown_twice(), Vec::<String>::new(), "on {}", node.name());
        // What the command line lists is what the API lists, and in the order of time.
        let listed = node.history(ROOM).await;
        assert_eq!(listed.iter().map(|message| message.id.clone()).collect::<Vec<_>>(), ids);
        assert!(listed.is_sorted_by_key(|message| message.hlc));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_is_heard_only_by_those_in_it() {
    let first = Node::start(NodeOptions { rooms: vec![ROOM.into()], ..NodeOptions::named("first") }).await;
    let second =
        Node::start(NodeOptions { rooms: vec![ROOM.into()], ..NodeOptions::named("second") }.joining(&first)).await;
    let outsider = Node::start(NodeOptions::named("outsider").joining(&first)).await;

    let inside = first.say(ROOM, "between us").await;
    let outside = first.say("lobby", "to all").await;

    same_history(&[&first, &second], ROOM, 1, seconds(30)).await;
    same_history(&[&first, &second, &outsider], "lobby", 1, seconds(30)).await;
    let heard: Vec<String> = outsider.feed.messages().into_iter().map(|message| message.id).collect();
    assert_eq!(heard, [outside.id]);
    // Joining brings the past with it.
    assert_eq!(outsider.run(&["join", ROOM]).await.code, Some(0));
    assert_eq!(same_history(&[&first, &outsider], ROOM, 1, seconds(30)).await, [inside.id]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_alone_is_kept_and_reaches_those_who_come_later() {
    let first = Node::start(NodeOptions::named("first")).await;
    let said = first.say("lobby", "is anybody there?").await;
    let second = Node::start(NodeOptions::named("second").joining(&first)).await;
    assert_eq!(same_history(&[&first, &second], "lobby", 1, seconds(20)).await, [said.id]);
    assert_eq!(second.history("lobby").await[0].text, "is anybody there?");
}

//! The command line against a running node.

use std::collections::BTreeSet;

use harness::{Node, NodeOptions, Output, same_history, seconds};
use node::model::{Message, NodeEvent};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncBufReadExt;

/// Fails when a user would be shown what only a developer understands.
#[track_caller]
pub fn is_friendly(output: &Output) {
    for word in ["panicked", "RUST_BACKTRACE", "stack backtrace", "thread 'main'"] {
        assert!(!output.stderr.contains(word), "{output:#?}");
    }
}

/// Fails unless the command ended with `code`, and with one friendly line if that is not 0.
#[track_caller]
pub fn ended_with(code: i32, output: &Output) {
    assert_eq!(output.code, Some(code), "{output:#?}");
    is_friendly(output);
    if code != 0 {
        assert!(!output.stderr.trim().is_empty(), "it fails without a word");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_is_joined_listed_and_left() {
    let node = Node::start(NodeOptions::named("ada")).await;
    ended_with(0, &node.run(&["join", "Garden "]).await);
    // Joining twice is fine.
    ended_with(0, &node.run(&["join", "garden"]).await);
    let rooms: Vec<String> = node.rooms().await.into_iter().map(|room| room.room).collect();
    assert_eq!(rooms, ["garden", "lobby"]);
    let joined = |event: &NodeEvent| matches!(event, NodeEvent::RoomJoined { room } if room == "garden");
    node.feed.wait_for("the room is joined", seconds(5), joined).await;

    ended_with(0, &node.run(&["leave", "garden"]).await);
    let refused = node.run(&["leave", "garden"]).await;
    ended_with(1, &refused);
    assert!(refused.stderr.contains("garden"), "{refused:#?}");
    ended_with(1, &node.run(&["leave", "lobby"]).await);
    let unheard = node.run(&["say", "--room", "garden", "hello?"]).await;
    ended_with(1, &unheard);
    assert!(unheard.stderr.contains("join"), "it says what to do: {unheard:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rooms_joined_and_the_identity_outlive_a_restart() {
    let mut node = Node::start(NodeOptions::named("ada")).await;
    let peer_id = node.peer_id().to_owned();
    ended_with(0, &node.run(&["join", "garden"]).await);
    node.say("garden", "remember me").await;
    assert_eq!(node.stop().await, Some(0));
    node.restart().await;
    assert_eq!(node.peer_id(), peer_id);
    let rooms: Vec<String> = node.rooms().await.into_iter().map(|room| room.room).collect();
    assert_eq!(rooms, ["garden", "lobby"]);
    assert_eq!(node.history("garden").await[0].text, "remember me");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_printed_as_it_is_stored_and_history_is_read_in_pages() {
    let node = Node::start(NodeOptions::named("ada")).await;
    let mut said = Vec::new();
    for number in 0..7 {
        said.push(node.say("lobby", &format!("number {number}")).await);
    }
    assert_eq!(node.history("lobby").await, said);
    assert_eq!(said.iter().map(|message| message.seq).collect::<BTreeSet<_>>().len(), 7);
    assert!(said.iter().all(|message| message.name == "ada" && message.at.ends_with('Z')), "{said:?}");

    let newest: Vec<Message> = node.run(&["history", "--json", "--limit", "3"]).await.json();
    assert_eq!(newest, said[4..]);
    let earlier: Vec<Message> = node.run(&["history", "--json", "--limit", "3", "--before", &said[4].id]).await.json();
    assert_eq!(earlier, said[1..4]);
    let unknown = "ab".repeat(32);
    ended_with(1, &node.run(&["history", "--before", &unknown]).await);
    ended_with(2, &node.run(&["history", "--limit", "many"]).await);

    let plain = node.run(&["history", "--limit", "1"]).await;
    ended_with(0, &plain);
    assert!(plain.stdout.contains("ada") && plain.stdout.contains("number 6"), "{plain:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn text_comes_from_standard_input_when_asked() {
    let node = Node::start(NodeOptions::named("ada")).await;
    let output = node.run_with_input(&["say", "--json", "-"], "from a pipe: ä ✓\n").await;
    let message: Message = output.json().remove(0);
    assert_eq!(message.text, "from a pipe: ä ✓");
    ended_with(0, &node.run(&["say", "--", "-5 degrees"]).await);
    assert_eq!(node.history("lobby").await[1].text, "-5 degrees");
    // An empty message is refused, one that does not fit too, and neither is said.
    assert!(matches!(node.run_with_input(&["say", "-"], "").await.code, Some(1 | 2)));
    let long = node.run_with_input(&["say", "-"], &"x".repeat(70_000)).await;
    assert!(matches!(long.code, Some(1 | 2)), "{long:#?}");
    is_friendly(&long);
    assert_eq!(node.history("lobby").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_write_cannot_drive_the_terminal() {
    let node = Node::start(NodeOptions::named("ada")).await;
    node.say("lobby", "\u{1b}]0;owned\u{7}\u{1b}[2Jgone\rforged line").await;
    let plain = node.run(&["history"]).await;
    ended_with(0, &plain);
    assert!(!plain.stdout.contains(['\u{1b}', '\u{7}', '\r']), "{plain:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_follows_a_room() {
    let node = Node::start(NodeOptions { rooms: vec!["garden".into()], ..NodeOptions::named("ada") }).await;
    let (_tail, mut lines) = node.follow(&["tail", "--json", "--room", "garden"]);
    // `tail` reports from when it is attached on; nobody tells when that is, so go on talking until it hears.
    let mut line = String::new();
    let mut number = 0;
    let heard = loop {
        node.say("lobby", "elsewhere").await;
        let said = node.say("garden", &format!("number {number}")).await;
        match tokio::time::timeout(seconds(1), lines.read_line(&mut line)).await {
            Ok(read) => {
                assert!(read.unwrap() > 0, "tail ended");
                break said;
            }
            Err(_) if number < 20 => number += 1,
            Err(_) => panic!("tail printed nothing"),
        }
    };
    let shown: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(shown["room"], "garden", "{line}");
    assert_eq!(shown["author"], node.peer_id(), "{line}");
    let next = node.say("garden", "one more").await;
    assert_ne!(next.id, heard.id);
    loop {
        line.clear();
        let read = tokio::time::timeout(seconds(10), lines.read_line(&mut line)).await.expect("tail goes on");
        assert!(read.unwrap() > 0, "tail ended");
        let shown: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(shown["room"], "garden", "{line}");
        if shown["id"] == next.id.as_str() {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn status_peers_and_id_tell_who_is_where() {
    let first = Node::start(NodeOptions::named("first")).await;
    let second = Node::start(NodeOptions::named("second").joining(&first)).await;
    harness::connected_to(&second, 1, seconds(20)).await;
    let status = second.status().await;
    assert_eq!((status.peer_id.as_str(), status.name.as_str()), (second.peer_id(), "second"));
    assert_eq!((status.store.as_str(), status.closed_network), ("ok", false));
    assert_eq!(BTreeSet::from_iter(&status.listen), BTreeSet::from_iter(second.addresses()));
    let peers = second.peers().await;
    let peer = peers.iter().find(|peer| peer.peer_id == first.peer_id()).expect("the other is listed");
    assert!(peer.connected && !peer.addresses.is_empty(), "{peer:?}");
    let id = second.run(&["id", "--json"]).await;
    assert_eq!(id.json::<Value>()[0]["peer_id"], second.peer_id());
    for command in ["status", "peers", "id", "rooms", "who", "history"] {
        let output = first.run(&[command]).await;
        ended_with(0, &output);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_started_without_options_on_one_machine_find_each_other() {
    let home = TempDir::new().unwrap();
    let path = home.path().display().to_string();
    let bare = |name: &str| NodeOptions {
        bare: true,
        environment: ["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"]
            .map(|variable| (variable.to_owned(), path.clone()))
            .into(),
        ..NodeOptions::named(name)
    };
    let first = Node::start(bare("first")).await;
    let second = Node::start(bare("second")).await;
    assert_ne!(first.peer_id(), second.peer_id());
    let met =
        |event: &NodeEvent| matches!(event, NodeEvent::PeerConnected { peer_id, .. } if peer_id == second.peer_id());
    first.feed.wait_for("the second finds the first", seconds(20), met).await;
    // A client without options finds a node, too.
    ended_with(0, &second.run(&["say", "hello"]).await);
    let heard = |event: &NodeEvent| matches!(event, NodeEvent::Message(message) if message.text == "hello");
    first.feed.wait_for("hello", seconds(20), heard).await;
    second.feed.wait_for("hello", seconds(20), heard).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_reaches_a_node_by_address_and_token_file() {
    let node = Node::start(NodeOptions::named("ada")).await;
    let elsewhere = TempDir::new().unwrap();
    let token = node.data_dir().join("api-token").display().to_string();
    let api = node.api().url("");
    let address = api.trim_start_matches("http://").split('/').next().unwrap();
    let mut command = harness::command::command_in(None);
    command.env("STARLING_DATA_DIR", elsewhere.path());
    command.args(["status", "--json", "--api", address, "--token-file", &token]);
    let output = harness::command::run_command(command, "").await;
    assert_eq!(output.json::<Value>()[0]["peer_id"], node.peer_id());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_node_ends_quietly_when_asked() {
    use rustix::process::Signal;
    for signal in [Signal::TERM, Signal::INT] {
        let mut node = Node::start(NodeOptions::named("ada")).await;
        node.say("lobby", "bye").await;
        node.signal(signal);
        assert_eq!(node.ended().await, Some(0));
        assert!(!node.log().contains("panicked"), "{}", node.log());
        node.restart().await;
        assert_eq!(same_history(&[&node], "lobby", 1, seconds(5)).await.len(), 1);
    }
}

//! Direct messages and contacts on the command line and in the prompt.

use harness::{Node, NodeOptions, Output, binary::node_binary, eventually, require, seconds, skip, terminal::Terminal};
use node::model::{DirectMessage, DirectState, NodeEvent, Person, SafetyNumber, Status};
use serde_json::Value;
use tokio::io::AsyncBufReadExt;

use crate::cli::{ended_with, is_friendly};

/// Two nodes that know each other by name.
async fn two() -> (Node, Node) {
    let ada = Node::start(NodeOptions::named("ada")).await;
    let bob = Node::start(NodeOptions::named("bob").joining(&ada)).await;
    knows(&ada, &bob).await;
    knows(&bob, &ada).await;
    (ada, bob)
}

/// Waits until a node has seen another in the lobby.
async fn knows(node: &Node, other: &Node) {
    let joined = |event: &NodeEvent| matches!(event, NodeEvent::Joined(member) if member.peer_id == other.peer_id());
    node.feed.wait_for("the other is in the lobby", seconds(30), joined).await;
}

/// `node message --json`, and waits until it has come.
async fn write(from: &Node, to: &Node, text: &str) -> DirectMessage {
    let message: DirectMessage = from.run(&["message", "--json", to.peer_id(), text]).await.json().remove(0);
    let came = |event: &NodeEvent| matches!(event, NodeEvent::Direct(came) if came.id == message.id);
    to.feed.wait_for(text, seconds(30), came).await;
    message
}

async fn inbox(node: &Node, options: &[&str]) -> Vec<DirectMessage> {
    node.run(&[&["inbox", "--json"], options].concat()).await.json()
}

fn texts(messages: &[DirectMessage]) -> Vec<&str> {
    messages.iter().map(|message| message.text.as_str()).collect()
}

async fn reaches(node: &Node, message: &DirectMessage, state: DirectState) {
    let reached = |event: &NodeEvent| matches!(event, NodeEvent::DirectState { id, state: now, .. } if *id == message.id && *now == state);
    node.feed.wait_for(&format!("it is {state:?}"), seconds(30), reached).await;
}

/// Fails unless the command failed with one line that has all of `words` in it.
#[track_caller]
fn refused(output: &Output, words: &[&str]) {
    assert!(matches!(output.code, Some(1 | 2)), "{output:#?}");
    is_friendly(output);
    assert_eq!(output.stderr.trim().lines().count(), 1, "one line: {output:#?}");
    for word in words {
        assert!(output.stderr.contains(word), "no '{word}' in {output:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_in_both_inboxes_and_how_far_it_is_can_be_seen() {
    let (ada, bob) = two().await;
    let sent = write(&ada, &bob, "hello").await;
    assert_eq!((sent.from.as_str(), sent.to.as_str(), sent.state), (ada.peer_id(), bob.peer_id(), DirectState::Queued));
    reaches(&ada, &sent, DirectState::Delivered).await;
    let delivered = DirectMessage { state: DirectState::Delivered, ..sent.clone() };
    assert_eq!(inbox(&ada, &[]).await, std::slice::from_ref(&delivered));

    let shown = bob.run(&["inbox", "--keep-unread"]).await;
    ended_with(0, &shown);
    assert!(["from ada", "[new]", "hello"].iter().all(|word| shown.stdout.contains(word)), "{shown:#?}");
    assert_eq!(inbox(&bob, &["--unread"]).await, [delivered]);
    reaches(&ada, &sent, DirectState::Read).await;
    assert_eq!(inbox(&bob, &["--unread"]).await, []);
    assert_eq!(inbox(&bob, &[]).await, [DirectMessage { state: DirectState::Read, ..sent.clone() }]);
    let shown = ada.run(&["inbox"]).await;
    assert!(["to bob", "[read]", "hello"].iter().all(|word| shown.stdout.contains(word)), "{shown:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_direct_message_in_json_has_six_keys_and_the_oldest_comes_first() {
    let (ada, bob) = two().await;
    write(&ada, &bob, "one").await;
    write(&bob, &ada, "two").await;
    write(&ada, &bob, "three\nlines").await;
    for node in [&ada, &bob] {
        assert_eq!(texts(&inbox(node, &["--keep-unread"]).await), ["one", "two", "three\nlines"]);
        assert_eq!(texts(&inbox(node, &["--keep-unread", "--limit", "1"]).await), ["three\nlines"]);
        assert_eq!(inbox(node, &["--keep-unread", "--limit", "0"]).await.len(), 3);
        let output = node.run(&["inbox", "--json", "--keep-unread", "--all"]).await;
        assert_eq!(output.stdout.lines().count(), 3, "one object a line: {output:#?}");
        for line in output.stdout.lines() {
            let value: Value = serde_json::from_str(line).unwrap();
            let keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
            let mut expected = ["id", "from", "to", "at", "text", "state"];
            expected.sort_unstable();
            let mut sorted = keys.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, expected, "{line}");
        }
    }
    assert_eq!(texts(&inbox(&bob, &["--unread", "--keep-unread"]).await), ["one", "three\nlines"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_shown_is_not_marked_as_read() {
    let (ada, bob) = two().await;
    for number in 1..=4 {
        write(&ada, &bob, &format!("number {number}")).await;
    }
    let some = bob.run(&["inbox", "--limit", "2"]).await;
    ended_with(0, &some);
    assert!(some.stderr.contains("node inbox --unread --all"), "{some:#?}");
    assert_eq!(inbox(&bob, &["--unread", "--all"]).await.len(), 4);
    assert_eq!(inbox(&bob, &["--unread", "--all"]).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_does_not_tell_what_was_read_does_not() {
    let ada = Node::start(NodeOptions::named("ada")).await;
    let quiet = NodeOptions { arguments: vec!["--no-read-receipts".into()], ..NodeOptions::named("bob") };
    let bob = Node::start(quiet.joining(&ada)).await;
    let first = write(&ada, &bob, "first").await;
    assert_eq!(inbox(&bob, &[]).await.len(), 1);
    // What comes later would not overtake the news that the first was read.
    let second = write(&ada, &bob, "second").await;
    reaches(&ada, &second, DirectState::Delivered).await;
    tokio::time::sleep(seconds(4)).await;
    let states = ada.feed.events().into_iter().filter_map(|event| match event {
        NodeEvent::DirectState { id, state, .. } if id == first.id => Some(state),
        _ => None,
    });
    assert_eq!(states.collect::<Vec<_>>(), [DirectState::Delivered]);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_meant_by_name_and_by_parts_of_their_peer_id_and_ambiguity_is_told() {
    let (ada, bob) = two().await;
    let other = Node::start(NodeOptions::named("Bob").joining(&ada)).await;
    knows(&ada, &other).await;
    let ambiguous = ada.run(&["message", "bob", "which?"]).await;
    refused(&ambiguous, &[bob.peer_id(), other.peer_id()]);
    for part in [&bob.peer_id()[8..20], &bob.peer_id()[..20], &bob.peer_id()[46..]] {
        let sent: DirectMessage = ada.run(&["message", "--json", part, "by a part"]).await.json().remove(0);
        assert_eq!(sent.to, bob.peer_id(), "{part}");
    }
    ended_with(0, &ada.run(&["contact", "add", other.peer_id(), "BOB"]).await);
    let sent: DirectMessage = ada.run(&["message", "--json", "bob", "by a contact's name"]).await.json().remove(0);
    assert_eq!(sent.to, other.peer_id());
    assert_eq!(texts(&inbox(&ada, &["--peer", "bob"]).await), ["by a contact's name"]);
    refused(&ada.run(&["message", "carol", "hello"]).await, &["carol", "node contact list --all"]);
    refused(&ada.run(&["inbox", "--peer", "carol"]).await, &["carol"]);
    refused(&ada.run(&["message", "ada", "hello"]).await, &["itself"]);
    refused(&ada.run(&["message", ada.peer_id(), "hello"]).await, &["itself"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_takes_the_name_of_somebody_who_is_away_gets_nothing_that_is_meant_for_them() {
    let (mut ada, mut bob) = two().await;
    write(&ada, &bob, "hello").await;
    bob.stop().await;
    let mut impostor = Node::start(NodeOptions::named("bob").joining(&ada)).await;
    knows(&ada, &impostor).await;
    let both = [bob.peer_id().to_owned(), impostor.peer_id().to_owned()];
    let both = [both[0].as_str(), both[1].as_str()];
    refused(&ada.run(&["message", "bob", "for you alone"]).await, &both);
    // Also when it was all before this process.
    impostor.stop().await;
    ada.stay();
    ada.stop().await;
    ada.restart().await;
    impostor.restart().await;
    eventually("ada sees two who went by the name", seconds(30), async || {
        let people: Vec<Person> = ada.run(&["contact", "list", "--all", "--json"]).await.json();
        let count = people.iter().filter(|person| person.names == ["bob"]).count();
        if count == 2 { Ok(()) } else { Err(format!("{people:?}")) }
    })
    .await;
    refused(&ada.run(&["message", "bob", "for you alone"]).await, &both);
}

#[tokio::test(flavor = "multi_thread")]
async fn contacts_are_added_listed_renamed_and_removed() {
    let (ada, bob) = two().await;
    ended_with(0, &ada.run(&["contact", "add", "bob", "Robert", "Tables"]).await);
    let contacts: Vec<Person> = ada.run(&["contact", "list", "--json"]).await.json();
    let name = contacts[0].contact.as_deref();
    assert_eq!((contacts.len(), contacts[0].peer_id.as_str(), name), (1, bob.peer_id(), Some("Robert Tables")));
    refused(&ada.run(&["contact", "add", "bob", "Rob"]).await, &["Robert Tables", "node contact rename"]);
    ended_with(0, &ada.run(&["contact", "rename", "robert tables", "Rob"]).await);
    let plain = ada.run(&["contact", "list"]).await;
    assert!(plain.stdout.starts_with("Rob  ") && plain.stdout.contains("goes by bob"), "{plain:#?}");
    refused(&ada.run(&["contact", "rename", "rob", &"x".repeat(65)]).await, &["64 bytes"]);
    refused(&ada.run(&["contact", "rename", "rob", " "]).await, &["1 to 64"]);
    let stranger = Node::start(NodeOptions::named("eve").joining(&ada)).await;
    knows(&ada, &stranger).await;
    refused(&ada.run(&["contact", "add", "eve", "ROB"]).await, &["ROB", bob.peer_id()]);
    refused(&ada.run(&["contact", "remove", "eve"]).await, &["no contact", "node contact add"]);
    refused(&ada.run(&["contact", "rename", "eve", "Eva"]).await, &["no contact"]);
    let all: Vec<Person> = ada.run(&["contact", "list", "--all", "--json"]).await.json();
    assert_eq!(all.len(), 2);
    ended_with(0, &ada.run(&["contact", "remove", "rob"]).await);
    let none = ada.run(&["contact", "list"]).await;
    ended_with(0, &none);
    assert!(none.stdout.contains("node contact add"), "{none:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_taken_from_somebody_who_is_blocked() {
    let (ada, bob) = two().await;
    ended_with(0, &bob.run(&["contact", "block", "ada"]).await);
    let contacts: Vec<Person> = bob.run(&["contact", "list", "--json"]).await.json();
    assert!(contacts[0].blocked && contacts[0].peer_id == ada.peer_id(), "{contacts:?}");
    let message: DirectMessage = ada.run(&["message", "--json", "bob", "let me in"]).await.json().remove(0);
    reaches(&ada, &message, DirectState::Refused).await;
    assert_eq!(inbox(&bob, &[]).await, []);
    ended_with(0, &bob.run(&["contact", "unblock", "ada"]).await);
    write(&ada, &bob, "thank you").await;
    assert_eq!(texts(&inbox(&bob, &[]).await), ["thank you"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_strangers_wrote_can_be_thrown_away() {
    let (ada, bob) = two().await;
    let cyd = Node::start(NodeOptions::named("cyd").joining(&bob)).await;
    knows(&bob, &cyd).await;
    knows(&cyd, &bob).await;
    ended_with(2, &bob.run(&["contact", "dismiss"]).await);
    let none = bob.run(&["contact", "dismiss", "--strangers"]).await;
    ended_with(0, &none);
    assert!(none.stdout.contains("no messages of strangers"), "{none:#?}");
    write(&ada, &bob, "you have won").await;
    write(&cyd, &bob, "hello from the café").await;
    ended_with(0, &bob.run(&["contact", "add", "cyd", "Cyd"]).await);
    refused(&bob.run(&["contact", "dismiss", "cyd"]).await, &["only strangers'"]);
    let dismissed: Vec<Value> = bob.run(&["contact", "dismiss", "--strangers", "--json"]).await.json();
    assert_eq!(dismissed[0]["dismissed"], serde_json::json!([ada.peer_id()]));
    assert_eq!(texts(&inbox(&bob, &[]).await), ["hello from the café"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_see_the_same_safety_number() {
    let (ada, bob) = two().await;
    let of_ada: SafetyNumber = ada.run(&["contact", "verify", "bob", "--json"]).await.json().remove(0);
    let of_bob: SafetyNumber = bob.run(&["contact", "verify", "ada", "--json"]).await.json().remove(0);
    assert_eq!((of_ada.digits.len(), &of_ada.digits), (60, &of_bob.digits));
    let plain = ada.run(&["contact", "verify", "bob"]).await;
    ended_with(0, &plain);
    assert!(of_ada.groups.iter().all(|group| plain.stdout.contains(group.as_str())), "{plain:#?}");
    assert!(plain.stdout.contains("████ ▄▄▄▄▄ █"), "a QR code: {plain:#?}");
    assert!(!plain.stdout.contains('\u{1b}'), "no colours where there is no terminal");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_comes_from_standard_input_and_one_that_cannot_be_sent_is_told() {
    let (ada, bob) = two().await;
    let sent = ada.run_with_input(&["message", "--json", "bob", "-"], "from a pipe: ä ✓\nand more\n").await;
    assert_eq!(sent.json::<DirectMessage>()[0].text, "from a pipe: ä ✓\nand more");
    let plain = ada.run(&["message", "bob", "two", "words"]).await;
    ended_with(0, &plain);
    assert!(plain.stdout.contains("queued for bob"), "{plain:#?}");
    refused(&ada.run_with_input(&["message", "bob", "-"], "").await, &["empty"]);
    refused(&ada.run(&["message", "bob", " "]).await, &["empty"]);
    refused(&ada.run_with_input(&["message", "bob", "-"], &"ä".repeat(20_000)).await, &["24576"]);
    refused(&ada.run_with_input(&["message", "bob", "-"], &"x".repeat(24_577)).await, &["24576"]);
    ended_with(0, &ada.run_with_input(&["message", "bob", "-"], &"x".repeat(24_576)).await);
    refused(&ada.run(&["chat", "--with", "bob"]).await, &["terminal", "node message"]);
    ended_with(2, &ada.run(&["chat", "--with", "bob", "--room", "birds"]).await);
    ended_with(0, &ada.run(&["key", "rotate"]).await);
    write(&bob, &ada, "for the new key").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_keeps_messages_for_others() {
    let mut node = Node::start(NodeOptions::named("relay")).await;
    assert_eq!(node.status().await.mailbox, None);
    assert_eq!(node.stop().await, Some(0));
    let listen = ["--listen", "/ip4/127.0.0.1/tcp/0", "--api", "127.0.0.1:0", "--no-mdns"];
    let (_relay, mut lines) = node.follow(&[&["relay", "--json"], &listen[..]].concat());
    let mut ready = String::new();
    tokio::time::timeout(seconds(30), lines.read_line(&mut ready)).await.expect("it starts").unwrap();
    let status: Status = node.run(&["status", "--json"]).await.json().remove(0);
    assert!(status.mailbox.is_some(), "{status:?}");
}

async fn shows(terminal: &Terminal, words: &[&str]) {
    eventually(&format!("a line with {words:?}"), seconds(30), async || {
        let screen = terminal.screen();
        let shown = screen.iter().any(|line| words.iter().all(|word| line.contains(word)));
        if shown { Ok(()) } else { Err(screen.join("\n")) }
    })
    .await;
}

fn enter(terminal: &Terminal, line: &str) {
    terminal.type_text(line);
    terminal.press("Enter");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_prompt_shows_direct_messages_apart_from_those_of_rooms() {
    if let Err(reason) = require(&["tmux"]) {
        return skip("direct messages in the prompt", &reason);
    }
    let (ada, bob) = two().await;
    let data = ada.data_dir().display().to_string();
    let terminal = Terminal::start(node_binary(), &["chat"], &[("STARLING_DATA_DIR", &data)]);
    shows(&terminal, &["lobby>"]).await;
    bob.say("lobby", "@ 12:34 from ada: in the room").await;
    shows(&terminal, &["bob (", "): @ 12:34 from ada: in the room"]).await;
    let came = write(&bob, &ada, "to you alone").await;
    shows(&terminal, &["@ ", " from bob (", "): to you alone"]).await;
    enter(&terminal, "/msg bob and to you");
    shows(&terminal, &["@ ", " to bob (", "): and to you"]).await;
    shows(&terminal, &["@ delivered to bob ("]).await;
    // Whoever answers has read.
    reaches(&bob, &came, DirectState::Read).await;
    assert_eq!(texts(&inbox(&bob, &[]).await), ["to you alone", "and to you"]);
    shows(&terminal, &["@ read by bob ("]).await;
    enter(&terminal, "/inbox");
    shows(&terminal, &["@ ", " to bob (", "[read]: and to you"]).await;
    enter(&terminal, "/msg carol hello");
    shows(&terminal, &["! ", "carol", "nobody known"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_for_one_person_shows_the_conversation_and_tells_what_was_read() {
    if let Err(reason) = require(&["tmux"]) {
        return skip("a prompt for one person", &reason);
    }
    let (ada, bob) = two().await;
    ended_with(0, &ada.run(&["contact", "add", "bob", "Robert"]).await);
    let before = write(&bob, &ada, "before you came").await;
    let data = ada.data_dir().display().to_string();
    let terminal = Terminal::start(node_binary(), &["chat", "--with", "robert"], &[("STARLING_DATA_DIR", &data)]);
    shows(&terminal, &["Robert [new]: before you came"]).await;
    shows(&terminal, &["Robert>"]).await;
    reaches(&bob, &before, DirectState::Read).await;
    enter(&terminal, "what is it?");
    shows(&terminal, &["* delivered to Robert"]).await;
    bob.say("lobby", "not here").await;
    let answer = write(&bob, &ada, "\u{1b}[2Jnothing").await;
    shows(&terminal, &["Robert: ", "nothing"]).await;
    reaches(&bob, &answer, DirectState::Read).await;
    assert_eq!(inbox(&bob, &[]).await.len(), 3);
    shows(&terminal, &["* read by Robert"]).await;
    enter(&terminal, "/join birds");
    shows(&terminal, &["! ", "Robert alone"]).await;
    let screen = terminal.screen().join("\n");
    assert!(!screen.contains("not here") && screen.contains("before you came"), "{screen}");
    terminal.press("C-d");
    eventually("it ends", seconds(15), async || if terminal.is_alive() { Err("alive") } else { Ok(()) }).await;
}

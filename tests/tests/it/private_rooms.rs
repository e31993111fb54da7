//! Private rooms between real processes: who learns what.

use std::{fs, path::Path};

use harness::{Node, NodeOptions, connected_to, eavesdropper::Eavesdropper, eventually, same_history, seconds};
use node::model::{Invitation, JoinedRoom, Rotation};
use proto::{
    call::{Answer, Question, Topic},
    ids::ChannelId,
    log::message::{SyncRequest, SyncResponse},
    presence::{PresenceRequest, PresenceResponse},
    wire,
};
use serde_json::Value;

const ROOM: &str = "orchid house";
/// Display names that nobody else has, so that they are found wherever they stand.
const NAMES: [&str; 5] = ["Quillfeather", "Brambleworth", "Thistledown", "Marrowgate", "Foxglovely"];
const TEXTS: [&str; 3] = ["the spare key lies under the third pot", "bring the blue lantern", "we meet without her"];

async fn channel_of(node: &Node) -> ChannelId {
    let rooms = node.rooms().await;
    rooms.iter().find(|room| room.room == ROOM).expect("it is in the room").channel.parse().unwrap()
}

async fn epoch_is(node: &Node, epoch: u32) {
    eventually(&format!("{} is at epoch {epoch}", node.name()), seconds(60), async || {
        let rooms = node.rooms().await;
        let at = rooms.iter().find(|room| room.room == ROOM).and_then(|room| Some(room.private.as_ref()?.epoch));
        if at == Some(epoch) { Ok(()) } else { Err(format!("{at:?}")) }
    })
    .await;
}

async fn present(node: &Node, count: usize) {
    eventually(&format!("{} sees {count}", node.name()), seconds(60), async || {
        let who = node.who(ROOM).await.len();
        if who == count { Ok(()) } else { Err(format!("{who}")) }
    })
    .await;
}

/// A node and its members, who all see each other.
async fn five() -> (Vec<Node>, Invitation) {
    let owner = Node::start(NodeOptions::named(NAMES[0])).await;
    let output = owner.run(&["room", "create", ROOM, "--private", "--json"]).await;
    let invitation: Invitation = output.json().remove(0);
    assert_eq!((invitation.room.as_str(), invitation.epoch), (ROOM, 0));
    let mut nodes = vec![owner];
    for name in &NAMES[1..] {
        // They know nobody: the link alone leads them in.
        let node = Node::start(NodeOptions::named(name)).await;
        let output = node.run_with_input(&["join", "-", "--json"], &format!("{}\n", invitation.link)).await;
        assert_eq!(output.json::<Value>()[0]["joined"], ROOM);
        nodes.push(node);
    }
    for node in &nodes {
        present(node, NAMES.len()).await;
    }
    (nodes, invitation)
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// Whether a question is one about a channel.
fn is_about(question: &[u8], channel: ChannelId) -> bool {
    question.get(1..33) == Some(&channel.0[..])
}

/// Whether a text stands in any file below a directory.
fn holds(directory: &Path, text: &str) -> bool {
    fs::read_dir(directory).unwrap().flatten().any(|entry| match entry.path() {
        path if path.is_dir() => holds(&path, text),
        path => contains(&fs::read(path).unwrap_or_default(), text),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_of_five_is_hidden_from_a_sixth_peer_a_relay_and_a_node_without_the_link() {
    let (nodes, _) = five().await;
    let relay = Node::start(NodeOptions::named("relay").joining(&nodes[0]).with(&["--mailbox"])).await;
    let ordinary = Node::start(NodeOptions::named("ordinary").joining(&nodes[1])).await;
    connected_to(&relay, 2, seconds(30)).await;
    connected_to(&ordinary, 2, seconds(30)).await;
    let all: Vec<&Node> = nodes.iter().chain([&relay, &ordinary]).collect();
    let spy = Eavesdropper::connect(&all);
    let channel = channel_of(&nodes[0]).await;
    eventually("the spy sees the topic", seconds(30), async || {
        let topics = spy.heard().gossip;
        if topics.contains_key(&channel.topic()) { Ok(()) } else { Err(format!("{:?}", topics.keys())) }
    })
    .await;

    for (node, text) in nodes.iter().zip(TEXTS) {
        node.say(ROOM, text).await;
    }
    let five: Vec<&Node> = nodes.iter().collect();
    same_history(&five, ROOM, TEXTS.len(), seconds(60)).await;
    // It hears of the room, and is asked about it.
    let about = |bytes: &Vec<u8>| is_about(bytes, channel);
    eventually("the spy has heard something", seconds(60), async || {
        let heard = spy.heard();
        let (gossip, questions) =
            (heard.gossip[&channel.topic()].len(), heard.questions.iter().filter(|q| about(q)).count());
        if gossip > TEXTS.len() && questions > 0 { Ok(()) } else { Err(format!("{gossip}, {questions}")) }
    })
    .await;

    nothing_is_learned(&spy, channel, &all).await;
    for node in [&relay, &ordinary] {
        for secret in TEXTS.iter().chain(&[ROOM]) {
            assert!(!holds(node.data_dir(), secret), "{} keeps {secret:?}", node.name());
            assert!(!node.log().contains(secret), "{} logs {secret:?}", node.name());
        }
        assert!(node.rooms().await.iter().all(|room| room.room == "lobby"));
        let peers = node.peers().await;
        assert!(peers.iter().all(|peer| peer.rooms.iter().all(|room| room == "lobby")), "{peers:?}");
        // Whoever guesses the name gets into an open room that nobody else is in.
        assert_eq!(node.run(&["join", ROOM]).await.code, Some(0));
    }
    tokio::time::sleep(seconds(3)).await;
    for node in [&relay, &ordinary] {
        assert!(node.history(ROOM).await.is_empty());
        assert!(node.who(ROOM).await.len() <= 2, "only those two are there");
    }
    let shown = nodes[0].peers().await;
    let in_it = shown.iter().filter(|peer| peer.rooms.contains(&ROOM.to_owned())).count();
    assert!(in_it < NAMES.len(), "who only subscribes is not shown as a member");
}

/// Whatever a spy asks about the room's channel, it is answered as by nodes that are not in it; and what it hears tells nothing.
async fn nothing_is_learned(spy: &Eavesdropper, channel: ChannelId, all: &[&Node]) {
    let about = |bytes: &Vec<u8>| is_about(bytes, channel);
    let mut answers = Vec::new();
    for (topic, expected) in [
        (Topic::Sync(SyncRequest::Vector { after: None }), Answer::Sync(SyncResponse::Unavailable)),
        (Topic::Presence(PresenceRequest::List { after: None }), Answer::Presence(PresenceResponse::Unavailable)),
        (Topic::Sealed(vec![9; 80]), Answer::Sealed(Vec::new())),
    ] {
        let frame = wire::encode(&Question { channel, topic });
        for node in all {
            let answer = spy.ask(node, frame.clone()).await.unwrap();
            assert_eq!(answer, wire::encode(&expected), "{} answers as one that is not in the room", node.name());
            answers.push(answer);
        }
    }
    let heard = spy.heard();
    for frame in heard.questions.iter().filter(|question| about(question)) {
        for node in all {
            let answer = spy.ask(node, frame.clone()).await.unwrap();
            assert_eq!(answer, wire::encode(&Answer::Sealed(Vec::new())), "what it was asked itself, asked again");
        }
    }
    let sealed = &heard.gossip[&channel.topic()];
    for bytes in sealed.iter().chain(heard.questions.iter().filter(|question| about(question))).chain(&answers) {
        for secret in TEXTS.iter().chain(&NAMES).chain(&[ROOM]) {
            assert!(!contains(bytes, secret), "{secret:?} is heard");
        }
    }
    // Elsewhere their names are heard, in the lobby, but nothing of the room.
    let elsewhere = heard.gossip.values().flatten().chain(&heard.questions);
    for bytes in
        elsewhere.chain(heard.identities.iter().map(String::as_bytes).map(<[u8]>::to_vec).collect::<Vec<_>>().iter())
    {
        assert!(!TEXTS.iter().chain(&[ROOM]).any(|secret| contains(bytes, secret)));
    }
    assert!(heard.gone.is_empty(), "asking is no offence");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_rotation_the_one_left_out_reads_nothing_new_while_the_four_go_on() {
    let (mut nodes, first) = five().await;
    nodes[0].say(ROOM, TEXTS[0]).await;
    let five: Vec<&Node> = nodes.iter().collect();
    same_history(&five, ROOM, 1, seconds(60)).await;
    let [owner, .., left_out] = nodes.as_slice() else { panic!("five") };
    assert!(left_out.run(&["room", "rotate", ROOM]).await.stderr.contains("owner"));

    let output = owner.run(&["room", "rotate", ROOM, "--without", NAMES[4], "--json"]).await;
    let rotation: Rotation = output.json().remove(0);
    assert_eq!((rotation.epoch, rotation.told.len()), (1, 3));
    assert!(!rotation.told.contains(&left_out.peer_id().to_owned()) && rotation.link != first.link);
    for node in &nodes[..4] {
        epoch_is(node, 1).await;
        present(node, 4).await;
    }
    for node in &nodes[..4] {
        assert_eq!(node.api().direct().await.unwrap(), [], "the letters that told of the key are nobody's to read");
    }
    nodes[1].say(ROOM, TEXTS[1]).await;
    nodes[3].say(ROOM, TEXTS[2]).await;
    let four: Vec<&Node> = nodes[..4].iter().collect();
    same_history(&four, ROOM, 3, seconds(60)).await;

    // She has the old secret, all connections and all the time, and knows where they are.
    let old = channel_of(left_out).await;
    let spy = Eavesdropper::connect(&nodes.iter().collect::<Vec<_>>());
    tokio::time::sleep(seconds(5)).await;
    assert_eq!(
        left_out.history(ROOM).await.iter().map(|message| message.text.as_str()).collect::<Vec<_>>(),
        [TEXTS[0]]
    );
    assert_eq!(
        left_out.run_with_input(&["join", "-"], &first.link).await.code,
        Some(0),
        "the old link still leads there"
    );
    assert_eq!(channel_of(left_out).await, old);
    assert!(!holds(left_out.data_dir(), TEXTS[1]) && !holds(left_out.data_dir(), TEXTS[2]));
    present(left_out, 1).await;
    drop(spy);

    // A member and the owner are restarted: they are where they were.
    for index in [0, 2] {
        nodes[index].stop().await;
        nodes[index].restart().await;
        epoch_is(&nodes[index], 1).await;
        assert_eq!(nodes[index].history(ROOM).await.len(), 3, "over both epochs");
    }
    nodes[2].say(ROOM, "still four").await;
    let four: Vec<&Node> = nodes[..4].iter().collect();
    same_history(&four, ROOM, 4, seconds(60)).await;
    assert_eq!(nodes[4].history(ROOM).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_says_what_there_is_to_know_and_what_is_wrong() {
    let ada = Node::start(NodeOptions::named("ada")).await;
    let bob = Node::start(NodeOptions::named("bob").joining(&ada)).await;
    let created = ada.run(&["room", "create", "Garden", "--private"]).await;
    let link = created.stdout.trim().to_owned();
    assert!(created.code == Some(0) && link.starts_with("starling:room/") && !link.contains('\n'), "{created:?}");
    assert!(created.stderr.contains("read along"), "{created:?}");
    let shown = ada.run(&["room", "invite", "garden"]).await;
    assert!(shown.stdout.trim().starts_with("starling:room/"));
    let rooms = ada.run(&["rooms"]).await.stdout;
    assert!(rooms.lines().any(|line| line.starts_with("garden") && line.contains("private")), "{rooms}");
    assert!(rooms.lines().any(|line| line.starts_with("lobby") && !line.contains("private")), "{rooms}");

    let (shorter, typo) = (&link[..link.len() - 5], format!("{}x{}", &link[..60], &link[61..]));
    let nameless = link.trim_start_matches("starling:").to_owned();
    for (arguments, code, hint) in [
        (&["join", shorter][..], 2, "damaged"),
        (&["join", &typo], 2, "damaged"),
        (&["join", &nameless], 2, "starling:room/"),
        (&["join", "lobby", "--as", "x"], 2, "--as"),
        (&["join", &link, "--as", "lobby"], 1, "another name"),
        (&["room", "invite", "lobby"], 1, "no private room"),
        (&["room", "rotate", "garden"], 1, "no private room"),
        (&["room", "create", "lobby", "--private"], 1, "another name"),
    ] {
        let output = bob.run(arguments).await;
        assert!(output.code == Some(code) && output.stderr.contains(hint), "{arguments:?}: {output:?}");
        assert_eq!(output.stderr.trim().lines().filter(|line| line.contains(hint)).count(), 1);
        assert!(!output.stderr.contains(&link[20..60]), "{output:?}");
    }
    assert_eq!(ada.run(&["room", "create", "garden", "--private"]).await.code, Some(1));
    assert_eq!(bob.run(&["room", "create", "commons"]).await.stdout.trim(), "joined commons");

    let joined = bob.run(&["join", &link, "--as", "the shed", "--json"]).await.json::<Value>().remove(0);
    assert_eq!((joined["joined"].as_str(), joined["epoch"].as_u64()), (Some("the shed"), Some(0)));
    bob.say("the shed", "hello").await;
    same_history(&[&ada], "garden", 1, seconds(30)).await;
    let missing = ada.run(&["room", "rotate", "garden", "--without", "carol"]).await;
    assert!(missing.code == Some(1) && missing.stderr.contains(bob.peer_id()), "{missing:?}");
    assert_eq!(ada.run(&["room", "rotate", "garden", "--without", "bob", "--only", "bob"]).await.code, Some(2));
    let rotated = ada.run(&["room", "rotate", "garden", "--only", "bob"]).await;
    let told: Vec<&str> = rotated.stdout.lines().skip(1).collect();
    assert!(matches!(told[..], [told] if told.contains("bob") && told.ends_with(bob.peer_id())), "{rotated:?}");
    eventually("bob has moved", seconds(30), async || {
        let rooms = bob.run(&["rooms"]).await.stdout;
        if rooms.contains("key changed once") { Ok(()) } else { Err(rooms) }
    })
    .await;
    // Neither link stands in a log, nor in what the prompt remembers.
    for node in [&ada, &bob] {
        assert!(!node.log().contains("starling:room/"), "{} logs a link", node.name());
    }
    let response: JoinedRoom = {
        let body = serde_json::json!({ "link": rotated.stdout.lines().next() });
        let request = bob.api().request(reqwest::Method::POST, "private-rooms/join").json(&body);
        request.send().await.unwrap().json().await.unwrap()
    };
    assert_eq!(response, JoinedRoom { room: "the shed".into(), epoch: 1 });
}

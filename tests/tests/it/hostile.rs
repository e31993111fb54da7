//! Peers that break the rules, written with libp2p itself: each breach is counted under its reason and penalised, and honest
//! peers notice nothing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use harness::{Node, NodeOptions, attacker::Attacker, connected_to, eventually, process, same_history, seconds};
use node::model::NodeEvent;
use proto::{
    call::{Question, Topic},
    channel::RoomName,
    event::Run,
    ids::EventId,
    live::Live,
    log::message::SyncRequest,
    signature::Signature,
    wire,
};
use tokio::{io::AsyncWriteExt, net::TcpStream};

const ROOM: &str = "lobby";

/// A node under attack stays below this.
const MAX_RESIDENT_BYTES: u64 = 150 << 20;

/// Times that a breach is repeated at most before the node must have had enough of it.
const REPEATS: usize = 400;

/// Between two repeats.
const PACE: Duration = Duration::from_millis(10);

fn live(run: Run) -> Vec<u8> {
    wire::encode(&Live::Run(run))
}

/// A way to break the rules: what it sends for the n-th time.
struct Breach {
    name: &'static str,
    reason: &'static str,
    frame: fn(&Attacker, u64) -> Vec<u8>,
    asked: bool,
    /// Whether it alone gets a peer banned. A wrong clock does not: it may be ours.
    grave: bool,
}

const BREACHES: [Breach; 10] = [
    Breach { name: "garbage gossip", reason: "malformed", frame: garbage, asked: false, grave: true },
    Breach { name: "trailing bytes", reason: "malformed", frame: trailing_bytes, asked: false, grave: true },
    Breach { name: "a frame too long", reason: "oversized", frame: oversized, asked: false, grave: true },
    Breach { name: "a forged signature", reason: "bad_signature", frame: forged, asked: false, grave: true },
    Breach {
        name: "somebody else's name",
        reason: "bad_signature",
        frame: in_anothers_name,
        asked: false,
        grave: true,
    },
    Breach {
        name: "another channel's event",
        reason: "not_allowed",
        frame: another_channel,
        asked: false,
        grave: true,
    },
    Breach {
        name: "a log that starts in the middle of nothing",
        reason: "broken_log",
        frame: broken_log,
        asked: false,
        grave: true,
    },
    Breach { name: "a clock years ahead", reason: "clock_ahead", frame: years_ahead, asked: false, grave: false },
    Breach { name: "a garbage question", reason: "malformed", frame: garbage, asked: true, grave: true },
    Breach { name: "a question too long", reason: "oversized", frame: long_question, asked: true, grave: true },
];

fn garbage(_: &Attacker, number: u64) -> Vec<u8> {
    // Each is another frame: gossip would drop repeated ones as duplicates.
    [&[1, 0xfe][..], &number.to_be_bytes(), &[0xa5; 200]].concat()
}

fn trailing_bytes(attacker: &Attacker, number: u64) -> Vec<u8> {
    let mut frame = live(attacker.run(attacker.event(number, "and more", 0)));
    frame.extend(b"more");
    frame
}

fn oversized(_: &Attacker, number: u64) -> Vec<u8> {
    let mut frame = vec![1; 70_000];
    frame.extend(number.to_be_bytes());
    frame
}

fn forged(attacker: &Attacker, number: u64) -> Vec<u8> {
    let mut run = attacker.run(attacker.event(number, "forged", 0));
    run.signature = Signature::from_bytes([7; 64]);
    live(run)
}

fn in_anothers_name(attacker: &Attacker, number: u64) -> Vec<u8> {
    let mut run = attacker.run(attacker.event(number, "forged", 0));
    let other = proto::signature::Signer::new(proto::Keypair::generate_ed25519()).expect("the key is Ed25519");
    run.author = other.author();
    live(run)
}

fn another_channel(attacker: &Attacker, number: u64) -> Vec<u8> {
    let mut event = attacker.event(number, "strayed", 0);
    event.channel = "elsewhere".parse::<RoomName>().expect("a name").channel();
    live(attacker.run(event))
}

fn broken_log(attacker: &Attacker, number: u64) -> Vec<u8> {
    let mut event = attacker.event(number, "the first with a predecessor", 0);
    event.prev = EventId([9; 32]);
    live(attacker.run(event))
}

fn years_ahead(attacker: &Attacker, number: u64) -> Vec<u8> {
    live(attacker.run(attacker.event(number, "from the future", 3 * 365 * 86_400_000)))
}

fn long_question(_: &Attacker, _: u64) -> Vec<u8> {
    vec![1; 200_000]
}

async fn refused(node: &Node, reason: &str) -> u64 {
    let status = node.api().status().await.unwrap();
    status.refused.iter().find(|refusal| refusal.reason == reason).map_or(0, |refusal| refusal.count)
}

fn is_small(node: &Node) {
    if let Some(bytes) = process::peak_resident_bytes(node.pid()) {
        eprintln!("{}: {} MiB at most", node.name(), bytes >> 20);
        assert!(bytes < MAX_RESIDENT_BYTES, "{} took {} MiB", node.name(), bytes >> 20);
    }
}

/// Repeats a breach until the node hangs up; returns how often it took.
async fn insist(attacker: &Attacker, breach: &Breach) -> Option<usize> {
    for number in 0..REPEATS {
        let frame = (breach.frame)(attacker, number as u64 + 1);
        // Being hung up on is what is awaited, and a full queue means that the node is slow to read.
        let _ = if breach.asked { attacker.ask(frame).await.map(drop) } else { attacker.gossip(frame).await };
        tokio::time::sleep(PACE).await;
        if attacker.is_hung_up_on() {
            return Some(number + 1);
        }
    }
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn every_breach_is_counted_under_its_reason_and_in_the_end_the_peer_is_kept_out() {
    let node = Node::start(NodeOptions::named("honest")).await;
    let honest = node.say(ROOM, "before").await;
    for breach in &BREACHES {
        let before = refused(&node, breach.reason).await;
        let attacker = Attacker::connect(&node, ROOM).await.unwrap();
        let hung_up_after = insist(&attacker, breach).await;
        let counted = refused(&node, breach.reason).await - before;
        eprintln!("{}: hung up after {hung_up_after:?}; counted {counted} as {}", breach.name, breach.reason);
        let status = node.api().status().await.unwrap();
        assert!(counted > 0, "{}: not counted as {}: {:?}", breach.name, breach.reason, status.refused);
        assert_eq!(hung_up_after.is_some(), breach.grave, "{}: repeated up to {REPEATS} times", breach.name);
        if !breach.grave {
            continue;
        }
        let peers = node.peers().await;
        let entry = peers.iter().find(|peer| peer.peer_id == attacker.peer_id.to_string());
        assert!(entry.is_some_and(|peer| peer.banned.is_some() && !peer.connected), "{}: {entry:?}", breach.name);
    }
    // Nothing of all that became history.
    assert_eq!(node.history_ids(ROOM).await, [honest.id]);
    is_small(&node);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_banned_peer_that_comes_back_is_refused_and_counted() {
    let node = Node::start(NodeOptions::named("honest")).await;
    let attacker = Attacker::connect(&node, ROOM).await.unwrap();
    let forged = BREACHES.iter().find(|breach| breach.reason == "bad_signature").unwrap();
    assert!(insist(&attacker, forged).await.is_some());
    let again = attacker.reconnect(&node, ROOM).await;
    assert!(again.is_err(), "it was let in again");
    eventually("the refusal is counted", seconds(10), async || {
        let count = refused(&node, "banned").await;
        if count > 0 { Ok(()) } else { Err(count) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_answers_nonsense_is_penalised() {
    let node = Node::start(NodeOptions::named("honest")).await;
    let mut count = 0;
    for _ in 0..20 {
        // The node asks every peer of a room for its vector when it connects; this one answers with bytes.
        let Ok(attacker) = Attacker::connect_answering(&node, ROOM, |_| vec![0xee; 100]).await else { break };
        node.api().post("sync", &serde_json::json!({})).await.unwrap();
        let deadline = Instant::now() + seconds(5);
        while count == 0 && Instant::now() < deadline {
            count = refused(&node, "malformed").await + refused(&node, "wrong_answer").await;
            tokio::time::sleep(PACE).await;
        }
        drop(attacker);
        if count > 0 {
            break;
        }
    }
    assert!(count > 0, "nonsense was taken for an answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forked_log_is_frozen_and_told_and_the_others_go_on() {
    let node = Node::start(NodeOptions::named("honest")).await;
    let attacker = Attacker::connect(&node, ROOM).await.unwrap();
    for text in ["one truth", "another truth"] {
        attacker.gossip(live(attacker.run(attacker.event(5, text, 0)))).await.unwrap();
        // The second is proof of a fork only beside a first that is durable, and so shown.
        if text == "one truth" {
            let shown = |event: &NodeEvent| matches!(event, NodeEvent::Message(message) if message.text == text);
            node.feed.wait_for("the first truth", seconds(15), shown).await;
        }
    }
    let warned = |event: &NodeEvent| matches!(event, NodeEvent::Warning { .. });
    node.feed.wait_for("a warning about the fork", seconds(15), warned).await;
    eventually("the log is frozen", seconds(10), async || {
        let rooms = node.rooms().await;
        let frozen: u64 = rooms.iter().map(|room| room.frozen_logs).sum();
        if frozen == 1 { Ok(()) } else { Err(format!("{rooms:?}")) }
    })
    .await;
    assert_eq!(node.say(ROOM, "unharmed").await.text, "unharmed");
}

/// What a flood is made of.
#[derive(Debug, Clone, Copy)]
enum Flood {
    /// Bytes without meaning.
    Garbage,
    /// A log that keeps the rules and never ends.
    Events,
    /// Questions, many at once.
    Questions,
}

/// Sends one frame after the other until `stop` says so or the node hangs up; returns how many.
async fn flood_once(attacker: &Attacker, kind: Flood, stop: &AtomicBool) -> usize {
    let question = wire::encode(&Question {
        channel: ROOM.parse::<RoomName>().unwrap().channel(),
        topic: Topic::Sync(SyncRequest::Vector { after: None }),
    });
    let (mut sent, mut prev) = (0, EventId::NONE);
    for number in 1.. {
        if stop.load(Ordering::Relaxed) || attacker.is_hung_up_on() {
            break;
        }
        let taken = match kind {
            Flood::Garbage => attacker.gossip(garbage(attacker, number)).await.is_ok(),
            Flood::Questions => {
                let burst = (0..32).map(|_| attacker.ask(question.clone()));
                futures::future::join_all(burst).await.iter().any(Result::is_ok)
            }
            Flood::Events => {
                let text = "flood ".repeat(if number % 10 == 0 { 3_000 } else { 20 });
                let mut event = attacker.event(1, &text, number);
                (event.seq, event.prev) = (number, prev);
                prev = event.id();
                attacker.gossip(live(attacker.run(event))).await.is_ok()
            }
        };
        sent += usize::from(taken);
        if !taken {
            tokio::task::yield_now().await;
        }
    }
    sent
}

/// Floods as ever new peers until told to stop; returns how much was sent.
async fn flood(node: Arc<Node>, kind: Flood, stop: Arc<AtomicBool>, identities: Arc<AtomicUsize>) -> usize {
    let mut sent = 0;
    while !stop.load(Ordering::Relaxed) {
        match Attacker::connect(&node, ROOM).await {
            Ok(attacker) => {
                identities.fetch_add(1, Ordering::Relaxed);
                sent += flood_once(&attacker, kind, &stop).await;
            }
            Err(_) => tokio::time::sleep(PACE).await,
        }
    }
    eprintln!("{kind:?}: {sent}");
    sent
}

#[tokio::test(flavor = "multi_thread")]
async fn honest_nodes_go_on_talking_during_a_flood() {
    let first = Arc::new(Node::start(NodeOptions::named("first")).await);
    let second = Node::start(NodeOptions::named("second").joining(&first)).await;
    connected_to(&second, 1, seconds(20)).await;
    let stop = Arc::new(AtomicBool::new(false));
    let identities = Arc::new(AtomicUsize::new(0));
    let floods: Vec<_> = [Flood::Garbage, Flood::Events, Flood::Questions]
        .map(|kind| tokio::spawn(flood(first.clone(), kind, stop.clone(), identities.clone())))
        .into();

    let (first_api, second_api) = (first.api(), second.api());
    let mut latencies = Vec::new();
    let mut pace = tokio::time::interval(Duration::from_millis(200));
    let start = Instant::now();
    let mut said = Vec::new();
    while start.elapsed() < seconds(15) {
        pace.tick().await;
        let (api, listener) = if said.len() % 2 == 0 { (&first_api, &second) } else { (&second_api, &*first) };
        let sent = Instant::now();
        let message = api.say(ROOM, &format!("in the storm, {}", said.len())).await.unwrap();
        let heard = |event: &NodeEvent| matches!(event, NodeEvent::Message(heard) if heard.id == message.id);
        listener.feed.wait_for("an honest message during the flood", seconds(5), heard).await;
        latencies.push(sent.elapsed());
        said.push(message.id);
    }
    stop.store(true, Ordering::Relaxed);
    let mut sent = 0;
    for task in floods {
        sent += task.await.unwrap();
    }
    latencies.sort();
    eprintln!(
        "{sent} frames by {} attackers; {} honest messages, median {:?}, slowest {:?}",
        identities.load(Ordering::Relaxed),
        latencies.len(),
        latencies[latencies.len() / 2],
        latencies[latencies.len() - 1]
    );
    assert!(refused(&first, "flood").await > 0, "{:?}", first.status().await.refused);
    is_small(&first);
    is_small(&second);
    eventually("both hold all honest messages", seconds(40), async || {
        for api in [&first_api, &second_api] {
            let held = api.history_ids(ROOM).await?;
            let missing = said.iter().filter(|id| !held.contains(id)).count();
            if missing > 0 {
                return Err(format!("{missing} missing"));
            }
        }
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_that_talk_rubbish_or_nothing_hold_nobody_up() {
    let first = Node::start(NodeOptions::named("first")).await;
    let address = first.address_with("/tcp/");
    let port: u16 = address.split('/').nth(4).unwrap().parse().unwrap();
    let mut silent = Vec::new();
    for number in 0..300 {
        let Ok(mut socket) = TcpStream::connect(("127.0.0.1", port)).await else { continue };
        if number % 2 == 0 {
            let _ = socket.write_all(&[0xa5; 4096]).await;
        }
        silent.push(socket);
    }
    let second = Node::start(NodeOptions::named("second").joining(&first)).await;
    connected_to(&second, 1, seconds(40)).await;
    second.say(ROOM, "I got through").await;
    same_history(&[&first, &second], ROOM, 1, seconds(40)).await;
    is_small(&first);
}

//! Direct messages: how long one takes, how many a pair exchanges, and how fast a mailbox is emptied.

use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use harness::{Node, NodeOptions, connected_to, eventually, postman::Postman, seconds};
use node::model::{DirectState, NodeEvent};
use proto::{
    Keypair,
    direct::{
        letter::{Content, Envelope, Letter, StreamId, Text},
        message::{DirectAnswer, DirectQuestion},
    },
    hlc::Timestamp,
    ids::Author,
    seal::SealKey,
    signature::Signer,
};

use crate::report::Report;

/// Messages measured one by one.
const MESSAGES: usize = 500;

/// Between two of them.
const PACE: Duration = Duration::from_millis(10);

/// Until the next try when as many wait as may: by then some hundred have been delivered.
const FULL: Duration = Duration::from_millis(100);

/// Messages of a pair in a hurry.
const BURST: usize = 10_000;

/// Calls of it under way at once.
const UNDER_WAY: usize = 64;

/// Letters in the mailbox, and those who wrote them.
const KEPT: usize = 10_000;
const AUTHORS: usize = 10;

/// Letters in one deposit.
const BATCH: usize = 250;

async fn pair() -> (Node, Node) {
    let first = Node::start(NodeOptions::named("first")).await;
    let second = Node::start(NodeOptions::named("second").joining(&first)).await;
    connected_to(&second, 1, seconds(20)).await;
    // Each has written to the other: of strangers, fewer letters are taken.
    for (from, to) in [(&first, &second), (&second, &first)] {
        from.api().write(to.peer_id(), "warm up").await.expect("it is written");
        all_delivered(from).await;
    }
    (first, second)
}

async fn all_delivered(node: &Node) {
    eventually("all are delivered", seconds(120), async || {
        let undelivered = node.api().status().await?.undelivered;
        if undelivered == 0 { Ok(()) } else { Err(format!("{undelivered} are not")) }
    })
    .await;
}

/// From the call to the recipient's WebSocket, and to the sender's report that it is delivered: durable at both.
pub async fn measure_latency(report: &mut Report) {
    let (first, second) = pair().await;
    let (api, mut ours, mut theirs) = (first.api(), first.api().events().await, second.api().events().await);
    let (mut durable, mut heard, mut acknowledged) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..MESSAGES {
        let text = format!("message {number}");
        let start = Instant::now();
        let saying = async {
            api.write(second.peer_id(), &text).await.expect("it is written");
            start.elapsed()
        };
        let hearing = async {
            loop {
                match theirs.next().await.expect("the WebSocket stays open") {
                    NodeEvent::Direct(message) if message.text == text => return start.elapsed(),
                    _ => {}
                }
            }
        };
        let hearing_back = async {
            loop {
                let event = ours.next().await.expect("the WebSocket stays open");
                if matches!(event, NodeEvent::DirectState { state: DirectState::Delivered, .. }) {
                    return start.elapsed();
                }
            }
        };
        let (said, came, back) = tokio::join!(saying, hearing, hearing_back);
        durable.push(said);
        heard.push(came);
        acknowledged.push(back);
        tokio::time::sleep(PACE).await;
    }
    report.add_durations("direct", "POST to durable answer", durable);
    report.add_durations("direct", "POST to the recipient's WebSocket", heard);
    report.add_durations("direct", "POST to reported as delivered", acknowledged);
}

/// One writes to the other as fast as it may.
pub async fn measure_throughput(report: &mut Report) {
    let (first, second) = pair().await;
    let api = first.api();
    let start = Instant::now();
    let refused = stream::iter(0..BURST)
        .map(|number| {
            let (api, to) = (api.clone(), second.peer_id().to_owned());
            async move {
                let mut refused = 0_usize;
                // As many wait as may: the next one is taken when some are delivered.
                while api.write(&to, &format!("message {number}, about as long as people write them")).await.is_err() {
                    refused += 1;
                    tokio::time::sleep(FULL).await;
                }
                refused
            }
        })
        .buffer_unordered(UNDER_WAY)
        .fold(0, |sum, refused| std::future::ready(sum + refused))
        .await;
    all_delivered(&first).await;
    let elapsed = start.elapsed();
    report.add("direct", "pair, delivered", BURST as f64 / elapsed.as_secs_f64(), "messages/s");
    report.add("direct", "pair, refused for waiting", refused as f64, "messages");
}

/// A recipient comes back to a full mailbox.
pub async fn measure_drain(report: &mut Report) {
    let hub = Node::start(NodeOptions::named("hub").with(&["--mailbox"])).await;
    let mut recipient = Node::start(NodeOptions::named("recipient").joining(&hub)).await;
    eventually("there is a mailbox", seconds(60), async || {
        let mailboxes = recipient.api().status().await?.mailboxes;
        if mailboxes.is_empty() { Err("none".to_owned()) } else { Ok(()) }
    })
    .await;
    let postman = Postman::silent().await;
    let to = Author::from_peer_id(&recipient.peer_id().parse().expect("a peer id")).expect("a key");
    let card = match postman.ask(&recipient.address_with("/tcp/"), &DirectQuestion::Card(to)).await {
        Ok(DirectAnswer::Card(Some(card))) => card.card,
        other => panic!("no card: {other:?}"),
    };
    let authors: Vec<Signer> =
        (0..AUTHORS).map(|_| Signer::new(Keypair::generate_ed25519()).expect("the key is Ed25519")).collect();
    for (number, author) in authors.iter().enumerate() {
        let peer = author.author().peer_id().expect("a key");
        let call = recipient.api().request(reqwest::Method::PUT, &format!("contacts/{peer}"));
        let call = call.json(&serde_json::json!({ "name": format!("author {number}") })).send().await;
        assert!(call.expect("it answers").status().is_success());
    }
    recipient.stop().await;
    for batch in 0..KEPT / BATCH {
        let envelopes = (0..BATCH).map(|index| sealed(&authors, to, batch * BATCH + index, &card.key)).collect();
        let answer = postman.ask(&hub.address_with("/tcp/"), &DirectQuestion::Deposit(envelopes)).await;
        assert_eq!(answer, Ok(DirectAnswer::Deposited(BATCH as u32)));
    }
    let start = Instant::now();
    recipient.restart().await;
    let ready = start.elapsed();
    eventually("the mailbox is empty", seconds(120), async || {
        let kept = hub.api().status().await?.mailbox.map_or(0, |mailbox| mailbox.letters);
        if kept == 0 { Ok(()) } else { Err(format!("{kept} letters are left")) }
    })
    .await;
    let drained = start.elapsed();
    assert_eq!(recipient.api().direct().await.expect("it answers").len(), KEPT);
    report.add("direct", "start to ready", ready.as_secs_f64(), "s");
    report.add("direct", "start to 10,000 mailboxed messages durable, and discarded there", drained.as_secs_f64(), "s");
}

fn sealed(authors: &[Signer], to: Author, number: usize, key: &SealKey) -> Envelope {
    let (from, seq) = (&authors[number % AUTHORS], (number / AUTHORS) as u64 + 1);
    let text = format!("message {number}, about as long as people write them");
    let text = Text { stream: StreamId(1), seq, text, attachments: Vec::new() };
    let letter = Letter { from: from.author(), to, at: Timestamp::from_ms(seq), content: Content::Text(text) };
    letter.sign(from).seal(key, &mut rand::rng()).expect("the key is one")
}

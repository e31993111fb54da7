//! Sender, recipient and mailbox are killed at random; each message arrives once, in order, and its sender sees it delivered.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use harness::{Api, Node, NodeOptions, connected_to, seconds};
use node::model::DirectState;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::sync::watch;

use super::{SETTLED, all_are, came, has_mailbox};

const MESSAGES: usize = 1_000;

/// Between two messages, so that all of them come over many kills.
const PACE: Duration = Duration::from_millis(15);

/// What the sender was told is safe, in order: id and number.
type Acknowledged = Arc<Mutex<Vec<(String, usize)>>>;

/// Writes until all are acknowledged; what fails is written again, as people do.
async fn write(to: String, mut api: watch::Receiver<Option<Api>>, acknowledged: Acknowledged) {
    let mut pace = tokio::time::interval(PACE);
    for number in 0..MESSAGES {
        loop {
            pace.tick().await;
            let Some(api) = api.wait_for(Option::is_some).await.unwrap().clone() else { continue };
            if let Ok(message) = api.write(&to, &number.to_string()).await {
                acknowledged.lock().unwrap().push((message.id, number));
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_messages_arrive_once_and_in_order_though_sender_recipient_and_mailbox_are_killed() {
    let seed = std::env::var("STARLING_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(rand::random);
    eprintln!("STARLING_SEED={seed} repeats the choices of this run");
    let mut chance = StdRng::seed_from_u64(seed);
    let hub = Node::start(NodeOptions::named("mailbox").with(&["--mailbox"])).await;
    let bob = Node::start(NodeOptions::named("bob").joining(&hub)).await;
    let ada = Node::start(NodeOptions::named("ada").joining(&hub)).await;
    connected_to(&ada, 2, seconds(30)).await;
    has_mailbox(&bob).await;
    let mut nodes = [hub, bob, ada];
    // With nobody else there, two that were both killed find each other only where they were.
    nodes.iter_mut().for_each(Node::stay);
    let (to, from) = (nodes[1].peer_id().to_owned(), nodes[2].peer_id().to_owned());

    let (sender, receiver) = watch::channel(Some(nodes[2].api()));
    let acknowledged = Acknowledged::default();
    let mut writing = tokio::spawn(write(to.clone(), receiver, Arc::clone(&acknowledged)));
    let mut kills = 0;
    while !writing.is_finished() {
        let victim = chance.random_range(0..nodes.len());
        let mut pause = |from, to| Duration::from_millis(chance.random_range(from..to));
        // The random moment is what is tested.
        tokio::time::sleep(pause(100, 1_500)).await;
        if victim == 2 {
            sender.send_replace(None);
        }
        nodes[victim].kill().await;
        tokio::time::sleep(pause(50, 1_500)).await;
        nodes[victim].restart().await;
        if victim == 2 {
            sender.send_replace(Some(nodes[2].api()));
        }
        kills += 1;
    }
    (&mut writing).await.unwrap();
    let acknowledged = acknowledged.lock().unwrap().clone();
    eprintln!("{MESSAGES} messages over {kills} kills");

    let [_, bob, ada] = &nodes;
    let written = ada.api().direct().await.unwrap().len();
    all_are(ada, written, DirectState::Delivered, SETTLED).await;
    let inbox = came(bob, &from).await;
    let ids: BTreeSet<&String> = inbox.iter().map(|message| &message.id).collect();
    assert_eq!(ids.len(), inbox.len(), "a message stands twice in the inbox");
    let lost: Vec<_> = acknowledged.iter().filter(|(id, _)| !ids.contains(id)).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    assert_eq!(inbox.len(), written, "the recipient has as many as were written");
    // One whose acknowledgement was lost was written twice: neighbours may be equal.
    let numbers: Vec<usize> = inbox.iter().map(|message| message.text.parse().unwrap()).collect();
    assert!(numbers.is_sorted(), "out of order: {numbers:?}");
    assert_eq!(numbers.iter().collect::<BTreeSet<_>>().len(), MESSAGES);
    assert!(kills >= 5, "{kills} kills test nothing");
    for node in &nodes {
        let shown = node.feed.events();
        let mut direct: Vec<_> = shown
            .iter()
            .filter_map(|event| match event {
                node::model::NodeEvent::Direct(message) if message.to == node.peer_id() => Some(&message.id),
                _ => None,
            })
            .collect();
        direct.sort();
        let twice: Vec<_> = direct.windows(2).filter(|pair| pair[0] == pair[1]).collect();
        assert!(twice.is_empty(), "{} showed twice: {twice:?}", node.name());
    }
}

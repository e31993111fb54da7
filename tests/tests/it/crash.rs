//! Nodes are killed while everybody talks; nothing that a user was told is safe may be missing.

use std::{
    collections::BTreeSet,
    env,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use harness::{Api, Node, NodeOptions, connected_to, process, same_history, seconds};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::task::JoinHandle;

const ROOM: &str = "lobby";
const KILLS: usize = 20;

/// From reconnecting to equal histories.
const CATCH_UP: Duration = seconds(5);

/// Between two messages of one node, so that a run has thousands of messages and not hundreds of thousands.
const PACE: Duration = Duration::from_millis(40);

/// Some nodes, everything they acknowledged, and a source of chance.
struct Crowd {
    nodes: Vec<Node>,
    acknowledged: Vec<BTreeSet<String>>,
    chance: StdRng,
}

/// Talks until told to stop or until the node is gone; returns the ids of the messages that were acknowledged.
fn talk(name: String, api: Api, stop: Arc<AtomicBool>) -> JoinHandle<Vec<String>> {
    tokio::spawn(async move {
        let mut acknowledged = Vec::new();
        let mut pace = tokio::time::interval(PACE);
        while !stop.load(Ordering::Relaxed) {
            pace.tick().await;
            match api.say(ROOM, &format!("{name} says {}", acknowledged.len())).await {
                Ok(message) => acknowledged.push(message.id),
                Err(_) => break,
            }
        }
        acknowledged
    })
}

fn seed() -> u64 {
    let seed = env::var("STARLING_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(rand::random);
    eprintln!("STARLING_SEED={seed} repeats the choices of this run");
    seed
}

impl Crowd {
    async fn gather(count: usize) -> Self {
        let mut nodes = vec![Node::start(NodeOptions::named("node-0")).await];
        for index in 1..count {
            nodes.push(Node::start(NodeOptions::named(&format!("node-{index}")).joining(&nodes[0])).await);
        }
        for node in &nodes {
            connected_to(node, 1, seconds(20)).await;
        }
        Self { nodes, acknowledged: vec![BTreeSet::new(); count], chance: StdRng::seed_from_u64(seed()) }
    }

    /// Everybody talks; one is killed meanwhile, misses something, and comes back.
    async fn lose_one(&mut self, round: usize) {
        let stop = Arc::new(AtomicBool::new(false));
        let talkers: Vec<_> =
            self.nodes.iter().map(|node| talk(node.name().into(), node.api(), stop.clone())).collect();
        let victim = self.chance.random_range(0..self.nodes.len());
        let pause = |chance: &mut StdRng| Duration::from_millis(chance.random_range(20..1_000));
        // The random moment is what is tested.
        tokio::time::sleep(pause(&mut self.chance)).await;
        self.nodes[victim].kill().await;
        tokio::time::sleep(pause(&mut self.chance)).await;
        stop.store(true, Ordering::Relaxed);
        for (index, talker) in talkers.into_iter().enumerate() {
            self.acknowledged[index].extend(talker.await.unwrap());
        }

        self.nodes[victim].restart().await;
        let held: BTreeSet<String> = self.nodes[victim].api().history_ids(ROOM).await.unwrap().into_iter().collect();
        let lost: Vec<_> = self.acknowledged[victim].difference(&held).collect();
        assert!(
            lost.is_empty(),
            "round {round}: {} lost what it had acknowledged: {lost:?}",
            self.nodes[victim].name()
        );

        connected_to(&self.nodes[victim], 1, seconds(20)).await;
        let reconnected = Instant::now();
        let count = self.acknowledged.iter().map(BTreeSet::len).sum();
        let ids = same_history(&self.everyone(), ROOM, count, CATCH_UP).await;
        eprintln!(
            "round {round}: node-{victim} killed; {} messages equal after {:?}",
            ids.len(),
            reconnected.elapsed()
        );
        self.check_history(ids);
    }

    fn everyone(&self) -> Vec<&Node> {
        self.nodes.iter().collect()
    }

    fn check_history(&self, ids: Vec<String>) {
        let (count, ids) = (ids.len(), ids.into_iter().collect::<BTreeSet<_>>());
        assert_eq!(ids.len(), count, "an id stands twice in the history");
        for (node, acknowledged) in self.nodes.iter().zip(&self.acknowledged) {
            let lost: Vec<_> = acknowledged.difference(&ids).collect();
            assert!(lost.is_empty(), "lost what {} had acknowledged: {lost:?}", node.name());
            assert_eq!(node.feed.shown_twice(), Vec::<String>::new(), "on {}", node.name());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_twenty_times_while_talking_they_lose_nothing_acknowledged_and_show_nothing_twice() {
    let mut crowd = Crowd::gather(3).await;
    for round in 0..KILLS {
        crowd.lose_one(round).await;
    }
    for (index, acknowledged) in crowd.acknowledged.iter().enumerate() {
        assert!(acknowledged.len() > KILLS, "node-{index} hardly said anything: {}", acknowledged.len());
    }
}

/// `STARLING_SOAK_SECONDS=3600 cargo test -p starling-tests --test it -- --ignored --nocapture soak`
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes as long as STARLING_SOAK_SECONDS says, ten minutes by default"]
async fn soak_five_nodes_are_killed_for_as_long_as_asked() {
    let length = env::var("STARLING_SOAK_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(600);
    let mut crowd = Crowd::gather(5).await;
    let start = Instant::now();
    // A page of history holds 10,000 messages, and the comparison needs all of them.
    for round in 0.. {
        if start.elapsed() > seconds(length) || crowd.acknowledged.iter().map(BTreeSet::len).sum::<usize>() > 9_000 {
            break;
        }
        crowd.lose_one(round).await;
        for node in &crowd.nodes {
            if let Some(bytes) = process::peak_resident_bytes(node.pid()) {
                assert!(bytes < 300 << 20, "{} takes {} MiB", node.name(), bytes >> 20);
            }
        }
    }
}

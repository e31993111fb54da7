//! Is the simulator right? The same scenario as real processes on loopback and in virtual time: both must tell the same of delivery and of
//! duplicates.
//!
//! | | real | simulated |
//! |---|---|---|
//! | delivered | share of (message, node) with the message in the node's history at the end | the figure `delivered` |
//! | duplicates | gossip's own counters, over all nodes: copies received for each message and node, besides the first | the figure `duplicates`, counted on the wire |
//!
//! How the mesh grows is chance, and decides how many duplicates there are, so that several seeds are simulated.
//!
//! Computing takes no virtual time, but a dozen processes wait for each other on few cores, so that copies cross less often: whoever got
//! a copy while it still verified the first does not send one back. The simulated latency stands for that wait.
//!
//! A dozen are all connected to each other. An author sends to all its neighbours, and nobody sends a message back to where it came from: so
//! an author never gets its own, which the two ways of counting would take differently.

use std::time::{Duration, Instant};

use harness::{Node, NodeOptions, Simulation, binary::node_binary, seconds};
use tokio::time::MissedTickBehavior;

/// Both must deliver at least this share.
const DELIVERED: f64 = 0.999;

/// The duplicates may differ by this share of the real ones. Set after the fact: in seven runs the simulated figure was higher each time, by up to 28 %,
/// and real runs alone spread by a quarter. What the processes' waiting for each other does is only stood for by a latency, so
/// that a part of the gap may be the simulator's; the comparison is strong on delivery, and on duplicates tells no more than this.
const MARGIN: f64 = 0.40;

/// The connections of a node may differ by this share of the real ones: who is let go, and when, is chance.
const CONNECTIONS_MARGIN: f64 = 0.25;

/// Simulated, and averaged.
const SEEDS: u64 = 3;

/// Between the starts of two nodes, at least: the mesh grows as nodes come.
const START_PACE: Duration = Duration::from_millis(250);

/// From the last start to the first message.
const GATHER: Duration = seconds(10);

/// How long they talk.
const TALK: Duration = seconds(30);

/// Between two messages, over all nodes.
const TALK_PACE: Duration = Duration::from_millis(500);

/// From the last message to the end.
const SETTLE: Duration = seconds(10);

/// What is compared.
#[derive(Debug, Default)]
struct Found {
    /// Seconds from the first start to the last.
    arrived_s: f64,
    said: f64,
    delivered: f64,
    duplicates: f64,
    connections: f64,
}

/// So many nodes as processes of their own.
async fn real(count: usize) -> Found {
    // Nothing is built meanwhile.
    node_binary();
    let began = Instant::now();
    let mut pace = tokio::time::interval(START_PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pace.tick().await;
    let mut nodes = vec![Node::start(NodeOptions::named("node-0")).await];
    for index in 1..count {
        pace.tick().await;
        nodes.push(Node::start(NodeOptions::named(&format!("node-{index}")).joining(&nodes[0])).await);
    }
    let arrived_s = began.elapsed().as_secs_f64();
    tokio::time::sleep(GATHER).await;

    let mut said = Vec::new();
    let mut pace = tokio::time::interval(TALK_PACE);
    for (index, node) in nodes.iter().cycle().enumerate().take((TALK.as_millis() / TALK_PACE.as_millis()) as usize) {
        pace.tick().await;
        let text = format!("{index:0100}");
        said.push(node.api().say("lobby", &text).await.expect("a node takes what its user says").id);
    }
    tokio::time::sleep(SETTLE).await;

    let Copies { first, all } = copies(&nodes).await;
    let (mut held, mut connections) = (0, 0);
    for node in &nodes {
        let history = node.api().history_ids("lobby").await.expect("a history");
        held += said.iter().filter(|id| history.contains(id)).count();
        connections += node.api().status().await.expect("a status").connected_peers;
    }
    Found {
        arrived_s,
        said: said.len() as f64,
        delivered: held as f64 / (said.len() * count) as f64,
        duplicates: (all - first) as f64 / first as f64,
        connections: connections as f64 / count as f64,
    }
}

/// Copies of gossip messages that nodes received.
struct Copies {
    /// Of messages that were new to the node, its own not counted.
    first: u64,
    /// Of all.
    all: u64,
}

async fn copies(nodes: &[Node]) -> Copies {
    let mut copies = Copies { first: 0, all: 0 };
    for node in nodes {
        let counter = async |name| node.api().counter(name).await.expect("a counter");
        copies.first += counter("starling_gossip_topic_msg_recv_counts").await;
        copies.all += counter("starling_gossip_topic_msg_recv_counts_unfiltered").await;
    }
    copies
}

/// The same in virtual time.
async fn simulated(count: usize, arrived_s: f64) -> Found {
    let arrive_s = arrived_s.ceil() as u64;
    let from_s = arrive_s + GATHER.as_secs();
    let scenario = format!(
        r#"
name = "faithful"
summary = "What the processes on loopback do"
duration_s = {duration_s}
settle_s = {settle_s}

[network]
latency_ms = [[2]]      # no way on loopback, but a wait for one of few cores
jitter = 1              # of any length

[node]
kademlia_k = 20         # as the product

[[group]]
name = "first"
count = 1

[[group]]
name = "others"
count = {others}
bootstrap = "first"
arrive = {{ over_s = {arrive_s} }}

[[workload.chat]]
room = "lobby"
rate_per_s = {rate_per_s}
from_s = {from_s}
"#,
        duration_s = from_s + TALK.as_secs() + SETTLE.as_secs(),
        settle_s = SETTLE.as_secs(),
        others = count - 1,
        rate_per_s = 1.0 / TALK_PACE.as_secs_f64(),
    );
    let simulation = Simulation::default();
    let file = simulation.file("faithful.toml", &scenario);
    let mut mean = Found { arrived_s, ..Found::default() };
    for seed in 1..=SEEDS {
        let (code, line) = simulation.run(&[file, "--seed", &seed.to_string()]).await;
        assert_eq!(code, Some(0), "{line}");
        let report = simulation.report("sim-report");
        let share = 1.0 / SEEDS as f64;
        mean.said += report.figures["said"] * share;
        mean.delivered += report.figures["delivered"] * share;
        mean.duplicates += report.figures["duplicates"] * share;
        mean.connections += report.figures["connections"] * share;
    }
    mean
}

async fn agree(count: usize) {
    // One after the other: real nodes want the machine for themselves.
    let real = real(count).await;
    let simulated = simulated(count, real.arrived_s).await;
    println!("{count} nodes\nreal       {real:?}\nsimulated  {simulated:?}");
    for found in [&real, &simulated] {
        assert!(found.delivered >= DELIVERED, "{found:?}");
    }
    let off = (simulated.connections - real.connections).abs() / real.connections;
    assert!(off <= CONNECTIONS_MARGIN, "the connections differ by {:.0} %: {real:?}, {simulated:?}", off * 100.0);
    let off = (simulated.duplicates - real.duplicates).abs() / real.duplicates;
    assert!(off <= MARGIN, "the duplicates differ by {:.0} %: {real:?}, {simulated:?}", off * 100.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn twelve_processes_and_twelve_simulated_nodes_agree() {
    agree(12).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "fifty processes want a machine for themselves"]
async fn fifty_processes_and_fifty_simulated_nodes_agree() {
    agree(50).await;
}

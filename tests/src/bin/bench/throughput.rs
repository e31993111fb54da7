//! A busy room.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use futures::future::join_all;
use harness::{Api, Node, NodeOptions, connected_to, eventually, process, seconds};
use node::model::NodeEvent;
use tokio::task::JoinHandle;

use crate::report::Report;

const ROOM: &str = "lobby";
const NODES: usize = 20;
const MESSAGES_PER_SECOND: usize = 1_000;
const LENGTH: Duration = seconds(10);

/// Nodes whose deliveries are timed; the others' are counted. Timing all would measure this program.
const TIMED: usize = 3;

/// How long after the last message the last delivery may come before it counts as lost. Repair runs every half minute.
const PATIENCE: Duration = seconds(90);

/// Messages of one node under way at once.
const UNDER_WAY: usize = 32;

/// 20 nodes share the load; each says its part over its API.
pub async fn measure(report: &mut Report) {
    let mut nodes = vec![Node::start(NodeOptions::named("node-0")).await];
    for index in 1..NODES {
        nodes.push(Node::start(NodeOptions::named(&format!("node-{index}")).joining(&nodes[0])).await);
    }
    for node in &nodes {
        connected_to(node, 3, seconds(60)).await;
    }
    eventually("all are in the room", seconds(60), async || {
        let present = nodes[NODES - 1].api().who(ROOM).await?.len();
        if present == NODES { Ok(()) } else { Err(format!("{present}")) }
    })
    .await;

    let mut listeners = Vec::new();
    for node in &nodes[..TIMED] {
        listeners.push(listen(node).await);
    }
    let cpu_before = cpu(&nodes);
    let start = Instant::now();
    let talkers: Vec<_> = nodes.iter().map(|node| tokio::spawn(talk(node.api()))).collect();
    let mut sent = BTreeMap::new();
    let mut refused = 0;
    for talker in talkers {
        let (said, failures) = talker.await.unwrap();
        sent.extend(said);
        refused += failures;
    }
    let talked = start.elapsed();
    let held = all_hold(&nodes, sent.len()).await;
    let settled = start.elapsed();
    let cpu = cpu(&nodes) - cpu_before;

    let mut delays = Vec::new();
    for (stop, listener) in listeners {
        // Dropping the sender ends the listener.
        drop(stop);
        let heard: Vec<(String, Instant)> = listener.await.unwrap();
        delays.extend(heard.iter().filter_map(|(id, at)| Some(at.saturating_duration_since(*sent.get(id)?))));
    }
    let expected_timed = sent.len() * TIMED;
    report.add("throughput", "messages said", sent.len() as f64, "messages");
    report.add("throughput", "refused to say", refused as f64, "messages");
    report.add("throughput", "rate", sent.len() as f64 / talked.as_secs_f64(), "messages/s");
    report.add("throughput", "lost, over all nodes", (sent.len() * NODES).saturating_sub(held) as f64, "deliveries");
    report.add(
        "throughput",
        "not reported on timed WebSockets",
        expected_timed.saturating_sub(delays.len()) as f64,
        "deliveries",
    );
    report.add_durations("throughput", "delivery", delays);
    report.add("throughput", "until everybody held everything", settled.as_secs_f64(), "s");
    report.add("throughput", "CPU, all nodes", cpu.as_secs_f64() / settled.as_secs_f64(), "cores");
}

fn cpu(nodes: &[Node]) -> Duration {
    nodes.iter().filter_map(|node| process::cpu_time(node.pid())).sum()
}

/// Says its share at an even pace; returns when each message was sent, and how many were refused.
async fn talk(api: Api) -> (BTreeMap<String, Instant>, usize) {
    let count = MESSAGES_PER_SECOND * LENGTH.as_secs() as usize / NODES;
    let mut pace = tokio::time::interval(LENGTH / u32::try_from(count).expect("a small number"));
    let places = std::sync::Arc::new(tokio::sync::Semaphore::new(UNDER_WAY));
    let mut under_way = Vec::new();
    for number in 0..count {
        pace.tick().await;
        let (api, place) = (api.clone(), places.clone().acquire_owned().await.expect("it is open"));
        under_way.push(tokio::spawn(async move {
            let start = Instant::now();
            let said = api.say(ROOM, &format!("message {number} of a busy room, as long as people write them")).await;
            drop(place);
            said.map(|message| (message.id, start))
        }));
    }
    let (said, refused): (Vec<_>, Vec<_>) =
        join_all(under_way).await.into_iter().map(|answer| answer.expect("no panic")).partition(Result::is_ok);
    (said.into_iter().flatten().collect(), refused.len())
}

type Heard = Vec<(String, Instant)>;

/// Notes when messages come until its sender is dropped.
async fn listen(node: &Node) -> (tokio::sync::oneshot::Sender<()>, JoinHandle<Heard>) {
    let mut events = node.api().events().await;
    let (stop, mut stopped) = tokio::sync::oneshot::channel();
    let task = tokio::spawn(async move {
        let mut heard = Vec::new();
        loop {
            tokio::select! {
                _ = &mut stopped => return heard,
                event = events.next() => match event {
                    Some(NodeEvent::Message(message)) => heard.push((message.id, Instant::now())),
                    Some(_) => {}
                    None => return heard,
                },
            }
        }
    });
    (stop, task)
}

/// Waits until all nodes hold `count` events or patience ends; returns how many they hold together.
async fn all_hold(nodes: &[Node], count: usize) -> usize {
    let start = Instant::now();
    loop {
        let mut held = 0;
        for node in nodes {
            held += node.api().status().await.map_or(0, |status| usize::try_from(status.events).unwrap_or(0));
        }
        if held >= count * nodes.len() || start.elapsed() > PATIENCE {
            return held;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

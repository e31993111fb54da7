//! Much history: fetching it, and starting with it.

use std::time::{Duration, Instant};

use harness::{Node, NodeOptions, connected_to, process, seconds};

use crate::{
    fill::{Signed, node_holding},
    report::Report,
};

const MISSED_EVENTS: u64 = 100_000;
const STORED_EVENTS: u64 = 1_000_000;
const STARTS: usize = 5;

/// Nothing takes longer; then something is wrong.
const PATIENCE: Duration = seconds(300);

/// A node that was there before comes back to a keeper that has [`MISSED_EVENTS`] more.
pub async fn measure_sync(report: &mut Report) {
    let mut keeper = node_holding(MISSED_EVENTS, Signed::Each).await;
    keeper.restart().await;
    // It was there before, in the sense that it has a store and an identity.
    let mut returning = Node::start(NodeOptions::named("returning")).await;
    assert_eq!(returning.stop().await, Some(0));

    let addresses = keeper.addresses().to_vec();
    let start = Instant::now();
    returning.restart_with(|options| options.bootstrap = addresses).await.expect("it starts");
    let ready = start.elapsed();
    connected_to(&returning, 1, seconds(20)).await;
    let connected = start.elapsed();
    let api = returning.api();
    loop {
        let held = api.status().await.expect("it answers").events;
        if held >= MISSED_EVENTS {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "{held} of {MISSED_EVENTS} after {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let done = start.elapsed();
    report.add("sync", "start to ready", ready.as_secs_f64(), "s");
    report.add("sync", "start to 100,000 missed events durable", done.as_secs_f64(), "s");
    report.add("sync", "connected to the same", (done - connected).as_secs_f64(), "s");
    report.add("sync", "rate", MISSED_EVENTS as f64 / (done - connected).as_secs_f64(), "events/s");
    for (name, node) in [("keeper", &keeper), ("returning node", &returning)] {
        if let Some(bytes) = process::peak_resident_bytes(node.pid()) {
            report.add("sync", &format!("most memory, {name}"), bytes as f64 / f64::from(1 << 20), "MiB");
        }
        if let Some(cpu) = process::cpu_time(node.pid()) {
            report.add("sync", &format!("CPU time, {name}"), cpu.as_secs_f64(), "s");
        }
    }
}

/// From starting the process to its ready line, with a store that was closed well and one that was killed.
pub async fn measure_start(report: &mut Report) {
    let mut node = node_holding(STORED_EVENTS, Signed::Last).await;
    let (mut clean, mut killed) = (Vec::new(), Vec::new());
    for number in 1..=STARTS as u64 {
        clean.push(timed_start(&mut node).await);
        // So that the store is killed with something new in it.
        node.say("lobby", "one more").await;
        node.kill().await;
        killed.push(timed_start(&mut node).await);
        if let Some(bytes) = process::resident_bytes(node.pid()) {
            report.add("start", "resident memory", bytes as f64 / f64::from(1 << 20), "MiB");
        }
        assert_eq!(node.status().await.events, STORED_EVENTS + number);
        assert_eq!(node.stop().await, Some(0));
    }
    report.add_durations("start", "to ready, 1,000,000 events, closed well", clean);
    report.add_durations("start", "to ready, 1,000,000 events, after kill -9", killed);
}

async fn timed_start(node: &mut Node) -> Duration {
    let start = Instant::now();
    node.restart().await;
    start.elapsed()
}

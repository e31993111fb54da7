//! What a node costs that has nothing to do.

use std::time::{Duration, Instant};

use harness::{Node, NodeOptions, connected_to, process, seconds};

use crate::report::Report;

/// A node has settled down by then.
const SETTLE: Duration = seconds(10);
const LENGTH: Duration = seconds(20);

/// Memory, and CPU time over [`LENGTH`], of one of two connected nodes.
pub async fn measure(report: &mut Report) {
    let first = Node::start(NodeOptions::named("first")).await;
    let second = Node::start(NodeOptions::named("second").joining(&first)).await;
    connected_to(&second, 1, seconds(20)).await;
    tokio::time::sleep(SETTLE).await;
    let pid = first.pid();
    let (before, start) = (process::cpu_time(pid), Instant::now());
    tokio::time::sleep(LENGTH).await;
    let (after, elapsed) = (process::cpu_time(pid), start.elapsed());
    if let Some(bytes) = process::resident_bytes(pid) {
        report.add("idle", "resident memory", bytes as f64 / f64::from(1 << 20), "MiB");
    }
    if let (Some(before), Some(after)) = (before, after) {
        let share = (after - before).as_secs_f64() / elapsed.as_secs_f64() * 100.0;
        report.add("idle", "CPU", share, "% of a core");
    }
}

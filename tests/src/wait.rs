//! Waiting for what nobody reports: ask again until a deadline.

use std::{
    fmt::Display,
    time::{Duration, Instant},
};

use crate::node::Node;

/// How often a state is asked for.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Short for [`Duration::from_secs`].
pub const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Asks `check` until it gives a value, and returns that.
///
/// # Panics
/// When `timeout` passes first; says what was awaited and what the last answer was.
pub async fn eventually<T, E: Display>(
    what: &str,
    timeout: Duration,
    mut check: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let deadline = Instant::now() + timeout;
    loop {
        match check().await {
            Ok(value) => return value,
            Err(last) if Instant::now() >= deadline => panic!("not within {timeout:?}: {what}; at last: {last}"),
            Err(_) => tokio::time::sleep(POLL_INTERVAL).await,
        }
    }
}

/// Waits until all `nodes` hold the same messages in the same order in `room`, at least `count` of them, and returns their
/// ids.
///
/// # Panics
/// When that is not so within `timeout`; says how many each holds.
pub async fn same_history(nodes: &[&Node], room: &str, count: usize, timeout: Duration) -> Vec<String> {
    eventually(&format!("the same history of {count} messages on all nodes"), timeout, async || {
        let mut histories = Vec::new();
        for node in nodes {
            histories.push(node.poll_history_ids(room).await.map_err(|error| format!("{}: {error}", node.name()))?);
        }
        let same = histories.windows(2).all(|pair| pair[0] == pair[1]);
        if same && histories[0].len() >= count {
            return Ok(histories.swap_remove(0));
        }
        let lengths = nodes.iter().zip(&histories).map(|(node, ids)| format!("{} has {}", node.name(), ids.len()));
        Err(lengths.collect::<Vec<_>>().join(", "))
    })
    .await
}

/// Waits until `node` is connected to at least `count` peers.
///
/// # Panics
/// When that is not so within `timeout`.
pub async fn connected_to(node: &Node, count: u64, timeout: Duration) {
    eventually(&format!("{} connected to {count} peers", node.name()), timeout, async || {
        let connected = node.api().status().await?.connected_peers;
        if connected >= count { Ok(()) } else { Err(format!("{connected} connected")) }
    })
    .await;
}

//! Waiting for what nobody reports: ask again until a deadline.

use std::{
    fmt::Display,
    time::{Duration, Instant},
};

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

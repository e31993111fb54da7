//! Where a node's time comes from: the system, or a simulator.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use proto::time::Now;

/// A source of time, given to the node when it is built.
pub trait Clock: Send + Sync + 'static {
    /// The current instant, on both clocks.
    fn now(&self) -> Now;
}

/// The clocks of this machine.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    start: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Now {
        let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Now {
            mono_ms: millis(self.start.elapsed()),
            // A clock set before 1970 reads as 1970; the hybrid clock still moves forward.
            wall_ms: SystemTime::now().duration_since(UNIX_EPOCH).map(millis).unwrap_or(0),
        }
    }
}

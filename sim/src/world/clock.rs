//! The clock of a simulated host: tokio's, somewhat wrong.

use node::clock::Clock;
use proto::time::Now;
use tokio::time::Instant;

use crate::scenario;

/// Parts in a million.
const MILLION: i128 = 1_000_000;

/// A clock that is off by a constant, and runs too fast or too slow.
#[derive(Debug, Clone, Copy)]
pub struct HostClock {
    start: Instant,
    offset_ms: i64,
    drift_ppm: i64,
}

impl HostClock {
    /// A clock for a host of a group; `skew` and `drift`, from -1 to 1, say where in the group's range it lies.
    pub fn new(start: Instant, group: &scenario::Clock, skew: f64, drift: f64) -> Self {
        let offset_ms = group.offset_ms.saturating_add((group.skew_ms as f64 * skew) as i64);
        Self { start, offset_ms, drift_ppm: (group.drift_ppm as f64 * drift) as i64 }
    }

    fn at(&self, elapsed_ms: u64) -> Now {
        let elapsed = i128::from(elapsed_ms);
        let wall = i128::from(interpose::EPOCH_MS) + elapsed + elapsed * i128::from(self.drift_ppm) / MILLION;
        let wall = wall.saturating_add(i128::from(self.offset_ms));
        Now { mono_ms: elapsed_ms, wall_ms: u64::try_from(wall).unwrap_or(0) }
    }
}

impl Clock for HostClock {
    fn now(&self) -> Now {
        self.at(u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_wrong_clock_is_off_and_drifts_while_its_monotonic_time_is_true() {
        let group = scenario::Clock { skew_ms: 1_000, offset_ms: 300, drift_ppm: 100 };
        let clock = HostClock::new(Instant::now(), &group, -0.5, 1.0);
        assert_eq!(clock.now().wall_ms, interpose::EPOCH_MS - 200);
        tokio::time::sleep(std::time::Duration::from_secs(1_000)).await;
        assert_eq!(clock.now(), Now { mono_ms: 1_000_000, wall_ms: interpose::EPOCH_MS + 1_000_000 + 100 - 200 });
    }
}

//! When to look for what is missing.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{COMPARE_INTERVAL_MS, COMPARE_JITTER_MS, GAP_PATIENCE_MS, SPREAD_DELAY_MS, SPREAD_INTERVAL_MS};
use crate::time::{Deadline, Now};

/// The timers.
#[derive(Debug, Clone, Default)]
pub struct Schedule {
    /// The next periodic comparison.
    round: Option<Deadline>,
    /// When news is compared with other peers.
    spread: Option<Deadline>,
    /// Before this, news is only collected.
    next_spread: Option<Deadline>,
    /// When gaps in live events are pulled.
    gaps: Option<Deadline>,
}

impl Schedule {
    /// Starts the periodic comparisons, unless they were started.
    pub fn start_rounds(&mut self, now: Now, rng: &mut ChaCha8Rng) {
        if self.round.is_none() {
            self.begin_round(now, rng);
        }
    }

    /// Whether a round's time has come; then the next is scheduled with [`Schedule::begin_round`].
    pub fn round_is_due(&self, now: Now) -> bool {
        self.round.is_some_and(|at| now.reached(at))
    }

    /// Schedules the next round.
    pub fn begin_round(&mut self, now: Now, rng: &mut ChaCha8Rng) {
        let jitter = rng.random_range(0..=2 * COMPARE_JITTER_MS);
        self.round = Some(now.after(COMPARE_INTERVAL_MS - COMPARE_JITTER_MS + jitter));
    }

    /// There is news that gossip does not carry.
    pub fn spread_soon(&mut self, now: Now) {
        let soon = now.after(SPREAD_DELAY_MS);
        let at = self.next_spread.map_or(soon, |next| next.max(soon));
        self.spread.get_or_insert(at);
    }

    /// Whether news is to be compared with other peers now.
    pub fn take_spread(&mut self, now: Now) -> bool {
        let due = take_if_due(&mut self.spread, now);
        if due {
            self.next_spread = Some(now.after(SPREAD_INTERVAL_MS));
        }
        due
    }

    /// There is a gap in live events. It is given time to close by itself.
    pub fn gap_seen(&mut self, now: Now) {
        self.gaps.get_or_insert(now.after(GAP_PATIENCE_MS));
    }

    /// Whether gaps had their time.
    pub fn take_gaps(&mut self, now: Now) -> bool {
        take_if_due(&mut self.gaps, now)
    }

    /// The next of them.
    pub fn deadline(&self) -> Option<Deadline> {
        [self.round, self.spread, self.gaps].into_iter().flatten().min()
    }
}

fn take_if_due(timer: &mut Option<Deadline>, now: Now) -> bool {
    timer.take_if(|at| now.reached(*at)).is_some()
}

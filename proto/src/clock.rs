//! A clock that no wrong wall clock moves far while the program runs: what it says to be over is forgotten for good. Mailboxes go by it with the letters
//! that they keep, private rooms with the secrets of past epochs.

use crate::time::{Deadline, Now};

/// Milliseconds that the wall clock may be ahead and still be believed: a machine that slept for a night, and then some.
pub const MAX_LEAP_MS: u64 = 24 * 3_600_000;

/// The clock. Never goes back.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    at_ms: u64,
    mono_ms: u64,
}

impl Clock {
    /// A clock that goes on from the latest time in the store, if there is one.
    pub fn new(now: Now, latest_ms: Option<u64>) -> Self {
        let at_ms = latest_ms
            .map_or(now.wall_ms, |latest_ms| now.wall_ms.clamp(latest_ms, latest_ms.saturating_add(MAX_LEAP_MS)));
        Self { at_ms, mono_ms: now.mono_ms }
    }

    /// Moves on to `now`.
    pub fn advance(&mut self, now: Now) {
        let passed_ms = now.mono_ms.saturating_sub(self.mono_ms);
        self.mono_ms = self.mono_ms.max(now.mono_ms);
        self.at_ms = self.at_ms.saturating_add(passed_ms);
        let believed = self.at_ms..=self.at_ms.saturating_add(MAX_LEAP_MS);
        if believed.contains(&now.wall_ms) {
            self.at_ms = now.wall_ms;
        }
    }

    /// What it shows.
    pub fn at_ms(&self) -> u64 {
        self.at_ms
    }

    /// When it will show `due_ms`, unless the wall clock leaps; when it was last moved, if that is past.
    pub fn deadline(&self, due_ms: u64) -> Deadline {
        Deadline(self.mono_ms.saturating_add(due_ms.saturating_sub(self.at_ms)))
    }

    /// So long after it was last moved.
    pub fn after(&self, delay_ms: u64) -> Deadline {
        Deadline(self.mono_ms.saturating_add(delay_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: u64 = 24 * 3_600_000;
    const START_MS: u64 = 1_000 * DAY_MS;

    fn at(mono_ms: u64, wall_ms: u64) -> Now {
        Now { mono_ms, wall_ms }
    }

    fn shown(mut clock: Clock, times: &[Now]) -> Vec<u64> {
        let show = |now: &Now| {
            clock.advance(*now);
            clock.at_ms()
        };
        times.iter().map(show).collect()
    }

    #[test]
    fn a_wall_clock_that_leaps_far_ahead_or_back_is_not_followed() {
        let clock = Clock::new(at(0, START_MS), None);
        let far = START_MS + 30 * DAY_MS;
        assert_eq!(shown(clock, &[at(5, far), at(7, far), at(9, 0)]), [START_MS + 5, START_MS + 7, START_MS + 9]);
        // Asked however often.
        let creeping: Vec<Now> = (0..1_000).map(|_| at(5, far)).collect();
        assert_eq!(shown(clock, &creeping).last(), Some(&(START_MS + 5)));
        let flapping: Vec<Now> = (0..1_000).map(|n| at(0, START_MS + (n % 2) * DAY_MS)).collect();
        assert_eq!(shown(clock, &flapping).last(), Some(&(START_MS + DAY_MS)));
    }

    #[test]
    fn a_night_asleep_counts() {
        let clock = Clock::new(at(0, START_MS), None);
        let morning = START_MS + DAY_MS / 3;
        assert_eq!(shown(clock, &[at(5, morning), at(10, morning + 5)]), [morning, morning + 5]);
    }

    #[test]
    fn a_restart_goes_on_from_the_latest_time_in_the_store() {
        let started = |wall_ms| Clock::new(at(0, wall_ms), Some(START_MS)).at_ms();
        assert_eq!(started(0), START_MS);
        assert_eq!(started(START_MS + 9), START_MS + 9);
        assert_eq!(started(START_MS * 50), START_MS + MAX_LEAP_MS);
    }
}

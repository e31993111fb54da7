//! A hybrid logical clock: timestamps that follow the wall clock and still respect cause before effect.
//!
//! A [`Timestamp`] is 48 bits of milliseconds since the Unix epoch and 16 bits of counter in one integer, so that
//! comparing integers compares times. Each event that a node makes is stamped later than every event it has seen
//! ([`Clock::tick`]), unless that event claims a time more than [`MAX_ADVANCE_MS`] ahead of our own wall clock: a peer whose
//! clock is wrong must not drag everybody's clock along.
//!
//! | an event is ahead of our wall clock by | what happens |
//! |---|---|
//! | at most 60 s ([`MAX_ADVANCE_MS`]) | accepted; our clock advances to it |
//! | more, at most 10 min ([`MAX_AHEAD_MS`]) | stored, shown when due; our clock stays |
//! | more | refused, and its sender is told |
//!
//! There is no limit to the past: being offline is legitimate.
//!
//! Paper: Kulkarni, Demirbas, Madappa, Avva, Leone, "Logical Physical Clocks" (2014).

use std::fmt;

use serde::{Deserialize, Serialize};

/// Milliseconds: an event may be this far ahead of our wall clock and still move our clock. Wider than the drift of a clock
/// synchronised now and then, and short enough that a wrong clock distorts the order of a conversation by a minute at most.
pub const MAX_ADVANCE_MS: u64 = 60_000;

/// Milliseconds: events further ahead than this are refused. Bounds what a wrong clock can hold back from being shown.
pub const MAX_AHEAD_MS: u64 = 600_000;

const _: () = assert!(MAX_ADVANCE_MS < MAX_AHEAD_MS);

/// A point of hybrid logical time: `milliseconds << 16 | counter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Timestamp(
    /// The packed value.
    pub u64,
);

impl Timestamp {
    /// The first timestamp of a millisecond; times past the 48-bit range (the year 10889) become its end.
    pub fn from_ms(wall_ms: u64) -> Self {
        Self(wall_ms.min((1 << 48) - 1) << 16)
    }

    /// Milliseconds since the Unix epoch.
    pub fn ms(self) -> u64 {
        self.0 >> 16
    }

    /// Position among events of one millisecond.
    pub fn counter(self) -> u16 {
        (self.0 & 0xffff) as u16
    }

    /// How many milliseconds this lies ahead of `wall_ms`; 0 when it lies behind.
    pub fn ahead_ms(self, wall_ms: u64) -> u64 {
        self.ms().saturating_sub(wall_ms)
    }

    /// The next possible timestamp.
    pub(crate) fn next(self) -> Self {
        // Past the last counter this carries into the milliseconds, which is what keeps it increasing.
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.ms(), self.counter())
    }
}

/// One node's hybrid logical clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock {
    latest: Timestamp,
}

impl Clock {
    /// The timestamp for a new event: later than everything stamped or observed before, and not before `wall_ms`.
    pub fn tick(&mut self, wall_ms: u64) -> Timestamp {
        self.latest = self.latest.next().max(Timestamp::from_ms(wall_ms));
        self.latest
    }

    /// Takes note of a peer's timestamp. Times more than [`MAX_ADVANCE_MS`] ahead of `wall_ms` are not followed.
    pub fn observe(&mut self, seen: Timestamp, wall_ms: u64) {
        if seen.ahead_ms(wall_ms) <= MAX_ADVANCE_MS {
            self.latest = self.latest.max(seen);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ticks_increase_when_the_wall_clock_goes_back() {
        let mut clock = Clock::default();
        let first = clock.tick(1_000_000);
        let second = clock.tick(5);
        assert!(second > first);
        assert_eq!(second.ms(), 1_000_000);
    }

    #[test]
    fn a_full_counter_carries_into_the_milliseconds() {
        let mut clock = Clock { latest: Timestamp(7 << 16 | 0xffff) };
        assert_eq!(clock.tick(0), Timestamp(8 << 16));
    }

    #[test]
    fn a_peer_over_a_minute_ahead_does_not_move_our_clock() {
        let mut clock = Clock::default();
        clock.observe(Timestamp::from_ms(1_000 + MAX_ADVANCE_MS + 1), 1_000);
        assert_eq!(clock.tick(1_000).ms(), 1_000);
        clock.observe(Timestamp::from_ms(1_000 + MAX_ADVANCE_MS), 1_000);
        assert_eq!(clock.tick(1_000).ms(), 1_000 + MAX_ADVANCE_MS);
    }

    proptest! {
        #[test]
        fn every_tick_is_later_than_all_that_was_observed(walls in prop::collection::vec(0u64..1 << 40, 1..50)) {
            let mut clock = Clock::default();
            let mut last = Timestamp::default();
            for wall in walls {
                let seen = Timestamp::from_ms(wall + MAX_ADVANCE_MS / 2);
                clock.observe(seen, wall);
                let stamp = clock.tick(wall);
                prop_assert!(stamp > last && stamp > seen && stamp >= Timestamp::from_ms(wall));
                last = stamp;
            }
        }
    }
}

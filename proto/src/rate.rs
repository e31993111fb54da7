//! Token buckets: so many of something in a period, with a burst, in exact integers.
//!
//! A bucket holds at most [`Rate::burst`] tokens and gains [`Rate::tokens`] every [`Rate::period_ms`]. The level is kept in
//! `1/period_ms` of a token, so every millisecond adds a whole number and nothing is lost to rounding, however often the
//! bucket is asked.

use crate::time::{Deadline, Now};

/// How fast a bucket fills and how much it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Tokens gained every period.
    pub tokens: u64,
    /// Milliseconds in a period; at least 1.
    pub period_ms: u64,
    /// Tokens held at most, and at the start.
    pub burst: u64,
}

impl Rate {
    /// `tokens` a second.
    pub const fn per_second(tokens: u64, burst: u64) -> Self {
        Self { tokens, period_ms: 1_000, burst }
    }

    fn units(self, tokens: u64) -> u64 {
        tokens.saturating_mul(self.period_ms.max(1))
    }
}

/// A bucket of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenBucket {
    rate: Rate,
    /// In `1/period_ms` of a token.
    level: u64,
    updated_ms: u64,
}

impl TokenBucket {
    /// A full bucket.
    pub fn new(rate: Rate, now: Now) -> Self {
        Self { rate, level: rate.units(rate.burst), updated_ms: now.mono_ms }
    }

    /// Takes `tokens` and says `true`, or takes nothing and says `false`.
    #[must_use]
    pub fn take(&mut self, now: Now, tokens: u64) -> bool {
        self.level = self.level_at(now);
        self.updated_ms = self.updated_ms.max(now.mono_ms);
        let cost = self.rate.units(tokens);
        if cost > self.level {
            return false;
        }
        self.level -= cost;
        true
    }

    /// Whole tokens in the bucket.
    pub fn available(&self, now: Now) -> u64 {
        self.level_at(now) / self.rate.period_ms.max(1)
    }

    /// When `tokens` can be taken, if nothing else is taken before; `None` when never.
    pub fn ready_at(&self, now: Now, tokens: u64) -> Option<Deadline> {
        if tokens > self.rate.burst {
            return None;
        }
        let missing = self.rate.units(tokens).saturating_sub(self.level_at(now));
        if missing == 0 {
            return Some(now.after(0));
        }
        (self.rate.tokens > 0).then(|| now.after(missing.div_ceil(self.rate.tokens)))
    }

    fn level_at(&self, now: Now) -> u64 {
        let elapsed_ms = now.mono_ms.saturating_sub(self.updated_ms);
        let gained = elapsed_ms.saturating_mul(self.rate.tokens);
        self.level.saturating_add(gained).min(self.rate.units(self.rate.burst))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::at;

    #[test]
    fn a_burst_is_served_and_then_the_rate_holds() {
        let mut bucket = TokenBucket::new(Rate::per_second(10, 5), at(0));
        assert!(bucket.take(at(0), 5));
        assert!(!bucket.take(at(99), 1));
        assert_eq!(bucket.ready_at(at(99), 1), Some(Deadline(100)));
        assert!(bucket.take(at(100), 1));
        assert!(!bucket.take(at(100), 1));
    }

    #[test]
    fn more_than_the_burst_is_never_ready() {
        let bucket = TokenBucket::new(Rate::per_second(10, 5), at(0));
        assert_eq!(bucket.ready_at(at(0), 6), None);
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let mut bucket = TokenBucket::new(Rate { tokens: u64::MAX, period_ms: u64::MAX, burst: u64::MAX }, at(0));
        assert!(bucket.take(at(u64::MAX), 1));
        assert!(bucket.ready_at(at(u64::MAX), u64::MAX).is_some());
    }

    proptest! {
        #[test]
        fn no_more_is_taken_than_burst_and_rate_allow_and_asking_often_loses_nothing(
            steps in prop::collection::vec((0u64..50, 1u64..4), 1..300), tokens in 1u64..20, period_ms in 1u64..3_000,
        ) {
            let rate = Rate { tokens, period_ms, burst: 7 };
            let mut bucket = TokenBucket::new(rate, at(0));
            let (mut now_ms, mut taken) = (0, 0);
            for (step_ms, wanted) in steps {
                now_ms += step_ms;
                let ready = bucket.ready_at(at(now_ms), wanted).unwrap();
                let took = bucket.take(at(now_ms), wanted);
                prop_assert_eq!(took, ready.0 <= now_ms);
                taken += if took { wanted } else { 0 };
                prop_assert!(taken <= rate.burst + now_ms * tokens / period_ms);
                if !took {
                    prop_assert!(bucket.available(at(ready.0)) >= wanted);
                }
            }
        }
    }
}

//! Exponential backoff with jitter: how long to wait after the n-th failure in a row.
//!
//! The wait doubles from [`Policy::first_ms`] to [`Policy::cap_ms`] and is then spread by up to
//! [`Policy::jitter_percent`] either way, so that nodes that failed together do not come back together.

use rand::{Rng, RngExt};

/// The shape of a backoff.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Milliseconds: the wait after the first failure, before jitter.
    pub first_ms: u64,
    /// Milliseconds: the longest wait, before jitter.
    pub cap_ms: u64,
    /// Per cent: how far a wait strays from its nominal length, either way. At most 100.
    pub jitter_percent: u64,
}

/// Failures in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Counts a failure and says how many milliseconds to wait before the next attempt.
    pub fn fail(&mut self, policy: Policy, rng: &mut impl Rng) -> u64 {
        let doublings = self.failures.min(63);
        self.failures = self.failures.saturating_add(1);
        let nominal_ms = policy.first_ms.saturating_mul(1 << doublings).min(policy.cap_ms);
        jittered(nominal_ms, policy.jitter_percent, rng)
    }

    /// Forgets all failures: the next wait is the first again.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// Failures in a row so far.
    pub fn failures(&self) -> u32 {
        self.failures
    }
}

/// `nominal_ms`, moved by a random amount of up to `percent` per cent either way.
pub fn jittered(nominal_ms: u64, percent: u64, rng: &mut impl Rng) -> u64 {
    let spread_ms = (u128::from(nominal_ms) * u128::from(percent.min(100)) / 100) as u64;
    let low_ms = nominal_ms - spread_ms;
    rng.random_range(low_ms..=nominal_ms.saturating_add(spread_ms))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    const POLICY: Policy = Policy { first_ms: 750, cap_ms: 45_000, jitter_percent: 25 };

    #[test]
    fn the_first_wait_after_a_reset_is_short_again() {
        let mut rng = ChaCha8Rng::from_seed([0; 32]);
        let mut backoff = Backoff::default();
        (0..20).for_each(|_| _ = backoff.fail(POLICY, &mut rng));
        assert!(backoff.fail(POLICY, &mut rng) > 30_000);
        backoff.reset();
        assert!(backoff.fail(POLICY, &mut rng) < 1_000);
    }

    proptest! {
        #[test]
        fn waits_stay_within_a_quarter_of_the_doubled_and_capped_length(seed: [u8; 32], failures in 1usize..200) {
            let mut rng = ChaCha8Rng::from_seed(seed);
            let mut backoff = Backoff::default();
            for failure in 0..failures {
                let nominal = (750u128 << failure.min(60)).min(45_000) as u64;
                let wait = backoff.fail(POLICY, &mut rng);
                prop_assert!(wait >= nominal * 3 / 4 && wait <= nominal * 5 / 4 + 1, "{wait} after {failure}");
            }
        }
    }
}

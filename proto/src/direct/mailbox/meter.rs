//! How often somebody may ask.

use std::collections::{BTreeMap, BTreeSet};

use super::MAX_METERED;
use crate::{
    rate::{Rate, TokenBucket},
    time::Now,
};

/// A token bucket for each of those who asked of late.
///
/// When there are too many, the one that was silent for longest is forgotten. Whoever has many names gains nothing by that: each new name
/// starts with a full bucket anyway.
#[derive(Debug, Clone)]
pub struct Meter<K> {
    rate: Rate,
    buckets: BTreeMap<K, (TokenBucket, u64)>,
    by_use: BTreeSet<(u64, K)>,
    uses: u64,
}

impl<K: Ord + Copy> Meter<K> {
    /// One that allows each so much.
    pub fn new(rate: Rate) -> Self {
        Self { rate, buckets: BTreeMap::new(), by_use: BTreeSet::new(), uses: 0 }
    }

    /// Whether one question more is within the rate; counts it if so.
    #[must_use]
    pub fn admit(&mut self, now: Now, who: K) -> bool {
        self.uses += 1;
        let full = TokenBucket::new(self.rate, now);
        let (bucket, used) = self.buckets.entry(who).or_insert((full, self.uses));
        self.by_use.remove(&(*used, who));
        self.by_use.insert((self.uses, who));
        *used = self.uses;
        let admitted = bucket.take(now, 1);
        if self.buckets.len() > MAX_METERED
            && let Some((_, silent)) = self.by_use.pop_first()
        {
            self.buckets.remove(&silent);
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_own_rate_and_the_longest_silent_is_forgotten() {
        let now = Now::default();
        let mut meter = Meter::new(Rate::per_second(1, 2));
        assert!(meter.admit(now, 1) && meter.admit(now, 1) && !meter.admit(now, 1));
        assert!(meter.admit(now, 2));
        for who in 3..3 + MAX_METERED as u64 - 1 {
            // Kept in mind as long as it goes on asking.
            assert!(meter.admit(now, who) && !meter.admit(now, 1));
        }
        assert_eq!((meter.buckets.len(), meter.by_use.len()), (MAX_METERED, MAX_METERED));
        assert!(!meter.buckets.contains_key(&2));
    }
}

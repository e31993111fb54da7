//! Whose turn it is, so that all get the same number of bytes.
//!
//! A round robin by deficit: each has an account of the bytes it got, and among those that wait the one with the least is next. Whoever
//! waited for nothing meanwhile does not make up for it: it comes back with at most [`CREDIT`] less than the last one served had.

use std::collections::{BTreeMap, BTreeSet};

use super::MAX_BLOCK_BYTES;

/// Bytes that one who comes back may get before the others: four blocks, so that one that waits between its blocks loses nothing by it.
pub const CREDIT: u64 = 4 * MAX_BLOCK_BYTES as u64;

/// The accounts of all, and who waits.
#[derive(Debug)]
pub struct Turns<K> {
    accounts: BTreeMap<K, u64>,
    waiting: BTreeSet<(u64, K)>,
    /// What the one served last had got before.
    level: u64,
}

impl<K> Default for Turns<K> {
    fn default() -> Self {
        Self { accounts: BTreeMap::new(), waiting: BTreeSet::new(), level: 0 }
    }
}

impl<K: Ord + Copy> Turns<K> {
    /// It waits for a turn.
    pub fn wait(&mut self, key: K) {
        let floor = self.level.saturating_sub(CREDIT);
        let account = self.accounts.entry(key).or_insert(self.level);
        if self.waiting.contains(&(*account, key)) {
            return;
        }
        *account = (*account).max(floor);
        self.waiting.insert((*account, key));
    }

    /// It no longer waits.
    pub fn leave(&mut self, key: K) {
        if let Some(account) = self.accounts.get(&key) {
            self.waiting.remove(&(*account, key));
        }
    }

    /// It is gone for good.
    pub fn forget(&mut self, key: K) {
        self.leave(key);
        self.accounts.remove(&key);
    }

    /// Whose turn it is.
    pub fn first(&self) -> Option<K> {
        self.waiting.first().map(|(_, key)| *key)
    }

    /// All that wait, in the order of their turns.
    pub fn iter(&self) -> impl Iterator<Item = K> {
        self.waiting.iter().map(|(_, key)| *key)
    }

    /// One got so many bytes, and goes on waiting if it did.
    pub fn charge(&mut self, key: K, bytes: u64) {
        let Some(account) = self.accounts.get_mut(&key) else { return };
        let waits = self.waiting.remove(&(*account, key));
        self.level = self.level.max(*account);
        *account = account.saturating_add(bytes.max(1));
        if waits {
            self.waiting.insert((*account, key));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn who_was_away_does_not_make_up_for_it() {
        let mut turns = Turns::default();
        turns.wait(1);
        turns.wait(2);
        turns.leave(2);
        (0..100).for_each(|_| turns.charge(1, CREDIT));
        turns.wait(2);
        let mut got = 0;
        while turns.first() == Some(2) {
            turns.charge(2, CREDIT / 4);
            got += CREDIT / 4;
        }
        assert!(got <= 2 * CREDIT, "{got}");
    }

    proptest! {
        #[test]
        fn all_that_wait_get_the_same_but_for_a_block_whatever_the_lengths(
            lengths in prop::collection::vec(1u64..=262_144, 200..400), count in 2usize..6,
        ) {
            let mut turns = Turns::default();
            let mut got = vec![0; count];
            (0..count).for_each(|key| turns.wait(key));
            for len in lengths {
                let key = turns.first().unwrap();
                got[key] += len;
                // Who has its turn need not wait on: it comes back before the next.
                turns.leave(key);
                turns.charge(key, len);
                turns.wait(key);
            }
            let spread = got.iter().max().unwrap() - got.iter().min().unwrap();
            prop_assert!(spread <= 262_144, "{got:?}");
        }
    }
}

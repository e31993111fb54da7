//! Deadlines of many, the earliest at hand.

use std::collections::{BTreeMap, BTreeSet};

use crate::time::{Deadline, Now};

/// One deadline for each of many: the first is found, set and taken in logarithmic time, however many there are.
#[derive(Debug, Clone)]
pub struct Schedule<K> {
    order: BTreeSet<(Deadline, K)>,
    of: BTreeMap<K, Deadline>,
}

impl<K> Default for Schedule<K> {
    fn default() -> Self {
        Self { order: BTreeSet::new(), of: BTreeMap::new() }
    }
}

impl<K: Ord + Clone> Schedule<K> {
    /// Sets the deadline of one, or takes it away.
    pub fn set(&mut self, key: K, at: Option<Deadline>) {
        if let Some(before) = self.of.remove(&key) {
            self.order.remove(&(before, key.clone()));
        }
        if let Some(at) = at {
            self.of.insert(key.clone(), at);
            self.order.insert((at, key));
        }
    }

    /// Sets the deadline of one that has none.
    pub fn set_if_none(&mut self, key: K, at: Deadline) {
        if !self.of.contains_key(&key) {
            self.set(key, Some(at));
        }
    }

    /// The deadline of one.
    pub fn get(&self, key: &K) -> Option<Deadline> {
        self.of.get(key).copied()
    }

    /// Whether it has a deadline.
    pub fn contains(&self, key: &K) -> bool {
        self.of.contains_key(key)
    }

    /// The earliest deadline.
    pub fn first(&self) -> Option<Deadline> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Takes the first one whose deadline is reached.
    pub fn pop_due(&mut self, now: Now) -> Option<K> {
        let (_, key) = self.order.first().filter(|(at, _)| now.reached(*at))?.clone();
        self.set(key.clone(), None);
        Some(key)
    }

    /// Takes the deadlines of all these away.
    pub fn remove_if(&mut self, mut gone: impl FnMut(&K) -> bool) {
        self.of.retain(|key, _| !gone(key));
        self.order.retain(|(_, key)| self.of.contains_key(key));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(mono_ms: u64) -> Now {
        Now { mono_ms, wall_ms: 0 }
    }

    proptest! {
        #[test]
        fn those_that_are_due_come_in_the_order_of_their_deadlines_and_no_others(
            deadlines in prop::collection::vec((0u8..20, prop::option::of(0u64..100)), 0..60), now in 0u64..100,
        ) {
            let (mut schedule, mut expected) = (Schedule::default(), BTreeMap::new());
            for (key, deadline) in deadlines {
                schedule.set(key, deadline.map(Deadline));
                expected.remove(&key);
                expected.extend(deadline.map(|deadline| (key, deadline)));
                prop_assert_eq!(schedule.get(&key).map(|at| at.0), deadline);
            }
            schedule.remove_if(|key| key % 5 == 0);
            expected.retain(|key, _| key % 5 != 0);
            let mut due: Vec<(u64, u8)> = expected.iter().map(|(key, at)| (*at, *key)).filter(|(at, _)| *at <= now).collect();
            due.sort_unstable();
            prop_assert_eq!(schedule.first().map(|at| at.0), expected.values().min().copied());
            let taken: Vec<u8> = std::iter::from_fn(|| schedule.pop_due(at(now))).collect();
            prop_assert_eq!(taken, due.iter().map(|(_, key)| *key).collect::<Vec<_>>());
            prop_assert!(schedule.first().is_none_or(|first| first.0 > now));
        }
    }
}

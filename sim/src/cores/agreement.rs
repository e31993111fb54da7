//! Whether hosts that can talk hold the same, and since when nothing has happened that they could differ about.

use std::collections::BTreeMap;

/// Hosts up, by the part of the network they are in and the digest of what they hold.
#[derive(Debug, Default)]
pub struct Agreement {
    sides: BTreeMap<u8, BTreeMap<u64, usize>>,
    quiet_us: u64,
    heal: Option<Heal>,
}

/// The last heal: what each host lacks of what was held anywhere then.
#[derive(Debug)]
struct Heal {
    at_us: u64,
    /// How far any host held each log.
    held: Vec<u32>,
    missing: Vec<u32>,
    outstanding: u64,
    equal_us: Option<u64>,
}

impl Agreement {
    /// Something happened that takes time to settle: a message, a host that came or went, a cut, a heal.
    pub fn disturb(&mut self, now_us: u64) {
        self.quiet_us = now_us;
    }

    /// Since when nothing did.
    pub fn quiet_us(&self) -> u64 {
        self.quiet_us
    }

    /// A host comes up.
    pub fn come(&mut self, side: u8, digest: u64) {
        *self.sides.entry(side).or_default().entry(digest).or_default() += 1;
    }

    /// A host goes down.
    pub fn go(&mut self, now_us: u64, host: u32, side: u8, digest: u64) {
        self.take(side, digest);
        if let Some(heal) = &mut self.heal {
            heal.outstanding -= u64::from(std::mem::take(&mut heal.missing[host as usize]));
            heal.note(now_us);
        }
    }

    /// A host that is up holds something else than before.
    pub fn change(&mut self, side: u8, before: u64, after: u64) {
        self.take(side, before);
        self.come(side, after);
    }

    /// A host that is up is in another part of the network than before.
    pub fn turn(&mut self, before: u8, after: u8, digest: u64) {
        self.take(before, digest);
        self.come(after, digest);
    }

    /// A host that is up holds an event that it did not hold before.
    pub fn added(&mut self, now_us: u64, host: u32, log: u32, seq: u32) {
        if let Some(heal) = self.heal.as_mut().filter(|heal| heal.held.get(log as usize).is_some_and(|to| seq <= *to))
            && let Some(missing) = heal.missing.get_mut(host as usize).filter(|missing| **missing > 0)
        {
            *missing -= 1;
            heal.outstanding -= 1;
            heal.note(now_us);
        }
    }

    /// The network healed. `held` is how far any host that is up holds each log, `missing` how many of those events each lacks.
    pub fn heal(&mut self, now_us: u64, held: Vec<u32>, missing: Vec<u32>) {
        let outstanding = missing.iter().map(|count| u64::from(*count)).sum();
        let mut heal = Heal { at_us: now_us, held, missing, outstanding, equal_us: None };
        heal.note(now_us);
        self.heal = Some(heal);
    }

    /// Microseconds from the last heal until all held what was held anywhere then.
    pub fn heal_to_equal_us(&self) -> Option<u64> {
        let heal = self.heal.as_ref()?;
        Some(heal.equal_us?.saturating_sub(heal.at_us))
    }

    /// Hosts that differ from what most on their side hold.
    pub fn different(&self) -> usize {
        self.sides.values().map(|held| held.values().sum::<usize>() - held.values().max().unwrap_or(&0)).sum()
    }

    /// What most on a side hold.
    pub fn most(&self, side: u8) -> Option<u64> {
        self.sides.get(&side)?.iter().max_by_key(|(_, count)| **count).map(|(digest, _)| *digest)
    }

    fn take(&mut self, side: u8, digest: u64) {
        let Some(held) = self.sides.get_mut(&side) else { return };
        if let Some(count) = held.get_mut(&digest) {
            *count -= 1;
            if *count == 0 {
                held.remove(&digest);
            }
        }
    }
}

impl Heal {
    fn note(&mut self, now_us: u64) {
        if self.outstanding == 0 {
            self.equal_us.get_or_insert(now_us);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_differ_are_counted_on_each_side_by_itself() {
        let mut agreement = Agreement::default();
        for (side, digest) in [(0, 1), (0, 1), (0, 2), (1, 3)] {
            agreement.come(side, digest);
        }
        assert_eq!((agreement.different(), agreement.most(0)), (1, Some(1)));
        agreement.change(0, 2, 1);
        assert_eq!(agreement.different(), 0);
    }

    #[test]
    fn a_heal_is_over_when_all_hold_what_was_held_anywhere() {
        let mut agreement = Agreement::default();
        agreement.come(0, 1);
        agreement.come(0, 2);
        agreement.heal(100, vec![2, 1], vec![1, 2]);
        agreement.added(150, 0, 1, 1);
        // A message said after the heal does not count.
        agreement.added(160, 1, 0, 3);
        agreement.added(170, 1, 0, 1);
        assert_eq!(agreement.heal_to_equal_us(), None);
        agreement.added(180, 1, 0, 2);
        assert_eq!(agreement.heal_to_equal_us(), Some(80));
    }

    #[test]
    fn a_host_that_goes_is_not_waited_for() {
        let mut agreement = Agreement::default();
        agreement.come(0, 1);
        agreement.heal(100, vec![1], vec![1]);
        agreement.go(130, 0, 0, 1);
        assert_eq!(agreement.heal_to_equal_us(), Some(30));
    }
}

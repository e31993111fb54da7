//! Who is registered.

use std::collections::{BTreeMap, BTreeSet};

use super::{Depositor, Registration};
use crate::ids::Author;

/// The registrations, by recipient, by when they lapse, and how many there are from where.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    by_owner: BTreeMap<Author, Registration>,
    by_end: BTreeSet<(u64, Author)>,
    from: BTreeMap<Depositor, usize>,
}

impl Registry {
    /// Puts a registration in the place of the one before, or takes it away. Returns the one before.
    pub fn set(&mut self, owner: Author, registration: Option<Registration>) -> Option<Registration> {
        let before = self.by_owner.remove(&owner);
        if let Some(before) = &before {
            self.by_end.remove(&(before.until_ms, owner));
            self.leave(before.from);
        }
        if let Some(registration) = registration {
            self.by_end.insert((registration.until_ms, owner));
            *self.from.entry(registration.from).or_default() += 1;
            self.by_owner.insert(owner, registration);
        }
        debug_assert_eq!(self.by_owner.len(), self.by_end.len());
        before
    }

    fn leave(&mut self, from: Depositor) {
        if let Some(count) = self.from.get_mut(&from) {
            *count -= 1;
            if *count == 0 {
                self.from.remove(&from);
            }
        }
    }

    /// How many are registered from there.
    pub fn count_from(&self, from: Depositor) -> usize {
        self.from.get(&from).copied().unwrap_or_default()
    }

    /// The registration of a recipient.
    pub fn get(&self, owner: &Author) -> Option<&Registration> {
        self.by_owner.get(owner)
    }

    /// All that are registered, by name.
    pub fn owners(&self) -> impl Iterator<Item = Author> {
        self.by_owner.keys().copied()
    }

    /// How many are registered.
    pub fn len(&self) -> usize {
        self.by_owner.len()
    }

    /// When the last of them lapses.
    pub fn last_end(&self) -> Option<u64> {
        self.by_end.last().map(|(until_ms, _)| *until_ms)
    }

    /// Whose registration lapses next, and when.
    pub fn next_end(&self) -> Option<(u64, Author)> {
        self.by_end.first().copied()
    }
}

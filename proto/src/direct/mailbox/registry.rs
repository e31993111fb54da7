//! Who is registered.

use std::collections::{BTreeMap, BTreeSet};

use super::Registration;
use crate::ids::Author;

/// The registrations, by recipient and by when they lapse.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    by_owner: BTreeMap<Author, Registration>,
    by_end: BTreeSet<(u64, Author)>,
}

impl Registry {
    /// Puts a registration in the place of the one before, or takes it away. Returns the one before.
    pub fn set(&mut self, owner: Author, registration: Option<Registration>) -> Option<Registration> {
        let before = match registration {
            Some(registration) => {
                self.by_end.insert((registration.until_ms, owner));
                let until_ms = registration.until_ms;
                let before = self.by_owner.insert(owner, registration);
                // The same end needs its entry still.
                before
                    .inspect(|before| _ = before.until_ms != until_ms && self.by_end.remove(&(before.until_ms, owner)))
            }
            None => self.by_owner.remove(&owner).inspect(|before| _ = self.by_end.remove(&(before.until_ms, owner))),
        };
        debug_assert_eq!(self.by_owner.len(), self.by_end.len());
        before
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

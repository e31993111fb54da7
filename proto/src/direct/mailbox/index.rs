//! Which letters the store holds, for whom and from whom.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use super::{Depositor, StoredLetter};
use crate::{direct::letter::EnvelopeId, ids::Author};

/// So many letters of so many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Letters.
    pub letters: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Usage {
    /// Whether a letter more stays within `letters` and `bytes`.
    pub fn has_room(self, letter_bytes: u32, letters: u64, bytes: u64) -> bool {
        self.letters < letters && self.bytes + u64::from(letter_bytes) <= bytes
    }

    fn add(&mut self, letter: &StoredLetter) {
        self.letters += 1;
        self.bytes += u64::from(letter.bytes);
    }

    fn sub(&mut self, letter: &StoredLetter) {
        self.letters -= 1;
        self.bytes -= u64::from(letter.bytes);
    }
}

/// What one recipient has here.
#[derive(Debug, Clone, Default)]
struct Shelf {
    arrivals: BTreeSet<u64>,
    usage: Usage,
}

/// The letters, in the order in which they came: the order in which they are collected, and in which they expire.
#[derive(Debug, Clone, Default)]
pub struct Index {
    by_arrival: BTreeMap<u64, StoredLetter>,
    by_id: BTreeMap<EnvelopeId, u64>,
    shelves: BTreeMap<Author, Shelf>,
    depositors: BTreeMap<Depositor, Usage>,
    total: Usage,
}

impl Index {
    /// Adds a letter that is not there yet.
    pub fn insert(&mut self, letter: StoredLetter) {
        debug_assert!(!self.by_id.contains_key(&letter.id) && !self.by_arrival.contains_key(&letter.arrival));
        self.total.add(&letter);
        self.depositors.entry(letter.depositor).or_default().add(&letter);
        let shelf = self.shelves.entry(letter.to).or_default();
        shelf.usage.add(&letter);
        shelf.arrivals.insert(letter.arrival);
        self.by_id.insert(letter.id, letter.arrival);
        self.by_arrival.insert(letter.arrival, letter);
    }

    /// Takes a letter away.
    pub fn remove(&mut self, arrival: u64) -> Option<StoredLetter> {
        let letter = self.by_arrival.remove(&arrival)?;
        self.by_id.remove(&letter.id);
        self.total.sub(&letter);
        if let Some(usage) = self.depositors.get_mut(&letter.depositor) {
            usage.sub(&letter);
            if usage.letters == 0 {
                self.depositors.remove(&letter.depositor);
            }
        }
        if let Some(shelf) = self.shelves.get_mut(&letter.to) {
            shelf.usage.sub(&letter);
            shelf.arrivals.remove(&arrival);
            if shelf.arrivals.is_empty() {
                self.shelves.remove(&letter.to);
            }
        }
        Some(letter)
    }

    /// Whether a letter is there.
    pub fn contains(&self, id: &EnvelopeId) -> bool {
        self.by_id.contains_key(id)
    }

    /// The place of a letter, if it is this recipient's.
    pub fn arrival(&self, to: &Author, id: &EnvelopeId) -> Option<u64> {
        let arrival = *self.by_id.get(id)?;
        self.shelves.get(to)?.arrivals.contains(&arrival).then_some(arrival)
    }

    /// A recipient's letters from after `after` on to before `end`, oldest first.
    pub fn letters_of(&self, to: &Author, after: Option<u64>, end: u64) -> impl Iterator<Item = &StoredLetter> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        // A range that ends before it begins is not one.
        let until = Bound::Excluded(end.max(after.map_or(0, |after| after.saturating_add(1))));
        let arrivals = self.shelves.get(to).into_iter().flat_map(move |shelf| shelf.arrivals.range((from, until)));
        arrivals.filter_map(|arrival| self.by_arrival.get(arrival))
    }

    /// The letter that expires next.
    pub fn oldest(&self) -> Option<&StoredLetter> {
        self.by_arrival.first_key_value().map(|(_, letter)| letter)
    }

    /// The letter that came last.
    pub fn newest(&self) -> Option<&StoredLetter> {
        self.by_arrival.last_key_value().map(|(_, letter)| letter)
    }

    /// What is kept for a recipient.
    pub fn usage_of(&self, to: &Author) -> Usage {
        self.shelves.get(to).map_or(Usage::default(), |shelf| shelf.usage)
    }

    /// What is kept from a depositor.
    pub fn usage_from(&self, depositor: Depositor) -> Usage {
        self.depositors.get(&depositor).copied().unwrap_or_default()
    }

    /// What is kept in all.
    pub fn total(&self) -> Usage {
        self.total
    }

    /// All letters, in the order in which they came.
    #[cfg(test)]
    pub fn iter(&self) -> impl Iterator<Item = &StoredLetter> {
        self.by_arrival.values()
    }
}

//! The cards of others: the newest of each, so many in all.

use std::collections::{BTreeMap, BTreeSet};

use super::MAX_CARDS;
use crate::{
    direct::card::{Card, SignedCard},
    ids::Author,
};

/// A card, and when it was taken compared with the others.
#[derive(Debug)]
struct Entry {
    signed: SignedCard,
    place: u64,
}

/// The cards.
#[derive(Debug, Default)]
pub struct Cards {
    of: BTreeMap<Author, Entry>,
    /// In the order in which they were taken.
    order: BTreeSet<(u64, Author)>,
    next_place: u64,
}

impl Cards {
    /// The card of this owner.
    pub fn get(&self, owner: &Author) -> Option<&Card> {
        self.of.get(owner).map(|entry| &entry.signed.card)
    }

    /// The same with its signature.
    pub fn signed(&self, owner: &Author) -> Option<&SignedCard> {
        self.of.get(owner).map(|entry| &entry.signed)
    }

    /// Whether this one would take the place of what is held.
    pub fn is_news(&self, card: &Card) -> bool {
        self.get(&card.owner).is_none_or(|held| held.issued_ms < card.issued_ms)
    }

    /// Takes a card in the place of its owner's earlier one. Whose card had to go for it, if there were too many: the one taken longest ago.
    pub fn insert(&mut self, signed: SignedCard) -> Option<Author> {
        let (owner, place) = (signed.card.owner, self.next_place);
        self.next_place += 1;
        if let Some(before) = self.of.insert(owner, Entry { signed, place }) {
            self.order.remove(&(before.place, owner));
        }
        self.order.insert((place, owner));
        if self.of.len() <= MAX_CARDS {
            return None;
        }
        let (_, oldest) = self.order.pop_first()?;
        self.of.remove(&oldest);
        Some(oldest)
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.of.len()
    }
}

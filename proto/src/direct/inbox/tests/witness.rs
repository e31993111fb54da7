//! Who looks on as letters become durable and are shown, and objects.

use std::collections::{BTreeMap, BTreeSet};

use super::{GAP_PATIENCE_MS, commits::Place};
use crate::{
    direct::letter::{Content, Letter, StreamId},
    ids::Author,
};

/// Where a text belongs.
pub fn place(letter: &Letter) -> Place {
    match &letter.content {
        Content::Text(text) => (letter.from, text.stream, text.seq),
        Content::Receipt(_) => panic!("a receipt has no place"),
    }
}

/// What an inbox' user has seen.
#[derive(Debug, Default)]
pub struct Witness {
    /// When each letter became durable, in this run.
    durable: BTreeMap<Place, u64>,
    /// Shown, or durable when the program started.
    seen: BTreeSet<Place>,
    given_up: BTreeMap<(Author, StreamId), u64>,
}

impl Witness {
    /// The program starts again, with these letters in its store.
    pub fn restart(&mut self, stored: BTreeSet<Place>) {
        *self = Self { seen: stored, ..Self::default() };
    }

    /// What was shown, or was durable when the program started.
    pub fn seen(&self) -> &BTreeSet<Place> {
        &self.seen
    }

    /// A letter is durable by now.
    pub fn is_durable(&mut self, now_ms: u64, place: Place) {
        if !self.seen.contains(&place) {
            self.durable.entry(place).or_insert(now_ms);
        }
    }

    /// A letter is shown: durable, once, and in the order of its stream unless somebody has waited for long.
    pub fn is_shown(&mut self, now_ms: u64, place: Place) {
        let (from, stream, seq) = place;
        assert!(self.durable.contains_key(&place), "shown before it is durable");
        assert!(!self.seen.contains(&place), "shown twice");
        let given_up = self.given_up.entry((from, stream)).or_default();
        let missing = (*given_up + 1..seq).any(|before| !self.seen.contains(&(from, stream, before)));
        if missing && seq > *given_up {
            // Somebody at or behind it has waited for long enough.
            let of_line = self.durable.range((from, stream, seq)..=(from, stream, u64::MAX));
            let waiting = of_line.filter(|(place, _)| !self.seen.contains(place));
            let tired = waiting.filter(|(_, since)| *since + GAP_PATIENCE_MS <= now_ms).map(|(place, _)| place.2);
            *given_up = tired.max().expect("shown out of order, and nobody had waited for long");
        }
        self.seen.insert(place);
    }
}

//! Who has its turn when: pauses after failures, and gates that let only so many through at a time.

use std::collections::BTreeMap;

use rand::Rng;

use crate::{
    backoff::{Backoff, Policy},
    ids::Author,
    time::{Deadline, Now},
};

/// A way that is left alone for a while after each failure.
#[derive(Debug, Clone, Default)]
pub struct Pause {
    backoff: Backoff,
    until: Option<Deadline>,
}

impl Pause {
    /// It failed: a longer pause than the last begins, unless one is under way.
    pub fn fail(&mut self, now: Now, policy: Policy, rng: &mut impl Rng) {
        if self.is_over(now) {
            self.until = Some(now.after(self.backoff.fail(policy, rng)));
        }
    }

    /// It works.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// How often it failed since it worked.
    pub fn failures(&self) -> u32 {
        self.backoff.failures()
    }

    /// Whether it may be tried.
    pub fn is_over(&self, now: Now) -> bool {
        self.until.is_none_or(|until| now.reached(until))
    }

    /// From when on it may be tried; `None` if it never failed since it worked.
    pub fn until(&self) -> Option<Deadline> {
        self.until
    }
}

/// Lets so many questions through at a time. Whoever finds it closed stands in line.
#[derive(Debug)]
pub struct Gate {
    limit: usize,
    inside: usize,
    /// By when they came.
    line: BTreeMap<u64, Author>,
    place: BTreeMap<Author, u64>,
    next_place: u64,
}

impl Gate {
    /// An empty one.
    pub fn new(limit: usize) -> Self {
        Self { limit, inside: 0, line: BTreeMap::new(), place: BTreeMap::new(), next_place: 0 }
    }

    /// Goes in, or stands in line.
    pub fn enter(&mut self, author: Author) -> bool {
        let open = self.inside < self.limit;
        if open {
            self.inside += 1;
        } else if !self.place.contains_key(&author) {
            self.place.insert(author, self.next_place);
            self.line.insert(self.next_place, author);
            self.next_place += 1;
        }
        open
    }

    /// One comes out.
    pub fn leave(&mut self) {
        self.inside = self.inside.saturating_sub(1);
    }

    /// Whose turn it is, if there is room.
    pub fn next(&mut self) -> Option<Author> {
        let (_, author) = if self.inside < self.limit { self.line.pop_first() } else { None }?;
        self.place.remove(&author);
        Some(author)
    }

    /// It needs nothing any more.
    pub fn leave_line(&mut self, author: &Author) {
        if let Some(place) = self.place.remove(author) {
            self.line.remove(&place);
        }
    }

    /// How many are inside.
    pub fn inside(&self) -> usize {
        self.inside
    }
}

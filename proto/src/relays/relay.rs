//! What is known of one relay.

use super::Word;
use crate::{
    backoff::Backoff,
    time::{Deadline, Now},
};

/// What becomes of a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// None is asked for.
    Known,
    /// One is; it has failed if nothing is heard until then.
    Asked(Deadline),
    /// There is one, since so many milliseconds after the start.
    Held(u64),
    /// It failed, and is not asked before.
    Resting(Deadline),
}

/// A relay.
#[derive(Debug)]
pub struct Relay {
    /// Who says that it is one.
    pub word: Word,
    /// Where on the internet it is.
    pub neighbourhood: u64,
    /// Its place among equals.
    pub lot: u64,
    /// How far a reservation is.
    pub stage: Stage,
    /// Failures in a row.
    pub rest: Backoff,
    /// Whether it ever gave us one.
    pub was_held: bool,
}

impl Relay {
    /// One that was never asked.
    pub fn new(word: Word, neighbourhood: u64, lot: u64) -> Self {
        Self { word, neighbourhood, lot, stage: Stage::Known, rest: Backoff::default(), was_held: false }
    }

    /// It gave us a reservation.
    pub fn hold(&mut self, now: Now) {
        (self.stage, self.was_held) = (Stage::Held(now.mono_ms), true);
    }

    /// Whether it is asked for one.
    pub fn is_asked(&self) -> bool {
        matches!(self.stage, Stage::Asked(_))
    }

    /// Whether there is one.
    pub fn is_held(&self) -> bool {
        matches!(self.stage, Stage::Held(_))
    }

    /// Whether nothing is asked of it, nor held.
    pub fn is_idle(&self) -> bool {
        matches!(self.stage, Stage::Known | Stage::Resting(_))
    }

    /// Whether it may be asked now.
    pub fn may_be_asked(&self, now: Now) -> bool {
        match self.stage {
            Stage::Known => true,
            Stage::Resting(until) => now.reached(until),
            Stage::Asked(_) | Stage::Held(_) => false,
        }
    }

    /// Since when there is one.
    pub fn since_ms(&self) -> u64 {
        match self.stage {
            Stage::Held(since_ms) => since_ms,
            _ => 0,
        }
    }
}

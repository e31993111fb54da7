//! What is on its way to the disk, and what has yet to be sent there.
//!
//! A new letter is handed to the store at once. Everything else is noted as *changed* and handed over as it is when the batch
//! before it is durable: so changes that come faster than the store takes them become one, and what the store did not take is changed still.

use std::collections::BTreeSet;

use rand::Rng;

use super::{CommitId, MAX_CHANGES, RETRY, State, schedule::Pause};
use crate::{
    commits::Commits,
    direct::letter::Receipt,
    ids::Author,
    time::{Deadline, Now},
};

/// Something that is not as the store has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Changed {
    /// How far the letter with this number to this recipient is.
    Letter(Author, u64),
    /// Up to where this recipient has read.
    Read(Author),
    /// The card of this owner.
    Card(Author),
}

/// What the store was told, where somebody waits for it to be durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// How far a letter is.
    Letter {
        /// Its recipient.
        to: Author,
        /// Its number.
        seq: u64,
        /// What became of it.
        state: State,
    },
    /// Up to where a recipient has read.
    Read {
        /// Who.
        to: Author,
        /// Up to where.
        through: u64,
    },
    /// A card, or that there is none.
    Card(Author),
}

impl Told {
    /// What it was about.
    pub fn changed(self) -> Changed {
        match self {
            Self::Letter { to, seq, .. } => Changed::Letter(to, seq),
            Self::Read { to, .. } => Changed::Read(to),
            Self::Card(owner) => Changed::Card(owner),
        }
    }
}

/// A commit under way.
#[derive(Debug)]
pub enum Commit {
    /// A new letter.
    Written {
        /// The user's token.
        token: u64,
        /// Its recipient.
        to: Author,
        /// Its number.
        seq: u64,
    },
    /// A batch of changes.
    Changes {
        /// What the store was told.
        told: Vec<Told>,
        /// Receipts of others of which all consequences are durable with it.
        receipts: Vec<(Author, Receipt)>,
    },
}

/// All of it.
#[derive(Debug, Default)]
pub struct Journal {
    queue: Commits<Commit>,
    changed: BTreeSet<Changed>,
    /// Receipts of others whose consequences are among what changed.
    receipts: Vec<(Author, Receipt)>,
    /// Whether a batch of changes is under way.
    busy: bool,
    pause: Pause,
}

impl Journal {
    /// Notes that something is handed to the store.
    pub fn push(&mut self, commit: Commit) -> CommitId {
        self.busy |= matches!(commit, Commit::Changes { .. });
        self.queue.push(commit, 0)
    }

    /// Notes that something is not as the store has it.
    pub fn change(&mut self, changed: Changed) {
        self.changed.insert(changed);
    }

    /// Notes a receipt after the changes that it made.
    pub fn receipt(&mut self, from: Author, receipt: Receipt) {
        self.receipts.push((from, receipt));
    }

    /// The receipts whose consequences are all in what [`Journal::take_changed`] gave, or durable.
    pub fn take_receipts(&mut self) -> Vec<(Author, Receipt)> {
        if self.busy || !self.changed.is_empty() { Vec::new() } else { std::mem::take(&mut self.receipts) }
    }

    /// How much is not as the store has it and not on its way there.
    pub fn behind(&self) -> usize {
        self.changed.len()
    }

    /// What to hand to the store now.
    pub fn take_changed(&mut self, now: Now) -> Vec<Changed> {
        let mut batch = Vec::new();
        if !self.busy && self.pause.is_over(now) {
            while batch.len() < MAX_CHANGES
                && let Some(changed) = self.changed.pop_first()
            {
                batch.push(changed);
            }
        }
        batch
    }

    /// Takes the oldest commit, if it is one of those up to `through`: it is durable.
    pub fn pop_through(&mut self, through: CommitId) -> Option<Commit> {
        let commit = self.queue.pop_through(through)?;
        self.busy &= !matches!(commit, Commit::Changes { .. });
        self.pause.reset();
        Some(commit)
    }

    /// Takes all commits under way: the store failed.
    pub fn fail(&mut self, now: Now, rng: &mut impl Rng) -> Vec<Commit> {
        self.busy = false;
        self.pause.fail(now, RETRY, rng);
        self.queue.take_all()
    }

    /// When to try again.
    pub fn deadline(&self) -> Option<Deadline> {
        if self.changed.is_empty() || self.busy { None } else { self.pause.until() }
    }
}

//! What is on its way to the store, how to undo it, and who waits for it.

use super::{Change, CommitId, MAX_COMMITS, MAX_COMMITTING_BYTES, MAX_WAITING, Output, Registration, StoredLetter};
use crate::{commits, direct::message::DirectAnswer, ids::Author};

/// What was done in memory, as it is needed to undo it.
#[derive(Debug, Clone)]
pub enum Done {
    /// A letter came in.
    Kept {
        /// Its place.
        arrival: u64,
    },
    /// A letter went.
    Dropped(StoredLetter),
    /// A registration changed.
    Registered {
        /// Whose.
        owner: Author,
        /// The one before.
        before: Option<Registration>,
    },
}

/// Changes to be made together.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// What the store is to do.
    pub changes: Vec<Change>,
    /// What was done in memory.
    pub done: Vec<Done>,
    /// What to say once it is durable, besides the answer.
    pub then: Vec<Output>,
    /// Bytes of the letters among the changes.
    pub bytes: usize,
}

/// A commit under way.
#[derive(Debug, Clone)]
pub struct Commit {
    /// What was done in memory.
    pub done: Vec<Done>,
    /// What to say once it is durable, besides the answers.
    pub then: Vec<Output>,
    /// Who hears what once it is durable.
    pub waiting: Vec<(u64, DirectAnswer)>,
    /// All letters that came before this place are durable with it.
    pub end: u64,
}

/// The commits under way.
#[derive(Debug, Clone, Default)]
pub struct Commits(commits::Commits<Commit>);

impl Commits {
    /// Notes that a batch is handed to the store, and gives the order to do so.
    pub fn push(&mut self, batch: Batch, answer: Option<(u64, DirectAnswer)>, end: u64) -> Output {
        let Batch { changes, done, then, bytes } = batch;
        let commit = self.0.push(Commit { done, then, waiting: answer.into_iter().collect(), end }, bytes);
        Output::Persist { commit, changes }
    }

    /// Lets an answer wait for all that is under way. Gives the answer that can be had now instead: this one if nothing is.
    pub fn wait(&mut self, token: u64, answer: DirectAnswer) -> Option<DirectAnswer> {
        match self.0.last_mut() {
            None => Some(answer),
            Some(last) if last.waiting.len() >= MAX_WAITING => Some(DirectAnswer::Unavailable),
            Some(last) => {
                last.waiting.push((token, answer));
                None
            }
        }
    }

    /// Takes the oldest commit, if it is one of those up to `through`.
    pub fn pop_through(&mut self, through: CommitId) -> Option<Commit> {
        self.0.pop_through(through)
    }

    /// Takes all of them, oldest first: the store failed.
    pub fn take_all(&mut self) -> Vec<Commit> {
        self.0.take_all()
    }

    /// Bytes of letters under way.
    pub fn bytes(&self) -> u64 {
        self.0.bytes() as u64
    }

    /// Whether no more may be taken in until the disk has caught up.
    pub fn is_full(&self) -> bool {
        self.bytes() >= MAX_COMMITTING_BYTES || self.0.len() >= MAX_COMMITS
    }
}

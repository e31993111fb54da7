//! What is on its way to the store, how to undo it, and who waits for it.

use std::collections::VecDeque;

use super::{Change, CommitId, MAX_COMMITS, MAX_COMMITTING_BYTES, MAX_WAITING, Output, Registration, StoredLetter};
use crate::{direct::message::DirectAnswer, ids::Author};

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
    pub bytes: u64,
}

/// A commit under way.
#[derive(Debug, Clone)]
pub struct Commit {
    id: CommitId,
    bytes: u64,
    /// What was done in memory.
    pub done: Vec<Done>,
    /// What to say once it is durable, besides the answers.
    pub then: Vec<Output>,
    /// Who hears what once it is durable.
    pub waiting: Vec<(u64, DirectAnswer)>,
    /// All letters that came before this place are durable with it.
    pub end: u64,
}

/// The commits under way, in the order in which they were handed to the store.
#[derive(Debug, Clone, Default)]
pub struct Commits {
    queue: VecDeque<Commit>,
    bytes: u64,
    next_id: u64,
}

impl Commits {
    /// Notes that a batch is handed to the store, and gives the order to do so.
    pub fn push(&mut self, batch: Batch, answer: Option<(u64, DirectAnswer)>, end: u64) -> Output {
        let id = CommitId(self.next_id);
        self.next_id += 1;
        self.bytes += batch.bytes;
        let Batch { changes, done, then, bytes } = batch;
        self.queue.push_back(Commit { id, bytes, done, then, waiting: answer.into_iter().collect(), end });
        Output::Persist { commit: id, changes }
    }

    /// Lets an answer wait for all that is under way. Gives the answer that can be had now instead: this one if nothing is.
    pub fn wait(&mut self, token: u64, answer: DirectAnswer) -> Option<DirectAnswer> {
        match self.queue.back_mut() {
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
        let commit = self.queue.pop_front_if(|commit| commit.id <= through)?;
        self.bytes -= commit.bytes;
        Some(commit)
    }

    /// Takes all of them, oldest first: the store failed.
    pub fn take_all(&mut self) -> VecDeque<Commit> {
        self.bytes = 0;
        std::mem::take(&mut self.queue)
    }

    /// Bytes of letters under way.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether no more may be taken in until the disk has caught up.
    pub fn is_full(&self) -> bool {
        self.bytes >= MAX_COMMITTING_BYTES || self.queue.len() >= MAX_COMMITS
    }
}

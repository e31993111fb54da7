//! What a machine has handed to its store and has not heard of.
//!
//! A machine that keeps things has an output `Persist`, which names each commit. Whoever drives it says `Persisted` of the last commit
//! that would survive a power cut, and so of all before it; or `PersistFailed`, of all that have not been answered yet. Until then
//! the machine remembers with each what to do when it is durable, and what to undo when it fails.

use std::collections::VecDeque;

/// Names something handed to the store; what the same machine hands over later has a larger number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CommitId(
    /// Counts up from 0 for each machine, anew each time the program starts.
    pub u64,
);

/// A commit under way.
#[derive(Debug, Clone)]
struct Commit<T> {
    id: CommitId,
    bytes: usize,
    what: T,
}

/// The commits under way, in the order in which they were handed to the store, each with what its machine remembers of it.
#[derive(Debug, Clone)]
pub struct Commits<T> {
    queue: VecDeque<Commit<T>>,
    bytes: usize,
    next_id: u64,
}

impl<T> Default for Commits<T> {
    fn default() -> Self {
        Self { queue: VecDeque::new(), bytes: 0, next_id: 0 }
    }
}

impl<T> Commits<T> {
    /// Notes that something is handed to the store. It counts for so many bytes of what is under way.
    pub fn push(&mut self, what: T, bytes: usize) -> CommitId {
        let id = CommitId(self.next_id);
        self.next_id += 1;
        self.bytes += bytes;
        self.queue.push_back(Commit { id, bytes, what });
        id
    }

    /// Takes the oldest commit, if it is one of those up to `through`: it is durable.
    pub fn pop_through(&mut self, through: CommitId) -> Option<T> {
        let commit = self.queue.pop_front_if(|commit| commit.id <= through)?;
        self.bytes -= commit.bytes;
        Some(commit.what)
    }

    /// Takes all of them, oldest first: the store failed.
    pub fn take_all(&mut self) -> Vec<T> {
        self.bytes = 0;
        self.queue.drain(..).map(|commit| commit.what).collect()
    }

    /// One that is under way.
    pub fn get_mut(&mut self, id: CommitId) -> Option<&mut T> {
        let at = self.queue.binary_search_by_key(&id, |commit| commit.id).ok()?;
        self.queue.get_mut(at).map(|commit| &mut commit.what)
    }

    /// The one handed over last.
    pub fn last(&self) -> Option<&T> {
        self.queue.back().map(|commit| &commit.what)
    }

    /// The same, to be changed.
    pub fn last_mut(&mut self) -> Option<&mut T> {
        self.queue.back_mut().map(|commit| &mut commit.what)
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether everything is durable that was handed over.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Bytes that they count for.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_come_back_in_order_up_to_the_one_that_is_durable() {
        let mut commits = Commits::default();
        let ids = ["a", "b", "c"].map(|what| commits.push(what, 10));
        assert_eq!((commits.len(), commits.bytes()), (3, 30));
        assert_eq!([commits.pop_through(ids[1]), commits.pop_through(ids[1])], [Some("a"), Some("b")]);
        assert_eq!((commits.pop_through(ids[1]), commits.bytes()), (None, 10));
        // Of what is durable nothing is found any more.
        assert_eq!(commits.get_mut(ids[0]), None);
        assert_eq!(commits.get_mut(ids[2]), Some(&mut "c"));
        assert_eq!(commits.last_mut(), Some(&mut "c"));
    }

    #[test]
    fn after_a_failure_nothing_is_under_way_and_no_number_is_given_twice() {
        let mut commits = Commits::default();
        let ids = [1, 2].map(|what| commits.push(what, what));
        assert_eq!(commits.take_all(), [1, 2]);
        assert!(commits.is_empty() && commits.bytes() == 0);
        assert!(commits.push(3, 3) > ids[1]);
    }
}

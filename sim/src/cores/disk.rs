//! A disk: what waits for it, and what it writes now.
//!
//! Like the product's journal it takes everything that waits as one batch, and makes it durable in one go.
//!
//! | when | the batch that is being written | what waits |
//! |---|---|---|
//! | the program ends well | is durable | is written, too |
//! | it is killed | is durable: the system has it | is lost |
//! | the power fails | is lost | is lost |

use proto::{event::SignedEvent, log::CommitId};

/// Events that become durable together.
pub type Batch = Vec<(CommitId, Vec<SignedEvent>)>;

/// A disk at work. The machine that writes to it bounds what waits.
#[derive(Debug, Default)]
pub struct Disk {
    waiting: Batch,
    writing: Batch,
}

impl Disk {
    /// Takes events; `true` when a batch begins with them that must be ended by [`Disk::end`].
    pub fn append(&mut self, commit: CommitId, events: Vec<SignedEvent>) -> bool {
        self.waiting.push((commit, events));
        self.writing.is_empty() && self.begin()
    }

    /// Begins the next batch, if anything waits.
    pub fn begin(&mut self) -> bool {
        self.writing = std::mem::take(&mut self.waiting);
        !self.writing.is_empty()
    }

    /// Ends the batch: it is durable.
    pub fn end(&mut self) -> Batch {
        std::mem::take(&mut self.writing)
    }

    /// Takes nothing of the batch, nor of what waits.
    pub fn fail(&mut self) {
        *self = Self::default();
    }

    /// What is durable in the end when the program is killed.
    pub fn kill(&mut self) -> Batch {
        std::mem::take(self).writing
    }

    /// What is durable in the end when the program ends well.
    pub fn close(&mut self) -> Batch {
        let Self { waiting, writing } = std::mem::take(self);
        writing.into_iter().chain(waiting).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk that writes commit 0, while 1 and 2 wait.
    fn busy() -> Disk {
        let mut disk = Disk::default();
        assert!(disk.append(CommitId(0), Vec::new()));
        assert!(!disk.append(CommitId(1), Vec::new()) && !disk.append(CommitId(2), Vec::new()));
        disk
    }

    fn commits(batch: Batch) -> Vec<u64> {
        batch.into_iter().map(|(commit, _)| commit.0).collect()
    }

    #[test]
    fn what_waits_becomes_durable_together() {
        let mut disk = busy();
        assert_eq!(commits(disk.end()), [0]);
        assert!(disk.begin());
        assert_eq!(commits(disk.end()), [1, 2]);
        assert!(!disk.begin() && disk.append(CommitId(3), Vec::new()));
    }

    #[test]
    fn each_end_keeps_what_it_must() {
        assert_eq!(commits(busy().close()), [0, 1, 2]);
        assert_eq!(commits(busy().kill()), [0]);
        let mut failed = busy();
        failed.fail();
        assert_eq!(commits(failed.close()), [0; 0]);
    }
}

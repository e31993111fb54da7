//! Stores that do what they are asked some time later, in order, or fail, or lose power.

use std::collections::VecDeque;

use crate::{
    commits::CommitId,
    direct::{inbox, keys, mailbox, outbox},
};

/// What survives a power cut.
pub trait Holds: Default {
    /// A part of a commit.
    type Record;

    /// Takes it in.
    fn apply(&mut self, record: Self::Record);
}

/// A store of one machine.
pub struct Disk<H: Holds> {
    /// What is durable.
    pub holds: H,
    asked: VecDeque<(CommitId, Vec<H::Record>)>,
    /// Whether it does what it is asked.
    pub works: bool,
}

impl<H: Holds> Disk<H> {
    /// An empty one.
    pub fn new() -> Self {
        Self { holds: H::default(), asked: VecDeque::new(), works: true }
    }

    /// Asks for something to be made durable.
    pub fn ask(&mut self, commit: CommitId, records: Vec<H::Record>) {
        self.asked.push_back((commit, records));
    }

    /// Commits that are not answered.
    pub fn asked(&self) -> usize {
        self.asked.len()
    }

    /// Makes the next so many commits durable, and says which was the last of them.
    pub fn write(&mut self, commits: usize) -> Option<CommitId> {
        let mut last = None;
        for (commit, records) in self.asked.drain(..commits.min(self.asked.len())) {
            records.into_iter().for_each(|record| self.holds.apply(record));
            last = Some(commit);
        }
        last
    }

    /// Forgets whatever it was asked and has not done.
    pub fn forget(&mut self) {
        self.asked.clear();
    }
}

pub type OutboxDisk = Disk<outbox::tests::disk::Disk>;
pub type InboxDisk = Disk<inbox::tests::world::Store>;
pub type KeysDisk = Disk<Keys>;
pub type MailboxDisk = Disk<mailbox::tests::store::Store>;

/// The one record of a key ring.
#[derive(Default)]
pub struct Keys(pub Option<keys::Stored>);

impl Holds for Keys {
    type Record = keys::Stored;

    fn apply(&mut self, record: Self::Record) {
        self.0 = Some(record);
    }
}

impl Holds for outbox::tests::disk::Disk {
    type Record = outbox::Change;

    fn apply(&mut self, record: Self::Record) {
        self.apply(record);
    }
}

impl Holds for inbox::tests::world::Store {
    type Record = inbox::Record;

    fn apply(&mut self, record: Self::Record) {
        if let inbox::Record::Letter(letter) = &record {
            let place = inbox::tests::witness::place(letter);
            assert!(self.letters.iter().all(|stored| inbox::tests::witness::place(stored) != place), "stored twice");
        }
        self.apply(record);
    }
}

impl Holds for mailbox::tests::store::Store {
    type Record = mailbox::Change;

    fn apply(&mut self, record: Self::Record) {
        self.change(record);
    }
}

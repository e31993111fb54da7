//! What is on its way to the disk.

use std::collections::BTreeMap;

use super::{CommitId, MAX_COMMITTING_BYTES, MAX_COPIES, Person, Source, Stream};
use crate::{
    commits,
    direct::{
        card::MAX_PEER_ID_BYTES,
        letter::{Content, Letter, MAX_FILE_NAME_BYTES, StreamId},
    },
    ids::Author,
};

/// Where a text belongs.
pub type Place = (Author, StreamId, u64);

/// What becomes durable with a commit, beside its records.
#[derive(Debug)]
pub enum Change {
    /// A text is new: the sources that wait for it.
    Text(Place, Letter, Vec<Source>),
    /// This author is to get a receipt: the mailbox that waits for it.
    Owed(Author, Source),
    /// The user said something about this author.
    Noted(Author),
    /// This author is to be forgotten.
    Forget(Author),
    /// A receipt was sent.
    Said(Author),
}

impl Change {
    /// Whom it concerns.
    pub fn author(&self) -> Author {
        match self {
            Self::Text((who, ..), ..) | Self::Owed(who, _) | Self::Noted(who) | Self::Forget(who) | Self::Said(who) => {
                *who
            }
        }
    }
}

/// A commit under way.
#[derive(Debug)]
pub struct Commit {
    /// What it is about.
    pub change: Change,
    /// Its author, as it is with this commit, if that changes.
    pub person: Option<(Author, Person)>,
    /// Its streams, likewise.
    pub streams: Vec<(Author, StreamId, Stream)>,
}

/// The commits under way.
#[derive(Debug, Default)]
pub struct Commits {
    queue: commits::Commits<Commit>,
    texts: BTreeMap<Place, CommitId>,
}

impl Commits {
    /// Notes that something is handed to the store.
    pub fn push(
        &mut self,
        change: Change,
        person: Option<(Author, Person)>,
        streams: Vec<(Author, StreamId, Stream)>,
    ) -> CommitId {
        let text = if let Change::Text(place, ..) = &change { Some(*place) } else { None };
        let commit = Commit { change, person, streams };
        let bytes = commit.weight();
        let id = self.queue.push(commit, bytes);
        self.texts.extend(text.map(|place| (place, id)));
        id
    }

    /// Takes the oldest, if it is one of those up to `through`.
    pub fn pop_through(&mut self, through: CommitId) -> Option<Commit> {
        let commit = self.queue.pop_through(through)?;
        if let Change::Text(place, ..) = &commit.change {
            self.texts.remove(place);
        }
        Some(commit)
    }

    /// Takes all of them: the store failed.
    pub fn take_all(&mut self) -> Vec<Commit> {
        self.texts.clear();
        self.queue.take_all()
    }

    /// The sources that wait for a text, if it is under way.
    pub fn waiting_for(&mut self, place: &Place) -> Option<&mut Vec<Source>> {
        let id = *self.texts.get(place)?;
        match &mut self.queue.get_mut(id)?.change {
            Change::Text(_, _, sources) => Some(sources),
            _ => None,
        }
    }

    /// Bytes under way.
    pub fn bytes(&self) -> usize {
        self.queue.bytes()
    }

    /// Whether no more may be taken in until the disk has caught up.
    pub fn is_full(&self) -> bool {
        self.bytes() >= MAX_COMMITTING_BYTES
    }
}

impl Commit {
    /// Bytes that it takes in memory, at most.
    fn weight(&self) -> usize {
        let text = match &self.change {
            Change::Text(_, letter, _) => weight(letter) + MAX_COPIES * (size_of::<Source>() + MAX_PEER_ID_BYTES),
            Change::Owed(..) | Change::Noted(_) | Change::Forget(_) | Change::Said(_) => 0,
        };
        let streams: usize =
            self.streams.iter().map(|(.., stream)| stream.delivered.stretches().len() * 16 + 128).sum();
        size_of::<Self>() + text + streams
    }
}

/// Bytes that a letter takes in memory, at most.
pub fn weight(letter: &Letter) -> usize {
    let content = match &letter.content {
        Content::Text(text) => text.text.len() + text.attachments.len() * (MAX_FILE_NAME_BYTES + 64),
        Content::Receipt(receipt) => receipt.delivered.len() * 16,
    };
    size_of::<Letter>() + content
}

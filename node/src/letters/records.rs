//! Keys and values of the tables.

use proto::{
    direct::{
        card::SignedCard,
        inbox::{Person, Stream},
        letter::{Content, Envelope, EnvelopeId, Letter, LetterId, SignedLetter, StreamId, Text},
        mailbox::{Depositor, Registration, StoredLetter},
        outbox::{self, State},
    },
    hlc::Timestamp,
    ids::Author,
};
use serde::{Deserialize, Serialize};

pub use crate::store::tables::{damaged, put, remove, value};
use crate::store::{
    StoreError,
    tables::{Entry, EntryChange, Table},
};

/// The key of the one entry of [`Table::Keys`].
pub const KEYS_KEY: [u8; 8] = [0; 8];

/// A letter's place among all on this node, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place(pub u64);

impl Place {
    /// As part of a key: the newest first.
    pub fn to_key(self) -> [u8; 8] {
        (u64::MAX - self.0).to_be_bytes()
    }

    /// From the end of a key.
    pub fn from_key(key: &[u8]) -> Option<Self> {
        let bytes: [u8; 8] = *key.last_chunk()?;
        Some(Self(u64::MAX - u64::from_be_bytes(bytes)))
    }
}

/// A letter that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kept {
    /// It came.
    Theirs(Letter),
    /// The user wrote it.
    Ours(SignedLetter),
}

impl Kept {
    /// The letter.
    pub fn letter(&self) -> &Letter {
        match self {
            Self::Theirs(letter) => letter,
            Self::Ours(signed) => &signed.letter,
        }
    }

    /// Whom it was exchanged with.
    pub fn other(&self) -> Author {
        match self {
            Self::Theirs(letter) => letter.from,
            Self::Ours(signed) => signed.letter.to,
        }
    }

    /// Its text; nothing else is kept.
    pub fn text(&self) -> Option<&Text> {
        match &self.letter().content {
            Content::Text(text) => Some(text),
            Content::Receipt(_) => None,
        }
    }

    /// Its name.
    pub fn id(&self) -> LetterId {
        self.letter().id()
    }
}

/// What became of a letter of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fate {
    /// How far it is.
    pub state: State,
    /// Who keeps a copy.
    pub kept: Vec<outbox::Kept>,
}

/// How far we have written to somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// The number of our last letter.
    pub last_seq: u64,
    /// Its time.
    pub at: Timestamp,
}

/// What the user says of somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// The name.
    pub name: String,
}

/// What a mailbox knows of a letter; see [`StoredLetter`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct KeptFor {
    arrival: u64,
    to: Author,
    bytes: u32,
    depositor: u64,
    until_ms: u64,
}

/// Reads an author at the beginning of a key.
///
/// # Errors
/// [`StoreError::Failed`]: the key is damaged.
pub fn author(table: Table, key: &[u8]) -> Result<Author, StoreError> {
    key.first_chunk().map(|bytes| Author(*bytes)).ok_or_else(|| damaged(table))
}

/// Reads the number behind an author in a key.
///
/// # Errors
/// [`StoreError::Failed`]: the key is damaged.
pub fn number(table: Table, key: &[u8]) -> Result<u64, StoreError> {
    key.last_chunk().map(|bytes| u64::from_be_bytes(*bytes)).ok_or_else(|| damaged(table))
}

/// The key of an author and a number.
pub fn author_key(author: &Author, number: u64) -> Vec<u8> {
    [&author.0[..], &number.to_be_bytes()].concat()
}

/// The key of [`Table::Conversations`].
pub fn conversation_key(other: &Author, place: Place) -> Vec<u8> {
    [&other.0[..], &place.to_key()].concat()
}

/// A new letter.
pub fn letter(place: Place, kept: &Kept) -> Vec<EntryChange> {
    vec![
        put(Table::Letters, place.to_key(), kept),
        put(Table::Conversations, conversation_key(&kept.other(), place), &true),
    ]
}

/// A letter of theirs that is thrown away.
pub fn forget_letter(other: &Author, place: Place) -> [EntryChange; 2] {
    [remove(Table::Letters, place.to_key()), remove(Table::Conversations, conversation_key(other, place))]
}

/// What is kept of a stream.
pub fn stream(who: &Author, id: StreamId, stream: &Stream) -> EntryChange {
    put(Table::Received, author_key(who, id.0), stream)
}

/// What is kept of a person.
pub fn person(who: &Author, person: &Person) -> EntryChange {
    put(Table::People, who.0, person)
}

/// A letter of which a mailbox keeps an envelope.
pub fn kept_letter(letter: &StoredLetter, envelope: &Envelope) -> Vec<EntryChange> {
    let StoredLetter { id, arrival, to, bytes, depositor, until_ms } = *letter;
    let known = KeptFor { arrival, to, bytes, depositor: depositor.0, until_ms };
    vec![put(Table::Mailbox, id.0, envelope), put(Table::Kept, id.0, &known)]
}

/// Reads what a mailbox knows of a letter.
///
/// # Errors
/// [`StoreError::Failed`]: the entry is damaged.
pub fn stored_letter((key, bytes): &Entry) -> Result<StoredLetter, StoreError> {
    let id = key.as_slice().try_into().map(EnvelopeId).map_err(|_| damaged(Table::Kept))?;
    let KeptFor { arrival, to, bytes, depositor, until_ms } = value(Table::Kept, bytes)?;
    Ok(StoredLetter { id, arrival, to, bytes, depositor: Depositor(depositor), until_ms })
}

/// A recipient's registration.
pub fn registration(registration: &Registration) -> EntryChange {
    let Registration { card, until_ms, from } = registration;
    put(Table::Registered, card.card.owner.0, &(card, until_ms, from.0))
}

/// Reads a registration.
///
/// # Errors
/// [`StoreError::Failed`]: the entry is damaged.
pub fn stored_registration((_, bytes): &Entry) -> Result<Registration, StoreError> {
    let (card, until_ms, from): (SignedCard, u64, u64) = value(Table::Registered, bytes)?;
    Ok(Registration { card, until_ms, from: Depositor(from) })
}

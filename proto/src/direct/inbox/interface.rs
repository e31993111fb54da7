//! What goes into an inbox and what comes out of it.

use std::sync::Arc;

use libp2p_identity::PeerId;
use serde::{Deserialize, Serialize};

#[cfg(doc)]
use super::MAX_PEOPLE;
use super::Ranges;
use crate::{
    direct::{
        letter::{Envelope, EnvelopeId, Letter, Receipt, StreamId},
        message::DirectAnswer,
    },
    hlc::Timestamp,
    ids::Author,
    signature::Verifier,
};

pub use crate::commits::CommitId;

/// What an inbox is made of.
#[derive(Debug, Clone)]
pub struct Config {
    /// Whose it is.
    pub owner: Author,
    /// Says whether the signatures of others are good.
    pub verifier: Arc<dyn Verifier>,
    /// Whether authors are told what was read.
    pub read_receipts: bool,
}

/// Where an envelope comes from. Each is answered once: by [`Output::Answer`] the one, by [`Output::Discard`] or [`Output::Left`] the
/// other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A peer, which waits for an answer.
    Direct {
        /// Which.
        peer: PeerId,
        /// Handed back in [`Output::Answer`].
        token: u64,
    },
    /// A mailbox, which keeps it until it is told to discard it.
    Mailbox {
        /// The bytes of its peer id.
        mailbox: Vec<u8>,
        /// The envelope's name there.
        id: EnvelopeId,
    },
}

/// How far somebody's letters were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadThrough {
    /// All that are here.
    All,
    /// Those of one stream up to a number.
    Stream(StreamId, u64),
}

/// What happens to an inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// An envelope came.
    Envelope {
        /// From where.
        source: Source,
        /// The envelope.
        envelope: Envelope,
    },
    /// All commits up to this one would survive a power cut.
    Persisted {
        /// The last of them.
        through: CommitId,
    },
    /// The store did not take the commits that it has not answered yet.
    PersistFailed,
    /// What a receipt says is durable with the outbox: its sources may forget it. Once for each [`Output::Receipt`].
    ReceiptNoted {
        /// Who wrote it.
        from: Author,
        /// What it says.
        receipt: Receipt,
    },
    /// The outbox has sent this receipt ([`Output::SendReceipt`]).
    ReceiptSent {
        /// To whom.
        to: Author,
        /// What it says.
        receipt: Receipt,
    },
    /// The user has read letters.
    Read {
        /// Whose.
        from: Author,
        /// Which.
        through: ReadThrough,
    },
    /// Whether authors are told what was read.
    ReadReceipts(bool),
    /// We wrote to this author, or it is a contact.
    Known(Author),
    /// The user wants nothing from this author. It is refused from now on, and the store told.
    Block(Author),
    /// It may write again.
    Unblock(Author),
    /// The user threw this stranger's letters away: forget it. Of those who are known or blocked nothing is forgotten.
    Dismiss(Author),
}

/// What an inbox keeps of one author.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Person {
    /// No stranger.
    pub known: bool,
    /// Nothing is taken from it.
    pub blocked: bool,
    /// Letters of it that were stored.
    pub letters: u64,
}

/// What an inbox keeps of one stream.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Stream {
    /// The numbers of its letters that were stored.
    pub delivered: Ranges,
    /// The user has read them up to this number.
    pub read_through: u64,
    /// Whether its author is to get a receipt.
    pub owed: bool,
}

/// Something to be kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// A new letter.
    Letter(Letter),
    /// In place of what was kept of this author.
    Person(Author, Person),
    /// In place of what was kept of this stream.
    Stream(Author, StreamId, Stream),
    /// Nothing more is to be kept of this author and its streams. Its letters are the user's own affair.
    Forget(Author),
}

/// What an inbox wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Make these durable, all or none, in order, then say [`Input::Persisted`].
    Persist {
        /// Names it.
        commit: CommitId,
        /// What.
        records: Vec<Record>,
    },
    /// Answer a peer.
    Answer {
        /// The token it came with.
        token: u64,
        /// What.
        answer: DirectAnswer,
    },
    /// Tell a mailbox that these have arrived, or are of no use. If it does not hear it, they come again and are known.
    Discard {
        /// The bytes of its peer id.
        mailbox: Vec<u8>,
        /// At most [`MAX_DISCARDED`](crate::direct::message::MAX_DISCARDED).
        ids: Vec<EnvelopeId>,
    },
    /// An envelope stays in its mailbox for a later round.
    Left {
        /// The bytes of its peer id.
        mailbox: Vec<u8>,
        /// Its name there.
        id: EnvelopeId,
        /// Whether there may be room before long.
        soon: bool,
    },
    /// Show the user this text, durable by now.
    Show(Letter),
    /// Somebody says what became of our letters; for the outbox. Answer with [`Input::ReceiptNoted`].
    Receipt {
        /// Who.
        from: Author,
        /// When it said so, by its clock.
        at: Timestamp,
        /// What.
        receipt: Receipt,
    },
    /// Send a receipt, in the place of any other to the same author; for the outbox. Answer with [`Input::ReceiptSent`].
    SendReceipt {
        /// To whom.
        to: Author,
        /// What.
        receipt: Receipt,
    },
    /// What the user said about this author is durable.
    Noted(Author),
    /// It is not: the store failed, or there are [`MAX_PEOPLE`]. Nothing has changed.
    NotNoted(Author),
    /// An envelope was not taken.
    Refused {
        /// Why.
        why: NotTaken,
        /// The peer that is to blame.
        peer: Option<PeerId>,
    },
}

/// Why an envelope was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NotTaken {
    /// It is for somebody else.
    NotForUs,
    /// It is sealed for a key that we do not have.
    UnknownKey,
    /// It does not open, is forged, or breaks a rule.
    Invalid,
    /// Its author is blocked.
    Blocked,
    /// A receipt from somebody to whom we did not write.
    Unasked,
    /// It is beyond what is kept: streams or gaps of its author, or letters of this stranger or of all.
    Full,
    /// It is more than strangers may send in this time.
    TooOften,
    /// Too much is on its way to the disk or the outbox, or the store failed.
    Busy,
}

/// What an inbox holds in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Load {
    /// People on record.
    pub people: usize,
    /// Letters of strangers in the store or on their way to it.
    pub strangers_letters: u64,
    /// Bytes handed to the store and not yet durable.
    pub committing_bytes: usize,
    /// Bytes of letters that wait for those before them.
    pub waiting_bytes: usize,
}

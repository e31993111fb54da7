//! What goes into an outbox and what comes out of it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    direct::{
        card::{Mailbox, SignedCard},
        letter::{Attachment, Envelope, InvalidLetter, LetterId, Receipt, SignedLetter, StreamId},
        message::{DirectAnswer, DirectQuestion},
    },
    hlc::Timestamp,
    ids::Author,
    seal::KeyId,
    signature::{Signer, Verifier},
};

pub use crate::commits::CommitId;

/// What an outbox is made of.
#[derive(Debug, Clone)]
pub struct Config {
    /// Signs our letters.
    pub signer: Signer,
    /// Says whether the cards of others are good.
    pub verifier: Arc<dyn Verifier>,
    /// The store's own random number.
    pub stream: StreamId,
    /// Seeds sealing and jitter. Never the same twice.
    pub seed: [u8; 32],
}

/// Names a question that this outbox asked, so that the answer finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId(
    /// Counts up from 0 for each outbox.
    pub u64,
);

/// What became of a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum State {
    /// Durable here.
    Queued,
    /// Durable in a mailbox.
    Sent,
    /// Durable with its recipient. Final, but that it may be read.
    Delivered,
    /// The recipient does not want it. Final.
    Refused,
    /// The recipient cannot make anything of it. Final.
    Failed,
}

impl State {
    /// Whether nothing more is to be done.
    pub fn is_final(self) -> bool {
        self > Self::Sent
    }
}

/// A copy of a letter that a mailbox keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The bytes of the mailbox's peer id.
    #[serde(with = "serde_bytes")]
    pub mailbox: Vec<u8>,
    /// The key that it is sealed for.
    pub key: KeyId,
    /// Since when, by our wall clock in milliseconds.
    pub since_ms: u64,
}

/// Something to be made durable. Each says how things are, so that doing it twice is the same as once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A new letter, [`State::Queued`]. Its number is the last of its recipient, its time the last of all.
    Written(SignedLetter),
    /// How far a letter is.
    Progress {
        /// Its recipient.
        to: Author,
        /// Its number.
        seq: u64,
        /// What became of it.
        state: State,
        /// Who keeps a copy.
        kept: Vec<Kept>,
    },
    /// All delivered letters up to this number were read.
    Read {
        /// Their recipient.
        to: Author,
        /// The last of them.
        through: u64,
    },
    /// A card, in the place of its owner's earlier one.
    Card(SignedCard),
    /// The card of this owner is not needed any more.
    ForgetCard(Author),
}

/// What happens to an outbox. Tokens are the driver's: the outbox hands them back and does not look into them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The user writes.
    Write {
        /// Handed back in [`Output::Written`] or [`Output::NotWritten`], once.
        token: u64,
        /// To whom.
        to: Author,
        /// What.
        text: String,
        /// Files that come with it.
        attachments: Vec<Attachment>,
    },
    /// We are connected with this author.
    PeerUp(Author),
    /// We are not any more.
    PeerDown(Author),
    /// This author was heard of, and is somewhere in the network.
    Appeared(Author),
    /// Somebody's card was found.
    Card(SignedCard),
    /// A letter came that says what became of ours. Answered by [`Output::ReceiptNoted`].
    Receipt {
        /// Who wrote it.
        from: Author,
        /// What it says.
        receipt: Receipt,
    },
    /// Tell somebody what became of its letters to us. In the place of what was to be told before. [`Output::ReceiptSent`] follows, unless
    /// another takes its place or this process ends first.
    SendReceipt {
        /// Whom.
        to: Author,
        /// What.
        receipt: Receipt,
    },
    /// The answer to [`Output::Ask`] or [`Output::Deposit`].
    Answer {
        /// Which question.
        request: RequestId,
        /// What.
        answer: DirectAnswer,
    },
    /// No answer will come: the connection broke, there was none, or it took too long.
    RequestFailed {
        /// Which question.
        request: RequestId,
    },
    /// All commits up to this one would survive a power cut.
    Persisted {
        /// The last of them.
        through: CommitId,
    },
    /// The store did not take the commits that it has not answered yet, none of them.
    PersistFailed,
}

/// Why something was not written. Nothing of it is kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotWritten {
    /// It may not be written.
    #[error(transparent)]
    Invalid(#[from] InvalidLetter),
    /// As many letters wait as may.
    #[error("too many messages wait for being delivered; try again when some have been")]
    TooMuchWaiting,
    /// The recipient is its author.
    #[error("one does not write to oneself")]
    ToOneself,
    /// The store failed.
    #[error("the message could not be stored")]
    NotStored,
}

/// What an outbox wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Make these durable, all or none, then say [`Input::Persisted`].
    Persist {
        /// Names it.
        commit: CommitId,
        /// What.
        changes: Vec<Change>,
    },
    /// The user's letter is durable: [`State::Queued`].
    Written {
        /// The token it came with.
        token: u64,
        /// The letter.
        letter: SignedLetter,
    },
    /// The user's letter was not taken.
    NotWritten {
        /// The token it came with.
        token: u64,
        /// Why.
        error: NotWritten,
    },
    /// A letter got further. Durable by now.
    State {
        /// Its recipient.
        to: Author,
        /// Its number.
        seq: u64,
        /// Its name.
        id: LetterId,
        /// What became of it.
        state: State,
    },
    /// All delivered letters up to this number were read. Durable by now.
    Read {
        /// Their recipient.
        to: Author,
        /// The last of them.
        through: u64,
    },
    /// What a receipt says of our letters is durable by now: it need not be kept anywhere else.
    ReceiptNoted {
        /// Who wrote it.
        from: Author,
        /// What it says.
        receipt: Receipt,
    },
    /// A receipt of ours is with whom it is for, or durable in a mailbox; or it is not wanted.
    ReceiptSent {
        /// Whom it is for.
        to: Author,
        /// What it says.
        receipt: Receipt,
    },
    /// Ask an author, over the connection with it; answer with [`Input::Answer`] or [`Input::RequestFailed`], once.
    Ask {
        /// Whom.
        to: Author,
        /// Names the question.
        request: RequestId,
        /// What.
        question: DirectQuestion,
    },
    /// Leave these with a mailbox ([`DirectQuestion::Deposit`]), dialling it if need be; answer as [`Output::Ask`].
    Deposit {
        /// Where.
        mailbox: Mailbox,
        /// Names the question.
        request: RequestId,
        /// What.
        envelopes: Vec<Envelope>,
    },
    /// Connect with this author, if it can be done. What comes of it is said by [`Input::PeerUp`].
    Reach(Author),
    /// Look for the card of this author. What is found is said by [`Input::Card`].
    FindCard(Author),
}

/// A letter as the store has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedLetter {
    /// The letter.
    pub letter: SignedLetter,
    /// What became of it.
    pub state: State,
    /// Who keeps a copy.
    pub kept: Vec<Kept>,
}

/// What the store knows of everything that was ever written to one recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SavedStream {
    /// The recipient.
    pub to: Author,
    /// The number of the last letter.
    pub last_seq: u64,
    /// All delivered letters up to this number were read.
    pub read_through: u64,
}

/// What an outbox is restored from: what all durable [`Change`]s together say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Saved {
    /// The letters of our stream whose state is not final.
    pub letters: Vec<SavedLetter>,
    /// The cards.
    pub cards: Vec<SignedCard>,
    /// All recipients ever written to.
    pub streams: Vec<SavedStream>,
    /// The time of the last letter.
    pub last: Timestamp,
}

/// What an outbox has under way and keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Load {
    /// Letters in memory.
    pub letters: usize,
    /// Bytes that they count for.
    pub bytes: usize,
    /// Recipients for whom something waits.
    pub correspondents: usize,
    /// Receipts that wait.
    pub receipts: usize,
    /// Cards.
    pub cards: usize,
    /// Questions to recipients that are not answered yet.
    pub asking: usize,
    /// Deposits that are not answered yet.
    pub depositing: usize,
}

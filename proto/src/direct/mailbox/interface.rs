//! What goes into a mailbox and what comes out of it.

use std::sync::Arc;

use super::{
    MAX_BYTES, MAX_DEPOSITOR_BYTES, MAX_DEPOSITOR_LETTERS, MAX_LETTERS, MAX_NEIGHBOURHOOD_RECIPIENTS,
    MAX_RECIPIENT_BYTES, MAX_RECIPIENT_LETTERS, MAX_RECIPIENTS,
};
use crate::{
    direct::{
        card::SignedCard,
        letter::{Envelope, EnvelopeId},
        message::DirectAnswer,
    },
    ids::Author,
    signature::Verifier,
};

pub use crate::commits::CommitId;

/// How much a mailbox keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Recipients registered.
    pub recipients: usize,
    /// Recipients registered from one neighbourhood.
    pub neighbourhood_recipients: usize,
    /// Letters kept for one recipient.
    pub recipient_letters: u64,
    /// Bytes of letters kept for one recipient.
    pub recipient_bytes: u64,
    /// Letters kept from one depositor.
    pub depositor_letters: u64,
    /// Bytes of letters kept from one depositor.
    pub depositor_bytes: u64,
    /// Letters kept in all.
    pub letters: u64,
    /// Bytes of letters kept in all.
    pub bytes: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            recipients: MAX_RECIPIENTS,
            neighbourhood_recipients: MAX_NEIGHBOURHOOD_RECIPIENTS,
            recipient_letters: MAX_RECIPIENT_LETTERS,
            recipient_bytes: MAX_RECIPIENT_BYTES,
            depositor_letters: MAX_DEPOSITOR_LETTERS,
            depositor_bytes: MAX_DEPOSITOR_BYTES,
            letters: MAX_LETTERS,
            bytes: MAX_BYTES,
        }
    }
}

/// What a mailbox is made of.
#[derive(Debug, Clone)]
pub struct Config {
    /// How much it keeps.
    pub settings: Settings,
    /// Says whether cards are signed.
    pub verifier: Arc<dyn Verifier>,
}

/// Where letters and registrations come from, as far as quotas go: a neighbourhood of the internet. The driver's number; depositors are
/// nameless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Depositor(
    /// The number. It must mean the same after a restart.
    pub u64,
);

/// What the store keeps beside an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredLetter {
    /// Its name.
    pub id: EnvelopeId,
    /// Its place in the order in which all letters came.
    pub arrival: u64,
    /// For whom it is.
    pub to: Author,
    /// Bytes of the envelope, encoded.
    pub bytes: u32,
    /// Where it came from.
    pub depositor: Depositor,
    /// When it expires, by the mailbox's own clock.
    pub until_ms: u64,
}

/// A recipient's registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Its card.
    pub card: SignedCard,
    /// When it lapses, by the mailbox's own clock.
    pub until_ms: u64,
    /// Where it counts.
    pub from: Depositor,
}

/// What the store holds. The order does not matter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stored {
    /// The letters, without their envelopes.
    pub letters: Vec<StoredLetter>,
    /// The registrations.
    pub registrations: Vec<Registration>,
}

/// What happens to a mailbox. Tokens are the driver's: each comes back in one [`Output::Answer`] or [`Output::Serve`]. The connection
/// must prove that the asker has the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Keep letters for the asker.
    Register {
        /// Names the question.
        token: u64,
        /// Who.
        asker: Author,
        /// Where it is.
        from: Depositor,
        /// The asker's card.
        card: SignedCard,
    },
    /// Keep these letters.
    Deposit {
        /// Names the question.
        token: u64,
        /// Where they come from.
        depositor: Depositor,
        /// The letters.
        envelopes: Vec<Envelope>,
    },
    /// What is kept for the asker?
    Collect {
        /// Names the question.
        token: u64,
        /// Who.
        asker: Author,
        /// Only what came after this one; all if it is not there.
        after: Option<EnvelopeId>,
    },
    /// The asker has these.
    Discard {
        /// Names the question.
        token: u64,
        /// Who.
        asker: Author,
        /// Which.
        ids: Vec<EnvelopeId>,
    },
    /// The card of a recipient?
    Card {
        /// Names the question.
        token: u64,
        /// Whose.
        author: Author,
    },
    /// All commits up to this one would survive a power cut.
    Persisted {
        /// The last of them.
        through: CommitId,
    },
    /// The store did not take these commits, nor any after them.
    PersistFailed,
}

/// What the store is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Keep a letter.
    Keep {
        /// What to give back after a restart.
        letter: StoredLetter,
        /// What to give out for its id.
        envelope: Envelope,
    },
    /// Drop letters.
    Drop {
        /// Which.
        ids: Vec<EnvelopeId>,
    },
    /// Keep a registration, in the place of the owner's former one.
    Registered(Registration),
    /// Drop a registration.
    Unregistered {
        /// Whose.
        owner: Author,
    },
}

/// What a mailbox wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Make these changes durable, in order and all or none, then say [`Input::Persisted`].
    Persist {
        /// Names it.
        commit: CommitId,
        /// The changes.
        changes: Vec<Change>,
    },
    /// Answer a question.
    Answer {
        /// The question's token.
        token: u64,
        /// What.
        answer: DirectAnswer,
    },
    /// Answer a question with [`DirectAnswer::Letters`] from the store: those of these that are still there.
    Serve {
        /// The question's token.
        token: u64,
        /// Which letters, in order. All of them are durable.
        ids: Vec<EnvelopeId>,
        /// Whether there are more after the last of them.
        more: bool,
    },
    /// Lay a provider record for this recipient, and renew it.
    Provide(Author),
    /// No longer.
    StopProviding(Author),
}

/// What a mailbox holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Load {
    /// Recipients registered.
    pub recipients: usize,
    /// Letters, those under way to the store included.
    pub letters: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes of letters under way to the store.
    pub committing_bytes: u64,
}

/// How many questions were not done, since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// For a recipient that is not registered.
    pub not_wanted: u64,
    /// Over a quota.
    pub full: u64,
    /// Against a rule.
    pub invalid: u64,
    /// More often than the rate allows.
    pub too_often: u64,
    /// The store was behind, or failed.
    pub unavailable: u64,
}

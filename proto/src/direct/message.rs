//! What one node asks another about letters over `/starling/direct/1`, and the answers: one stream each, one frame each way.
//!
//! | question | to | answer |
//! |---|---|---|
//! | `Deliver`: a letter for you | its recipient | `Delivered` once it is durable there, or why not |
//! | `Card`: the card of this author? | its owner, or a mailbox that it registered with | the card, if it is known |
//! | `Deposit`: letters for somebody who is away | a mailbox | how many of them, from the first on, are durable there |
//! | `Register`: keep letters for me, and hand out my card | a mailbox | until when |
//! | `Collect`: what do you keep for me, after this one? | a mailbox | the oldest letters after it |
//! | `Discard`: I have these | a mailbox | `Noted` once they are gone for good |
//!
//! `Register`, `Collect` and `Discard` concern the one who asks: the connection proves whose key that is.

use serde::{Deserialize, Serialize};

use super::{
    card::{MAX_CARD_BYTES, SignedCard},
    letter::{Envelope, EnvelopeId, MAX_ENVELOPE_BYTES},
};
use crate::ids::Author;

/// Bytes: the largest encoded question.
pub const MAX_QUESTION_BYTES: usize = 1024 * 1024;

/// Bytes: the largest encoded answer.
pub const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// Letters in one `Deposit` or in the answer to one `Collect`.
pub const MAX_BATCH_LETTERS: usize = 256;

/// Bytes of letters in one `Deposit` or in the answer to one `Collect`, encoded.
pub const MAX_BATCH_BYTES: usize = 768 * 1024;

/// Letters named in one `Discard`.
pub const MAX_DISCARDED: usize = 1_024;

const _: () = assert!(MAX_BATCH_BYTES + MAX_ENVELOPE_BYTES + 64 <= MAX_QUESTION_BYTES);
const _: () = assert!(MAX_DISCARDED * 32 + 64 <= MAX_QUESTION_BYTES);
const _: () = assert!(MAX_CARD_BYTES + 64 <= MAX_ANSWER_BYTES);

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum DirectQuestion {
    /// A letter for the one asked.
    Deliver(Envelope),
    /// Whose card.
    Card(Author),
    /// Letters to keep.
    Deposit(Vec<Envelope>),
    /// Keep letters for the owner of this card, who asks.
    Register(SignedCard),
    /// The letters kept for the one who asks.
    Collect {
        /// Those after this one; from the oldest on if it is not given, or not there any more.
        after: Option<EnvelopeId>,
    },
    /// These have arrived.
    Discard(Vec<EnvelopeId>),
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum DirectAnswer {
    /// The letter is durable with its recipient.
    Delivered,
    /// The card, if it is known.
    Card(Option<SignedCard>),
    /// So many letters, from the first on, are durable in the mailbox.
    Deposited(u32),
    /// The mailbox keeps letters for so many milliseconds more.
    Registered {
        /// Milliseconds.
        for_ms: u64,
    },
    /// Letters, oldest first.
    Letters {
        /// The letters.
        envelopes: Vec<Envelope>,
        /// Whether there are more after the last of them.
        more: bool,
    },
    /// Done.
    Noted,
    /// Not taken.
    Refused(Refusal),
    /// Not now; ask again later.
    Unavailable,
}

/// Why something is not taken, as far as the one who asked is to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// Sealed for a key that the recipient does not have (any more): here is its card.
    UnknownKey(SignedCard),
    /// Not wanted: the recipient blocks the author, or the mailbox does not keep letters for this recipient.
    NotWanted,
    /// No room: the quota of this recipient, of this depositor or of the mailbox is full. Another mailbox may have room.
    Full,
    /// It does not open, is forged, or breaks a rule.
    Invalid,
}

//! What goes into a collector and what comes out of it.

use libp2p_identity::PeerId;

use crate::{
    direct::{
        card::{Mailbox, SignedCard},
        letter::{Envelope, EnvelopeId},
        message::{DirectAnswer, DirectQuestion},
    },
    ids::Author,
};

/// What a collector is made of.
#[derive(Debug, Clone)]
pub struct Config {
    /// Whose letters are collected.
    pub us: Author,
    /// The mailboxes that our card names.
    pub named: Vec<Mailbox>,
    /// Seeds jitter and the choice of mailboxes.
    pub seed: [u8; 32],
}

/// Names a question, so that the answer finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId(
    /// Counts up from 0 for each collector.
    pub u64,
);

/// What happens to a collector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// These mailboxes were found.
    Candidates(Vec<Mailbox>),
    /// A mailbox that was to be reached is connected.
    PeerUp(PeerId),
    /// It no longer is.
    PeerDown(PeerId),
    /// Our card, whenever it changes.
    Card(SignedCard),
    /// A mailbox answers.
    Answered {
        /// Which question.
        request: RequestId,
        /// What.
        answer: DirectAnswer,
    },
    /// No answer will come.
    Failed {
        /// Which question.
        request: RequestId,
    },
    /// These letters from a mailbox are durable in the inbox, or not worth keeping.
    Discard {
        /// From which.
        mailbox: PeerId,
        /// Which.
        ids: Vec<EnvelopeId>,
    },
    /// The inbox has no room for this letter: it stays in its mailbox for a later round.
    Left {
        /// In which.
        mailbox: PeerId,
        /// Which.
        id: EnvelopeId,
        /// Whether there may be room before long.
        soon: bool,
    },
}

/// What a collector wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Look for mailboxes, and tell of them with [`Input::Candidates`].
    Seek,
    /// Connect to a mailbox, and say [`Input::PeerUp`]; at once if it is connected.
    Reach(Mailbox),
    /// Ask a mailbox; answer with [`Input::Answered`] or [`Input::Failed`].
    Ask {
        /// Which.
        mailbox: PeerId,
        /// Names the question.
        request: RequestId,
        /// What.
        question: DirectQuestion,
    },
    /// The mailboxes that our next card is to name.
    Chosen(Vec<Mailbox>),
    /// A letter for the inbox; answer with [`Input::Discard`] once it is durable, or with [`Input::Left`].
    Came {
        /// Where it was kept.
        mailbox: PeerId,
        /// The letter.
        envelope: Envelope,
    },
}

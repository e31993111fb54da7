//! What goes into the uploads and what comes out of them.

use libp2p_identity::PeerId;

use crate::transfer::{ByteRate, TransferId};

/// Names a peer's question, so that it finds its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(
    /// Given by whoever drives the machine; none twice while it is open.
    pub u64,
);

/// What happens to uploads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A peer wants something that we have.
    Interested {
        /// Who.
        peer: PeerId,
        /// Of which transfer.
        transfer: TransferId,
    },
    /// It no longer does.
    NotInterested {
        /// Who.
        peer: PeerId,
        /// Of which transfer.
        transfer: TransferId,
    },
    /// We want something that a peer has, or no longer do.
    Wanting {
        /// Who.
        peer: PeerId,
        /// Whether we do, in any transfer.
        wanting: bool,
    },
    /// A peer asks for a block, and is thereby interested.
    Asked {
        /// Who.
        peer: PeerId,
        /// Of which transfer.
        transfer: TransferId,
        /// Which.
        block: u32,
        /// How long it is.
        len: u32,
        /// Names the question.
        token: Token,
    },
    /// The peer does not want the answer any more.
    Cancelled {
        /// To which question.
        token: Token,
    },
    /// What was to be served has arrived, or as much of it as will.
    Served {
        /// Which.
        token: Token,
        /// How much.
        bytes: u32,
        /// How many milliseconds it took until the peer said so.
        took_ms: u64,
    },
    /// A peer gave us so much of any transfer, and it was right.
    Got {
        /// Who.
        peer: PeerId,
        /// How much.
        bytes: u32,
    },
    /// A peer is gone.
    PeerDown {
        /// Who.
        peer: PeerId,
    },
    /// A transfer is not served any more.
    Gone {
        /// Which.
        transfer: TransferId,
    },
    /// How fast blocks may be served.
    Limit {
        /// Of which transfer; of all, if of none.
        transfer: Option<TransferId>,
        /// How fast.
        rate: ByteRate,
    },
}

/// What uploads want done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Tell a peer that it is not served for now.
    Choke {
        /// Whom.
        peer: PeerId,
    },
    /// Tell it that it is.
    Unchoke {
        /// Whom.
        peer: PeerId,
    },
    /// Read a block and send it, and say [`Input::Served`].
    Serve {
        /// Which was asked for.
        token: Token,
    },
    /// Answer that the block does not come.
    Refuse {
        /// To which question.
        token: Token,
        /// Why.
        why: Refusal,
    },
}

/// Why a block does not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The peer is not served for now, and is told when it is.
    Choked,
    /// Too much is asked for.
    Busy,
    /// The transfer is not served any more.
    Gone,
}

/// What is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Peers that are known.
    pub peers: usize,
    /// Of these, those that are served.
    pub served: usize,
    /// Questions in line.
    pub queued: usize,
    /// Questions being answered.
    pub serving: usize,
}

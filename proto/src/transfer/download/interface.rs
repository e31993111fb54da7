//! What goes into the downloads and what comes out of them.

use libp2p_identity::PeerId;

use crate::transfer::{Blocks, ByteRate, Lengths, TransferId};

/// Names one question for a block to one peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(
    /// Counts up from 0 for each machine.
    pub u64,
);

/// What happens to downloads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A transfer begins, or continues after a restart. One that is already here is left as it is.
    Add {
        /// Which.
        transfer: TransferId,
        /// How long its blocks are.
        lengths: Lengths,
        /// Which are durable here.
        have: Blocks,
        /// Which the user wants.
        wanted: Blocks,
    },
    /// A transfer is no more.
    Remove {
        /// Which.
        transfer: TransferId,
    },
    /// The user wants a transfer to pause.
    Pause {
        /// Which.
        transfer: TransferId,
    },
    /// The user, or whoever made room on the disk, wants it to go on.
    Resume {
        /// Which.
        transfer: TransferId,
    },
    /// A peer is connected, or one that is takes part in one more transfer. What it has is told next.
    PeerUp {
        /// In which.
        transfer: TransferId,
        /// Who.
        peer: PeerId,
    },
    /// A peer is gone, from all transfers.
    PeerDown {
        /// Who.
        peer: PeerId,
    },
    /// All that a peer has.
    Has {
        /// Of which transfer.
        transfer: TransferId,
        /// Who.
        peer: PeerId,
        /// Which.
        blocks: Blocks,
    },
    /// A peer has one block more.
    HasOne {
        /// Of which transfer.
        transfer: TransferId,
        /// Who.
        peer: PeerId,
        /// Which.
        block: u32,
    },
    /// A peer serves us no more for now. What was asked of it is still answered, if only with a refusal.
    Choked {
        /// Who.
        peer: PeerId,
    },
    /// It does again.
    Unchoked {
        /// Who.
        peer: PeerId,
    },
    /// A whole block is here, not yet verified. Answer with [`Input::Verified`] or [`Input::Wrong`].
    Received {
        /// As an answer to what.
        request: RequestId,
        /// How long it is. Of a wrong length is as bad as of a wrong byte.
        bytes: u32,
    },
    /// What was received is right, and being stored. [`Input::Stored`] or [`Input::NotStored`] follows.
    Verified {
        /// As an answer to what.
        request: RequestId,
    },
    /// What was received is wrong, by at least a byte.
    Wrong {
        /// As an answer to what.
        request: RequestId,
    },
    /// No block will come, or the one that is here came to nothing before it was verified.
    Failed {
        /// As an answer to what.
        request: RequestId,
        /// Why.
        why: Failure,
    },
    /// A block is durable.
    Stored {
        /// Of which transfer.
        transfer: TransferId,
        /// Which.
        block: u32,
    },
    /// The disk did not take a block.
    NotStored {
        /// Of which transfer.
        transfer: TransferId,
        /// Which.
        block: u32,
    },
    /// How fast blocks may be asked for.
    Limit {
        /// Of which transfer; of all, if of none.
        transfer: Option<TransferId>,
        /// How fast.
        rate: ByteRate,
    },
}

/// Why no block comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The peer does not serve us.
    Refused,
    /// It takes no part in the share, or does not any more.
    Gone,
    /// It has too much to do.
    Busy,
    /// The answer did not come through.
    Lost,
    /// It does not have the block.
    Lacks,
}

/// What downloads want done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Ask a peer for a block; answer with [`Input::Received`] or [`Input::Failed`].
    Ask {
        /// Names the question.
        request: RequestId,
        /// Of which transfer.
        transfer: TransferId,
        /// Whom.
        peer: PeerId,
        /// Which.
        block: u32,
    },
    /// Forget a question. An answer that comes nevertheless is not looked at.
    Cancel {
        /// Which.
        request: RequestId,
    },
    /// A peer is asked nothing more in this transfer.
    Ban {
        /// In which.
        transfer: TransferId,
        /// Who.
        peer: PeerId,
        /// Why.
        why: Misdeed,
    },
    /// Tell a peer whether we want anything that it has.
    Want {
        /// Of which transfer.
        transfer: TransferId,
        /// Whom.
        peer: PeerId,
        /// Whether.
        wanting: bool,
    },
    /// Look for more peers that take part in this transfer.
    NeedPeers {
        /// Which.
        transfer: TransferId,
    },
    /// All that is wanted of a transfer is durable.
    Finished {
        /// Which.
        transfer: TransferId,
    },
    /// A transfer stands still until [`Input::Resume`].
    Paused {
        /// Which.
        transfer: TransferId,
        /// Why.
        why: Pause,
    },
    /// There are too many transfers for another, or it has too many or too long blocks.
    NotAdded {
        /// Which.
        transfer: TransferId,
    },
}

/// For what a peer is banned from a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misdeed {
    /// It sent a wrong byte.
    WrongByte,
    /// It said too often that it has what it lacks; or said of a share what it is not.
    Lies,
}

/// Why a transfer stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// The user wanted it.
    User,
    /// The disk takes nothing.
    Disk,
}

/// How far a transfer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Blocks wanted.
    pub wanted: u32,
    /// Of these, durable ones.
    pub stored: u32,
    /// Of these, asked of somebody.
    pub asked: u32,
    /// Of these, here and not durable yet.
    pub in_hand: u32,
    /// Peers that take part.
    pub peers: usize,
}

/// What is known of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerLoad {
    /// Bytes asked of it.
    pub in_flight: u64,
    /// Bytes that may be.
    pub window: u64,
    /// Bytes that came from it in the last 20 s.
    pub recent: u64,
    /// Whether it serves us nothing now.
    pub choking: bool,
}

/// What all downloads have under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Questions that were not answered.
    pub requests: usize,
    /// Bytes asked for, or here and not durable yet.
    pub bytes: u64,
}

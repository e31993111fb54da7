//! Lanes: the streams on which blocks travel, `/starling/block/1` ([`proto::transfer::message`]).
//!
//! A block must not cross the swarm's task: each lane has a task of its own, which reads blocks from the stream and has the vault check
//! and keep them, or has the vault read them and writes them to the stream. The swarm's task is told what came of it.
//!
//! One stream serves many blocks, one after another, because a stream for each block is half as fast (docs/decisions/0010). Its
//! connection is chosen when it is opened: libp2p would take any.
//!
//! | file | owns |
//! |---|---|
//! | `behaviour` | opening streams on a chosen connection, taking those of peers |
//! | `frames` | what is written on a lane, and read |
//! | `getting` | the task of a lane on which we get blocks |
//! | `giving` | the task of a lane on which we give blocks |

pub mod behaviour;
mod frames;
mod getting;
mod giving;

use libp2p::{PeerId, StreamProtocol};
use proto::{
    blob::BlobId,
    transfer::message::{Piece, Refusal},
};

pub use getting::{Getting, Got, MAX_ORDERS};
pub use giving::{Giving, Told};

/// The protocol of lanes.
pub const LANE_PROTOCOL: StreamProtocol = StreamProtocol::new("/starling/block/1");

/// Names a lane on this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneId(pub u64);

/// What a lane tells the swarm's task.
#[derive(Debug)]
pub enum LaneEvent {
    /// One on which we get.
    Got(LaneId, Got),
    /// One on which we give.
    Told(LaneId, Told),
    /// It ended: closed by the peer, broken, or idle.
    Ended(LaneId),
}

/// A piece that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Names the question on its lane.
    pub number: u64,
    /// Of which share.
    pub share: BlobId,
    /// Which.
    pub piece: Piece,
}

/// An answer to a question on a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Read it and send it.
    Serve(Asked),
    /// Say that it does not come.
    Refuse(u64, Refusal),
}

/// Who is at the other end of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// The lane.
    pub lane: LaneId,
    /// The other one.
    pub peer: PeerId,
}

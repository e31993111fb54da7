//! Files from many peers: what they consist of, what to ask of whom, and whom to serve.
//!
//! A *share*, a file or a folder, is cut into *blocks*, numbered from 0, of at most [`MAX_BLOCK_BYTES`] each. A block is what is asked
//! for, transferred, verified and recorded. Each share that a node gets or gives is a *transfer*, and has a number of its own there.
//!
//! | module | machine | decides |
//! |---|---|---|
//! | [`survey`] | [`survey::Survey`] | whom to ask what a share consists of, before any block can be checked |
//! | [`download`] | [`download::Downloads`] | which block to ask of which peer, when to ask another, whom to believe no more |
//! | [`upload`] | [`upload::Uploads`] | whose requests are served, in which order, how fast |
//!
//! They know nothing of each other. Whoever drives them adds a download once the survey of its share is done, and tells the uploads what the
//! downloads got from whom, so that who gives gets. Downloads and uploads see no byte of a file: reading, hashing and writing are the
//! driver's. A survey sees hashes, and the bytes of manifests. What drivers say to each other is in [`message`].

pub mod download;
mod lengths;
mod limits;
pub mod message;
pub mod meter;
pub mod survey;
#[cfg(test)]
mod tests;
mod turns;
pub mod upload;
pub mod window;

pub use lengths::Lengths;
pub use limits::ByteRate;

pub use crate::blob::{Blocks, layout::MAX_BLOCKS};

/// Bytes of the longest block: a subtree of 16 leaves of 16 KiB of a BitTorrent v2 hash tree.
pub const MAX_BLOCK_BYTES: u32 = 256 * 1024;

/// Names a transfer on this node. Nobody else sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransferId(
    /// Given by whoever drives the machines.
    pub u64,
);

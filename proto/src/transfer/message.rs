//! What nodes say to each other about shares.
//!
//! Two protocols carry it. Questions that are few and small go over `/starling/share/1`, one stream each:
//!
//! | question | answer |
//! |---|---|
//! | `Meet`: what is this share, what do you have of it, and who else takes part? | `Met`, or `Unknown` |
//! | `Layer`: these hashes of its manifest, or of one of its files? | `Layer`, or `Lacks` |
//! | `Tell`: this has changed with me | `Noted` |
//!
//! Whoever met somebody about a share is told what changes with it. A node tells each peer one thing at a time, so that what it says
//! arrives in order.
//!
//! Blocks go over *lanes*, `/starling/block/1`: a stream that who wants blocks opens and keeps. It sends [`Order`]s, and gets a
//! [`Delivery`] for each that asks and that it does not take back, in any order; the bytes of a block follow its delivery. Each is a frame of
//! [`crate::wire`] after its length in two bytes, the higher first.

use serde::{Deserialize, Serialize};

use crate::{
    blob::{
        BlobId, Blocks,
        layer::{LayerPart, LayerRange, MAX_PART_BYTES},
        layout::MAX_BLOCKS,
        manifest::Content,
    },
    ids::tagged_hash,
};

/// Bytes: the largest encoded question.
pub const MAX_QUESTION_BYTES: usize = 64 * 1024;

/// Bytes: the largest encoded answer: one about a share with [`MAX_BLOCKS`].
pub const MAX_ANSWER_BYTES: usize = 2 * 1024 * 1024;

/// Bytes: the largest frame on a lane.
pub const MAX_LANE_FRAME_BYTES: usize = 128;

/// Blocks named in one `Tell`.
pub const MAX_TOLD_BLOCKS: usize = 8_192;

/// Shares named in one `Tell`.
pub const MAX_TOLD_SHARES: usize = 256;

/// Others named in one `Met`.
pub const MAX_OTHERS: usize = 16;

/// Addresses of each of them.
pub const MAX_OTHER_ADDRESSES: usize = 4;

/// Bytes of one such address, as text.
pub const MAX_ADDRESS_BYTES: usize = 256;

/// Bytes of a peer id: of those that are in use, the longest has 42.
pub const MAX_PEER_ID_BYTES: usize = 64;

/// Bytes of the name of a share.
pub const MAX_NAME_BYTES: usize = 255;

const _: () = assert!(MAX_TOLD_BLOCKS * 5 + MAX_TOLD_SHARES * 48 + 64 <= MAX_QUESTION_BYTES);
const _: () = assert!(
    MAX_BLOCKS as usize / 8
        + MAX_OTHERS * (MAX_OTHER_ADDRESSES * (MAX_ADDRESS_BYTES + 8) + MAX_PEER_ID_BYTES + 32)
        + MAX_NAME_BYTES
        + 256
        <= MAX_ANSWER_BYTES
);
const _: () = assert!(MAX_PART_BYTES + 64 <= MAX_ANSWER_BYTES);

/// What those who take part in a share provide in Kademlia: not the root itself, which is enough to get the share.
pub fn provider_key(share: &BlobId) -> [u8; 32] {
    tagged_hash("starling/share-at/1", &[&share.0])
}

/// What is asked over `/starling/share/1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ShareQuestion {
    /// Takes part in a share, or wants to.
    Meet {
        /// Which.
        share: BlobId,
    },
    /// Hashes.
    Layer {
        /// Of which share.
        share: BlobId,
        /// Of what of it.
        of: Tree,
        /// Which.
        range: LayerRange,
    },
    /// What has changed at the one who asks.
    Tell {
        /// Whether it serves the one asked.
        serving: bool,
        /// About shares.
        news: Vec<News>,
    },
}

/// A hash tree of a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Tree {
    /// That of a folder's manifest.
    Manifest,
    /// That of a file, by its number in the manifest; 0 for a share of one file.
    File(u32),
}

/// What has changed about one share at the one who tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct News {
    /// Which share.
    pub share: BlobId,
    /// Whether it still takes part.
    pub here: bool,
    /// Whether it wants anything that the one who is told has.
    pub wanting: bool,
    /// Blocks that it has since it last said so.
    pub has: Vec<u32>,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ShareAnswer {
    /// About a share in which the one asked takes part.
    Met(Met),
    /// It takes no part in that share.
    Unknown,
    /// Hashes.
    Layer(LayerPart),
    /// It does not have them, or there are none such.
    Lacks,
    /// Taken note of.
    Noted,
    /// Not now; ask again later.
    Unavailable,
}

/// What one who takes part in a share says of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Met {
    /// What the share is, if it knows. To be believed once it is proven.
    pub content: Option<Content>,
    /// What it calls it. Proven by nothing.
    pub name: String,
    /// Which blocks it has, if it knows how the share is cut.
    pub have: Option<Blocks>,
    /// Others who take part.
    pub others: Vec<Other>,
}

/// One who takes part in a share, by hearsay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Other {
    /// The bytes of its peer id.
    #[serde(with = "serde_bytes")]
    pub peer: Vec<u8>,
    /// Multiaddrs as text, best first.
    pub addresses: Vec<String>,
}

impl ShareQuestion {
    /// Whether it keeps to the bounds.
    pub fn is_bounded(&self) -> bool {
        match self {
            Self::Meet { .. } | Self::Layer { .. } => true,
            Self::Tell { news, .. } => {
                news.len() <= MAX_TOLD_SHARES
                    && news.iter().map(|news| news.has.len()).sum::<usize>() <= MAX_TOLD_BLOCKS
            }
        }
    }
}

impl Met {
    /// Whether it keeps to the bounds.
    pub fn is_bounded(&self) -> bool {
        let fits = |other: &Other| {
            other.peer.len() <= MAX_PEER_ID_BYTES
                && other.addresses.len() <= MAX_OTHER_ADDRESSES
                && other.addresses.iter().all(|address| address.len() <= MAX_ADDRESS_BYTES)
        };
        self.name.len() <= MAX_NAME_BYTES && self.others.len() <= MAX_OTHERS && self.others.iter().all(fits)
    }
}

/// What one who wants blocks sends on a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// Wants bytes.
    Ask {
        /// Names the question on this lane; none twice.
        number: u64,
        /// Of which share.
        share: BlobId,
        /// Which.
        piece: Piece,
    },
    /// Does not want them any more. They may come all the same.
    TakeBack {
        /// The question.
        number: u64,
    },
    /// They are here, whole: so who gives knows how much is on its way. Said of all bytes that come, also of those that were taken back.
    Received {
        /// The question.
        number: u64,
    },
}

/// A part of a share that travels on a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Piece {
    /// A chunk of the manifest.
    Manifest(u32),
    /// A block.
    Block(u32),
}

/// What one who has blocks sends on a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The question.
    pub number: u64,
    /// What comes of it.
    pub reply: Reply,
}

/// What comes of a question on a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// So many bytes follow, at most [`super::MAX_BLOCK_BYTES`].
    Bytes(u32),
    /// Nothing follows.
    Refused(Refusal),
}

/// Why a piece does not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// Not served for now; it is told when that changes.
    Choked,
    /// Too much was asked for.
    Busy,
    /// Takes no part in that share.
    Gone,
    /// Does not have that piece.
    Lacks,
}

//! Files: content that never changes, named by its hash tree, fetched in parts from whoever has them.
//!
//! A **blob** is a run of bytes. Its name, [`BlobId`], is the root of its Merkle tree, built as BitTorrent v2 (BEP 52) builds
//! it, so that other tools find the same root for the same bytes:
//!
//! ```text
//!   root             the BlobId
//!    …
//!   layer            the hashes of its chunks (256 KiB each): what a getter asks for first, with a proof against the root
//!    …
//!   leaves           SHA-256 of 16 KiB each
//! ```
//!
//! Whoever knows the root can check the layer, and whoever has the layer can check each chunk alone, whoever it came from.
//! So a chunk may come from any peer, and a peer that sends a wrong byte is known at once.
//!
//! A **share** is what people hand each other: a file, which is one blob, or a folder, which is a **manifest** listing its
//! files and their roots. The manifest is a blob like any other, and its root names the folder. What is asked for,
//! transferred and recorded is a **block**: a chunk, or several small ones together.
//!
//! | module | what |
//! |---|---|
//! | [`merkle`] | the hash tree: leaves, chunks, roots |
//! | [`layer`] | the hashes of a blob's chunks, and proofs that they are its |
//! | `partial` | a layer while its ranges come in |
//! | [`path`] | paths inside a folder, and which are refused |
//! | [`manifest`] | what a folder consists of, and what a share is |
//! | [`layout`] | the blocks of a share |
//! | [`outline`] | all that must be known of a share before its blocks can be checked |
//! | [`blocks`] | sets of blocks |
//! | [`link`] | what one person hands another |
//! | [`metainfo`] | the same for those who use BitTorrent: its files, read and written |
//!
//! # What a root says about the length
//!
//! A root is checked together with the blob's length, and is good for one length alone, with one exception: the two children
//! of any root, 64 bytes, are themselves a blob of that length with that root, because BEP 52 hashes a leaf and a node alike.
//! A link and a manifest tell the length. Who has only a root, and hears the length from a peer, must know it by
//! [`merkle::root_proves_len`].

mod bencode;
pub mod blocks;
pub mod layer;
pub mod layout;
pub mod link;
pub mod manifest;
pub mod merkle;
pub mod metainfo;
pub mod outline;
pub(crate) mod partial;
pub mod path;

pub use crate::ids::BlobId;
pub use blocks::Blocks;
pub use merkle::{Hash, chunk_hash, root_of};

/// Bytes under one leaf of the tree, given by BEP 52.
pub const LEAF_BYTES: usize = 16 * 1024;

/// Bytes of a chunk: large enough that asking for it, its proof and its record cost little beside it, small enough that many
/// peers can share the work on one file, and that little is lost with a wrong one.
pub const CHUNK_BYTES: usize = 256 * 1024;

/// Bytes of the largest file, and of all files of a share together: larger than the disks of most, and its layer of chunk
/// hashes (128 MiB) still fits into memory.
pub const MAX_SHARE_BYTES: u64 = 1 << 40;

/// Entries of a folder: a large source tree with all that it was built into has fewer, and a list of them is read in a second.
pub const MAX_FOLDER_ENTRIES: usize = 200_000;

/// Bytes of the largest manifest: 167 for each of [`MAX_FOLDER_ENTRIES`], of which about 40 are not the path. A getter holds it
/// in memory before it knows whether it is worth anything.
pub const MAX_MANIFEST_BYTES: usize = 32 * 1024 * 1024;

/// How many chunks a blob of so many bytes has; none when it is empty.
pub fn chunk_count(blob_len: u64) -> u64 {
    blob_len.div_ceil(CHUNK_BYTES as u64)
}

/// Bytes in the chunk at `index` of a blob of so many bytes; 0 beyond its end.
pub fn chunk_len(blob_len: u64, index: u64) -> usize {
    let start = index.saturating_mul(CHUNK_BYTES as u64);
    blob_len.saturating_sub(start).min(CHUNK_BYTES as u64) as usize
}

//! The keys of the one sled tree, and values larger than one entry.
//!
//! | key | value |
//! |---|---|
//! | `m` | [`super::records::Meta`] |
//! | `h` handle | [`super::records::LogRecord`]: which log a handle means, how far it is held |
//! | `n` handle seq part | a fresh piece: the events of a log from one commit, the first being `seq` |
//! | `e` handle seq part | a packed piece: up to [`VALUE_BYTES`] of events of a log, the first being `seq` |
//! | `i` run prefix | a block of the id index ([`super::ids`]) |
//! | `v` handle part | the evidence against a log |
//! | `r` name | a room joined, no value |
//! | `p` peer id | [`crate::store::KnownPeer`] |
//! | `t` table key part | an entry of a table ([`crate::store::tables`]) |
//!
//! Handles (32 bits), sequence numbers and run numbers (64) and parts (16) are big endian, so that keys sort like numbers.
//!
//! sled keeps up to 16 entries of any size on a page and writes a page of more than a quarter of a segment (128 KiB) to a file
//! of its own in `blobs/`, which it never syncs. Values are therefore cut into parts of [`VALUE_BYTES`]: a full page takes
//! half of that, and nothing ever goes there.

use ::sled::{Batch, Tree};

use super::Fault;
use crate::store::tables::Table;

/// Bytes of a value at most; larger ones are cut into parts.
pub(super) const VALUE_BYTES: usize = 4096;

/// The key of [`super::records::Meta`].
pub(super) const META: &[u8] = b"m";
/// The prefix of rooms.
pub(super) const ROOM: u8 = b'r';
/// The prefix of peers.
pub(super) const PEER: u8 = b'p';
/// The prefix of log records.
pub(super) const LOG: u8 = b'h';

/// Where a piece of a log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Area {
    /// As it came.
    Fresh,
    /// Packed with others.
    Packed,
}

impl Area {
    fn prefix(self) -> u8 {
        match self {
            Self::Fresh => b'n',
            Self::Packed => b'e',
        }
    }
}

/// `prefix` and a handle.
fn handle_key(prefix: u8, handle: u32) -> Vec<u8> {
    let mut key = vec![prefix];
    key.extend(handle.to_be_bytes());
    key
}

/// The key of a log's record.
pub(super) fn log(handle: u32) -> Vec<u8> {
    handle_key(LOG, handle)
}

/// What the keys of the evidence against a log start with.
pub(super) fn evidence(handle: u32) -> Vec<u8> {
    handle_key(b'v', handle)
}

/// What the keys of all pieces of a log in an area start with.
pub(super) fn pieces(area: Area, handle: u32) -> Vec<u8> {
    handle_key(area.prefix(), handle)
}

/// What the keys of the parts of a piece start with.
pub(super) fn piece(area: Area, handle: u32, first_seq: u64) -> Vec<u8> {
    let mut key = pieces(area, handle);
    key.extend(first_seq.to_be_bytes());
    key
}

/// The sequence number in the key of a part of a piece.
pub(super) fn seq_of(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.get(5..13)?.try_into().ok()?))
}

/// What the keys of the blocks of an id run start with.
pub(super) fn id_run(run: u64) -> Vec<u8> {
    let mut key = vec![b'i'];
    key.extend(run.to_be_bytes());
    key
}

/// The key of the block of an id run whose first entry is `prefix`.
pub(super) fn id_block(run: u64, prefix: [u8; 8]) -> Vec<u8> {
    let mut key = id_run(run);
    key.extend(prefix);
    key
}

/// Where an entry's own key begins in the keys of its parts.
pub(super) const ENTRY_KEY_AT: usize = 2;

/// What the keys of the parts of an entry start with; with the beginning of a key, those of all such entries.
pub(super) fn entry(table: Table, key: &[u8]) -> Vec<u8> {
    [&[b't', table.code()], key].concat()
}

/// A prefix and text or bytes.
pub(super) fn named(prefix: u8, name: &[u8]) -> Vec<u8> {
    [&[prefix], name].concat()
}

fn part(prefix: &[u8], number: u16) -> Vec<u8> {
    [prefix, &number.to_be_bytes()].concat()
}

/// Writes a value under `prefix` in as many parts as it takes.
pub(super) fn put_parts(batch: &mut Batch, prefix: &[u8], value: &[u8]) {
    for (number, bytes) in (0u16..).zip(value.chunks(VALUE_BYTES)) {
        batch.insert(part(prefix, number), bytes);
    }
}

/// Reads a value in parts back. `None` when there is none.
pub(super) fn get_parts(tree: &Tree, prefix: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
    let mut value = Vec::new();
    for number in 0u16.. {
        let Some(bytes) = tree.get(part(prefix, number))? else { break };
        value.extend_from_slice(&bytes);
        if bytes.len() < VALUE_BYTES {
            break;
        }
    }
    Ok((!value.is_empty()).then_some(value))
}

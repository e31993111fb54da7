//! What the values in the tree mean, and their encoding: [`proto::wire`]'s, as strict as towards peers, so that a value that
//! decodes is one that this program wrote.

use proto::{
    event::{Body, Event, MAX_EVENT_BYTES, SignedEvent},
    hlc::Timestamp,
    ids::{ChannelId, EventId, LogId, LogKey},
    signature::Signature,
    wire,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Fault, keys::VALUE_BYTES};
use crate::store::MAX_EVIDENCE_BYTES;

/// Bytes of a piece at most: one event of the largest size, its signature and predecessor.
const MAX_PIECE_BYTES: usize = MAX_EVENT_BYTES + 4096;

/// Bytes of any other value at most: none is larger than evidence.
const MAX_RECORD_BYTES: usize = MAX_EVIDENCE_BYTES;

/// What stands at the start of the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Meta {
    /// The store's own random number.
    pub log: LogId,
    /// Commit groups so far. Compared with the witness file to notice lost ones.
    pub commits: u64,
    /// The number of the next id run.
    pub next_run: u64,
    /// The runs of the id index.
    pub runs: Vec<IdRun>,
}

/// One sorted run of the id index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct IdRun {
    /// Its number, which its keys carry.
    pub number: u64,
    /// Entries in it.
    pub len: u64,
}

/// One log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LogRecord {
    /// Its channel.
    pub channel: ChannelId,
    /// Which log.
    pub key: LogKey,
    /// The last sequence number; 0 when only evidence is held.
    pub seq: u64,
    /// The id of the last event.
    pub id: EventId,
    /// Its time.
    pub hlc: Timestamp,
    /// Whether there is evidence against it.
    pub frozen: bool,
    /// Its fresh pieces.
    pub fresh: Fresh,
}

/// How much of a log is in fresh pieces.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fresh {
    /// Pieces.
    pub pieces: u32,
    /// Bytes in them.
    pub bytes: u32,
}

/// Consecutive events of one log: what is not known from its key and the log's record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Piece {
    /// The predecessor of the first event.
    prev: EventId,
    entries: Vec<PieceEntry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct PieceEntry {
    hlc: Timestamp,
    body: Body,
    signature: Option<Signature>,
}

/// Decodes a value of any kind but a piece.
pub(super) fn decode<T: Serialize + DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T, Fault> {
    wire::decode::<T, MAX_RECORD_BYTES>(bytes).map_err(|error| Fault::Damaged(format!("{what}: {error}")))
}

/// Cuts consecutive events of one log into pieces of about [`VALUE_BYTES`]: the first sequence number and the encoding of
/// each.
pub(super) fn encode_pieces(events: Vec<SignedEvent>) -> Vec<(u64, Vec<u8>)> {
    // An entry without its body: time, kind, length, a signature with its length and presence.
    const ENTRY_BYTES: usize = 9 + 5 + 3 + 66;
    let mut pieces = Vec::new();
    let mut open: Option<(u64, Piece, usize)> = None;
    for SignedEvent { event, signature, .. } in events {
        let bytes = event.body.bytes.len() + ENTRY_BYTES - if signature.is_some() { 0 } else { 65 };
        if let Some((first, piece, _)) = open.take_if(|(_, _, len)| *len + bytes > VALUE_BYTES) {
            pieces.push((first, wire::encode(&piece)));
        }
        let (_, piece, len) =
            open.get_or_insert_with(|| (event.seq, Piece { prev: event.prev, entries: Vec::new() }, 40));
        piece.entries.push(PieceEntry { hlc: event.hlc, body: event.body, signature });
        *len += bytes;
    }
    if let Some((first, piece, _)) = open {
        pieces.push((first, wire::encode(&piece)));
    }
    pieces
}

/// The events of a piece of the log `channel`, `key`, with their ids computed anew.
pub(super) fn decode_piece(
    channel: ChannelId,
    key: LogKey,
    first_seq: u64,
    bytes: &[u8],
) -> Result<Vec<SignedEvent>, Fault> {
    let damaged = |error: &dyn std::fmt::Display| Fault::Damaged(format!("events of {channel}: {error}"));
    let piece: Piece = wire::decode::<Piece, MAX_PIECE_BYTES>(bytes).map_err(|error| damaged(&error))?;
    let mut prev = piece.prev;
    let mut events = Vec::with_capacity(piece.entries.len());
    for (seq, entry) in (first_seq..).zip(piece.entries) {
        let event = Event { channel, author: key.author, log: key.log, seq, prev, hlc: entry.hlc, body: entry.body };
        let id = event.id();
        events.push(SignedEvent { id, event, signature: entry.signature });
        prev = id;
    }
    Ok(events)
}

//! Turning the batches of a commit group into one sled batch.
//!
//! All keys are in one tree and sled recovers a batch on a tree whole or not at all, so a crash leaves a state between two
//! groups and there is nothing to repair. A batch that does not fit is refused alone; the others of its group go on.

use std::collections::{BTreeMap, BTreeSet};

use ::sled::Tree;
use proto::{
    event::SignedEvent,
    hlc::Timestamp,
    ids::{ChannelId, EventId, LogKey},
    wire,
};

use super::{
    Fault,
    ids::{self, Entry},
    index::Index,
    keys::{self, Area},
    records::{Fresh, LogRecord, Meta, decode_piece, encode_pieces},
    tables::Changes,
};
use crate::store::{Batch, Evidence, KnownPeer, StoreError, check::check_batch, peers::PeerTable};

/// Fresh pieces of a log after which they are packed. Bounds how many small entries a busy log has.
const PACK_PIECES: u32 = 32;

/// Bytes that an event and the piece it starts take besides its body, at most, so that a fresh piece is one value.
const MAX_OVERHEAD_BYTES: usize = 128;

/// A log with what a group adds to it.
struct Staged {
    record: LogRecord,
    events: Vec<SignedEvent>,
}

/// Batches that become durable together.
pub(super) struct Group<'a> {
    index: &'a Index,
    stored_peers: &'a PeerTable,
    logs: BTreeMap<u32, Staged>,
    new_handles: BTreeMap<(ChannelId, LogKey), u32>,
    evidence: Vec<(u32, Evidence)>,
    rooms: BTreeMap<String, bool>,
    peers: Option<PeerTable>,
    peers_touched: BTreeSet<Vec<u8>>,
    entries: Changes,
}

/// A group ready to be applied, and what is true once it is durable.
pub(super) struct Prepared {
    /// To apply.
    pub batch: ::sled::Batch,
    /// The logs that change, new handles in order.
    pub logs: Vec<(u32, LogRecord)>,
    /// The new start of the tree.
    pub meta: Meta,
    /// The new table of peers, if it changes.
    pub peers: Option<PeerTable>,
}

impl<'a> Group<'a> {
    /// An empty group on top of what is durable.
    pub(super) fn new(index: &'a Index, stored_peers: &'a PeerTable) -> Self {
        Self {
            index,
            stored_peers,
            logs: BTreeMap::new(),
            new_handles: BTreeMap::new(),
            evidence: Vec::new(),
            rooms: BTreeMap::new(),
            peers: None,
            peers_touched: BTreeSet::new(),
            entries: Changes::default(),
        }
    }

    /// Whether there is nothing to write.
    pub(super) fn is_empty(&self) -> bool {
        self.logs.is_empty() && self.rooms.is_empty() && self.peers.is_none() && self.entries.is_empty()
    }

    /// Adds a batch, or refuses it and leaves the group as it was.
    pub(super) fn add(&mut self, batch: Batch) -> Result<(), StoreError> {
        check_batch(&batch, |channel, key| {
            let handle = self.handle(channel, key)?;
            self.logs.get(&handle).map(|log| &log.record).or_else(|| self.index.log(handle))?.tip()
        })?;
        for signed in batch.events {
            let log = self.log(signed.event.channel, signed.event.log_key()).1;
            (log.record.seq, log.record.id, log.record.hlc) = (signed.event.seq, signed.id, signed.event.hlc);
            log.events.push(signed);
        }
        for evidence in batch.evidence {
            let (handle, log) = self.log(evidence.channel, evidence.key);
            if !log.record.frozen {
                log.record.frozen = true;
                self.evidence.push((handle, evidence));
            }
        }
        self.rooms.extend(batch.rooms);
        self.entries.add(batch.entries);
        self.add_peers(batch.peers, batch.forget_peers);
        Ok(())
    }

    fn add_peers(&mut self, known: Vec<KnownPeer>, forget: Vec<Vec<u8>>) {
        if known.is_empty() && forget.is_empty() {
            return;
        }
        let table = self.peers.get_or_insert_with(|| self.stored_peers.clone());
        for peer in known {
            self.peers_touched.insert(peer.peer.clone());
            self.peers_touched.extend(table.insert(peer));
        }
        for peer in forget {
            table.remove(&peer);
            self.peers_touched.insert(peer);
        }
    }

    fn handle(&self, channel: &ChannelId, key: &LogKey) -> Option<u32> {
        self.index.handle(channel, key).or_else(|| self.new_handles.get(&(*channel, *key)).copied())
    }

    fn log(&mut self, channel: ChannelId, key: LogKey) -> (u32, &mut Staged) {
        let handle = self.handle(&channel, &key).unwrap_or_else(|| {
            #[expect(clippy::expect_used, reason = "four billion new logs do not fit in a group")]
            let handle = self.index.len() + u32::try_from(self.new_handles.len()).expect("handles are 32 bits");
            self.new_handles.insert((channel, key), handle);
            handle
        });
        let log = self.logs.entry(handle).or_insert_with(|| {
            let record = self.index.log(handle).cloned().unwrap_or(LogRecord {
                channel,
                key,
                seq: 0,
                id: EventId::NONE,
                hlc: Timestamp::default(),
                frozen: false,
                fresh: Fresh::default(),
            });
            Staged { record, events: Vec::new() }
        });
        (handle, log)
    }

    /// Encodes it all.
    pub(super) fn finish(self, tree: &Tree, meta: &Meta) -> Result<Prepared, Fault> {
        let mut batch = ::sled::Batch::default();
        let mut meta = Meta { commits: meta.commits + 1, ..meta.clone() };
        let mut logs = Vec::with_capacity(self.logs.len());
        let mut entries = Vec::new();
        for (handle, Staged { mut record, events }) in self.logs {
            entries.extend(events.iter().map(|signed| Entry::new(signed.id, handle, signed.event.seq)));
            stage_events(tree, &mut batch, handle, &mut record, events)?;
            batch.insert(keys::log(handle), wire::encode(&record));
            logs.push((handle, record));
        }
        ids::stage(tree, &mut batch, &mut meta, entries)?;
        for (handle, evidence) in self.evidence {
            keys::put_parts(&mut batch, &keys::evidence(handle), &wire::encode(&evidence));
        }
        for (room, joined) in self.rooms {
            let key = keys::named(keys::ROOM, room.as_bytes());
            if joined {
                batch.insert(key, &[]);
            } else {
                batch.remove(key);
            }
        }
        for peer in self.peers_touched {
            let key = keys::named(keys::PEER, &peer);
            match self.peers.as_ref().and_then(|table| table.get(&peer)) {
                Some(known) => batch.insert(key, wire::encode(known)),
                None => batch.remove(key),
            }
        }
        self.entries.stage(tree, &mut batch)?;
        batch.insert(keys::META, wire::encode(&meta));
        Ok(Prepared { batch, logs, meta, peers: self.peers })
    }
}

/// Writes new events of a log: as fresh pieces while they are few, else packed with the fresh ones there are.
///
/// A fresh piece is as small as its commit. Packing rewrites every event at most once, and makes a log of single messages
/// as compact as one that came in bulk.
fn stage_events(
    tree: &Tree,
    batch: &mut ::sled::Batch,
    handle: u32,
    record: &mut LogRecord,
    events: Vec<SignedEvent>,
) -> Result<(), Fault> {
    let Some(first) = events.first() else { return Ok(()) };
    let bytes = events.iter().map(|signed| signed.event.body.bytes.len() + MAX_OVERHEAD_BYTES).sum::<usize>();
    let total = bytes + record.fresh.bytes as usize;
    if total < keys::VALUE_BYTES && record.fresh.pieces + 1 < PACK_PIECES {
        record.fresh = Fresh { pieces: record.fresh.pieces + 1, bytes: u32::try_from(total).unwrap_or(u32::MAX) };
        put_pieces(batch, Area::Fresh, handle, events);
        return Ok(());
    }
    let mut all = Vec::new();
    if record.fresh.pieces > 0 {
        let first_new = first.event.seq;
        for part in tree.scan_prefix(keys::pieces(Area::Fresh, handle)) {
            let (key, bytes) = part?;
            let seq = keys::seq_of(&key).ok_or_else(|| Fault::Damaged("the key of a piece".into()))?;
            all.extend(decode_piece(record.channel, record.key, seq, &bytes)?);
            batch.remove(key);
        }
        if all.last().is_none_or(|last| last.event.seq + 1 != first_new) {
            return Err(Fault::Damaged(format!("fresh events of {} end before {first_new}", record.channel)));
        }
        record.fresh = Fresh::default();
    }
    all.extend(events);
    put_pieces(batch, Area::Packed, handle, all);
    Ok(())
}

fn put_pieces(batch: &mut ::sled::Batch, area: Area, handle: u32, events: Vec<SignedEvent>) {
    for (first_seq, bytes) in encode_pieces(events) {
        keys::put_parts(batch, &keys::piece(area, handle, first_seq), &bytes);
    }
}

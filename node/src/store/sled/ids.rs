//! The index from event ids to places, which answers only where a page of history ends.
//!
//! Ids are random, so inserting each into the tree would touch a page of its own: at a million events that is most of all
//! memory and writing. Instead the ids of a commit are sorted into a *run*, and when [`FAN`] runs of one level are there they
//! are merged into one of the next: a log-structured merge tree (O'Neil, Cheng, Gawlick, O'Neil, 1996). Every id is rewritten
//! some four times at 20 bytes; a million events make some 20 to 60 runs, and a look-up reads one block of each.
//!
//! | level | ids in a run | merged |
//! |---|---|---|
//! | 0 to 3 | up to 15, 255, 4,095, 65,535 | when there are 16 |
//! | 4 | more | never: merging costs memory, 20 bytes an id |
//!
//! A run is cut into blocks of [`BLOCK_IDS`] entries of 8 bytes of the id, the log's handle and the sequence number. The full
//! id is compared with the event found.

use ::sled::{Batch, Tree};
use proto::ids::EventId;

use super::{
    Fault, keys,
    records::{IdRun, Meta},
};

/// Runs of one level that are merged.
const FAN: usize = 16;

/// The level whose runs stay.
const TOP_LEVEL: u32 = 4;

/// Bytes of an entry: prefix, handle, sequence number.
const ENTRY_BYTES: usize = 8 + 4 + 8;

/// Entries in a block, which fits one value.
const BLOCK_IDS: usize = keys::VALUE_BYTES / ENTRY_BYTES;

/// An id's prefix and the event's place. Sorted by prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    prefix: [u8; 8],
    /// The log.
    pub handle: u32,
    /// The position in it.
    pub seq: u64,
}

impl Entry {
    /// The entry of an event.
    pub(super) fn new(id: EventId, handle: u32, seq: u64) -> Self {
        Self { prefix: prefix_of(id), handle, seq }
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (prefix, rest) = bytes.split_first_chunk()?;
        let (handle, rest) = rest.split_first_chunk()?;
        let (seq, _) = rest.split_first_chunk()?;
        Some(Self { prefix: *prefix, handle: u32::from_be_bytes(*handle), seq: u64::from_be_bytes(*seq) })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.prefix);
        out.extend(self.handle.to_be_bytes());
        out.extend(self.seq.to_be_bytes());
    }
}

fn prefix_of(id: EventId) -> [u8; 8] {
    let mut prefix = [0; 8];
    prefix.copy_from_slice(&id.0[..8]);
    prefix
}

/// The level of a run of `len` ids: its logarithm to base [`FAN`].
fn level(len: u64) -> u32 {
    len.checked_ilog(FAN as u64).unwrap_or(0).min(TOP_LEVEL)
}

/// Adds `entries` as a run, merging as needed, and records it in `meta`.
pub(super) fn stage(tree: &Tree, batch: &mut Batch, meta: &mut Meta, mut entries: Vec<Entry>) -> Result<(), Fault> {
    if entries.is_empty() {
        return Ok(());
    }
    loop {
        let merged = level(entries.len() as u64);
        let of_level = |run: &IdRun| level(run.len) == merged;
        if merged == TOP_LEVEL || meta.runs.iter().filter(|run| of_level(run)).count() + 1 < FAN {
            break;
        }
        for run in meta.runs.extract_if(.., |run| of_level(run)) {
            for block in tree.scan_prefix(keys::id_run(run.number)) {
                let (key, block) = block?;
                entries.extend(block.chunks_exact(ENTRY_BYTES).filter_map(Entry::read));
                batch.remove(key);
            }
        }
    }
    entries.sort_unstable();
    let number = meta.next_run;
    meta.next_run += 1;
    meta.runs.push(IdRun { number, len: entries.len() as u64 });
    for block in entries.chunks(BLOCK_IDS) {
        let mut bytes = Vec::with_capacity(block.len() * ENTRY_BYTES);
        block.iter().for_each(|entry| entry.write(&mut bytes));
        batch.insert(keys::id_block(number, block[0].prefix), bytes);
    }
    Ok(())
}

/// The places of all events whose ids start like `id`; seldom more than one.
pub(super) fn find(tree: &Tree, runs: &[IdRun], id: EventId) -> Result<Vec<Entry>, Fault> {
    let prefix = prefix_of(id);
    let mut found = Vec::new();
    for run in runs {
        let range = keys::id_run(run.number)..=keys::id_block(run.number, prefix);
        let Some(block) = tree.range(range).next_back() else { continue };
        let (_, block) = block?;
        let entries = block.chunks_exact(ENTRY_BYTES).filter_map(Entry::read);
        found.extend(entries.filter(|entry| entry.prefix == prefix));
    }
    Ok(found)
}

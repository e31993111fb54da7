//! The store on disk: sled 0.34.7, with what it lacks built around it.
//!
//! | file | role |
//! |---|---|
//! | `keys`, `records` | the layout: one tree, small keys, values of at most 4 KiB |
//! | `ids` | the index from event ids to places |
//! | `stage`, `tables` | a group of batches becomes one sled batch |
//! | `writer` | the thread that writes: group commit, flush, fdatasync |
//! | `read`, `reader` | the thread that reads |
//! | `index` | how far each log is durable, in memory |
//! | `disk` | fsync, permissions, free space, the witness |
//! | `open`, `verify` | opening, and setting a damaged database aside |
//!
//! A store directory holds:
//!
//! | name | what |
//! |---|---|
//! | `format` | the version of the format, as text |
//! | `sled/` | sled's own files |
//! | `witness` | how many commit groups are durable, against silent loss |
//! | `suspect` | there after a failure: verify everything at the next start |
//!
//! # What is promised
//!
//! - A commit is answered after it would survive a power cut, and a read shows only what does.
//! - A batch is there whole or not at all; so is a group of them.
//! - A damaged database is renamed to `<directory>.damaged-<seconds since 1970>` and never deleted, and a new store takes its
//!   place, to be filled by peers. Damage that opening does not touch is found by the read that meets it: the store then
//!   fails, and is verified in full when it is opened next.
//! - A full disk, a missing permission or a second node in the same directory is an error, and nothing is moved.

mod disk;
mod health;
mod ids;
mod index;
mod keys;
mod open;
mod read;
mod reader;
mod records;
mod stage;
mod tables;
#[cfg(test)]
mod tests;
mod verify;
mod writer;

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{SyncSender, TrySendError},
    },
    thread::JoinHandle,
};

pub use open::OpenError;

use super::{Request, Snapshot, Store, StoreError};

/// Commits that wait for the writer; more are refused as overload. Some hundred groups of a busy room.
pub const WRITE_QUEUE_REQUESTS: usize = 512;

/// Reads that wait for the reader; more are refused as overload.
pub const READ_QUEUE_REQUESTS: usize = 256;

/// Bytes kept free on disk unless told otherwise: room for one commit group and what sled rewrites with it.
pub const DEFAULT_RESERVE_BYTES: u64 = 32 * 1024 * 1024;

/// Bytes of pages that sled keeps in memory unless told otherwise.
pub const DEFAULT_CACHE_BYTES: u64 = 8 * 1024 * 1024;

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// A fresh random number: the log id of the store, should a new one be made.
    pub seed: u64,
    /// Bytes of disk that commits leave free.
    pub reserve_bytes: u64,
    /// Bytes of pages that sled keeps in memory.
    pub cache_bytes: u64,
}

impl Options {
    /// The defaults, with a random number.
    pub fn new(seed: u64) -> Self {
        Self { seed, reserve_bytes: DEFAULT_RESERVE_BYTES, cache_bytes: DEFAULT_CACHE_BYTES }
    }
}

/// An opened store.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub store: SledStore,
    /// What it holds.
    pub snapshot: Snapshot,
    /// Where the old database went, if it was damaged; the store is then a new one.
    pub set_aside: Option<PathBuf>,
}

/// A store in sled.
///
/// Dropping it waits until what was asked is done and the database is closed.
#[derive(Debug)]
pub struct SledStore {
    writes: Option<SyncSender<writer::Task>>,
    reads: Option<SyncSender<reader::Task>>,
    closed: AtomicBool,
    writer: Option<JoinHandle<()>>,
}

impl SledStore {
    /// Opens the store in `directory`, or makes one there.
    ///
    /// Blocks: some 100 ms after a clean close, a second or more after a crash.
    ///
    /// # Errors
    /// [`OpenError`], in one line with the next step. Damage is no error: see [`Opened::set_aside`].
    pub fn open(directory: &Path, options: Options) -> Result<Opened, OpenError> {
        open::open(directory, &options, &disk::FileSyncer::open)
    }
}

impl Store for SledStore {
    fn submit(&self, request: Request) -> Result<(), StoreError> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(StoreError::Closed);
        }
        let task = match request {
            Request::Commit { batch, reply } => return send(self.writes.as_ref(), writer::Task::Commit(batch, reply)),
            // Between two groups of commits, when all that is in the tree is durable.
            Request::Entries { table, select, reply } => {
                return send(self.writes.as_ref(), writer::Task::Entries(table, select, reply));
            }
            Request::Close { reply } => {
                send(self.writes.as_ref(), writer::Task::Close(reply))?;
                self.closed.store(true, Ordering::SeqCst);
                return Ok(());
            }
            Request::History { channels, before, limit, reply } => {
                reader::Task::History { channels, before, limit, reply }
            }
            Request::After { channel, from, limit, reply } => reader::Task::After { channel, from, limit, reply },
            Request::Runs { channel, wants, reply } => reader::Task::Runs { channel, wants, reply },
            Request::Evidence { channel, key, reply } => reader::Task::Evidence { channel, key, reply },
        };
        send(self.reads.as_ref(), task)
    }
}

fn send<T>(queue: Option<&SyncSender<T>>, task: T) -> Result<(), StoreError> {
    queue.ok_or(StoreError::Closed)?.try_send(task).map_err(|error| match error {
        TrySendError::Full(_) => StoreError::Overloaded,
        TrySendError::Disconnected(_) => StoreError::Closed,
    })
}

impl Drop for SledStore {
    fn drop(&mut self) {
        (self.writes, self.reads) = (None, None);
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the store's writer panicked");
        }
    }
}

/// Why something inside the store went wrong.
#[derive(Debug, thiserror::Error)]
enum Fault {
    /// sled says so.
    #[error("{0}")]
    Sled(#[from] ::sled::Error),
    /// A value is not what this program wrote.
    #[error("damaged: {0}")]
    Damaged(String),
    /// The disk says so.
    #[error("{0}")]
    Io(#[from] io::Error),
}

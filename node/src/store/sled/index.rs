//! What is known of all logs in memory: how far each is durable.
//!
//! The writer changes it after the fsync and before it answers; the reader takes from it where a log ends, and so never shows
//! an event that a power cut could take back.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use proto::ids::{ChannelId, LogKey};

use super::records::{IdRun, LogRecord};
use crate::store::{Head, check::Tip};

/// All logs, by handle and by name, and the runs of the id index.
#[derive(Debug, Default)]
pub(super) struct Index {
    logs: Vec<LogRecord>,
    channels: BTreeMap<ChannelId, BTreeMap<LogKey, u32>>,
    /// The durable runs of the id index.
    pub id_runs: Vec<IdRun>,
}

/// The index as writer and reader share it.
#[derive(Debug, Clone, Default)]
pub(super) struct SharedIndex(Arc<RwLock<Index>>);

impl SharedIndex {
    /// To share.
    pub(super) fn new(index: Index) -> Self {
        Self(Arc::new(RwLock::new(index)))
    }

    /// To look.
    pub(super) fn read(&self) -> RwLockReadGuard<'_, Index> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// To change; the writer alone does.
    pub(super) fn write(&self) -> RwLockWriteGuard<'_, Index> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Index {
    /// How many logs there are; also the next handle.
    pub(super) fn len(&self) -> u32 {
        #[expect(clippy::expect_used, reason = "four billion logs fit neither memory nor `put`")]
        u32::try_from(self.logs.len()).expect("handles are 32 bits")
    }

    /// The log with a handle.
    pub(super) fn log(&self, handle: u32) -> Option<&LogRecord> {
        self.logs.get(handle as usize)
    }

    /// The handle of a log.
    pub(super) fn handle(&self, channel: &ChannelId, key: &LogKey) -> Option<u32> {
        self.channels.get(channel)?.get(key).copied()
    }

    /// The logs of a channel with their handles.
    pub(super) fn channel(&self, channel: &ChannelId) -> impl Iterator<Item = (u32, &LogRecord)> {
        let handles = self.channels.get(channel).into_iter().flat_map(BTreeMap::values);
        handles.filter_map(|&handle| Some((handle, self.log(handle)?)))
    }

    /// Adds the log with the next handle, or replaces one. Returns whether `handle` was either.
    pub(super) fn put(&mut self, handle: u32, record: LogRecord) -> bool {
        let position = handle as usize;
        if position == self.logs.len() {
            self.channels.entry(record.channel).or_default().insert(record.key, handle);
            self.logs.push(record);
            return true;
        }
        self.logs.get_mut(position).map(|log| *log = record).is_some()
    }

    /// The heads of all logs, sorted by channel and log.
    pub(super) fn heads(&self) -> Vec<Head> {
        let handles = self.channels.values().flat_map(BTreeMap::values);
        handles.filter_map(|&handle| self.log(handle)?.head()).collect()
    }
}

impl LogRecord {
    /// Its head, or `None` while no event is held.
    pub(super) fn head(&self) -> Option<Head> {
        let Self { channel, key, id, hlc, frozen, .. } = *self;
        self.tip().map(|tip| Head { channel, key, seq: tip.seq, id, hlc, frozen })
    }

    /// Its end, or `None` while no event is held.
    pub(super) fn tip(&self) -> Option<Tip> {
        (self.seq > 0).then_some(Tip { seq: self.seq, id: self.id, hlc: self.hlc })
    }
}

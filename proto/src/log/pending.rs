//! Verified runs that wait for the events before them.

use std::collections::BTreeMap;

use crate::{event::SignedEvent, ids::LogKey};

/// Bytes that an event occupies beside its body, about.
const EVENT_OVERHEAD_BYTES: usize = 256;

/// Bytes of memory that events occupy, about.
pub fn weight(events: &[SignedEvent]) -> usize {
    events.iter().map(|signed| signed.event.body.bytes.len() + EVENT_OVERHEAD_BYTES).sum()
}

/// The waiting runs, by log and first sequence number.
#[derive(Debug, Clone, Default)]
pub struct Pending {
    runs: BTreeMap<(LogKey, u64), Vec<SignedEvent>>,
    bytes: usize,
}

impl Pending {
    /// Keeps a run, unless more than `limit_bytes` would be kept, or a run is kept there that reaches as far.
    pub fn insert(&mut self, events: Vec<SignedEvent>, limit_bytes: usize) -> bool {
        let Some(first) = events.first() else { return false };
        let place = (first.event.log_key(), first.event.seq);
        let bytes = weight(&events);
        if self.runs.get(&place).is_some_and(|kept| kept.len() >= events.len()) || self.bytes + bytes > limit_bytes {
            return false;
        }
        if let Some(old) = self.runs.insert(place, events) {
            self.bytes -= weight(&old);
        }
        self.bytes += bytes;
        true
    }

    /// Takes a run of `key` that starts at or before `next`, and so may extend a log whose next event is `next`.
    pub fn take(&mut self, key: LogKey, next: u64) -> Option<Vec<SignedEvent>> {
        let place = *self.runs.range((key, 0)..=(key, next)).next()?.0;
        let events = self.runs.remove(&place)?;
        self.bytes -= weight(&events);
        Some(events)
    }

    /// The first and last sequence numbers of each run kept of a log, in order.
    pub fn spans(&self, key: LogKey) -> impl Iterator<Item = (u64, u64)> {
        self.runs
            .range((key, 0)..=(key, u64::MAX))
            .map(|((_, first), events)| (*first, first + events.len() as u64 - 1))
    }

    /// Forgets what waits in one log.
    pub fn forget(&mut self, key: LogKey) {
        while self.take(key, u64::MAX).is_some() {}
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Bytes kept.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

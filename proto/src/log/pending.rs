//! Verified runs that wait for the events before them.

use std::collections::BTreeMap;

use crate::{event::SignedEvent, ids::LogKey};

/// Bytes that an event occupies beside its body, about.
const EVENT_OVERHEAD_BYTES: usize = 256;

/// Bytes of memory that events occupy, about.
pub fn weight(events: &[SignedEvent]) -> usize {
    events.iter().map(|signed| signed.event.body.bytes.len() + EVENT_OVERHEAD_BYTES).sum()
}

/// Rounds that a run may wait. Its predecessor may never have been written; what was dropped too early comes again.
const MAX_ROUNDS: u64 = 2;

/// The waiting runs, by log and first sequence number, each with the round it came in.
#[derive(Debug, Clone, Default)]
pub struct Pending {
    runs: BTreeMap<(LogKey, u64), (u64, Vec<SignedEvent>)>,
    bytes: usize,
    round: u64,
}

impl Pending {
    /// Keeps a run, unless more than `limit_bytes` would be kept, or a run is kept there that reaches as far.
    pub fn insert(&mut self, events: Vec<SignedEvent>, limit_bytes: usize) -> bool {
        let Some(first) = events.first() else { return false };
        let place = (first.event.log_key(), first.event.seq);
        let bytes = weight(&events);
        if self.runs.get(&place).is_some_and(|(_, kept)| kept.len() >= events.len()) || self.bytes + bytes > limit_bytes
        {
            return false;
        }
        if let Some((_, old)) = self.runs.insert(place, (self.round, events)) {
            self.bytes -= weight(&old);
        }
        self.bytes += bytes;
        true
    }

    /// Takes a run of `key` that starts at or before `next`, and so may extend a log whose next event is `next`.
    pub fn take(&mut self, key: LogKey, next: u64) -> Option<Vec<SignedEvent>> {
        let place = *self.runs.range((key, 0)..=(key, next)).next()?.0;
        let (_, events) = self.runs.remove(&place)?;
        self.bytes -= weight(&events);
        Some(events)
    }

    /// The first and last sequence numbers of each run kept of a log, in order.
    pub fn spans(&self, key: LogKey) -> impl Iterator<Item = (u64, u64)> {
        self.runs
            .range((key, 0)..=(key, u64::MAX))
            .map(|((_, first), (_, events))| (*first, first + events.len() as u64 - 1))
    }

    /// Begins a round, and forgets what has waited for too many.
    pub fn next_round(&mut self) {
        self.round += 1;
        let round = self.round;
        self.runs.retain(|_, (since, _)| *since + MAX_ROUNDS >= round);
        self.bytes = self.runs.values().map(|(_, events)| weight(events)).sum();
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

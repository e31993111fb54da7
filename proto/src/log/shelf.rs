//! How far a replica holds each log.

use std::{
    collections::BTreeMap,
    ops::Bound::{Excluded, Unbounded},
    sync::OnceLock,
};

use super::{
    MAX_LOGS, MAX_LOGS_PER_AUTHOR,
    message::{MAX_VECTOR_ENTRIES, VectorEntry, VectorHash},
};
use crate::{
    event::SignedEvent,
    hlc::Timestamp,
    ids::{Author, EventId, LogId, LogKey, tagged_hash},
    wire,
};

/// The last event of a log that is held, with all before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Its sequence number; 0 when nothing is held.
    pub seq: u64,
    /// Its id.
    pub id: EventId,
    /// Its time.
    pub hlc: Timestamp,
}

impl Position {
    /// Before the first event.
    pub const START: Position = Position { seq: 0, id: EventId::NONE, hlc: Timestamp(0) };

    /// The position of an event.
    pub fn of(signed: &SignedEvent) -> Self {
        Self { seq: signed.event.seq, id: signed.id, hlc: signed.event.hlc }
    }
}

/// One log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    /// What would survive a power cut.
    pub durable: Position,
    /// What has been accepted, durable or on its way to the disk.
    pub tip: Position,
    /// Whether its author is known to have forked it.
    pub frozen: bool,
}

impl Log {
    const EMPTY: Log = Log { durable: Position::START, tip: Position::START, frozen: false };
}

/// How a run fits what is held of its log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fit {
    /// These events are new and follow the tip.
    Extends(Vec<SignedEvent>),
    /// All of it is held already, or was overtaken.
    Known,
    /// Events between the tip and these are missing.
    Gap(Vec<SignedEvent>),
    /// It contradicts the tip: its author signed two histories.
    Fork,
    /// Its first new event is not later than the tip.
    NotLater,
    /// The log is frozen.
    Frozen,
    /// There is no room for another log.
    TooManyLogs,
}

/// All logs of a channel.
#[derive(Debug, Clone, Default)]
pub struct Shelf {
    logs: BTreeMap<LogKey, Log>,
    /// The hash, until something durable changes: peers ask for it far more often than that.
    hash: OnceLock<VectorHash>,
}

impl Shelf {
    /// Puts back a log that the store holds.
    pub fn restore(&mut self, key: LogKey, position: Position, frozen: bool) {
        self.logs.insert(key, Log { durable: position, tip: position, frozen });
        self.hash.take();
    }

    /// A log, empty when nothing of it is held.
    pub fn log(&self, key: &LogKey) -> Log {
        self.logs.get(key).copied().unwrap_or(Log::EMPTY)
    }

    /// Logs held.
    pub fn len(&self) -> usize {
        self.logs.len()
    }

    /// Whether no log is held.
    pub fn is_empty(&self) -> bool {
        self.logs.is_empty()
    }

    /// All logs, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&LogKey, &Log)> {
        self.logs.iter()
    }

    /// Durable events over all logs.
    pub fn durable_events(&self) -> u64 {
        self.logs.values().map(|log| log.durable.seq).sum()
    }

    /// Frozen logs.
    pub fn frozen_logs(&self) -> u64 {
        self.logs.values().filter(|log| log.frozen).count() as u64
    }

    /// How the verified, consecutive `events` of one log fit.
    pub fn fit(&self, events: Vec<SignedEvent>) -> Fit {
        let (Some(first), Some(last)) = (events.first(), events.last()) else { return Fit::Known };
        let key = first.event.log_key();
        let Log { tip, frozen, .. } = self.log(&key);
        if frozen {
            return Fit::Frozen;
        }
        if tip.seq == 0 && !self.has_room(&key.author) {
            return Fit::TooManyLogs;
        }
        if first.event.seq > tip.seq.saturating_add(1) {
            return Fit::Gap(events);
        }
        if last.event.seq < tip.seq {
            return Fit::Known;
        }
        // The run reaches the tip or goes past it: what it says about the tip's id must agree.
        let known = (tip.seq + 1 - first.event.seq) as usize;
        let id_at_tip = if known == 0 { first.event.prev } else { events[known - 1].id };
        if id_at_tip != tip.id {
            return Fit::Fork;
        }
        let fresh = events.into_iter().skip(known).collect::<Vec<_>>();
        match fresh.first() {
            None => Fit::Known,
            Some(next) if next.event.hlc <= tip.hlc => Fit::NotLater,
            Some(_) => Fit::Extends(fresh),
        }
    }

    /// Whether a log may be taken: it is known, or there is room for another.
    pub fn may_hold(&self, key: &LogKey) -> bool {
        self.logs.contains_key(key) || self.has_room(&key.author)
    }

    /// Whether it would be news that a log is forked, and there is room to note it.
    pub fn may_freeze(&self, key: &LogKey) -> bool {
        !self.log(key).frozen && self.may_hold(key)
    }

    fn has_room(&self, author: &Author) -> bool {
        let from = LogKey { author: *author, log: LogId(0) };
        let to = LogKey { author: *author, log: LogId(u64::MAX) };
        self.logs.len() < MAX_LOGS && self.logs.range(from..=to).count() < MAX_LOGS_PER_AUTHOR
    }

    /// Moves a log's tip.
    pub fn advance(&mut self, key: LogKey, tip: Position) {
        self.logs.entry(key).or_insert(Log::EMPTY).tip = tip;
    }

    /// Notes that a log is durable up to `position`.
    pub fn settle(&mut self, key: LogKey, position: Position) {
        let log = self.logs.entry(key).or_insert(Log::EMPTY);
        if position.seq > log.durable.seq {
            log.durable = position;
            self.hash.take();
        }
    }

    /// Forgets everything that is not durable.
    pub fn roll_back(&mut self) {
        self.logs.retain(|_, log| {
            log.tip = log.durable;
            log.durable.seq > 0 || log.frozen
        });
    }

    /// Freezes a log; `false` when it was frozen already.
    pub fn freeze(&mut self, key: LogKey) -> bool {
        self.hash.take();
        let log = self.logs.entry(key).or_insert(Log::EMPTY);
        !std::mem::replace(&mut log.frozen, true)
    }

    /// The hash over everything durable. Of frozen logs only the fact counts: peers may hold different branches.
    pub fn hash(&self) -> VectorHash {
        *self.hash.get_or_init(|| self.compute_hash())
    }

    fn compute_hash(&self) -> VectorHash {
        let mut bytes = Vec::with_capacity(self.logs.len() * 84);
        for entry in self.entries(None) {
            let seen = if entry.frozen { VectorEntry { seq: 0, head: EventId::NONE, ..entry } } else { entry };
            wire::encode_into(&seen, &mut bytes);
        }
        VectorHash(tagged_hash("starling/vector/1", &[&bytes]))
    }

    /// The entries of one page of the vector, after `after`, and whether more follow.
    pub fn page(&self, after: Option<LogKey>) -> (Vec<VectorEntry>, bool) {
        let mut rest = self.entries(after);
        let page = rest.by_ref().take(MAX_VECTOR_ENTRIES).collect();
        (page, rest.next().is_some())
    }

    /// The entries of the vector after `after`.
    pub fn entries(&self, after: Option<LogKey>) -> impl Iterator<Item = VectorEntry> {
        let logs = self.logs.range((after.map_or(Unbounded, Excluded), Unbounded));
        let shown = logs.filter(|(_, log)| log.durable.seq > 0 || log.frozen);
        shown.map(|(key, log)| VectorEntry {
            author: key.author,
            log: key.log,
            seq: log.durable.seq,
            head: log.durable.id,
            frozen: log.frozen,
        })
    }
}

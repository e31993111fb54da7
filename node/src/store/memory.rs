//! A store in memory: for tests and simulation.
//!
//! It has no threads and answers inside [`Store::submit`], always in the same way. Clones share their contents, and
//! [`MemoryStore::reopen`] stands for the restart of a node whose disk survived.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    ops::Bound,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use proto::{
    event::{OrderKey, Run, SignedEvent},
    hlc::Timestamp,
    ids::{ChannelId, EventId, LogId, LogKey},
    log::message::Want,
};

use super::{
    Batch, Before, Evidence, Head, Request, Snapshot, Store, StoreError,
    check::{Tip, check_batch},
    end_in,
    peers::PeerTable,
    runs::Budget,
    start_of,
    tables::{Entry, Select, Table, page},
};

/// A store in memory.
#[derive(Debug, Clone)]
pub struct MemoryStore {
    contents: Arc<Mutex<Contents>>,
    closed: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Contents {
    log: LogId,
    channels: BTreeMap<ChannelId, Channel>,
    ids: BTreeMap<EventId, (ChannelId, OrderKey)>,
    rooms: BTreeSet<String>,
    peers: PeerTable,
    evidence: BTreeMap<(ChannelId, LogKey), Evidence>,
    entries: BTreeMap<Table, BTreeMap<Vec<u8>, Vec<u8>>>,
}

#[derive(Debug, Default)]
struct Channel {
    logs: BTreeMap<LogKey, Vec<SignedEvent>>,
    order: BTreeSet<OrderKey>,
}

impl MemoryStore {
    /// An empty store, whose first log is `log`.
    pub fn new(log: LogId) -> Self {
        let contents = Contents {
            log,
            channels: BTreeMap::new(),
            ids: BTreeMap::new(),
            rooms: BTreeSet::new(),
            peers: PeerTable::default(),
            evidence: BTreeMap::new(),
            entries: BTreeMap::new(),
        };
        Self { contents: Arc::new(Mutex::new(contents)), closed: Arc::default() }
    }

    /// An open store over the same contents, as after a restart.
    pub fn reopen(&self) -> Self {
        Self { contents: Arc::clone(&self.contents), closed: Arc::default() }
    }

    /// What a node that opens this store learns.
    pub fn snapshot(&self) -> Snapshot {
        let contents = self.lock();
        let heads = contents.channels.iter().flat_map(|(channel, logs)| {
            logs.logs.iter().filter_map(|(key, events)| contents.head(channel, key, events.last()?))
        });
        Snapshot {
            log: Some(contents.log),
            heads: heads.collect(),
            rooms: contents.rooms.iter().cloned().collect(),
            peers: contents.peers.list(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn submit(&self, request: Request) -> Result<(), StoreError> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(StoreError::Closed);
        }
        let mut contents = self.lock();
        // Whoever asked may have gone; then the answer is nobody's.
        match request {
            Request::Commit { batch, reply } => drop(reply.send(contents.commit(batch))),
            Request::History { channels, before, limit, reply } => {
                drop(reply.send(Ok(contents.history(&channels, before, limit))));
            }
            Request::After { channel, from, limit, reply } => {
                drop(reply.send(Ok(contents.after(&channel, from, limit))));
            }
            Request::Runs { channel, wants, reply } => drop(reply.send(Ok(contents.runs(&channel, &wants)))),
            Request::Evidence { channel, key, reply } => {
                drop(reply.send(Ok(contents.evidence.get(&(channel, key)).cloned())));
            }
            Request::Entries { table, select, reply } => drop(reply.send(Ok(contents.entries(table, &select)))),
            Request::Close { reply } => {
                self.closed.store(true, Ordering::SeqCst);
                drop(reply.send(Ok(())));
            }
        }
        Ok(())
    }
}

impl Contents {
    fn head(&self, channel: &ChannelId, key: &LogKey, last: &SignedEvent) -> Option<Head> {
        Some(Head {
            channel: *channel,
            key: *key,
            seq: last.event.seq,
            id: last.id,
            hlc: last.event.hlc,
            frozen: self.evidence.contains_key(&(*channel, *key)),
        })
    }

    fn commit(&mut self, batch: Batch) -> Result<(), StoreError> {
        check_batch(&batch, |channel, key| {
            let last = self.channels.get(channel)?.logs.get(key)?.last()?;
            Some(Tip { seq: last.event.seq, id: last.id, hlc: last.event.hlc })
        })?;
        for signed in batch.events {
            let (channel, order) = (signed.event.channel, signed.event.order());
            self.ids.insert(signed.id, (channel, order));
            let logs = self.channels.entry(channel).or_default();
            logs.order.insert(order);
            logs.logs.entry(signed.event.log_key()).or_default().push(signed);
        }
        for evidence in batch.evidence {
            self.evidence.entry((evidence.channel, evidence.key)).or_insert(evidence);
        }
        for (room, joined) in batch.rooms {
            if joined {
                self.rooms.insert(room);
            } else {
                self.rooms.remove(&room);
            }
        }
        for peer in batch.peers {
            self.peers.insert(peer);
        }
        for peer in &batch.forget_peers {
            self.peers.remove(peer);
        }
        for change in batch.entries {
            let table = self.entries.entry(change.table).or_default();
            match change.value {
                Some(value) => _ = table.insert(change.key, value),
                None => _ = table.remove(&change.key),
            }
        }
        Ok(())
    }

    fn history(&self, channels: &[ChannelId], before: Before, limit: usize) -> Option<Vec<SignedEvent>> {
        let (home, place) = match before {
            Before::Time(time) => (ChannelId([0; 32]), start_of(time)),
            Before::Event(id) => *self.ids.get(&id).filter(|(home, _)| channels.contains(home))?,
        };
        let mut page: Vec<SignedEvent> = Vec::new();
        for channel in channels {
            let Some(logs) = self.channels.get(channel) else { continue };
            let bound = end_in(channel, &home, place);
            page.extend(logs.order.range(..bound).rev().take(limit).filter_map(|order| logs.event(order)));
        }
        page.sort_by_key(|signed| (signed.event.order(), signed.event.channel));
        page.drain(..page.len().saturating_sub(limit));
        Some(page)
    }

    fn after(&self, channel: &ChannelId, from: Timestamp, limit: usize) -> Vec<SignedEvent> {
        let Some(logs) = self.channels.get(channel) else { return Vec::new() };
        logs.order.range(start_of(from)..).take(limit).filter_map(|order| logs.event(order)).collect()
    }

    fn entries(&self, table: Table, select: &Select) -> Vec<Entry> {
        let Some(entries) = self.entries.get(&table) else { return Vec::new() };
        let entry = |(key, value): (&Vec<u8>, &Vec<u8>)| Ok::<_, Infallible>((key.clone(), value.clone()));
        let Ok(page) = match select {
            Select::Page { prefix, after, limit } => {
                let after = after.as_ref().filter(|after| *after >= prefix);
                let from = after.map_or(Bound::Included(prefix), Bound::Excluded);
                let range = entries.range::<Vec<u8>, _>((from, Bound::Unbounded));
                page(range.take_while(|(key, _)| key.starts_with(prefix)).map(entry), *limit)
            }
            Select::Keys(keys) => page(keys.iter().filter_map(|key| entries.get_key_value(key)).map(entry), usize::MAX),
        };
        page
    }

    fn runs(&self, channel: &ChannelId, wants: &[Want]) -> Vec<Run> {
        let Some(logs) = self.channels.get(channel) else { return Vec::new() };
        let mut budget = Budget::new();
        let mut runs = Vec::new();
        for want in wants {
            let Some(events) = logs.logs.get(&want.key()).filter(|_| want.from >= 1 && want.from <= want.to) else {
                continue;
            };
            if budget.is_spent() {
                break;
            }
            let start = usize::try_from(want.from - 1).unwrap_or(usize::MAX);
            let events = events.iter().skip(start).map(|signed| Ok::<_, Infallible>(signed.clone()));
            let Ok(run) = budget.take_run(want.to, events);
            runs.extend(run);
        }
        runs
    }
}

impl Channel {
    fn event(&self, order: &OrderKey) -> Option<SignedEvent> {
        let events = self.logs.get(&LogKey { author: order.author, log: order.log })?;
        events.get(usize::try_from(order.seq).ok()?.checked_sub(1)?).cloned()
    }
}

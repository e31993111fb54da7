//! The disk of a simulated host: a store in memory that takes its time, fails now and then, and loses what was not flushed when its
//! machine crashes.
//!
//! | a batch is | until |
//! |---|---|
//! | waiting | the flush under way, if any, has ended |
//! | being flushed | [`scenario::Disk::sync_ms`] have passed; all that waits is flushed together, as the product's store does |
//! | durable, or refused | |
//!
//! At a crash, what was waiting or being flushed is cut off at a random place: the batches before it are durable though nobody was
//! told, the rest is lost. What was answered stays, whatever happens; that is what a node relies on, and what
//! [`Disk::holds`] lets the simulator verify.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::FutureExt;
use node::{
    handle::{DirectFilter, MAX_HISTORY_LIMIT},
    letters::{
        page,
        records::{Kept, Place, value},
    },
    model::{DirectMessage, DirectState},
    store::{
        Batch, Before, Reply, Request, Snapshot, Store, StoreError,
        memory::MemoryStore,
        tables::{EntryChange, Table, read_all},
    },
};
use proto::ids::{Author, ChannelId, EventId, LogId};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::sync::oneshot;

use crate::scenario;

/// Batches that may wait. A node has one under way at a time, so that more say that something is wrong.
pub const MAX_WAITING: usize = 16;

/// Is told of each direct message that becomes durable, whoever wrote it, and its place on the disk.
pub type Witness = Box<dyn Fn(Place, DirectMessage) + Send>;

/// What is durable.
struct Platter {
    store: MemoryStore,
    /// Of each channel, the ids of its honest authors' events laid over each other: equal if the same events are held.
    digests: BTreeMap<ChannelId, u64>,
    /// Authors whose forked logs may differ from disk to disk.
    hostile: Arc<BTreeSet<Author>>,
    witness: Option<Witness>,
}

impl Platter {
    fn commit(&mut self, batch: Batch) -> Result<(), StoreError> {
        let honest = batch.events.iter().filter(|event| !self.hostile.contains(&event.event.author));
        let events: Vec<(ChannelId, EventId)> = honest.map(|event| (event.event.channel, event.id)).collect();
        let letters: Vec<(Place, DirectMessage)> = match &self.witness {
            Some(_) => batch.entries.iter().filter_map(letter).collect(),
            None => Vec::new(),
        };
        let (reply, mut answer) = oneshot::channel();
        self.store.submit(Request::Commit { batch, reply })?;
        // The store in memory has answered by now.
        answer.try_recv().unwrap_or(Err(StoreError::Closed))?;
        for (channel, id) in events {
            *self.digests.entry(channel).or_default() ^=
                id.0.iter().fold(0, |sum: u64, byte| sum.rotate_left(8) ^ u64::from(*byte));
        }
        if let Some(witness) = &self.witness {
            letters.into_iter().for_each(|(place, message)| witness(place, message));
        }
        Ok(())
    }
}

/// What survives the end of a node.
pub struct Disk {
    platter: Arc<Mutex<Platter>>,
    settings: scenario::Disk,
    rng: ChaCha8Rng,
    opened: Option<Opened>,
}

impl Disk {
    /// An empty one.
    pub fn new(settings: scenario::Disk, log: LogId, seed: [u8; 32]) -> Self {
        let platter =
            Platter { store: MemoryStore::new(log), digests: BTreeMap::new(), hostile: Arc::default(), witness: None };
        Self { platter: Arc::new(Mutex::new(platter)), settings, rng: ChaCha8Rng::from_seed(seed), opened: None }
    }

    /// Says whose events do not count in [`Disk::digest`]. To be called before it is first opened.
    pub fn leave_out(&mut self, hostile: Arc<BTreeSet<Author>>) {
        lock(&self.platter).hostile = hostile;
    }

    /// Says who is told of direct messages that become durable.
    pub fn set_witness(&mut self, witness: Witness) {
        lock(&self.platter).witness = Some(witness);
    }

    /// Opens it for a life of the node.
    pub fn open(&mut self) -> (Arc<Opened>, Snapshot) {
        let store = lock(&self.platter).store.reopen();
        let snapshot = store.snapshot();
        let opened = Opened {
            platter: Arc::clone(&self.platter),
            store,
            settings: self.settings,
            queue: Arc::new(Mutex::new(Queue {
                waiting: VecDeque::new(),
                flushing: false,
                crashed: false,
                rng: ChaCha8Rng::from_rng(&mut self.rng),
            })),
        };
        self.opened = Some(opened.clone());
        (Arc::new(opened), snapshot)
    }

    /// The machine or the process went down while it was open.
    pub fn crash(&mut self) {
        let Some(opened) = self.opened.take() else { return };
        let mut queue = lock(&opened.queue);
        queue.crashed = true;
        let survive = self.rng.random_range(0..=queue.waiting.len());
        for (batch, _) in queue.waiting.drain(..).take(survive) {
            // Whether it fits or not, nobody is left to be told.
            let _ = lock(&self.platter).commit(batch);
        }
    }

    /// Whether an event is on it.
    pub fn holds(&self, channel: ChannelId, id: EventId) -> bool {
        let (reply, mut answer) = oneshot::channel();
        let request = Request::History { channels: vec![channel], before: Before::Event(id), limit: 0, reply };
        let store = lock(&self.platter).store.reopen();
        // The store in memory answers at once.
        store.submit(request).is_ok() && matches!(answer.try_recv(), Ok(Ok(Some(_))))
    }

    /// The direct messages on it as its user would see them, up to [`MAX_HISTORY_LIMIT`].
    pub fn messages(&self) -> Result<Vec<DirectMessage>, StoreError> {
        let store = lock(&self.platter).store.reopen();
        let filter = DirectFilter { limit: MAX_HISTORY_LIMIT, ..DirectFilter::default() };
        let found = at_once(page::messages(&store, &filter))?;
        Ok(found.unwrap_or_default())
    }

    /// Sealed letters that it keeps for others.
    pub fn kept_for_others(&self) -> usize {
        let store = lock(&self.platter).store.reopen();
        at_once(read_all(&store, Table::Kept)).map_or(0, |letters| letters.len())
    }

    /// A number that is equal for two disks if they hold the same events of a channel, hostile authors left out.
    pub fn digest(&self, channel: ChannelId) -> u64 {
        lock(&self.platter).digests.get(&channel).copied().unwrap_or(0)
    }
}

/// The letter that a change puts there, if it puts one.
fn letter(change: &EntryChange) -> Option<(Place, DirectMessage)> {
    let bytes = change.value.as_ref().filter(|_| change.table == Table::Letters)?;
    let kept: Kept = value(Table::Letters, bytes).ok()?;
    Some((Place::from_key(&change.key)?, page::message(&kept, DirectState::Delivered)?))
}

/// What comes of reading a store in memory, which answers at once.
fn at_once<T>(reading: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    // Not so if the task had to make way for others.
    tokio::task::unconstrained(reading).now_or_never().unwrap_or(Err(StoreError::Closed))
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Queue {
    waiting: VecDeque<(Batch, Reply<()>)>,
    flushing: bool,
    crashed: bool,
    rng: ChaCha8Rng,
}

/// A disk as one life of a node sees it.
#[derive(Clone)]
pub struct Opened {
    platter: Arc<Mutex<Platter>>,
    /// For reads; closed with this life of the node.
    store: MemoryStore,
    settings: scenario::Disk,
    queue: Arc<Mutex<Queue>>,
}

impl Opened {
    fn commit(&self, batch: Batch, reply: Reply<()>) -> Result<(), StoreError> {
        let mut queue = lock(&self.queue);
        if queue.crashed {
            return Err(StoreError::Closed);
        }
        if queue.waiting.len() >= MAX_WAITING {
            return Err(StoreError::Overloaded);
        }
        queue.waiting.push_back((batch, reply));
        if !std::mem::replace(&mut queue.flushing, true) {
            // Not one of the node's own tasks: what has reached the disk is not stopped by the end of the process.
            tokio::spawn(self.clone().flush());
        }
        Ok(())
    }

    /// Flushes until nothing waits.
    async fn flush(self) {
        loop {
            let count = lock(&self.queue).waiting.len();
            tokio::time::sleep(Duration::from_millis(self.settings.sync_ms)).await;
            let mut queue = lock(&self.queue);
            if queue.crashed {
                return;
            }
            for _ in 0..count {
                let Some((batch, reply)) = queue.waiting.pop_front() else { break };
                if self.settings.fail > 0.0 && queue.rng.random_bool(self.settings.fail) {
                    // Whoever asked may have gone.
                    let _ = reply.send(Err(StoreError::DiskFull { free_bytes: 0, reserve_bytes: 1 }));
                } else {
                    let _ = reply.send(lock(&self.platter).commit(batch));
                }
            }
            if queue.waiting.is_empty() {
                queue.flushing = false;
                return;
            }
        }
    }
}

impl Store for Opened {
    fn submit(&self, request: Request) -> Result<(), StoreError> {
        match request {
            Request::Commit { batch, reply } => self.commit(batch, reply),
            read => self.store.submit(read),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(room: &str) -> Batch {
        Batch { rooms: vec![(room.into(), true)], ..Batch::default() }
    }

    fn submit(disk: &Opened, room: &str) -> oneshot::Receiver<Result<(), StoreError>> {
        let (reply, answer) = oneshot::channel();
        disk.submit(Request::Commit { batch: batch(room), reply }).unwrap();
        answer
    }

    fn disk(fail: f64, seed: u8) -> Disk {
        Disk::new(scenario::Disk { sync_ms: 10, fail }, LogId(1), [seed; 32])
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_is_durable_after_the_time_of_a_flush_and_not_before() {
        let mut disk = disk(0.0, 1);
        let start = tokio::time::Instant::now();
        let (opened, _) = disk.open();
        submit(&opened, "a").await.unwrap().unwrap();
        assert_eq!(start.elapsed(), Duration::from_millis(10));
        disk.crash();
        assert_eq!(disk.open().1.rooms, ["a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_crash_keeps_what_was_answered_and_a_beginning_of_the_rest() {
        let mut kept = std::collections::BTreeSet::new();
        for seed in 0..50 {
            let mut disk = disk(0.0, seed);
            let (opened, _) = disk.open();
            submit(&opened, "answered").await.unwrap().unwrap();
            let unanswered = [submit(&opened, "b"), submit(&opened, "c")];
            disk.crash();
            tokio::time::sleep(Duration::from_secs(1)).await;
            for answer in unanswered {
                assert!(answer.await.is_err(), "nobody is told after a crash");
            }
            kept.insert(disk.open().1.rooms);
        }
        let wanted: [&[&str]; 3] = [&["answered"], &["answered", "b"], &["answered", "b", "c"]];
        assert!(kept.iter().map(|rooms| rooms.iter().map(String::as_str).collect::<Vec<_>>()).eq(wanted), "{kept:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_failing_disk_refuses_and_keeps_nothing_of_the_batch() {
        let mut disk = disk(1.0, 1);
        let (opened, _) = disk.open();
        assert!(submit(&opened, "a").await.unwrap().is_err());
        assert!(disk.open().1.rooms.is_empty());
    }
}

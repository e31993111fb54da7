//! The vault of a simulated host: files whose bytes follow from a seed ([`Truth`]), of which it keeps no more than which blocks are there.
//!
//! | a change is | until |
//! |---|---|
//! | waiting | the flush under way, if any, has ended |
//! | being flushed | [`scenario::Disk::sync_ms`] have passed; all that waits is flushed together |
//! | durable, or refused | |
//!
//! A crash cuts them off at a random place, as on the other disk ([`super::disk`]). A block that was written is there for its process at once,
//! and durable after a sync; what was not synced is gone after a crash. Reading takes no time.
//!
//! What comes is checked by its hashes, as in the product's vault. Then its bytes are compared with the true ones, whatever came of the check,
//! and a [`Witness`] is told: so the simulator notices a wrong byte also if the product's check does not.

mod opened;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use node::files::{
    PartialError,
    vault::{Answer, FetchThis, Held, Holding, ShareThis, VaultError},
};
use proto::blob::{BlobId, Blocks, layout::Layout, outline::Outline, path::FileName};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::sync::oneshot;

use crate::{scenario, truth::Truth};

/// Changes that may wait. A node has one under way for each share, and one for each thing that its user asks: more say that something is
/// wrong.
const MAX_WAITING: usize = 256;

/// Something that a vault did with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// It holds what is not the file that it is said to be.
    Mistook,
    /// It took a block, and whether its bytes are right.
    Took(u32, bool),
    /// It refused the bytes of a block, which were wrong, or which were right.
    Refused(u32, bool),
    /// So many bytes became durable.
    Kept(u64),
    /// So many bytes were read for somebody else.
    Gave(u64),
    /// The file is complete, and in its place.
    Finished,
}

/// Is told of what a vault does with each file. It must not ask the vault.
pub type Witness = Box<dyn Fn(BlobId, Deed) + Send>;

/// Whether bytes are those of a block: [`Outline::is_block`], but for tests.
type Check = fn(&Outline, u32, &[u8]) -> bool;

/// What survives the end of a node.
pub struct Shelves {
    shelf: Arc<Mutex<Shelf>>,
    settings: scenario::Disk,
    rng: ChaCha8Rng,
    opened: Option<Opened>,
}

/// All that is held.
struct Shelf {
    truths: Vec<Arc<Truth>>,
    held: BTreeMap<BlobId, Kept>,
    next: u64,
    witness: Witness,
    check: Check,
}

/// One file that is held.
struct Kept {
    /// In the order of these.
    number: u64,
    truth: Arc<Truth>,
    layout: Arc<Layout>,
    name: FileName,
    place: PathBuf,
    added_ms: u64,
    /// What is there, unless all is.
    parts: Option<Parts>,
}

struct Parts {
    have: Blocks,
    /// Written and not synced.
    pending: BTreeSet<u32>,
    paused: bool,
    addresses: Vec<String>,
}

impl Kept {
    fn held(&self) -> Held {
        let holding = match &self.parts {
            None => Holding::InPlace,
            Some(Parts { have, paused, addresses, .. }) => Holding::Parts {
                have: have.clone(),
                wanted: Blocks::all(self.layout.blocks()),
                cut: Blocks::none(self.layout.blocks()),
                paused: *paused,
                addresses: addresses.clone(),
            },
        };
        Held {
            content: self.truth.outline().content(),
            name: self.name.clone(),
            place: self.place.clone(),
            holding,
            layout: Arc::clone(&self.layout),
            selected: None,
            added_ms: self.added_ms,
        }
    }
}

/// What is to be made durable.
enum Change {
    Import(Arc<Truth>, ShareThis),
    Begin(Arc<Truth>, FetchThis),
    Sync(BlobId, Vec<u32>),
    Finish(BlobId),
    Pause(BlobId, bool),
    Forget(BlobId),
}

impl Shelf {
    fn truth(&self, is_it: impl Fn(&Truth) -> bool) -> Option<Arc<Truth>> {
        self.truths.iter().find(|truth| is_it(truth)).map(Arc::clone)
    }

    fn kept(&self, share: BlobId) -> Result<&Kept, VaultError> {
        self.held.get(&share).ok_or(VaultError::Unknown)
    }

    fn parts(&mut self, share: BlobId) -> Result<&mut Parts, VaultError> {
        self.held.get_mut(&share).and_then(|kept| kept.parts.as_mut()).ok_or(VaultError::Unknown)
    }

    /// The share as it is held now, if it is.
    fn apply(&mut self, change: Change) -> Result<Option<Held>, VaultError> {
        match change {
            Change::Import(truth, what) => {
                let (name, place) = (what.name.unwrap_or_else(|| truth.name().clone()), what.path);
                self.put(truth, name, place, what.now_ms, None).map(Some)
            }
            Change::Begin(truth, what) => self.begin(truth, what).map(Some),
            Change::Sync(share, blocks) => self.sync(share, &blocks).map(|()| None),
            Change::Finish(share) => self.finish(share).map(Some),
            Change::Pause(share, paused) => self.parts(share).map(|parts| parts.paused = paused).map(|()| None),
            Change::Forget(share) => self.held.remove(&share).map(|_| None).ok_or(VaultError::Unknown),
        }
    }

    fn put(
        &mut self,
        truth: Arc<Truth>,
        name: FileName,
        place: PathBuf,
        added_ms: u64,
        parts: Option<Parts>,
    ) -> Result<Held, VaultError> {
        let root = truth.root();
        if let Some(Kept { parts: Some(_), place, .. }) = self.held.get(&root) {
            return Err(VaultError::Here(place.display().to_string()));
        }
        self.next += 1;
        let layout = Arc::new(truth.outline().layout().clone());
        let kept = Kept { number: self.next, truth, layout, name, place, added_ms, parts };
        let held = kept.held();
        self.held.insert(root, kept);
        Ok(held)
    }

    fn begin(&mut self, truth: Arc<Truth>, what: FetchThis) -> Result<Held, VaultError> {
        let FetchThis { name, target, addresses, now_ms, .. } = what;
        if let Some(kept) = self.held.get_mut(&truth.root()) {
            let Some(parts) = kept.parts.as_mut().filter(|_| kept.place == target) else {
                return Err(VaultError::Here(kept.place.display().to_string()));
            };
            (parts.paused, parts.addresses) = (false, addresses);
            return Ok(kept.held());
        }
        let have = Blocks::none(truth.outline().layout().blocks());
        let parts = Parts { have, pending: BTreeSet::new(), paused: false, addresses };
        self.put(truth, name, target, now_ms, Some(parts))
    }

    fn sync(&mut self, share: BlobId, blocks: &[u32]) -> Result<(), VaultError> {
        let layout = Arc::clone(&self.kept(share)?.layout);
        let parts = self.parts(share)?;
        if !blocks.iter().all(|block| parts.pending.contains(block) || parts.have.contains(*block)) {
            return Err(VaultError::Unknown);
        }
        let mut bytes = 0;
        for block in blocks {
            parts.pending.remove(block);
            if parts.have.insert(*block) {
                bytes += u64::from(layout.block_len(*block));
            }
        }
        (self.witness)(share, Deed::Kept(bytes));
        Ok(())
    }

    fn finish(&mut self, share: BlobId) -> Result<Held, VaultError> {
        if !self.parts(share)?.have.is_all() {
            return Err(VaultError::Unknown);
        }
        let kept = self.held.get_mut(&share).ok_or(VaultError::Unknown)?;
        kept.parts = None;
        let held = kept.held();
        (self.witness)(share, Deed::Finished);
        Ok(held)
    }

    fn write(&mut self, share: BlobId, block: u32, bytes: &[u8]) -> Result<(), VaultError> {
        let truth = Arc::clone(&self.kept(share)?.truth);
        self.parts(share)?;
        if block >= truth.outline().layout().blocks() {
            return Err(VaultError::Unknown);
        }
        let is_right = truth.block(block) == bytes;
        if !(self.check)(truth.outline(), block, bytes) {
            (self.witness)(share, Deed::Refused(block, is_right));
            return Err(VaultError::Wrong);
        }
        (self.witness)(share, Deed::Took(block, is_right));
        self.parts(share)?.pending.insert(block);
        Ok(())
    }

    fn read(&self, share: BlobId, block: u32) -> Result<Vec<u8>, VaultError> {
        let kept = self.kept(share)?;
        let is_there = match &kept.parts {
            None => block < kept.layout.blocks(),
            Some(parts) => parts.have.contains(block) || parts.pending.contains(&block),
        };
        if !is_there {
            return Err(VaultError::Unknown);
        }
        let bytes = kept.truth.block(block);
        (self.witness)(share, Deed::Gave(bytes.len() as u64));
        Ok(bytes)
    }
}

impl Shelves {
    /// Empty ones, of a host that can come to hold these files.
    pub fn new(truths: Vec<Arc<Truth>>, settings: scenario::Disk, seed: [u8; 32], witness: Witness) -> Self {
        let shelf = Shelf { truths, held: BTreeMap::new(), next: 0, witness, check: Outline::is_block };
        Self { shelf: Arc::new(Mutex::new(shelf)), settings, rng: ChaCha8Rng::from_seed(seed), opened: None }
    }

    /// Opens them for a life of the node.
    pub fn open(&mut self) -> Arc<Opened> {
        let rng = ChaCha8Rng::from_rng(&mut self.rng);
        let queue = Queue { waiting: VecDeque::new(), flushing: false, crashed: false, rng };
        let opened =
            Opened { shelf: Arc::clone(&self.shelf), settings: self.settings, queue: Arc::new(Mutex::new(queue)) };
        self.opened = Some(opened.clone());
        Arc::new(opened)
    }

    /// The machine or the process went down while they were open.
    pub fn crash(&mut self) {
        let Some(opened) = self.opened.take() else { return };
        let mut queue = lock(&opened.queue);
        queue.crashed = true;
        let survive = self.rng.random_range(0..=queue.waiting.len());
        let mut shelf = lock(&self.shelf);
        for (change, _) in queue.waiting.drain(..).take(survive) {
            // Whether it can be done or not, nobody is left to be told.
            let _ = shelf.apply(change);
        }
        shelf.held.values_mut().filter_map(|kept| kept.parts.as_mut()).for_each(|parts| parts.pending.clear());
    }

    /// Whether a file is there, all of it.
    pub fn holds(&self, share: BlobId) -> bool {
        lock(&self.shelf).held.get(&share).is_some_and(|kept| kept.parts.is_none())
    }

    /// Has it take whatever comes.
    #[cfg(test)]
    pub fn believe_all(&self) {
        lock(&self.shelf).check = |_, _, _| true;
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

type Reply = oneshot::Sender<Result<Option<Held>, VaultError>>;

struct Queue {
    waiting: VecDeque<(Change, Reply)>,
    flushing: bool,
    crashed: bool,
    rng: ChaCha8Rng,
}

/// A vault as one life of a node sees it.
#[derive(Clone)]
pub struct Opened {
    shelf: Arc<Mutex<Shelf>>,
    settings: scenario::Disk,
    queue: Arc<Mutex<Queue>>,
}

impl Opened {
    /// Answers at once.
    fn at_once<T: Send + 'static>(&self, ask: impl FnOnce(&mut Shelf) -> Result<T, VaultError>) -> Answer<T> {
        Box::pin(std::future::ready(ask(&mut lock(&self.shelf))))
    }

    /// Answers when the change is durable, or cannot be.
    fn change(&self, change: Result<Change, VaultError>) -> Answer<Option<Held>> {
        let (reply, answer) = oneshot::channel();
        match change {
            Ok(change) => self.queue(change, reply),
            Err(error) => _ = reply.send(Err(error)),
        }
        // Nobody answers after a crash.
        Box::pin(async move { answer.await.unwrap_or(Err(VaultError::Unknown)) })
    }

    fn queue(&self, change: Change, reply: Reply) {
        let mut queue = lock(&self.queue);
        if queue.crashed {
            return;
        }
        if queue.waiting.len() >= MAX_WAITING {
            // Whoever asked may have gone.
            let _ = reply.send(Err(VaultError::TooMany(MAX_WAITING)));
            return;
        }
        queue.waiting.push_back((change, reply));
        if !std::mem::replace(&mut queue.flushing, true) {
            // Not one of the node's own tasks: what has reached the disk is not stopped by the end of the process.
            tokio::spawn(self.clone().flush());
        }
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
                let Some((change, reply)) = queue.waiting.pop_front() else { break };
                let fails = self.settings.fail > 0.0 && queue.rng.random_bool(self.settings.fail);
                let mut shelf = lock(&self.shelf);
                let done = if fails { Err(full(&mut shelf, &change)) } else { shelf.apply(change) };
                drop(shelf);
                // Whoever asked may have gone.
                let _ = reply.send(done);
            }
            if queue.waiting.is_empty() {
                queue.flushing = false;
                return;
            }
        }
    }
}

/// The disk takes no more: what was written since the last time is lost.
fn full(shelf: &mut Shelf, change: &Change) -> VaultError {
    if let Change::Sync(share, _) = change
        && let Ok(parts) = shelf.parts(*share)
    {
        parts.pending.clear();
    }
    PartialError::Full("the simulated disk".into()).into()
}

//! All shares that are held, in memory, each with its locks.
//!
//! | lock | who takes it |
//! |---|---|
//! | `Share::alone` | alone: who begins, imports, finishes, forgets; together with others: who reads, writes, syncs |
//! | `Share::syncing` | who changes which blocks are durable, or whether it pauses |
//! | `Share::open` | who opens it, so that there is one [`Open`] at a time |
//! | `Share::state` | for moments only |
//! | `Core::entering` | who adds a share, until that is durable |
//! | `Core::sweeping` | alone: who looks for garbage; together: who makes what it [claimed](super::garbage::Claims) durable |
//!
//! They are taken in this order, and nothing waits for the network while it holds one.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak},
    time::Duration,
};

use proto::blob::{BlobId, Blocks, layout::Layout, manifest::Content, path::FileName};
use tokio::{runtime::Handle, sync::oneshot};

use super::{
    Held, Holding, VaultError,
    garbage::Claims,
    open::{Cache, Open},
    outlines,
    records::{self, Record, Way},
};
use crate::{
    files::{OpenFiles, Platter, lock},
    store::{
        Batch, Request, Store, StoreError,
        tables::{Entry, EntryChange, Table, read_below, remove},
    },
};

/// Shares that are held, at most; more are refused. All of them are told to those who ask what is shared, and each is made known to others
/// every few hours.
pub const MAX_SHARES: usize = 4_096;

/// Times that the store is asked while it has too much to do.
const STORE_TRIES: u32 = 8;

/// Milliseconds until it is asked again; each time twice as many, so that it is given some 1.3 seconds in all.
const STORE_RETRY_MS: u64 = 10;

/// Bytes of entries after which a change of many pages goes on in another commit.
const COMMIT_BYTES: usize = 1024 * 1024;

/// What a vault consists of. All of it blocks.
pub struct Core {
    pub shares_directory: PathBuf,
    pub store: Arc<dyn Store>,
    pub disk: Arc<dyn Platter>,
    pub files: Arc<OpenFiles>,
    pub cache: Cache,
    pub claims: Claims,
    pub sweeping: RwLock<()>,
    pub entering: Mutex<()>,
    /// `None` until the records were read.
    pub shares: Mutex<Option<BTreeMap<BlobId, Arc<Share>>>>,
}

/// A share that is held, or that somebody asks about.
pub struct Share {
    pub id: BlobId,
    pub alone: RwLock<()>,
    pub syncing: Mutex<()>,
    pub open: Mutex<Option<Arc<Open>>>,
    /// `None` when it is not held.
    pub state: Mutex<Option<State>>,
}

/// What is known of a share.
#[derive(Clone)]
pub struct State {
    /// What is durable of it.
    pub record: Arc<Record>,
    /// If it is held in parts. Missing when its outline is damaged.
    pub parts: Option<Parts>,
    /// As long as somebody has it.
    pub layout: Weak<Layout>,
}

/// The blocks of a share that is held in parts.
#[derive(Clone)]
pub struct Parts {
    /// Those that are durable.
    pub have: Blocks,
    /// Those that were written since.
    pub pending: BTreeSet<u32>,
    /// Those that hold something that is wanted.
    pub wanted: Blocks,
}

impl Share {
    fn new(id: BlobId, state: Option<State>) -> Arc<Self> {
        let (open, state) = (Mutex::default(), Mutex::new(state));
        Arc::new(Self { id, alone: RwLock::default(), syncing: Mutex::default(), open, state })
    }

    /// What is known of it.
    pub fn state(&self) -> MutexGuard<'_, Option<State>> {
        lock(&self.state)
    }

    /// What is durable of it.
    pub fn record(&self) -> Result<Arc<Record>, VaultError> {
        self.state().as_ref().map(|state| Arc::clone(&state.record)).ok_or(VaultError::Unknown)
    }

    /// Does something to its parts.
    pub fn with_parts<T>(&self, run: impl FnOnce(&mut Parts) -> T) -> Result<T, VaultError> {
        let mut state = self.state();
        state.as_mut().and_then(|state| state.parts.as_mut()).map(run).ok_or(VaultError::Unknown)
    }
}

impl Core {
    pub fn new(directory: &Path, store: Arc<dyn Store>, disk: Arc<dyn Platter>) -> Result<Self, VaultError> {
        outlines::private_directory(&directory.join(super::garbage::FILES))?;
        Ok(Self {
            shares_directory: directory.to_owned(),
            store,
            disk,
            files: Arc::new(OpenFiles::new(super::open::MAX_OPEN_FILES)),
            cache: Cache::default(),
            claims: Claims::default(),
            sweeping: RwLock::default(),
            entering: Mutex::default(),
            shares: Mutex::default(),
        })
    }

    /// Does something to the table of shares, which is read from the store before the first time.
    fn with_shares<T>(&self, run: impl FnOnce(&mut BTreeMap<BlobId, Arc<Share>>) -> T) -> Result<T, VaultError> {
        let mut shares = lock(&self.shares);
        let shares = match &mut *shares {
            Some(shares) => shares,
            none => none.insert(self.load()?),
        };
        Ok(run(shares))
    }

    fn load(&self) -> Result<BTreeMap<BlobId, Arc<Share>>, VaultError> {
        let entries = self.entries(Table::Shares, &[])?;
        let records: Vec<Record> = entries.iter().map(records::record).collect::<Result<_, StoreError>>()?;
        let share = |record: Record| {
            let id = record.content.id();
            Ok((id, Share::new(id, Some(self.restore(record)?))))
        };
        records.into_iter().map(share).collect()
    }

    /// All that are held.
    pub fn all(&self) -> Result<Vec<Arc<Share>>, VaultError> {
        self.with_shares(|shares| shares.values().filter(|share| share.state().is_some()).cloned().collect())
    }

    /// A share that is held.
    pub fn find(&self, id: BlobId) -> Result<Arc<Share>, VaultError> {
        self.with_shares(|shares| shares.get(&id).cloned())?.ok_or(VaultError::Unknown)
    }

    /// A share that is held, or is about to be.
    pub fn find_or_add(&self, id: BlobId) -> Result<Arc<Share>, VaultError> {
        self.with_shares(|shares| Arc::clone(shares.entry(id).or_insert_with(|| Share::new(id, None))))
    }

    /// Drops a share that is not held, if nobody else is at it.
    pub fn tidy(&self, share: Arc<Share>) {
        let tidied = self.with_shares(|shares| {
            // One in the table, and the caller's: nobody gets another but from the table.
            if share.state().is_none() && Arc::strong_count(&share) == 2 {
                shares.remove(&share.id);
            }
        });
        // It was read before there was a share to tidy.
        debug_assert!(tidied.is_ok());
    }

    /// Whether there is room for another share, and its number. Call under `entering`.
    pub fn room(&self) -> Result<u64, VaultError> {
        let all = self.all()?;
        if all.len() >= MAX_SHARES {
            return Err(VaultError::TooMany(MAX_SHARES));
        }
        let numbers = all.iter().filter_map(|share| Some(share.state().as_ref()?.record.number));
        Ok(numbers.max().map_or(0, |last| last + 1))
    }

    /// How a share is cut.
    pub fn layout(&self, share: &Share, record: &Record) -> Result<Arc<Layout>, VaultError> {
        if let Some(layout) = share.state().as_ref().and_then(|state| state.layout.upgrade()) {
            return Ok(layout);
        }
        let layout = Arc::new(self.read_layout(record.content)?);
        if let Some(state) = share.state().as_mut() {
            state.layout = Arc::downgrade(&layout);
        }
        Ok(layout)
    }

    fn read_layout(&self, content: Content) -> Result<Layout, VaultError> {
        match outlines::read_manifest(&self.shares_directory, content)? {
            Some((manifest, _)) => Ok(Layout::of_folder(&manifest)),
            None => Layout::new([content.size()]).map_err(|error| VaultError::Partial(error.into())),
        }
    }

    /// What is told of a share.
    pub fn held(&self, share: &Share) -> Result<Held, VaultError> {
        let record = share.record()?;
        let layout = self.layout(share, &record)?;
        let holding = match (&record.changed, &record.way) {
            (Some(file), _) => Holding::Changed { file: file.clone() },
            (None, Way::InPlace) => Holding::InPlace,
            (None, Way::Copied) => Holding::Copied,
            (None, Way::Some(files)) => {
                Holding::Some { have: wanted(&layout, Some(files)), cut: cut(&layout, Some(files)) }
            }
            (None, Way::Parts(fetch)) => {
                let (have, wanted) = share.with_parts(|parts| (parts.have.clone(), parts.wanted.clone()))?;
                let cut = cut(&layout, fetch.selected.as_ref());
                let (paused, addresses) = (fetch.paused, fetch.addresses.clone());
                Holding::Parts { have, wanted, cut, paused, addresses }
            }
        };
        let (name, place): (FileName, PathBuf) = (record.name.clone(), record.place.clone());
        let selected = record.way.selected().cloned();
        Ok(Held { content: record.content, name, place, holding, layout, selected, added_ms: record.added_ms })
    }

    /// Keeps that a file is another than it was.
    pub fn mark_changed(&self, share: &Share, file: &Path) -> VaultError {
        let file = file.display().to_string();
        if let Ok(record) = share.record() {
            let record = Record { changed: Some(file.clone()), ..(*record).clone() };
            // It is noticed again after a restart, at the latest when it is read.
            if let Err(error) = self.commit(vec![records::put_record(&record)]) {
                tracing::warn!("cannot keep that a file was changed: {error}");
            }
            if let Some(state) = share.state().as_mut() {
                state.record = Arc::new(record);
            }
        }
        VaultError::Changed(file)
    }

    /// All entries of a table below a share.
    pub fn entries(&self, table: Table, prefix: &[u8]) -> Result<Vec<Entry>, StoreError> {
        ask(|| read_below(&*self.store, table, prefix))
    }

    /// Removals of all entries of a table below a share.
    pub fn removals(&self, table: Table, share: BlobId) -> Result<Vec<EntryChange>, StoreError> {
        let entries = self.entries(table, &share.0)?;
        Ok(entries.into_iter().map(|(key, _)| remove(table, key)).collect())
    }

    /// Makes a change durable.
    pub fn commit(&self, entries: Vec<EntryChange>) -> Result<(), StoreError> {
        let batch = Batch { entries, ..Batch::default() };
        if batch.is_empty() {
            return Ok(());
        }
        ask(|| async {
            let (reply, answer) = oneshot::channel();
            self.store.submit(Request::Commit { batch: batch.clone(), reply })?;
            answer.await.map_err(|_| StoreError::Closed)?
        })
    }

    /// Makes changes durable that need not be so together.
    pub fn commit_pages(&self, pages: impl IntoIterator<Item = EntryChange>) -> Result<(), StoreError> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        for page in pages {
            bytes += page.key.len() + page.value.as_ref().map_or(0, Vec::len);
            batch.push(page);
            if bytes >= COMMIT_BYTES {
                self.commit(std::mem::take(&mut batch))?;
                bytes = 0;
            }
        }
        self.commit(batch)
    }
}

/// Asks the store, and again if it has too much to do.
fn ask<T, F: Future<Output = Result<T, StoreError>>>(run: impl Fn() -> F) -> Result<T, StoreError> {
    Handle::current().block_on(async {
        for attempt in 1..STORE_TRIES {
            match run().await {
                Err(StoreError::Overloaded) => {
                    tokio::time::sleep(Duration::from_millis(STORE_RETRY_MS << (attempt - 1))).await;
                }
                answer => return answer,
            }
        }
        run().await
    })
}

/// The blocks that hold bytes of these files.
pub fn wanted(layout: &Layout, selected: Option<&Blocks>) -> Blocks {
    match selected {
        None => Blocks::all(layout.blocks()),
        Some(files) => Blocks::of(layout.blocks(), files.iter().flat_map(|file| layout.blocks_of(file))),
    }
}

/// Those of them that also hold bytes of other files.
pub fn cut(layout: &Layout, selected: Option<&Blocks>) -> Blocks {
    let mut cut = Blocks::none(layout.blocks());
    for file in selected.into_iter().flat_map(Blocks::iter) {
        // The blocks between hold a whole chunk each.
        let of_file = layout.blocks_of(file);
        let ends = [of_file.start, of_file.end.saturating_sub(1)];
        for block in ends.into_iter().filter(|block| of_file.contains(block)) {
            if !is_whole(layout, selected, block) {
                cut.insert(block);
            }
        }
    }
    cut
}

/// Whether all bytes of a block are those of these files.
pub fn is_whole(layout: &Layout, selected: Option<&Blocks>, block: u32) -> bool {
    selected.is_none_or(|files| layout.block(block).all(|part| files.contains(part.file)))
}

/// Takes a lock together with others.
pub fn together(lock: &RwLock<()>) -> std::sync::RwLockReadGuard<'_, ()> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

/// Takes a lock alone.
pub fn alone(lock: &RwLock<()>) -> std::sync::RwLockWriteGuard<'_, ()> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

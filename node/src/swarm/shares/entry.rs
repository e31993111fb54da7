//! One share on this node, and all of them.
//!
//! | a share is | when | then |
//! |---|---|---|
//! | asking | the user wants it, and it is not known what is in it | beginning, when the survey is done; failed |
//! | beginning | the vault makes place for it, or is asked how it is held | fetching; failed, if it cannot |
//! | fetching | its blocks come | finishing, when all that is wanted is durable; paused |
//! | paused | the user, or a full disk, has it stand still | fetching |
//! | finishing | the vault puts it in its place; it is asked again after [`DISK_AGAIN_MS`](super::DISK_AGAIN_MS) if it cannot | complete; fetching, when blocks of it are lost |
//! | complete | all that was wanted is here | changed, when a file is found to be another |
//! | changed | its files are not what they were | complete, when they are again |
//! | failed | it cannot be fetched; the user is told why, until it is forgotten or wanted anew | asking; beginning, if the vault holds it |
//! | leaving | the user wants it here no more, and the vault lets go of it | gone; beginning, if the vault cannot |
//!
//! What is asking, or beginning or failed before the vault held it, is not durable: after a restart it is to be wanted again. What is leaving
//! is nothing to anybody: it is not shown, given, told of or fetched. The vault is asked to let go once it has answered all else that it was asked
//! about how the share is held; so no answer can bring back what is gone.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use proto::{
    blob::{BlobId, Blocks, layout::Layout, manifest::Content, path::FileName},
    time::Now,
    transfer::{ByteRate, TransferId, download::MAX_TRANSFERS, survey::Survey},
};

use super::speed::Speed;
use crate::{
    files::{
        Select,
        vault::{self, Held, Holding},
    },
    handle::{Answer, Target},
    model::ShareState,
};

/// Shares that are known at a time: as many as a vault holds, and as many as may be under way.
pub const MAX_SHARES: usize = vault::MAX_SHARES + MAX_TRANSFERS;

/// What is to be fetched, until the vault has made place for it.
pub struct Wish {
    /// Finds out what is in it.
    pub survey: Box<Survey>,
    /// Where it goes.
    pub target: Target,
    /// Which of its files.
    pub select: Select,
    /// Where those who may have it were said to be.
    pub addresses: Vec<String>,
}

/// How far it is.
pub enum Stage {
    /// See the module.
    Asking(Wish),
    /// See the module.
    Beginning,
    /// See the module.
    Fetching,
    /// See the module.
    Paused,
    /// See the module.
    Finishing,
    /// See the module.
    Complete,
    /// See the module.
    Changed,
    /// See the module.
    Failed,
    /// See the module. Who waits for it: calls of the user, of which there are not many at a time.
    Leaving(Vec<Answer<()>>),
}

impl Stage {
    /// Whether its blocks are given to others, and others are told of it.
    pub fn is_served(&self) -> bool {
        matches!(self, Self::Fetching | Self::Paused | Self::Finishing | Self::Complete)
    }

    /// Whether others are needed for it.
    pub fn wants_peers(&self) -> bool {
        matches!(self, Self::Asking(_) | Self::Fetching)
    }
}

/// How a share is cut, and what is here of it.
pub struct Bytes {
    /// How it is cut.
    pub layout: Arc<Layout>,
    /// Which of its files are here or wanted, if not all.
    pub selected: Option<Blocks>,
    /// Which blocks are durable.
    pub have: Blocks,
    /// Which the user wants.
    pub wanted: Blocks,
    /// Those of them that others can have: parts of files that the user does not want are not here.
    pub servable: Blocks,
    /// Bytes of the blocks that are here and wanted.
    pub done_bytes: u64,
    /// Bytes of those that are wanted.
    pub wanted_bytes: u64,
    /// Blocks in the order in which they became durable since the share was opened: others were told of some of them.
    pub came: Vec<u32>,
    /// Blocks that the vault has and that are not durable.
    pub unsynced: Vec<u32>,
    /// Those that are being made durable.
    pub syncing: Option<Vec<u32>>,
}

impl Bytes {
    /// Of a share that is held.
    pub fn of(held: &Held) -> Self {
        let all = || Blocks::all(held.layout.blocks());
        let (have, wanted, servable) = match &held.holding {
            Holding::InPlace | Holding::Copied => (all(), all(), all()),
            Holding::Parts { have, wanted, cut, .. } => (have.clone(), wanted.clone(), all().without(cut)),
            Holding::Some { have, cut } => (have.clone(), have.clone(), all().without(cut)),
            Holding::Changed { .. } => (held.servable(), all(), held.servable()),
        };
        let (layout, selected) = (Arc::clone(&held.layout), held.selected.clone());
        let bytes = |blocks: &Blocks| match (&selected, blocks.is_all()) {
            (None, true) => layout.size(),
            _ => blocks.iter().map(|block| kept_len(&layout, selected.as_ref(), block)).sum(),
        };
        let wanted_bytes = bytes(&wanted);
        let done_bytes = wanted_bytes - bytes(&wanted.without(&have));
        Self {
            selected,
            have,
            wanted,
            servable,
            done_bytes,
            wanted_bytes,
            came: Vec::new(),
            unsynced: Vec::new(),
            syncing: None,
            layout,
        }
    }

    /// Whether others can have this block.
    pub fn gives(&self, block: u32) -> bool {
        self.have.contains(block) && self.servable.contains(block)
    }

    /// The blocks that others can have.
    pub fn given(&self) -> Blocks {
        match self.servable.is_all() {
            true => self.have.clone(),
            false => Blocks::of(self.have.count(), self.have.iter().filter(|block| self.servable.contains(*block))),
        }
    }

    /// A block is here no more; whether it was.
    pub fn lose(&mut self, block: u32) -> bool {
        let was_here = self.have.remove(block);
        if was_here && self.wanted.contains(block) {
            self.done_bytes -= kept_len(&self.layout, self.selected.as_ref(), block);
        }
        was_here
    }

    /// A block is durable.
    pub fn store(&mut self, block: u32) {
        if self.have.insert(block) {
            self.done_bytes += kept_len(&self.layout, self.selected.as_ref(), block);
            if self.servable.contains(block) {
                self.came.push(block);
            }
        }
    }
}

/// Bytes of a block that are those of files that are wanted.
pub fn kept_len(layout: &Layout, selected: Option<&Blocks>, block: u32) -> u64 {
    match selected {
        None => layout.block_len(block).into(),
        Some(files) => {
            layout.block(block).filter(|part| files.contains(part.file)).map(|part| u64::from(part.len)).sum()
        }
    }
}

/// A share on this node.
pub struct Entry {
    /// What names it.
    pub root: BlobId,
    /// What it is, if that is known.
    pub content: Option<Content>,
    /// What it is called here, if that is known.
    pub name: Option<FileName>,
    /// Where it is or will be, if that is known.
    pub place: Option<PathBuf>,
    /// Whether it was copied.
    pub copied: bool,
    /// When it came here, wall-clock milliseconds.
    pub added_ms: u64,
    /// How far it is.
    pub stage: Stage,
    /// Why it is so, if the user may wonder.
    pub reason: Option<String>,
    /// How it is cut and what is here, if that is known.
    pub bytes: Option<Bytes>,
    /// How fast it comes.
    pub down: Speed,
    /// How fast it goes out.
    pub up: Speed,
    /// Bytes that went out.
    pub uploaded_bytes: u64,
    /// The user's limits.
    pub down_limit: ByteRate,
    /// The user's limits.
    pub up_limit: ByteRate,
    /// What the vault was asked about how it is held and did not answer yet.
    pub asked_vault: u32,
    /// What the user selected beside, while the vault makes place for it.
    pub more: Option<Select>,
    /// Whether it could not be read lately, and that was told of.
    pub is_unreadable: bool,
}

impl Entry {
    /// The user begins to wait for it again.
    pub fn resume(&mut self, now: Now) {
        (self.down, self.up) = (Speed::new(now), Speed::new(now));
    }

    fn new(now: Now, root: BlobId, added_ms: u64, stage: Stage) -> Self {
        Self {
            root,
            content: None,
            name: None,
            place: None,
            copied: false,
            added_ms,
            stage,
            reason: None,
            bytes: None,
            down: Speed::new(now),
            up: Speed::new(now),
            uploaded_bytes: 0,
            down_limit: None,
            up_limit: None,
            asked_vault: 0,
            more: None,
            is_unreadable: false,
        }
    }

    /// One that is to be fetched.
    pub fn wish(now: Now, root: BlobId, content: Option<Content>, name: Option<FileName>, wish: Wish) -> Self {
        Self { content, name, ..Self::new(now, root, now.wall_ms, Stage::Asking(wish)) }
    }

    /// One that the vault holds.
    pub fn held(now: Now, held: &Held) -> Self {
        let mut entry = Self::new(now, held.content.id(), held.added_ms, Stage::Complete);
        entry.take(held);
        entry
    }

    /// As users are told; nothing, if it is leaving.
    pub fn state(&self) -> Option<ShareState> {
        Some(match &self.stage {
            // Something of it is here.
            Stage::Beginning if self.bytes.is_some() => ShareState::Fetching,
            Stage::Asking(_) | Stage::Beginning => ShareState::Asking,
            Stage::Fetching => ShareState::Fetching,
            Stage::Paused => ShareState::Paused,
            Stage::Finishing => ShareState::Finishing,
            Stage::Complete => ShareState::Complete,
            Stage::Changed => ShareState::Changed,
            Stage::Failed => ShareState::Failed,
            Stage::Leaving(_) => return None,
        })
    }

    /// Whether the user wants it here no more.
    pub fn is_leaving(&self) -> bool {
        matches!(self.stage, Stage::Leaving(_))
    }

    /// It is now held like this.
    pub fn take(&mut self, held: &Held) {
        self.content = Some(held.content);
        self.name = Some(held.name.clone());
        self.place = Some(held.place.clone());
        self.copied = held.holding == Holding::Copied;
        self.reason = None;
        let bytes = Bytes::of(held);
        self.stage = match &held.holding {
            Holding::InPlace | Holding::Copied | Holding::Some { .. } => Stage::Complete,
            Holding::Parts { paused: true, .. } => Stage::Paused,
            Holding::Parts { .. } => Stage::Fetching,
            Holding::Changed { file } => {
                self.reason = Some(format!("'{file}' was changed since it was shared; share it again"));
                Stage::Changed
            }
        };
        let (came, syncing) = match self.bytes.take() {
            // Others were told of what came before. What is being made durable now is not known to stay: it is fetched again.
            Some(before) => (before.came, before.syncing.map(|_| Vec::new())),
            None => (Vec::new(), None),
        };
        self.bytes = Some(Bytes { came, syncing, ..bytes });
    }
}

/// All shares.
#[derive(Default)]
pub struct Table {
    entries: BTreeMap<TransferId, Entry>,
    by_root: BTreeMap<BlobId, TransferId>,
    next: u64,
}

impl Table {
    /// Whether there is room for another.
    pub fn has_room(&self) -> bool {
        self.entries.len() < MAX_SHARES
    }

    /// Puts one in; replaces that of the same root, which keeps its number.
    pub fn insert(&mut self, entry: Entry) -> TransferId {
        let root = entry.root;
        let id = *self.by_root.entry(root).or_insert_with(|| {
            self.next += 1;
            TransferId(self.next)
        });
        self.entries.insert(id, entry);
        id
    }

    /// Takes one out.
    pub fn remove(&mut self, id: TransferId) -> Option<Entry> {
        let entry = self.entries.remove(&id)?;
        self.by_root.remove(&entry.root);
        Some(entry)
    }

    /// The number of a share.
    pub fn id(&self, root: &BlobId) -> Option<TransferId> {
        self.by_root.get(root).copied()
    }

    /// One share.
    pub fn get(&self, id: TransferId) -> Option<&Entry> {
        self.entries.get(&id)
    }

    /// One share.
    pub fn get_mut(&mut self, id: TransferId) -> Option<&mut Entry> {
        self.entries.get_mut(&id)
    }

    /// All, in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = (TransferId, &Entry)> {
        self.entries.iter().map(|(id, entry)| (*id, entry))
    }
}

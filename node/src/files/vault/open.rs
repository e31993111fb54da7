//! Shares whose outlines are in memory.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use proto::blob::{
    BlobId, Blocks,
    layer::Layer,
    manifest::{Content, Node},
    outline::Outline,
};
use rustix::fs::OFlags;

use super::{
    VaultError, garbage, outlines,
    records::{self, Record, Way},
    shelf::{Core, Share},
};
use crate::{
    files::{Partial, Shape, Stamp, lock},
    store::tables::Table,
};

/// Files that are open at a time, of all shares together. A process has 1,024 descriptors by default, and connections need most of them.
pub const MAX_OPEN_FILES: usize = 128;

/// Shares whose outlines are in memory at a time; of more, those that were used longest ago are dropped, unless they are in use.
pub const MAX_OPEN_SHARES: usize = 16;

/// Bytes of their outlines, as far as is known: the same holds.
pub const MAX_OPEN_BYTES: usize = 64 * 1024 * 1024;

/// Bytes that a file takes in memory beside its hashes, about: its path, once more with the place of the share, its entry, its layer.
const FILE_BYTES: usize = 400;

/// A share whose outline is in memory.
pub struct Open {
    pub outline: Arc<Outline>,
    /// The hashes of the manifest's chunks.
    pub manifest_layer: Option<Layer>,
    /// Of each file, its place in the manifest's entries.
    entries: Vec<u32>,
    /// Under which stamps its files were hashed, if it is in place.
    pub stamps: Vec<Option<Stamp>>,
    /// If it is held in parts.
    pub partial: Option<Partial>,
    bytes: usize,
}

impl Open {
    /// A share that was read or made now.
    pub fn new(
        outline: Arc<Outline>,
        manifest_layer: Option<Layer>,
        stamps: Vec<Option<Stamp>>,
        partial: Option<Partial>,
    ) -> Self {
        let entries: Vec<u32> = outline.manifest().map_or(Vec::new(), |manifest| {
            let entries = (0..).zip(manifest.entries());
            entries.filter(|(_, entry)| matches!(entry.node, Node::File(_))).map(|(at, _)| at).collect()
        });
        let hashes: usize = outline.layers().iter().map(|layer| size_of_val(layer.hashes())).sum();
        let bytes = hashes + outline.layers().len() * FILE_BYTES;
        Self { outline, manifest_layer, entries, stamps, partial, bytes }
    }

    /// Where a file is, if it is there as the user has it, or copied.
    pub fn place(&self, shares: &Path, record: &Record, file: u32) -> Option<PathBuf> {
        let found = match self.outline.manifest() {
            None => (file == 0).then(|| (record.place.clone(), record.content.id())),
            Some(manifest) => {
                let entry = manifest.entries().get(*self.entries.get(file as usize)? as usize)?;
                let Node::File(found) = &entry.node else { return None };
                Some((record.place.join(entry.path.as_str()), found.root))
            }
        };
        let (place, root) = found?;
        Some(if record.way == Way::Copied { garbage::file_place(shares, root) } else { place })
    }

    fn is_idle(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) == 1 && !self.partial.as_ref().is_some_and(Partial::is_unsynced)
    }
}

/// Opens a file to be read. What took its place since may be a pipe, which must not hold us up.
pub fn open_file(place: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(place)
}

/// Which shares are open, the one that was used last at the end.
#[derive(Default)]
pub struct Cache(Mutex<Vec<(Arc<Share>, usize)>>);

impl Cache {
    /// Notes that a share was used, and drops others if there is no room for all.
    fn used(&self, share: &Arc<Share>, bytes: usize) {
        let mut shares = lock(&self.0);
        shares.retain(|(open, _)| open.id != share.id);
        shares.push((Arc::clone(share), bytes));
        let mut at = 0;
        while shares.len() > MAX_OPEN_SHARES || shares.iter().map(|(_, bytes)| bytes).sum::<usize>() > MAX_OPEN_BYTES {
            // The last one is in use.
            if at + 1 >= shares.len() {
                return;
            }
            // Who opens it holds this lock, and waits for ours.
            let open = shares[at].0.open.try_lock();
            let dropped = open.is_ok_and(|mut open| {
                let idle = open.as_ref().is_none_or(Open::is_idle);
                if idle {
                    *open = None;
                }
                idle
            });
            if dropped { drop(shares.remove(at)) } else { at += 1 }
        }
    }

    fn forget(&self, share: BlobId) {
        lock(&self.0).retain(|(open, _)| open.id != share);
    }

    /// How many are open.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        lock(&self.0).len()
    }
}

impl Core {
    /// The outline and files of a share.
    pub fn open(&self, share: &Arc<Share>, record: &Record) -> Result<Arc<Open>, VaultError> {
        let mut open = lock(&share.open);
        let found = match &*open {
            Some(open) => Arc::clone(open),
            None => {
                let found = Arc::new(self.read_open(record)?);
                *open = Some(Arc::clone(&found));
                found
            }
        };
        self.cache.used(share, found.bytes);
        Ok(found)
    }

    /// Opens a share with what is at hand. Nobody else may be at it.
    pub fn open_with(&self, share: &Arc<Share>, opened: Open) {
        self.files.close(share.id);
        let opened = Arc::new(opened);
        *lock(&share.open) = Some(Arc::clone(&opened));
        self.cache.used(share, opened.bytes);
    }

    /// Closes a share. Nobody else may be at it.
    pub fn close(&self, share: &Share) {
        self.files.close(share.id);
        *lock(&share.open) = None;
        self.cache.forget(share.id);
    }

    fn read_open(&self, record: &Record) -> Result<Open, VaultError> {
        let (outline, manifest_layer) = outlines::read(&self.shares_directory, record.content)?;
        let partial = match &record.way {
            Way::Parts(fetch) => {
                let partial = self.partial(&record.place, &outline, fetch.selected.as_ref())?;
                partial.make()?;
                Some(partial)
            }
            Way::InPlace | Way::Copied | Way::Some(_) => None,
        };
        let stamps = match &record.way {
            Way::InPlace | Way::Some(_) => {
                let pages = self.entries(Table::Stamps, &record.content.id().0)?;
                records::stamps(&pages, outline.layers().len())?
            }
            Way::Copied | Way::Parts(_) => Vec::new(),
        };
        Ok(Open::new(Arc::new(outline), manifest_layer, stamps, partial))
    }

    /// What is fetched of a share, without touching it.
    pub fn partial(&self, target: &Path, outline: &Outline, selected: Option<&Blocks>) -> Result<Partial, VaultError> {
        let content = outline.content();
        let shape = match (outline.manifest(), content) {
            (Some(manifest), _) => Shape::Folder(manifest),
            (None, Content::File { size, .. } | Content::Folder { size, .. }) => Shape::File(size),
        };
        let selected = selected.map(|files| files.iter().collect());
        let partial = Partial::at(target, content.id(), shape, selected)?;
        Ok(partial.with(Arc::clone(&self.files), Arc::clone(&self.disk)))
    }
}

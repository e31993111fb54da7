//! What this node has of shares, durable.
//!
//! Whoever decides what is shared and fetched never touches a file: it asks a [`Vault`], and is answered when that is done. So the
//! simulator can put one of its own behind the same trait.
//!
//! | a share is held | its bytes are | how it comes to be |
//! |---|---|---|
//! | in place | where the user has them | [`Vault::import`] |
//! | copied | in the vault's own files, one for each different file | [`Vault::import`] with `copy` |
//! | in parts | in a [`super::Partial`] | [`Vault::begin`]; ends with [`Vault::finish`], after which it is held in place, or in some |
//! | in some | where the user has them, but only some of its files | [`Vault::finish`], when not all were selected |
//!
//! A share that is held has its [`Outline`] in the vault: what is in it, and the hashes of all chunks. Before anything is told to be
//! durable, it is: bytes first, then what the store keeps of them. A vault that is killed at any moment is, when it is opened again, what it
//! was before a change or after.
//!
//! A block may hold bytes of several small files. If some of these are not wanted, only the others' bytes are kept. Such a block is wanted, and
//! had, like all others, but cannot be read again: it is *cut*, and not to be offered to anybody ([`Held::servable`]).
//!
//! | file | owns |
//! |---|---|
//! | `disk` | [`DiskVault`]: the trait, on threads that may block |
//! | `shelf` | all shares in memory, and their locks |
//! | `records` | what the store keeps of them |
//! | `outlines` | what the disk keeps of them |
//! | `open` | outlines that are in memory |
//! | `importing` | shares that the user has |
//! | `fetching` | shares that are fetched |
//! | `reading` | bytes and hashes for peers |
//! | `garbage` | copied files, and what nothing needs |
//!
//! | bound | why |
//! |---|---|
//! | [`MAX_SHARES`] | all are told to who asks; more are refused |
//! | [`MAX_OPEN_SHARES`], [`MAX_OPEN_BYTES`] of outlines in memory | the least recently used are read again; what is in use stays |
//! | [`MAX_OPEN_FILES`] | descriptors |
//! | [`MAX_ADDRESSES`] of who has a share | the last ones said are kept |

mod disk;
mod fetching;
mod garbage;
mod importing;
mod open;
mod outlines;
mod reading;
mod records;
mod shelf;
#[cfg(test)]
mod tests;

pub use disk::DiskVault;
pub use open::{MAX_OPEN_BYTES, MAX_OPEN_FILES, MAX_OPEN_SHARES};
pub use records::MAX_ADDRESSES;
pub use shelf::MAX_SHARES;

use std::{path::PathBuf, sync::Arc};

use futures::future::BoxFuture;
use globset::GlobSet;
use proto::{
    blob::{
        BlobId, Blocks,
        layer::{LayerPart, LayerRange},
        layout::Layout,
        manifest::{Content, InvalidManifest, Manifest},
        outline::Outline,
        path::FileName,
    },
    transfer::message::Tree,
};

use super::{ImportError, PartialError, Progress, Symlinks};
use crate::store::StoreError;

/// What comes of asking a vault.
pub type Answer<T> = BoxFuture<'static, Result<T, VaultError>>;

/// Why a vault could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// It cannot be shared. The user's to mend.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// What is fetched cannot be kept. [`PartialError`] says whose fault that is.
    #[error(transparent)]
    Partial(#[from] PartialError),
    /// There is no such share, or no such part of it.
    #[error("there is no such share here")]
    Unknown,
    /// A file is not what it was when it was shared.
    #[error("'{0}' was changed since it was shared; share it again")]
    Changed(String),
    /// A block of a share in parts is not what was written, and not there any more. It is to be fetched again.
    #[error("'{0}' is not what was written to it; what is lost is fetched again")]
    Lost(String),
    /// These bytes are not those of the block. The sender's fault.
    #[error("bytes that are not those of the block")]
    Wrong,
    /// No file of it is as the user wants it. The user's to mend.
    #[error("no file of it is selected; among those in it: {0}")]
    NothingSelected(
        /// Some of its paths.
        String,
    ),
    /// As many shares are held as can be.
    #[error("{0} shares are held, which is the most there can be; unshare some")]
    TooMany(usize),
    /// The share is here already, in another way than what was asked for.
    #[error("it is here already: {0}")]
    Here(String),
    /// The disk says no.
    #[error("cannot read or write '{path}': {error}")]
    Io {
        /// Where.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// The store says no.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How the bytes of a share are held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holding {
    /// Where the user has them.
    InPlace,
    /// In the vault's own files.
    Copied,
    /// In parts, on the way to where the user wants them.
    Parts {
        /// Which are durable.
        have: Blocks,
        /// Which hold something that the user wants.
        wanted: Blocks,
        /// Which of these also hold bytes of files that the user does not want, which are not kept: they cannot be read.
        cut: Blocks,
        /// Whether the user wants it to pause.
        paused: bool,
        /// Where those who may have it were said to be: multiaddrs with peer ids.
        addresses: Vec<String>,
    },
    /// Where the user has them, but only some of the files.
    Some {
        /// Blocks with bytes of these files.
        have: Blocks,
        /// Which of these also hold bytes of files that are not here: they cannot be read.
        cut: Blocks,
    },
    /// Where the user has them, but not what they were: nothing of it is served. Also a share whose outline in the vault is damaged; it then
    /// has an empty layout.
    Changed {
        /// Which file is another than it was.
        file: String,
    },
}

/// A share that is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// What it is.
    pub content: Content,
    /// What it is called.
    pub name: FileName,
    /// Where it is, or will be.
    pub place: PathBuf,
    /// How.
    pub holding: Holding,
    /// How it is cut.
    pub layout: Arc<Layout>,
    /// Which of its files are here or wanted, if not all.
    pub selected: Option<Blocks>,
    /// When it came here, wall-clock milliseconds.
    pub added_ms: u64,
}

impl Held {
    /// The blocks that can be read, and offered to others.
    pub fn servable(&self) -> Blocks {
        match &self.holding {
            Holding::InPlace | Holding::Copied => Blocks::all(self.layout.blocks()),
            Holding::Parts { have, cut, .. } | Holding::Some { have, cut } => have.without(cut),
            Holding::Changed { .. } => Blocks::none(self.layout.blocks()),
        }
    }
}

/// What to share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareThis {
    /// A file or a folder, absolute.
    pub path: PathBuf,
    /// What to call it, if not as it is called there.
    pub name: Option<FileName>,
    /// Whether to copy it into the vault, so that it can be changed or deleted where it is.
    pub copy: bool,
    /// What to do about symbolic links in it.
    pub symlinks: Symlinks,
    /// When this is asked, wall-clock milliseconds.
    pub now_ms: u64,
}

/// Where a share that is fetched is to be put.
#[derive(Debug, Clone)]
pub struct FetchThis {
    /// What it is called.
    pub name: FileName,
    /// Where it will be, absolute. Nothing may be there.
    pub target: PathBuf,
    /// Which of its files, if it is a folder: those whose path fits; all, if this is empty.
    pub select: GlobSet,
    /// Where those who may have it were said to be.
    pub addresses: Vec<String>,
    /// When this is asked, wall-clock milliseconds.
    pub now_ms: u64,
}

/// How much is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Bytes of copied files.
    pub copied_bytes: u64,
    /// Bytes of what is not complete.
    pub partial_bytes: u64,
    /// Bytes of outlines.
    pub outline_bytes: u64,
    /// Bytes in files that nothing needs: what [`Vault::collect_garbage`] removes.
    pub garbage_bytes: u64,
}

/// Keeps shares. Every answer comes once what it says is durable; dropping one does not undo what it is about.
///
/// A share that is not held is [`VaultError::Unknown`] in every answer about it. So is what is asked of a share that is not held in that way:
/// writing, syncing, finishing and pausing need one in parts.
pub trait Vault: Send + Sync + 'static {
    /// All that is held, in the order in which it came.
    fn list(&self) -> Answer<Vec<Held>>;

    /// How one share is held now.
    fn held(&self, share: BlobId) -> Answer<Held>;

    /// Looks at a path, hashes all of it, and holds it. What is held already, whole, is hashed anew and held as this says. What is
    /// held in parts is [`VaultError::Here`].
    fn import(&self, what: ShareThis, progress: Arc<Progress>) -> Answer<Held>;

    /// Begins to hold a share in parts; goes on with what is there of it, if it was begun before with the same target. Files that are
    /// selected then are wanted beside those of before, it pauses no more, and blocks whose files are gone are not there any more. With
    /// another target, or when it is held otherwise, it is [`VaultError::Here`]. If no file is selected, it is
    /// [`VaultError::NothingSelected`].
    fn begin(&self, outline: Arc<Outline>, what: FetchThis) -> Answer<Held>;

    /// Reads the bytes of a manifest, which takes up to a second: not on the task of whoever asks. The bytes are right; they need not be
    /// a manifest.
    fn read_manifest(&self, bytes: Vec<u8>) -> BoxFuture<'static, Result<Manifest, InvalidManifest>>;

    /// The outline of a share. Large: not to be kept for long.
    fn outline(&self, share: BlobId) -> Answer<Arc<Outline>>;

    /// Part of a layer of a share, for a peer. [`VaultError::Unknown`] if it has no such part.
    fn layer(&self, share: BlobId, of: Tree, range: LayerRange) -> Answer<LayerPart>;

    /// A chunk of the manifest of a share, for a peer.
    fn manifest_chunk(&self, share: BlobId, chunk: u32) -> Answer<Vec<u8>>;

    /// The bytes of a block that is here, right ones: what was changed since is [`VaultError::Changed`], and the share is held as
    /// [`Holding::Changed`] from then on. Of a share in parts, the block alone is [`VaultError::Lost`]. One that is not in [`Held::servable`]
    /// is [`VaultError::Unknown`].
    fn read(&self, share: BlobId, block: u32) -> Answer<Vec<u8>>;

    /// Checks the bytes of a block, and puts them in their place. They are durable after [`Vault::sync`].
    fn write(&self, share: BlobId, block: u32, bytes: Vec<u8>) -> Answer<()>;

    /// Has all that was written before outlive a power cut, and remembers that these blocks are there. [`VaultError::Unknown`] if one of
    /// them was not written; then nothing is done. After [`VaultError::Partial`], what was written since the last time is lost and to be
    /// written again.
    fn sync(&self, share: BlobId, blocks: Vec<u32>) -> Answer<()>;

    /// All that is wanted was synced: puts it in its place. [`VaultError::Unknown`] if something was not. If files are gone, it fails, and
    /// their blocks are not there any more: see [`Vault::held`].
    fn finish(&self, share: BlobId) -> Answer<Held>;

    /// Notes whether the user wants a share that is held in parts to pause.
    fn pause(&self, share: BlobId, paused: bool) -> Answer<()>;

    /// Holds a share no more. What is not complete is removed; what the user has is left alone. Copied files are garbage then, and so is an
    /// outline that cannot be removed.
    fn forget(&self, share: BlobId) -> Answer<()>;

    /// Hashes all of a share anew: holds it as [`Holding::Changed`] if it is not what it was, and as before if it is again. Of a share in
    /// parts, blocks that are not what they were are gone, and to be fetched again.
    fn verify(&self, share: BlobId, progress: Arc<Progress>) -> Answer<Held>;

    /// How much is held.
    fn usage(&self) -> Answer<Usage>;

    /// Removes files that nothing needs; how many bytes that were.
    fn collect_garbage(&self) -> Answer<u64>;
}

/// A vault of a node that shares and fetches nothing: what is asked for is not there, and there is place for nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoVault;

impl NoVault {
    fn unknown<T: Send + 'static>() -> Answer<T> {
        Box::pin(std::future::ready(Err(VaultError::Unknown)))
    }

    fn done<T: Send + 'static>(value: T) -> Answer<T> {
        Box::pin(std::future::ready(Ok(value)))
    }
}

impl Vault for NoVault {
    fn list(&self) -> Answer<Vec<Held>> {
        Self::done(Vec::new())
    }

    fn held(&self, _: BlobId) -> Answer<Held> {
        Self::unknown()
    }

    fn import(&self, _: ShareThis, _: Arc<Progress>) -> Answer<Held> {
        Box::pin(std::future::ready(Err(VaultError::TooMany(0))))
    }

    fn begin(&self, _: Arc<Outline>, _: FetchThis) -> Answer<Held> {
        Box::pin(std::future::ready(Err(VaultError::TooMany(0))))
    }

    fn read_manifest(&self, bytes: Vec<u8>) -> BoxFuture<'static, Result<Manifest, InvalidManifest>> {
        disk::read_manifest(bytes)
    }

    fn outline(&self, _: BlobId) -> Answer<Arc<Outline>> {
        Self::unknown()
    }

    fn layer(&self, _: BlobId, _: Tree, _: LayerRange) -> Answer<LayerPart> {
        Self::unknown()
    }

    fn manifest_chunk(&self, _: BlobId, _: u32) -> Answer<Vec<u8>> {
        Self::unknown()
    }

    fn read(&self, _: BlobId, _: u32) -> Answer<Vec<u8>> {
        Self::unknown()
    }

    fn write(&self, _: BlobId, _: u32, _: Vec<u8>) -> Answer<()> {
        Self::unknown()
    }

    fn sync(&self, _: BlobId, _: Vec<u32>) -> Answer<()> {
        Self::unknown()
    }

    fn finish(&self, _: BlobId) -> Answer<Held> {
        Self::unknown()
    }

    fn pause(&self, _: BlobId, _: bool) -> Answer<()> {
        Self::unknown()
    }

    fn forget(&self, _: BlobId) -> Answer<()> {
        Self::unknown()
    }

    fn verify(&self, _: BlobId, _: Arc<Progress>) -> Answer<Held> {
        Self::unknown()
    }

    fn usage(&self) -> Answer<Usage> {
        Self::done(Usage::default())
    }

    fn collect_garbage(&self) -> Answer<u64> {
        Self::done(0)
    }
}

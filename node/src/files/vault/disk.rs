//! The vault on this machine's disk.

use std::{path::Path, sync::Arc};

use futures::{FutureExt, future::BoxFuture};
use proto::{
    blob::{
        BlobId,
        layer::{LayerPart, LayerRange},
        manifest::{InvalidManifest, Manifest},
        outline::Outline,
    },
    transfer::message::Tree,
};

use super::{
    Answer, FetchThis, Held, Holding, ShareThis, Usage, Vault, VaultError, outlines,
    shelf::{Core, Share, together},
};
use crate::{
    files::{Platter, Progress, RealPlatter},
    store::{Store, StoreError},
};

/// Keeps shares in a directory and a store. What it is asked begins at once, on threads that may block, and ends whether or not anybody
/// waits for the answer. It is to be asked within a tokio runtime.
#[derive(Clone)]
pub struct DiskVault(Arc<Core>);

impl DiskVault {
    /// Opens a vault in this directory, which is made if it is not there. Only one at a time may be open.
    ///
    /// # Errors
    /// [`VaultError::Io`].
    pub fn open(directory: &Path, store: Arc<dyn Store>) -> Result<Self, VaultError> {
        Self::open_on(directory, store, Arc::new(RealPlatter::default()))
    }

    /// The same, with another disk under what is fetched.
    ///
    /// # Errors
    /// [`VaultError::Io`].
    pub fn open_on(directory: &Path, store: Arc<dyn Store>, disk: Arc<dyn Platter>) -> Result<Self, VaultError> {
        Core::new(directory, store, disk).map(|core| Self(Arc::new(core)))
    }

    /// How many shares are in memory.
    #[cfg(test)]
    pub(super) fn open_shares(&self) -> usize {
        self.0.cache.len()
    }

    fn run<T: Send + 'static>(&self, run: impl FnOnce(&Core) -> Result<T, VaultError> + Send + 'static) -> Answer<T> {
        let core = Arc::clone(&self.0);
        let task = tokio::task::spawn_blocking(move || run(&core));
        async move {
            match task.await {
                Ok(answer) => answer,
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                // The runtime is shutting down.
                Err(_) => Err(StoreError::Closed.into()),
            }
        }
        .boxed()
    }
}

/// Reads a manifest on a thread of its own.
pub fn read_manifest(bytes: Vec<u8>) -> BoxFuture<'static, Result<Manifest, InvalidManifest>> {
    let task = tokio::task::spawn_blocking(move || Manifest::decode(&bytes));
    async move {
        match task.await {
            Ok(manifest) => manifest,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // The runtime is shutting down: nobody waits for it any more.
            Err(_) => std::future::pending().await,
        }
    }
    .boxed()
}

impl Vault for DiskVault {
    fn list(&self) -> Answer<Vec<Held>> {
        self.run(Core::list)
    }

    fn held(&self, share: BlobId) -> Answer<Held> {
        self.run(move |core| core.held_now(share))
    }

    fn import(&self, what: ShareThis, progress: Arc<Progress>) -> Answer<Held> {
        self.run(move |core| core.import(what, &progress))
    }

    fn begin(&self, outline: Arc<Outline>, what: FetchThis) -> Answer<Held> {
        self.run(move |core| core.begin(outline, what))
    }

    fn read_manifest(&self, bytes: Vec<u8>) -> BoxFuture<'static, Result<Manifest, InvalidManifest>> {
        read_manifest(bytes)
    }

    fn outline(&self, share: BlobId) -> Answer<Arc<Outline>> {
        self.run(move |core| core.outline(share))
    }

    fn layer(&self, share: BlobId, of: Tree, range: LayerRange) -> Answer<LayerPart> {
        self.run(move |core| core.layer(share, of, range))
    }

    fn manifest_chunk(&self, share: BlobId, chunk: u32) -> Answer<Vec<u8>> {
        self.run(move |core| core.manifest_chunk(share, chunk))
    }

    fn read(&self, share: BlobId, block: u32) -> Answer<Vec<u8>> {
        self.run(move |core| core.read(share, block))
    }

    fn write(&self, share: BlobId, block: u32, bytes: Vec<u8>) -> Answer<()> {
        self.run(move |core| core.write(share, block, &bytes))
    }

    fn sync(&self, share: BlobId, blocks: Vec<u32>) -> Answer<()> {
        self.run(move |core| core.sync(share, &blocks))
    }

    fn finish(&self, share: BlobId) -> Answer<Held> {
        self.run(move |core| core.finish(share))
    }

    fn pause(&self, share: BlobId, paused: bool) -> Answer<()> {
        self.run(move |core| core.pause(share, paused))
    }

    fn forget(&self, share: BlobId) -> Answer<()> {
        self.run(move |core| core.forget(share))
    }

    fn verify(&self, share: BlobId, progress: Arc<Progress>) -> Answer<Held> {
        self.run(move |core| core.verify(share, &progress))
    }

    fn usage(&self) -> Answer<Usage> {
        self.run(Core::usage)
    }

    fn collect_garbage(&self) -> Answer<u64> {
        self.run(Core::collect_garbage)
    }
}

impl Core {
    /// See [`Vault::list`].
    fn list(&self) -> Result<Vec<Held>, VaultError> {
        let mut all = Vec::new();
        for share in self.all()? {
            // Forgotten in the meantime.
            let Ok(record) = share.record() else { continue };
            match self.held_or_damaged(&share) {
                Ok(held) => all.push((record.number, held)),
                Err(_) if share.state().is_none() => {}
                Err(error) => return Err(error),
            }
        }
        all.sort_by_key(|(number, _)| *number);
        Ok(all.into_iter().map(|(_, held)| held).collect())
    }

    /// See [`Vault::held`].
    fn held_now(&self, id: BlobId) -> Result<Held, VaultError> {
        let share = self.find(id)?;
        let _together = together(&share.alone);
        self.held_or_damaged(&share)
    }

    fn held_or_damaged(&self, share: &Share) -> Result<Held, VaultError> {
        let record = share.record()?;
        self.held(share).or_else(|error| self.held_damaged(&record, error))
    }

    /// What is told of a share whose outline is damaged: as much as is known, so that the user can forget it.
    fn held_damaged(&self, record: &super::records::Record, error: VaultError) -> Result<Held, VaultError> {
        let (VaultError::Io { .. } | VaultError::Unknown) = error else { return Err(error) };
        let layout = proto::blob::layout::Layout::new([]).map_err(|_| error)?;
        let file = outlines::directory(&self.shares_directory, record.content.id()).display().to_string();
        Ok(Held {
            content: record.content,
            name: record.name.clone(),
            place: record.place.clone(),
            holding: Holding::Changed { file },
            layout: Arc::new(layout),
            selected: None,
            added_ms: record.added_ms,
        })
    }
}

//! What a node asks of the vault, and what the shelf says to it.

use std::sync::Arc;

use futures::future::BoxFuture;
use node::files::{
    Progress,
    vault::{Answer, FetchThis, Held, ShareThis, Usage, Vault, VaultError},
};
use proto::{
    blob::{
        BlobId,
        layer::{LayerPart, LayerRange},
        manifest::{InvalidManifest, Manifest},
        outline::Outline,
    },
    transfer::message::Tree,
};

use super::{Change, Deed, Kept, Opened, lock};

/// A share as it is held now.
async fn held(answer: Answer<Option<Held>>) -> Result<Held, VaultError> {
    answer.await?.ok_or(VaultError::Unknown)
}

/// Nothing but that it is done.
async fn done(answer: Answer<Option<Held>>) -> Result<(), VaultError> {
    answer.await.map(drop)
}

impl Vault for Opened {
    fn list(&self) -> Answer<Vec<Held>> {
        self.at_once(|shelf| {
            let mut all: Vec<&Kept> = shelf.held.values().collect();
            all.sort_unstable_by_key(|kept| kept.number);
            Ok(all.into_iter().map(Kept::held).collect())
        })
    }

    fn held(&self, share: BlobId) -> Answer<Held> {
        self.at_once(|shelf| shelf.kept(share).map(Kept::held))
    }

    fn import(&self, what: ShareThis, _: Arc<Progress>) -> Answer<Held> {
        let truth = lock(&self.shelf).truth(|truth| truth.path() == what.path);
        let path = what.path.display().to_string();
        let change = match truth {
            Some(truth) => Ok(Change::Import(truth, what)),
            None => Err(VaultError::Io { path, error: std::io::ErrorKind::NotFound.into() }),
        };
        Box::pin(held(self.change(change)))
    }

    fn begin(&self, outline: Arc<Outline>, what: FetchThis) -> Answer<Held> {
        let shelf = lock(&self.shelf);
        let root = outline.content().id();
        // Nobody here wants anything else.
        let change = shelf.truth(|truth| truth.root() == root).ok_or(VaultError::Unknown).and_then(|truth| {
            if **truth.outline() == *outline {
                return Ok(Change::Begin(truth, what));
            }
            (shelf.witness)(root, Deed::Mistook);
            Err(VaultError::Unknown)
        });
        drop(shelf);
        Box::pin(held(self.change(change)))
    }

    /// Nobody waits for it in virtual time.
    fn read_manifest(&self, bytes: Vec<u8>) -> BoxFuture<'static, Result<Manifest, InvalidManifest>> {
        Box::pin(std::future::ready(Manifest::decode(&bytes)))
    }

    fn outline(&self, share: BlobId) -> Answer<Arc<Outline>> {
        self.at_once(|shelf| shelf.kept(share).map(|kept| Arc::clone(kept.truth.outline())))
    }

    fn layer(&self, share: BlobId, of: Tree, range: LayerRange) -> Answer<LayerPart> {
        self.at_once(|shelf| {
            let Tree::File(file) = of else { return Err(VaultError::Unknown) };
            let layer = shelf.kept(share)?.truth.outline().layer(file).ok_or(VaultError::Unknown)?;
            layer.part(range).map_err(|_| VaultError::Unknown)
        })
    }

    fn manifest_chunk(&self, _: BlobId, _: u32) -> Answer<Vec<u8>> {
        self.at_once(|_| Err(VaultError::Unknown))
    }

    fn read(&self, share: BlobId, block: u32) -> Answer<Vec<u8>> {
        self.at_once(|shelf| shelf.read(share, block))
    }

    fn write(&self, share: BlobId, block: u32, bytes: Vec<u8>) -> Answer<()> {
        self.at_once(|shelf| shelf.write(share, block, &bytes))
    }

    fn sync(&self, share: BlobId, blocks: Vec<u32>) -> Answer<()> {
        Box::pin(done(self.change(Ok(Change::Sync(share, blocks)))))
    }

    fn finish(&self, share: BlobId) -> Answer<Held> {
        Box::pin(held(self.change(Ok(Change::Finish(share)))))
    }

    fn pause(&self, share: BlobId, paused: bool) -> Answer<()> {
        Box::pin(done(self.change(Ok(Change::Pause(share, paused)))))
    }

    fn forget(&self, share: BlobId) -> Answer<()> {
        Box::pin(done(self.change(Ok(Change::Forget(share)))))
    }

    fn verify(&self, share: BlobId, _: Arc<Progress>) -> Answer<Held> {
        self.at_once(|shelf| shelf.kept(share).map(Kept::held))
    }

    fn usage(&self) -> Answer<Usage> {
        self.at_once(|shelf| {
            let parts = shelf.held.values().filter(|kept| kept.parts.is_some());
            Ok(Usage { partial_bytes: parts.map(|kept| kept.layout.size()).sum(), ..Usage::default() })
        })
    }

    fn collect_garbage(&self) -> Answer<u64> {
        self.at_once(|_| Ok(0))
    }
}

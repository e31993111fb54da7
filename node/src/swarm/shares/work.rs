//! What the vault is doing for the swarm task, which never waits for it.

use std::sync::Arc;

use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use proto::{
    blob::{
        layer::{LayerPart, LayerRange},
        manifest::{InvalidManifest, Manifest},
        outline::Outline,
    },
    transfer::{TransferId, message::Tree},
};

use super::entry::Entry;
use crate::{
    files::{
        Progress,
        vault::{Answer, FetchThis, Held, ShareThis, Vault, VaultError},
    },
    handle,
    model::Share,
};

/// What the vault has done.
pub enum Done {
    /// All that is held.
    Listed(Result<Vec<Held>, VaultError>),
    /// Something was hashed to be shared, under this number.
    Hashed(u64, Result<Held, VaultError>),
    /// A share was hashed anew, under this number.
    Verified(u64, TransferId, Result<Held, VaultError>),
    /// A manifest was read.
    Read(TransferId, Result<Manifest, InvalidManifest>),
    /// There is place for a share.
    Began(TransferId, Result<Held, VaultError>),
    /// How a share is held now.
    Looked(TransferId, Result<Held, VaultError>),
    /// Blocks are durable, or may not be.
    Synced(TransferId, Result<(), VaultError>),
    /// A share is in its place.
    Finished(TransferId, Result<Held, VaultError>),
    /// It is noted that one stands still, or goes on.
    Paused(TransferId, bool, Result<(), VaultError>, handle::Answer<Share>),
    /// One is held no more.
    Forgotten(TransferId, Result<(), VaultError>),
    /// Hashes for a peer that asked, under this token.
    Layer(u64, Result<LayerPart, VaultError>),
}

/// All of it.
pub struct Work {
    vault: Arc<dyn Vault>,
    under_way: FuturesUnordered<BoxFuture<'static, Done>>,
}

impl Work {
    /// Nothing but looking what there is.
    pub fn new(vault: Arc<dyn Vault>) -> Self {
        let work = Self { vault, under_way: FuturesUnordered::new() };
        work.list();
        work
    }

    /// Looks what there is.
    pub fn list(&self) {
        self.under_way.push(self.vault.list().map(Done::Listed).boxed());
    }

    /// Waits for the next thing that is done; for ever when there is none. Cancel safe.
    pub async fn next(&mut self) -> Done {
        match self.under_way.next().await {
            Some(done) => done,
            None => std::future::pending().await,
        }
    }

    /// Shares something.
    pub fn import(&self, number: u64, what: ShareThis, progress: Arc<Progress>) {
        self.push(self.vault.import(what, progress), move |held| Done::Hashed(number, held));
    }

    /// Hashes a share anew.
    pub fn verify(&self, number: u64, id: TransferId, entry: &Entry, progress: Arc<Progress>) {
        self.push(self.vault.verify(entry.root, progress), move |held| Done::Verified(number, id, held));
    }

    /// Reads a manifest.
    pub fn read(&self, id: TransferId, bytes: Vec<u8>) {
        self.under_way.push(self.vault.read_manifest(bytes).map(move |manifest| Done::Read(id, manifest)).boxed());
    }

    /// Makes place.
    pub fn begin(&self, id: TransferId, entry: &mut Entry, outline: Outline, what: FetchThis) {
        entry.asked_vault += 1;
        self.push(self.vault.begin(Arc::new(outline), what), move |held| Done::Began(id, held));
    }

    /// Makes place for more of a share that is held.
    pub fn begin_again(&self, id: TransferId, entry: &mut Entry, what: FetchThis) {
        entry.asked_vault += 1;
        let (vault, root) = (Arc::clone(&self.vault), entry.root);
        let begun = async move { vault.begin(vault.outline(root).await?, what).await };
        self.push(begun.boxed(), move |held| Done::Began(id, held));
    }

    /// Asks how a share is held.
    pub fn look(&self, id: TransferId, entry: &mut Entry) {
        entry.asked_vault += 1;
        self.push(self.vault.held(entry.root), move |held| Done::Looked(id, held));
    }

    /// Makes blocks durable.
    pub fn sync(&self, id: TransferId, entry: &Entry, blocks: Vec<u32>) {
        self.push(self.vault.sync(entry.root, blocks), move |result| Done::Synced(id, result));
    }

    /// Puts what is complete in its place.
    pub fn finish(&self, id: TransferId, entry: &mut Entry) {
        entry.asked_vault += 1;
        self.push(self.vault.finish(entry.root), move |held| Done::Finished(id, held));
    }

    /// Notes whether a share stands still.
    pub fn pause(&self, id: TransferId, entry: &Entry, paused: bool, answer: handle::Answer<Share>) {
        self.push(self.vault.pause(entry.root, paused), move |result| Done::Paused(id, paused, result, answer));
    }

    /// Holds a share no more.
    pub fn forget(&self, id: TransferId, entry: &Entry) {
        self.push(self.vault.forget(entry.root), move |result| Done::Forgotten(id, result));
    }

    /// Hashes for a peer.
    pub fn layer(&self, token: u64, entry: &Entry, of: Tree, range: LayerRange) {
        self.push(self.vault.layer(entry.root, of, range), move |part| Done::Layer(token, part));
    }

    fn push<T: Send + 'static>(
        &self,
        answer: Answer<T>,
        done: impl FnOnce(Result<T, VaultError>) -> Done + Send + 'static,
    ) {
        self.under_way.push(answer.map(done).boxed());
    }
}

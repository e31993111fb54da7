//! A vault on a real disk whose answers a test can hold back, or spoil.

use std::{
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures::future::BoxFuture;
use node::files::{
    Progress,
    vault::{Answer, DiskVault, FetchThis, Held, ShareThis, Usage, Vault, VaultError},
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
use tokio::sync::watch;

/// What a test can meddle with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    Begin,
    Read,
    Sync,
    Finish,
    Forget,
}

struct Door {
    done: watch::Sender<usize>,
    open: watch::Sender<bool>,
    asked: AtomicUsize,
    spoiled: Mutex<Range<usize>>,
}

/// What becomes of the answers of a vault.
pub struct Meddling([Door; 5]);

impl Meddling {
    fn door(&self, deed: Deed) -> &Door {
        &self.0[deed as usize]
    }

    /// What is done from now on is done, but nobody hears of it.
    pub fn hold_back(&self, deed: Deed) {
        self.door(deed).open.send_replace(false);
    }

    /// All hear of it.
    pub fn let_go(&self, deed: Deed) {
        self.door(deed).open.send_replace(true);
    }

    /// Those with these numbers, of all that are asked for, fail and do nothing.
    pub fn spoil(&self, deed: Deed, these: Range<usize>) {
        *self.door(deed).spoiled.lock().unwrap() = these;
    }

    /// How many were done.
    pub fn times(&self, deed: Deed) -> usize {
        *self.door(deed).done.borrow()
    }

    /// Waits until so many were done.
    pub async fn until(&self, deed: Deed, times: usize) {
        self.door(deed).done.subscribe().wait_for(|done| *done >= times).await.unwrap();
    }
}

/// The vault.
pub struct Meddler {
    vault: DiskVault,
    meddling: Arc<Meddling>,
    /// What it says that it holds besides.
    besides: Vec<Held>,
}

impl Meddler {
    pub fn new(vault: DiskVault, besides: Vec<Held>) -> (Self, Arc<Meddling>) {
        let door = |_| Door {
            done: watch::channel(0).0,
            open: watch::channel(true).0,
            asked: AtomicUsize::new(0),
            spoiled: Mutex::default(),
        };
        let meddling = Arc::new(Meddling([(); 5].map(door)));
        (Self { vault, meddling: Arc::clone(&meddling), besides }, meddling)
    }

    fn meddle<T: Send + 'static>(&self, deed: Deed, ask: impl FnOnce(&DiskVault) -> Answer<T>) -> Answer<T> {
        let door = self.meddling.door(deed);
        let number = door.asked.fetch_add(1, Ordering::SeqCst);
        if door.spoiled.lock().unwrap().contains(&number) {
            let error = std::io::Error::other("a broken disk");
            return Box::pin(std::future::ready(Err(VaultError::Io { path: "here".into(), error })));
        }
        let (answer, meddling) = (ask(&self.vault), Arc::clone(&self.meddling));
        Box::pin(async move {
            let answer = answer.await;
            let door = meddling.door(deed);
            door.done.send_modify(|done| *done += 1);
            door.open.subscribe().wait_for(|open| *open).await.unwrap();
            answer
        })
    }
}

impl Vault for Meddler {
    fn list(&self) -> Answer<Vec<Held>> {
        let (list, besides) = (self.vault.list(), self.besides.clone());
        Box::pin(async move { Ok([list.await?, besides].concat()) })
    }

    fn held(&self, share: BlobId) -> Answer<Held> {
        self.vault.held(share)
    }

    fn read_manifest(&self, bytes: Vec<u8>) -> BoxFuture<'static, Result<Manifest, InvalidManifest>> {
        self.vault.read_manifest(bytes)
    }

    fn import(&self, what: ShareThis, progress: Arc<Progress>) -> Answer<Held> {
        self.vault.import(what, progress)
    }

    fn begin(&self, outline: Arc<Outline>, what: FetchThis) -> Answer<Held> {
        self.meddle(Deed::Begin, |vault| vault.begin(outline, what))
    }

    fn outline(&self, share: BlobId) -> Answer<Arc<Outline>> {
        self.vault.outline(share)
    }

    fn layer(&self, share: BlobId, of: Tree, range: LayerRange) -> Answer<LayerPart> {
        self.vault.layer(share, of, range)
    }

    fn manifest_chunk(&self, share: BlobId, chunk: u32) -> Answer<Vec<u8>> {
        self.vault.manifest_chunk(share, chunk)
    }

    fn read(&self, share: BlobId, block: u32) -> Answer<Vec<u8>> {
        self.meddle(Deed::Read, |vault| vault.read(share, block))
    }

    fn write(&self, share: BlobId, block: u32, bytes: Vec<u8>) -> Answer<()> {
        self.vault.write(share, block, bytes)
    }

    fn sync(&self, share: BlobId, blocks: Vec<u32>) -> Answer<()> {
        self.meddle(Deed::Sync, |vault| vault.sync(share, blocks))
    }

    fn finish(&self, share: BlobId) -> Answer<Held> {
        self.meddle(Deed::Finish, |vault| vault.finish(share))
    }

    fn pause(&self, share: BlobId, paused: bool) -> Answer<()> {
        self.vault.pause(share, paused)
    }

    fn forget(&self, share: BlobId) -> Answer<()> {
        self.meddle(Deed::Forget, |vault| vault.forget(share))
    }

    fn verify(&self, share: BlobId, progress: Arc<Progress>) -> Answer<Held> {
        self.vault.verify(share, progress)
    }

    fn usage(&self) -> Answer<Usage> {
        self.vault.usage()
    }

    fn collect_garbage(&self) -> Answer<u64> {
        self.vault.collect_garbage()
    }
}

//! Files between whole nodes, with vaults on a real disk.

mod again;
mod giving;
mod leaving;
mod meddler;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use node::{
    files::{
        Symlinks,
        vault::{DiskVault, Held},
    },
    handle::{FetchRequest, Handle, ShareRequest, Target},
    model::{Share, ShareState},
    store::memory::MemoryStore,
    swarm::DirectSettings,
};
use proto::{blob::BlobId, ids::LogId};
use tempfile::TempDir;

use self::meddler::{Deed, Meddler, Meddling};
use super::{Node, PATIENCE, start_of};

fn vault(number: u8, store: &MemoryStore, directory: &Path) -> DiskVault {
    DiskVault::open(&directory.join(format!("vault-{number}")), Arc::new(store.clone())).unwrap()
}

/// A node with a vault of its own.
async fn sharer(number: u8, bootstrap: &[&Node], directory: &Path) -> Node {
    let store = MemoryStore::new(LogId(u64::from(number)));
    let vault = vault(number, &store, directory);
    start_of(number, bootstrap, store, DirectSettings::default(), Arc::new(vault)).await
}

/// The same, and what meddles with its vault.
async fn meddled(number: u8, bootstrap: &[&Node], directory: &Path) -> (Node, Arc<Meddling>) {
    meddled_with(number, bootstrap, directory, Vec::new()).await
}

/// The same, with a vault that says that it holds these besides.
async fn meddled_with(number: u8, bootstrap: &[&Node], directory: &Path, besides: Vec<Held>) -> (Node, Arc<Meddling>) {
    let store = MemoryStore::new(LogId(u64::from(number)));
    let (vault, meddling) = Meddler::new(vault(number, &store, directory), besides);
    (start_of(number, bootstrap, store, DirectSettings::default(), Arc::new(vault)).await, meddling)
}

/// A directory in another, made.
fn place(directory: &TempDir, name: &str) -> PathBuf {
    let place = directory.path().join(name);
    fs::create_dir_all(&place).unwrap();
    place
}

fn root(share: &Share) -> BlobId {
    share.root.parse().unwrap()
}

fn bytes(len: usize, salt: usize) -> Vec<u8> {
    (0..len).map(|at| (at.wrapping_mul(7) + at / 251 + salt) as u8).collect()
}

async fn share(handle: &Handle, path: &Path) -> Share {
    let request = ShareRequest { path: path.to_owned(), name: None, copy: false, symlinks: Symlinks::Refuse };
    let begun = handle.share(request).await.unwrap();
    let done = async {
        loop {
            let hashing = handle.hashing(begun.id).await.unwrap();
            assert_eq!(hashing.error, None);
            if let Some(share) = hashing.share {
                return share;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, done).await.unwrap()
}

/// Begins to fetch what a text means, or goes on.
async fn begin(handle: &Handle, what: &str, into: &Path, select: &[&str]) -> Share {
    let request = FetchRequest {
        wanted: what.parse().unwrap(),
        target: Target::Into(into.to_owned()),
        select: select.iter().map(ToString::to_string).collect(),
        peers: Vec::new(),
    };
    handle.fetch(request).await.unwrap()
}

/// Waits until a share is as it should be.
async fn until(handle: &Handle, root: BlobId, is_so: impl Fn(&Share) -> bool) -> Share {
    let mut reports = handle.subscribe();
    let waiting = async {
        loop {
            let share = handle.share_of(root).await.unwrap();
            if is_so(&share) {
                return share;
            }
            reports.recv().await.unwrap();
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    match waited {
        Ok(share) => share,
        Err(_) => panic!("not so: {:?}", handle.share_of(root).await),
    }
}

/// Fetches what a text means until it is complete.
async fn fetch(handle: &Handle, what: &str, into: &Path) -> Share {
    let begun = begin(handle, what, into, &[]).await;
    until(handle, root(&begun), |share| {
        assert_ne!(share.state, ShareState::Failed, "{share:?}");
        share.state == ShareState::Complete
    })
    .await
}

#[tokio::test]
async fn a_file_gets_from_one_node_to_another_by_its_link_and_by_its_root() {
    let directory = TempDir::new().unwrap();
    let place = |name: &str| place(&directory, name);
    let seeder = sharer(70, &[], directory.path()).await;
    let getter = sharer(71, &[&seeder], directory.path()).await;
    for (name, len) in [("empty", 0), ("small", 5_000), ("large", 3_000_003)] {
        let file = place("source").join(name);
        fs::write(&file, bytes(len, len)).unwrap();
        let shared = share(&seeder.handle, &file).await;
        let fetched = fetch(&getter.handle, shared.link.as_deref().unwrap(), &place("got")).await;
        assert_eq!((&fetched.root, fetched.done_bytes), (&shared.root, len as u64));
        assert_eq!(fs::read(place("got").join(name)).unwrap(), bytes(len, len), "{name}");
    }
    let third = sharer(72, &[&seeder, &getter], directory.path()).await;
    let shared = share(&seeder.handle, &place("source").join("large")).await;
    let fetched = fetch(&third.handle, &shared.root, &place("by-root")).await;
    assert_eq!(fs::read(fetched.place.unwrap()).unwrap(), bytes(3_000_003, 3_000_003));
    for node in [seeder, getter, third] {
        node.handle.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_folder_arrives_whole_from_whoever_has_it() {
    let directory = TempDir::new().unwrap();
    let source = directory.path().join("source/folder");
    fs::create_dir_all(source.join("nothing/here")).unwrap();
    for number in 0..300 {
        fs::write(source.join(format!("{number}")), bytes(number * 37, number)).unwrap();
    }
    fs::write(source.join("large"), bytes(2_000_001, 9)).unwrap();
    let seeder = sharer(73, &[], directory.path()).await;
    let getter = sharer(74, &[&seeder], directory.path()).await;
    let shared = share(&seeder.handle, &source).await;
    let got = directory.path().join("got");
    fs::create_dir_all(&got).unwrap();
    let fetched = fetch(&getter.handle, &shared.root, &got).await;
    assert!(fetched.folder == Some(true) && fetched.files == Some(301), "{fetched:?}");
    let place = Path::new(fetched.place.as_deref().unwrap()).to_owned();
    for number in 0..300 {
        assert_eq!(fs::read(place.join(format!("{number}"))).unwrap(), bytes(number * 37, number));
    }
    assert_eq!(fs::read(place.join("large")).unwrap(), bytes(2_000_001, 9));
    assert!(place.join("nothing/here").is_dir());
    for node in [seeder, getter] {
        node.handle.shutdown().await.unwrap();
    }
}

//! Stores that fail, and vaults that are killed at any moment.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::{power::have, *};
use crate::store::{Request, Store};

/// A store that has too much to do for a while, or fails after so many commits.
pub struct Flaky {
    store: MemoryStore,
    refuses: AtomicUsize,
    pub commits: AtomicUsize,
}

impl Flaky {
    pub fn new(store: &MemoryStore, refuses: usize, commits: usize) -> Arc<Self> {
        let (refuses, commits) = (AtomicUsize::new(refuses), AtomicUsize::new(commits));
        Arc::new(Self { store: store.reopen(), refuses, commits })
    }
}

impl Store for Flaky {
    fn submit(&self, request: Request) -> Result<(), StoreError> {
        let take =
            |left: &AtomicUsize| left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if take(&self.refuses).is_ok() {
            return Err(StoreError::Overloaded);
        }
        if matches!(request, Request::Commit { .. }) && take(&self.commits).is_err() {
            return Err(StoreError::Failed("killed".into()));
        }
        self.store.submit(request)
    }
}

impl Home {
    /// A vault that is killed after so many commits.
    fn mortal(&self, commits: usize) -> DiskVault {
        DiskVault::open(&self.shares(), Flaky::new(&self.store, 0, commits)).unwrap()
    }
}

#[tokio::test]
async fn who_is_killed_at_any_moment_of_finishing_has_finished_when_started_again() {
    for selected in [&[][..], &["large"]] {
        for commits in 0.. {
            let home = Home::new();
            let source = Source::of(&home.folder("source"));
            let target = home.place("target");
            let vault = home.vault();
            let begun = vault.begin(source.outline.clone(), some(&target, selected)).await.unwrap();
            let Holding::Parts { wanted, .. } = begun.holding else { panic!() };
            source.fetch(&vault, wanted.iter().collect::<Vec<_>>()).await;
            drop(vault);
            let finished = home.mortal(commits).finish(source.id()).await;
            assert!(target.exists());
            let vault = home.vault();
            let held = only(&vault).await;
            assert!(matches!(held.holding, Holding::InPlace | Holding::Some { .. }), "{commits}: {held:?}");
            assert_eq!(held.holding == Holding::InPlace, selected.is_empty());
            source.assert_serves(&vault, &held.servable()).await;
            if finished.is_ok() {
                assert_eq!(commits, 2, "stamps, then the record");
                break;
            }
        }
    }
}

#[tokio::test]
async fn who_is_killed_and_finds_another_file_in_the_place_has_not_finished() {
    let home = Home::new();
    let source = Source::of(&home.put("source", &bytes(3 * CHUNK_BYTES, 1)));
    let target = home.place("target");
    let vault = home.vault();
    vault.begin(source.outline.clone(), to(&target)).await.unwrap();
    source.fetch(&vault, 0..3).await;
    assert!(home.mortal(0).finish(source.id()).await.is_err());
    fs::write(&target, b"mine").unwrap();
    let vault = home.vault();
    assert!(have(&only(&vault).await).is_empty());
    assert!(vault.finish(source.id()).await.is_err());
    assert_eq!(fs::read(&target).unwrap(), b"mine");
}

#[tokio::test]
async fn finishing_that_the_store_refused_can_be_tried_again() {
    let home = Home::new();
    let source = Source::of(&home.put("source", &bytes(3 * CHUNK_BYTES, 1)));
    // One commit for the beginning, one for the blocks.
    let store = Flaky::new(&home.store, 0, 2);
    let vault = DiskVault::open(&home.shares(), store.clone()).unwrap();
    vault.begin(source.outline.clone(), to(&home.place("target"))).await.unwrap();
    source.fetch(&vault, 0..3).await;
    for _ in 0..2 {
        assert!(matches!(vault.finish(source.id()).await, Err(VaultError::Store(_))));
    }
    store.commits.store(usize::MAX, Ordering::SeqCst);
    let done = vault.finish(source.id()).await.unwrap();
    assert_eq!(done.holding, Holding::InPlace);
    assert_eq!(only(&home.vault()).await, done);
}

#[tokio::test]
async fn who_is_killed_while_sharing_or_forgetting_has_done_all_of_it_or_nothing() {
    for copied in [false, true] {
        for commits in 0.. {
            let home = Home::new();
            let source = Source::of(&home.folder("source"));
            let what = ShareThis { copy: copied, ..this(&home.place("source")) };
            let imported = home.mortal(commits).import(what.clone(), progress()).await;
            let vault = home.vault();
            assert_eq!(vault.list().await.unwrap().len(), usize::from(imported.is_ok()));
            vault.collect_garbage().await.unwrap();
            let left = names(&home.shares()).len() + names(&home.shares().join("files")).len();
            assert_eq!(left > 1, imported.is_ok(), "nothing is left of what is not held");
            if imported.is_err() {
                continue;
            }
            drop(vault);
            for commits in 0.. {
                let forgotten = home.mortal(commits).forget(source.id()).await;
                let vault = home.vault();
                match vault.list().await.unwrap().as_slice() {
                    [] => {
                        assert!(forgotten.is_ok());
                        break;
                    }
                    [held] => assert_eq!((held.content.id(), forgotten.is_err()), (source.id(), true)),
                    more => panic!("{more:?}"),
                }
            }
            break;
        }
    }
}

#[tokio::test]
async fn a_store_that_has_too_much_to_do_is_asked_again() {
    let home = Home::new();
    let file = home.put("file", b"file");
    let vault = DiskVault::open(&home.shares(), Flaky::new(&home.store, 3, usize::MAX)).unwrap();
    vault.import(this(&file), progress()).await.unwrap();
    assert_eq!(only(&home.vault()).await.place, file);
}

#[tokio::test]
async fn a_share_outlives_its_vault_in_the_store_of_users_too() {
    use crate::store::sled::{Options, SledStore};
    let home = Home::new();
    let source = Source::of(&home.folder("source"));
    let open = || SledStore::open(&home.place("store"), Options::new(1)).unwrap().store;
    let store = Arc::new(open());
    let vault = DiskVault::open(&home.shares(), store.clone()).unwrap();
    vault.begin(source.outline.clone(), to(&home.place("target"))).await.unwrap();
    source.fetch(&vault, [0, 2]).await;
    drop((vault, store));
    let store = Arc::new(open());
    let vault = DiskVault::open(&home.shares(), store.clone()).unwrap();
    assert_eq!(*have(&only(&vault).await), Blocks::of(source.blocks(), [0, 2]));
    source.fetch(&vault, 0..source.blocks()).await;
    let done = vault.finish(source.id()).await.unwrap();
    drop((vault, store));
    let vault = DiskVault::open(&home.shares(), Arc::new(open())).unwrap();
    assert_eq!(only(&vault).await, done);
    source.assert_serves(&vault, &done.servable()).await;
}

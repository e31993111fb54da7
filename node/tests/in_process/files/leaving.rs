//! What the user wants here no more, while something else is under way.

use std::fs;

use node::model::ShareState;
use proto::transfer::message::provider_key;
use tempfile::TempDir;

use super::{Deed, begin, bytes, fetch, meddled, place, root, share, sharer, until};

#[tokio::test]
async fn what_is_forgotten_while_a_sync_is_under_way_is_not_provided() {
    let directory = TempDir::new().unwrap();
    let seeder = sharer(81, &[], directory.path()).await;
    let (getter, meddling) = meddled(82, &[&seeder], directory.path()).await;
    let file = place(&directory, "source").join("large");
    fs::write(&file, bytes(3_000_003, 1)).unwrap();
    let shared = share(&seeder.handle, &file).await;
    meddling.hold_back(Deed::Sync);
    meddling.hold_back(Deed::Forget);
    begin(&getter.handle, &shared.root, &place(&directory, "got"), &[]).await;
    meddling.until(Deed::Sync, 1).await;
    let (handle, shared) = (getter.handle.clone(), root(&shared));
    let forgetting = tokio::spawn(async move { handle.unshare(shared).await });
    meddling.until(Deed::Forget, 1).await;
    meddling.let_go(Deed::Sync);
    for _ in 0..30 {
        // Whoever is told of it could be told that somebody is to be asked there.
        let found = seeder.handle.find_providers(provider_key(&shared), 10).await.unwrap();
        assert!(!found.providers.contains(&getter.handle.peer_id().to_string()), "{found:?}");
    }
    meddling.let_go(Deed::Forget);
    forgetting.await.unwrap().unwrap();
    assert_eq!(getter.handle.shares().await.unwrap(), []);
}

#[tokio::test]
async fn what_is_forgotten_before_the_vault_has_made_place_for_it_does_not_come_back() {
    let directory = TempDir::new().unwrap();
    let seeder = sharer(83, &[], directory.path()).await;
    let (getter, meddling) = meddled(84, &[&seeder], directory.path()).await;
    let source = place(&directory, "source");
    fs::write(source.join("first"), bytes(30_000, 1)).unwrap();
    fs::write(source.join("second"), bytes(30_000, 2)).unwrap();
    let shared = share(&seeder.handle, &source.join("first")).await;
    meddling.hold_back(Deed::Begin);
    begin(&getter.handle, &shared.root, &place(&directory, "got"), &[]).await;
    meddling.until(Deed::Begin, 1).await;
    let (handle, shared) = (getter.handle.clone(), root(&shared));
    let forgetting = tokio::spawn(async move { handle.unshare(shared).await });
    while getter.handle.share_of(shared).await.is_ok() {
        tokio::task::yield_now().await;
    }
    meddling.let_go(Deed::Begin);
    forgetting.await.unwrap().unwrap();
    let second = share(&seeder.handle, &source.join("second")).await;
    fetch(&getter.handle, &second.root, &place(&directory, "got")).await;
    let roots: Vec<String> = getter.handle.shares().await.unwrap().into_iter().map(|share| share.root).collect();
    assert_eq!(roots, [second.root]);
    let left: Vec<_> =
        fs::read_dir(directory.path().join("got")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["second"], "what was begun of the other is removed");
}

#[tokio::test]
async fn what_cannot_be_forgotten_goes_on_and_can_be_forgotten_later() {
    let directory = TempDir::new().unwrap();
    let seeder = sharer(85, &[], directory.path()).await;
    let (getter, meddling) = meddled(86, &[&seeder], directory.path()).await;
    let file = place(&directory, "source").join("large");
    fs::write(&file, bytes(3_000_003, 1)).unwrap();
    let shared = share(&seeder.handle, &file).await;
    meddling.hold_back(Deed::Sync);
    begin(&getter.handle, &shared.root, &place(&directory, "got"), &[]).await;
    meddling.until(Deed::Sync, 1).await;
    meddling.spoil(Deed::Forget, 0..1);
    getter.handle.unshare(root(&shared)).await.unwrap_err();
    meddling.let_go(Deed::Sync);
    until(&getter.handle, root(&shared), |share| share.state == ShareState::Complete).await;
    assert_eq!(fs::read(directory.path().join("got/large")).unwrap(), bytes(3_000_003, 1));
    getter.handle.unshare(root(&shared)).await.unwrap();
    assert_eq!(getter.handle.shares().await.unwrap(), []);
}

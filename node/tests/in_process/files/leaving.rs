//! What the user wants here no more, while something else is under way.

use std::{fs, sync::Arc};

use node::{
    files::vault::{Held, Holding},
    model::ShareState,
};
use proto::{
    blob::{BlobId, Blocks, layout::Layout, manifest::Content},
    transfer::{download::MAX_TRANSFERS, message::provider_key},
};
use tempfile::TempDir;

use super::{Deed, begin, bytes, fetch, meddled, meddled_with, place, root, share, sharer, until};

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

/// A file of one block that is held in parts, of which nothing is here.
fn nothing_of(number: usize) -> Held {
    let mut root = [7; 32];
    root[..8].copy_from_slice(&number.to_be_bytes());
    let layout = Layout::new([5]).unwrap();
    let (have, wanted, cut) = (Blocks::none(1), Blocks::all(1), Blocks::none(1));
    Held {
        content: Content::File { root: BlobId(root), size: 5 },
        name: "file".parse().unwrap(),
        place: format!("/nowhere/{number}").into(),
        holding: Holding::Parts { have, wanted, cut, paused: true, addresses: Vec::new() },
        layout: Arc::new(layout),
        selected: None,
        added_ms: 0,
    }
}

#[tokio::test]
async fn what_is_held_but_too_much_to_be_fetched_is_forgotten_by_the_vault_too() {
    let directory = TempDir::new().unwrap();
    let all: Vec<Held> = (0..=MAX_TRANSFERS).map(nothing_of).collect();
    let last = all[MAX_TRANSFERS].content.id();
    let (node, meddling) = meddled_with(95, &[], directory.path(), all).await;
    let mut reports = node.handle.subscribe();
    while node.handle.share_of(last).await.is_err() {
        reports.recv().await.unwrap();
    }
    until(&node.handle, last, |share| share.state == ShareState::Failed).await;
    node.handle.unshare(last).await.unwrap();
    assert_eq!(meddling.times(Deed::Forget), 1);
    assert!(node.handle.share_of(last).await.is_err());
}

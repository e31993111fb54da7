//! What is wanted anew: after it failed, with another selection, after the disk lost some of it.

use std::fs;

use node::model::{ShareState, TransferLimits};
use tempfile::TempDir;

use super::{Deed, begin, bytes, fetch, meddled, place, root, share, sharer, until};

/// A folder with a text and a picture in one block.
fn folder(directory: &TempDir) -> std::path::PathBuf {
    let source = place(directory, "source/folder");
    fs::write(source.join("a.txt"), bytes(3_000, 1)).unwrap();
    fs::write(source.join("b.jpg"), bytes(4_000, 2)).unwrap();
    source
}

#[tokio::test]
async fn what_failed_for_want_of_a_file_that_fits_is_fetched_with_another_selection_from_those_who_were_met() {
    let directory = TempDir::new().unwrap();
    let seeder = sharer(75, &[], directory.path()).await;
    let getter = sharer(76, &[&seeder], directory.path()).await;
    let shared = share(&seeder.handle, &folder(&directory)).await;
    let got = place(&directory, "got");
    begin(&getter.handle, &shared.root, &got, &["*.png"]).await;
    let failed = until(&getter.handle, root(&shared), |share| share.state == ShareState::Failed).await;
    assert!(failed.reason.unwrap().contains("no file of it is selected"));
    begin(&getter.handle, &shared.root, &got, &["*.txt"]).await;
    let part = until(&getter.handle, root(&shared), |share| share.state == ShareState::Complete).await;
    assert_eq!((part.done_bytes, part.wanted_bytes), (3_000, 3_000));
    let files = getter.handle.share_files(root(&shared)).await.unwrap();
    let files: Vec<_> = files.iter().map(|file| (file.path.as_str(), file.wanted, file.done_bytes)).collect();
    assert_eq!(files, [("a.txt", true, 3_000), ("b.jpg", false, 0)], "though they are in one block");
    assert_eq!(fs::read(got.join("folder/a.txt")).unwrap(), bytes(3_000, 1));
    assert!(!got.join("folder/b.jpg").exists());
}

#[tokio::test]
async fn a_file_that_is_gone_when_all_is_to_be_put_in_its_place_is_fetched_again() {
    let directory = TempDir::new().unwrap();
    let seeder = sharer(77, &[], directory.path()).await;
    let (getter, meddling) = meddled(78, &[&seeder], directory.path()).await;
    let shared = share(&seeder.handle, &folder(&directory)).await;
    let got = place(&directory, "got");
    meddling.hold_back(Deed::Sync);
    begin(&getter.handle, &shared.root, &got, &[]).await;
    meddling.until(Deed::Sync, 1).await;
    let part = fs::read_dir(&got).unwrap().next().unwrap().unwrap().path();
    fs::remove_file(part.join("a.txt")).unwrap();
    meddling.let_go(Deed::Sync);
    until(&getter.handle, root(&shared), |share| share.state == ShareState::Complete).await;
    assert_eq!(fs::read(got.join("folder/a.txt")).unwrap(), bytes(3_000, 1));
    assert_eq!(fs::read(got.join("folder/b.jpg")).unwrap(), bytes(4_000, 2));
}

#[tokio::test]
async fn who_wants_more_of_what_was_begun_gets_more() {
    let directory = TempDir::new().unwrap();
    let seeder = sharer(79, &[], directory.path()).await;
    let (getter, meddling) = meddled(80, &[&seeder], directory.path()).await;
    let source = folder(&directory);
    fs::write(source.join("c.bin"), bytes(600_000, 3)).unwrap();
    let shared = share(&seeder.handle, &source).await;
    let got = place(&directory, "got");
    meddling.hold_back(Deed::Sync);
    begin(&getter.handle, &shared.root, &got, &["*.txt"]).await;
    meddling.until(Deed::Sync, 1).await;
    begin(&getter.handle, &shared.root, &got, &["*.jpg"]).await;
    begin(&getter.handle, &shared.root, &got, &["*.txt"]).await;
    meddling.let_go(Deed::Sync);
    let part = until(&getter.handle, root(&shared), |share| share.state == ShareState::Complete).await;
    assert_eq!((part.done_bytes, part.wanted_bytes), (7_000, 7_000));
    assert_eq!(fs::read(got.join("folder/a.txt")).unwrap(), bytes(3_000, 1));
    assert_eq!(fs::read(got.join("folder/b.jpg")).unwrap(), bytes(4_000, 2));
    assert!(!got.join("folder/c.bin").exists());
    getter.handle.unshare(root(&shared)).await.unwrap();

    // Without a selection, all is wanted.
    let whole = place(&directory, "whole");
    meddling.hold_back(Deed::Sync);
    begin(&getter.handle, &shared.root, &whole, &["*.txt"]).await;
    until(&getter.handle, root(&shared), |share| share.state == ShareState::Fetching).await;
    getter.handle.pause_share(root(&shared)).await.unwrap();
    begin(&getter.handle, &shared.root, &whole, &[]).await;
    meddling.let_go(Deed::Sync);
    until(&getter.handle, root(&shared), |share| share.state == ShareState::Complete).await;
    assert_eq!(fs::read(whole.join("folder/c.bin")).unwrap(), bytes(600_000, 3));
}

#[tokio::test]
async fn a_block_that_changes_before_all_is_in_its_place_is_fetched_again() {
    let directory = TempDir::new().unwrap();
    let seeder = sharer(89, &[], directory.path()).await;
    let (getter, meddling) = meddled(90, &[&seeder], directory.path()).await;
    let file = place(&directory, "source").join("large");
    fs::write(&file, bytes(2_000_003, 1)).unwrap();
    let shared = share(&seeder.handle, &file).await;
    let got = place(&directory, "got");
    meddling.spoil(Deed::Finish, 0..1);
    begin(&getter.handle, &shared.root, &got, &[]).await;
    let stuck = until(&getter.handle, root(&shared), |share| share.reason.is_some()).await;
    assert_eq!(stuck.state, ShareState::Finishing);
    let part = fs::read_dir(&got).unwrap().next().unwrap().unwrap().path();
    fs::write(&part, vec![0; 2_000_003]).unwrap();
    seeder.handle.shutdown().await.unwrap();
    let third = sharer(91, &[&getter], directory.path()).await;
    begin(&third.handle, stuck.link.as_deref().unwrap(), &place(&directory, "third"), &[]).await;
    until(&getter.handle, root(&shared), |share| share.state == ShareState::Fetching).await;
    let seeder = sharer(94, &[&getter], directory.path()).await;
    let again = share(&seeder.handle, &file).await;
    begin(&getter.handle, again.link.as_deref().unwrap(), &got, &[]).await;
    for (node, place) in [(&getter, "got/large"), (&third, "third/large")] {
        until(&node.handle, root(&shared), |share| share.state == ShareState::Complete).await;
        assert_eq!(fs::read(directory.path().join(place)).unwrap(), bytes(2_000_003, 1));
    }
}

#[tokio::test]
async fn a_limit_holds_when_more_is_wanted() {
    let directory = TempDir::new().unwrap();
    let seeder = sharer(92, &[], directory.path()).await;
    let (getter, meddling) = meddled(93, &[&seeder], directory.path()).await;
    let source = folder(&directory);
    let shared = share(&seeder.handle, &source).await;
    let got = place(&directory, "got");
    meddling.hold_back(Deed::Begin);
    begin(&getter.handle, &shared.root, &got, &["*.txt"]).await;
    meddling.until(Deed::Begin, 1).await;
    let limit = |down| TransferLimits { up: None, down };
    getter.handle.limit_shares(Some(root(&shared)), limit(Some(0))).await.unwrap();
    meddling.let_go(Deed::Begin);
    until(&getter.handle, root(&shared), |share| share.state == ShareState::Fetching).await;
    begin(&getter.handle, &shared.root, &got, &["*.jpg"]).await;
    until(&getter.handle, root(&shared), |share| share.wanted_bytes == 7_000).await;
    let other = place(&directory, "source").join("other");
    fs::write(&other, bytes(600_000, 4)).unwrap();
    let other = share(&seeder.handle, &other).await;
    fetch(&getter.handle, &other.root, &got).await;
    let held_up = getter.handle.share_of(root(&shared)).await.unwrap();
    assert_eq!((held_up.state, held_up.done_bytes, held_up.down_limit), (ShareState::Fetching, 0, Some(0)));
    getter.handle.limit_shares(Some(root(&shared)), limit(None)).await.unwrap();
    until(&getter.handle, root(&shared), |share| share.state == ShareState::Complete).await;
}

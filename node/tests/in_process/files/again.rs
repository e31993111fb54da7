//! What is wanted anew: after it failed, with another selection, after the disk lost some of it.

use std::fs;

use node::model::ShareState;
use tempfile::TempDir;

use super::{Deed, begin, bytes, meddled, place, root, share, sharer, until};

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
    until(&getter.handle, root(&shared), |share| share.state == ShareState::Complete).await;
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

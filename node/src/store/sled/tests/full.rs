//! Disks without space.

use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use proto::event::SignedEvent;

use super::{Mounted, options};
use crate::store::{
    Store, StoreError,
    contract::{Pen, ROOM, all, close, commit, events},
    sled::{OpenError, Opened, Options, SledStore},
};

#[test]
fn below_the_reserve_commits_are_refused_and_reads_go_on() {
    let root = tempfile::tempdir().unwrap();
    let mut pen = Pen::new(ROOM, 1);
    let first = pen.write(1, 10, true);
    let store = SledStore::open(root.path(), options()).unwrap().store;
    commit(&store, events(vec![first.clone()])).unwrap();
    drop(store);
    let store = SledStore::open(root.path(), Options { reserve_bytes: u64::MAX, ..options() }).unwrap().store;
    let refused = commit(&store, events(vec![pen.clone().write(1, 10, true)])).unwrap_err();
    assert!(matches!(refused, StoreError::DiskFull { reserve_bytes: u64::MAX, .. }) && refused.is_retryable());
    assert_eq!(all(&store, ROOM), [first]);
    drop(store);
    let store = SledStore::open(root.path(), options()).unwrap().store;
    commit(&store, events(vec![pen.write(1, 10, true)])).unwrap();
}

fn small_disk(bytes: u64) -> Option<Mounted> {
    Mounted::new(&["-t", "tmpfs", "-o", &format!("size={bytes}")], Path::new("tmpfs"))
}

/// Opens a store that has just failed in this process: sled's own threads may hold its lock for a moment after that.
fn reopen(directory: &Path) -> Result<Opened, OpenError> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match SledStore::open(directory, options()) {
            Err(OpenError::InUse(_)) if Instant::now() < deadline => thread::sleep(Duration::from_millis(5)),
            other => return other,
        }
    }
}

/// Commits until one is refused; the events that were answered, and why it ended.
fn fill(store: &dyn Store, pen: &mut Pen) -> (Vec<SignedEvent>, StoreError) {
    let mut answered = Vec::new();
    loop {
        let batch = pen.clone().write_many(100, 900, 10);
        match commit(store, events(batch.clone())) {
            Ok(()) => answered.extend(batch),
            Err(error) => return (answered, error),
        }
        pen.write_many(100, 900, 10);
        assert!(answered.len() < 100_000, "a small disk fills up");
    }
}

#[test]
fn a_disk_with_a_reserve_refuses_commits_until_there_is_space_again() {
    let Some(disk) = small_disk(24 << 20) else { return };
    let (directory, ballast) = (disk.path().join("store"), disk.path().join("ballast"));
    let options = Options { reserve_bytes: 4 << 20, ..options() };
    fs::write(&ballast, vec![1; 8 << 20]).unwrap();
    let store = SledStore::open(&directory, options.clone()).unwrap().store;
    let mut pen = Pen::new(ROOM, 1);
    let (answered, error) = fill(&store, &mut pen);
    assert!(matches!(error, StoreError::DiskFull { .. }), "{error}");
    assert!(!answered.is_empty());
    fs::remove_file(&ballast).unwrap();
    commit(&store, events(pen.write_many(10, 9, 10))).unwrap();
    close(&store);
    let opened = SledStore::open(&directory, options).unwrap();
    assert_eq!(opened.set_aside, None);
    assert_eq!(all(&opened.store, ROOM)[..answered.len()], answered);
}

#[test]
fn a_disk_that_is_really_full_fails_the_store_and_loses_nothing_that_was_answered() {
    let Some(disk) = small_disk(8 << 20) else { return };
    let (directory, ballast) = (disk.path().join("store"), disk.path().join("ballast"));
    fs::write(&ballast, vec![1; 2 << 20]).unwrap();
    let store = SledStore::open(&directory, options()).unwrap().store;
    let (answered, error) = fill(&store, &mut Pen::new(ROOM, 1));
    assert!(matches!(error, StoreError::Failed(_)), "{error}");
    drop(store);
    let Err(error) = reopen(&directory) else { panic!("a full disk is not written to, not even to open the database") };
    assert!(matches!(error, OpenError::DiskFull(_)), "{error}");
    fs::remove_file(&ballast).unwrap();
    let opened = reopen(&directory).unwrap();
    assert_eq!(opened.set_aside, None);
    assert_eq!(all(&opened.store, ROOM)[..answered.len()], answered);
}

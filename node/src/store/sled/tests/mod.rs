//! Tests of the store on disk beyond the contract.

mod damage;
mod full;
mod power;

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::Command,
};

use proto::{event::SignedEvent, ids::ChannelId};

use super::{OpenError, Options, SledStore};
use crate::store::{
    Batch, KnownPeer,
    contract::{END, Pen, ROOM, all, close, commit, events, history},
};

fn options() -> Options {
    Options { reserve_bytes: 0, ..Options::new(5) }
}

fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

/// Says, past the test harness that hides the output of tests that pass, that something was not tested.
fn say_skipped(reason: &str) {
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    let _ = writeln!(io::stderr(), "SKIPPED {name}: {reason}");
}

/// A file system of a test's own, unmounted when dropped.
struct Mounted(tempfile::TempDir);

impl Mounted {
    /// Mounts `source`; says so and returns `None` where that is not allowed.
    fn new(arguments: &[&str], source: &Path) -> Option<Self> {
        let point = tempfile::tempdir().unwrap();
        let output = Command::new("mount").args(arguments).arg(source).arg(point.path()).output();
        if output.is_ok_and(|output| output.status.success()) {
            return Some(Self(point));
        }
        say_skipped("mounting a file system takes root on Linux");
        None
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

/// A closed store of some size, and its events. sled finds its pages through a snapshot file when `is_settled`, else by
/// reading its log.
fn sample(directory: &Path, is_settled: bool) -> Vec<SignedEvent> {
    let store = SledStore::open(directory, options()).unwrap().store;
    let mut pens = [Pen::new(ROOM, 1), Pen::new(ROOM, 2), Pen::new(ROOM, 3)];
    for round in 0..90 {
        let pen = &mut pens[round % 3];
        commit(&store, events(pen.write_many(if round % 5 == 0 { 40 } else { 1 }, 300, 10))).unwrap();
    }
    let peer = KnownPeer { peer: vec![1], addresses: vec!["/a".into()], last_seen_ms: 1 };
    commit(&store, Batch { peers: vec![peer], rooms: vec![("r".into(), true)], ..Batch::default() }).unwrap();
    let whole = all(&store, ROOM);
    close(&store);
    drop(store);
    if is_settled {
        // The second opening writes sled's snapshot file of all that.
        close(&SledStore::open(directory, options()).unwrap().store);
    }
    whole
}

fn damaged_names(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.to_string_lossy().contains(".damaged-")).collect()
}

#[test]
fn a_store_in_use_a_newer_one_and_one_without_permission_are_errors_and_stay_where_they_are() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("store");
    let store = SledStore::open(&directory, options()).unwrap().store;
    assert!(matches!(SledStore::open(&directory, options()), Err(OpenError::InUse(_))));
    drop(store);
    fs::write(directory.join("format"), "starling-store 2\n").unwrap();
    assert!(matches!(SledStore::open(&directory, options()), Err(OpenError::Newer { found: 2, .. })));
    let blocked = root.path().join("file").join("store");
    fs::write(root.path().join("file"), "").unwrap();
    assert!(matches!(SledStore::open(&blocked, options()), Err(OpenError::Io { .. })));
    assert_eq!(damaged_names(&directory), Vec::<PathBuf>::new());
}

#[cfg(unix)]
#[test]
fn nobody_else_may_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    fn check(path: &Path) {
        let mode = fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
        if path.is_dir() {
            fs::read_dir(path).unwrap().for_each(|entry| check(&entry.unwrap().path()));
        }
    }
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("new").join("store");
    sample(&directory, true);
    let store = SledStore::open(&directory, options()).unwrap().store;
    assert_eq!(history(&store, ChannelId([1; 32]), END, 1), Some(vec![]));
    check(&directory);
}

//! Power cuts, full disks, damage and overload.

use std::{
    fs,
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use proptest::prelude::*;
use proto::{event::SignedEvent, ids::ChannelId};
use tokio::sync::oneshot;

use super::{
    OpenError, Opened, Options, SledStore, WRITE_QUEUE_REQUESTS,
    disk::{FileSyncer, Syncer},
    open::open,
};
use crate::store::{
    Batch, KnownPeer, Request, Store, StoreError,
    contract::{END, Pen, ROOM, all, ask, close, commit, events, history},
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

/// Keeps a copy of the sled files as of the last sync: what a power cut would leave when the drive wrote nothing else.
struct ShadowSyncer {
    real: Box<dyn Syncer>,
    files: PathBuf,
    shadow: PathBuf,
}

impl Syncer for ShadowSyncer {
    fn sync(&mut self) -> io::Result<()> {
        self.real.sync()?;
        if self.shadow.exists() {
            fs::remove_dir_all(&self.shadow)?;
        }
        copy_tree(&self.files, &self.shadow)
    }
}

fn open_with_shadow(directory: &Path, shadow: &Path) -> Opened {
    open(directory, &options(), &|files: &Path| {
        Ok(Box::new(ShadowSyncer { real: FileSyncer::open(files)?, files: files.into(), shadow: shadow.into() })
            as Box<dyn Syncer>)
    })
    .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn what_was_answered_survives_a_power_cut_at_any_moment(
        commits in prop::collection::vec((0usize..3, 1usize..60, 0usize..3000), 1..40), keeps_witness in any::<bool>(),
    ) {
        let root = tempfile::tempdir().unwrap();
        let (directory, shadow) = (root.path().join("store"), root.path().join("shadow"));
        let store = open_with_shadow(&directory, &shadow).store;
        let mut pens = [Pen::new(ROOM, 1), Pen::new(ROOM, 2), Pen::new(ROOM, 3)];
        let mut answered: Vec<SignedEvent> = Vec::new();
        for (pen, count, bytes) in commits {
            let batch = pens[pen].write_many(count, bytes, 10);
            prop_assert_eq!(commit(&store, events(batch.clone())), Ok(()));
            answered.extend(batch);
        }
        // The power goes: of sled's files the shadow is left; the witness may or may not have reached the disk.
        let cut = root.path().join("cut");
        copy_tree(&shadow, &cut.join("sled")).unwrap();
        fs::copy(directory.join("format"), cut.join("format")).unwrap();
        if keeps_witness {
            fs::copy(directory.join("witness"), cut.join("witness")).unwrap();
        }
        drop(store);
        let opened = SledStore::open(&cut, options()).unwrap();
        prop_assert_eq!(opened.set_aside, None);
        answered.sort_by_key(|signed| signed.event.order());
        prop_assert_eq!(all(&opened.store, ROOM), answered);
        for pen in &mut pens {
            prop_assert_eq!(commit(&opened.store, events(vec![pen.write(1, 10, true)])), Ok(()));
        }
    }
}

/// A gate before the drive.
#[derive(Debug, Default)]
struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
    fails: AtomicBool,
}

#[derive(Debug, Default)]
struct GateState {
    is_shut: bool,
    waits: bool,
}

impl Gate {
    fn set_shut(&self, is_shut: bool) {
        self.state.lock().unwrap().is_shut = is_shut;
        self.changed.notify_all();
    }

    /// Returns once the writer waits before the gate, with everything written and nothing synchronised.
    fn await_writer(&self) {
        let state = self.state.lock().unwrap();
        let limit = std::time::Duration::from_secs(60);
        let (state, _) = self.changed.wait_timeout_while(state, limit, |state| !state.waits).unwrap();
        assert!(state.waits, "the writer synchronises before it answers");
    }
}

/// Waits at the gate while it is shut.
struct GatedSyncer {
    real: Box<dyn Syncer>,
    gate: Arc<Gate>,
}

impl Syncer for GatedSyncer {
    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.gate.state.lock().unwrap();
        state.waits = state.is_shut;
        self.gate.changed.notify_all();
        drop(self.gate.changed.wait_while(state, |state| state.is_shut).unwrap());
        if self.gate.fails.load(Ordering::SeqCst) {
            return Err(io::Error::other("the drive is gone"));
        }
        self.real.sync()
    }
}

fn open_gated(directory: &Path) -> (SledStore, Arc<Gate>) {
    let gate = Arc::new(Gate::default());
    let opened = open(directory, &options(), &|files: &Path| {
        Ok(Box::new(GatedSyncer { real: FileSyncer::open(files)?, gate: Arc::clone(&gate) }) as Box<dyn Syncer>)
    });
    (opened.unwrap().store, gate)
}

#[test]
fn a_read_shows_nothing_that_is_not_durable_and_a_full_queue_refuses() {
    let root = tempfile::tempdir().unwrap();
    let (store, gate) = open_gated(root.path());
    let mut pen = Pen::new(ROOM, 1);
    let first = pen.write(1, 10, true);
    commit(&store, events(vec![first.clone()])).unwrap();
    gate.set_shut(true);
    let mut answers = Vec::new();
    let refused = loop {
        let (reply, answer) = oneshot::channel();
        let mut next = pen.clone();
        match store.submit(Request::Commit { batch: events(vec![next.write(1, 10, true)]), reply }) {
            Ok(()) => answers.push(answer),
            Err(error) => break error,
        }
        pen = next;
    };
    assert_eq!(refused, StoreError::Overloaded);
    // What waits, and the groups that the writer took before: at least one, and each at most a queue full.
    assert!(answers.len() >= WRITE_QUEUE_REQUESTS);
    gate.await_writer();
    assert_eq!(all(&store, ROOM), [first]);
    let count = answers.len();
    gate.set_shut(false);
    for answer in answers {
        answer.blocking_recv().unwrap().unwrap();
    }
    assert_eq!(all(&store, ROOM).len(), 1 + count);
}

#[test]
fn when_the_drive_fails_the_commit_fails_and_no_further_one_is_taken_until_a_verified_restart() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("store");
    let (store, gate) = open_gated(&directory);
    let mut pen = Pen::new(ROOM, 1);
    let first = pen.write(1, 10, true);
    commit(&store, events(vec![first.clone()])).unwrap();
    gate.fails.store(true, Ordering::SeqCst);
    let lost = pen.write(1, 10, true);
    assert!(matches!(commit(&store, events(vec![lost])), Err(StoreError::Failed(_))));
    gate.fails.store(false, Ordering::SeqCst);
    let room = Batch { rooms: vec![("a".into(), true)], ..Batch::default() };
    assert!(matches!(commit(&store, room), Err(StoreError::Failed(_))));
    assert_eq!(all(&store, ROOM), [first], "reads go on");
    assert!(directory.join("suspect").exists());
    drop(store);
    let opened = SledStore::open(&directory, options()).unwrap();
    assert_eq!(opened.set_aside, None, "it was verified and is whole");
    assert!(!directory.join("suspect").exists());
    let count = opened.snapshot.heads[0].seq;
    assert!((1..=2).contains(&count), "the failed commit is there whole or not at all");
    assert_eq!(all(&opened.store, ROOM).len() as u64, count);
}

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

/// A small file system, unmounted when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(bytes: u64) -> Option<Self> {
        let point = tempfile::tempdir().unwrap();
        let size = format!("size={bytes}");
        let status = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(point.path()).output();
        if status.is_ok_and(|output| output.status.success()) {
            return Some(Self(point));
        }
        eprintln!("SKIPPED: mounting a small file system takes root on Linux; a really full disk is not tested here");
        None
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
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
    let Some(disk) = SmallDisk::mount(24 << 20) else { return };
    let (directory, ballast) = (disk.0.path().join("store"), disk.0.path().join("ballast"));
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
    let Some(disk) = SmallDisk::mount(8 << 20) else { return };
    let (directory, ballast) = (disk.0.path().join("store"), disk.0.path().join("ballast"));
    fs::write(&ballast, vec![1; 2 << 20]).unwrap();
    let store = SledStore::open(&directory, options()).unwrap().store;
    let (answered, error) = fill(&store, &mut Pen::new(ROOM, 1));
    assert!(matches!(error, StoreError::Failed(_)), "{error}");
    drop(store);
    let opened = SledStore::open(&directory, options());
    let opened = match opened {
        Err(error) => {
            assert!(matches!(error, OpenError::DiskFull(_)), "{error}");
            fs::remove_file(&ballast).unwrap();
            SledStore::open(&directory, options()).unwrap()
        }
        Ok(opened) => opened,
    };
    assert_eq!(opened.set_aside, None);
    assert_eq!(all(&opened.store, ROOM)[..answered.len()], answered);
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

/// Opens a store that something happened to; it must be whole, or set aside, or say so when read and be set aside then.
fn check_after_damage(directory: &Path, whole: &[SignedEvent], what: &str) {
    let read = |opened: &Opened| {
        ask(&opened.store, |reply| Request::History { channel: ROOM, before: END, limit: usize::MAX, reply })
    };
    let mut opened = SledStore::open(directory, options()).unwrap_or_else(|error| panic!("{what}: {error}"));
    let mut result = read(&opened);
    if result.is_err() {
        drop(opened);
        opened = SledStore::open(directory, options()).unwrap_or_else(|error| panic!("{what}, again: {error}"));
        assert!(opened.set_aside.is_some(), "{what}: failed, and was not set aside: {result:?}");
        result = read(&opened);
    }
    let found = result.unwrap().unwrap();
    match opened.set_aside {
        None => assert!(found == whole, "{what}: {} of {} events, and not set aside", found.len(), whole.len()),
        Some(aside) => {
            assert_eq!(damaged_names(directory), [aside.clone()], "{what}");
            assert!(aside.join("sled").join("conf").exists(), "{what}");
            assert!(found.is_empty() && opened.snapshot.log.is_some(), "{what}");
            commit(&opened.store, events(vec![Pen::new(ROOM, 1).write(1, 10, true)])).unwrap();
        }
    }
}

fn files_of(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory.join("sled")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.is_file()).collect();
    files.sort();
    files
}

#[test]
fn a_settled_store_damaged_anywhere_is_whole_or_set_aside_and_never_silently_short() {
    damage_everywhere(true);
}

#[test]
fn an_unsettled_store_damaged_anywhere_is_whole_or_set_aside_and_never_silently_short() {
    damage_everywhere(false);
}

fn damage_everywhere(is_settled: bool) {
    let root = tempfile::tempdir().unwrap();
    let original = root.path().join("original");
    let whole = sample(&original, is_settled);
    let names: Vec<_> = files_of(&original).iter().map(|path| path.file_name().unwrap().to_owned()).collect();
    assert_eq!(names.len(), if is_settled { 3 } else { 2 }, "conf, db and a snapshot: {names:?}");
    for name in names {
        let len = fs::metadata(original.join("sled").join(&name)).unwrap().len();
        let steps = if len > 10_000 { 40 } else { 8 };
        for step in 0..steps {
            // An odd stride, so that headers and contents are met alike.
            let at = (len * step / steps + step * 37).min(len - 1);
            for truncates in [false, true] {
                let work = root.path().join("work");
                let directory = work.join("store");
                copy_tree(&original, &directory).unwrap();
                let path = directory.join("sled").join(&name);
                let mut file = fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
                if truncates {
                    file.set_len(at).unwrap();
                } else {
                    let mut byte = [0];
                    file.seek(SeekFrom::Start(at)).unwrap();
                    file.read_exact(&mut byte).unwrap();
                    file.seek(SeekFrom::Start(at)).unwrap();
                    file.write_all(&[byte[0] ^ 0x41]).unwrap();
                }
                drop(file);
                let what = format!("{name:?} {} at {at} of {len}", if truncates { "cut" } else { "flipped" });
                check_after_damage(&directory, &whole, &what);
                fs::remove_dir_all(&work).unwrap();
            }
        }
    }
}

#[test]
fn a_database_whose_file_is_gone_is_set_aside() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("store");
    let whole = sample(&directory, true);
    for file in files_of(&directory).into_iter().filter(|file| !file.ends_with("conf")) {
        fs::remove_file(file).unwrap();
    }
    check_after_damage(&directory, &whole, "gone");
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

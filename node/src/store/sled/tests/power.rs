//! What is durable when: power cuts, slow drives and drives that fail.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use proptest::prelude::*;
use proto::event::SignedEvent;
use tokio::sync::oneshot;

use super::{Mounted, copy_tree, options, say_skipped};
use crate::store::{
    Batch, Request, Store, StoreError,
    contract::{Pen, ROOM, all, commit, events},
    sled::{
        Opened, SledStore, WRITE_QUEUE_REQUESTS,
        disk::{FileSyncer, Syncer},
        open::open,
    },
};

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

/// The image behind a mounted file system holds what was written through to the drive, and nothing of what the kernel still
/// has in memory. A copy of it taken the moment a commit is answered is what a power cut would leave.
#[test]
fn what_was_answered_is_on_the_drive() {
    let root = tempfile::tempdir().unwrap();
    let image = root.path().join("image");
    fs::File::create(&image).unwrap().set_len(32 << 20).unwrap();
    let made = Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image).output();
    if !made.is_ok_and(|output| output.status.success()) {
        say_skipped("there is no mkfs.ext4");
        return;
    }
    let Some(drive) = Mounted::new(&["-o", "loop"], &image) else { return };
    let store = SledStore::open(&drive.path().join("store"), options()).unwrap().store;
    let mut pen = Pen::new(ROOM, 1);
    let (mut answered, mut cuts) = (Vec::new(), Vec::new());
    for number in 0..60 {
        let batch = pen.write_many(1 + number % 7, 300, 3);
        commit(&store, events(batch.clone())).unwrap();
        answered.extend(batch);
        if number % 20 == 19 || number == 0 {
            let cut = root.path().join(format!("cut {number}"));
            fs::copy(&image, &cut).unwrap();
            cuts.push((cut, answered.len()));
        }
    }
    for (cut, count) in cuts {
        let drive = Mounted::new(&["-o", "loop"], &cut).unwrap();
        let opened = SledStore::open(&drive.path().join("store"), options()).unwrap();
        assert_eq!(opened.set_aside, None, "{count} events were answered");
        assert_eq!(all(&opened.store, ROOM), answered[..count]);
        drop(opened);
    }
    drop(store);
    drop(drive);
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

//! Disks and stores that fail, and power that does.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io,
    os::unix::fs::FileExt,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use proptest::prelude::*;

use super::*;
use crate::{
    files::Platter,
    store::{Request, Store},
};

/// A disk that keeps what was synced.
#[derive(Debug, Default)]
struct Fragile {
    files: Mutex<BTreeMap<PathBuf, Image>>,
    is_full: AtomicBool,
    fails_to_sync: AtomicBool,
    synced_alone: AtomicUsize,
    synced_all: AtomicUsize,
}

/// A file as it is on the disk itself, and what was written since.
#[derive(Debug, Default)]
struct Image {
    durable: Vec<u8>,
    written: Vec<(u64, Vec<u8>)>,
}

impl Image {
    fn sync(&mut self, place: &Path) {
        for (offset, bytes) in self.written.drain(..) {
            let end = offset as usize + bytes.len();
            self.durable.resize(self.durable.len().max(end), 0);
            self.durable[offset as usize..end].copy_from_slice(&bytes);
        }
        // The length that a file was given is synced with it.
        let len = fs::metadata(place).map_or(0, |found| found.len() as usize);
        self.durable.resize(len, 0);
    }
}

impl Fragile {
    fn sync(&self, counter: &AtomicUsize, files: impl Fn(&Path) -> bool) -> io::Result<()> {
        counter.fetch_add(1, Ordering::Relaxed);
        let fails = self.fails_to_sync.load(Ordering::Relaxed);
        for (place, image) in self.files.lock().unwrap().iter_mut().filter(|(place, _)| files(place)) {
            // A system that could not write does not try again.
            if fails { image.written.clear() } else { image.sync(place) }
        }
        if fails { Err(io::Error::other("the disk is broken")) } else { Ok(()) }
    }

    /// Files are what was synced of them, and `keeps` says which are as long as they were.
    fn lose_power(&self, mut keeps: impl FnMut() -> bool) {
        let files = std::mem::take(&mut *self.files.lock().unwrap());
        for (place, image) in files {
            let Ok(len) = fs::metadata(&place).map(|found| found.len()) else { continue };
            fs::write(&place, &image.durable).unwrap();
            if keeps() {
                File::options().write(true).open(&place).unwrap().set_len(len).unwrap();
            }
            let durable = Image { durable: image.durable, written: Vec::new() };
            self.files.lock().unwrap().insert(place, durable);
        }
    }
}

impl Platter for Fragile {
    fn write_at(&self, file: &File, place: &Path, bytes: &[u8], offset: u64) -> io::Result<()> {
        if self.is_full.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        file.write_all_at(bytes, offset)?;
        let mut files = self.files.lock().unwrap();
        files.entry(place.into()).or_default().written.push((offset, bytes.to_vec()));
        Ok(())
    }

    fn sync_file(&self, _file: &File, place: &Path) -> io::Result<()> {
        self.sync(&self.synced_alone, |found| found == place)
    }

    fn sync_directory(&self, _directory: &Path) -> io::Result<()> {
        Ok(())
    }

    fn sync_everything(&self, _place: &Path) -> io::Result<()> {
        self.sync(&self.synced_all, |_| true)
    }
}

/// A store that has too much to do for a while, or fails after so many commits.
struct Flaky {
    store: MemoryStore,
    refuses: AtomicUsize,
    commits: AtomicUsize,
}

impl Flaky {
    fn new(store: &MemoryStore, refuses: usize, commits: usize) -> Arc<Self> {
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
    fn fragile(&self, disk: &Arc<Fragile>) -> DiskVault {
        DiskVault::open_on(&self.shares(), Arc::new(self.store.reopen()), disk.clone()).unwrap()
    }

    /// A vault that is killed after so many commits.
    fn mortal(&self, commits: usize) -> DiskVault {
        DiskVault::open(&self.shares(), Flaky::new(&self.store, 0, commits)).unwrap()
    }
}

fn have(held: &Held) -> &Blocks {
    let Holding::Parts { have, .. } = &held.holding else { panic!("{held:?}") };
    have
}

#[tokio::test]
async fn on_a_full_disk_nothing_is_written_and_when_there_is_space_it_goes_on() {
    let home = Home::new();
    let source = Source::of(&home.folder("source"));
    let disk = Arc::new(Fragile::default());
    let vault = home.fragile(&disk);
    vault.begin(source.outline.clone(), to(&home.place("target"))).await.unwrap();
    source.fetch(&vault, [0]).await;
    disk.is_full.store(true, Ordering::Relaxed);
    let full = vault.write(source.id(), 1, source.block(1)).await.unwrap_err();
    assert!(matches!(full, VaultError::Partial(PartialError::Full(_))), "{full}");
    assert!(matches!(vault.sync(source.id(), vec![1]).await, Err(VaultError::Unknown)));
    assert_eq!(*have(&only(&vault).await), Blocks::of(source.blocks(), [0]));
    disk.is_full.store(false, Ordering::Relaxed);
    source.fetch(&vault, 1..source.blocks()).await;
    vault.finish(source.id()).await.unwrap();
}

#[tokio::test]
async fn what_could_not_be_synced_is_lost_and_not_claimed_by_the_next_sync() {
    let home = Home::new();
    let source = Source::of(&home.folder("source"));
    let disk = Arc::new(Fragile::default());
    let vault = home.fragile(&disk);
    vault.begin(source.outline.clone(), to(&home.place("target"))).await.unwrap();
    source.write(&vault, [0, 1]).await;
    disk.fails_to_sync.store(true, Ordering::Relaxed);
    assert!(matches!(vault.sync(source.id(), vec![0]).await, Err(VaultError::Partial(_))));
    disk.fails_to_sync.store(false, Ordering::Relaxed);
    for block in [0, 1] {
        assert!(matches!(vault.sync(source.id(), vec![block]).await, Err(VaultError::Unknown)));
    }
    source.fetch(&vault, [1]).await;
    disk.lose_power(|| true);
    let vault = home.fragile(&disk);
    assert_eq!(*have(&only(&vault).await), Blocks::of(source.blocks(), [1]));
    assert_eq!(vault.read(source.id(), 1).await.unwrap(), source.block(1));
}

#[tokio::test]
async fn many_small_files_are_synced_at_once_and_few_one_by_one() {
    let home = Home::new();
    let source = Source::of(&home.folder("source"));
    let disk = Arc::new(Fragile::default());
    let vault = home.fragile(&disk);
    vault.begin(source.outline.clone(), to(&home.place("target"))).await.unwrap();
    let counted = || (disk.synced_alone.load(Ordering::Relaxed), disk.synced_all.load(Ordering::Relaxed));
    let large = source.outline.layout().blocks_of(source.file("large")).start;
    source.fetch(&vault, [large]).await;
    assert_eq!(counted(), (1, 0));
    source.fetch(&vault, [source.outline.layout().blocks_of(source.file("many/02")).start]).await;
    assert_eq!(counted(), (1, 1));
}

#[tokio::test]
async fn who_is_killed_at_any_moment_of_finishing_has_finished_when_started_again() {
    for selected in [None, Some(vec![0])] {
        for commits in 0.. {
            let home = Home::new();
            let source = Source::of(&home.folder("source"));
            let target = home.place("target");
            let vault = home.vault();
            let what = FetchThis { selected: selected.clone(), ..to(&target) };
            let begun = vault.begin(source.outline.clone(), what).await.unwrap();
            let Holding::Parts { wanted, .. } = begun.holding else { panic!() };
            source.fetch(&vault, wanted.iter().collect::<Vec<_>>()).await;
            drop(vault);
            let finished = home.mortal(commits).finish(source.id()).await;
            assert!(target.exists());
            let vault = home.vault();
            let held = only(&vault).await;
            assert!(matches!(held.holding, Holding::InPlace | Holding::Some { .. }), "{commits}: {held:?}");
            assert_eq!(held.holding == Holding::InPlace, selected.is_none());
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
    assert_eq!((&done.holding, done), (&Holding::InPlace, only(&home.vault()).await));
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

/// Ten thousand files of 4 KiB, as a source tree has them. What it takes depends on the machine; that it ends is what is tested, and
/// the time is shown.
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_small_files_are_fetched() {
    let home = Home::new();
    for number in 0..10_000 {
        home.put(&format!("source/{:02}/{number:05}", number % 100), &bytes(4096, number));
    }
    let source = Source::of(&home.place("source"));
    let blocks: Vec<Vec<u8>> = (0..source.blocks()).map(|block| source.block(block)).collect();
    let vault = home.vault();
    let started = std::time::Instant::now();
    vault.begin(source.outline.clone(), to(&home.place("target"))).await.unwrap();
    let begun = started.elapsed();
    let numbers: Vec<u32> = (0..source.blocks()).collect();
    for some in numbers.chunks(32) {
        let write = |block: &u32| vault.write(source.id(), *block, blocks[*block as usize].clone());
        futures::future::try_join_all(some.iter().map(write)).await.unwrap();
        vault.sync(source.id(), some.to_vec()).await.unwrap();
    }
    let written = started.elapsed();
    let done = vault.finish(source.id()).await.unwrap();
    println!("begun after {begun:?}, written after {written:?}, finished after {:?}", started.elapsed());
    assert_eq!(done.holding, Holding::InPlace);
    assert_eq!(Source::of(&home.place("target")).id(), source.id());
}

#[derive(Debug, Clone)]
enum Step {
    Write(prop::sample::Index),
    Sync(Vec<prop::sample::Index>),
    FailToSync,
    StoreFails,
    LosePower(u64),
    BeginAgain,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let index = any::<prop::sample::Index>;
    let step = prop_oneof![
        6 => index().prop_map(Step::Write),
        3 => prop::collection::vec(index(), 0..6).prop_map(Step::Sync),
        1 => Just(Step::FailToSync),
        1 => Just(Step::StoreFails),
        2 => any::<u64>().prop_map(Step::LosePower),
        1 => Just(Step::BeginAgain),
    ];
    prop::collection::vec(step, 1..40)
}

/// What must be true whatever happens: which blocks are durable, which can become so.
struct Model {
    home: Home,
    source: Source,
    disk: Arc<Fragile>,
    vault: DiskVault,
    store: Arc<Flaky>,
    durable: BTreeSet<u32>,
    pending: BTreeSet<u32>,
}

impl Model {
    async fn new() -> Self {
        let home = Home::new();
        for number in 0..40 {
            home.put(&format!("source/small/{number:02}"), &bytes(20_000, number));
        }
        home.put("source/large", &bytes(3 * CHUNK_BYTES + 9, 3));
        let (source, disk) = (Source::of(&home.place("source")), Arc::new(Fragile::default()));
        let (vault, store) = Self::open(&home, &disk);
        let model = Self { home, source, disk, vault, store, durable: BTreeSet::new(), pending: BTreeSet::new() };
        model.begin().await;
        model
    }

    fn open(home: &Home, disk: &Arc<Fragile>) -> (DiskVault, Arc<Flaky>) {
        let store = Flaky::new(&home.store, 0, usize::MAX);
        (DiskVault::open_on(&home.shares(), store.clone(), disk.clone()).unwrap(), store)
    }

    async fn begin(&self) {
        self.vault.begin(self.source.outline.clone(), to(&self.home.place("target"))).await.unwrap();
    }

    async fn step(&mut self, step: Step) {
        let (id, count) = (self.source.id(), self.source.blocks() as usize);
        let all: Vec<u32> = self.pending.iter().copied().collect();
        match step {
            Step::Write(block) => {
                let block = block.index(count) as u32;
                self.source.write(&self.vault, [block]).await;
                self.pending.insert(block);
            }
            Step::Sync(blocks) => {
                let blocks: Vec<u32> = blocks.iter().map(|block| block.index(count) as u32).collect();
                let known = |block: &u32| self.pending.contains(block) || self.durable.contains(block);
                let (known, synced) = (blocks.iter().all(known), self.vault.sync(id, blocks.clone()).await);
                assert_eq!(synced.is_ok(), known, "{synced:?}");
                if known {
                    blocks.iter().for_each(|block| _ = self.pending.remove(block));
                    self.durable.extend(blocks);
                }
            }
            Step::FailToSync => {
                self.disk.fails_to_sync.store(true, Ordering::Relaxed);
                let synced = self.vault.sync(id, all.clone()).await;
                self.disk.fails_to_sync.store(false, Ordering::Relaxed);
                if synced.is_err() {
                    self.pending.clear();
                } else {
                    // Nothing was left to be written.
                    self.pending.clear();
                    self.durable.extend(all);
                }
            }
            Step::StoreFails => {
                self.store.commits.store(0, Ordering::SeqCst);
                let anew = all.iter().any(|block| !self.durable.contains(block));
                assert_eq!(self.vault.sync(id, all).await.is_err(), anew);
                self.store.commits.store(usize::MAX, Ordering::SeqCst);
                if !anew {
                    self.pending.clear();
                }
            }
            Step::LosePower(seed) => {
                let mut left = seed;
                self.disk.lose_power(|| {
                    left = left.rotate_right(1);
                    left & 1 == 0
                });
                (self.vault, self.store) = Self::open(&self.home, &self.disk);
                self.pending.clear();
            }
            Step::BeginAgain => self.begin().await,
        }
        let held = only(&self.vault).await;
        assert_eq!(have(&held).iter().collect::<BTreeSet<_>>(), self.durable);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn what_was_synced_is_there_after_any_power_cut_and_nothing_else_is_claimed(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let mut model = Model::new().await;
            for step in steps {
                model.step(step).await;
            }
            model.step(Step::LosePower(0)).await;
            let durable = Blocks::of(model.source.blocks(), model.durable.iter().copied());
            model.source.assert_serves(&model.vault, &durable).await;
        });
    }
}

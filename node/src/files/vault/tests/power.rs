//! Disks that fail, and power that does.

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

use super::{killed::Flaky, *};
use crate::files::Platter;

/// A disk that keeps what was synced.
#[derive(Debug, Default)]
pub struct Fragile {
    files: Mutex<BTreeMap<PathBuf, Image>>,
    pub is_full: AtomicBool,
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
    pub fn lose_power(&self, mut keeps: impl FnMut() -> bool) {
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

    fn hand_over(&self, place: &Path, mode: u32) -> io::Result<()> {
        crate::files::RealPlatter::default().hand_over(place, mode)
    }

    fn sync_directory(&self, _directory: &Path) -> io::Result<()> {
        Ok(())
    }

    fn sync_everything(&self, _place: &Path) -> io::Result<()> {
        self.sync(&self.synced_all, |_| true)
    }
}

impl Home {
    pub fn fragile(&self, disk: &Arc<Fragile>) -> DiskVault {
        DiskVault::open_on(&self.shares(), Arc::new(self.store.reopen()), disk.clone()).unwrap()
    }
}

pub fn have(held: &Held) -> &Blocks {
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

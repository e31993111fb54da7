//! A vault of a seed behaves as one of files does.

use node::files::vault::Vault;
use proto::{
    blob::{CHUNK_BYTES, layer::LayerRange},
    transfer::message::Tree,
};
use tokio::time::Instant;

use super::*;

const SYNC_MS: u64 = 10;
const BLOCKS: u32 = 3;

type Deeds = Arc<Mutex<Vec<Deed>>>;

fn truth() -> Arc<Truth> {
    Arc::new(Truth::new("film".parse().unwrap(), 7, u64::from(BLOCKS - 1) * CHUNK_BYTES as u64 + 5))
}

fn shelves(fail: f64, seed: u8) -> (Shelves, Arc<Truth>, Deeds) {
    let (truth, deeds) = (truth(), Deeds::default());
    let noted = Arc::clone(&deeds);
    let witness = Box::new(move |_, deed| lock(&noted).push(deed));
    let disk = scenario::Disk { sync_ms: SYNC_MS, fail };
    (Shelves::new(vec![Arc::clone(&truth)], disk, [seed; 32], witness), truth, deeds)
}

fn what() -> FetchThis {
    let (name, target) = ("film".parse().unwrap(), PathBuf::from("/fetched/film"));
    FetchThis { name, target, select: Default::default(), addresses: vec!["a".into()], now_ms: 4 }
}

fn have(held: &[Held]) -> Vec<u32> {
    match &held {
        [Held { holding: Holding::Parts { have, .. }, .. }] => have.iter().collect(),
        _ => panic!("{held:?}"),
    }
}

async fn begun(shelves: &mut Shelves, truth: &Truth) -> Arc<Opened> {
    let opened = shelves.open();
    opened.begin(Arc::clone(truth.outline()), what()).await.unwrap();
    opened
}

#[tokio::test(start_paused = true)]
async fn what_is_imported_is_served_from_then_on_and_after_a_crash() {
    let (mut shelves, truth, deeds) = shelves(0.0, 1);
    let opened = shelves.open();
    let start = Instant::now();
    let this = |path| ShareThis { path, name: None, copy: false, symlinks: node::files::Symlinks::Refuse, now_ms: 3 };
    let held = opened.import(this(truth.path()), Arc::default()).await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_millis(SYNC_MS));
    assert_eq!((held.content, &held.holding), (truth.outline().content(), &Holding::InPlace));
    assert!(matches!(opened.import(this("/other".into()), Arc::default()).await, Err(VaultError::Io { .. })));
    shelves.crash();
    let opened = shelves.open();
    assert_eq!(opened.list().await.unwrap(), [held]);
    for block in 0..BLOCKS {
        assert!(truth.outline().is_block(block, &opened.read(truth.root(), block).await.unwrap()));
    }
    assert!(matches!(opened.read(truth.root(), BLOCKS).await, Err(VaultError::Unknown)));
    let range = LayerRange::covering(1, truth.outline().content().size()).unwrap();
    let part = opened.layer(truth.root(), Tree::File(0), range).await.unwrap();
    part.verify(range, &truth.root(), truth.outline().content().size()).unwrap();
    assert!(shelves.holds(truth.root()));
    assert_eq!(lock(&deeds)[0], Deed::Gave(CHUNK_BYTES as u64));
}

#[tokio::test(start_paused = true)]
async fn blocks_that_were_not_synced_are_gone_after_a_crash_and_the_others_are_not() {
    let (mut shelves, truth, deeds) = shelves(0.0, 1);
    let root = truth.root();
    let opened = begun(&mut shelves, &truth).await;
    assert!(matches!(opened.sync(root, vec![0]).await, Err(VaultError::Unknown)), "not written");
    for block in [0, 2] {
        opened.write(root, block, truth.block(block)).await.unwrap();
    }
    assert!(matches!(opened.finish(root).await, Err(VaultError::Unknown)), "not complete");
    opened.sync(root, vec![2]).await.unwrap();
    assert_eq!(opened.read(root, 0).await.unwrap(), truth.block(0));
    shelves.crash();
    let opened = shelves.open();
    assert_eq!(have(&opened.list().await.unwrap()), [2]);
    assert!(matches!(opened.read(root, 0).await, Err(VaultError::Unknown)));
    for block in [0, 1] {
        opened.write(root, block, truth.block(block)).await.unwrap();
    }
    opened.sync(root, vec![0, 1]).await.unwrap();
    assert!(!shelves.holds(root));
    assert_eq!(opened.finish(root).await.unwrap().holding, Holding::InPlace);
    assert!(shelves.holds(root) && lock(&deeds).contains(&Deed::Finished));
    let kept: u64 = lock(&deeds).iter().map(|deed| if let Deed::Kept(bytes) = deed { *bytes } else { 0 }).sum();
    assert_eq!(kept, truth.outline().content().size());
}

#[tokio::test(start_paused = true)]
async fn a_crash_amid_a_sync_leaves_what_was_synced_or_does_not_and_nobody_is_told() {
    let mut left = BTreeSet::new();
    for seed in 0..30 {
        let (mut shelves, truth, _) = shelves(0.0, seed);
        let opened = begun(&mut shelves, &truth).await;
        opened.write(truth.root(), 1, truth.block(1)).await.unwrap();
        let answer = opened.sync(truth.root(), vec![1]);
        shelves.crash();
        assert!(answer.await.is_err());
        tokio::time::sleep(Duration::from_secs(1)).await;
        left.insert(have(&shelves.open().list().await.unwrap()));
    }
    assert_eq!(left, [vec![], vec![1]].into());
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_loses_what_was_written_and_says_so() {
    let (mut shelves, truth, _) = shelves(1.0, 1);
    let opened = shelves.open();
    let begun = opened.begin(Arc::clone(truth.outline()), what()).await;
    assert!(matches!(begun, Err(VaultError::Partial(PartialError::Full(_)))));
    lock(&shelves.shelf).begin(Arc::clone(&truth), what()).unwrap();
    opened.write(truth.root(), 1, truth.block(1)).await.unwrap();
    assert!(opened.sync(truth.root(), vec![1]).await.is_err());
    assert!(opened.read(truth.root(), 1).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn wrong_bytes_are_refused_and_noticed_even_by_a_vault_that_believes_all() {
    let (mut shelves, truth, deeds) = shelves(0.0, 1);
    let opened = begun(&mut shelves, &truth).await;
    let mut wrong = truth.block(1);
    wrong[100] ^= 1;
    assert!(matches!(opened.write(truth.root(), 1, wrong.clone()).await, Err(VaultError::Wrong)));
    shelves.believe_all();
    opened.write(truth.root(), 1, wrong).await.unwrap();
    opened.write(truth.root(), 1, truth.block(1)).await.unwrap();
    assert_eq!(*lock(&deeds), [Deed::Refused(1, false), Deed::Took(1, false), Deed::Took(1, true)]);
    let other = Truth::new("film".parse().unwrap(), 8, 5);
    assert!(opened.begin(Arc::clone(other.outline()), what()).await.is_err(), "nobody here wants that");
}

#[tokio::test(start_paused = true)]
async fn what_was_begun_goes_on_where_it_was_and_is_paused_and_forgotten() {
    let (mut shelves, truth, _) = shelves(0.0, 1);
    let root = truth.root();
    let opened = begun(&mut shelves, &truth).await;
    opened.write(root, 1, truth.block(1)).await.unwrap();
    opened.sync(root, vec![1]).await.unwrap();
    opened.pause(root, true).await.unwrap();
    shelves.crash();
    let opened = shelves.open();
    let held = opened.list().await.unwrap();
    assert!(matches!(held[0].holding, Holding::Parts { paused: true, .. }), "{held:?}");
    let elsewhere = FetchThis { target: "/elsewhere".into(), ..what() };
    assert!(matches!(opened.begin(Arc::clone(truth.outline()), elsewhere).await, Err(VaultError::Here(_))));
    let held = opened.begin(Arc::clone(truth.outline()), what()).await.unwrap();
    assert!(matches!(held.holding, Holding::Parts { paused: false, .. }), "{held:?}");
    assert_eq!(have(&[held]), [1]);
    assert_eq!(opened.usage().await.unwrap().partial_bytes, truth.outline().content().size());
    opened.forget(root).await.unwrap();
    assert!(opened.list().await.unwrap().is_empty());
}

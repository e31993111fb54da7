//! Many at once, and much.

use std::{
    fs::File,
    io,
    sync::{Condvar, Mutex},
};

use proto::blob::{
    manifest::{Entry, FileEntry, Manifest, Node},
    merkle::root_of_bytes,
    outline::known_layer,
};

use super::{
    power::{Fragile, have},
    *,
};
use crate::files::{Platter, RealPlatter};

#[tokio::test]
async fn a_share_with_bytes_that_were_not_synced_stays_in_memory() {
    let home = Home::new();
    let source = Source::of(&home.folder("source"));
    let disk = Arc::new(Fragile::default());
    let vault = home.fragile(&disk);
    vault.begin(source.outline.clone(), to(&home.place("target"))).await.unwrap();
    source.write(&vault, [0]).await;
    for number in 0..2 * MAX_OPEN_SHARES {
        vault.import(this(&home.put(&format!("file{number}"), &bytes(10, number))), progress()).await.unwrap();
    }
    vault.sync(source.id(), vec![0]).await.unwrap();
    disk.lose_power(|| true);
    assert_eq!(home.fragile(&disk).read(source.id(), 0).await.unwrap(), source.block(0));
}

#[tokio::test]
async fn garbage_is_collected_while_others_share() {
    let home = Home::new();
    let vault = home.vault();
    for round in 0..8 {
        for number in 0..20 {
            home.put(&format!("folder{round}/{number}"), &bytes(100, number + round));
        }
        let imported = tokio::spawn(vault.import(copy(&home.place(&format!("folder{round}"))), progress()));
        while !imported.is_finished() {
            vault.collect_garbage().await.unwrap();
        }
        let held = imported.await.unwrap().unwrap();
        let source = Source::of(&held.place);
        source.assert_serves(&vault, &held.servable()).await;
        vault.forget(source.id()).await.unwrap();
    }
}

/// A disk that syncs when it is let.
#[derive(Debug, Default)]
struct Gate {
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Platter for Gate {
    fn write_at(&self, file: &File, place: &Path, bytes: &[u8], offset: u64) -> io::Result<()> {
        RealPlatter::default().write_at(file, place, bytes, offset)
    }

    fn sync_file(&self, _file: &File, _place: &Path) -> io::Result<()> {
        drop(self.opened.wait_while(self.is_open.lock().unwrap(), |is_open| !*is_open).unwrap());
        Ok(())
    }

    fn hand_over(&self, place: &Path, mode: u32) -> io::Result<()> {
        crate::files::RealPlatter::default().hand_over(place, mode)
    }

    fn sync_directory(&self, _directory: &Path) -> io::Result<()> {
        Ok(())
    }

    fn sync_everything(&self, _place: &Path) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_sync_waits_for_one_before_it_that_has_taken_its_bytes_along() {
    let home = Home::new();
    let source = Source::of(&home.put("source", &bytes(4 * CHUNK_BYTES, 1)));
    let gate = Arc::new(Gate::default());
    let vault = DiskVault::open_on(&home.shares(), Arc::new(home.store.reopen()), gate.clone()).unwrap();
    vault.begin(source.outline.clone(), to(&home.place("target"))).await.unwrap();
    source.write(&vault, 0..4).await;
    let syncs: Vec<_> =
        [vec![0, 1], vec![2], vec![3]].map(|blocks| tokio::spawn(vault.sync(source.id(), blocks))).into();
    let mut none_claimed = true;
    for _ in 0..100 {
        none_claimed &= have(&only(&vault).await).is_empty();
    }
    let all_wait = syncs.iter().all(|sync| !sync.is_finished());
    assert_eq!(vault.read(source.id(), 3).await.unwrap(), source.block(3), "reading waits for nobody");
    *gate.is_open.lock().unwrap() = true;
    gate.opened.notify_all();
    assert!(none_claimed && all_wait);
    for sync in syncs {
        sync.await.unwrap().unwrap();
    }
    assert!(have(&only(&vault).await).is_all());
}

/// Ten thousand files of 4 KiB, as a source tree has them. What it takes depends on the machine; that it ends is what is tested, and
/// the time is shown.
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_small_files_are_fetched() {
    let home = Home::new();
    let all: Vec<Vec<u8>> = (0..10_000).map(|number| bytes(4096, number)).collect();
    let entry = |(number, bytes): (usize, &Vec<u8>)| {
        let path = format!("{:02}/{number:05}", number / 100).parse().unwrap();
        Entry { path, node: Node::File(FileEntry { size: 4096, root: root_of_bytes(bytes), executable: false }) }
    };
    let manifest = Manifest::new(all.iter().enumerate().map(entry).collect()).unwrap();
    let layers = manifest.files().map(|(_, file)| known_layer(file).unwrap()).collect();
    let outline = Outline::new(manifest.content(), Some(manifest), layers).unwrap();
    let source = Source { outline: Arc::new(outline), files: Vec::new() };
    let block = |block| source.outline.layout().block(block).flat_map(|part| all[part.file as usize].clone()).collect();
    let blocks: Vec<Vec<u8>> = (0..source.blocks()).map(block).collect();
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

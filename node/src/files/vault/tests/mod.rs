//! Real files in directories of their own, and vaults that are dropped and opened again.

mod crowd;
mod killed;
mod parts;
mod power;
mod whole;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use proto::{
    blob::{BlobId, CHUNK_BYTES, outline::Outline},
    ids::LogId,
};
use tempfile::TempDir;

use super::*;
use crate::{
    files::{Import, import},
    store::memory::MemoryStore,
};

/// A data directory and a store, which survive their vaults.
struct Home {
    directory: TempDir,
    store: MemoryStore,
}

impl Home {
    fn new() -> Self {
        Self { directory: TempDir::new().unwrap(), store: MemoryStore::new(LogId(1)) }
    }

    fn shares(&self) -> PathBuf {
        self.directory.path().join("shares")
    }

    /// A vault as after a restart.
    fn vault(&self) -> DiskVault {
        DiskVault::open(&self.shares(), Arc::new(self.store.reopen())).unwrap()
    }

    fn place(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    fn put(&self, path: &str, bytes: &[u8]) -> PathBuf {
        let place = self.place(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(&place, bytes).unwrap();
        place
    }

    /// A folder with files of all kinds.
    fn folder(&self, path: &str) -> PathBuf {
        for number in 0..70 {
            self.put(&format!("{path}/many/{number:02}"), &bytes(number * 400, number));
        }
        self.put(&format!("{path}/large"), &bytes(5 * CHUNK_BYTES + 77, 1));
        self.put(&format!("{path}/tool"), b"#!/bin/sh\n");
        fs::set_permissions(self.place(path).join("tool"), std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .unwrap();
        fs::create_dir_all(self.place(path).join("nothing/here")).unwrap();
        self.place(path)
    }
}

fn bytes(len: usize, salt: usize) -> Vec<u8> {
    (0..len).map(|at| (at.wrapping_mul(7) + at / 251 + salt) as u8).collect()
}

fn progress() -> Arc<Progress> {
    Arc::default()
}

fn this(path: &Path) -> ShareThis {
    ShareThis { path: path.into(), name: None, copy: false, symlinks: Symlinks::Refuse, now_ms: 5 }
}

fn copy(path: &Path) -> ShareThis {
    ShareThis { copy: true, ..this(path) }
}

fn to(target: &Path) -> FetchThis {
    let name = "fetched".parse().unwrap();
    FetchThis {
        name,
        target: target.into(),
        select: GlobSet::empty(),
        addresses: vec!["/ip4/1.2.3.4".into()],
        now_ms: 7,
    }
}

/// The same of those files alone whose paths fit.
fn some(target: &Path, patterns: &[&str]) -> FetchThis {
    let mut globs = globset::GlobSetBuilder::new();
    patterns.iter().for_each(|pattern| _ = globs.add(globset::Glob::new(pattern).unwrap()));
    FetchThis { select: globs.build().unwrap(), ..to(target) }
}

/// What is fetched, without any vault.
struct Source {
    outline: Arc<Outline>,
    files: Vec<PathBuf>,
}

impl Source {
    fn of(path: &Path) -> Self {
        let imported = import(&Import { path, symlinks: Symlinks::Refuse }, &Progress::default()).unwrap();
        let (files, layers) = imported.files.into_iter().map(|(place, _, layer)| (place, layer)).unzip();
        let outline = Outline::new(imported.content, imported.manifest, layers).unwrap();
        Self { outline: Arc::new(outline), files }
    }

    fn id(&self) -> BlobId {
        self.outline.content().id()
    }

    fn blocks(&self) -> u32 {
        self.outline.layout().blocks()
    }

    fn block(&self, block: u32) -> Vec<u8> {
        let part = |part: proto::blob::layout::Part| {
            let all = fs::read(&self.files[part.file as usize]).unwrap();
            all[part.offset as usize..][..part.len as usize].to_vec()
        };
        self.outline.layout().block(block).flat_map(part).collect()
    }

    /// The number of the file with such a path.
    fn file(&self, path: &str) -> u32 {
        let mut files = self.outline.manifest().unwrap().files();
        files.position(|(found, _)| found.as_str() == path).unwrap() as u32
    }

    async fn write(&self, vault: &DiskVault, blocks: impl IntoIterator<Item = u32>) {
        for block in blocks {
            vault.write(self.id(), block, self.block(block)).await.unwrap();
        }
    }

    async fn fetch(&self, vault: &DiskVault, blocks: impl IntoIterator<Item = u32> + Clone) {
        self.write(vault, blocks.clone()).await;
        vault.sync(self.id(), blocks.into_iter().collect()).await.unwrap();
    }

    /// Every block of these, and no other, can be read, and is what it should be.
    async fn assert_serves(&self, vault: &DiskVault, blocks: &Blocks) {
        for block in 0..self.blocks() {
            match vault.read(self.id(), block).await {
                Ok(bytes) => assert!(bytes == self.block(block) && blocks.contains(block), "block {block}"),
                Err(VaultError::Unknown) => assert!(!blocks.contains(block), "block {block} is missing"),
                Err(error) => panic!("block {block}: {error}"),
            }
        }
    }
}

/// The only share that is held.
async fn only(vault: &DiskVault) -> Held {
    let all = vault.list().await.unwrap();
    assert_eq!(all.len(), 1, "{all:?}");
    all.into_iter().next().unwrap()
}

/// Names in a directory, sorted.
fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

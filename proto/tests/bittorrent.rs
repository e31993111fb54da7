//! Our hash trees and metainfo against those of libtorrent, an independent implementation of BitTorrent v2.
//!
//! `bittorrent.txt` is what `scripts/torrent_roots.py` printed, which says what its lines mean.

#![expect(clippy::unwrap_used, reason = "test code: a panic is a failed test")]

use std::collections::BTreeMap;

use proto::blob::{
    BlobId, CHUNK_BYTES, Hash, chunk_hash,
    manifest::{Entry, FileEntry, Manifest, Node},
    merkle::EMPTY_ROOT,
    metainfo::{Metainfo, Tree, Written, write},
    root_of,
};
use sha2::{Digest, Sha256};

const LINES: &str = include_str!("bittorrent.txt");

/// The content of a file of so many bytes, as the script makes it.
fn content(size: usize) -> Vec<u8> {
    (0..size).map(|at| (31 * at + at / 257 + size) as u8).collect()
}

/// The chunk hashes of such a file.
fn layer(size: usize) -> Vec<Hash> {
    content(size).chunks(CHUNK_BYTES).map(|chunk| chunk_hash(chunk, size as u64)).collect()
}

fn file(size: usize, executable: bool) -> FileEntry {
    FileEntry { size: size as u64, root: root_of(&layer(size), size as u64).unwrap(), executable }
}

/// A root as the script prints it.
fn shown(root: BlobId) -> String {
    if root == EMPTY_ROOT { "-".into() } else { root.to_string() }
}

/// The info hash and the hash of the whole, as the script prints them.
fn hashes(written: &Written) -> String {
    format!("{} {}", written.info_hash, hex::encode(Sha256::digest(&written.bytes)))
}

/// Writes metainfo, reads it back, and returns it.
fn torrent(name: &str, tree: &Tree, layers: &BTreeMap<BlobId, Vec<Hash>>) -> Written {
    let name = name.parse().unwrap();
    let written = write(&name, tree, |root| layers.get(root)).unwrap();
    let read = Metainfo::read(&written.bytes).unwrap();
    assert_eq!((&read.tree, read.content, read.info_hash), (tree, tree.content(), written.info_hash));
    written
}

#[test]
fn files_have_the_roots_and_info_hashes_that_libtorrent_gives_them() {
    let mut checked = 0;
    for line in LINES.lines().filter_map(|line| line.strip_prefix("file ")) {
        let [size, root, expected] = line.splitn(3, ' ').collect::<Vec<_>>().try_into().unwrap();
        let size = size.parse().unwrap();
        let file = file(size, false);
        assert_eq!(shown(file.root), root, "{size} bytes");
        let written = torrent(&format!("{size}.bin"), &Tree::File(file), &[(file.root, layer(size))].into());
        if size > 0 {
            assert_eq!(hashes(&written), expected, "{size} bytes");
        }
        checked += 1;
    }
    assert_eq!(checked, 11);
}

#[test]
fn a_folder_has_the_info_hash_that_libtorrent_gives_it() {
    let (mut entries, mut layers) = (Vec::new(), BTreeMap::new());
    for line in LINES.lines().filter_map(|line| line.strip_prefix("entry ")) {
        let [size, attributes, root, path] = line.splitn(4, ' ').collect::<Vec<_>>().try_into().unwrap();
        let size = size.parse().unwrap();
        let file = file(size, attributes == "x");
        assert_eq!(shown(file.root), root, "{path}");
        layers.insert(file.root, layer(size));
        entries.push(Entry { path: path.parse().unwrap(), node: Node::File(file) });
    }
    let tree = Tree::Folder(Manifest::new(entries).unwrap());
    let folder = LINES.lines().find_map(|line| line.strip_prefix("folder ")).unwrap();
    let (name, expected) = folder.split_once(' ').unwrap();
    assert_eq!(hashes(&torrent(name, &tree, &layers)), expected);
}

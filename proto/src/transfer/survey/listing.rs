//! The bytes of a folder's manifest while they come in.

use std::collections::BTreeSet;

use super::{Asked, Finding};
use crate::{
    blob::{
        BlobId, CHUNK_BYTES, Hash, chunk_count,
        layer::{LayerPart, LayerRange},
        merkle::is_chunk,
    },
    transfer::message::Tree,
};

/// A manifest, of which each chunk that is here was verified.
#[derive(Debug)]
pub struct Listing {
    root: BlobId,
    bytes: Vec<u8>,
    /// Of its chunks; none until they are known.
    hashes: Vec<Hash>,
    /// What nobody was asked for.
    missing: BTreeSet<Asked>,
    /// Chunks that are not here.
    left: usize,
}

impl Listing {
    /// Nothing yet of the manifest with this root and length.
    pub fn new(root: BlobId, len: u32) -> Self {
        let chunks = chunk_count(u64::from(len)) as usize;
        let mut listing =
            Self { root, bytes: vec![0; len as usize], hashes: Vec::new(), missing: BTreeSet::new(), left: chunks };
        match LayerRange::covering(0, u64::from(len)).filter(|_| chunks > 1) {
            Some(range) => _ = listing.missing.insert(Asked::Layer { of: Tree::Manifest, range }),
            None => listing.know(vec![root.0]),
        }
        listing
    }

    /// Bytes of the manifest.
    pub fn len(&self) -> u32 {
        self.bytes.len() as u32
    }

    /// Chunk hashes that have to be asked for.
    pub fn hashes_needed(&self) -> u64 {
        Some(chunk_count(u64::from(self.len()))).filter(|chunks| *chunks > 1).unwrap_or(0)
    }

    /// What to ask for next.
    pub fn next(&mut self) -> Option<Asked> {
        self.missing.pop_first()
    }

    /// Nobody gave what was asked for.
    pub fn give_back(&mut self, what: Asked) {
        self.missing.insert(what);
    }

    /// Its hashes came.
    pub fn take_layer(&mut self, range: LayerRange, part: LayerPart) -> Finding {
        if part.verify(range, &self.root, u64::from(self.len())).is_err() {
            return Finding::Wrong;
        }
        self.missing.clear();
        self.know(part.hashes);
        Finding::Right
    }

    /// A chunk came.
    pub fn take_chunk(&mut self, chunk: u32, bytes: &[u8]) -> Finding {
        let is_right = |hash| is_chunk(bytes, u64::from(chunk), u64::from(self.len()), hash);
        if !self.hashes.get(chunk as usize).is_some_and(is_right) {
            return Finding::Wrong;
        }
        self.missing.remove(&Asked::ManifestChunk(chunk));
        self.bytes[chunk as usize * CHUNK_BYTES..][..bytes.len()].copy_from_slice(bytes);
        self.left -= 1;
        Finding::Right
    }

    /// All bytes, once they are here.
    pub fn take_whole(&mut self) -> Option<Vec<u8>> {
        (self.left == 0).then(|| std::mem::take(&mut self.bytes))
    }

    fn know(&mut self, hashes: Vec<Hash>) {
        self.missing.extend((0..hashes.len() as u32).map(Asked::ManifestChunk));
        self.hashes = hashes;
    }
}

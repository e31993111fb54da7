//! What is in the files that are shared in a run: bytes that follow from a seed and their place, so that nobody has to keep them.
//!
//! Whoever serves a block makes its bytes when they are asked for. Whoever took one is compared with the same bytes, so that what a node holds
//! is known without believing the node's own checks.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use proto::blob::{
    BlobId, CHUNK_BYTES, chunk_count, chunk_hash, layer::Layer, manifest::Content, outline::Outline, path::FileName,
};

/// Bytes that are made at a time.
const WORD_BYTES: usize = 8;

const _: () = assert!(CHUNK_BYTES.is_multiple_of(WORD_BYTES));

/// A file, from its name and a seed.
pub struct Truth {
    name: FileName,
    seed: u64,
    outline: Arc<Outline>,
}

impl Truth {
    /// A file of so many bytes, at most what a share can have. All of them are made once, to be hashed.
    pub fn new(name: FileName, seed: u64, size: u64) -> Self {
        let hash = |chunk: u64| chunk_hash(&bytes(seed, size, chunk), size);
        let outline = Layer::new((0..chunk_count(size)).map(hash).collect(), size).ok().and_then(|layer| {
            let content = Content::File { root: layer.root(), size };
            Outline::new(content, None, vec![layer]).ok()
        });
        #[expect(
            clippy::expect_used,
            reason = "each chunk has its hash, and a scenario's files are smaller than a share may be"
        )]
        let outline = outline.expect("a file of this size can be shared");
        Self { name, seed, outline: Arc::new(outline) }
    }

    /// What it is called.
    pub fn name(&self) -> &FileName {
        &self.name
    }

    /// What names it.
    pub fn root(&self) -> BlobId {
        self.outline.content().id()
    }

    /// Its hashes, and how it is cut.
    pub fn outline(&self) -> &Arc<Outline> {
        &self.outline
    }

    /// Where those have it who share it.
    pub fn path(&self) -> PathBuf {
        Path::new("/shared").join(self.name.as_str())
    }

    /// The bytes of a block; none beyond the last. A file's block is one chunk.
    pub fn block(&self, block: u32) -> Vec<u8> {
        bytes(self.seed, self.outline.layout().size(), block.into())
    }
}

/// The bytes of a chunk.
fn bytes(seed: u64, size: u64, chunk: u64) -> Vec<u8> {
    let len = proto::blob::chunk_len(size, chunk);
    let first = chunk.wrapping_mul((CHUNK_BYTES / WORD_BYTES) as u64);
    let words = (first..first + len.div_ceil(WORD_BYTES) as u64).map(|at| word(seed, at));
    let mut bytes = Vec::with_capacity(len.next_multiple_of(WORD_BYTES));
    words.for_each(|word| bytes.extend_from_slice(&word.to_le_bytes()));
    bytes.truncate(len);
    bytes
}

/// One word of a file: SplitMix64 (Steele, Lea, Flood 2014), which goes to any place at once.
fn word(seed: u64, at: u64) -> u64 {
    let mut mixed = seed.wrapping_add(at.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_is_that_of_the_outline_and_other_seeds_make_other_files() {
        let size = 2 * CHUNK_BYTES as u64 + 13;
        let truth = Truth::new("film".parse().unwrap(), 1, size);
        let blocks: Vec<Vec<u8>> = (0..4).map(|block| truth.block(block)).collect();
        assert_eq!(blocks.iter().map(Vec::len).collect::<Vec<_>>(), [CHUNK_BYTES, CHUNK_BYTES, 13, 0]);
        for (number, block) in (0..).zip(&blocks[..3]) {
            assert!(truth.outline().is_block(number, block), "{number}");
            assert!(!truth.outline().is_block((number + 1) % 3, block), "{number}");
        }
        assert_ne!(Truth::new("film".parse().unwrap(), 2, size).root(), truth.root());
        assert_eq!(Truth::new("book".parse().unwrap(), 1, size).root(), truth.root(), "a name is no part of a file");
    }
}

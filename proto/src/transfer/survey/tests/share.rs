//! Shares to survey, whole, and what those who have them answer.

use crate::{
    blob::{
        BlobId, CHUNK_BYTES, Hash, chunk_hash,
        layer::{Layer, LayerPart},
        manifest::{Content, Entry, FileEntry, Manifest, Node},
        merkle::EMPTY_ROOT,
        outline::{Outline, known_layer},
    },
    transfer::{message::Tree, survey::Asked},
};

/// A share.
#[derive(Debug, Clone)]
pub struct Share {
    pub outline: Outline,
    /// Of the file, if it is one whose bytes matter; of the manifest, if it is a folder.
    pub bytes: Vec<u8>,
    /// Of the manifest.
    listing: Option<Layer>,
}

/// An answer that is right.
#[derive(Debug, Clone)]
pub enum Given {
    Layer(LayerPart),
    Chunk(Vec<u8>),
    Nothing,
}

fn layer_of(bytes: &[u8]) -> Layer {
    let len = bytes.len() as u64;
    Layer::new(bytes.chunks(CHUNK_BYTES).map(|chunk| chunk_hash(chunk, len)).collect(), len).unwrap()
}

/// The layer of a file of which nobody has the bytes.
fn made_up(size: u64, salt: u64) -> Layer {
    let chunks = crate::blob::chunk_count(size);
    let hash = |index: u64| chunk_hash(&[salt.to_be_bytes(), index.to_be_bytes()].concat(), 1);
    Layer::new((0..chunks).map(hash).collect::<Vec<Hash>>(), size).unwrap()
}

impl Share {
    /// A file with these bytes.
    pub fn of_bytes(bytes: Vec<u8>) -> Self {
        let layer = layer_of(&bytes);
        let content = Content::File { root: layer.root(), size: bytes.len() as u64 };
        Self { outline: Outline::new(content, None, vec![layer]).unwrap(), bytes, listing: None }
    }

    /// A file of so many bytes.
    pub fn file(len: usize) -> Self {
        Self::of_bytes((0..len).map(|at| (at / 9 + at / 4_001) as u8).collect())
    }

    /// A file of which there are only hashes.
    pub fn large_file(size: u64) -> Self {
        let layer = made_up(size, 0);
        let content = Content::File { root: layer.root(), size };
        Self { outline: Outline::new(content, None, vec![layer]).unwrap(), bytes: Vec::new(), listing: None }
    }

    /// A folder of files with these sizes, of which there are only hashes, and with paths of so many bytes.
    pub fn folder(sizes: &[u64], path_len: usize) -> Self {
        let entry = |(at, size): (usize, &u64)| {
            let root = match *size {
                0 => EMPTY_ROOT,
                size => made_up(size, at as u64 + 1).root(),
            };
            let path = format!("{at:06}{}", "p".repeat(path_len.saturating_sub(6))).parse().unwrap();
            Entry { path, node: Node::File(FileEntry { size: *size, root, executable: false }) }
        };
        let manifest = Manifest::new(sizes.iter().enumerate().map(entry).collect()).unwrap();
        let layers = manifest.files().enumerate();
        let layers =
            layers.map(|(at, (_, file))| known_layer(file).unwrap_or_else(|| made_up(file.size, at as u64 + 1)));
        let layers = layers.collect();
        let bytes = manifest.encode();
        let listing = Some(layer_of(&bytes));
        Self { outline: Outline::new(manifest.content(), Some(manifest), layers).unwrap(), bytes, listing }
    }

    pub fn content(&self) -> Content {
        self.outline.content()
    }

    pub fn id(&self) -> BlobId {
        self.content().id()
    }

    /// What one who has all of it answers.
    pub fn give(&self, what: Asked) -> Given {
        match what {
            Asked::Layer { of, range } => {
                let layer = match of {
                    Tree::Manifest => self.listing.as_ref(),
                    Tree::File(file) => self.outline.layer(file),
                };
                layer.and_then(|layer| layer.part(range).ok()).map_or(Given::Nothing, Given::Layer)
            }
            Asked::ManifestChunk(chunk) if self.listing.is_some() => self.chunk(chunk),
            Asked::Block(chunk) if self.listing.is_none() => self.chunk(chunk),
            Asked::ManifestChunk(_) | Asked::Block(_) => Given::Nothing,
        }
    }

    fn chunk(&self, chunk: u32) -> Given {
        let chunk = self.bytes.chunks(CHUNK_BYTES).nth(chunk as usize);
        chunk.map_or(Given::Nothing, |bytes| Given::Chunk(bytes.to_vec()))
    }
}

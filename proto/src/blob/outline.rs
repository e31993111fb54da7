//! All that must be known of a share before its blocks can be checked: what is in it, and the hashes of all chunks.

use super::{
    BlobId, Hash, chunk_count,
    layer::Layer,
    layout::Layout,
    manifest::{Content, FileEntry, Manifest},
    merkle::is_chunk,
};

/// A share whose blocks can be checked. One that exists is proven: it leads to the root that names the share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    content: Content,
    manifest: Option<Manifest>,
    /// Of each file, in the order of the manifest.
    layers: Vec<Layer>,
    layout: Layout,
}

/// Parts that do not belong together. The fault of whoever put them together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOutline {
    /// A folder without a manifest, a file with one, or another folder's.
    #[error("a manifest that is not that of the share")]
    Manifest,
    /// As many layers as files are needed.
    #[error("{found} layers for {files} files")]
    Count {
        /// Layers given.
        found: usize,
        /// Files.
        files: usize,
    },
    /// A layer is that of another file.
    #[error("the hashes of file {0} are not its own")]
    Layer(usize),
}

impl Outline {
    /// Puts a share's parts together.
    ///
    /// # Errors
    /// [`InvalidOutline`].
    pub fn new(content: Content, manifest: Option<Manifest>, layers: Vec<Layer>) -> Result<Self, InvalidOutline> {
        let (files, layout): (Vec<(BlobId, u64)>, _) = match (&content, &manifest) {
            (Content::File { root, size }, None) => {
                let layout = Layout::new([*size]).map_err(|_| InvalidOutline::Manifest)?;
                (vec![(*root, *size)], layout)
            }
            (Content::Folder { .. }, Some(manifest)) if manifest.content() == content => {
                (manifest.files().map(|(_, file)| (file.root, file.size)).collect(), Layout::of_folder(manifest))
            }
            _ => return Err(InvalidOutline::Manifest),
        };
        if files.len() != layers.len() {
            return Err(InvalidOutline::Count { found: layers.len(), files: files.len() });
        }
        let stranger = files.iter().zip(&layers).position(|(file, layer)| *file != (layer.root(), layer.blob_len()));
        match stranger {
            Some(file) => Err(InvalidOutline::Layer(file)),
            None => Ok(Self { content, manifest, layers, layout }),
        }
    }

    /// The same of parts that were proven one by one: nothing is hashed again, and a folder's manifest was read from bytes that are
    /// `content`.
    pub(crate) fn of_proven(
        content: Content,
        manifest: Option<Manifest>,
        layers: Vec<Layer>,
    ) -> Result<Self, InvalidOutline> {
        let layout = match &manifest {
            None => Layout::new([content.size()]).map_err(|_| InvalidOutline::Manifest)?,
            Some(manifest) => Layout::of_folder(manifest),
        };
        Ok(Self { content, manifest, layers, layout })
    }

    /// What the share is.
    pub fn content(&self) -> Content {
        self.content
    }

    /// What is in it, if it is a folder.
    pub fn manifest(&self) -> Option<&Manifest> {
        self.manifest.as_ref()
    }

    /// The hashes of a file's chunks.
    pub fn layer(&self, file: u32) -> Option<&Layer> {
        self.layers.get(file as usize)
    }

    /// The hashes of all files, in the order of the manifest.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// How it is cut.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Whether these are the bytes of a block.
    pub fn is_block(&self, block: u32, bytes: &[u8]) -> bool {
        let parts = self.layout.block(block);
        block < self.layout.blocks()
            && bytes.len() == self.layout.block_len(block) as usize
            && parts.into_iter().all(|part| {
                let layer = &self.layers[part.file as usize];
                let hash = layer.hashes()[part.chunk as usize];
                is_chunk(&bytes[part.at as usize..][..part.len as usize], part.chunk.into(), layer.blob_len(), &hash)
            })
    }
}

/// The layer of a file whose root is the hash of its only chunk, or that has none: nobody needs to be asked for it.
pub fn known_layer(file: &FileEntry) -> Option<Layer> {
    let hashes: Vec<Hash> = match chunk_count(file.size) {
        0 => Vec::new(),
        1 => vec![file.root.0],
        _ => return None,
    };
    Layer::new(hashes, file.size).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::blob::{
        CHUNK_BYTES, chunk_hash,
        manifest::{Entry, Node},
        merkle::root_of_bytes,
    };

    const CHUNK: usize = CHUNK_BYTES;

    fn content(len: usize, salt: u8) -> Vec<u8> {
        (0..len).map(|at| (at / 5 + at / 3_001) as u8 ^ salt).collect()
    }

    fn layer(bytes: &[u8]) -> Layer {
        let len = bytes.len() as u64;
        Layer::new(bytes.chunks(CHUNK).map(|chunk| chunk_hash(chunk, len)).collect(), len).unwrap()
    }

    /// A folder of files with these bytes, and an empty directory.
    fn folder(files: &[Vec<u8>]) -> Manifest {
        let entry = |(at, bytes): (usize, &Vec<u8>)| Entry {
            path: format!("{at:04}").parse().unwrap(),
            node: Node::File(FileEntry { size: bytes.len() as u64, root: root_of_bytes(bytes), executable: false }),
        };
        let empty = Entry { path: "empty".parse().unwrap(), node: Node::EmptyDirectory };
        Manifest::new(files.iter().enumerate().map(entry).chain([empty]).collect()).unwrap()
    }

    fn outline(files: &[Vec<u8>]) -> Outline {
        let manifest = folder(files);
        Outline::new(manifest.content(), Some(manifest), files.iter().map(|bytes| layer(bytes)).collect()).unwrap()
    }

    /// The bytes of a block.
    fn block(outline: &Outline, files: &[Vec<u8>], block: u32) -> Vec<u8> {
        let parts = outline.layout().block(block);
        parts.flat_map(|part| files[part.file as usize][part.offset as usize..][..part.len as usize].to_vec()).collect()
    }

    fn files() -> Vec<Vec<u8>> {
        let lens = [10, 0, 20_000, CHUNK, 2 * CHUNK + 7, 1, 300, CHUNK + 1];
        lens.iter().enumerate().map(|(salt, len)| content(*len, salt as u8)).collect()
    }

    #[test]
    fn every_block_is_known_by_its_bytes_and_is_no_other() {
        let files = files();
        let outline = outline(&files);
        let blocks: Vec<Vec<u8>> = (0..outline.layout().blocks()).map(|at| block(&outline, &files, at)).collect();
        assert!(blocks.len() >= 6 && outline.layout().block(0).count() == 2);
        for (at, bytes) in blocks.iter().enumerate() {
            for (other, other_bytes) in blocks.iter().enumerate() {
                assert_eq!(outline.is_block(other as u32, bytes), at == other, "{at} as {other}");
                assert!(at == other || bytes != other_bytes);
            }
            assert!(!outline.is_block(blocks.len() as u32, bytes) && !outline.is_block(u32::MAX, bytes));
        }
        assert!(!outline.is_block(blocks.len() as u32, &[]) && !outline.is_block(0, &[]));
    }

    #[test]
    fn files_that_share_a_block_are_each_where_they_belong() {
        let files = [content(100, 1), content(100, 2), content(5, 3)];
        let outline = outline(&files);
        assert_eq!((outline.layout().blocks(), outline.layout().block(0).count()), (1, 3));
        let right = files.concat();
        assert!(outline.is_block(0, &right));
        let swapped = [&files[1][..], &files[0], &files[2]].concat();
        assert!(swapped.len() == right.len() && !outline.is_block(0, &swapped));
        for part in 0..3 {
            let mut wrong = files.clone();
            wrong[part][4] ^= 0x10;
            assert!(!outline.is_block(0, &wrong.concat()), "file {part}");
        }
    }

    #[test]
    fn the_parts_are_what_they_were_put_together_from() {
        let files = files();
        let (manifest, outline) = (folder(&files), outline(&files));
        assert_eq!((outline.content(), outline.manifest()), (manifest.content(), Some(&manifest)));
        assert_eq!(outline.layout(), &Layout::of_folder(&manifest));
        let layers: Vec<Layer> = files.iter().map(|bytes| layer(bytes)).collect();
        assert_eq!((outline.layers(), outline.layer(4)), (&layers[..], Some(&layers[4])));
        assert_eq!(outline.layer(files.len() as u32), None);
        assert_eq!(Outline::of_proven(manifest.content(), Some(manifest), layers), Ok(outline));
        let single = Content::File { root: layer(&files[4]).root(), size: files[4].len() as u64 };
        let one = Outline::new(single, None, vec![layer(&files[4])]);
        assert_eq!(Outline::of_proven(single, None, vec![layer(&files[4])]), one);
        assert!(one.unwrap().is_block(1, &files[4][CHUNK..2 * CHUNK]));
    }

    #[test]
    fn a_manifest_that_is_not_that_of_the_share_is_refused() {
        let files = files();
        let (manifest, other) = (folder(&files), folder(&files[1..]));
        let layers = || files.iter().map(|bytes| layer(bytes)).collect::<Vec<_>>();
        let Content::Folder { manifest: root, manifest_len, size } = manifest.content() else { panic!("no folder") };
        let file = Content::File { root: layer(&files[4]).root(), size: files[4].len() as u64 };
        let longer = Content::Folder { manifest: root, manifest_len: manifest_len + 1, size };
        let larger = Content::Folder { manifest: root, manifest_len, size: size + 1 };
        let wrong = [
            (manifest.content(), None),
            (manifest.content(), Some(other)),
            (file, Some(manifest.clone())),
            (longer, Some(manifest.clone())),
            (larger, Some(manifest)),
            (Content::File { root, size: u64::MAX }, None),
        ];
        for (content, manifest) in wrong {
            assert_eq!(Outline::new(content, manifest, layers()), Err(InvalidOutline::Manifest), "{content:?}");
        }
    }

    #[test]
    fn layers_of_other_files_are_refused() {
        let files = files();
        let manifest = folder(&files);
        let refused =
            |layers: Vec<Layer>| Outline::new(manifest.content(), Some(manifest.clone()), layers).unwrap_err();
        let layers: Vec<Layer> = files.iter().map(|bytes| layer(bytes)).collect();
        let count = files.len();
        assert_eq!(refused(layers[1..].to_vec()), InvalidOutline::Count { found: count - 1, files: count });
        assert_eq!(refused(vec![]), InvalidOutline::Count { found: 0, files: count });
        let mut swapped = layers.clone();
        swapped.swap(4, 7);
        assert_eq!(refused(swapped), InvalidOutline::Layer(4));
        // The same hashes of a file of another length.
        let mut longer = layers.clone();
        longer[7] = Layer::new(layers[7].hashes().to_vec(), layers[7].blob_len() + 1).unwrap();
        assert_eq!(refused(longer), InvalidOutline::Layer(7));
        let mut wrong = layers.clone();
        let mut hashes = layers[4].hashes().to_vec();
        hashes[1][0] ^= 1;
        wrong[4] = Layer::new(hashes, layers[4].blob_len()).unwrap();
        assert_eq!(refused(wrong), InvalidOutline::Layer(4));
    }

    #[test]
    fn the_layer_of_a_file_of_one_chunk_is_known_from_its_root() {
        for (len, is_known) in [(0, true), (1, true), (CHUNK, true), (CHUNK + 1, false)] {
            let bytes = content(len, 0);
            let file = FileEntry { size: len as u64, root: root_of_bytes(&bytes), executable: false };
            assert_eq!(known_layer(&file), is_known.then(|| layer(&bytes)), "{len} bytes");
        }
    }

    proptest! {
        #[test]
        fn a_block_with_one_other_bit_or_another_length_is_none(
            lens in prop::collection::vec(prop_oneof![0..300usize, CHUNK - 2..CHUNK + 2], 1..6),
            which: prop::sample::Index, at: prop::sample::Index, bit in 0..8u8,
        ) {
            let files: Vec<Vec<u8>> = lens.iter().zip(1..).map(|(len, salt)| content(*len, salt)).collect();
            let outline = outline(&files);
            prop_assume!(outline.layout().blocks() > 0);
            let number = which.index(outline.layout().blocks() as usize) as u32;
            let right = block(&outline, &files, number);
            prop_assert!(outline.is_block(number, &right));
            let mut changed = right.clone();
            changed[at.index(right.len())] ^= 1 << bit;
            prop_assert!(!outline.is_block(number, &changed));
            prop_assert!(!outline.is_block(number, &right[1..]) && !outline.is_block(number, &[&right[..], &[0]].concat()));
        }
    }
}

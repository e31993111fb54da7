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

//! The chunk hashes of all files of a share while they come in.

use std::collections::{BTreeMap, BTreeSet};

use super::{Asked, Finding};
use crate::{
    blob::{
        BlobId, chunk_count,
        layer::{Layer, LayerPart, LayerRange},
        manifest::{Content, FileEntry, Manifest},
        outline::{Outline, known_layer},
        partial::PartialLayer,
    },
    transfer::message::Tree,
};

/// The files of a share, and what is known of each.
#[derive(Debug)]
pub struct Files {
    content: Content,
    manifest: Option<Manifest>,
    /// Root and bytes of each.
    files: Vec<(BlobId, u64)>,
    layers: Vec<Option<Layer>>,
    /// Of files of which some hashes are here: not many more than there are questions open.
    partial: BTreeMap<u32, PartialLayer>,
    /// What was asked for and did not come.
    back: BTreeSet<(u32, LayerRange)>,
    /// The file of which to ask next, and the first chunk of it.
    next: (u32, u32),
    /// Files whose layer is not whole.
    left: usize,
}

impl Files {
    /// Those of a share: of what was read from its manifest, if it is a folder.
    pub fn new(content: Content, manifest: Option<Manifest>) -> Self {
        let entries: Vec<FileEntry> = match &manifest {
            Some(manifest) => manifest.files().map(|(_, file)| *file).collect(),
            None => vec![FileEntry { size: content.size(), root: content.id(), executable: false }],
        };
        let layers: Vec<Option<Layer>> = entries.iter().map(known_layer).collect();
        Self {
            content,
            manifest,
            files: entries.into_iter().map(|file| (file.root, file.size)).collect(),
            left: layers.iter().filter(|layer| layer.is_none()).count(),
            layers,
            partial: BTreeMap::new(),
            back: BTreeSet::new(),
            next: (0, 0),
        }
    }

    /// Chunk hashes that have to be asked for.
    pub fn hashes_needed(&self) -> u64 {
        self.files.iter().map(|(_, size)| chunk_count(*size)).filter(|chunks| *chunks > 1).sum()
    }

    /// What to ask for next.
    pub fn next(&mut self) -> Option<Asked> {
        let (file, range) = self.back.pop_first().or_else(|| self.next_new())?;
        Some(Asked::Layer { of: Tree::File(file), range })
    }

    fn next_new(&mut self) -> Option<(u32, LayerRange)> {
        loop {
            let (file, first) = self.next;
            let (_, size) = self.files.get(file as usize)?;
            match LayerRange::covering(first, *size).filter(|_| chunk_count(*size) > 1) {
                None => self.next = (file + 1, 0),
                Some(range) => {
                    self.next = (file, range.first + u32::from(range.width));
                    if self.partial.get(&file).is_none_or(|partial| !partial.has(range)) {
                        return Some((file, range));
                    }
                }
            }
        }
    }

    /// Nobody gave what was asked for.
    pub fn give_back(&mut self, what: Asked) {
        if let Asked::Layer { of: Tree::File(file), range } = what {
            self.back.insert((file, range));
        }
    }

    /// Hashes came.
    pub fn take_layer(&mut self, of: Tree, range: LayerRange, part: LayerPart) -> Finding {
        let Tree::File(file) = of else { return Finding::Wrong };
        let Some((root, size)) = self.files.get(file as usize).copied() else { return Finding::Wrong };
        let partial = self.partial.entry(file).or_insert_with(|| PartialLayer::new(root, size));
        if partial.take(range, part).is_err() {
            return Finding::Wrong;
        }
        if partial.is_whole() {
            self.layers[file as usize] = self.partial.remove(&file).and_then(PartialLayer::finish);
            self.left -= 1;
        }
        Finding::Right
    }

    /// Whether nothing is missing.
    pub fn is_whole(&self) -> bool {
        self.left == 0
    }

    /// All that was gathered, once nothing is missing.
    pub fn finish(self) -> Option<Outline> {
        let layers: Option<Vec<Layer>> = self.layers.into_iter().collect();
        Outline::of_proven(self.content, self.manifest, layers?).ok()
    }
}

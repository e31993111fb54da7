//! What peers say a share is, put to the proof.

use std::collections::{BTreeMap, BTreeSet};

use super::{Asked, Finding};
use crate::{
    blob::{
        BlobId, Hash, MAX_MANIFEST_BYTES, chunk_count,
        layer::{LayerPart, LayerRange},
        manifest::{Content, Manifest},
        merkle::{is_chunk, root_proves_len},
    },
    transfer::message::Tree,
};

/// What can be proven of what a share is said to be. The size of a folder is not part of it: the manifest tells that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    is_folder: bool,
    /// Bytes of the file, or of the manifest.
    len: u64,
}

impl Claim {
    /// What this content claims.
    pub fn of(content: &Content) -> Self {
        match content {
            Content::File { size, .. } => Self { is_folder: false, len: *size },
            Content::Folder { manifest_len, .. } => Self { is_folder: true, len: u64::from(*manifest_len) },
        }
    }

    /// Whether bytes can prove it to one who knows only the root. A manifest begins with too many known bytes for anybody to find
    /// others with the same root.
    pub fn is_provable(self) -> bool {
        self.is_folder || root_proves_len(self.len)
    }

    fn chunk(self, chunk: u32) -> Asked {
        if self.is_folder { Asked::ManifestChunk(chunk) } else { Asked::Block(chunk) }
    }

    fn tree(self) -> Tree {
        if self.is_folder { Tree::Manifest } else { Tree::File(0) }
    }
}

/// What was proven, and what was fetched to prove it.
#[derive(Debug)]
pub struct Proof {
    /// What the share is.
    pub content: Content,
    /// Some of its hashes.
    pub part: Option<(LayerRange, LayerPart)>,
    /// Chunks of the manifest.
    pub chunks: Vec<(u32, Vec<u8>)>,
}

/// The proof of one claim. It needs the last chunk, which alone tells the length; and the first, which tells a manifest from a file,
/// unless the file is longer than any manifest. Of hashes, the range with the last chunk is enough: a layer has several ranges
/// only where the first chunk is not needed.
#[derive(Debug)]
pub struct Trial {
    share: BlobId,
    content: Content,
    claim: Claim,
    range: Option<LayerRange>,
    part: Option<LayerPart>,
    /// The chunks that are needed, and those that are here. Those of a file were only looked at.
    chunks: BTreeMap<u32, Option<Vec<u8>>>,
    asked: BTreeSet<Asked>,
}

const _: () = assert!(MAX_MANIFEST_BYTES / crate::blob::CHUNK_BYTES <= crate::blob::layer::MAX_RANGE_HASHES as usize);

impl Trial {
    /// Begins to prove what was said.
    pub fn new(content: Content) -> Self {
        let claim = Claim::of(&content);
        let last = (chunk_count(claim.len) as u32).saturating_sub(1);
        let first = (claim.len <= MAX_MANIFEST_BYTES as u64).then_some(0);
        Self {
            share: content.id(),
            content,
            claim,
            range: LayerRange::covering(last, claim.len).filter(|_| last > 0),
            part: None,
            chunks: first.into_iter().chain([last]).map(|chunk| (chunk, None)).collect(),
            asked: BTreeSet::new(),
        }
    }

    /// What to ask for next.
    pub fn next(&mut self) -> Option<Asked> {
        let what = match self.range.filter(|_| self.part.is_none()) {
            Some(range) => {
                Some(Asked::Layer { of: self.claim.tree(), range }).filter(|what| !self.asked.contains(what))
            }
            None => {
                let missing = self.chunks.iter().filter(|(_, bytes)| bytes.is_none());
                missing.map(|(chunk, _)| self.claim.chunk(*chunk)).find(|what| !self.asked.contains(what))
            }
        }?;
        self.asked.insert(what);
        Some(what)
    }

    /// Nobody gave what was asked for.
    pub fn give_back(&mut self, what: Asked) {
        self.asked.remove(&what);
    }

    /// The hashes came.
    pub fn take_layer(&mut self, range: LayerRange, part: LayerPart) -> Finding {
        if part.verify(range, &self.share, self.claim.len).is_err() {
            return Finding::Wrong;
        }
        self.part = Some(part);
        Finding::Right
    }

    /// A chunk came.
    pub fn take_chunk(&mut self, chunk: u32, bytes: Vec<u8>) -> Finding {
        let Some(hash) = self.hash(chunk) else { return Finding::Wrong };
        if !is_chunk(&bytes, u64::from(chunk), self.claim.len, &hash) {
            return Finding::Wrong;
        }
        if chunk == 0 && Manifest::is_meant(&bytes) != self.claim.is_folder {
            return Finding::Lie;
        }
        self.chunks.insert(chunk, Some(if self.claim.is_folder { bytes } else { Vec::new() }));
        Finding::Right
    }

    /// Whether nothing is missing.
    pub fn is_proven(&self) -> bool {
        self.chunks.values().all(Option::is_some)
    }

    /// What is known now.
    pub fn finish(self) -> Proof {
        let is_folder = self.claim.is_folder;
        let chunks = self.chunks.into_iter().filter_map(|(chunk, bytes)| Some((chunk, bytes?)));
        Proof { content: self.content, part: self.range.zip(self.part), chunks: chunks.filter(|_| is_folder).collect() }
    }

    fn hash(&self, chunk: u32) -> Option<Hash> {
        match self.range {
            None => Some(self.share.0),
            Some(range) => self.part.as_ref()?.hashes.get(chunk.checked_sub(range.first)? as usize).copied(),
        }
    }
}

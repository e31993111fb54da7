//! The layer of a blob's chunk hashes, and ranges of it with proofs against the root.
//!
//! A getter asks for the layer in ranges, each a subtree, so that one proof covers it. The nodes that the padding makes are
//! known to both sides: hashes beyond the last chunk are not sent, and where a proof needs one it must be the right one.

use serde::{Deserialize, Serialize};

use super::{
    BlobId, Hash, chunk_count,
    merkle::{EMPTY_ROOT, WrongLayerLen, chunk_pad, node, parents},
};

/// Hashes in a range: 16 KiB of them vouch for 128 MiB, so a large blob's layer is soon there, and no answer is long.
pub const MAX_RANGE_HASHES: u16 = 512;

/// Bytes of the largest encoded [`LayerPart`], with a proof from a single chunk of the largest blob.
pub const MAX_PART_BYTES: usize = (MAX_RANGE_HASHES as usize + 24) * 32 + 32;

const _: () = assert!((super::MAX_SHARE_BYTES / super::CHUNK_BYTES as u64).trailing_zeros() <= 24);

/// A stretch of a layer that is one subtree: `width` is a power of two, and `first` a multiple of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LayerRange {
    /// Index of its first chunk.
    pub first: u32,
    /// Chunks in it, counting those that the padding adds.
    pub width: u16,
}

/// A range that a blob's layer does not have. The fault of who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no subtree of {} chunks begins at chunk {} of {chunks}", range.width, range.first)]
pub struct InvalidRange {
    /// The range.
    pub range: LayerRange,
    /// Chunks of the blob.
    pub chunks: u64,
}

/// Why part of a layer is not what was asked for. The sender's fault, except for [`InvalidPart::Range`], which is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPart {
    /// There is no such range.
    #[error(transparent)]
    Range(#[from] InvalidRange),
    /// Another number of hashes than the range has chunks, or than its proof has levels.
    #[error("{hashes} hashes with a proof of {proof}, of the wrong number")]
    Count {
        /// Hashes in the part.
        hashes: usize,
        /// Hashes in its proof.
        proof: usize,
    },
    /// The hashes and the proof do not lead to the root.
    #[error("hashes that do not belong to this root")]
    Root,
}

impl LayerRange {
    /// The largest range with this chunk, or `None` when the blob has no such chunk.
    pub fn covering(chunk: u32, blob_len: u64) -> Option<Self> {
        let width = widest(blob_len);
        let range = Self { first: chunk / u32::from(width) * u32::from(width), width };
        (u64::from(chunk) < chunk_count(blob_len)).then_some(range)
    }

    /// The ranges that make up the whole layer, in order.
    pub fn all(blob_len: u64) -> impl Iterator<Item = Self> {
        let width = widest(blob_len);
        (0..=u32::MAX)
            .step_by(usize::from(width))
            .take_while(move |first| u64::from(*first) < chunk_count(blob_len))
            .map(move |first| Self { first, width })
    }

    /// Whether the layer of such a blob has this range.
    ///
    /// # Errors
    /// [`InvalidRange`] when it has not.
    pub fn check(self, blob_len: u64) -> Result<(), InvalidRange> {
        let chunks = chunk_count(blob_len);
        let subtree = self.width.is_power_of_two() && self.first.is_multiple_of(u32::from(self.width));
        let inside = self.width <= widest(blob_len) && u64::from(self.first) < chunks;
        if subtree && inside { Ok(()) } else { Err(InvalidRange { range: self, chunks }) }
    }

    /// The chunks in it that the blob has.
    fn chunks(self, blob_len: u64) -> std::ops::Range<usize> {
        let first = self.first as usize;
        let chunks = usize::try_from(chunk_count(blob_len)).unwrap_or(usize::MAX);
        first.min(chunks)..(first + usize::from(self.width)).min(chunks)
    }

    /// How many hashes a proof of it has: the levels from it to the root.
    fn proof_len(self, blob_len: u64) -> usize {
        (padded(blob_len) / u64::from(self.width)).trailing_zeros() as usize
    }
}

/// A range of a layer as it travels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerPart {
    /// The chunk hashes; fewer than the range is wide where the blob ends.
    pub hashes: Vec<Hash>,
    /// What stands beside the range on each level up to the root, the lowest first.
    pub proof: Vec<Hash>,
}

impl LayerPart {
    /// Whether this is the range of the layer of the blob with this root and length. If so, [`LayerPart::hashes`] are good.
    ///
    /// # Errors
    /// [`InvalidPart`] says what is wrong.
    pub fn verify(&self, range: LayerRange, root: &BlobId, blob_len: u64) -> Result<(), InvalidPart> {
        self.verified_top(range, root, blob_len).map(drop)
    }

    /// The same; gives the node over the range.
    pub(super) fn verified_top(&self, range: LayerRange, root: &BlobId, blob_len: u64) -> Result<Hash, InvalidPart> {
        range.check(blob_len)?;
        if self.hashes.len() != range.chunks(blob_len).len() || self.proof.len() != range.proof_len(blob_len) {
            return Err(InvalidPart::Count { hashes: self.hashes.len(), proof: self.proof.len() });
        }
        let (mut level, mut pad) = (self.hashes.clone(), chunk_pad());
        for _ in 0..range.width.trailing_zeros() {
            level = parents(&level, &pad);
            pad = node(&pad, &pad);
        }
        let top = level[0];
        let mut reached = top;
        let mut span = u64::from(range.width);
        let mut at = u64::from(range.first) / span;
        for beside in &self.proof {
            if (at ^ 1) * span >= chunk_count(blob_len) && *beside != pad {
                return Err(InvalidPart::Root);
            }
            reached = if at.is_multiple_of(2) { node(&reached, beside) } else { node(beside, &reached) };
            pad = node(&pad, &pad);
            (at, span) = (at / 2, span * 2);
        }
        if reached == root.0 { Ok(top) } else { Err(InvalidPart::Root) }
    }
}

/// The hashes of all chunks of a blob, in order, and the upper part of the tree over them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    blob_len: u64,
    hashes: Vec<Hash>,
    /// The levels from the nodes over [`MAX_RANGE_HASHES`] chunks up to the root: kept so that a proof costs the same
    /// wherever it starts. They add less than a hundredth to the layer.
    upper: Vec<Vec<Hash>>,
}

impl Layer {
    /// The layer of a blob of so many bytes.
    ///
    /// # Errors
    /// [`WrongLayerLen`] when there are more or fewer hashes than chunks.
    pub fn new(hashes: Vec<Hash>, blob_len: u64) -> Result<Self, WrongLayerLen> {
        let (found, expected) = (hashes.len() as u64, chunk_count(blob_len));
        if found != expected {
            return Err(WrongLayerLen { found, expected });
        }
        if hashes.len() <= 1 {
            return Ok(Self { blob_len, upper: vec![hashes.clone()], hashes });
        }
        let mut tops = Vec::with_capacity(hashes.len().div_ceil(usize::from(MAX_RANGE_HASHES)));
        for group in hashes.chunks(usize::from(MAX_RANGE_HASHES)) {
            let mut pad = chunk_pad();
            let mut level = group.to_vec();
            for _ in 0..widest(blob_len).trailing_zeros() {
                level = parents(&level, &pad);
                pad = node(&pad, &pad);
            }
            tops.push(level[0]);
        }
        Ok(Self::of_tops(hashes, tops, blob_len))
    }

    /// The layer of a blob with these chunk hashes, of which the nodes over each of the widest ranges are `tops`.
    pub(super) fn of_tops(hashes: Vec<Hash>, tops: Vec<Hash>, blob_len: u64) -> Self {
        let mut pad = chunk_pad();
        for _ in 0..widest(blob_len).trailing_zeros() {
            pad = node(&pad, &pad);
        }
        let mut upper = vec![tops];
        while let Some(last) = upper.last().filter(|level| level.len() > 1) {
            let next = parents(last, &pad);
            pad = node(&pad, &pad);
            upper.push(next);
        }
        Self { blob_len, hashes, upper }
    }

    /// The chunk hashes, in order.
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    /// Bytes of the blob.
    pub fn blob_len(&self) -> u64 {
        self.blob_len
    }

    /// The blob's id.
    pub fn root(&self) -> BlobId {
        self.upper.last().and_then(|level| level.first()).map_or(EMPTY_ROOT, |root| BlobId(*root))
    }

    /// A range with its proof.
    ///
    /// # Errors
    /// [`InvalidRange`] when the layer has no such range.
    pub fn part(&self, range: LayerRange) -> Result<LayerPart, InvalidRange> {
        range.check(self.blob_len)?;
        let width = widest(self.blob_len);
        let group = LayerRange { first: range.first / u32::from(width) * u32::from(width), width };
        let mut level = self.hashes[group.chunks(self.blob_len)].to_vec();
        let (mut at, mut span, mut pad) = ((range.first - group.first) as usize, 1, chunk_pad());
        let mut proof = Vec::with_capacity(range.proof_len(self.blob_len));
        while span < width {
            if span >= range.width {
                proof.push(*level.get(at ^ 1).unwrap_or(&pad));
            }
            // A range that is the whole group needs nothing from inside it.
            if range.width < width {
                level = parents(&level, &pad);
            }
            pad = node(&pad, &pad);
            (at, span) = (at / 2, span * 2);
        }
        at = (group.first / u32::from(width)) as usize;
        for level in self.upper.iter().take_while(|level| level.len() > 1) {
            proof.push(*level.get(at ^ 1).unwrap_or(&pad));
            pad = node(&pad, &pad);
            at /= 2;
        }
        Ok(LayerPart { hashes: self.hashes[range.chunks(self.blob_len)].to_vec(), proof })
    }
}

/// Chunks of the blob with those that the padding adds.
fn padded(blob_len: u64) -> u64 {
    chunk_count(blob_len).next_power_of_two()
}

/// Width of the widest range.
fn widest(blob_len: u64) -> u16 {
    u16::try_from(padded(blob_len)).map_or(MAX_RANGE_HASHES, |padded| padded.min(MAX_RANGE_HASHES))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::blob::{CHUNK_BYTES, root_of};

    /// A layer of made-up hashes.
    fn layer(chunks: u64) -> Layer {
        let hashes = (0..chunks).map(|index| node(&[1; 32], &[index.to_be_bytes(); 4].concat().try_into().unwrap()));
        Layer::new(hashes.collect(), chunks * CHUNK_BYTES as u64).unwrap()
    }

    /// A blob of some chunks, and a range of it.
    fn layer_and_range() -> impl Strategy<Value = (Layer, LayerRange)> {
        let chunks = prop_oneof![1..40u64, 500..530u64, 1000..1050u64, 1500..2600u64];
        (chunks, any::<prop::sample::Index>(), any::<prop::sample::Index>()).prop_map(|(chunks, first, width)| {
            let layer = layer(chunks);
            let width = 1 << width.index(widest(layer.blob_len()).trailing_zeros() as usize + 1);
            let first = first.index(chunks.div_ceil(width) as usize) as u32 * width as u32;
            (layer, LayerRange { first, width: width as u16 })
        })
    }

    #[test]
    fn the_root_of_a_layer_is_that_of_its_blob() {
        for chunks in [0, 1, 2, 3, 511, 512, 513, 1024, 1025, 2049] {
            let layer = layer(chunks);
            assert_eq!(Ok(layer.root()), root_of(layer.hashes(), layer.blob_len()), "{chunks} chunks");
        }
    }

    #[test]
    fn the_ranges_of_a_layer_cover_it_once() {
        for chunks in [0, 1, 2, 3, 511, 512, 513, 1025, 2049] {
            let layer = layer(chunks);
            let mut found = Vec::new();
            for range in LayerRange::all(layer.blob_len()) {
                let part = layer.part(range).unwrap();
                assert_eq!(part.verify(range, &layer.root(), layer.blob_len()), Ok(()));
                assert_eq!(LayerRange::covering(range.first, layer.blob_len()), Some(range));
                found.extend(part.hashes);
            }
            assert_eq!(found, layer.hashes());
            assert_eq!(LayerRange::covering(chunks as u32, layer.blob_len()), None);
        }
    }

    #[test]
    fn a_range_that_is_no_subtree_is_refused() {
        let layer = layer(700);
        for (first, width) in [(0, 0), (0, 3), (1, 2), (0, 1024), (1024, 512), (700, 1), (u32::MAX, 1)] {
            let range = LayerRange { first, width };
            assert_eq!(layer.part(range), Err(InvalidRange { range, chunks: 700 }));
            let part = LayerPart { hashes: vec![], proof: vec![] };
            let refused = part.verify(range, &layer.root(), layer.blob_len());
            assert_eq!(refused, Err(InvalidPart::Range(InvalidRange { range, chunks: 700 })));
        }
    }

    #[test]
    fn a_shorter_length_than_the_root_has_is_refused() {
        let layer = layer(1024);
        let range = LayerRange { first: 0, width: 512 };
        let part = layer.part(range).unwrap();
        assert_eq!(part.verify(range, &layer.root(), layer.blob_len()), Ok(()));
        let shorter = 511 * CHUNK_BYTES as u64 + 1;
        assert!(part.verify(range, &layer.root(), shorter).is_err());
        let beside = LayerPart { proof: vec![[9; 32]], ..part };
        let root = BlobId(node(&layer.upper[0][0], &[9; 32]));
        let longer = 513 * CHUNK_BYTES as u64;
        assert_eq!(beside.verify(range, &root, longer), Ok(()));
        assert!(beside.verify(range, &root, 512 * CHUNK_BYTES as u64).is_err());
    }

    proptest! {
        #[test]
        fn any_range_of_any_blob_verifies((layer, range) in layer_and_range()) {
            let part = layer.part(range).unwrap();
            prop_assert_eq!(part.verify(range, &layer.root(), layer.blob_len()), Ok(()));
            let frame = crate::wire::encode(&part);
            prop_assert_eq!(crate::wire::decode::<LayerPart, MAX_PART_BYTES>(&frame), Ok(part));
        }

        #[test]
        fn any_changed_bit_does_not((layer, range) in layer_and_range(), at in any::<prop::sample::Index>(), bit in 0..8u8) {
            let mut part = layer.part(range).unwrap();
            let root = layer.root();
            let count = part.hashes.len();
            let at = at.index((count + part.proof.len()) * 32);
            let changed = if at < count * 32 { &mut part.hashes[at / 32] } else { &mut part.proof[at / 32 - count] };
            changed[at % 32] ^= 1 << bit;
            prop_assert_eq!(part.verify(range, &root, layer.blob_len()), Err(InvalidPart::Root));
        }

        #[test]
        fn a_part_of_another_size_does_not((layer, range) in layer_and_range()) {
            let part = layer.part(range).unwrap();
            let mut more = part.clone();
            more.proof.push([0; 32]);
            let mut fewer = part;
            fewer.hashes.pop();
            for wrong in [more, fewer] {
                let refused = wrong.verify(range, &layer.root(), layer.blob_len());
                prop_assert!(matches!(refused, Err(InvalidPart::Count { .. })), "{refused:?}");
            }
        }
    }
}

//! A layer while its ranges come in.

use std::collections::BTreeMap;

use super::{
    BlobId, Hash, chunk_count,
    layer::{InvalidPart, Layer, LayerPart, LayerRange, MAX_RANGE_HASHES},
};

/// Part of the layer of one blob: its widest ranges, in any order. What is in it is proven.
#[derive(Debug)]
pub struct PartialLayer {
    root: BlobId,
    blob_len: u64,
    /// Those of all chunks up to the first range that is missing. There is room for all, which costs nothing before it is used.
    hashes: Vec<Hash>,
    /// Those of ranges behind one that is missing.
    ahead: BTreeMap<usize, Vec<Hash>>,
    /// The node over each range; `None` for those that are missing.
    tops: Vec<Option<Hash>>,
    missing: usize,
}

impl PartialLayer {
    /// Nothing yet of the layer of this blob.
    pub fn new(root: BlobId, blob_len: u64) -> Self {
        let chunks = chunk_count(blob_len) as usize;
        let ranges = chunks.div_ceil(usize::from(MAX_RANGE_HASHES));
        let hashes = Vec::with_capacity(chunks);
        Self { root, blob_len, hashes, ahead: BTreeMap::new(), tops: vec![None; ranges], missing: ranges }
    }

    /// Checks a range, one of [`LayerRange::all`], and puts it in.
    ///
    /// # Errors
    /// [`InvalidPart`] says what is wrong.
    pub fn take(&mut self, range: LayerRange, part: LayerPart) -> Result<(), InvalidPart> {
        let top = part.verified_top(range, &self.root, self.blob_len)?;
        let at = range.first as usize / usize::from(MAX_RANGE_HASHES);
        let Some(slot @ None) = self.tops.get_mut(at) else { return Ok(()) };
        *slot = Some(top);
        self.missing -= 1;
        self.ahead.insert(at, part.hashes);
        while let Some(hashes) = self.ahead.remove(&(self.hashes.len() / usize::from(MAX_RANGE_HASHES))) {
            self.hashes.extend(hashes);
        }
        Ok(())
    }

    /// Whether a range is there.
    pub fn has(&self, range: LayerRange) -> bool {
        self.tops.get(range.first as usize / usize::from(MAX_RANGE_HASHES)).is_some_and(Option::is_some)
    }

    /// Whether no range is missing.
    pub fn is_whole(&self) -> bool {
        self.missing == 0
    }

    /// The layer, if nothing is missing.
    pub fn finish(self) -> Option<Layer> {
        let tops: Option<Vec<Hash>> = self.tops.into_iter().collect();
        Some(Layer::of_tops(self.hashes, tops?, self.blob_len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::{CHUNK_BYTES, chunk_hash};

    fn layer(chunks: u64) -> Layer {
        let hashes = (0..chunks).map(|index| chunk_hash(&index.to_be_bytes(), 1)).collect();
        Layer::new(hashes, chunks * CHUNK_BYTES as u64 - 7).unwrap()
    }

    #[test]
    fn ranges_in_any_order_make_the_layer() {
        for chunks in [1, 2, 5, 511, 512, 513, 1024, 1500, 2049] {
            let whole = layer(chunks);
            let mut ranges: Vec<LayerRange> = LayerRange::all(whole.blob_len()).collect();
            // The last first, then those in the middle from the front.
            ranges.rotate_right(1);
            let mut partial = PartialLayer::new(whole.root(), whole.blob_len());
            for range in ranges {
                assert!(!partial.is_whole() && !partial.has(range));
                for _ in 0..2 {
                    assert_eq!(partial.take(range, whole.part(range).unwrap()), Ok(()));
                }
                assert!(partial.has(range));
            }
            assert!(partial.is_whole());
            assert_eq!(partial.finish(), Some(whole));
        }
    }

    #[test]
    fn a_wrong_range_is_not_taken_and_what_is_missing_stays_so() {
        let whole = layer(1500);
        let ranges: Vec<LayerRange> = LayerRange::all(whole.blob_len()).collect();
        let mut partial = PartialLayer::new(whole.root(), whole.blob_len());
        let mut wrong = whole.part(ranges[1]).unwrap();
        wrong.hashes[7][0] ^= 1;
        assert_eq!(partial.take(ranges[1], wrong), Err(InvalidPart::Root));
        assert_eq!(partial.take(ranges[0], whole.part(ranges[1]).unwrap()), Err(InvalidPart::Root));
        assert_eq!(partial.take(ranges[2], whole.part(ranges[2]).unwrap()), Ok(()));
        assert!(!partial.is_whole() && partial.finish().is_none());
    }
}

//! The hash tree of a blob, as in BitTorrent v2 (BEP 52).
//!
//! | node | is |
//! |---|---|
//! | leaf | SHA-256 of 16 KiB of the blob, the last of what is left |
//! | missing leaf | 32 zero bytes |
//! | inner node | SHA-256 of its two children |
//! | chunk hash | the node over the 16 leaves of a chunk; in a blob of at most one chunk, over its leaves, padded to a power of two |
//! | root | the node over all leaves, padded to a power of two; the same as over all chunk hashes, padded with the node over 16 missing leaves |
//!
//! BEP 52 gives an empty file no root. Here it has one like all others, that of its one leaf: [`EMPTY_ROOT`], the SHA-256 of
//! nothing.

use sha2::{Digest, Sha256};

use super::{BlobId, CHUNK_BYTES, LEAF_BYTES, chunk_count, chunk_len};

/// A node of the tree: a leaf, a chunk hash or what is above it.
pub type Hash = [u8; 32];

/// The root of the empty blob: SHA-256 of no bytes.
pub const EMPTY_ROOT: BlobId = BlobId([
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41,
    0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
]);

/// Leaves under a chunk.
const CHUNK_LEAVES: usize = CHUNK_BYTES / LEAF_BYTES;

/// Levels between the leaves and the chunk hashes.
const CHUNK_HEIGHT: u32 = CHUNK_LEAVES.trailing_zeros();

/// A layer with another number of hashes than its blob has chunks. Of what a peer sent, the peer's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{found} chunk hashes for a blob of {expected} chunks")]
pub struct WrongLayerLen {
    /// Hashes in the layer.
    pub found: u64,
    /// Chunks in the blob.
    pub expected: u64,
}

/// The hash of one chunk of a blob that has `blob_len` bytes in all, which matters where there is but one chunk.
///
/// Bytes that are longer than a chunk get a hash that no chunk has.
pub fn chunk_hash(bytes: &[u8], blob_len: u64) -> Hash {
    let mut level: Vec<Hash> = bytes.chunks(LEAF_BYTES).map(|leaf| Sha256::digest(leaf).into()).collect();
    let height = if blob_len > CHUNK_BYTES as u64 { CHUNK_HEIGHT } else { 0 };
    let mut pad = [0; 32];
    let mut at = 0;
    while level.len() > 1 || at < height {
        level = parents(&level, &pad);
        pad = node(&pad, &pad);
        at += 1;
    }
    level.first().copied().unwrap_or(EMPTY_ROOT.0)
}

/// Whether `bytes` are the chunk at `index`, of which the hash is `expected`, of a blob that has `blob_len` bytes.
pub fn is_chunk(bytes: &[u8], index: u64, blob_len: u64, expected: &Hash) -> bool {
    bytes.len() == chunk_len(blob_len, index) && chunk_hash(bytes, blob_len) == *expected
}

/// The root over the hashes of all chunks of a blob that has `blob_len` bytes.
///
/// # Errors
/// [`WrongLayerLen`] when there are more or fewer hashes than chunks.
pub fn root_of(layer: &[Hash], blob_len: u64) -> Result<BlobId, WrongLayerLen> {
    let (found, expected) = (layer.len() as u64, chunk_count(blob_len));
    if found != expected {
        return Err(WrongLayerLen { found, expected });
    }
    if layer.is_empty() {
        return Ok(EMPTY_ROOT);
    }
    let mut pad = chunk_pad();
    let mut level = layer.to_vec();
    while level.len() > 1 {
        level = parents(&level, &pad);
        pad = node(&pad, &pad);
    }
    Ok(BlobId(level[0]))
}

/// The id of a blob that is at hand as a whole.
pub fn root_of_bytes(bytes: &[u8]) -> BlobId {
    let len = bytes.len() as u64;
    let layer: Vec<Hash> = bytes.chunks(CHUNK_BYTES).map(|chunk| chunk_hash(chunk, len)).collect();
    root_of(&layer, len).unwrap_or(EMPTY_ROOT)
}

/// Whether content that hashes to a root with this length can only be what the root was made for. The one length for which
/// that is not so is 64 bytes: the two children of a root hash to it as a leaf does.
pub fn root_proves_len(blob_len: u64) -> bool {
    blob_len != 2 * size_of::<Hash>() as u64
}

/// The node above two.
pub(super) fn node(left: &Hash, right: &Hash) -> Hash {
    let mut both = [0; 64];
    both[..32].copy_from_slice(left);
    both[32..].copy_from_slice(right);
    Sha256::digest(both).into()
}

/// The level above `level`, of which the nodes that are missing at its end are `pad`.
pub(super) fn parents(level: &[Hash], pad: &Hash) -> Vec<Hash> {
    level.chunks(2).map(|pair| node(&pair[0], pair.get(1).unwrap_or(pad))).collect()
}

/// The hash of a chunk of which all leaves are missing.
pub(super) fn chunk_pad() -> Hash {
    (0..CHUNK_HEIGHT).fold([0; 32], |pad, _| node(&pad, &pad))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition, without chunks: all leaves, padded in full to a power of two.
    fn root_over_leaves(bytes: &[u8]) -> BlobId {
        let mut level: Vec<Hash> = bytes.chunks(LEAF_BYTES).map(|leaf| Sha256::digest(leaf).into()).collect();
        level.resize(level.len().next_power_of_two(), [0; 32]);
        while level.len() > 1 {
            level = level.chunks(2).map(|pair| Sha256::digest(pair.as_flattened()).into()).collect();
        }
        BlobId(level[0])
    }

    fn content(len: usize) -> Vec<u8> {
        (0..len).map(|at| (at / 7 + at / LEAF_BYTES) as u8).collect()
    }

    #[test]
    fn the_root_over_chunks_is_the_root_over_leaves() {
        for edge in [LEAF_BYTES, 3 * LEAF_BYTES, CHUNK_BYTES, 2 * CHUNK_BYTES, 5 * CHUNK_BYTES + 3 * LEAF_BYTES] {
            for len in [edge - 1, edge, edge + 1] {
                let bytes = content(len);
                assert_eq!(root_of_bytes(&bytes), root_over_leaves(&bytes), "{len} bytes");
            }
        }
    }

    #[test]
    fn the_empty_blob_has_the_hash_of_nothing() {
        assert_eq!(EMPTY_ROOT.0, <[u8; 32]>::from(Sha256::digest([])));
        assert_eq!(root_of_bytes(&[]), EMPTY_ROOT);
        assert_eq!(chunk_hash(&[], 0), EMPTY_ROOT.0);
        assert_eq!((chunk_count(0), chunk_len(0, 0)), (0, 0));
    }

    #[test]
    fn a_layer_of_the_wrong_length_has_no_root() {
        let hash = [7; 32];
        assert_eq!(root_of(&[hash], 0), Err(WrongLayerLen { found: 1, expected: 0 }));
        assert_eq!(root_of(&[], 1), Err(WrongLayerLen { found: 0, expected: 1 }));
        assert_eq!(root_of(&[hash], CHUNK_BYTES as u64 + 1), Err(WrongLayerLen { found: 1, expected: 2 }));
        assert_eq!(root_of(&[hash], CHUNK_BYTES as u64), Ok(BlobId(hash)));
    }

    #[test]
    fn a_root_is_also_that_of_its_two_children_and_this_is_known() {
        let bytes = content(2 * LEAF_BYTES);
        let leaves: Vec<Hash> = bytes.chunks(LEAF_BYTES).map(|leaf| Sha256::digest(leaf).into()).collect();
        let forged = leaves.as_flattened();
        assert_eq!(root_of_bytes(forged), root_of_bytes(&bytes));
        assert!(!root_proves_len(forged.len() as u64) && root_proves_len(bytes.len() as u64));
    }

    proptest! {
        #[test]
        fn a_chunk_is_itself_alone(len in 1..3 * CHUNK_BYTES, at in any::<prop::sample::Index>(), bit in 0..8u8) {
            let bytes = content(len);
            let index = at.index(len) / CHUNK_BYTES;
            let start = index * CHUNK_BYTES;
            let chunk = &bytes[start..start + chunk_len(len as u64, index as u64)];
            let hash = chunk_hash(chunk, len as u64);
            prop_assert!(is_chunk(chunk, index as u64, len as u64, &hash));
            let mut changed = chunk.to_vec();
            changed[at.index(chunk.len())] ^= 1 << bit;
            prop_assert!(!is_chunk(&changed, index as u64, len as u64, &hash));
            prop_assert!(!is_chunk(&chunk[1..], index as u64, len as u64, &hash));
            let longer = [chunk, &[0]].concat();
            prop_assert!(!is_chunk(&longer, index as u64, len as u64, &hash));
        }
    }
}

//! Which blocks of a share a peer has: one bit for each.
//!
//! As it travels: the number of blocks, and `⌈blocks / 8⌉` bytes in which block 0 is the highest bit of the first, as in
//! BitTorrent. The bits after the last block are zero, so that one set has one spelling.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::layout::MAX_BLOCKS;

/// A set of blocks out of a known number of them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Raw", into = "Raw")]
pub struct Bitfield {
    len: u32,
    count: u32,
    bytes: Vec<u8>,
}

/// A bitfield as it travels.
#[derive(Serialize, Deserialize)]
struct Raw {
    len: u32,
    bytes: ByteBuf,
}

/// Bytes that are no bitfield. The sender's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBitfield {
    /// More than [`MAX_BLOCKS`].
    #[error("{0} blocks are more than a share has")]
    TooLong(u32),
    /// More or fewer bytes than the blocks need.
    #[error("{bytes} bytes for {blocks} blocks")]
    Size {
        /// Bytes given.
        bytes: usize,
        /// Blocks to be told of.
        blocks: u32,
    },
    /// A bit is set after the last block.
    #[error("bits for blocks that there are not")]
    Stray,
}

impl Bitfield {
    /// None of so many blocks.
    ///
    /// # Errors
    /// [`InvalidBitfield::TooLong`] for more than [`MAX_BLOCKS`].
    pub fn none(len: u32) -> Result<Self, InvalidBitfield> {
        if len > MAX_BLOCKS {
            return Err(InvalidBitfield::TooLong(len));
        }
        Ok(Self { len, count: 0, bytes: vec![0; bytes_for(len)] })
    }

    /// All of so many blocks.
    ///
    /// # Errors
    /// [`InvalidBitfield::TooLong`] for more than [`MAX_BLOCKS`].
    pub fn all(len: u32) -> Result<Self, InvalidBitfield> {
        let mut all = Self::none(len)?;
        all.bytes.fill(0xff);
        if let Some(last) = all.bytes.last_mut() {
            *last &= !stray_bits(len);
        }
        all.count = len;
        Ok(all)
    }

    /// How many blocks there are, had or not.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether it is about no blocks at all.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many are had.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Whether all are had.
    pub fn is_complete(&self) -> bool {
        self.count == self.len
    }

    /// Whether a block is had; not beyond the last.
    pub fn contains(&self, block: u32) -> bool {
        block < self.len && self.bytes[place(block)] & bit(block) != 0
    }

    /// Adds a block, and says whether that is new. Beyond the last block there is nothing to add.
    pub fn insert(&mut self, block: u32) -> bool {
        let new = block < self.len && !self.contains(block);
        if new {
            self.bytes[place(block)] |= bit(block);
            self.count += 1;
        }
        new
    }

    /// Takes a block out, and says whether it was in.
    pub fn remove(&mut self, block: u32) -> bool {
        let had = self.contains(block);
        if had {
            self.bytes[place(block)] &= !bit(block);
            self.count -= 1;
        }
        had
    }

    /// The blocks that are had, in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        self.select(0..self.bytes.len(), |at| self.bytes[at])
    }

    /// The blocks that are missing, in order.
    pub fn missing(&self) -> impl Iterator<Item = u32> {
        self.select(0..self.bytes.len(), |at| !self.bytes[at])
    }

    /// The blocks that are missing here and had there, in order: what there is to ask that peer for. Blocks that only one of
    /// the two is about are left out.
    pub fn missing_but_in(&self, other: &Self) -> impl Iterator<Item = u32> {
        let both = self.bytes.len().min(other.bytes.len());
        self.select(0..both, |at| !self.bytes[at] & other.bytes[at])
    }

    /// Whether nothing is had there that is missing here.
    pub fn is_superset(&self, other: &Self) -> bool {
        self.missing_but_in(other).next().is_none()
    }

    /// Adds what is had there. Blocks beyond the last are left out.
    pub fn union_with(&mut self, other: &Self) {
        self.combine(other, |ours, theirs| ours | theirs);
    }

    /// Takes out what is not had there.
    pub fn intersect_with(&mut self, other: &Self) {
        self.combine(other, |ours, theirs| ours & theirs);
    }

    fn combine(&mut self, other: &Self, with: impl Fn(u8, u8) -> u8) {
        for (at, ours) in self.bytes.iter_mut().enumerate() {
            *ours = with(*ours, other.bytes.get(at).copied().unwrap_or(0));
        }
        if let Some(last) = self.bytes.last_mut() {
            *last &= !stray_bits(self.len);
        }
        self.count = ones(&self.bytes);
    }

    /// The blocks whose bits are set in what `byte` makes of a byte's place.
    fn select(&self, places: Range<usize>, byte: impl Fn(usize) -> u8) -> impl Iterator<Item = u32> {
        let len = self.len;
        places
            .map(move |at| (at, byte(at)))
            .filter(|(_, byte)| *byte != 0)
            .flat_map(|(at, byte)| {
                let first = at as u32 * 8;
                (first..first + 8).filter(move |block| byte & bit(*block) != 0)
            })
            .take_while(move |block| *block < len)
    }
}

impl std::fmt::Debug for Bitfield {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bitfield({} of {})", self.count, self.len)
    }
}

impl TryFrom<Raw> for Bitfield {
    type Error = InvalidBitfield;

    fn try_from(raw: Raw) -> Result<Self, InvalidBitfield> {
        let (len, bytes) = (raw.len, raw.bytes.into_vec());
        if len > MAX_BLOCKS {
            return Err(InvalidBitfield::TooLong(len));
        }
        if bytes.len() != bytes_for(len) {
            return Err(InvalidBitfield::Size { bytes: bytes.len(), blocks: len });
        }
        if bytes.last().is_some_and(|last| last & stray_bits(len) != 0) {
            return Err(InvalidBitfield::Stray);
        }
        Ok(Self { len, count: ones(&bytes), bytes })
    }
}

impl From<Bitfield> for Raw {
    fn from(bitfield: Bitfield) -> Raw {
        Raw { len: bitfield.len, bytes: ByteBuf::from(bitfield.bytes) }
    }
}

fn bytes_for(len: u32) -> usize {
    len.div_ceil(8) as usize
}

fn place(block: u32) -> usize {
    block as usize / 8
}

fn bit(block: u32) -> u8 {
    0x80 >> (block % 8)
}

/// The bits of the last byte that stand for no block.
fn stray_bits(len: u32) -> u8 {
    if len.is_multiple_of(8) { 0 } else { 0xff >> (len % 8) }
}

fn ones(bytes: &[u8]) -> u32 {
    bytes.iter().map(|byte| byte.count_ones()).sum()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::wire::{self, DecodeError};

    /// Bytes of the largest bitfield's frame.
    const LIMIT: usize = MAX_BLOCKS as usize / 8 + 32;

    fn decode(frame: &[u8]) -> Result<Bitfield, DecodeError> {
        wire::decode::<_, LIMIT>(frame)
    }

    fn of(len: u32, blocks: &BTreeSet<u32>) -> Bitfield {
        let mut bitfield = Bitfield::none(len).unwrap();
        blocks.iter().for_each(|block| assert_eq!(bitfield.insert(*block), *block < len));
        bitfield
    }

    fn blocks() -> impl Strategy<Value = BTreeSet<u32>> {
        prop::collection::btree_set(0..70u32, 0..70)
    }

    #[test]
    fn the_first_block_is_the_highest_bit() {
        let frame = wire::encode(&of(10, &[0, 9].into()));
        assert_eq!(frame, [wire::VERSION, 10, 2, 0b1000_0000, 0b0100_0000]);
    }

    #[test]
    fn a_bitfield_of_another_length_or_with_stray_bits_is_refused() {
        for bytes in [&[0x80][..], &[0x80, 0, 0], &[0x80, 0x20], &[0, 1]] {
            assert!(decode(&wire::encode(&Raw { len: 10, bytes: ByteBuf::from(bytes) })).is_err(), "{bytes:?}");
        }
        assert!(decode(&wire::encode(&Raw { len: MAX_BLOCKS + 1, bytes: ByteBuf::new() })).is_err());
        assert_eq!(Bitfield::all(MAX_BLOCKS + 1), Err(InvalidBitfield::TooLong(MAX_BLOCKS + 1)));
    }

    #[test]
    fn the_largest_and_the_smallest_travel() {
        for len in [0, 1, 8, MAX_BLOCKS] {
            let all = Bitfield::all(len).unwrap();
            assert!(all.is_complete() && all.count() == len && all.missing().next().is_none());
            assert_eq!(decode(&wire::encode(&all)), Ok(all));
        }
    }

    proptest! {
        #[test]
        fn a_bitfield_is_a_set(len in 0..70u32, ours in blocks(), theirs in blocks(), block in 0..80u32) {
            let mut bitfield = of(len, &ours);
            let other = of(70, &theirs);
            let ours: BTreeSet<u32> = ours.into_iter().filter(|block| *block < len).collect();
            prop_assert_eq!(bitfield.count() as usize, ours.len());
            prop_assert_eq!(bitfield.iter().collect::<BTreeSet<_>>(), ours.clone());
            prop_assert_eq!(bitfield.contains(block), ours.contains(&block));
            let missing: Vec<u32> = (0..len).filter(|block| !ours.contains(block)).collect();
            prop_assert_eq!(bitfield.missing().collect::<Vec<_>>(), missing.clone());
            let wanted: Vec<u32> = missing.into_iter().filter(|block| theirs.contains(block)).collect();
            prop_assert_eq!(bitfield.is_superset(&other), wanted.is_empty());
            prop_assert_eq!(bitfield.missing_but_in(&other).collect::<Vec<_>>(), wanted);
            prop_assert_eq!(decode(&wire::encode(&bitfield)), Ok(bitfield.clone()));
            let mut both = bitfield.clone();
            both.intersect_with(&other);
            prop_assert_eq!(both, of(len, &ours.intersection(&theirs).copied().collect()));
            let mut either = bitfield.clone();
            either.union_with(&other);
            prop_assert_eq!(either, of(len, &ours.iter().chain(&theirs).copied().filter(|at| *at < len).collect()));
            prop_assert_eq!(bitfield.remove(block), ours.contains(&block));
            prop_assert!(!bitfield.contains(block));
        }
    }
}

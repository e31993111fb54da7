//! Sets of the blocks of a share: those that a peer has, those that the user wants.
//!
//! As a set travels: the number of blocks of the share, and `⌈blocks / 8⌉` bytes in which block 0 is the highest bit of the first, as in
//! BitTorrent. The bits after the last block are zero, so that one set has one spelling.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::layout::MAX_BLOCKS;

/// Bits in a word.
const WORD: usize = u64::BITS as usize;

/// Some of the blocks of a share.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Raw", into = "Raw")]
pub struct Blocks {
    /// How many the share has.
    count: u32,
    /// How many of them are in the set.
    len: u32,
    /// A bit for each, the highest of the first word for block 0; those past the end are 0.
    words: Vec<u64>,
}

/// A set as it travels.
#[derive(Serialize, Deserialize)]
struct Raw {
    count: u32,
    bytes: ByteBuf,
}

/// Bytes that are no set of blocks. The sender's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBlocks {
    /// More than [`MAX_BLOCKS`].
    #[error("{0} blocks are more than a share has")]
    TooMany(u32),
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

impl Blocks {
    /// None of `count`.
    pub fn none(count: u32) -> Self {
        Self { count, len: 0, words: vec![0; (count as usize).div_ceil(WORD)] }
    }

    /// All of `count`.
    pub fn all(count: u32) -> Self {
        let mut words = vec![u64::MAX; (count as usize).div_ceil(WORD)];
        let rest = count as usize % WORD;
        if let Some(last) = words.last_mut().filter(|_| rest > 0) {
            *last = !(u64::MAX >> rest);
        }
        Self { count, len: count, words }
    }

    /// These of `count`; numbers past the end are left out.
    pub fn of(count: u32, blocks: impl IntoIterator<Item = u32>) -> Self {
        let mut set = Self::none(count);
        blocks.into_iter().for_each(|block| _ = set.insert(block));
        set
    }

    /// How many blocks the share has.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// How many are in the set.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether all are.
    pub fn is_all(&self) -> bool {
        self.len == self.count
    }

    /// Whether this one is.
    pub fn contains(&self, block: u32) -> bool {
        self.words.get(block as usize / WORD).is_some_and(|word| word & bit(block) != 0)
    }

    /// Puts one in; says whether it is new. A number past the end is not taken.
    pub fn insert(&mut self, block: u32) -> bool {
        if block >= self.count || self.contains(block) {
            return false;
        }
        self.words[block as usize / WORD] |= bit(block);
        self.len += 1;
        true
    }

    /// Takes one out; says whether it was in.
    pub fn remove(&mut self, block: u32) -> bool {
        if !self.contains(block) {
            return false;
        }
        self.words[block as usize / WORD] &= !bit(block);
        self.len -= 1;
        true
    }

    /// Those in the set, in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        self.words.iter().enumerate().flat_map(|(at, word)| bits(at, *word))
    }

    /// How many are in both sets.
    pub fn common(&self, other: &Self) -> u32 {
        self.words.iter().zip(&other.words).map(|(a, b)| (a & b).count_ones()).sum()
    }

    /// Those in both sets, a word of them at a time, from the word of block `start` round to where it began.
    pub fn common_from(&self, other: &Self, start: u32) -> impl Iterator<Item = u32> {
        let words = self.words.len().min(other.words.len());
        let first = start as usize / WORD;
        (0..words).map(move |step| (first + step) % words).flat_map(|at| bits(at, self.words[at] & other.words[at]))
    }

    /// Those in this set and not in the other.
    pub fn without(&self, other: &Self) -> Self {
        let theirs = other.words.iter().copied().chain(std::iter::repeat(0));
        let words: Vec<u64> = self.words.iter().zip(theirs).map(|(a, b)| a & !b).collect();
        Self { count: self.count, len: words.iter().map(|word| word.count_ones()).sum(), words }
    }
}

impl std::fmt::Debug for Blocks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Blocks({} of {})", self.len, self.count)
    }
}

impl TryFrom<Raw> for Blocks {
    type Error = InvalidBlocks;

    fn try_from(raw: Raw) -> Result<Self, InvalidBlocks> {
        let (count, bytes) = (raw.count, raw.bytes.as_slice());
        if count > MAX_BLOCKS {
            return Err(InvalidBlocks::TooMany(count));
        }
        if bytes.len() != count.div_ceil(8) as usize {
            return Err(InvalidBlocks::Size { bytes: bytes.len(), blocks: count });
        }
        let word = |bytes: &[u8]| bytes.iter().rev().fold(0, |word, byte| (word >> 8) | (u64::from(*byte) << 56));
        let words: Vec<u64> = bytes.chunks(WORD / 8).map(word).collect();
        let rest = count as usize % WORD;
        if rest > 0 && words.last().is_some_and(|last| last & (u64::MAX >> rest) != 0) {
            return Err(InvalidBlocks::Stray);
        }
        Ok(Self { count, len: words.iter().map(|word| word.count_ones()).sum(), words })
    }
}

impl From<Blocks> for Raw {
    fn from(blocks: Blocks) -> Raw {
        let mut bytes: Vec<u8> = blocks.words.iter().flat_map(|word| word.to_be_bytes()).collect();
        bytes.truncate(blocks.count.div_ceil(8) as usize);
        Raw { count: blocks.count, bytes: ByteBuf::from(bytes) }
    }
}

fn bit(block: u32) -> u64 {
    (1 << (WORD - 1)) >> (block as usize % WORD)
}

fn bits(at: usize, word: u64) -> impl Iterator<Item = u32> {
    let rests = std::iter::successors(Some(word), |rest| Some(rest & !bit(rest.leading_zeros())));
    rests.take_while(|rest| *rest != 0).map(move |rest| (at * WORD) as u32 + rest.leading_zeros())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::wire::{self, DecodeError};

    fn decode(frame: &[u8]) -> Result<Blocks, DecodeError> {
        wire::decode::<_, { MAX_BLOCKS as usize / 8 + 32 }>(frame)
    }

    #[test]
    fn the_first_block_is_the_highest_bit() {
        let frame = wire::encode(&Blocks::of(10, [0, 9]));
        assert_eq!(frame, [wire::VERSION, 10, 2, 0b1000_0000, 0b0100_0000]);
    }

    #[test]
    fn a_set_of_another_length_or_with_stray_bits_is_refused() {
        for bytes in [&[0x80][..], &[0x80, 0, 0], &[0x80, 0x20], &[0, 1]] {
            assert!(decode(&wire::encode(&Raw { count: 10, bytes: ByteBuf::from(bytes) })).is_err(), "{bytes:?}");
        }
        assert!(decode(&wire::encode(&Raw { count: MAX_BLOCKS + 1, bytes: ByteBuf::new() })).is_err());
    }

    #[test]
    fn the_largest_and_the_smallest_travel() {
        for count in [0, 1, 8, 63, 64, 65, MAX_BLOCKS] {
            let all = Blocks::all(count);
            assert!(all.is_all() && all.len() == count);
            assert_eq!(decode(&wire::encode(&all)), Ok(all));
        }
    }

    proptest! {
        #[test]
        fn a_set_holds_what_was_put_in_and_not_taken_out(
            count in 0u32..300, steps in prop::collection::vec((any::<bool>(), 0u32..320), 0..200),
            other in prop::collection::btree_set(0u32..300, 0..100), start in 0u32..300,
        ) {
            let (mut set, mut model) = (Blocks::none(count), BTreeSet::new());
            for (put, block) in steps {
                if put {
                    prop_assert_eq!(set.insert(block), block < count && model.insert(block));
                } else {
                    prop_assert_eq!(set.remove(block), model.remove(&block));
                }
            }
            prop_assert_eq!(set.iter().collect::<BTreeSet<_>>(), model.clone());
            prop_assert_eq!(set.len() as usize, model.len());
            let blocks = Blocks::of(count, other.iter().copied());
            let common: BTreeSet<u32> = model.iter().copied().filter(|block| other.contains(block)).collect();
            prop_assert_eq!(set.common(&blocks) as usize, common.len());
            prop_assert_eq!(set.common_from(&blocks, start).collect::<BTreeSet<_>>(), common);
            prop_assert_eq!(set.without(&blocks).iter().collect::<BTreeSet<_>>(), model.difference(&other).copied().collect());
            prop_assert_eq!(Blocks::all(count), Blocks::of(count, 0..count));
            prop_assert_eq!(decode(&wire::encode(&set)), Ok(set));
        }
    }
}

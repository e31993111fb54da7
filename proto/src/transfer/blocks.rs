//! Sets of blocks, and how long blocks are.

/// Bits in a word.
const WORD: usize = u64::BITS as usize;

/// Some of the blocks of a share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocks {
    /// How many the share has.
    count: u32,
    /// How many of them are in the set.
    len: u32,
    /// A bit for each; those past the end are 0.
    words: Vec<u64>,
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
            *last = (1 << rest) - 1;
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

fn bit(block: u32) -> u64 {
    1 << (block as usize % WORD)
}

fn bits(at: usize, word: u64) -> impl Iterator<Item = u32> {
    let rests = std::iter::successors(Some(word), |rest| Some(rest & rest.wrapping_sub(1)));
    rests.take_while(|rest| *rest != 0).map(move |rest| (at * WORD) as u32 + rest.trailing_zeros())
}

/// How long the blocks of a share are: most of them the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lengths {
    count: u32,
    full: u32,
    /// The blocks of other length, by number.
    exceptions: Vec<(u32, u32)>,
}

impl Lengths {
    /// `count` blocks of `full` bytes, but for the exceptions: number and bytes of each.
    pub fn new(count: u32, full: u32, mut exceptions: Vec<(u32, u32)>) -> Self {
        exceptions.sort_unstable();
        exceptions.dedup_by_key(|(block, _)| *block);
        Self { count, full, exceptions }
    }

    /// How many blocks.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Bytes of a block.
    pub fn len(&self, block: u32) -> u32 {
        match self.exceptions.binary_search_by_key(&block, |(block, _)| *block) {
            Ok(at) => self.exceptions[at].1,
            Err(_) => self.full,
        }
    }

    /// Whether there are no blocks.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes of the longest block.
    pub(crate) fn longest(&self) -> u32 {
        self.exceptions.iter().map(|(_, len)| *len).chain([self.full]).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_block_is_as_long_as_was_said() {
        let lengths = Lengths::new(5, 100, vec![(4, 7), (1, 50)]);
        assert_eq!((0..5).map(|block| lengths.len(block)).collect::<Vec<_>>(), [100, 50, 100, 100, 7]);
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
        }
    }
}

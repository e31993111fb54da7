//! How long the blocks of a share are.

use super::MAX_BLOCK_BYTES;
use crate::blob::layout::Layout;

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

    /// Those of a share that is cut like this.
    pub fn of(layout: &Layout) -> Self {
        let full = MAX_BLOCK_BYTES;
        let len = |block| (block, layout.block_len(block));
        let exceptions = (0..layout.blocks()).map(len).filter(|(_, len)| *len != full).collect();
        Self { count: layout.blocks(), full, exceptions }
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
    use super::*;

    #[test]
    fn each_block_is_as_long_as_was_said() {
        let lengths = Lengths::new(5, 100, vec![(4, 7), (1, 50)]);
        assert_eq!((0..5).map(|block| lengths.len(block)).collect::<Vec<_>>(), [100, 50, 100, 100, 7]);
    }
}

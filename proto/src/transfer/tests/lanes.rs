//! What a node sends: one lane for each peer, which share its way.

use std::collections::{BTreeMap, VecDeque};

/// Bytes that go out before it is another lane's turn.
const SEGMENT: u64 = 16 * 1024;

/// All of a node, with what is known of each block.
#[derive(Debug)]
pub struct Lanes<T> {
    /// By peer: bytes of each block that have not gone out.
    lanes: BTreeMap<usize, VecDeque<(u64, T)>>,
    /// Whose turn it was.
    turn: usize,
    is_busy: bool,
}

impl<T> Default for Lanes<T> {
    fn default() -> Self {
        Self { lanes: BTreeMap::new(), turn: 0, is_busy: false }
    }
}

impl<T> Lanes<T> {
    /// Whether nothing went out when it was last asked what does.
    pub fn is_idle(&self) -> bool {
        !self.is_busy
    }

    /// A block is to go out to a peer.
    pub fn push(&mut self, peer: usize, len: u32, block: T) {
        self.lanes.entry(peer).or_default().push_back((len.into(), block));
    }

    /// What goes out next: so many bytes, not more than may, and the block that ends with them.
    pub fn next(&mut self, most: u64) -> Option<(u64, Option<T>)> {
        let turn = self.lanes.range(self.turn + 1..).chain(&self.lanes).map(|(peer, _)| *peer).next();
        self.is_busy = turn.is_some();
        self.turn = turn?;
        let lane = self.lanes.get_mut(&self.turn)?;
        let (left, _) = lane.front_mut()?;
        let bytes = SEGMENT.min(*left).min(most);
        *left -= bytes;
        let done = if *left == 0 { lane.pop_front() } else { None };
        if lane.is_empty() {
            self.lanes.remove(&self.turn);
        }
        Some((bytes, done.map(|(_, block)| block)))
    }
}

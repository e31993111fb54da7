//! What a node sends: one lane for each peer, which share its way.

use std::collections::{BTreeMap, VecDeque};

use super::node::Question;
use crate::transfer::upload::Token;

/// Bytes that go out before it is another lane's turn.
const SEGMENT: u64 = 16 * 1024;

/// A block on its way out.
#[derive(Debug, Clone, Copy)]
pub struct Sending {
    pub token: Token,
    pub question: Question,
    pub len: u32,
    /// Bytes that have not gone out.
    pub left: u64,
    pub since_ms: u64,
}

/// All of a node.
#[derive(Debug, Default)]
pub struct Lanes {
    lanes: BTreeMap<usize, VecDeque<Sending>>,
    /// Whose turn it was.
    turn: usize,
    is_busy: bool,
}

impl Lanes {
    /// Whether nothing goes out.
    pub fn is_idle(&self) -> bool {
        !self.is_busy
    }

    /// A block is to go out.
    pub fn push(&mut self, sending: Sending) {
        self.lanes.entry(sending.question.from).or_default().push_back(sending);
    }

    /// What goes out next: so many bytes, and the block that ends with them.
    pub fn next(&mut self) -> Option<(u64, Option<Sending>)> {
        let turn = self.lanes.range(self.turn + 1..).chain(&self.lanes).map(|(peer, _)| *peer).next();
        self.is_busy = turn.is_some();
        self.turn = turn?;
        let lane = self.lanes.get_mut(&self.turn)?;
        let first = lane.front_mut()?;
        let bytes = first.left.min(SEGMENT);
        first.left -= bytes;
        let done = if first.left == 0 { lane.pop_front() } else { None };
        if lane.is_empty() {
            self.lanes.remove(&self.turn);
        }
        Some((bytes, done))
    }
}

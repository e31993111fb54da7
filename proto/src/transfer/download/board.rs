//! In which state each block of a transfer is.

use std::collections::{BTreeMap, BTreeSet};

use rand_chacha::ChaCha8Rng;

use super::{RANDOM_FIRST, RequestId, rarity::Rarity};
use crate::transfer::{Blocks, Lengths};

/// A block that is neither missing nor stored.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Open {
    /// Asked of one peer, or of several.
    Asked(Vec<RequestId>),
    /// Here, as the answer to this, and being looked at.
    Received(RequestId),
    /// Right, and being stored.
    Verified,
}

/// The blocks of a transfer, each in one state.
#[derive(Debug)]
pub struct Board {
    lengths: Lengths,
    longest: u64,
    wanted: Blocks,
    stored: Blocks,
    /// Those that are wanted and neither verified nor stored: for these a peer is of use.
    needed: Blocks,
    rarity: Rarity,
    open: BTreeMap<u32, Open>,
    /// The asked blocks, by the first question for them that is open: the one asked longest ago first.
    asked: BTreeSet<(RequestId, u32)>,
    /// Of these, those that are late, and not asked of another for it.
    late: BTreeSet<u32>,
}

impl Board {
    /// What is wanted and not had is missing.
    pub fn new(lengths: Lengths, have: Blocks, wanted: Blocks, rng: &mut ChaCha8Rng) -> Self {
        let needed = wanted.without(&have);
        let mut rarity = Rarity::new(lengths.count());
        needed.iter().for_each(|block| rarity.insert(block, rng));
        Self {
            longest: u64::from(lengths.longest()),
            lengths,
            wanted,
            stored: have,
            needed,
            rarity,
            open: BTreeMap::new(),
            asked: BTreeSet::new(),
            late: BTreeSet::new(),
        }
    }

    /// How many blocks the share has.
    pub fn count(&self) -> u32 {
        self.lengths.count()
    }

    /// Bytes of the longest block.
    pub fn longest(&self) -> u64 {
        self.longest
    }

    /// Bytes of a block.
    pub fn len(&self, block: u32) -> u64 {
        u64::from(self.lengths.len(block))
    }

    /// Those that are wanted and neither verified nor stored.
    pub fn needed(&self) -> &Blocks {
        &self.needed
    }

    /// Those that are wanted.
    pub fn wanted(&self) -> &Blocks {
        &self.wanted
    }

    /// Of the wanted ones, how many are not missing nor asked nor here.
    pub fn stored(&self) -> u32 {
        self.wanted.common(&self.stored)
    }

    /// How many are asked.
    pub fn asked(&self) -> u32 {
        self.asked.len() as u32
    }

    /// How many are here and not stored.
    pub fn in_hand(&self) -> u32 {
        (self.open.len() - self.asked.len()) as u32
    }

    /// Whether all that is wanted is stored.
    pub fn is_finished(&self) -> bool {
        self.needed.is_empty() && self.open.is_empty()
    }

    /// Whether nothing is left to be asked for, but for what was asked.
    pub fn is_ending(&self) -> bool {
        self.rarity.missing().is_empty() && !self.asked.is_empty()
    }

    /// How rare each block is.
    pub fn rarity(&mut self) -> &mut Rarity {
        &mut self.rarity
    }

    /// A missing block for a peer that has these: one of the rarest, or any while we have next to nothing to give.
    pub fn pick(&self, has: &Blocks, rng: &mut ChaCha8Rng) -> Option<u32> {
        if self.stored.len() as usize + self.open.len() < RANDOM_FIRST {
            return self.rarity.random(has, rng);
        }
        self.rarity.rarest(has, rng)
    }

    /// The asked blocks and the questions for each, the one asked longest ago first.
    pub fn asked_longest(&self) -> impl Iterator<Item = (u32, &[RequestId])> {
        self.asked.iter().map(|(_, block)| (*block, self.questions(*block)))
    }

    /// The blocks that are late, and the questions for each.
    pub fn late(&self) -> impl Iterator<Item = (u32, &[RequestId])> {
        self.late.iter().map(|block| (*block, self.questions(*block)))
    }

    fn questions(&self, block: u32) -> &[RequestId] {
        match self.open.get(&block) {
            Some(Open::Asked(requests)) => requests,
            _ => &[],
        }
    }

    /// A missing block is asked for, or one that was asked for is asked of one peer more.
    pub fn ask(&mut self, block: u32, request: RequestId) {
        self.rarity.remove(block);
        self.late.remove(&block);
        match self.open.entry(block).or_insert_with(|| Open::Asked(Vec::new())) {
            Open::Asked(requests) => {
                if requests.is_empty() {
                    self.asked.insert((request, block));
                }
                requests.push(request);
            }
            Open::Received(_) | Open::Verified => debug_assert!(false, "what is here is not asked for"),
        }
    }

    /// A question for a block is open for too long. Says whether another may be asked.
    pub fn is_late(&mut self, block: u32) -> bool {
        matches!(self.open.get(&block), Some(Open::Asked(_))) && self.late.insert(block)
    }

    /// A question for a block was given up. Says whether the block is missing now.
    pub fn give_up(&mut self, block: u32, request: RequestId, rng: &mut ChaCha8Rng) -> bool {
        let Some(Open::Asked(requests)) = self.open.get_mut(&block) else { return false };
        let Some(first) = requests.first().copied() else { return false };
        requests.retain(|other| *other != request);
        let next = requests.first().copied();
        if next != Some(first) {
            self.asked.remove(&(first, block));
            self.asked.extend(next.map(|next| (next, block)));
        }
        if next.is_none() {
            self.miss(block, rng);
        }
        next.is_none()
    }

    /// A block is here. Says which other questions for it are open still.
    pub fn receive(&mut self, block: u32, request: RequestId) -> Vec<RequestId> {
        let Some(open @ Open::Asked(_)) = self.open.get_mut(&block) else { return Vec::new() };
        let Open::Asked(mut others) = std::mem::replace(open, Open::Received(request)) else { return Vec::new() };
        if let Some(first) = others.first() {
            self.asked.remove(&(*first, block));
        }
        self.late.remove(&block);
        others.retain(|other| *other != request);
        others
    }

    /// What came is right.
    pub fn verify(&mut self, block: u32) {
        if let Some(open @ Open::Received(_)) = self.open.get_mut(&block) {
            *open = Open::Verified;
            self.needed.remove(block);
        }
    }

    /// What came is wrong: it is missing again.
    pub fn reject(&mut self, block: u32, rng: &mut ChaCha8Rng) {
        if let Some(Open::Received(_)) = self.open.get(&block) {
            self.miss(block, rng);
        }
    }

    /// What is right was not stored: it is missing again. Says whether that is news.
    pub fn lose(&mut self, block: u32, rng: &mut ChaCha8Rng) -> bool {
        let verified = self.open.get(&block) == Some(&Open::Verified);
        if verified {
            self.miss(block, rng);
        }
        verified
    }

    /// A block is durable. Says whether that is news.
    pub fn store(&mut self, block: u32) -> bool {
        let verified = self.open.get(&block) == Some(&Open::Verified);
        if verified {
            self.open.remove(&block);
            self.stored.insert(block);
        }
        verified
    }

    fn miss(&mut self, block: u32, rng: &mut ChaCha8Rng) {
        self.open.remove(&block);
        self.late.remove(&block);
        self.needed.insert(block);
        self.rarity.insert(block, rng);
    }
}

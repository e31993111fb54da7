//! Who takes part in a transfer, and what each of them has.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use libp2p_identity::PeerId;
use rand_chacha::ChaCha8Rng;

use super::{MAX_BANNED, MAX_PEERS, board::Board};
use crate::{recent::Recent, transfer::Blocks};

/// One who takes part.
#[derive(Debug)]
pub struct Member {
    has: Blocks,
    /// Whether the blocks it has count for rarity. Those of one that came with everything do not.
    counted: bool,
    /// How many of its blocks we need.
    useful: u32,
    /// Whether there was nothing to ask of it when it was last tried.
    pub dry: bool,
    /// How often it lacked what it said it had.
    pub lies: u32,
    /// Its score while it waits to be asked.
    ready: Option<u64>,
}

impl Member {
    /// What it has.
    pub fn has(&self) -> &Blocks {
        &self.has
    }

    /// Whether it has anything that we need.
    pub fn is_useful(&self) -> bool {
        self.useful > 0
    }
}

/// All who take part.
#[derive(Debug, Default)]
pub struct Swarm {
    members: BTreeMap<PeerId, Member>,
    /// Those who wait to be asked, the best first.
    ready: BTreeSet<(Reverse<u64>, PeerId)>,
    banned: Recent<PeerId, MAX_BANNED>,
}

impl Swarm {
    /// How many take part.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Who.
    pub fn peers(&self) -> impl Iterator<Item = PeerId> {
        self.members.keys().copied()
    }

    /// One of them.
    pub fn get(&self, peer: &PeerId) -> Option<&Member> {
        self.members.get(peer)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, peer: &PeerId) -> Option<&mut Member> {
        self.members.get_mut(peer)
    }

    /// How many have something that we need.
    pub fn useful(&self) -> usize {
        self.members.values().filter(|member| member.is_useful()).count()
    }

    /// Those who have a block.
    pub fn with(&self, block: u32) -> Vec<PeerId> {
        self.members.iter().filter(|(_, member)| member.has.contains(block)).map(|(peer, _)| *peer).collect()
    }

    /// One takes part, who has nothing yet; unless it may not, or there are too many.
    pub fn join(&mut self, peer: PeerId, count: u32) -> bool {
        let may = self.members.len() < MAX_PEERS && !self.banned.contains(&peer) && !self.members.contains_key(&peer);
        if may {
            let has = Blocks::none(count);
            let member = Member { has, counted: true, useful: 0, dry: false, lies: 0, ready: None };
            self.members.insert(peer, member);
        }
        may
    }

    /// One takes part no more.
    pub fn part(&mut self, peer: PeerId, board: &mut Board, rng: &mut ChaCha8Rng) {
        self.unready(peer);
        if let Some(member) = self.members.remove(&peer).filter(|member| member.counted) {
            member.has.iter().for_each(|block| board.rarity().count(block, false, rng));
        }
    }

    /// One may not take part any more.
    pub fn ban(&mut self, peer: PeerId) {
        self.banned.insert(peer);
    }

    /// Whether one may not.
    pub fn is_banned(&self, peer: &PeerId) -> bool {
        self.banned.contains(peer)
    }

    /// One has these, and no others.
    pub fn has(&mut self, peer: PeerId, blocks: Blocks, board: &mut Board, rng: &mut ChaCha8Rng) {
        let Some(member) = self.members.get_mut(&peer).filter(|member| member.has.count() == blocks.count()) else {
            return;
        };
        let none = Blocks::none(blocks.count());
        let counted = !blocks.is_all();
        let before = if member.counted { &member.has } else { &none };
        let after = if counted { &blocks } else { &none };
        before.without(after).iter().for_each(|block| board.rarity().count(block, false, rng));
        after.without(before).iter().for_each(|block| board.rarity().count(block, true, rng));
        member.useful = blocks.common(board.needed());
        member.has = blocks;
        member.counted = counted;
        member.dry = false;
    }

    /// One has one more.
    pub fn has_one(&mut self, peer: PeerId, block: u32, board: &mut Board, rng: &mut ChaCha8Rng) {
        let Some(member) = self.members.get_mut(&peer) else { return };
        if member.has.insert(block) {
            board.rarity().count(block, true, rng);
            member.useful += u32::from(board.needed().contains(block));
            member.dry = false;
        }
    }

    /// One lacks a block that it said it had. Says how often that was so.
    pub fn lacks(&mut self, peer: PeerId, block: u32, board: &mut Board, rng: &mut ChaCha8Rng) -> u32 {
        let Some(member) = self.members.get_mut(&peer) else { return 0 };
        if !member.counted {
            member.has.iter().for_each(|block| board.rarity().count(block, true, rng));
            member.counted = true;
        }
        if member.has.remove(block) {
            board.rarity().count(block, false, rng);
            member.useful -= u32::from(board.needed().contains(block));
        }
        member.lies += 1;
        member.lies
    }

    /// A block is needed, or no longer. Gives those to whom we are to say so: for whom it was the only one.
    pub fn needs(&mut self, block: u32, needed: bool) -> Vec<PeerId> {
        let mut changed = Vec::new();
        for (peer, member) in self.members.iter_mut().filter(|(_, member)| member.has.contains(block)) {
            let before = member.is_useful();
            member.useful = if needed { member.useful + 1 } else { member.useful.saturating_sub(1) };
            if member.is_useful() != before {
                changed.push(*peer);
            }
        }
        changed
    }

    // ---- who waits to be asked

    /// One waits, with this score. Says whether it does: not if there was nothing to ask of it.
    pub fn make_ready(&mut self, peer: PeerId, score: u64) -> bool {
        let Some(member) = self.members.get_mut(&peer).filter(|member| !member.dry && member.useful > 0) else {
            return false;
        };
        if let Some(before) = member.ready.replace(score) {
            self.ready.remove(&(Reverse(before), peer));
        }
        self.ready.insert((Reverse(score), peer))
    }

    /// One does not wait.
    pub fn unready(&mut self, peer: PeerId) {
        if let Some(score) = self.members.get_mut(&peer).and_then(|member| member.ready.take()) {
            self.ready.remove(&(Reverse(score), peer));
        }
    }

    /// The best of those who wait.
    pub fn first_ready(&self) -> Option<PeerId> {
        self.ready.first().map(|(_, peer)| *peer)
    }
}

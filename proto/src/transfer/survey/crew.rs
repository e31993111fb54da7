//! Those who take part in a share while it is surveyed.

use std::collections::{BTreeMap, BTreeSet};

use libp2p_identity::PeerId;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{FIRST_WINDOW, LONG_FAILING, MAX_BANNED, MAX_PEERS, MAX_REQUESTS_EACH, REST, trial::Claim};
use crate::{backoff::Backoff, recent::Recent, transfer::download::Failure};

/// One who takes part.
#[derive(Debug)]
pub struct Member {
    /// What it says the share is.
    pub claim: Option<Claim>,
    /// Questions that are open to it.
    pub open: usize,
    /// Questions that may be.
    window: usize,
    failures: Backoff,
    resting: bool,
    /// Blocks that it was asked for of late and does not have.
    pub lacks: BTreeSet<u32>,
}

impl Member {
    fn has_room(&self) -> bool {
        !self.resting && self.open < self.window
    }
}

/// All who take part.
#[derive(Debug, Default)]
pub struct Crew {
    members: BTreeMap<PeerId, Member>,
    banned: Recent<PeerId, MAX_BANNED>,
}

impl Crew {
    /// How many take part.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// One of them.
    pub fn get_mut(&mut self, peer: &PeerId) -> Option<&mut Member> {
        self.members.get_mut(peer)
    }

    /// Whether one takes part.
    pub fn contains(&self, peer: &PeerId) -> bool {
        self.members.contains_key(peer)
    }

    /// Who does not claim anything else than this, but something.
    pub fn who_know(&self, known: Option<Claim>) -> usize {
        let knows = |member: &&Member| member.claim.is_some() && (known.is_none() || member.claim == known);
        self.members.values().filter(knows).count()
    }

    /// Who claims this.
    pub fn claiming(&self, claim: Claim) -> Vec<PeerId> {
        self.who(|member| member.claim == Some(claim))
    }

    /// Who claims anything else.
    pub fn contradicting(&self, claim: Claim) -> Vec<PeerId> {
        self.who(|member| member.claim.is_some_and(|other| other != claim))
    }

    fn who(&self, which: impl Fn(&Member) -> bool) -> Vec<PeerId> {
        self.members.iter().filter(|(_, member)| which(member)).map(|(peer, _)| *peer).collect()
    }

    /// Whom another would have to replace: nobody while there is room; `Err` if nobody has deserved it.
    pub fn place(&self) -> Result<Option<PeerId>, ()> {
        if self.members.len() < MAX_PEERS {
            return Ok(None);
        }
        let worst = self.members.iter().max_by_key(|(_, member)| member.failures.failures());
        worst.filter(|(_, member)| member.failures.failures() >= LONG_FAILING).map(|(peer, _)| Some(*peer)).ok_or(())
    }

    /// One takes part.
    pub fn join(&mut self, peer: PeerId) {
        let member = Member {
            claim: None,
            open: 0,
            window: FIRST_WINDOW,
            failures: Backoff::default(),
            resting: false,
            lacks: BTreeSet::new(),
        };
        self.members.insert(peer, member);
    }

    /// One takes part no more.
    pub fn part(&mut self, peer: &PeerId) {
        self.members.remove(peer);
    }

    /// One may not take part any more.
    pub fn ban(&mut self, peer: PeerId) {
        self.members.remove(&peer);
        self.banned.insert(peer);
    }

    /// Whether one may not.
    pub fn is_banned(&self, peer: &PeerId) -> bool {
        self.banned.contains(peer)
    }

    /// One gave what it was asked for.
    pub fn gave(&mut self, peer: &PeerId) {
        if let Some(member) = self.members.get_mut(peer) {
            member.failures.reset();
            member.window = (member.window + 1).min(MAX_REQUESTS_EACH);
        }
    }

    /// One did not. Says for how many milliseconds it rests, unless it rests already.
    pub fn failed(&mut self, peer: &PeerId, why: Failure, rng: &mut ChaCha8Rng) -> Option<u64> {
        let member = self.members.get_mut(peer).filter(|member| !member.resting)?;
        member.resting = true;
        if matches!(why, Failure::Lost | Failure::Busy) {
            member.window = (member.window / 2).max(1);
        }
        Some(member.failures.fail(REST, rng))
    }

    /// One has rested.
    pub fn rested(&mut self, peer: &PeerId) {
        if let Some(member) = self.members.get_mut(peer) {
            member.resting = false;
        }
    }

    /// Whom to ask: of those that may be and have room, one that failed least of late, knows what the share is, and is asked
    /// least; by lot among equals.
    pub fn choose(&self, may: impl Fn(&Member) -> bool, rng: &mut ChaCha8Rng) -> Option<PeerId> {
        let rank = |member: &Member| (member.claim.is_none(), member.failures.failures(), member.open);
        let free = || self.members.iter().filter(|(_, member)| member.has_room() && may(member));
        let best = free().map(|(_, member)| rank(member)).min()?;
        let equals: Vec<PeerId> = free().filter(|(_, member)| rank(member) == best).map(|(peer, _)| *peer).collect();
        equals.get(rng.random_range(0..equals.len())).copied()
    }
}

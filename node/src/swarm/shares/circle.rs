//! Who takes part in which share, as far as we know.
//!
//! | one is | when | then |
//! |---|---|---|
//! | a candidate | a link, Kademlia, or another peer says that it may have the share, or it asked us about it | dialed if it is not connected, and asked what it has |
//! | asked | it is connected, and was asked | a member; a candidate that rests for [`REST_MS`], if it takes no part or does not answer |
//! | a member | it takes part, and is connected | a candidate, when it is gone |
//! | banned | it sent a wrong byte, or lied | stays so as long as the share is here |

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash, Hasher},
};

use libp2p::{Multiaddr, PeerId};
use proto::{
    recent::Recent,
    time::{Deadline, Now},
    transfer::{TransferId, download},
};

/// Candidates of a share; of more, those that have rested longest ago are forgotten. Some 500 bytes each.
pub const MAX_CANDIDATES: usize = 256;

/// Members from which on no more are looked for: each has many blocks to give. Where all look for as many, each is connected with twice as
/// many, which is as many as a node keeps ([`proto::connectivity::Settings::high`]).
pub const ENOUGH_MEMBERS: usize = 24;

/// Candidates that are dialed or asked at a time for one share.
const MAX_APPROACHED: usize = 16;

/// Milliseconds for which one that takes no part, or cannot be reached, is left alone.
pub const REST_MS: u64 = 60_000;

/// Milliseconds after which a dial that nobody told the end of counts as failed.
const DIAL_MS: u64 = 20_000;

/// Addresses kept of a candidate.
const MAX_ADDRESSES: usize = 8;

#[derive(Debug)]
struct Candidate {
    addresses: Vec<Multiaddr>,
    /// Not to be approached before.
    again: Deadline,
}

impl Candidate {
    /// One that may be approached at once, nobody knows where.
    fn ready(now: Now) -> Self {
        Self { addresses: Vec::new(), again: now.after(0) }
    }
}

/// Those around one share.
#[derive(Debug, Default)]
struct Around {
    candidates: BTreeMap<PeerId, Candidate>,
    asked: BTreeSet<PeerId>,
    members: BTreeSet<PeerId>,
    banned: Recent<PeerId, { download::MAX_BANNED }>,
}

/// Those around all shares.
#[derive(Debug)]
pub struct Circle {
    /// Orders candidates: nobody else knows it.
    key: u64,
    shares: BTreeMap<TransferId, Around>,
    connected: BTreeSet<PeerId>,
}

/// What is to be done about a candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Approach {
    /// It is connected: ask it.
    Ask(PeerId),
    /// It is not.
    Dial(PeerId, Vec<Multiaddr>),
}

impl Circle {
    /// Nobody yet. The key is random.
    pub fn new(key: u64) -> Self {
        Self { key, shares: BTreeMap::new(), connected: BTreeSet::new() }
    }

    /// The place of a peer in an order that is another on each node. If all went by the same one, whoever comes first in it would be dialed
    /// by everybody, and could have chosen to.
    fn lot(key: u64, peer: &PeerId) -> u64 {
        let mut hasher = DefaultHasher::new();
        (key, peer.to_bytes()).hash(&mut hasher);
        hasher.finish()
    }

    /// Somebody may have a share.
    pub fn candidate(&mut self, now: Now, id: TransferId, peer: PeerId, addresses: Vec<Multiaddr>) {
        let around = self.shares.entry(id).or_default();
        if around.banned.contains(&peer) || around.members.contains(&peer) {
            return;
        }
        if around.candidates.len() >= MAX_CANDIDATES && !around.candidates.contains_key(&peer) {
            let oldest =
                around.candidates.iter().min_by_key(|(peer, candidate)| (candidate.again, Self::lot(self.key, peer)));
            let Some(oldest) = oldest.map(|(peer, _)| *peer) else { return };
            around.candidates.remove(&oldest);
        }
        let candidate = around.candidates.entry(peer).or_insert_with(|| Candidate::ready(now));
        for address in addresses {
            if !candidate.addresses.contains(&address) && candidate.addresses.len() < MAX_ADDRESSES {
                candidate.addresses.push(address);
            }
        }
    }

    /// Whom to approach now for a share.
    pub fn approach(&mut self, now: Now, id: TransferId) -> Vec<Approach> {
        let Some(Around { candidates, asked, members, .. }) = self.shares.get_mut(&id) else { return Vec::new() };
        let room = ENOUGH_MEMBERS.saturating_sub(members.len() + asked.len()).min(MAX_APPROACHED);
        if room == 0 {
            return Vec::new();
        }
        let ready = candidates.iter_mut().filter(|(_, candidate)| now.reached(candidate.again));
        let mut ready: Vec<_> = ready.map(|(peer, candidate)| (Self::lot(self.key, peer), peer, candidate)).collect();
        ready.sort_unstable_by_key(|(lot, peer, _)| (*lot, **peer));
        let mut approaches = Vec::new();
        for (_, peer, candidate) in ready {
            if approaches.len() == room || asked.contains(peer) {
                continue;
            }
            if self.connected.contains(peer) {
                asked.insert(*peer);
                approaches.push(Approach::Ask(*peer));
            } else {
                candidate.again = now.after(DIAL_MS);
                approaches.push(Approach::Dial(*peer, candidate.addresses.clone()));
            }
        }
        approaches
    }

    /// Somebody takes part, as it says. Whether it is new.
    pub fn met(&mut self, id: TransferId, peer: PeerId) -> bool {
        let Some(around) = self.shares.get_mut(&id) else { return false };
        around.asked.remove(&peer);
        if around.banned.contains(&peer) {
            return false;
        }
        around.candidates.remove(&peer);
        around.members.insert(peer)
    }

    /// Somebody takes no part, or did not answer.
    pub fn not_met(&mut self, now: Now, id: TransferId, peer: PeerId) {
        let Some(around) = self.shares.get_mut(&id) else { return };
        around.asked.remove(&peer);
        around.members.remove(&peer);
        if let Some(candidate) = around.candidates.get_mut(&peer) {
            candidate.again = now.after(REST_MS);
        }
    }

    /// All members are to be asked again what they have.
    pub fn ask_again(&mut self, now: Now, id: TransferId) {
        let Some(around) = self.shares.get_mut(&id) else { return };
        for peer in std::mem::take(&mut around.members) {
            around.candidates.insert(peer, Candidate::ready(now));
        }
    }

    /// Somebody is not to be believed.
    pub fn ban(&mut self, id: TransferId, peer: PeerId) {
        let around = self.shares.entry(id).or_default();
        around.banned.insert(peer);
        around.members.remove(&peer);
        around.asked.remove(&peer);
        around.candidates.remove(&peer);
    }

    /// Whether it is not.
    pub fn is_banned(&self, id: TransferId, peer: &PeerId) -> bool {
        self.shares.get(&id).is_some_and(|around| around.banned.contains(peer))
    }

    /// A peer is connected: the shares for which it is to be approached.
    pub fn connected(&mut self, now: Now, peer: PeerId) -> Vec<TransferId> {
        self.connected.insert(peer);
        let waits = |around: &mut Around| {
            around.candidates.get_mut(&peer).map(|candidate| candidate.again = now.after(0)).is_some()
        };
        self.shares.iter_mut().filter_map(|(id, around)| waits(around).then_some(*id)).collect()
    }

    /// A peer is gone; those that took part may come back.
    pub fn disconnected(&mut self, now: Now, peer: PeerId) {
        self.connected.remove(&peer);
        for around in self.shares.values_mut() {
            let took_part = around.members.remove(&peer) | around.asked.remove(&peer);
            if took_part && around.candidates.len() < MAX_CANDIDATES {
                around.candidates.insert(peer, Candidate::ready(now));
            }
        }
    }

    /// Whether a peer is connected.
    pub fn is_connected(&self, peer: &PeerId) -> bool {
        self.connected.contains(peer)
    }

    /// Whether a peer takes part.
    pub fn is_member(&self, id: TransferId, peer: &PeerId) -> bool {
        self.shares.get(&id).is_some_and(|around| around.members.contains(peer))
    }

    /// Those who take part.
    pub fn members(&self, id: TransferId) -> impl Iterator<Item = &PeerId> {
        self.shares.get(&id).into_iter().flat_map(|around| &around.members)
    }

    /// A share is no more.
    pub fn forget(&mut self, id: TransferId) {
        self.shares.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARE: TransferId = TransferId(1);

    fn now() -> Now {
        Now { mono_ms: 5, wall_ms: 5 }
    }

    fn peer(number: u8) -> PeerId {
        libp2p::identity::Keypair::ed25519_from_bytes([number; 32]).unwrap().public().to_peer_id()
    }

    /// Whom a node dials first, of sixty.
    fn first(key: u64) -> BTreeSet<PeerId> {
        let mut circle = Circle::new(key);
        (0..60).for_each(|number| circle.candidate(now(), SHARE, peer(number), Vec::new()));
        let dialed = circle.approach(now(), SHARE).into_iter().map(|approach| match approach {
            Approach::Dial(peer, _) => peer,
            Approach::Ask(peer) => panic!("{peer} is not connected"),
        });
        dialed.collect()
    }

    #[test]
    fn each_node_approaches_others_in_an_order_of_its_own() {
        let firsts: BTreeSet<BTreeSet<PeerId>> = (0..8).map(first).collect();
        assert_eq!(firsts.len(), 8);
        assert!(firsts.iter().all(|first| first.len() == MAX_APPROACHED));
        let common = firsts.iter().cloned().reduce(|all, first| &all & &first).unwrap();
        assert!(common.len() <= 2, "{common:?}");
        assert_eq!(first(3), first(3));
    }

    #[test]
    fn no_more_are_approached_than_there_is_room_for() {
        let mut circle = Circle::new(1);
        for number in 0..60 {
            circle.connected(now(), peer(number));
            circle.candidate(now(), SHARE, peer(number), Vec::new());
        }
        let mut asked = 0;
        while let approaches @ [_, ..] = circle.approach(now(), SHARE).as_slice() {
            asked += approaches.len();
        }
        assert_eq!(asked, ENOUGH_MEMBERS);
    }
}

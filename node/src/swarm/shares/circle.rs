//! Who takes part in which share, as far as we know.
//!
//! | one is | when | then |
//! |---|---|---|
//! | a candidate | a link, Kademlia, or another peer says that it may have the share, or it asked us about it | dialed if it is not connected, and asked what it has |
//! | asked | it is connected, and was asked | a member; a candidate that rests, each time twice as long, if it takes no part, does not answer, or closes the connection |
//! | a member | it takes part, and is connected | a candidate that rests for [`REST_MS`], when it is gone |
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

/// Candidates of a share; of more, those are forgotten that nobody vouches for and that could not be reached most often. Some 500 bytes
/// each.
pub const MAX_CANDIDATES: usize = 256;

/// Members with something to give from which on no more are looked for: each has many blocks. Where all look for as many, each is connected with twice as
/// many, which is as many as a node keeps ([`proto::connectivity::Settings::high`]).
pub const ENOUGH_MEMBERS: usize = 24;

/// Candidates that are dialed or asked at a time for one share.
const MAX_APPROACHED: usize = 16;

/// Milliseconds, up to half as many more, for which one that takes no part, or does not answer, is left alone: it may have been asked by
/// too many at once. Twice as long after each time, ...
pub const REST_MS: u64 = 1_000;

/// ... but no longer than 64 s.
const MAX_RESTS_DOUBLED: u32 = 6;

/// Milliseconds after which a dial that nobody told the end of counts as failed. Twice as long after each that failed.
const DIAL_MS: u64 = 20_000;

/// Dials in a row that fail after which one is forgotten, unless the user or a link named it.
const MAX_FAILURES: u32 = 5;

/// Addresses kept of a candidate.
const MAX_ADDRESSES: usize = 8;

#[derive(Debug)]
struct Candidate {
    addresses: Vec<Multiaddr>,
    /// Who says so.
    word: Word,
    /// Dials in a row that failed, or of which nothing is known yet.
    failures: u32,
    /// Questions in a row that it did not answer as one that takes part.
    unmet: u32,
    /// Not to be approached before.
    again: Deadline,
}

/// On whose word one is a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Word {
    /// The user's, or a link's: tried first, and never forgotten.
    User,
    /// That of a peer, or of Kademlia.
    Hearsay,
}

impl Candidate {
    /// One that may be approached at once, nobody knows where.
    fn ready(now: Now) -> Self {
        Self { addresses: Vec::new(), word: Word::Hearsay, failures: 0, unmet: 0, again: now.after(0) }
    }

    /// It is left alone for a while. If all were so for equally long, they would come back together.
    fn rest(&mut self, now: Now, lot: u64) {
        let rest_ms = REST_MS << self.unmet.min(MAX_RESTS_DOUBLED);
        self.again = now.after(rest_ms + lot % (rest_ms / 2));
        self.unmet += 1;
    }
}

/// Those around one share.
#[derive(Debug, Default)]
struct Around {
    candidates: BTreeMap<PeerId, Candidate>,
    /// Candidates that were asked.
    asked: BTreeSet<PeerId>,
    /// And what was known of each as a candidate, which it is again when it is gone.
    members: BTreeMap<PeerId, Candidate>,
    /// Members that have something to give, as they say.
    givers: BTreeSet<PeerId>,
    banned: Recent<PeerId, { download::MAX_BANNED }>,
}

impl Around {
    /// Somebody is a candidate; if there are too many, the worst is forgotten.
    fn wait(&mut self, key: u64, peer: PeerId, candidate: Candidate) {
        if self.candidates.len() >= MAX_CANDIDATES && !self.candidates.contains_key(&peer) {
            let rank = |(peer, candidate): &(&PeerId, &Candidate)| {
                (candidate.word, candidate.failures, Circle::lot(key, peer))
            };
            let Some(worst) = self.candidates.iter().max_by_key(rank).map(|(peer, _)| *peer) else { return };
            self.candidates.remove(&worst);
            self.asked.remove(&worst);
        }
        self.candidates.insert(peer, candidate);
    }
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

    /// A share is known: there may be somebody around it.
    pub fn open(&mut self, id: TransferId) {
        self.shares.entry(id).or_default();
    }

    /// Somebody may have a share, and may be there.
    pub fn candidate(&mut self, now: Now, id: TransferId, peer: PeerId, (addresses, word): (Vec<Multiaddr>, Word)) {
        let Some(around) = self.shares.get_mut(&id).filter(|around| !around.banned.contains(&peer)) else { return };
        if !around.candidates.contains_key(&peer) && !around.members.contains_key(&peer) {
            around.wait(self.key, peer, Candidate::ready(now));
        }
        let known = around.members.get_mut(&peer).or_else(|| around.candidates.get_mut(&peer));
        let Some(candidate) = known else { return };
        candidate.word = candidate.word.min(word);
        for address in addresses.into_iter().take(MAX_ADDRESSES) {
            match word {
                // What the user says is not to be crowded out by what others say.
                Word::User => {
                    candidate.addresses.retain(|known| *known != address);
                    candidate.addresses.insert(0, address);
                    candidate.addresses.truncate(MAX_ADDRESSES);
                }
                Word::Hearsay if candidate.addresses.contains(&address) => {}
                Word::Hearsay if candidate.addresses.len() >= MAX_ADDRESSES => {}
                Word::Hearsay => candidate.addresses.push(address),
            }
        }
    }

    /// Whom to approach now for a share: those whom the user named, those who are connected, those who failed less often, and by lot.
    pub fn approach(&mut self, now: Now, id: TransferId) -> Vec<Approach> {
        let Some(Around { candidates, asked, givers, .. }) = self.shares.get_mut(&id) else { return Vec::new() };
        let room = ENOUGH_MEMBERS.saturating_sub(givers.len() + asked.len()).min(MAX_APPROACHED);
        let ready = candidates.iter().filter(|(peer, candidate)| now.reached(candidate.again) && !asked.contains(peer));
        let rank = |(peer, candidate): (&PeerId, &Candidate)| {
            let is_away = !self.connected.contains(peer);
            (candidate.word, is_away, candidate.failures, Self::lot(self.key, peer), *peer)
        };
        let mut ready: Vec<_> = ready.map(rank).collect();
        ready.sort_unstable();
        let mut approaches = Vec::new();
        for (word, is_away, failures, _, peer) in ready.into_iter().take(room) {
            let Some(candidate) = candidates.get_mut(&peer) else { continue };
            if !is_away {
                asked.insert(peer);
                approaches.push(Approach::Ask(peer));
            } else if failures >= MAX_FAILURES && word == Word::Hearsay {
                candidates.remove(&peer);
            } else {
                candidate.again = now.after(DIAL_MS << failures.min(MAX_FAILURES));
                candidate.failures += 1;
                approaches.push(Approach::Dial(peer, candidate.addresses.clone()));
            }
        }
        approaches
    }

    /// A member has something to give.
    pub fn gives(&mut self, id: TransferId, peer: PeerId) {
        if let Some(around) = self.shares.get_mut(&id).filter(|around| around.members.contains_key(&peer)) {
            around.givers.insert(peer);
        }
    }

    /// Somebody takes part, as it says. Whether it is new.
    pub fn met(&mut self, now: Now, id: TransferId, peer: PeerId) -> bool {
        let Some(around) = self.shares.get_mut(&id) else { return false };
        around.asked.remove(&peer);
        if around.banned.contains(&peer) || around.members.contains_key(&peer) {
            return false;
        }
        let candidate = around.candidates.remove(&peer).unwrap_or_else(|| Candidate::ready(now));
        around.members.insert(peer, Candidate { failures: 0, unmet: 0, ..candidate });
        true
    }

    /// Somebody takes no part, or did not answer.
    pub fn not_met(&mut self, now: Now, id: TransferId, peer: PeerId) {
        let Some(around) = self.shares.get_mut(&id) else { return };
        around.asked.remove(&peer);
        around.givers.remove(&peer);
        if let Some(candidate) = around.members.remove(&peer) {
            around.wait(self.key, peer, candidate);
        }
        if let Some(candidate) = around.candidates.get_mut(&peer) {
            candidate.rest(now, Self::lot(self.key, &peer));
        }
    }

    /// All members are to be asked again what they have.
    pub fn ask_again(&mut self, now: Now, id: TransferId) {
        let Some(around) = self.shares.get_mut(&id) else { return };
        around.givers.clear();
        for (peer, candidate) in std::mem::take(&mut around.members) {
            around.wait(self.key, peer, Candidate { failures: 0, again: now.after(0), ..candidate });
        }
    }

    /// Somebody is not to be believed.
    pub fn ban(&mut self, id: TransferId, peer: PeerId) {
        let Some(around) = self.shares.get_mut(&id) else { return };
        around.banned.insert(peer);
        around.members.remove(&peer);
        around.givers.remove(&peer);
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
            let candidate = around.candidates.get_mut(&peer);
            candidate.map(|candidate| (candidate.again, candidate.failures) = (now.after(0), 0)).is_some()
        };
        self.shares.iter_mut().filter_map(|(id, around)| waits(around).then_some(*id)).collect()
    }

    /// A peer is gone; those that took part may come back.
    pub fn disconnected(&mut self, now: Now, peer: PeerId) {
        self.connected.remove(&peer);
        for around in self.shares.values_mut() {
            around.givers.remove(&peer);
            let was_asked = around.asked.remove(&peer);
            let lot = Self::lot(self.key, &peer);
            if let Some(mut candidate) = around.members.remove(&peer) {
                candidate.rest(now, lot);
                around.wait(self.key, peer, candidate);
            } else if let Some(candidate) = around.candidates.get_mut(&peer).filter(|_| was_asked) {
                candidate.rest(now, lot);
            }
        }
    }

    /// Whether a peer is connected.
    pub fn is_connected(&self, peer: &PeerId) -> bool {
        self.connected.contains(peer)
    }

    /// Whether a peer takes part.
    pub fn is_member(&self, id: TransferId, peer: &PeerId) -> bool {
        self.shares.get(&id).is_some_and(|around| around.members.contains_key(peer))
    }

    /// Those who take part.
    pub fn members(&self, id: TransferId) -> impl Iterator<Item = &PeerId> {
        self.shares.get(&id).into_iter().flat_map(|around| around.members.keys())
    }

    /// A share is no more.
    pub fn forget(&mut self, id: TransferId) {
        self.shares.remove(&id);
    }
}

#[cfg(test)]
mod tests;

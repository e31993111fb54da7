//! How members of a room find each other in a large network: each one provides the room's channel id in Kademlia, and asks for
//! the other providers while it knows too few of them.
//!
//! | a room has | what happens |
//! |---|---|
//! | fewer than [`FEW_PEERS`] connected members | it is provided anew and its providers are asked for: after [`FIRST_MS`] ([`EVERYBODY_FIRST_MS`] if everybody is in the room), then in intervals that double up to [`LAST_MS`] |
//! | more | the same every [`ENOUGH_MS`], and one of those found is dialed, unless everybody is in the room: some may only say that they are in it, and the room may have two parts that do not know of each other |
//!
//! Providing is repeated because the first record may have been laid with peers that were near the key only as long as we
//! knew few. A provider record names peers only. Kademlia knows the addresses that came with it as long as the query runs, so
//! those found are dialed at once, in no order that anybody could choose, and only as many as are missing. One without an
//! address is looked up. Anybody can claim that anybody provides: each is dialed once for a search, and held dear only when
//! it is connected and in the room.

use std::collections::{BTreeMap, BTreeSet};

use libp2p::{
    PeerId, Swarm,
    kad::{self, QueryId, RecordKey},
};
use proto::{
    ids::ChannelId,
    time::{Deadline, Now},
};
use rand::{rngs::StdRng, seq::SliceRandom};

use super::{
    behaviour::Behaviour,
    reach::{Reach, Reached},
};

/// Connected members above which a room does not look for more: gossip's mesh is full.
pub const FEW_PEERS: usize = 6;

/// Milliseconds from joining to the first search: the first connections come up meanwhile, and without them it finds nothing.
pub const FIRST_MS: u64 = 2_000;

/// The same for a room that everybody is in: the connections that a node makes anyhow are to members.
pub const EVERYBODY_FIRST_MS: u64 = 20_000;

/// Milliseconds between two searches, at most.
pub const LAST_MS: u64 = 120_000;

/// Milliseconds between two searches for a room that has members enough.
pub const ENOUGH_MS: u64 = 600_000;

/// Members dialed for one search beyond those missing: some are gone.
pub const SPARE_DIALS: usize = 2;

/// One room's search.
struct Search {
    next: Deadline,
    wait_ms: u64,
    /// When it is searched for though it has members enough; never, if everybody is in it.
    though_enough: Option<Deadline>,
    query: Option<QueryId>,
    dials_left: usize,
}

/// The searches of all rooms joined.
pub struct Rendezvous {
    searches: BTreeMap<ChannelId, Search>,
    rng: StdRng,
}

impl Rendezvous {
    /// Of no room yet.
    pub fn new(rng: StdRng) -> Self {
        Self { searches: BTreeMap::new(), rng }
    }

    /// A room was joined.
    pub fn joined(&mut self, now: Now, channel: ChannelId, everybody: bool) {
        let wait_ms = if everybody { EVERYBODY_FIRST_MS } else { FIRST_MS };
        let though_enough = (!everybody).then(|| now.after(ENOUGH_MS));
        let search = Search { next: now.after(wait_ms), wait_ms, though_enough, query: None, dials_left: 0 };
        self.searches.entry(channel).or_insert(search);
    }

    /// A room was left.
    pub fn left(&mut self, behaviour: &mut Behaviour, channel: &ChannelId) {
        self.searches.remove(channel);
        behaviour.kad.stop_providing(&RecordKey::new(&channel.0));
    }

    /// When [`Rendezvous::turn`] is to be called.
    pub fn deadline(&self) -> Option<Deadline> {
        self.searches.values().map(|search| search.next).min()
    }

    /// Searches where it is due. `members` tells how many connected members a room has.
    pub fn turn(&mut self, now: Now, behaviour: &mut Behaviour, members: impl Fn(&ChannelId) -> usize) {
        for (channel, search) in &mut self.searches {
            if !now.reached(search.next) {
                continue;
            }
            search.wait_ms = (search.wait_ms * 2).min(LAST_MS);
            search.next = now.after(search.wait_ms);
            let missing = FEW_PEERS.saturating_sub(members(channel));
            let dials = match search.though_enough {
                _ if missing > 0 => missing + SPARE_DIALS,
                Some(at) if now.reached(at) => 1,
                _ => continue,
            };
            search.though_enough = search.though_enough.map(|_| now.after(ENOUGH_MS));
            let key = RecordKey::new(&channel.0);
            // `Err` when too much is provided already; then others can still be found.
            let _ = behaviour.kad.start_providing(key.clone());
            search.query = Some(behaviour.kad.get_providers(key));
            search.dials_left = dials;
        }
    }

    /// A query of Kademlia made progress. Dials the members that it found.
    pub fn progressed(
        &mut self,
        swarm: &mut Swarm<Behaviour>,
        reach: &mut Reach,
        id: QueryId,
        result: &kad::QueryResult,
    ) {
        let kad::QueryResult::GetProviders(Ok(kad::GetProvidersOk::FoundProviders { providers, .. })) = result else {
            return;
        };
        let Some(search) = self.searches.values_mut().find(|search| search.query == Some(id)) else { return };
        let own = *swarm.local_peer_id();
        // Kademlia gives a hash set; what we do must not depend on its order.
        let sorted: BTreeSet<PeerId> = providers.iter().copied().filter(|peer| *peer != own).collect();
        let mut providers: Vec<PeerId> = sorted.into_iter().collect();
        // Whoever has made itself a key with a low number must not be first everywhere.
        providers.shuffle(&mut self.rng);
        for peer in providers {
            if search.dials_left == 0 {
                return;
            }
            if reach.dial(swarm, peer, Vec::new()) == Reached::Begun {
                search.dials_left -= 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use libp2p::identity::Keypair;
    use rand::SeedableRng;

    use super::*;

    fn at(mono_ms: u64) -> Now {
        Now { mono_ms, wall_ms: mono_ms }
    }

    /// Begins a search at each of `times_ms` at which one is due, and returns which.
    fn searches(everybody: bool, members: usize, times_ms: &[u64]) -> Vec<u64> {
        let resources = crate::swarm::Resources::default();
        let mut behaviour = Behaviour::new(&Keypair::generate_ed25519(), 1, (false, false), resources, None).unwrap();
        let mut rendezvous = Rendezvous::new(StdRng::seed_from_u64(1));
        let channel = ChannelId([7; 32]);
        rendezvous.joined(at(0), channel, everybody);
        let mut begun = Vec::new();
        for now_ms in times_ms {
            rendezvous.turn(at(*now_ms), &mut behaviour, |_| members);
            if rendezvous.searches[&channel].query.is_some() {
                rendezvous.searches.get_mut(&channel).unwrap().query = None;
                begun.push(*now_ms);
            }
        }
        begun
    }

    #[tokio::test]
    async fn a_room_with_few_members_is_searched_for_less_and_less_often() {
        let each_s: Vec<u64> = (0..400).map(|s| s * 1_000).collect();
        assert_eq!(
            searches(false, FEW_PEERS - 1, &each_s),
            [2_000, 6_000, 14_000, 30_000, 62_000, 126_000, 246_000, 366_000]
        );
        assert_eq!(searches(true, FEW_PEERS - 1, &each_s)[0], EVERYBODY_FIRST_MS);
    }

    #[tokio::test]
    async fn a_room_with_members_enough_is_searched_for_now_and_then_unless_everybody_is_in_it() {
        let each_s: Vec<u64> = (0..2_000).map(|s| s * 1_000).collect();
        let begun = searches(false, FEW_PEERS, &each_s);
        assert_eq!(begun.len(), 3, "{begun:?}");
        assert!(begun[0] >= ENOUGH_MS && begun[1] - begun[0] >= ENOUGH_MS);
        assert!(searches(true, FEW_PEERS, &each_s).is_empty());
    }
}

//! How members of a room find each other in a large network: each one provides the room's channel id in Kademlia, and asks for
//! the other providers while it knows too few of them.
//!
//! | a room has | what happens |
//! |---|---|
//! | fewer than [`FEW_PEERS`] connected members | it is provided anew and its providers are asked for: after [`FIRST_MS`], then in intervals that double up to [`LAST_MS`] |
//! | more | nothing; gossip and the connection manager keep them |
//!
//! Providing is repeated because the first record may have been laid with peers that were near the key only as long as we
//! knew few. A provider record names peers only: whoever of them Kademlia has no address for is looked up in a second query.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use libp2p::{
    Multiaddr, PeerId, Swarm,
    kad::{self, QueryId, RecordKey},
    swarm::{
        DialError,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use proto::{
    ids::ChannelId,
    time::{Deadline, Now},
};

use super::behaviour::Behaviour;

/// Connected members above which a room does not look for more: gossip's mesh is full.
pub const FEW_PEERS: usize = 6;

/// Milliseconds from joining to the first search: the first connections come up meanwhile, and without them it finds nothing.
pub const FIRST_MS: u64 = 2_000;

/// Milliseconds between two searches, at most.
pub const LAST_MS: u64 = 120_000;

/// Members dialed for one search. The rest is found through them.
pub const MAX_DIALS: usize = 8;

/// One room's search.
struct Search {
    next: Deadline,
    wait_ms: u64,
    query: Option<QueryId>,
    dials_left: usize,
}

/// The searches of all rooms joined.
#[derive(Default)]
pub struct Rendezvous {
    searches: BTreeMap<ChannelId, Search>,
    /// Members whose addresses are being looked up. Never iterated; bounded by the dials of the searches.
    lookups: HashMap<QueryId, PeerId>,
}

impl Rendezvous {
    /// A room was joined.
    pub fn joined(&mut self, now: Now, channel: ChannelId) {
        let search = Search { next: now.after(FIRST_MS), wait_ms: FIRST_MS, query: None, dials_left: 0 };
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
            if members(channel) < FEW_PEERS {
                let key = RecordKey::new(&channel.0);
                // `Err` when too much is provided already; then others can still be found.
                let _ = behaviour.kad.start_providing(key.clone());
                search.query = Some(behaviour.kad.get_providers(key));
                search.dials_left = MAX_DIALS;
            }
        }
    }

    /// A query of Kademlia made progress.
    pub fn progressed(&mut self, swarm: &mut Swarm<Behaviour>, id: QueryId, result: &kad::QueryResult) {
        match result {
            kad::QueryResult::GetProviders(Ok(kad::GetProvidersOk::FoundProviders { providers, .. })) => {
                // Kademlia gives a hash set; what we do must not depend on its order.
                self.found(swarm, id, providers.iter().copied().collect());
            }
            kad::QueryResult::GetClosestPeers(Ok(closest)) => {
                let Some(wanted) = self.lookups.remove(&id) else { return };
                for found in closest.peers.iter().filter(|found| found.peer_id == wanted) {
                    dial(swarm, wanted, found.addrs.clone());
                }
            }
            kad::QueryResult::GetClosestPeers(Err(_)) => drop(self.lookups.remove(&id)),
            _ => {}
        }
    }

    fn found(&mut self, swarm: &mut Swarm<Behaviour>, query: QueryId, providers: BTreeSet<PeerId>) {
        let Some(search) = self.searches.values_mut().find(|search| search.query == Some(query)) else { return };
        let own = *swarm.local_peer_id();
        for peer in providers.into_iter().filter(|peer| *peer != own) {
            if search.dials_left == 0 || swarm.is_connected(&peer) {
                continue;
            }
            search.dials_left -= 1;
            if !dial(swarm, peer, Vec::new()) {
                self.lookups.insert(swarm.behaviour_mut().kad.get_closest_peers(peer), peer);
            }
        }
    }
}

/// Dials a peer at the given addresses and those that Kademlia has; `false` when there are none.
fn dial(swarm: &mut Swarm<Behaviour>, peer: PeerId, addresses: Vec<Multiaddr>) -> bool {
    let options = DialOpts::peer_id(peer)
        .addresses(addresses)
        .extend_addresses_through_behaviour()
        .condition(PeerCondition::DisconnectedAndNotDialing)
        .build();
    !matches!(swarm.dial(options), Err(DialError::NoAddresses))
}

//! How members of a room find each other in a large network: each one provides the room's channel id in Kademlia, and asks for
//! the other providers while it knows too few of them.
//!
//! | a room has | what happens |
//! |---|---|
//! | fewer than [`FEW_PEERS`] connected members | its providers are asked for at once, and every [`INTERVAL_MS`] |
//! | more | nothing; gossip and the connection manager keep them |
//!
//! A provider record names peers only. They are dialed at once, while Kademlia still has their addresses at hand.

use std::collections::BTreeMap;

use libp2p::{
    PeerId, Swarm,
    kad::{self, QueryId, RecordKey},
    swarm::dial_opts::{DialOpts, PeerCondition},
};
use proto::{
    ids::ChannelId,
    time::{Deadline, Now},
};

use super::behaviour::Behaviour;

/// Connected members above which a room does not look for more: gossip's mesh is full.
pub const FEW_PEERS: usize = 6;

/// Milliseconds between two searches for a room's members.
pub const INTERVAL_MS: u64 = 60_000;

/// Milliseconds from joining to the first search: the first connections come up meanwhile, and without them it finds nothing.
pub const FIRST_MS: u64 = 3_000;

/// Members dialed for one search. The rest is found through them.
pub const MAX_DIALS: usize = 8;

/// One room's search.
struct Search {
    next: Deadline,
    providing: bool,
    query: Option<QueryId>,
    dials_left: usize,
}

/// The searches of all rooms joined.
#[derive(Default)]
pub struct Rendezvous {
    searches: BTreeMap<ChannelId, Search>,
}

impl Rendezvous {
    /// A room was joined.
    pub fn joined(&mut self, now: Now, channel: ChannelId) {
        let search = Search { next: now.after(FIRST_MS), providing: false, query: None, dials_left: 0 };
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
            search.next = now.after(INTERVAL_MS);
            let key = RecordKey::new(&channel.0);
            if !search.providing {
                // Kademlia repeats it from now on. `Err` when it provides too much already; then others still find the room.
                search.providing = behaviour.kad.start_providing(key.clone()).is_ok();
            }
            if members(channel) < FEW_PEERS {
                search.query = Some(behaviour.kad.get_providers(key));
                search.dials_left = MAX_DIALS;
            }
        }
    }

    /// Kademlia found providers.
    pub fn found(&mut self, swarm: &mut Swarm<Behaviour>, query: QueryId, found: kad::GetProvidersOk) {
        let Some(search) = self.searches.values_mut().find(|search| search.query == Some(query)) else { return };
        let kad::GetProvidersOk::FoundProviders { providers, .. } = found else { return };
        let own = *swarm.local_peer_id();
        let mut providers: Vec<PeerId> = providers.into_iter().filter(|peer| *peer != own).collect();
        // Kademlia gives a hash set; what we do must not depend on its order.
        providers.sort();
        for peer in providers {
            if search.dials_left == 0 {
                return;
            }
            let options = DialOpts::peer_id(peer).condition(PeerCondition::DisconnectedAndNotDialing).build();
            // `Err` when it is connected already, or being dialed.
            if swarm.dial(options).is_ok() {
                search.dials_left -= 1;
            }
        }
    }
}

//! Connecting with a peer that somebody wants: where it was last known to be, or where Kademlia says that it is.
//!
//! | who wants it | dialed | looked up |
//! |---|---|---|
//! | anybody | by the addresses that are known | if none is known |
//! | direct messages, for which no other peer will do | the same | also if none of them answers |

use std::collections::HashMap;

use libp2p::{
    Multiaddr, PeerId, Swarm,
    kad::{self, QueryId},
    swarm::{
        ConnectionId, DialError,
        dial_opts::{DialOpts, PeerCondition},
    },
};

use super::behaviour::Behaviour;

/// Lookups of peers' addresses under way. Further peers without one are passed over.
pub const MAX_LOOKUPS: usize = 32;

/// What is done for a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// It is connected, or being dialed already.
    Already,
    /// It is dialed or looked up.
    Begun,
    /// Too much is under way.
    Full,
}

/// Peers that are looked up to be dialed.
#[derive(Debug, Default)]
pub struct Reach {
    /// At most [`MAX_LOOKUPS`], in no order that matters.
    lookups: HashMap<QueryId, PeerId>,
    /// Dials of peers that are looked up if they fail. Bounded by the machine's pending dials.
    insisted: HashMap<ConnectionId, PeerId>,
}

impl Reach {
    /// As [`Reach::dial`]; if none of the addresses answers the peer is looked up.
    pub fn insist(&mut self, swarm: &mut Swarm<Behaviour>, peer: PeerId, addresses: Vec<Multiaddr>) -> Reached {
        let (reached, dial) = self.begin(swarm, peer, addresses);
        self.insisted.extend(dial.map(|dial| (dial, peer)));
        reached
    }

    /// Dials a peer, by `addresses` and those that Kademlia knows; looks it up if there are none.
    pub fn dial(&mut self, swarm: &mut Swarm<Behaviour>, peer: PeerId, addresses: Vec<Multiaddr>) -> Reached {
        self.begin(swarm, peer, addresses).0
    }

    fn begin(
        &mut self,
        swarm: &mut Swarm<Behaviour>,
        peer: PeerId,
        addresses: Vec<Multiaddr>,
    ) -> (Reached, Option<ConnectionId>) {
        if swarm.is_connected(&peer) || self.lookups.values().any(|other| *other == peer) {
            return (Reached::Already, None);
        }
        let options = DialOpts::peer_id(peer)
            .addresses(addresses)
            .extend_addresses_through_behaviour()
            .condition(PeerCondition::DisconnectedAndNotDialing)
            .build();
        let dial = options.connection_id();
        match swarm.dial(options) {
            Ok(()) => (Reached::Begun, Some(dial)),
            Err(DialError::DialPeerConditionFalse(_)) => (Reached::Already, None),
            Err(DialError::NoAddresses) if self.look_up(swarm, peer) => (Reached::Begun, None),
            Err(DialError::NoAddresses) => (Reached::Full, None),
            // It may not be dialed.
            Err(_) => (Reached::Begun, None),
        }
    }

    fn look_up(&mut self, swarm: &mut Swarm<Behaviour>, peer: PeerId) -> bool {
        let has_room = self.lookups.len() < MAX_LOOKUPS;
        if has_room {
            self.lookups.insert(swarm.behaviour_mut().kad.get_closest_peers(peer), peer);
        }
        has_room
    }

    /// A connection was made.
    pub fn connected(&mut self, dial: ConnectionId) {
        self.insisted.remove(&dial);
    }

    /// A dial came to nothing.
    pub fn failed(&mut self, swarm: &mut Swarm<Behaviour>, dial: ConnectionId) {
        if let Some(peer) = self.insisted.remove(&dial) {
            self.look_up(swarm, peer);
        }
    }

    /// A query of Kademlia made progress. Dials the peer that was looked up, if it was found.
    pub fn progressed(&mut self, swarm: &mut Swarm<Behaviour>, id: QueryId, result: &kad::QueryResult) {
        let kad::QueryResult::GetClosestPeers(result) = result else { return };
        let Some(wanted) = self.lookups.remove(&id) else { return };
        let peers = result.as_ref().map(|closest| closest.peers.as_slice()).unwrap_or_default();
        if let Some(found) = peers.iter().find(|found| found.peer_id == wanted) {
            // `Err` when it is connected by now, or may not be dialed.
            let _ = swarm.dial(DialOpts::peer_id(wanted).addresses(found.addrs.clone()).build());
        }
    }
}

//! Connecting with a peer that somebody wants: where it was last known to be, or where Kademlia says that it is.

use std::collections::HashMap;

use libp2p::{
    Multiaddr, PeerId, Swarm,
    kad::{self, QueryId},
    swarm::{
        DialError,
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
}

impl Reach {
    /// Dials a peer, by `addresses` and those that Kademlia knows; looks it up if there are none.
    pub fn dial(&mut self, swarm: &mut Swarm<Behaviour>, peer: PeerId, addresses: Vec<Multiaddr>) -> Reached {
        if swarm.is_connected(&peer) || self.lookups.values().any(|other| *other == peer) {
            return Reached::Already;
        }
        let options = DialOpts::peer_id(peer)
            .addresses(addresses)
            .extend_addresses_through_behaviour()
            .condition(PeerCondition::DisconnectedAndNotDialing)
            .build();
        match swarm.dial(options) {
            Err(DialError::DialPeerConditionFalse(_)) => Reached::Already,
            Err(DialError::NoAddresses) if self.lookups.len() >= MAX_LOOKUPS => Reached::Full,
            Err(DialError::NoAddresses) => {
                self.lookups.insert(swarm.behaviour_mut().kad.get_closest_peers(peer), peer);
                Reached::Begun
            }
            // Told as an event, too; and `Err` when it may not be dialed.
            Ok(()) | Err(_) => Reached::Begun,
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

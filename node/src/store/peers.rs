//! The bounded table of known peers that both stores keep in memory.

use std::{cmp::Reverse, collections::BTreeMap};

use super::{KnownPeer, MAX_ADDRESS_BYTES, MAX_KNOWN_PEERS, MAX_PEER_ADDRESSES};

/// Known peers by id, [`MAX_KNOWN_PEERS`] at most.
#[derive(Debug, Clone, Default)]
pub(super) struct PeerTable {
    peers: BTreeMap<Vec<u8>, KnownPeer>,
}

impl PeerTable {
    /// Adds or replaces a peer, cut to the limits, and returns the ids that had to make room: those not seen for longest,
    /// which may be the new one itself.
    pub(super) fn insert(&mut self, mut peer: KnownPeer) -> Vec<Vec<u8>> {
        peer.addresses.retain(|address| address.len() <= MAX_ADDRESS_BYTES);
        peer.addresses.truncate(MAX_PEER_ADDRESSES);
        self.peers.insert(peer.peer.clone(), peer);
        let mut dropped = Vec::new();
        while self.peers.len() > MAX_KNOWN_PEERS {
            let oldest = self.peers.values().min_by_key(|known| (known.last_seen_ms, &known.peer));
            let Some(oldest) = oldest.map(|known| known.peer.clone()) else { break };
            self.peers.remove(&oldest);
            dropped.push(oldest);
        }
        dropped
    }

    /// Forgets a peer.
    pub(super) fn remove(&mut self, peer: &[u8]) {
        self.peers.remove(peer);
    }

    /// The entry of a peer.
    pub(super) fn get(&self, peer: &[u8]) -> Option<&KnownPeer> {
        self.peers.get(peer)
    }

    /// All of them, most recently seen first.
    pub(super) fn list(&self) -> Vec<KnownPeer> {
        let mut list: Vec<KnownPeer> = self.peers.values().cloned().collect();
        list.sort_by_key(|known| Reverse(known.last_seen_ms));
        list
    }
}

//! Finding peers and keeping connections.

use std::collections::{BTreeMap, BTreeSet};

use libp2p::{
    Multiaddr, PeerId, Swarm, identify, kad, mdns,
    multiaddr::Protocol,
    swarm::{DialError, dial_opts::DialOpts},
};
use proto::time::{Deadline, Now};

use super::{behaviour::Behaviour, journal::Journal, peers::Peers};

/// Finds peers.
#[derive(Default)]
pub struct Network {
    bootstrap: Vec<Multiaddr>,
    book: BTreeMap<PeerId, Vec<Multiaddr>>,
    connected: BTreeSet<PeerId>,
    dial: Vec<Multiaddr>,
    next: Option<Deadline>,
}

impl Network {
    /// With nodes to join through.
    pub fn new(bootstrap: Vec<Multiaddr>) -> Self {
        Self { bootstrap, next: Some(Deadline(0)), ..Self::default() }
    }
    /// Known peers.
    pub fn known(&self) -> usize {
        self.book.len()
    }
    /// Known peers and addresses.
    pub fn book(&self) -> Vec<(PeerId, Vec<String>)> {
        self.book.iter().map(|(p, a)| (*p, a.iter().map(ToString::to_string).collect())).collect()
    }
    /// Warnings.
    pub fn warnings(&self) -> Vec<String> {
        Vec::new()
    }
    /// Dials.
    pub fn dial(&mut self, _now: Now, address: &Multiaddr) {
        self.dial.push(address.clone());
    }
    /// Protects.
    pub fn protect(&mut self, _now: Now, _peer: PeerId) {}
    /// Unprotects.
    pub fn unprotect(&mut self, _now: Now, _peer: PeerId) {}
    /// Banned.
    pub fn banned(&mut self, _now: Now, _peer: PeerId) {}
    /// Unbanned.
    pub fn unbanned(&mut self, _now: Now, _peer: PeerId) {}
    /// Connected.
    pub fn connected(&mut self, _now: Now, peer: PeerId, dialer: bool, address: &Multiaddr) {
        self.connected.insert(peer);
        if dialer {
            self.book.insert(peer, vec![address.clone()]);
        }
    }
    /// Disconnected.
    pub fn disconnected(&mut self, _now: Now, peer: PeerId) {
        self.connected.remove(&peer);
    }
    /// Dial failed.
    pub fn dial_failed(&mut self, _now: Now, peer: Option<PeerId>, error: &DialError) {
        tracing::info!(?peer, "dial failed: {error}");
    }
    /// Identify.
    pub fn identify(&mut self, _now: Now, behaviour: &mut Behaviour, peers: &mut Peers, event: identify::Event) {
        if let identify::Event::Received { peer_id, info, .. } = event {
            peers.identified(&peer_id, &info.agent_version);
            for address in info.listen_addrs {
                behaviour.kad.add_address(&peer_id, address.clone());
                self.book.entry(peer_id).or_default().push(address);
            }
        }
    }
    /// Kad.
    pub fn kad(&mut self, _now: Now, event: kad::Event) {
        if let kad::Event::RoutingUpdated { peer, addresses, .. } = event {
            self.book.insert(peer, addresses.into_vec());
        }
    }
    /// Mdns.
    pub fn mdns(&mut self, _now: Now, event: mdns::Event) {
        if let mdns::Event::Discovered(found) = event {
            for (peer, address) in found {
                self.book.entry(peer).or_default().push(address);
            }
        }
    }
    /// Timeout.
    pub fn timeout(&mut self, now: Now) {
        if self.next.is_some_and(|at| now.reached(at)) {
            self.next = Some(now.after(2_000));
            self.dial.extend(self.bootstrap.iter().cloned());
            for (peer, addresses) in &self.book {
                if !self.connected.contains(peer) {
                    self.dial.extend(addresses.iter().take(2).filter_map(|a| a.clone().with_p2p(*peer).ok()));
                }
            }
        }
    }
    /// Deadline.
    pub fn deadline(&self) -> Option<Deadline> {
        self.next
    }
    /// Drain.
    pub fn drain(&mut self, _now: Now, swarm: &mut Swarm<Behaviour>, _journal: &mut Journal) {
        for address in std::mem::take(&mut self.dial) {
            let peer = address.iter().find_map(|p| if let Protocol::P2p(peer) = p { Some(peer) } else { None });
            if peer.is_some_and(|peer| self.connected.contains(&peer) || peer == *swarm.local_peer_id()) {
                continue;
            }
            let opts: DialOpts = address.into();
            if let Err(error) = swarm.dial(opts) {
                tracing::debug!("{error}");
            }
        }
    }
}

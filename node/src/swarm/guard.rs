//! Who misbehaves: counts what was refused, and keeps out who earned it.

use std::collections::BTreeMap;

use libp2p::{Multiaddr, PeerId, gossipsub, swarm::ListenError};
use proto::{offence::Offence, time::Deadline};

use super::context::{Cx, Effect};

/// The guard.
#[derive(Default)]
pub struct Guard {
    counts: BTreeMap<Offence, u64>,
    refused_connections: u64,
    banned: BTreeMap<PeerId, Deadline>,
    scores: BTreeMap<PeerId, u32>,
}

impl Guard {
    /// Holds an offence against a peer.
    pub fn penalise(&mut self, cx: &mut Cx, peer: PeerId, offence: Offence) {
        *self.counts.entry(offence).or_default() += 1;
        let score = self.scores.entry(peer).or_default();
        *score += 1;
        if *score > 100 && !self.banned.contains_key(&peer) {
            self.banned.insert(peer, cx.now.after(600_000));
            cx.behaviour.blocked.block_peer(peer);
            cx.effects.push_back(Effect::Banned { peer });
        }
    }

    /// Whether a gossip event may be looked at.
    pub fn admits_gossip(&mut self, _cx: &mut Cx, _event: &gossipsub::Event) -> bool {
        true
    }

    /// Whether a peer's question may be looked at.
    pub fn admits_call(&mut self, _cx: &mut Cx, _peer: PeerId) -> bool {
        true
    }

    /// A connection from outside came to nothing.
    pub fn refused_connection(&mut self, from: &Multiaddr, error: &ListenError, closed_network: bool) {
        match error {
            ListenError::Denied { .. } => self.refused_connections += 1,
            error if closed_network => {
                tracing::warn!("a connection from {from} failed; does it have the same network key? ({error})");
            }
            error => tracing::info!("a connection from {from} failed: {error}"),
        }
    }

    /// Refusals by reason.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let offences = self.counts.iter().map(|(offence, count)| (offence.as_str(), *count));
        offences.chain((self.refused_connections > 0).then_some(("banned", self.refused_connections)))
    }

    /// Why a peer is kept out, if it is.
    pub fn banned(&self, peer: &PeerId) -> Option<String> {
        self.banned.get(peer).map(|_| "misbehaved".to_owned())
    }

    /// When [`Guard::timeout`] is to be called.
    pub fn deadline(&self) -> Option<Deadline> {
        self.banned.values().min().copied()
    }

    /// Ends bans.
    pub fn timeout(&mut self, cx: &mut Cx) {
        let over: Vec<PeerId> =
            self.banned.iter().filter(|(_, at)| cx.now.reached(**at)).map(|(peer, _)| *peer).collect();
        for peer in over {
            self.banned.remove(&peer);
            cx.behaviour.blocked.unblock_peer(peer);
            cx.effects.push_back(Effect::Unbanned { peer });
        }
    }
}

//! Who is connected, where, how fast, and with what program.

use std::{collections::BTreeMap, time::Duration};

use libp2p::{Multiaddr, PeerId, multiaddr::Protocol, swarm::ConnectionId};

/// Characters kept of the program's name that a peer gives.
const MAX_AGENT_CHARS: usize = 64;

/// One connected peer.
#[derive(Debug, Clone, Default)]
pub struct Connected {
    /// The remote address of each connection.
    pub connections: BTreeMap<ConnectionId, Multiaddr>,
    /// Round-trip time of the last ping.
    pub rtt: Option<Duration>,
    /// The program it names, with its version and incarnation.
    pub agent: Option<String>,
}

impl Connected {
    /// The connection on which much is to travel: a direct one before a relayed one, TCP before QUIC, which is half as fast.
    pub fn best(&self) -> Option<(ConnectionId, &Multiaddr)> {
        let rank = |address: &Multiaddr| {
            let has = |wanted: fn(&Protocol) -> bool| address.iter().any(|part| wanted(&part));
            (has(|part| *part == Protocol::P2pCircuit), !has(|part| matches!(part, Protocol::Tcp(_))))
        };
        self.connections.iter().min_by_key(|(_, address)| rank(address)).map(|(id, address)| (*id, address))
    }
}

/// All connected peers. Bounded by the connection limits.
#[derive(Debug, Clone, Default)]
pub struct Peers {
    connected: BTreeMap<PeerId, Connected>,
}

impl Peers {
    /// A connection was made; whether it is the first to that peer.
    pub fn opened(&mut self, peer: PeerId, connection: ConnectionId, address: Multiaddr) -> bool {
        let entry = self.connected.entry(peer).or_default();
        entry.connections.insert(connection, address);
        entry.connections.len() == 1
    }

    /// A connection ended; whether it was the last to that peer.
    pub fn closed(&mut self, peer: PeerId, connection: ConnectionId) -> bool {
        let Some(entry) = self.connected.get_mut(&peer) else { return false };
        entry.connections.remove(&connection);
        let last = entry.connections.is_empty();
        if last {
            self.connected.remove(&peer);
        }
        last
    }

    /// A ping came back.
    pub fn pinged(&mut self, peer: &PeerId, rtt: Duration) {
        if let Some(entry) = self.connected.get_mut(peer) {
            entry.rtt = Some(rtt);
        }
    }

    /// A peer named its program and incarnation. Returns whether it is another than before: it was restarted, and its
    /// older connections lead nowhere, though nobody has noticed yet.
    pub fn identified(&mut self, peer: &PeerId, agent: &str) -> bool {
        let Some(entry) = self.connected.get_mut(peer) else { return false };
        let agent: String = agent.chars().filter(|c| !c.is_control()).take(MAX_AGENT_CHARS).collect();
        let before = entry.agent.replace(agent);
        before.is_some() && before != entry.agent
    }

    /// A connected peer.
    pub fn get(&self, peer: &PeerId) -> Option<&Connected> {
        self.connected.get(peer)
    }

    /// All connected peers.
    pub fn iter(&self) -> impl Iterator<Item = (&PeerId, &Connected)> {
        self.connected.iter()
    }

    /// How many are connected.
    pub fn count(&self) -> usize {
        self.connected.len()
    }
}

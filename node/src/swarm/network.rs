//! Finding peers and keeping connections: Kademlia, mDNS, identify and the store tell of peers; [`proto::connectivity`]
//! decides whom to dial and whom to let go.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::IpAddr,
};

use libp2p::{
    Multiaddr, PeerId, Swarm, identify,
    kad::{self, store::RecordStore},
    mdns,
    multiaddr::Protocol,
    swarm::{
        ConnectionError, ConnectionId, DialError,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use proto::{
    connectivity::{Connectivity, Input, Output, Reason, Source, Target},
    rate::{Rate, TokenBucket},
    time::{Deadline, Now},
};

use super::routing::{self, Routing};
use super::{Settings, behaviour::Behaviour, journal::Journal, peers::Peers, root_cause};
use crate::store::KnownPeer;

/// Addresses taken from one peer's identify message. It may hold any number.
const MAX_IDENTIFY_ADDRESSES: usize = 16;

/// How often a peer is believed that it was restarted.
const RESTARTS: Rate = Rate { tokens: 1, period_ms: 30_000, burst: 8 };

/// Peers of which restarts are counted. Further ones are believed.
const MAX_RESTARTED: usize = 1_024;

/// Peers that are kept for direct messages: three mailboxes, and those we wrote to last. Others are trimmed like anybody.
const MAX_DIRECT: usize = 16;

/// Finds peers and keeps connections.
pub struct Network {
    own: PeerId,
    connectivity: Connectivity,
    /// What each dial of ours is for. Bounded by the machine's pending dials.
    dials: BTreeMap<ConnectionId, Target>,
    /// What could not be reached and was said so, so that it is said once.
    unreached: BTreeSet<Target>,
    bootstraps: BTreeSet<Target>,
    /// Whether a bootstrap node, or any other, was ever connected.
    was_connected: bool,
    /// What connected peers named last, which is what Kademlia was told of them.
    named: BTreeMap<PeerId, Vec<Multiaddr>>,
    /// On the way into Kademlia's table.
    routing: Routing,
    /// Connected peers that answer no ping.
    silent: BTreeSet<PeerId>,
    /// Peers to be kept for direct messages while they are connected, the one wanted last at the end.
    direct: VecDeque<PeerId>,
    /// How often peers were connected anew because they had been restarted.
    restarted: BTreeMap<PeerId, TokenBucket>,
}

impl Network {
    /// With nodes to join through, and peers from before.
    pub fn new(now: Now, own: PeerId, seed: [u8; 32], settings: &Settings, remembered: Vec<KnownPeer>) -> Self {
        let mut network = Self {
            own,
            connectivity: Connectivity::new(own, settings.connections, seed, now),
            dials: BTreeMap::new(),
            unreached: BTreeSet::new(),
            bootstraps: BTreeSet::new(),
            was_connected: false,
            named: BTreeMap::new(),
            routing: Routing::default(),
            silent: BTreeSet::new(),
            direct: VecDeque::new(),
            restarted: BTreeMap::new(),
        };
        for known in remembered {
            if let Ok(peer) = PeerId::from_bytes(&known.peer) {
                let input = Input::Remembered { peer, addresses: known.addresses, last_seen_ms: known.last_seen_ms };
                network.connectivity.handle(now, input);
            }
        }
        for address in &settings.bootstrap {
            let target = network.join_through(now, address);
            network.bootstraps.insert(target);
        }
        network
    }

    /// Dials an address that the user names, now and whenever it is lost.
    pub fn join_through(&mut self, now: Now, address: &Multiaddr) -> Target {
        let (address, peer) = split_peer(address);
        match peer {
            Some(peer) => {
                let addresses = vec![address.to_string()];
                self.connectivity.handle(now, Input::Discovered { peer, addresses, source: Source::Bootstrap });
                Target::Peer(peer)
            }
            None => {
                self.connectivity.handle(now, Input::Bootstrap(address.to_string()));
                Target::Address(address.to_string())
            }
        }
    }

    /// Known peers, connected or not.
    pub fn known(&self) -> usize {
        self.connectivity.known_peers()
    }

    /// Where a peer is known to be, best first.
    pub fn addresses(&self, peer: &PeerId) -> Vec<String> {
        self.connectivity.addresses(peer)
    }

    /// Known peers that are not connected, with their addresses.
    pub fn disconnected_peers(&self) -> impl Iterator<Item = (PeerId, Vec<String>)> {
        let peers = self.connectivity.peers().filter(|(_, connected)| !connected);
        peers.map(|(peer, _)| (peer, self.connectivity.addresses(&peer)))
    }

    /// What the user should know.
    pub fn warnings(&self) -> Vec<String> {
        let alone = !self.was_connected && !self.bootstraps.is_empty() && !self.unreached.is_empty();
        let warning =
            "none of the --bootstrap nodes could be reached yet; check the addresses and that those nodes run";
        alone.then(|| warning.to_owned()).into_iter().collect()
    }

    /// A peer came into one of our rooms.
    pub fn room_peer(&mut self, now: Now, peer: PeerId) {
        self.connectivity.handle(now, Input::Protect { peer, reason: Reason::Room });
    }

    /// A peer is in none of our rooms any more.
    pub fn no_room_peer(&mut self, now: Now, peer: PeerId) {
        self.connectivity.handle(now, Input::Unprotect { peer, reason: Reason::Room });
    }

    /// A peer gives us blocks of files, or is given some, or no longer is.
    pub fn transfers(&mut self, now: Now, peer: PeerId, transfers: bool) {
        let reason = Reason::Transfer;
        self.connectivity
            .handle(now, if transfers { Input::Protect { peer, reason } } else { Input::Unprotect { peer, reason } });
    }

    /// We want to be connected with a peer for direct messages. Its connection is then kept, until [`MAX_DIRECT`] others were wanted.
    pub fn direct_peer(&mut self, now: Now, peer: PeerId) {
        self.direct.retain(|other| *other != peer);
        self.direct.push_back(peer);
        // A peer that is known has a place from now on, even if all are taken when it is connected.
        self.connectivity.handle(now, Input::Protect { peer, reason: Reason::Direct });
        if self.direct.len() > MAX_DIRECT
            && let Some(peer) = self.direct.pop_front()
        {
            self.connectivity.handle(now, Input::Unprotect { peer, reason: Reason::Direct });
        }
    }

    /// Somebody brought something valid that was not heard before.
    pub fn heard(&mut self, now: Now) {
        self.connectivity.heard(now);
    }

    /// A peer was the first to bring something that is kept.
    pub fn useful(&mut self, now: Now, peer: &PeerId) {
        self.connectivity.useful(now, peer);
    }

    /// A peer is kept out.
    pub fn banned(&mut self, now: Now, peer: PeerId) {
        self.connectivity.handle(now, Input::Ban(peer));
    }

    /// A peer may come back.
    pub fn unbanned(&mut self, now: Now, peer: PeerId) {
        self.connectivity.handle(now, Input::Unban(peer));
    }

    /// A connection was made.
    pub fn connected(&mut self, now: Now, id: ConnectionId, peer: PeerId, outbound: bool, address: &Multiaddr) {
        self.was_connected = true;
        self.unreached.remove(&Target::Peer(peer));
        if let Some(target) = self.dials.remove(&id) {
            self.unreached.remove(&target);
        }
        let address = split_peer(address).0.to_string();
        self.connectivity.handle(now, Input::Connected { peer, address, outbound });
        if self.direct.contains(&peer) {
            self.connectivity.handle(now, Input::Protect { peer, reason: Reason::Direct });
        }
    }

    /// A peer answers no ping; its connections are being closed.
    pub fn silent(&mut self, peer: PeerId) {
        self.silent.insert(peer);
    }

    /// The last connection to a peer closed, in its transport's words because of `cause`.
    pub fn disconnected(&mut self, now: Now, peer: PeerId, cause: Option<&ConnectionError>) {
        self.named.remove(&peer);
        let silent = self.silent.remove(&peer) || cause.is_some_and(timed_out);
        self.connectivity.handle(now, Input::Disconnected { peer, silent });
    }

    /// A dial came to nothing.
    pub fn dial_failed(&mut self, now: Now, id: ConnectionId, error: &DialError, closed_network: bool) {
        let Some(target) = self.dials.remove(&id) else { return };
        let name = match &target {
            Target::Peer(peer) => peer.to_string(),
            Target::Address(address) => address.clone(),
        };
        if self.bootstraps.contains(&target) && self.unreached.insert(target.clone()) {
            let hint = if closed_network { " (does it have the same network key?)" } else { "" };
            tracing::warn!("cannot reach the bootstrap node {name}: {}{hint}; trying on", reason(error));
        } else {
            tracing::debug!("cannot reach {name}: {}", reason(error));
        }
        let permanent = match error {
            DialError::LocalPeerId { .. } | DialError::WrongPeerId { .. } | DialError::NoAddresses => true,
            DialError::Aborted
            | DialError::Denied { .. }
            | DialError::DialPeerConditionFalse(_)
            | DialError::Transport(_) => false,
        };
        self.connectivity.handle(now, Input::DialFailed { target, permanent });
    }

    /// A peer said who it is and where it listens.
    pub fn identify(&mut self, now: Now, swarm: &mut Swarm<Behaviour>, peers: &mut Peers, event: identify::Event) {
        let identify::Event::Received { peer_id, info, .. } = event else { return };
        // An address of its own machine is of use only to those on the same machine.
        let local = peers.get(&peer_id).is_some_and(|peer| peer.connections.values().any(is_loopback));
        let useful = |address: &Multiaddr| !is_unspecified(address) && (local || !is_loopback(address));
        let named = info.listen_addrs.into_iter().take(MAX_IDENTIFY_ADDRESSES).map(|address| split_peer(&address).0);
        let addresses: Vec<Multiaddr> = named.filter(useful).collect();
        if peers.identified(&peer_id, &info.agent_version) && self.may_restart(now, peer_id) {
            tracing::info!(peer = %peer_id, "was restarted; connecting anew");
            // It may listen elsewhere than before, and has said so.
            self.discovered(now, peer_id, &addresses, Source::Identify);
            // gossip tells its topics only on the first connection: with an old one still open, both sides would stay deaf.
            // `Err` when it is not connected any more.
            let _ = swarm.disconnect_peer_id(peer_id);
            return;
        }
        let before = self.named.insert(peer_id, addresses.clone()).unwrap_or_default();
        if before == addresses {
            return;
        }
        let kad = &mut swarm.behaviour_mut().kad;
        // kad keeps whatever it is told: a peer that names others all the time would fill it.
        for address in before.iter().filter(|address| !addresses.contains(address)) {
            kad.remove_address(&peer_id, address);
        }
        self.routing.learn(now, kad, peer_id, &addresses);
        self.discovered(now, peer_id, &addresses, Source::Identify);
    }

    /// Two nodes with one key take turns at looking restarted: now and then is often enough.
    fn may_restart(&mut self, now: Now, peer: PeerId) -> bool {
        if self.restarted.len() >= MAX_RESTARTED {
            self.restarted.retain(|_, bucket| bucket.available(now) < RESTARTS.burst);
        }
        if self.restarted.len() >= MAX_RESTARTED && !self.restarted.contains_key(&peer) {
            return true;
        }
        self.restarted.entry(peer).or_insert_with(|| TokenBucket::new(RESTARTS, now)).take(now, 1)
    }

    /// Kademlia knows a peer.
    pub fn kad(&mut self, now: Now, kad: &mut kad::Behaviour<kad::store::MemoryStore>, event: kad::Event) {
        match event {
            kad::Event::InboundRequest { request: kad::InboundRequest::AddProvider { record: Some(mut record) } } => {
                // Kademlia tells nobody of a provider without an address. One that does not know yet where it can be reached from
                // outside names none; but it is connected, and has told where it listens.
                if record.addresses.is_empty() {
                    record.addresses = self.named.get(&record.provider).cloned().unwrap_or_default();
                }
                // `Err` when too much is kept already.
                let _ = kad.store_mut().add_provider(record);
            }
            kad::Event::RoutingUpdated { peer, addresses, .. } => {
                self.discovered(now, peer, &addresses.into_vec(), Source::Kademlia);
            }
            kad::Event::RoutablePeer { peer, address } | kad::Event::PendingRoutablePeer { peer, address } => {
                self.discovered(now, peer, &[address], Source::Kademlia);
            }
            kad::Event::OutboundQueryProgressed { id, result, .. } => {
                self.routing.progressed(kad, id, &result);
                let kad::QueryResult::GetClosestPeers(Ok(closest)) = result else { return };
                for found in closest.peers {
                    self.discovered(now, found.peer_id, &found.addrs, Source::Kademlia);
                }
            }
            _ => {}
        }
    }

    /// A node on the local network made itself known. What expires is noticed when it is dialed.
    pub fn mdns(&mut self, now: Now, event: mdns::Event) {
        if let mdns::Event::Discovered(found) = event {
            for (peer, address) in found {
                self.discovered(now, peer, &[split_peer(&address).0], Source::Mdns);
            }
        }
    }

    fn discovered(&mut self, now: Now, peer: PeerId, addresses: &[Multiaddr], source: Source) {
        if !addresses.is_empty() && peer != self.own {
            let addresses = addresses.iter().take(MAX_IDENTIFY_ADDRESSES).map(ToString::to_string).collect();
            self.connectivity.handle(now, Input::Discovered { peer, addresses, source });
        }
    }

    /// When [`Network::turn`] is to be called.
    pub fn deadline(&self) -> Option<Deadline> {
        Deadline::earliest(self.connectivity.poll_timeout(), self.routing.deadline())
    }

    /// Does what is due, and what was decided.
    pub fn turn(&mut self, now: Now, swarm: &mut Swarm<Behaviour>, journal: &mut Journal) {
        self.routing.turn(now, self.own, &mut swarm.behaviour_mut().kad);
        if self.connectivity.poll_timeout().is_some_and(|at| now.reached(at)) {
            self.connectivity.handle_timeout(now);
        }
        while let Some(output) = self.connectivity.poll_output() {
            match output {
                Output::Dial { target, addresses } => self.dial(now, swarm, target, &addresses),
                Output::Disconnect(peer) => {
                    // `Err` when it is not connected any more.
                    let _ = swarm.disconnect_peer_id(peer);
                }
                Output::Remember { peer, addresses, last_seen_ms } => {
                    journal.remember(KnownPeer { peer: peer.to_bytes(), addresses, last_seen_ms });
                }
                Output::Forget(peer) => journal.forget(peer.to_bytes()),
                Output::WantPeers => routing::explore(&mut swarm.behaviour_mut().kad),
            }
        }
    }

    fn dial(&mut self, now: Now, swarm: &mut Swarm<Behaviour>, target: Target, addresses: &[String]) {
        let addresses: Vec<Multiaddr> = addresses.iter().filter_map(|address| address.parse().ok()).collect();
        let options = match &target {
            // The machine knows what is connected and what is being dialed.
            Target::Peer(peer) => {
                Some(DialOpts::peer_id(*peer).addresses(addresses).condition(PeerCondition::Always).build())
            }
            Target::Address(_) => {
                addresses.into_iter().next().map(|address| DialOpts::unknown_peer_id().address(address).build())
            }
        };
        let Some(options) = options else {
            return self.connectivity.handle(now, Input::DialFailed { target, permanent: true });
        };
        let id = options.connection_id();
        self.dials.insert(id, target);
        if let Err(error) = swarm.dial(options) {
            self.dial_failed(now, id, &error, false);
        }
    }
}

/// An address without the peer id at its end, and that peer id.
fn split_peer(address: &Multiaddr) -> (Multiaddr, Option<PeerId>) {
    let mut address = address.clone();
    match address.pop() {
        Some(Protocol::P2p(peer)) => (address, Some(peer)),
        Some(other) => (address.with(other), None),
        None => (address, None),
    }
}

fn ip(address: &Multiaddr) -> Option<IpAddr> {
    match address.iter().next()? {
        Protocol::Ip4(ip) => Some(ip.into()),
        Protocol::Ip6(ip) => Some(ip.into()),
        _ => None,
    }
}

fn is_loopback(address: &Multiaddr) -> bool {
    ip(address).is_some_and(|ip| ip.is_loopback()) || matches!(address.iter().next(), Some(Protocol::Memory(_)))
}

fn is_unspecified(address: &Multiaddr) -> bool {
    ip(address).is_some_and(|ip| ip.is_unspecified())
}

/// Whether a connection ended because the other side was not heard of. QUIC tells that in words only.
fn timed_out(cause: &ConnectionError) -> bool {
    let ConnectionError::IO(error) = cause else { return false };
    root_cause(error).contains("timed out")
}

/// A dial error in one short line: the first address's innermost reason.
fn reason(error: &DialError) -> String {
    let DialError::Transport(tried) = error else { return error.to_string() };
    let Some((address, error)) = tried.first() else { return "no address could be dialed".into() };
    format!("{address}: {}", root_cause(error))
}

//! What the task tells of itself.

use std::collections::{BTreeMap, BTreeSet};

use libp2p::{Multiaddr, PeerId, Swarm};
use proto::{direct::inbox::Person as Stored, private::MAX_INVITE_ADDRESSES, time::Now};

use super::{behaviour::Behaviour, task::Task};
use crate::model::{Peer, Person, PrivateRoom, Refusals, Room, Status};

/// The node's own state.
pub(super) fn status(task: &Task, now: Now) -> Status {
    let peer_id = *task.swarm.local_peer_id();
    let listen = task.swarm.listeners().map(|address| format!("{address}/p2p/{peer_id}")).collect();
    let store = task.journal.last_error().map_or_else(|| "ok".to_owned(), ToString::to_string);
    Status {
        peer_id: peer_id.to_string(),
        name: task.settings.name.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
        uptime_s: now.mono_ms.saturating_sub(task.started.mono_ms) / 1_000,
        listen,
        connected_peers: task.peers.count() as u64,
        known_peers: task.network.known() as u64,
        rooms: task.rooms.joined().len() as u64,
        channels: task.rooms.held() as u64,
        events: task.rooms.events(),
        closed_network: task.settings.closed_network,
        store,
        undelivered: task.direct.undelivered(),
        mailboxes: task.direct.mailboxes(),
        mailbox: task.direct.mailbox(),
        refused: task
            .guard
            .counts()
            .chain(task.direct.counts())
            .map(|(reason, count)| Refusals { reason: reason.into(), count })
            .collect(),
        warnings: task.network.warnings().into_iter().chain(task.rooms.warnings()).collect(),
    }
}

/// Where others may reach this node, with its peer id: what it listens on, but loopback only if there is nothing else; TCP before QUIC,
/// since UDP is blocked more often.
pub(super) fn reached_at(swarm: &Swarm<Behaviour>) -> Vec<String> {
    let peer_id = swarm.local_peer_id();
    let addresses: BTreeSet<&Multiaddr> = swarm.external_addresses().chain(swarm.listeners()).collect();
    let mut addresses: Vec<String> = addresses.iter().map(|address| address.to_string()).collect();
    let is_local = |address: &String| address.starts_with("/ip4/127.") || address.starts_with("/ip6/::1/");
    if !addresses.iter().all(is_local) {
        addresses.retain(|address| !is_local(address));
    }
    addresses.sort_by_key(|address| (address.starts_with("/ip6/"), !address.contains("/tcp/")));
    addresses.truncate(MAX_INVITE_ADDRESSES);
    let suffix = format!("/p2p/{peer_id}");
    addresses
        .iter()
        .map(|address| if address.ends_with(&suffix) { address.clone() } else { address.clone() + &suffix })
        .collect()
}

/// Known peers, connected ones first.
pub(super) fn peers(task: &Task) -> Vec<Peer> {
    let gossip = &task.swarm.behaviour().gossip;
    let connected = task.peers.iter().map(|(peer, info)| Peer {
        peer_id: peer.to_string(),
        connected: true,
        addresses: info.connections.values().map(ToString::to_string).collect(),
        rtt_us: info.rtt.map(|rtt| u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX)),
        agent: info.agent.as_ref().map(|agent| agent.split(" (").next().unwrap_or(agent).to_owned()),
        rooms: task.rooms.shared_with(gossip, peer),
        banned: None,
    });
    let known = task.network.disconnected_peers().collect::<BTreeMap<_, _>>();
    let banned = task.guard.all_banned().map(|peer| (*peer, known.get(peer).cloned().unwrap_or_default()));
    let absent: BTreeMap<_, _> = banned.chain(known.clone()).collect();
    let others = absent.into_iter().map(|(peer, addresses)| Peer {
        peer_id: peer.to_string(),
        connected: false,
        addresses,
        rtt_us: None,
        agent: None,
        rooms: Vec::new(),
        banned: task.guard.banned(&peer),
    });
    connected.chain(others).collect()
}

/// Everybody known, contacts first, by name.
pub(super) fn people(task: &Task, now: Now) -> Vec<Person> {
    let mut names: BTreeMap<PeerId, BTreeSet<String>> = BTreeMap::new();
    for member in task.rooms.joined().into_iter().flat_map(|room| room.members(now)) {
        if let Ok(peer) = member.peer_id.parse()
            && !member.is_self
        {
            names.entry(peer).or_default().insert(member.name);
        }
    }
    let mut known: BTreeMap<PeerId, (Option<String>, Stored)> = BTreeMap::new();
    for (who, known_of) in task.direct.people() {
        known.extend(who.peer_id().map(|peer| (peer, known_of)));
    }
    for (who, name) in task.direct.seen() {
        // Who is here goes by the name of now.
        if let Some(peer) = who.peer_id() {
            names.entry(peer).or_insert_with(|| BTreeSet::from([name.clone()]));
        }
    }
    let connected = task.peers.iter().map(|(peer, _)| *peer);
    let all: BTreeSet<PeerId> = known.keys().copied().chain(names.keys().copied()).chain(connected).collect();
    let mut people: Vec<Person> = Vec::new();
    for peer in all {
        let (contact, stored) = known.remove(&peer).unwrap_or_default();
        people.push(Person {
            peer_id: peer.to_string(),
            contact,
            names: names.remove(&peer).unwrap_or_default().into_iter().collect(),
            known: stored.known,
            blocked: stored.blocked,
            connected: task.peers.get(&peer).is_some(),
            messages: stored.letters,
        });
    }
    people.sort_by(|a, b| {
        (a.contact.is_none(), &a.contact, &a.peer_id).cmp(&(b.contact.is_none(), &b.contact, &b.peer_id))
    });
    people
}

/// Rooms joined, by name.
pub(super) fn rooms(task: &Task) -> Vec<Room> {
    let us = proto::ids::Author::from_peer_id(task.swarm.local_peer_id());
    let show = |room: &super::room::Room| Room {
        room: room.name().to_string(),
        channel: room.channel().to_string(),
        private: task.private.find(room.name()).map(|record| PrivateRoom {
            epoch: record.epoch().number(),
            owner: record.owner().peer_id().map(|peer| peer.to_string()).unwrap_or_default(),
            is_owner: us == Some(record.owner()),
        }),
        events: match task.private.find(room.name()) {
            Some(record) => task.rooms.events_in(&record.channels()),
            None => room.replica().events(),
        },
        present: room.present() as u64,
        peers: room.peers().count() as u64,
        frozen_logs: room.replica().frozen_logs(),
    };
    task.rooms.joined().into_iter().map(show).collect()
}

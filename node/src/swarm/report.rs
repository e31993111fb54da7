//! What the task tells of itself.

use std::collections::{BTreeMap, BTreeSet};

use libp2p::PeerId;
use proto::{direct::inbox::Person as Stored, time::Now};

use super::task::Task;
use crate::model::{Peer, Person, Refusals, Room, Status};

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
    let connected = task.peers.iter().map(|(peer, _)| *peer);
    let all: BTreeSet<PeerId> = known.keys().copied().chain(names.keys().copied()).chain(connected).collect();
    let mut people: Vec<Person> = Vec::new();
    for peer in all {
        let (contact, stored) = known.remove(&peer).unwrap_or_default();
        people.push(Person {
            peer_id: peer.to_string(),
            contact,
            names: names.remove(&peer).unwrap_or_default().into_iter().collect(),
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
    let show = |room: &super::room::Room| Room {
        room: room.name().to_string(),
        channel: room.channel().to_string(),
        events: room.replica().events(),
        present: room.present() as u64,
        peers: room.replica().peers().count() as u64,
        frozen_logs: room.replica().frozen_logs(),
    };
    task.rooms.joined().into_iter().map(show).collect()
}

//! One hostile host among a few nodes that can be looked into.

use std::{num::NonZeroUsize, thread, time::Duration};

use libp2p::multiaddr::Protocol;
use node::{
    clock::Clock,
    handle::Handle,
    model::{Message, Room},
    spawn::TokioSpawn,
    store::memory::MemoryStore,
    swarm::{self, DirectSettings, Resources, Settings},
};
use proto::{
    channel::{LOBBY, RoomName},
    ids::LogId,
    time::Now,
};
use tokio::time::Instant;

use super::*;
use crate::{net::Link, scenario};

/// Nodes.
const NODES: u8 = 4;

/// Virtual seconds.
const LASTS_S: u64 = 40;

struct Elapsed(Instant);

impl Clock for Elapsed {
    fn now(&self) -> Now {
        let mono_ms = self.0.elapsed().as_millis() as u64;
        Now { mono_ms, wall_ms: interpose::EPOCH_MS + mono_ms }
    }
}

fn lobby() -> RoomName {
    LOBBY.parse().unwrap()
}

fn keypair(number: u8) -> Keypair {
    Keypair::ed25519_from_bytes([number; 32]).unwrap()
}

async fn node(number: u8, network: &Network, bootstrap: Vec<Multiaddr>, clock: Arc<dyn Clock>) -> (Handle, Multiaddr) {
    let host = network.add(link());
    network.power_on(host);
    let keypair = keypair(number);
    let peer_id = keypair.public().to_peer_id();
    let store = MemoryStore::new(LogId(u64::from(number)));
    let parts = swarm::Parts {
        settings: Settings {
            name: format!("node {number}"),
            listen: vec![network.listen_address(host)],
            bootstrap,
            rooms: Vec::new(),
            mdns: false,
            connections: proto::connectivity::Settings::default(),
            resources: Resources { kademlia_k: NonZeroUsize::MIN, memory_bytes: None, ..Resources::default() },
            closed_network: false,
            direct: DirectSettings::default(),
        },
        transports: Arc::new(network.transports(host)),
        vault: std::sync::Arc::new(node::files::vault::NoVault),
        snapshot: store.snapshot(),
        store: Arc::new(store),
        keypair,
        clock,
        spawn: Arc::new(TokioSpawn),
        verifier: Arc::new(proto::signature::Ed25519),
        seed: [number; 32],
    };
    (swarm::start(parts).await.unwrap(), network.public_address(host).with(Protocol::P2p(peer_id)))
}

fn link() -> Link {
    Link { region: 0, up_bits_s: 0, down_bits_s: 0, loss: 0.0, nat: scenario::Nat::default() }
}

/// What each node holds in the lobby after a while with one hostile host.
fn with_one(kind: Hostile) -> Vec<(Room, Vec<Message>)> {
    let body = async move {
        let network = Network::new(&scenario::Network::default(), 1);
        tokio::spawn(network.clone().run());
        let clock: Arc<dyn Clock> = Arc::new(Elapsed(Instant::now()));
        let (first, address) = node(1, &network, Vec::new(), Arc::clone(&clock)).await;
        let mut nodes = vec![first];
        for number in 2..=NODES {
            nodes.push(node(number, &network, vec![address.clone()], Arc::clone(&clock)).await.0);
        }
        let host = network.add(link());
        network.power_on(host);
        let parts = Parts {
            kind,
            number: 0,
            network,
            host,
            keypair: self::keypair(99),
            bootstrap: vec![address],
            targets: Vec::new(),
            truth: None,
            asked: Arc::new(|_| ()),
            clock,
            seed: [1; 32],
        };
        start(parts, Arc::new(TokioSpawn)).unwrap();
        tokio::time::sleep(Duration::from_secs(LASTS_S)).await;
        let mut held = Vec::new();
        for node in nodes {
            let room = node.rooms().await.unwrap().remove(0);
            held.push((room, node.history(lobby(), None, node::handle::MAX_HISTORY_LIMIT).await.unwrap()));
        }
        held
    };
    let simulation = thread::Builder::new().stack_size(32 << 20).spawn(|| {
        interpose::arm(1);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            interpose::arm_clock();
            body.await
        })
    });
    simulation.unwrap().join().unwrap()
}

#[test]
fn spam_is_taken_by_every_node_as_what_it_is() {
    for (room, shown) in with_one(Hostile::Spam { rate_per_s: 5.0 }) {
        assert!(room.events > 100 && room.frozen_logs == 0, "{room:?}");
        assert!(shown.iter().all(|message| message.text.starts_with("buy ")));
    }
}

#[test]
fn nothing_forged_is_ever_shown() {
    for (room, shown) in with_one(Hostile::BadSignatures { rate_per_s: 5.0 }) {
        assert_eq!((room.events, room.frozen_logs, shown.len()), (0, 0, 0), "{room:?}");
    }
}

#[test]
fn every_node_freezes_every_log_that_says_two_things() {
    let held = with_one(Hostile::Equivocate { rate_per_s: 1.0 });
    let texts = |shown: &[Message]| shown.iter().map(|message| message.text.clone()).collect::<Vec<_>>();
    for (room, shown) in &held {
        // The last pair may be on its way.
        assert!(room.events > 20 && room.frozen_logs + 1 >= room.events, "{room:?}");
        assert!(shown.len() as u64 == room.events, "of each pair one is shown");
    }
    assert!(held.iter().any(|(_, shown)| texts(shown) != texts(&held[0].1)), "not all were told the same");
}

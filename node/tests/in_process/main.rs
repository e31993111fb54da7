//! Whole nodes in one process, over the in-memory transport: what the simulator builds on.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod direct;
mod files;
mod outsider;
mod private;
mod stranger;

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use libp2p::{Multiaddr, Swarm, identity::Keypair, kad, multiaddr::Protocol, swarm::SwarmEvent};
use node::{
    clock::SystemClock,
    files::vault::{NoVault, Vault},
    handle::Handle,
    model::NodeEvent,
    spawn::TokioSpawn,
    store::memory::MemoryStore,
    swarm::{self, DirectSettings, Parts, Resources, Settings},
    transport::{MemoryTransports, memory_transport},
};
use proto::{channel::RoomName, connectivity::Settings as Connections, ids::LogId};

const PATIENCE: Duration = Duration::from_secs(20);

struct Node {
    handle: Handle,
    address: Multiaddr,
}

async fn start(number: u8, bootstrap: &[&Node]) -> Node {
    start_with(number, bootstrap, MemoryStore::new(LogId(u64::from(number))), DirectSettings::default()).await
}

async fn start_with(number: u8, bootstrap: &[&Node], store: MemoryStore, direct: DirectSettings) -> Node {
    start_of(number, bootstrap, store, direct, Arc::new(NoVault)).await
}

async fn start_of(
    number: u8,
    bootstrap: &[&Node],
    store: MemoryStore,
    direct: DirectSettings,
    vault: Arc<dyn Vault>,
) -> Node {
    let keypair = Keypair::ed25519_from_bytes([number; 32]).unwrap();
    let peer_id = keypair.public().to_peer_id();
    let snapshot = store.snapshot();
    // Port 0 is a free one; the listen address in the status names it.
    let settings = Settings {
        name: format!("node {number}"),
        listen: vec![Multiaddr::empty().with(Protocol::Memory(0))],
        bootstrap: bootstrap.iter().map(|node| node.address.clone()).collect(),
        rooms: Vec::new(),
        mdns: false,
        connections: Connections::default(),
        resources: Resources::default(),
        closed_network: false,
        direct,
    };
    let handle = swarm::start(Parts {
        transports: Arc::new(MemoryTransports),
        keypair,
        settings,
        store: Arc::new(store),
        vault,
        snapshot,
        clock: Arc::new(SystemClock::default()),
        spawn: Arc::new(TokioSpawn),
        verifier: Arc::new(proto::signature::Ed25519),
        seed: [number; 32],
    })
    .await
    .unwrap();
    assert_eq!(handle.peer_id(), peer_id);
    let address = handle.status().await.unwrap().listen[0].parse().unwrap();
    Node { handle, address }
}

fn lobby() -> RoomName {
    "lobby".parse().unwrap()
}

#[tokio::test]
async fn nodes_chat_over_memory_and_a_latecomer_gets_the_history() {
    let first = start(1, &[]).await;
    let second = start(2, &[&first]).await;
    let mut heard = second.handle.subscribe();

    let early = first.handle.say(lobby(), "before anybody came".into()).await.unwrap();
    let live = first.handle.say(lobby(), "hello".into()).await.unwrap();
    let mut seen = Vec::new();
    tokio::time::timeout(PATIENCE, async {
        while seen.len() < 2 {
            if let NodeEvent::Message(message) = heard.recv().await.unwrap() {
                seen.push(message);
            }
        }
    })
    .await
    .expect("the second node hears both");
    assert_eq!(seen, [early.clone(), live.clone()]);

    let late = start(3, &[&second]).await;
    let mut heard = late.handle.subscribe();
    tokio::time::timeout(PATIENCE, async {
        while late.handle.history(lobby(), None, 10).await.unwrap().len() < 2 {
            heard.recv().await.unwrap();
        }
    })
    .await
    .expect("the latecomer gets the history");
    assert_eq!(late.handle.history(lobby(), None, 10).await.unwrap(), [early, live]);

    for node in [first, second, late] {
        node.handle.shutdown().await.unwrap();
    }
}

/// A bare Kademlia peer with the behaviours that a node needs to put it into its routing table.
#[derive(libp2p::swarm::NetworkBehaviour)]
struct Asker {
    identify: libp2p::identify::Behaviour,
    kad: kad::Behaviour<kad::store::MemoryStore>,
}

fn asker() -> Swarm<Asker> {
    let keypair = Keypair::ed25519_from_bytes([99; 32]).unwrap();
    let peer_id = keypair.public().to_peer_id();
    let config = kad::Config::new(libp2p::StreamProtocol::new("/starling/kad/1"));
    let behaviour = Asker {
        identify: libp2p::identify::Behaviour::new(libp2p::identify::Config::new("/test/1".into(), keypair.public())),
        kad: kad::Behaviour::with_config(peer_id, kad::store::MemoryStore::new(peer_id), config),
    };
    let config = libp2p::swarm::Config::with_tokio_executor().with_idle_connection_timeout(PATIENCE);
    Swarm::new(memory_transport(&keypair).unwrap(), behaviour, peer_id, config)
}

#[tokio::test]
async fn a_stranger_finds_the_members_of_a_room_through_kademlia() {
    let hub = start(11, &[]).await;
    let member = start(12, &[&hub]).await;
    let garden: RoomName = "garden".parse().unwrap();
    member.handle.join(garden.clone()).await.unwrap();

    let mut stranger = asker();
    stranger.behaviour_mut().kad.add_address(&hub.handle.peer_id(), hub.address.clone());
    let key = kad::RecordKey::new(&garden.channel().0);
    stranger.behaviour_mut().kad.get_providers(key.clone());
    let found = async {
        loop {
            use kad::{Event, GetProvidersOk, QueryResult};
            if let SwarmEvent::Behaviour(AskerEvent::Kad(Event::OutboundQueryProgressed { result, step, .. })) =
                stranger.select_next_some().await
            {
                match result {
                    QueryResult::GetProviders(Ok(GetProvidersOk::FoundProviders { providers, .. }))
                        if providers.contains(&member.handle.peer_id()) =>
                    {
                        break;
                    }
                    // The member lays its record a moment after it joined: ask again.
                    QueryResult::GetProviders(_) if step.last => {
                        stranger.behaviour_mut().kad.get_providers(key.clone());
                    }
                    _ => {}
                }
            }
        }
    };
    tokio::time::timeout(PATIENCE, found).await.expect("the member is found");
}

#[tokio::test]
async fn a_provided_key_is_found_through_a_third_node_and_an_unknown_one_by_nobody() {
    let hub = start(21, &[]).await;
    let provider = start(22, &[&hub]).await;
    let seeker = start(23, &[&hub]).await;
    let key = [7; 32];
    let found = async {
        // The record is laid with whom the provider knows by now, so it is laid again until somebody holds it.
        loop {
            provider.handle.provide(key).await.unwrap();
            let found = seeker.handle.find_providers(key, 1).await.unwrap();
            if !found.providers.is_empty() {
                return found;
            }
        }
    };
    let found = tokio::time::timeout(PATIENCE, found).await.expect("the provider is found");
    assert_eq!(found.providers, [provider.handle.peer_id().to_string()]);
    assert!(found.requests >= 1, "{found:?}");
    assert!(seeker.handle.find_providers([8; 32], 1).await.unwrap().providers.is_empty());
    for node in [hub, provider, seeker] {
        node.handle.shutdown().await.unwrap();
    }
}

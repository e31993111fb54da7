//! Whole nodes in one process, over the in-memory transport: what the simulator builds on.

use std::{sync::Arc, time::Duration};

use libp2p::{Multiaddr, identity::Keypair, multiaddr::Protocol};
use node::{
    clock::SystemClock,
    handle::Handle,
    model::NodeEvent,
    store::memory::MemoryStore,
    swarm::{self, Parts, Settings},
    transport::memory_transport,
};
use proto::{channel::RoomName, connectivity::Settings as Connections, ids::LogId};

const PATIENCE: Duration = Duration::from_secs(20);

struct Node {
    handle: Handle,
    address: Multiaddr,
}

async fn start(number: u8, bootstrap: &[&Node]) -> Node {
    start_with(number, bootstrap, Connections::default()).await
}

async fn start_with(number: u8, bootstrap: &[&Node], connections: Connections) -> Node {
    let keypair = Keypair::ed25519_from_bytes([number; 32]).unwrap();
    let peer_id = keypair.public().to_peer_id();
    let store = MemoryStore::new(LogId(u64::from(number)));
    let snapshot = store.snapshot();
    // Port 0 is a free one; the listen address in the status names it.
    let settings = Settings {
        name: format!("node {number}"),
        listen: vec![Multiaddr::empty().with(Protocol::Memory(0))],
        bootstrap: bootstrap.iter().map(|node| node.address.clone()).collect(),
        rooms: Vec::new(),
        mdns: false,
        connections,
        closed_network: false,
    };
    let handle = swarm::start(Parts {
        transport: memory_transport(&keypair).unwrap(),
        keypair,
        settings,
        store: Arc::new(store),
        snapshot,
        clock: Arc::new(SystemClock::default()),
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

/// Waits until a node holds at most `count` connections: the surplus of the start is trimmed once it is past its grace.
async fn trimmed_to(handle: &Handle, count: u64) {
    let mut happenings = handle.subscribe();
    while handle.status().await.unwrap().connected_peers > count {
        happenings.recv().await.unwrap();
    }
}

#[tokio::test]
async fn the_two_members_of_a_room_find_each_other_in_a_network_where_not_everybody_is_connected() {
    let few = Connections { low: 3, high: 6, max: 100 };
    let mut nodes = vec![start_with(1, &[], few).await];
    for number in 2..=50 {
        nodes.push(start_with(number, &[&nodes[nodes.len() - 1]], few).await);
    }
    let (first, last) = (&nodes[0].handle, &nodes[49].handle);
    tokio::time::timeout(Duration::from_secs(90), async {
        tokio::join!(trimmed_to(first, 12), trimmed_to(last, 12));
    })
    .await
    .expect("the surplus is trimmed");
    let is_connected = |peers: Vec<node::model::Peer>| {
        peers.iter().any(|peer| peer.connected && peer.peer_id == last.peer_id().to_string())
    };
    assert!(!is_connected(first.peers().await.unwrap()), "the members are not connected from the start");

    let rare: RoomName = "rare".parse().unwrap();
    first.join(rare.clone()).await.unwrap();
    last.join(rare.clone()).await.unwrap();
    let mut heard = last.subscribe();
    let said = first.say(rare.clone(), "is anybody there?".into()).await.unwrap();
    tokio::time::timeout(Duration::from_secs(60), async {
        loop {
            if matches!(heard.recv().await.unwrap(), NodeEvent::Message(message) if message == said) {
                break;
            }
        }
    })
    .await
    .expect("the other member hears it");
}

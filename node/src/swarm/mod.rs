//! The swarm task: one task owns the libp2p swarm and everything that is decided with it.
//!
//! | file | owns |
//! |---|---|
//! | `task`, `events` | the loop: one action at a time, none of which waits; whom it is for |
//! | `behaviour`, `codec` | the libp2p protocols and their settings |
//! | `rooms`, `room` | replicas and presence of the rooms joined |
//! | `making`, `dormant` | what rooms are made of, and logs of rooms that were not made since the start |
//! | `edge`, `sealing` | what a room sends and takes, and how it is sealed if the room is private |
//! | `private` | which private rooms we have, and their keys |
//! | `saying`, `refusals`, `forks` | callers of a room, peers that refuse what we say, authors that contradict themselves |
//! | `network` | finding peers, keeping connections |
//! | `routing` | filling Kademlia's table |
//! | `rendezvous` | finding the members of a room |
//! | `direct` | letters: writing, taking, keeping them for others |
//! | `shares`, `lanes` | files: giving and getting them, and the streams on which their blocks travel |
//! | `reach` | connecting with a peer that somebody wants |
//! | `providing` | what this node provides in Kademlia for long |
//! | `lookups` | finding who has something, for callers |
//! | `verdicts` | gossip messages that wait for a decision |
//! | `guard` | counting and punishing what breaks the protocol |
//! | `journal`, `reads` | what is on its way to and from the store |
//! | `calls`, `ways_back` | questions under way to and from peers |
//! | `stopping` | the steps of the end |
//! | `peers` | who is connected |
//! | `context` | what a capability is lent while it handles something |

mod behaviour;
mod calls;
mod codec;
mod context;
mod direct;
mod dormant;
mod edge;
mod events;
mod forks;
mod guard;
mod journal;
mod lanes;
pub mod lookups;
mod making;
mod network;
mod peers;
pub mod private;
mod providing;
mod reach;
mod reads;
mod refusals;
mod rendezvous;
mod report;
mod room;
mod rooms;
mod routing;
mod saying;
mod sealing;
pub mod shares;
mod stopping;
mod task;
mod verdicts;
mod ways_back;

use std::{collections::VecDeque, num::NonZeroUsize, sync::Arc, time::Duration};

use futures::StreamExt;
use libp2p::{
    Multiaddr, Swarm,
    identity::Keypair,
    kad,
    swarm::{self, SwarmEvent},
};
use prometheus_client::registry::Registry;
use proto::{
    channel::{LOBBY, RoomName},
    ids::LogId,
    presence::Profile,
    rate::TokenBucket,
    signature::{Signer, Verifier},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::sync::{broadcast, mpsc};

use crate::{
    clock::Clock,
    files::vault::Vault,
    handle::{Handle, MAX_QUEUED_CALLS},
    spawn::{ConnectionTasks, Spawn},
    store::{Snapshot, Store, StoreError},
    transport::{TransportError, Transports},
};

/// Seconds that a connection without streams is kept: long enough for gossip and kad to find a use for it.
const IDLE_CONNECTION_S: u64 = 60;

/// What the user decides about a node.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Display name.
    pub name: String,
    /// Addresses to listen on.
    pub listen: Vec<Multiaddr>,
    /// Nodes to join through. Those with `/p2p/…` are dialed again when lost.
    pub bootstrap: Vec<Multiaddr>,
    /// Rooms to join at the start, besides the lobby and those joined before.
    pub rooms: Vec<RoomName>,
    /// Whether to look for nodes on the local network by mDNS.
    pub mdns: bool,
    /// How many connections to hold.
    pub connections: proto::connectivity::Settings,
    /// What it may take of the machine.
    pub resources: Resources,
    /// Whether the transport lets in only holders of a key (for the status, and because QUIC cannot).
    pub closed_network: bool,
    /// What it does for direct messages.
    pub direct: DirectSettings,
}

/// What a node does for direct messages, beside sending and taking them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DirectSettings {
    /// Keep sealed letters for others, so much of them; `None` keeps none.
    pub mailbox: Option<proto::direct::mailbox::Settings>,
    /// Whether those who write to us are told what was read.
    pub read_receipts: bool,
}

impl Default for DirectSettings {
    fn default() -> Self {
        Self { mailbox: None, read_receipts: true }
    }
}

/// What a node may take of the machine it runs on. The defaults suit one node to a machine; whoever runs a thousand in one
/// process wants less of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resources {
    /// Reports kept for a subscriber that is behind, allocated ahead. Past that the oldest go, and it is told how many
    /// ([`crate::model::NodeEvent::Lagged`]).
    pub reports: usize,
    /// Kademlia's k: peers in each of its 256 buckets, allocated ahead at some 300 bytes each, and nodes that hold each record.
    pub kademlia_k: NonZeroUsize,
    /// Bytes of memory of the whole process above which no further connection is taken; `None` does not look.
    pub memory_bytes: Option<usize>,
}

impl Default for Resources {
    fn default() -> Self {
        Self { reports: 4_096, kademlia_k: kad::K_VALUE, memory_bytes: Some(1 << 30) }
    }
}

/// Everything a node is built of. Whoever builds it decides what time, randomness, transport and storage are.
pub struct Parts {
    /// The node's identity; Ed25519.
    pub keypair: Keypair,
    /// What the user decides.
    pub settings: Settings,
    /// Makes authenticated, multiplexed connections.
    pub transports: Arc<dyn Transports>,
    /// Where things are kept.
    pub store: Arc<dyn Store>,
    /// Where files are kept that are shared and fetched.
    pub vault: Arc<dyn Vault>,
    /// What the store held when it was opened.
    pub snapshot: Snapshot,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// What runs the node's tasks.
    pub spawn: Arc<dyn Spawn>,
    /// What checks signatures.
    pub verifier: Arc<dyn Verifier>,
    /// Seeds every random decision of the node.
    pub seed: [u8; 32],
}

/// Why a node could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The key is not Ed25519.
    #[error("the identity key is not an Ed25519 key")]
    KeyType,
    /// The display name cannot be used.
    #[error("{0}")]
    Name(String),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// Which.
        address: Multiaddr,
        /// Why.
        reason: String,
    },
    /// No connections can be made.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// What the store holds cannot be read.
    #[error("cannot read what is stored: {0}")]
    Store(#[from] StoreError),
    /// A behaviour refused its configuration.
    #[error("cannot start {what}: {reason}")]
    Behaviour {
        /// Which.
        what: &'static str,
        /// Why.
        reason: String,
    },
}

/// Starts a node. Returns once every listen address is taken, or says which could not be.
///
/// # Errors
/// [`StartError`].
pub async fn start(parts: Parts) -> Result<Handle, StartError> {
    build(parts, None).await
}

/// As [`start`]; what the node counts while it runs can be read from the registry. It costs some kilobytes, and memory for each room.
///
/// # Errors
/// [`StartError`].
pub async fn start_measured(parts: Parts, registry: &mut Registry) -> Result<Handle, StartError> {
    build(parts, Some(registry)).await
}

async fn build(parts: Parts, registry: Option<&mut Registry>) -> Result<Handle, StartError> {
    let Parts { keypair, settings, transports, store, vault, snapshot, clock, spawn, verifier, seed } = parts;
    let peer_id = keypair.public().to_peer_id();
    let signer = Signer::new(keypair.clone()).ok_or(StartError::KeyType)?;
    let profile = Profile::new(&settings.name, "").map_err(|error| StartError::Name(error.to_string()))?;
    let mut rng = StdRng::from_seed(seed);
    let mut restored = direct::restore(&*store).await?;
    let letters = std::mem::take(&mut restored.latest);
    let records = private::restore(&*store).await?;

    let does = (settings.mdns, settings.direct.mailbox.is_some());
    let behaviour = behaviour::Behaviour::new(&keypair, rng.random(), does, settings.resources, registry)?;
    let config = swarm::Config::with_executor(ConnectionTasks(spawn.clone()))
        .with_idle_connection_timeout(Duration::from_secs(IDLE_CONNECTION_S));
    let mut swarm = Swarm::new(transports.transport(&keypair)?, behaviour, peer_id, config);
    listen(&mut swarm, &settings.listen).await?;

    let (commands, commands_receiver) = mpsc::channel(MAX_QUEUED_CALLS);
    let (reports, _) = broadcast::channel(settings.resources.reports);
    let own_log = snapshot.log.unwrap_or_else(|| LogId(rng.random()));
    let rooms_before: Vec<String> = snapshot.rooms;
    let now = clock.now();
    let direct = direct::Config {
        signer: signer.clone(),
        own: peer_id,
        verifier: Arc::clone(&verifier),
        own_log,
        settings: settings.direct,
        anonymous: direct::Anonymous::new(transports, Arc::clone(&spawn), StdRng::from_rng(&mut rng)),
        rng: StdRng::from_rng(&mut rng),
    };
    let mut task = task::Task {
        swarm,
        commands: commands_receiver,
        reports: reports.clone(),
        clock: clock.clone(),
        journal: journal::Journal::new(store.clone()),
        reads: reads::Reads::new(store.clone()),
        calls: calls::Calls::default(),
        rooms: rooms::Rooms::new(making::Making::new(
            profile,
            (signer.clone(), peer_id),
            Arc::clone(&verifier),
            (own_log, snapshot.heads),
            StdRng::from_rng(&mut rng),
        )),
        network: network::Network::new(now, peer_id, rng.random(), &settings, snapshot.peers),
        rendezvous: rendezvous::Rendezvous::new(StdRng::from_rng(&mut rng)),
        direct: direct::Direct::new(now, direct, restored),
        private: private::Private::new(
            now,
            proto::private::rooms::Config { signer, verifier, seed: rng.random() },
            records,
        ),
        shares: shares::Shares::new(
            now,
            shares::Config {
                own: peer_id,
                vault: Arc::clone(&vault),
                spawn: Arc::clone(&spawn),
                rng: StdRng::from_rng(&mut rng),
            },
        ),
        reach: reach::Reach::default(),
        lookups: lookups::Lookups::default(),
        guard: guard::Guard::new(),
        peers: peers::Peers::default(),
        forwarding: TokenBucket::new(context::FORWARDED, now),
        effects: VecDeque::new(),
        started: now,
        stopping: None,
        settings,
    };
    let lobby = LOBBY.parse().into_iter();
    let before = rooms_before.iter().filter_map(|name| name.parse().ok());
    let wanted: Vec<RoomName> = lobby.chain(before).chain(task.settings.rooms.clone()).collect();
    task.enter(now, wanted, &letters);
    let private = task.private.names();
    spawn.spawn(Box::pin(task.run()));
    Ok(Handle { peer_id, commands, events: reports, store, vault, private, clock })
}

/// What lies at the bottom of an error: the transport's own errors only say that there is something beneath them.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// Takes all addresses, or fails with the first that cannot be taken.
async fn listen(swarm: &mut Swarm<behaviour::Behaviour>, addresses: &[Multiaddr]) -> Result<(), StartError> {
    for address in addresses {
        let failed = |reason: String| StartError::Listen { address: address.clone(), reason };
        let listener = swarm.listen_on(address.clone()).map_err(|error| failed(root_cause(&error)))?;
        loop {
            match swarm.select_next_some().await {
                SwarmEvent::NewListenAddr { listener_id, .. } if listener_id == listener => break,
                SwarmEvent::ListenerClosed { listener_id, reason, .. } if listener_id == listener => {
                    let reason = reason.err().map_or_else(|| "closed".to_owned(), |error| error.to_string());
                    return Err(failed(reason));
                }
                SwarmEvent::ListenerError { listener_id, error } if listener_id == listener => {
                    return Err(failed(error.to_string()));
                }
                // Nothing else matters before the start; whoever connects this early is met again.
                _ => {}
            }
        }
    }
    Ok(())
}

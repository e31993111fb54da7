//! The swarm task: one task owns the libp2p swarm and everything that is decided with it.

use std::sync::Arc;

use libp2p::{
    Multiaddr, PeerId,
    core::{muxing::StreamMuxerBox, transport::Boxed},
    identity::Keypair,
};
use proto::channel::RoomName;

use crate::{
    clock::Clock,
    handle::Handle,
    store::{Snapshot, Store},
};

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
    /// Whether the transport lets in only holders of a key (for the status, and because QUIC cannot).
    pub closed_network: bool,
}

/// Everything a node is built of. Whoever builds it decides what time, randomness, transport and storage are.
pub struct Parts {
    /// The node's identity; Ed25519.
    pub keypair: Keypair,
    /// What the user decides.
    pub settings: Settings,
    /// Authenticated, multiplexed connections.
    pub transport: Boxed<(PeerId, StreamMuxerBox)>,
    /// Where things are kept.
    pub store: Arc<dyn Store>,
    /// What the store held when it was opened.
    pub snapshot: Snapshot,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Seeds every random decision of the node.
    pub seed: [u8; 32],
}

/// Why a node could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The key is not Ed25519.
    #[error("the identity key is not an Ed25519 key")]
    KeyType,
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// Which.
        address: Multiaddr,
        /// Why.
        reason: String,
    },
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
pub async fn start(_parts: Parts) -> Result<Handle, StartError> {
    Err(StartError::KeyType)
}

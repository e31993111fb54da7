//! Hosts that do not keep to the protocol.
#![allow(missing_docs)]

use libp2p::{Multiaddr, identity::Keypair};
use node::spawn::Spawn;

use crate::{
    net::{Host, Network},
    scenario::Hostile,
};

/// What a hostile host is made of.
pub struct Parts {
    /// What it does.
    pub kind: Hostile,
    /// Its number in its group, from 0.
    pub number: usize,
    /// The network.
    pub network: Network,
    /// Its place in it.
    pub host: Host,
    /// Its key.
    pub keypair: Keypair,
    /// Honest hosts to join through.
    pub bootstrap: Vec<Multiaddr>,
    /// Whom it goes for, if anybody in particular.
    pub targets: Vec<Multiaddr>,
    /// Seeds what it does at random.
    pub seed: [u8; 32],
}

pub async fn start(_parts: Parts, _spawn: &dyn Spawn) -> Result<(), String> {
    Ok(())
}

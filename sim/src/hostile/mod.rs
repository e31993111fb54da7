//! Hosts that do not keep to the protocol.
//!
//! Each is a libp2p swarm of its own that shares no code with the node's, only what `proto` has: good enough to be taken for a node
//! (it identifies itself, answers pings, is in the lobby, joins gossip's mesh, serves in Kademlia), and bad in one way.
//!
//! | kind | file | what it does | what it otherwise does |
//! |---|---|---|---|
//! | spam | `spam` | valid messages of its own, far too many | passes gossip on; has too much to do to answer questions |
//! | bad-signatures | `forge` | runs with a broken signature, and runs in the name of its neighbours | the same |
//! | equivocate | `forge` | two events at one place of a log, each told to half of its neighbours, by gossip and when asked | the same |
//! | eclipse | `eclipse` | connects to one target, again and again; passes nothing on; claims to know nothing new, or is silent | the same, before |
//! | withhold | `withhold` | passes nothing on and lets whoever asks wait | the same, before |
//! | lying-mailbox | `mailbox` | volunteers as a mailbox, and lies about what it keeps | the same |
//! | lying-seeder | `seeder` | says that it has a file; gives wrong bytes or hashes, nothing, or far too slowly | the same |
//! | sybil-key | `sybil` | lies next to a room's key in Kademlia; forgets who provides it and names only others of its kind | the same |
//!
//! | file | what all have in common |
//! |---|---|
//! | `peer`, `behaviour` | the swarm and its loop, and its protocols |
//! | `codec` | questions and answers as bytes |
//! | `author` | the log that a hostile author writes |
//!
//! Hostile hosts do not tell each other anything: what they do together they do because all do the same.

mod author;
mod behaviour;
mod codec;
mod eclipse;
mod forge;
mod mailbox;
mod peer;
mod seeder;
mod spam;
mod sybil;
#[cfg(test)]
mod tests;
mod withhold;

use std::sync::Arc;

use libp2p::{Multiaddr, PeerId, identity::Keypair};
use node::{clock::Clock, spawn::Spawn};
use rand_chacha::ChaCha8Rng;

pub use self::behaviour::LANES;
use self::peer::{Peer, Trick};
use crate::{
    net::{Host, Network},
    scenario::{Fault, Hostile, Lie},
    truth::Truth,
};

/// What a hostile host is made of.
pub struct Parts {
    /// What it does.
    pub kind: Hostile,
    /// Its number in its group, from 0.
    pub number: usize,
    /// The network. The host has power.
    pub network: Network,
    /// Its place in it.
    pub host: Host,
    /// Its key; Ed25519.
    pub keypair: Keypair,
    /// Honest hosts to join through.
    pub bootstrap: Vec<Multiaddr>,
    /// Whom it goes for, if anybody in particular: then it joins through nobody else.
    pub targets: Vec<Multiaddr>,
    /// The file about which it lies, if it lies about one.
    pub truth: Option<Arc<Truth>>,
    /// Is told who asks it for each block of it.
    pub asked: Arc<dyn Fn(PeerId) + Send + Sync>,
    /// Its clock, whose monotonic time counts from the start of the run.
    pub clock: Arc<dyn Clock>,
    /// Seeds what it does at random.
    pub seed: [u8; 32],
}

/// Why a hostile host could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The key is not Ed25519.
    #[error("its key is not an Ed25519 key; give it one")]
    KeyType,
    /// A room's name cannot be used.
    #[error("'{0}' cannot be the name of a room; change the scenario")]
    Room(String),
    /// There is no such file.
    #[error("nobody shares '{0}'; change the scenario")]
    File(String),
    /// libp2p refused a configuration: a bug.
    #[error("libp2p refused {what}: {reason}; please report it")]
    Refused {
        /// Of what.
        what: &'static str,
        /// Why.
        reason: String,
    },
}

/// Starts a hostile host. It runs until its tasks are ended.
///
/// # Errors
/// [`StartError`].
pub fn start(parts: Parts, spawn: Arc<dyn Spawn>) -> Result<(), StartError> {
    let kind = parts.kind.clone();
    let (number, seed) = (parts.number, parts.seed);
    let (truth, asked) = (parts.truth.clone(), Arc::clone(&parts.asked));
    let mut peer = Peer::new(parts, &spawn)?;
    let trick: Box<dyn Trick> = match kind {
        Hostile::Spam { rate_per_s } => Box::new(spam::Spam::new(&mut peer, number, rate_per_s)),
        Hostile::BadSignatures { rate_per_s } => Box::new(forge::BadSignatures::new(&mut peer, rate_per_s)),
        Hostile::Equivocate { rate_per_s } => Box::new(forge::Equivocate::new(rate_per_s)),
        Hostile::Eclipse { from_s, .. } => Box::new(eclipse::Eclipse::new(from_s, number)),
        Hostile::Withhold { from_s, rate_per_s } => Box::new(withhold::Withhold::new(&mut peer, from_s, rate_per_s)),
        Hostile::LyingMailbox { lie } => {
            // Of many seeds, each tells another story.
            let lie = lie.unwrap_or(Lie::ALL[usize::from(seed[0]) % Lie::ALL.len()]);
            Box::new(mailbox::LyingMailbox::new(peer.now(), lie))
        }
        Hostile::LyingSeeder { file, fault } => {
            let fault = fault.unwrap_or(Fault::ALL[usize::from(seed[0]) % Fault::ALL.len()]);
            let truth = truth.ok_or(StartError::File(file))?;
            Box::new(seeder::LyingSeeder::new(peer.now(), truth, fault, asked))
        }
        Hostile::SybilKey { room } => Box::new(sybil::Sybil::new(&room)?),
    };
    spawn.spawn(Box::pin(peer.run(trick)));
    Ok(())
}

/// The key that a hostile host wants; `None` where any does. To be called when the host is made.
pub fn keypair(kind: &Hostile, rng: &mut ChaCha8Rng) -> Option<Keypair> {
    match kind {
        Hostile::SybilKey { room } => sybil::keypair(room, rng),
        _ => None,
    }
}

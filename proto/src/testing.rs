//! Who, and when: what tests of many modules begin with.

use libp2p_identity::{Keypair, PeerId};

use crate::{ids::Author, signature::Signer, time::Now};

/// Where the wall clocks start.
pub const EPOCH_MS: u64 = 1_700_000_000_000;

/// So many milliseconds after the start, by both clocks.
pub fn at(mono_ms: u64) -> Now {
    Now { mono_ms, wall_ms: EPOCH_MS.saturating_add(mono_ms) }
}

/// One of a few identities.
pub fn signer(n: u8) -> Signer {
    signer_of([n; 32])
}

/// One of as many as there are.
pub fn signer_of(secret: [u8; 32]) -> Signer {
    Signer::new(Keypair::ed25519_from_bytes(secret).unwrap()).unwrap()
}

/// The name of [`signer`].
pub fn author(n: u8) -> Author {
    signer(n).author()
}

/// The peer id of [`signer`].
pub fn peer(n: u8) -> PeerId {
    author(n).peer_id().unwrap()
}

/// A peer id in the form of an Ed25519 key, which need not be one: made in no time.
pub fn cheap_peer(n: u32) -> PeerId {
    let mut bytes = vec![0x00, 0x24, 0x08, 0x01, 0x12, 0x20];
    bytes.extend([n.to_be_bytes(); 8].concat());
    PeerId::from_bytes(&bytes).unwrap()
}

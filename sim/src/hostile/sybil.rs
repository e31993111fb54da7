//! Identities that lie next to a room's key in Kademlia. Whoever looks for the room's members ends up with them, and whoever provides
//! the room lays its record with them; they keep no record, and name only others of their kind.
//!
//! They know each other by where they lie: an honest host is as near by chance once in 2^[`NEAR_BITS`].

use libp2p::{PeerId, identity::Keypair};
use proto::channel::RoomName;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

use super::{
    StartError,
    peer::{Peer, Trick},
};

/// Keys that are tried for each identity; the nearest is taken. It shares about eleven bits with the room's key, and a network of a
/// thousand has one honest host as near.
pub const CANDIDATES: usize = 2_000;

/// Leading bits that two must share with the key to be taken for each other's kind.
pub const NEAR_BITS: u32 = 8;

/// Milliseconds between two searches for others of its kind.
const SEARCH_MS: u64 = 10_000;

/// How far an identity is from a room's key, in Kademlia: the exclusive or of their SHA-256 hashes.
pub fn distance(peer: &PeerId, room: &RoomName) -> [u8; 32] {
    let (one, other) = (Sha256::digest(peer.to_bytes()), Sha256::digest(room.channel().0));
    std::array::from_fn(|index| one[index] ^ other[index])
}

fn shared_bits(distance: &[u8; 32]) -> u32 {
    let whole = distance.iter().take_while(|byte| **byte == 0).count();
    whole as u32 * 8 + distance.get(whole).map_or(0, |byte| byte.leading_zeros())
}

/// A key near a room's; `None` if the room cannot be.
pub fn keypair(room: &str, rng: &mut ChaCha8Rng) -> Option<Keypair> {
    let room: RoomName = room.parse().ok()?;
    let candidates = (0..CANDIDATES).filter_map(|_| Keypair::ed25519_from_bytes(rng.random::<[u8; 32]>()).ok());
    candidates.min_by_key(|keypair| distance(&keypair.public().to_peer_id(), &room))
}

/// Lies near a room's key.
pub struct Sybil {
    room: RoomName,
}

impl Sybil {
    /// Near this room's.
    ///
    /// # Errors
    /// [`StartError::Room`].
    pub fn new(room: &str) -> Result<Self, StartError> {
        Ok(Self { room: room.parse().map_err(|_| StartError::Room(room.into()))? })
    }
}

impl Trick for Sybil {
    fn period_ms(&self) -> u64 {
        SEARCH_MS
    }

    /// Looks for its kind through an honest peer, whom it must know for that, and forgets at once.
    fn act(&mut self, peer: &mut Peer) {
        let through = peer.connected.iter().find(|other| !self.names(other)).copied();
        let Some((through, address)) = through.and_then(|other| Some((other, peer.address(&other)?.clone()))) else {
            return;
        };
        let kad = &mut peer.swarm.behaviour_mut().kad;
        kad.add_address(&through, address);
        kad.get_closest_peers(self.room.channel().0.to_vec());
        kad.remove_peer(&through);
    }

    fn names(&self, peer: &PeerId) -> bool {
        shared_bits(&distance(peer, &self.room)) >= NEAR_BITS
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn a_sybil_is_nearer_to_the_key_than_a_host_of_a_large_network() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let room: RoomName = "gates".parse().unwrap();
        let sybil = keypair("gates", &mut rng).unwrap().public().to_peer_id();
        assert!(shared_bits(&distance(&sybil, &room)) >= NEAR_BITS);
        let honest = (0..200).map(|_| Keypair::ed25519_from_bytes(rng.random::<[u8; 32]>()).unwrap());
        let nearer = honest.filter(|host| distance(&host.public().to_peer_id(), &room) < distance(&sybil, &room));
        assert_eq!(nearer.count(), 0);
    }

    #[test]
    fn shared_bits_are_counted_over_bytes() {
        let mut distance = [0; 32];
        assert_eq!(shared_bits(&distance), 256);
        distance[1] = 0b0001_0000;
        assert_eq!(shared_bits(&distance), 11);
    }
}

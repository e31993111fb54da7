//! Whose connections are worth keeping: those of peers that give us blocks, and of peers that we serve.
//!
//! Both ends of a transfer keep it. If only the getter did, the giver would disconnect it as soon as there are too many, in the middle of a
//! block, since it brings the giver nothing.

use std::collections::BTreeSet;

use libp2p::PeerId;

/// Who is kept, and why. Those who give are as many as have a lane, those who are served as many as there are slots.
#[derive(Debug, Default)]
pub struct Keeping {
    givers: BTreeSet<PeerId>,
    served: BTreeSet<PeerId>,
    /// What was told of last.
    kept: BTreeSet<PeerId>,
}

impl Keeping {
    /// A peer gives us blocks, or no longer does.
    pub fn gives(&mut self, peer: PeerId, gives: bool) {
        if gives {
            self.givers.insert(peer)
        } else {
            self.givers.remove(&peer)
        };
    }

    /// These are served, and nobody else.
    pub fn serves(&mut self, served: &BTreeSet<PeerId>) {
        // This is asked at every event, and changes rarely.
        if self.served != *served {
            self.served.clone_from(served);
        }
    }

    /// Whose connection is worth keeping from now on, or is not any more; each once.
    pub fn changes(&mut self) -> Vec<(PeerId, bool)> {
        let is_kept = |peer: &PeerId| self.givers.contains(peer) || self.served.contains(peer);
        let gone: Vec<PeerId> = self.kept.iter().filter(|peer| !is_kept(peer)).copied().collect();
        let new: Vec<PeerId> =
            self.givers.union(&self.served).filter(|peer| !self.kept.contains(*peer)).copied().collect();
        gone.iter().for_each(|peer| _ = self.kept.remove(peer));
        self.kept.extend(&new);
        gone.into_iter().map(|peer| (peer, false)).chain(new.into_iter().map(|peer| (peer, true))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: u8) -> PeerId {
        let key = libp2p::identity::Keypair::ed25519_from_bytes([number; 32]).unwrap();
        key.public().to_peer_id()
    }

    #[test]
    fn who_gives_and_who_is_served_is_kept_until_neither_is_so() {
        let mut keeping = Keeping::default();
        keeping.gives(peer(1), true);
        keeping.serves(&[peer(2)].into());
        let mut first = keeping.changes();
        first.sort_unstable();
        let mut both = vec![(peer(1), true), (peer(2), true)];
        both.sort_unstable();
        assert_eq!(first, both);
        assert_eq!(keeping.changes(), []);
        keeping.serves(&[peer(1)].into());
        assert_eq!(keeping.changes(), [(peer(2), false)]);
        keeping.gives(peer(1), false);
        assert_eq!(keeping.changes(), [], "it is still served");
        keeping.serves(&BTreeSet::new());
        keeping.gives(peer(1), false);
        assert_eq!(keeping.changes(), [(peer(1), false)]);
    }
}

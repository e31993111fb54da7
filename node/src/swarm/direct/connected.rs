//! Who is connected, and how many letters each may still bring.

use std::collections::BTreeMap;

use libp2p::PeerId;
use proto::{
    rate::{Rate, TokenBucket},
    time::Now,
};

/// Letters that somebody may bring whom the user knows. Opening one costs about 0.2 ms, and a good letter can be brought again and again:
/// half a core, and room for all that an outbox has for one recipient, many times over. Further ones are answered "unavailable".
pub const KNOWN: Rate = Rate::per_second(2_500, 10_000);

/// Letters that a stranger may bring: a tenth of what is taken of all of them together, so that none keeps the others out. Further ones
/// are answered "unavailable".
pub const STRANGER: Rate = Rate::per_second(100, 1_000);

/// What one may bring, and as whom.
struct Allowance {
    known: bool,
    letters: TokenBucket,
}

impl Allowance {
    fn new(now: Now, known: bool) -> Self {
        Self { known, letters: TokenBucket::new(if known { KNOWN } else { STRANGER }, now) }
    }
}

/// The peers that are connected. As many as there may be connections.
#[derive(Default)]
pub struct Connected {
    /// With what they may bring, if they have brought anything.
    peers: BTreeMap<PeerId, Option<Allowance>>,
}

impl Connected {
    /// Somebody came.
    pub fn up(&mut self, peer: PeerId) {
        self.peers.entry(peer).or_default();
    }

    /// It went.
    pub fn down(&mut self, peer: &PeerId) {
        self.peers.remove(peer);
    }

    /// Whether somebody is connected.
    pub fn contains(&self, peer: &PeerId) -> bool {
        self.peers.contains_key(peer)
    }

    /// Whether a letter of a peer may be looked at; counts it if so. Whoever is gone brings none.
    #[must_use]
    pub fn admits_letter(&mut self, now: Now, peer: &PeerId, known: bool) -> bool {
        let Some(allowance) = self.peers.get_mut(peer) else { return false };
        let before = allowance.take().filter(|allowance| allowance.known == known);
        let allowance = allowance.insert(before.unwrap_or_else(|| Allowance::new(now, known)));
        allowance.letters.take(now, 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(mono_ms: u64) -> Now {
        Now { mono_ms, wall_ms: 0 }
    }

    fn connected(count: usize) -> (Connected, Vec<PeerId>) {
        let (mut connected, peers) = (Connected::default(), (0..count).map(|_| PeerId::random()).collect::<Vec<_>>());
        peers.iter().for_each(|peer| connected.up(*peer));
        (connected, peers)
    }

    #[test]
    fn somebody_known_may_bring_two_thousand_letters_a_second_for_as_long_as_it_likes() {
        let (mut connected, peers) = connected(1);
        assert!((0..200_000).all(|n| connected.admits_letter(at(n / 2), &peers[0], true)));
    }

    #[test]
    fn whoever_brings_one_letter_over_and_over_is_held_to_its_rate_and_others_are_not() {
        let (mut connected, peers) = connected(3);
        let mut taken = |peer: &PeerId, known| {
            (0..200_000).filter(|n| connected.admits_letter(at(n / 20), peer, known)).count() as u64
        };
        assert!(taken(&peers[0], true) <= KNOWN.burst + 10 * KNOWN.tokens);
        assert!(taken(&peers[1], false) <= STRANGER.burst + 10 * STRANGER.tokens);
        assert!(connected.admits_letter(at(10_000), &peers[2], false));
    }

    #[test]
    fn a_stranger_that_becomes_known_is_held_to_its_rate_no_longer() {
        let (mut connected, peers) = connected(1);
        assert_eq!((0..5_000).filter(|_| connected.admits_letter(at(0), &peers[0], false)).count(), 1_000);
        assert!(connected.admits_letter(at(0), &peers[0], true));
    }

    #[test]
    fn nothing_is_kept_of_those_that_are_gone() {
        let (mut connected, peers) = connected(1);
        assert!(connected.admits_letter(at(0), &peers[0], true));
        connected.down(&peers[0]);
        assert!(!connected.admits_letter(at(0), &peers[0], true));
        assert!(connected.peers.is_empty());
    }
}

//! Filling Kademlia's routing table.
//!
//! libp2p refreshes all buckets, with hundreds of questions, half a second after any peer came into a table of fewer than
//! [`FEW`]. Peers come in one by one while a node joins, each by the refresh before, so that one that joins a large network
//! would refresh ten times. So peers wait, and go into a small table together.
//!
//! | the table has | a peer that made itself known |
//! |---|---|
//! | [`FEW`] or more | goes in at once |
//! | fewer | waits for the next batch: after [`FIRST_MS`], then in intervals that grow fourfold up to [`LAST_MS`] |

use std::collections::BTreeMap;

use libp2p::{Multiaddr, PeerId, kad};
use proto::time::{Deadline, Now};

/// Peers in the table from which on libp2p does not refresh it for each newcomer: its `K_VALUE`.
const FEW: usize = kad::K_VALUE.get();

/// Milliseconds from the first peer to its going in: those who are found at the same time go with it.
const FIRST_MS: u64 = 1_000;

/// Milliseconds between two batches, at most.
const LAST_MS: u64 = 64_000;

type Kademlia = kad::Behaviour<kad::store::MemoryStore>;

/// Peers that wait. Bounded by the connected ones.
#[derive(Default)]
pub struct Routing {
    waiting: BTreeMap<PeerId, Vec<Multiaddr>>,
    wait_ms: u64,
    /// When the next batch may go in.
    next: Option<Deadline>,
}

impl Routing {
    /// A connected peer listens there.
    pub fn learn(&mut self, now: Now, kad: &mut Kademlia, peer: PeerId, addresses: &[Multiaddr]) {
        if entries(kad) >= FEW {
            return add(kad, peer, addresses);
        }
        if self.next.is_none() {
            self.wait_ms = FIRST_MS;
            self.next = Some(now.after(FIRST_MS));
        }
        self.waiting.insert(peer, addresses.to_vec());
    }

    /// A peer is not connected any more.
    pub fn disconnected(&mut self, peer: &PeerId) {
        self.waiting.remove(peer);
    }

    /// When [`Routing::turn`] is to be called.
    pub fn deadline(&self) -> Option<Deadline> {
        self.next.filter(|_| !self.waiting.is_empty())
    }

    /// Puts in who waits, when it is time.
    pub fn turn(&mut self, now: Now, kad: &mut Kademlia) {
        if !self.deadline().is_some_and(|at| now.reached(at)) {
            return;
        }
        for (peer, addresses) in std::mem::take(&mut self.waiting) {
            add(kad, peer, &addresses);
        }
        self.wait_ms = (self.wait_ms * 4).min(LAST_MS);
        self.next = Some(now.after(self.wait_ms));
    }
}

fn add(kad: &mut Kademlia, peer: PeerId, addresses: &[Multiaddr]) {
    for address in addresses {
        kad.add_address(&peer, address.clone());
    }
}

fn entries(kad: &mut Kademlia) -> usize {
    kad.kbuckets().map(|bucket| bucket.num_entries()).sum()
}

#[cfg(test)]
mod tests {
    use libp2p::StreamProtocol;

    use super::*;

    fn table() -> Kademlia {
        let own = PeerId::random();
        kad::Behaviour::with_config(
            own,
            kad::store::MemoryStore::new(own),
            kad::Config::new(StreamProtocol::new("/test/kad/1")),
        )
    }

    fn at(mono_ms: u64) -> Now {
        Now { mono_ms, wall_ms: mono_ms }
    }

    #[test]
    fn peers_go_into_a_small_table_in_batches_and_into_a_large_one_at_once() {
        let (mut kad, mut routing) = (table(), Routing::default());
        let address: Vec<Multiaddr> = vec!["/ip4/10.0.0.1/tcp/1".parse().unwrap()];
        // Random ids: half of all fall into one bucket, which holds 20.
        let peers: Vec<PeerId> = (0..30).map(|_| PeerId::random()).collect();
        peers.iter().for_each(|peer| routing.learn(at(0), &mut kad, *peer, &address));
        routing.turn(at(FIRST_MS - 1), &mut kad);
        assert_eq!(entries(&mut kad), 0);
        routing.disconnected(&peers[0]);
        routing.turn(at(FIRST_MS), &mut kad);
        let before = entries(&mut kad);
        assert!((FEW..30).contains(&before), "{before}");
        assert_eq!(routing.deadline(), None);
        (0..200).for_each(|_| routing.learn(at(FIRST_MS), &mut kad, PeerId::random(), &address));
        assert!(entries(&mut kad) > before);
    }

    #[test]
    fn batches_come_less_and_less_often() {
        let (mut kad, mut routing) = (table(), Routing::default());
        let address: Vec<Multiaddr> = vec!["/ip4/10.0.0.1/tcp/1".parse().unwrap()];
        let mut due = Vec::new();
        for now_ms in (0..200_000).step_by(500) {
            routing.learn(at(now_ms), &mut kad, PeerId::random(), &address);
            if routing.deadline().is_some_and(|deadline| at(now_ms).reached(deadline)) {
                due.push(now_ms);
                // Only the pace is asked for here; a table that fills would end it.
                kad = table();
            }
            routing.turn(at(now_ms), &mut kad);
            kad = table();
        }
        assert_eq!(due, [1_000, 5_000, 21_000, 85_000, 149_000]);
    }
}

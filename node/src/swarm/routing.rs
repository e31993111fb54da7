//! Filling Kademlia's routing table.
//!
//! A node that joins looks up itself: so it learns of its neighbours and they of it. libp2p goes on to refresh all farther
//! buckets, with some 200 questions to strangers who must be dialed for it, and begins anew half a second after any peer came
//! into a table of fewer than [`FEW`]; a network in which all do that is busy with nothing else. Connections, lookups and
//! whoever looks up us fill those buckets too. So the refresh is ended after its first step, but every [`REFRESH_MS`]; peers go
//! into a small table together; and once [`FEW`] were asked for us we do not look up ourselves again.
//!
//! | the table has | a peer that made itself known |
//! |---|---|
//! | [`FEW`] or more | goes in at once |
//! | fewer | waits for the next batch: after [`FIRST_MS`], then in intervals that grow fourfold up to [`LAST_MS`] |

use std::collections::BTreeMap;

use libp2p::{
    Multiaddr, PeerId,
    kad::{self, QueryId, QueryResult, QueryStats},
};
use proto::time::{Deadline, Now};

/// Peers in the table from which on libp2p does not refresh it for each newcomer: its `K_VALUE`.
const FEW: usize = kad::K_VALUE.get();

/// Milliseconds from the first peer to its going in: those who are found at the same time go with it.
const FIRST_MS: u64 = 1_000;

/// Milliseconds between two batches, at most.
const LAST_MS: u64 = 64_000;

/// Milliseconds between two refreshes of all buckets; the first comes that long after the first peer.
const REFRESH_MS: u64 = 3_600_000;

type Kademlia = kad::Behaviour<kad::store::MemoryStore>;

/// What fills the table.
#[derive(Default)]
pub struct Routing {
    /// Peers that wait. Bounded by the connected ones.
    waiting: BTreeMap<PeerId, Vec<Multiaddr>>,
    wait_ms: u64,
    /// When the next batch may go in.
    next: Option<Deadline>,
    /// When all buckets are refreshed.
    refresh_at: Option<Deadline>,
    /// The refresh that is under way.
    refresh: Option<QueryId>,
    /// Whether as many as [`FEW`] were asked for those near us.
    is_known: bool,
}

impl Routing {
    /// A connected peer listens there.
    pub fn learn(&mut self, now: Now, kad: &mut Kademlia, peer: PeerId, addresses: &[Multiaddr]) {
        self.refresh_at.get_or_insert(now.after(REFRESH_MS));
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
        Deadline::earliest(self.batch_at(), self.refresh_at)
    }

    fn batch_at(&self) -> Option<Deadline> {
        self.next.filter(|_| !self.waiting.is_empty())
    }

    /// Puts in who waits, and refreshes, when it is time.
    pub fn turn(&mut self, now: Now, kad: &mut Kademlia) {
        if self.refresh_at.is_some_and(|at| now.reached(at)) {
            self.refresh_at = Some(now.after(REFRESH_MS));
            // `Err` when the table is empty.
            self.refresh = kad.bootstrap().ok();
        }
        if !self.batch_at().is_some_and(|at| now.reached(at)) {
            return;
        }
        for (peer, addresses) in std::mem::take(&mut self.waiting) {
            add(kad, peer, &addresses);
        }
        if self.is_known {
            // What the batch has triggered is begun by us, so that it can be ended before it asks anyone.
            let query = kad.bootstrap().ok();
            query.into_iter().for_each(|id| end(kad, id));
        }
        self.wait_ms = (self.wait_ms * 4).min(LAST_MS);
        self.next = Some(now.after(self.wait_ms));
    }

    /// A query made progress: ends what libp2p refreshes of itself.
    pub fn progressed(&mut self, kad: &mut Kademlia, id: QueryId, result: &QueryResult, stats: &QueryStats) {
        if !matches!(result, QueryResult::Bootstrap(_)) || self.refresh == Some(id) {
            return;
        }
        self.is_known |= usize::try_from(stats.num_successes()).is_ok_and(|successes| successes >= FEW);
        // Each step that is ended is told, and the next one ended then.
        end(kad, id);
    }
}

/// Ends a query before it asks anyone else.
fn end(kad: &mut Kademlia, id: QueryId) {
    // `None` when it is over.
    if let Some(mut query) = kad.query_mut(&id) {
        query.finish();
    }
}

/// Asks the network for peers at random: those near a key that nobody chose.
pub fn explore(kad: &mut Kademlia) {
    kad.get_closest_peers(PeerId::random());
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

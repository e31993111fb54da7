//! Filling Kademlia's routing table.
//!
//! A node that joins looks up itself: so it learns of its neighbours, and they of it. Of all that libp2p does then of itself
//! this is what is needed: it would ask until 20 have answered, go on to refresh all farther buckets with some 200 questions
//! to strangers who must be dialed for it, and begin anew half a second after any peer came into a table of fewer than
//! [`FEW`]. A network in which all do that is busy with nothing else. Connections, lookups, and whoever looks up itself fill those
//! buckets too. So libp2p's refresh is ended before it asks anyone, and this is done instead:
//!
//! | the table | what happens |
//! |---|---|
//! | got a peer, and has fewer than [`FEW`] | we look up ourselves, until [`NEIGHBOURS`] have answered: after [`FIRST_MS`], then in intervals that grow fourfold up to [`LAST_MS`] |
//! | has more | all buckets are refreshed every [`REFRESH_MS`] |

use std::num::NonZeroUsize;

use libp2p::{
    Multiaddr, PeerId,
    kad::{self, QueryId, QueryResult},
};
use proto::time::{Deadline, Now};

/// Peers in the table from which on libp2p does not refresh it for each newcomer: its `K_VALUE`.
const FEW: usize = kad::K_VALUE.get();

/// Nearest peers that are asked for a newcomer. They tell of as many as libp2p's k each.
const NEIGHBOURS: NonZeroUsize = NonZeroUsize::new(8).expect("8 is not 0");

/// Milliseconds from the first peer to the first lookup: those who come at the same time can be asked, too.
const FIRST_MS: u64 = 1_000;

/// Milliseconds between two lookups of ourselves, at most.
const LAST_MS: u64 = 64_000;

/// Milliseconds between two refreshes of all buckets; the first comes that long after the first peer.
const REFRESH_MS: u64 = 3_600_000;

type Kademlia = kad::Behaviour<kad::store::MemoryStore>;

/// When the table is filled, and how.
#[derive(Default)]
pub struct Routing {
    /// Whether a peer came since we last looked up ourselves.
    has_grown: bool,
    wait_ms: u64,
    /// When we may look up ourselves again.
    lookup_at: Option<Deadline>,
    refresh_at: Option<Deadline>,
    /// The refresh that is under way.
    refresh: Option<QueryId>,
}

impl Routing {
    /// A connected peer listens there.
    pub fn learn(&mut self, now: Now, kad: &mut Kademlia, peer: PeerId, addresses: &[Multiaddr]) {
        let before = entries(kad);
        for address in addresses {
            kad.add_address(&peer, address.clone());
        }
        if before >= FEW || entries(kad) == before {
            return;
        }
        // libp2p has set a timer for a refresh, which is put off by one that begins now.
        if let Ok(query) = kad.bootstrap() {
            end(kad, query);
        }
        self.has_grown = true;
        if self.lookup_at.is_none() {
            self.wait_ms = FIRST_MS;
            self.lookup_at = Some(now.after(FIRST_MS));
            self.refresh_at = Some(now.after(REFRESH_MS));
        }
    }

    /// When [`Routing::turn`] is to be called.
    pub fn deadline(&self) -> Option<Deadline> {
        Deadline::earliest(self.lookup_at.filter(|_| self.has_grown), self.refresh_at)
    }

    /// Looks up ourselves, and refreshes, when it is time.
    pub fn turn(&mut self, now: Now, own: PeerId, kad: &mut Kademlia) {
        if self.refresh_at.is_some_and(|at| now.reached(at)) {
            self.refresh_at = Some(now.after(REFRESH_MS));
            // `Err` when the table is empty.
            self.refresh = kad.bootstrap().ok();
        }
        if self.has_grown && self.lookup_at.is_some_and(|at| now.reached(at)) {
            self.has_grown = false;
            self.wait_ms = (self.wait_ms * 4).min(LAST_MS);
            self.lookup_at = Some(now.after(self.wait_ms));
            kad.get_n_closest_peers(own, NEIGHBOURS);
        }
    }

    /// A query made progress. Each step of libp2p's refresh that is ended begins the next one.
    pub fn progressed(&self, kad: &mut Kademlia, id: QueryId, result: &QueryResult) {
        if matches!(result, QueryResult::Bootstrap(_)) && self.refresh != Some(id) {
            end(kad, id);
        }
    }
}

/// Asks the network for peers at random: those near a key that nobody chose.
pub fn explore(kad: &mut Kademlia) {
    kad.get_n_closest_peers(PeerId::random(), NEIGHBOURS);
}

/// Ends a query before it asks anyone else.
fn end(kad: &mut Kademlia, id: QueryId) {
    // `None` when it is over.
    if let Some(mut query) = kad.query_mut(&id) {
        query.finish();
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

    /// Lookups that run; a refresh that was ended does not.
    fn running(kad: &Kademlia) -> usize {
        kad.iter_queries().count()
    }

    fn address() -> Vec<Multiaddr> {
        vec!["/ip4/10.0.0.1/tcp/1".parse().expect("an address")]
    }

    #[test]
    fn peers_go_in_at_once_and_the_first_ones_make_us_look_up_ourselves_but_refresh_nothing() {
        let (mut kad, mut routing) = (table(), Routing::default());
        for _ in 0..5 {
            routing.learn(at(0), &mut kad, PeerId::random(), &address());
        }
        assert_eq!((entries(&mut kad), running(&kad)), (5, 0));
        routing.turn(at(FIRST_MS - 1), PeerId::random(), &mut kad);
        assert_eq!(running(&kad), 0);
        routing.turn(at(FIRST_MS), PeerId::random(), &mut kad);
        assert_eq!(running(&kad), 1);
        routing.turn(at(REFRESH_MS - 1), PeerId::random(), &mut kad);
        assert_eq!(running(&kad), 1, "nobody came");
    }

    #[test]
    fn lookups_come_less_and_less_often_and_end_with_a_table_that_is_large_enough() {
        let (mut kad, mut routing) = (table(), Routing::default());
        let mut due = Vec::new();
        for now_ms in (0..200_000).step_by(500) {
            // A peer that comes again does not count.
            let peer = PeerId::random();
            routing.learn(at(now_ms), &mut kad, peer, &address());
            routing.learn(at(now_ms), &mut kad, peer, &address());
            let before = running(&kad);
            routing.turn(at(now_ms), PeerId::random(), &mut kad);
            if running(&kad) > before {
                due.push(now_ms);
            }
            // Only the pace is asked for here; a table that fills would end it.
            kad = table();
        }
        assert_eq!(due, [1_000, 5_000, 21_000, 85_000, 149_000]);
        for _ in 0..200 {
            routing.learn(at(200_000), &mut kad, PeerId::random(), &address());
        }
        routing.turn(at(300_000), PeerId::random(), &mut kad);
        routing.learn(at(300_000), &mut kad, PeerId::random(), &address());
        assert_eq!(routing.deadline(), Some(at(0).after(REFRESH_MS)));
    }

    #[test]
    fn all_buckets_are_refreshed_every_hour() {
        let (mut kad, mut routing) = (table(), Routing::default());
        routing.learn(at(0), &mut kad, PeerId::random(), &address());
        routing.turn(at(FIRST_MS), PeerId::random(), &mut kad);
        assert_eq!(routing.deadline(), Some(at(0).after(REFRESH_MS)));
        let before = running(&kad);
        routing.turn(at(REFRESH_MS), PeerId::random(), &mut kad);
        assert_eq!(running(&kad), before + 1);
        let refresh = routing.refresh.expect("the one under way");
        let step = QueryResult::Bootstrap(Ok(kad::BootstrapOk { peer: PeerId::random(), num_remaining: 3 }));
        routing.progressed(&mut kad, refresh, &step);
        assert_eq!(running(&kad), before + 1, "ours is not ended");
    }
}

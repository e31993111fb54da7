//! Keys that this node provides in Kademlia for as long as it runs: laid at once, again while the network is still being found, and then
//! every [`LAST_MS`].
//!
//! Whoever has waited longest is laid first, so that with N keys to lay none waits longer than N at the rate of [`LAYING`]; what is the
//! node's own comes before all that it provides for others.

use std::collections::{BTreeMap, btree_map::Entry};

use libp2p::kad::{self, RecordKey};
use proto::{
    rate::{Rate, TokenBucket},
    schedule::Schedule,
    time::{Deadline, Now},
};

use super::lookups::Key;

type Kademlia = kad::Behaviour<kad::store::MemoryStore>;

/// Milliseconds from the first time that a key is laid to the second; twice as long to the third, and so on.
pub const FIRST_MS: u64 = 4_000;

/// Milliseconds between two times, at most. Others forget after two days.
pub const LAST_MS: u64 = 4 * 3_600_000;

/// How fast keys are laid: each is a lookup. Ten thousand take 40 minutes. Those that find no token wait, in the order in which they
/// were due.
pub const LAYING: Rate = Rate::per_second(4, 16);

/// Whose sake a key is provided for; who comes first is laid first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sake {
    /// The node's own: few.
    Own,
    /// Of those who asked it to.
    Others,
}

/// The keys.
pub struct Providing {
    /// How long each waits from its next turn to the one after, in milliseconds.
    waits: BTreeMap<Key, u64>,
    own: Schedule<Key>,
    others: Schedule<Key>,
    rate: TokenBucket,
    /// When the rate allows the next.
    ready: Option<Deadline>,
}

impl Providing {
    /// None yet.
    pub fn new(now: Now) -> Self {
        Self {
            waits: BTreeMap::new(),
            own: Schedule::default(),
            others: Schedule::default(),
            rate: TokenBucket::new(LAYING, now),
            ready: None,
        }
    }

    /// Provides a key from now on, unless it does already.
    pub fn add(&mut self, now: Now, key: Key, sake: Sake) {
        let Entry::Vacant(wait_ms) = self.waits.entry(key) else { return };
        wait_ms.insert(FIRST_MS);
        let turns = match sake {
            Sake::Own => &mut self.own,
            Sake::Others => &mut self.others,
        };
        turns.set(key, Some(now.after(0)));
    }

    /// No longer. Others forget it in time.
    pub fn remove(&mut self, kad: &mut Kademlia, key: &Key) {
        if self.waits.remove(key).is_some() {
            self.own.set(*key, None);
            self.others.set(*key, None);
            kad.stop_providing(&RecordKey::new(key));
        }
    }

    /// When [`Providing::turn`] is to be called.
    pub fn deadline(&self) -> Option<Deadline> {
        let next = Deadline::earliest(self.own.first(), self.others.first())?;
        Some(self.ready.map_or(next, |ready| next.max(ready)))
    }

    /// Lays what is due, as far as the rate allows.
    pub fn turn(&mut self, now: Now, kad: &mut Kademlia) {
        for turns in [&mut self.own, &mut self.others] {
            while turns.first().is_some_and(|at| now.reached(at))
                && self.rate.take(now, 1)
                && let Some(key) = turns.pop_due(now)
            {
                let wait_ms = self.waits.entry(key).or_insert(FIRST_MS);
                turns.set(key, Some(now.after(*wait_ms)));
                *wait_ms = (*wait_ms * 2).min(LAST_MS);
                // `Err` when too much is provided already.
                let _ = kad.start_providing(RecordKey::new(&key));
            }
        }
        self.ready = self.rate.ready_at(now, 1);
    }
}

#[cfg(test)]
mod tests {
    use libp2p::{PeerId, StreamProtocol};

    use super::*;

    const KEYS: u64 = 1_000;

    fn kademlia() -> Kademlia {
        let own = PeerId::random();
        // As many as a store takes by default are too few.
        let config = kad::store::MemoryStoreConfig { max_provided_keys: 2 * KEYS as usize, ..Default::default() };
        let store = kad::store::MemoryStore::with_config(own, config);
        kad::Behaviour::with_config(own, store, kad::Config::new(StreamProtocol::new("/test/kad/1")))
    }

    fn at(mono_ms: u64) -> Now {
        Now { mono_ms, wall_ms: 0 }
    }

    fn key(n: u64) -> Key {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&n.to_be_bytes());
        key
    }

    fn is_laid(kad: &mut Kademlia, key: &Key) -> bool {
        use kad::store::RecordStore;
        kad.store_mut().provided().any(|record| record.key == RecordKey::new(key))
    }

    /// Lets time pass until `done`, and says how long that took.
    fn pass_until(providing: &mut Providing, kad: &mut Kademlia, done: impl Fn(&mut Kademlia) -> bool) -> u64 {
        let mut now = at(0);
        loop {
            providing.turn(now, kad);
            if done(kad) {
                return now.mono_ms;
            }
            now = at(providing.deadline().unwrap().0.max(now.mono_ms));
        }
    }

    #[test]
    fn of_many_keys_the_last_is_laid_as_soon_as_the_rate_allows_all_of_them() {
        let (mut providing, mut kad) = (Providing::new(at(0)), kademlia());
        for n in 0..KEYS {
            providing.add(at(0), key(n), Sake::Others);
        }
        let took_ms = pass_until(&mut providing, &mut kad, |kad| is_laid(kad, &key(KEYS - 1)));
        assert!(took_ms <= KEYS * 1_000 / LAYING.tokens, "{took_ms}");
    }

    #[test]
    fn the_own_key_comes_first_and_keeps_its_times_however_many_others_wait() {
        let (mut providing, mut kad) = (Providing::new(at(0)), kademlia());
        for n in 0..KEYS {
            providing.add(at(0), key(n), Sake::Others);
        }
        let own = [255; 32];
        providing.add(at(0), own, Sake::Own);
        providing.turn(at(0), &mut kad);
        assert!(is_laid(&mut kad, &own));
        kad.stop_providing(&RecordKey::new(&own));
        providing.turn(at(FIRST_MS), &mut kad);
        assert!(is_laid(&mut kad, &own));
    }

    #[test]
    fn a_key_that_is_taken_away_is_not_laid_and_nothing_is_due_any_more() {
        let (mut providing, mut kad) = (Providing::new(at(0)), kademlia());
        providing.add(at(0), key(1), Sake::Others);
        providing.add(at(0), key(1), Sake::Others);
        providing.turn(at(0), &mut kad);
        assert!(is_laid(&mut kad, &key(1)));
        providing.remove(&mut kad, &key(1));
        assert!(!is_laid(&mut kad, &key(1)) && providing.deadline().is_none());
        providing.turn(at(LAST_MS), &mut kad);
        assert!(!is_laid(&mut kad, &key(1)));
    }
}

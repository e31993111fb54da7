//! Keys that this node provides in Kademlia for as long as it runs: laid at once, again while the network is still being found, and then
//! every [`LAST_MS`].

use std::collections::BTreeMap;

use libp2p::kad::{self, RecordKey};
use proto::{
    rate::{Rate, TokenBucket},
    time::{Deadline, Now},
};

use super::lookups::Key;

type Kademlia = kad::Behaviour<kad::store::MemoryStore>;

/// Milliseconds from the first time that a key is laid to the second; twice as long to the third, and so on.
pub const FIRST_MS: u64 = 4_000;

/// Milliseconds between two times, at most. Others forget after two days.
pub const LAST_MS: u64 = 4 * 3_600_000;

/// How fast keys are laid: each is a lookup. Ten thousand take 40 minutes.
pub const LAYING: Rate = Rate::per_second(4, 16);

struct Laid {
    next: Deadline,
    wait_ms: u64,
}

/// The keys.
pub struct Providing {
    keys: BTreeMap<Key, Laid>,
    rate: TokenBucket,
    /// When the rate allows the next.
    ready: Option<Deadline>,
}

impl Providing {
    /// None yet.
    pub fn new(now: Now) -> Self {
        Self { keys: BTreeMap::new(), rate: TokenBucket::new(LAYING, now), ready: None }
    }

    /// Provides a key from now on.
    pub fn add(&mut self, now: Now, key: Key) {
        self.keys.entry(key).or_insert(Laid { next: now.after(0), wait_ms: FIRST_MS });
    }

    /// No longer. Others forget it in time.
    pub fn remove(&mut self, kad: &mut Kademlia, key: &Key) {
        if self.keys.remove(key).is_some() {
            kad.stop_providing(&RecordKey::new(key));
        }
    }

    /// When [`Providing::turn`] is to be called.
    pub fn deadline(&self) -> Option<Deadline> {
        let next = self.keys.values().map(|laid| laid.next).min()?;
        Some(self.ready.map_or(next, |ready| next.max(ready)))
    }

    /// Lays what is due.
    pub fn turn(&mut self, now: Now, kad: &mut Kademlia) {
        for (key, laid) in self.keys.iter_mut().filter(|(_, laid)| now.reached(laid.next)) {
            if !self.rate.take(now, 1) {
                break;
            }
            laid.next = now.after(laid.wait_ms);
            laid.wait_ms = (laid.wait_ms * 2).min(LAST_MS);
            // `Err` when too much is provided already.
            let _ = kad.start_providing(RecordKey::new(key));
        }
        self.ready = self.rate.ready_at(now, 1);
    }
}

//! What is known of one peer, in all transfers.

use std::collections::{BTreeMap, BTreeSet};

use rand_chacha::ChaCha8Rng;

use super::{Failure, MAX_REQUESTS_EACH, PeerLoad, REST, RequestId};
use crate::{
    backoff::Backoff,
    time::{Deadline, Now},
    transfer::{TransferId, meter::Meter, window::Window},
};

/// Failures that make a peer come later in the order; more do not.
const MAX_DEMOTION: u32 = 16;

/// A peer that is connected.
#[derive(Debug, Default)]
pub struct Link {
    /// In which transfers it takes part.
    pub transfers: BTreeSet<TransferId>,
    window: Window,
    meter: Meter,
    /// What is asked of it, and how many bytes each.
    asked: BTreeMap<RequestId, u64>,
    in_flight: u64,
    choking: bool,
    rest: Backoff,
    resting_until: Option<Deadline>,
    /// Recent failures, less recent successes.
    failures: u32,
    /// When it last sent a block.
    heard_ms: Option<u64>,
}

impl Link {
    /// Whether it may be asked anything at all.
    pub fn is_usable(&self, now: Now) -> bool {
        !self.choking && self.resting_until.is_none_or(|until| now.reached(until))
    }

    /// Whether so many bytes may be asked of it besides what is. One question always may.
    pub fn has_room(&self, now: Now, bytes: u64) -> bool {
        self.asked.is_empty()
            || (self.asked.len() < MAX_REQUESTS_EACH && self.in_flight.saturating_add(bytes) <= self.window.bytes(now))
    }

    /// How it compares with others: bytes of late, halved for each failure. One of whom nothing is known is tried first; one that only
    /// failed, last.
    pub fn score(&self, now: Now) -> u64 {
        let bytes = match (self.heard_ms, self.failures) {
            (None, 0) => u64::MAX,
            (None, _) => 0,
            (Some(_), _) => self.meter.bytes(now),
        };
        bytes >> self.failures.min(MAX_DEMOTION)
    }

    /// What is known of it.
    pub fn load(&self, now: Now) -> PeerLoad {
        PeerLoad {
            in_flight: self.in_flight,
            window: self.window.bytes(now),
            recent: self.meter.bytes(now),
            choking: self.choking,
        }
    }

    /// Its window.
    pub fn window(&self) -> &Window {
        &self.window
    }

    /// When it last sent a block.
    pub fn heard_ms(&self) -> Option<u64> {
        self.heard_ms
    }

    /// All that is asked of it, oldest first.
    pub fn asked(&self) -> impl Iterator<Item = RequestId> {
        self.asked.keys().copied()
    }

    /// It serves us nothing, or does again, which ends a rest.
    pub fn choke(&mut self, choking: bool) {
        self.choking = choking;
        if !choking {
            self.resting_until = None;
        }
    }

    /// It is asked for a block.
    pub fn ask(&mut self, request: RequestId, bytes: u64) {
        self.asked.insert(request, bytes);
        self.in_flight += bytes;
    }

    /// A question is not open any more.
    pub fn close(&mut self, request: RequestId) {
        self.in_flight -= self.asked.remove(&request).unwrap_or(0);
    }

    /// A block came, so long after it was asked for.
    pub fn delivered(&mut self, now: Now, request: RequestId, delay_ms: u64) {
        let (used, bytes) = (self.in_flight, self.asked.get(&request).copied().unwrap_or(0));
        self.close(request);
        self.window.delivered(now, delay_ms, bytes, used);
        self.meter.add(now, bytes);
        self.heard_ms = Some(now.mono_ms);
        self.failures = self.failures.saturating_sub(1);
        self.rest.reset();
    }

    /// A block is late.
    pub fn stalled(&mut self) {
        self.window.stalled();
        self.failures = self.failures.saturating_add(1).min(MAX_DEMOTION);
    }

    /// It did not give a block. It is asked nothing for a while, longer each time, unless it rests already; says until when.
    pub fn failed(&mut self, now: Now, why: Failure, rng: &mut ChaCha8Rng) -> Option<Deadline> {
        if why == Failure::Lost {
            self.failures = self.failures.saturating_add(1).min(MAX_DEMOTION);
        }
        if self.resting_until.is_some_and(|until| !now.reached(until)) {
            return None;
        }
        if why == Failure::Busy {
            self.window.busy();
        }
        self.resting_until = Some(now.after(self.rest.fail(REST, rng)));
        self.resting_until
    }
}

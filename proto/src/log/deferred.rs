//! Durable events that claim to be from the future: kept back until they are due.

use std::collections::BTreeMap;

use super::{MAX_DEFERRED_BYTES, pending::weight};
use crate::{
    event::{OrderKey, SignedEvent},
    hlc::{MAX_ADVANCE_MS, Timestamp},
    time::{Deadline, Now},
};

/// Milliseconds after which the wall clock is looked at again, as it may have been set.
const RECHECK_MS: u64 = 5_000;

/// The events kept back, by order.
#[derive(Debug, Clone, Default)]
pub struct Deferred {
    events: BTreeMap<OrderKey, SignedEvent>,
    bytes: usize,
    next: Option<Deadline>,
}

impl Deferred {
    /// Whether an event of this time has to wait.
    pub fn applies(hlc: Timestamp, now: Now) -> bool {
        hlc.ahead_ms(now.wall_ms) > MAX_ADVANCE_MS
    }

    /// Whether there is room for more.
    pub fn has_room(&self) -> bool {
        self.bytes < MAX_DEFERRED_BYTES
    }

    /// Bytes kept back.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Keeps an event back.
    pub fn insert(&mut self, now: Now, signed: SignedEvent) {
        self.bytes += weight(std::slice::from_ref(&signed));
        if let Some(same) = self.events.insert(signed.event.order(), signed) {
            self.bytes -= weight(std::slice::from_ref(&same));
        }
        self.reschedule(now);
    }

    /// Takes what has become due, in order.
    pub fn take_due(&mut self, now: Now) -> Vec<SignedEvent> {
        let mut due = Vec::new();
        while let Some(first) = self.events.first_entry() {
            if Self::applies(first.key().hlc, now) {
                break;
            }
            let signed = first.remove();
            self.bytes -= weight(std::slice::from_ref(&signed));
            due.push(signed);
        }
        self.reschedule(now);
        due
    }

    /// When to look again.
    pub fn deadline(&self) -> Option<Deadline> {
        self.next
    }

    fn reschedule(&mut self, now: Now) {
        self.next = self.events.first_key_value().map(|(order, _)| {
            let wait = order.hlc.ahead_ms(now.wall_ms).saturating_sub(MAX_ADVANCE_MS);
            now.after(wait.clamp(1, RECHECK_MS))
        });
    }
}

//! The trace of a run: one hash over everything that happened, and what it was after each tenth of a second.
//!
//! Two runs are the same if their hashes are; where they part is where the hashes of tenths begin to differ.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};

use super::gossip::{Copies, PROTOCOL};
use crate::net::{Delivery, Kind, Tap};

/// Milliseconds from one intermediate hash to the next.
pub const STEP_MS: u64 = 100;

/// Intermediate hashes kept: ten hours of them. Later ones are left out.
const MAX_STEPS: usize = 360_000;

/// What is read off the network while it delivers.
#[derive(Default)]
pub struct Trace {
    hasher: Sha256,
    steps: Vec<String>,
    /// Copies of gossip messages.
    pub copies: Copies,
}

/// A trace that the network writes and the world reads.
#[derive(Clone, Default)]
pub struct SharedTrace(Arc<Mutex<Trace>>);

impl SharedTrace {
    /// The trace.
    pub fn lock(&self) -> MutexGuard<'_, Trace> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Trace {
    /// Something happened that is not a delivery.
    pub fn note(&mut self, at_ms: u64, what: &str, number: u64) {
        self.step(at_ms);
        self.hasher.update(at_ms.to_le_bytes());
        self.hasher.update(what);
        self.hasher.update(number.to_le_bytes());
    }

    /// The hash over all of it, and the intermediate ones.
    pub fn finish(&mut self) -> (String, Vec<String>) {
        (hex::encode(self.hasher.clone().finalize()), std::mem::take(&mut self.steps))
    }

    /// Closes the steps that lie before a time.
    fn step(&mut self, at_ms: u64) {
        let due = usize::try_from(at_ms / STEP_MS).unwrap_or(usize::MAX).min(MAX_STEPS);
        if self.steps.len() < due {
            let hash = hex::encode(&self.hasher.clone().finalize()[..8]);
            self.steps.resize(due, hash);
        }
    }
}

impl Tap for SharedTrace {
    fn delivered(&mut self, delivery: &Delivery<'_>) {
        let trace = &mut *self.lock();
        trace.step(delivery.at_us / 1_000);
        let mut record = [0; 41];
        record[..8].copy_from_slice(&delivery.at_us.to_le_bytes());
        record[8..12].copy_from_slice(&delivery.from.0.to_le_bytes());
        record[12..16].copy_from_slice(&delivery.to.0.to_le_bytes());
        record[16..24].copy_from_slice(&delivery.connection.to_le_bytes());
        record[24..32].copy_from_slice(&delivery.stream.to_le_bytes());
        record[32..40].copy_from_slice(&(delivery.bytes.len() as u64).to_le_bytes());
        record[40] = delivery.kind as u8;
        trace.hasher.update(record);
        if delivery.kind == Kind::Data && delivery.protocol.is_some_and(|name| name.starts_with(PROTOCOL)) {
            trace.copies.delivered(delivery.connection, delivery.stream, delivery.to, delivery.bytes);
        }
    }
}

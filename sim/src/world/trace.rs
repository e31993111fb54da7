//! What is read off the network while it delivers: the trace, and the copies of gossip messages.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::gossip::{Copies, PROTOCOL};
use crate::{
    net::{Delivery, Kind, Tap},
    trace::Trace,
};

/// What was read so far.
#[derive(Default)]
pub struct Reading {
    trace: Trace,
    /// Copies of gossip messages.
    pub copies: Copies,
}

/// What the network writes and the world reads.
#[derive(Clone, Default)]
pub struct SharedTrace(Arc<Mutex<Reading>>);

impl SharedTrace {
    /// What was read so far.
    pub fn lock(&self) -> MutexGuard<'_, Reading> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reading {
    /// Something happened that is not a delivery.
    pub fn note(&mut self, at_ms: u64, what: &str, number: u64) {
        let record = [&at_ms.to_le_bytes(), what.as_bytes(), &number.to_le_bytes()].concat();
        self.trace.add(at_ms.saturating_mul(1_000), &record);
    }

    /// The hash over all of it, and the intermediate ones.
    pub fn finish(&mut self) -> (String, Vec<String>) {
        self.trace.finish()
    }
}

impl Tap for SharedTrace {
    fn delivered(&mut self, delivery: &Delivery<'_>) {
        let reading = &mut *self.lock();
        let mut record = [0; 41];
        record[..8].copy_from_slice(&delivery.at_us.to_le_bytes());
        record[8..12].copy_from_slice(&delivery.from.0.to_le_bytes());
        record[12..16].copy_from_slice(&delivery.to.0.to_le_bytes());
        record[16..24].copy_from_slice(&delivery.connection.to_le_bytes());
        record[24..32].copy_from_slice(&delivery.stream.to_le_bytes());
        record[32..40].copy_from_slice(&(delivery.bytes.len() as u64).to_le_bytes());
        record[40] = delivery.kind as u8;
        reading.trace.add(delivery.at_us, &record);
        if delivery.kind == Kind::Data && delivery.protocol.is_some_and(|name| name.starts_with(PROTOCOL)) {
            reading.copies.delivered(delivery.connection, delivery.stream, delivery.to, delivery.bytes);
        }
    }
}

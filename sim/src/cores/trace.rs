//! The hash over everything that was delivered: equal for two runs that did the same.

use sha2::{Digest, Sha256};

/// Microseconds between two prefixes.
const PREFIX_US: u64 = 100_000;

/// Bytes of each prefix that are kept: enough to see where two runs part.
const PREFIX_BYTES: usize = 8;

/// What was delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// When, in microseconds.
    pub at_us: u64,
    /// From which host.
    pub from: u32,
    /// To which.
    pub to: u32,
    /// Which kind of message.
    pub kind: u8,
    /// Its bytes.
    pub size: u32,
}

/// The hash so far.
#[derive(Debug, Default)]
pub struct Trace {
    hasher: Sha256,
    prefixes: Vec<String>,
}

impl Trace {
    /// Takes note of a delivery.
    pub fn add(&mut self, delivery: Delivery) {
        let mut bytes = [0; 21];
        bytes[..8].copy_from_slice(&delivery.at_us.to_le_bytes());
        bytes[8..12].copy_from_slice(&delivery.from.to_le_bytes());
        bytes[12..16].copy_from_slice(&delivery.to.to_le_bytes());
        bytes[16..20].copy_from_slice(&delivery.size.to_le_bytes());
        bytes[20] = delivery.kind;
        self.hasher.update(bytes);
    }

    /// Time has come to `now_us`: every tenth of a second that is over by now gets its prefix.
    pub fn advance(&mut self, now_us: u64) {
        while (self.prefixes.len() as u64 + 1) * PREFIX_US <= now_us {
            let hash = self.hasher.clone().finalize();
            self.prefixes.push(hex::encode(&hash[..PREFIX_BYTES]));
        }
    }

    /// The whole hash and the prefixes.
    pub fn finish(self) -> (String, Vec<String>) {
        (hex::encode(self.hasher.finalize()), self.prefixes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_traces_part_at_the_tenth_in_which_they_differ() {
        let trace = |size: u32| {
            let mut trace = Trace::default();
            for tenth in 0..5 {
                let at_us = tenth * PREFIX_US;
                trace.advance(at_us);
                trace.add(Delivery { at_us, from: 1, to: 2, kind: 0, size: if tenth == 2 { size } else { 9 } });
            }
            trace.advance(5 * PREFIX_US);
            trace.finish()
        };
        let ((one, ones), (other, others)) = (trace(9), trace(8));
        assert_ne!(one, other);
        assert_eq!((ones.len(), others.len()), (5, 5));
        assert_eq!(ones.iter().zip(&others).position(|(a, b)| a != b), Some(2));
    }
}

//! The trace of a run: one hash over everything that happened, and what it was after each tenth of a second.
//!
//! Two runs are the same if their hashes are; they part where the hashes of tenths begin to differ.

use sha2::{Digest, Sha256};

/// Microseconds from one intermediate hash to the next.
pub const STEP_US: u64 = 100_000;

/// Intermediate hashes kept: ten hours of them. Later ones are left out.
const MAX_STEPS: u64 = 360_000;

/// Bytes of each intermediate hash that are kept: enough to see where two runs part.
const STEP_BYTES: usize = 8;

/// The hash so far.
#[derive(Debug, Default)]
pub struct Trace {
    hasher: Sha256,
    steps: Vec<String>,
}

impl Trace {
    /// Something happened. `record` says what and when, in as many bytes as other things of its kind.
    pub fn add(&mut self, at_us: u64, record: &[u8]) {
        self.advance(at_us);
        self.hasher.update(record);
    }

    /// Time has come to `now_us`: every tenth of a second that is over by now gets its hash.
    pub fn advance(&mut self, now_us: u64) {
        let due = (now_us / STEP_US).min(MAX_STEPS) as usize;
        if self.steps.len() < due {
            let hash = hex::encode(&self.hasher.clone().finalize()[..STEP_BYTES]);
            self.steps.resize(due, hash);
        }
    }

    /// The whole hash, and the intermediate ones, which are taken.
    pub fn finish(&mut self) -> (String, Vec<String>) {
        (hex::encode(self.hasher.clone().finalize()), std::mem::take(&mut self.steps))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_traces_part_at_the_tenth_in_which_they_differ() {
        let trace = |special: u8| {
            let mut trace = Trace::default();
            for tenth in 0..5 {
                trace.add(tenth * STEP_US, &[if tenth == 2 { special } else { 9 }]);
            }
            trace.advance(5 * STEP_US);
            trace.finish()
        };
        let ((one, ones), (other, others)) = (trace(9), trace(8));
        assert_ne!(one, other);
        assert_eq!((ones.len(), others.len()), (5, 5));
        assert_eq!(ones.iter().zip(&others).position(|(a, b)| a != b), Some(2));
    }
}

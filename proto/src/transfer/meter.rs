//! How many bytes a second, of late.

use crate::time::Now;

/// Milliseconds of a slot: short enough that a burst is seen before the next decision about whom to serve, in 10 s.
const SLOT_MS: u64 = 2_000;

/// Slots that are remembered: 20 s, the time over which BitTorrent's clients compare peers.
const SLOTS: usize = 10;

/// Bytes in each of the last slots.
#[derive(Debug, Clone, Default)]
pub struct Meter {
    slots: [u64; SLOTS],
    /// The number of the current slot since the start of time.
    slot: u64,
}

impl Meter {
    /// So many bytes came just now.
    pub fn add(&mut self, now: Now, bytes: u64) {
        let slot = now.mono_ms / SLOT_MS;
        if slot >= self.slot + SLOTS as u64 {
            self.slots = [0; SLOTS];
        } else {
            (self.slot + 1..=slot).for_each(|slot| self.slots[slot as usize % SLOTS] = 0);
        }
        self.slot = self.slot.max(slot);
        self.slots[self.slot as usize % SLOTS] += bytes;
    }

    /// Bytes in the last 20 s.
    pub fn bytes(&self, now: Now) -> u64 {
        let slot = now.mono_ms / SLOT_MS;
        let oldest = (slot + 1).saturating_sub(SLOTS as u64);
        (oldest..=self.slot).map(|slot| self.slots[slot as usize % SLOTS]).sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::at;

    proptest! {
        #[test]
        fn what_came_in_the_last_18_seconds_counts_and_what_came_20_seconds_ago_does_not(
            came in prop::collection::vec((0u64..3_000, 0u64..1_000), 0..60), rest_ms in 0u64..30_000,
        ) {
            let (mut meter, mut now_ms, mut all) = (Meter::default(), 0, Vec::new());
            for (step_ms, bytes) in came {
                now_ms += step_ms;
                meter.add(at(now_ms), bytes);
                all.push((now_ms, bytes));
            }
            now_ms += rest_ms;
            let since = |ago_ms: u64| all.iter().filter(|(at, _)| at + ago_ms > now_ms).map(|(_, bytes)| bytes).sum::<u64>();
            let bytes = meter.bytes(at(now_ms));
            prop_assert!(since(18_000) <= bytes && bytes <= since(20_000), "{bytes}");
        }
    }
}

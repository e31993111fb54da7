//! How many peers are served at a time.
//!
//! A way that is shared by many is quick for none, and a block that comes slowly is given on late: so there are no more slots than each
//! gets a block a second, once there are [`MIN_SLOTS`]. If the peers' own ways are slower than that, this would leave most of ours
//! unused. So it is tried whether more slots bring more.
//!
//! | at the end of a round in which peers waited | then |
//! |---|---|
//! | more than a block a second went out for each slot | as many slots as blocks went out a second, but at most twice as many as before |
//! | some slots were being tried, and brought at least half of what as many others do | they stay, and more are tried |
//! | they did not | they go, and none are tried for [`RETRY_MS`] |

use super::{MAX_SLOTS, MIN_SLOTS};
use crate::{
    time::{Deadline, Now},
    transfer::MAX_BLOCK_BYTES,
};

/// Milliseconds from one vain attempt with more slots to the next.
pub const RETRY_MS: u64 = 60_000;

/// Slots of which one more is tried at a time: a step that is too small to tell from chance shows nothing.
const STEP_OF: usize = 4;

/// The slots.
#[derive(Debug)]
pub struct Slots {
    /// Those that a block a second for each allows.
    quick: usize,
    /// Those that brought more, though each is slower.
    more: usize,
    /// Bytes in this round.
    bytes: u64,
    began_ms: u64,
    /// Bytes a second before some more were tried, and how many.
    trying: Option<(u64, usize)>,
    again: Deadline,
}

impl Default for Slots {
    fn default() -> Self {
        Self { quick: MIN_SLOTS, more: 0, bytes: 0, began_ms: 0, trying: None, again: Deadline(0) }
    }
}

impl Slots {
    /// How many there are: at least [`MIN_SLOTS`], and no more than [`MAX_SLOTS`].
    pub fn count(&self) -> usize {
        (self.quick + self.more).min(MAX_SLOTS)
    }

    /// So much went out.
    pub fn served(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Peers wait from now on, and did not before: what was tried with others is no guide.
    pub fn begin(&mut self, now: Now) {
        *self = Self { quick: self.quick, began_ms: now.mono_ms, ..Self::default() };
    }

    /// Peers waited since the last round, or the beginning.
    pub fn round(&mut self, now: Now) {
        let rate = self.bytes.saturating_mul(1_000) / now.mono_ms.saturating_sub(self.began_ms).max(1);
        (self.bytes, self.began_ms) = (0, now.mono_ms);
        let (before, tried) = (self.count(), self.trying.take());
        let blocks = usize::try_from(rate / u64::from(MAX_BLOCK_BYTES)).unwrap_or(MAX_SLOTS);
        self.quick = blocks.clamp(MIN_SLOTS, MAX_SLOTS).min(2 * before);
        self.more = before.saturating_sub(self.quick);
        if blocks >= before {
            return;
        }
        if let Some((was, step)) = tried {
            let others = (before - step).max(1) as u64;
            if rate < was.saturating_add(was / others * step as u64 / 2) {
                self.more -= step.min(self.more);
                self.again = now.after(RETRY_MS);
            }
        }
        if now.reached(self.again) {
            let step = (self.count() / STEP_OF).min(MAX_SLOTS - self.count());
            self.more += step;
            self.trying = (step > 0).then_some((rate, step));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::at;

    const BLOCK: u64 = MAX_BLOCK_BYTES as u64;
    const ROUND_MS: u64 = super::super::CHOKE_MS;

    /// How many slots there are after each of so many rounds, if so many bytes a second go out with so many slots.
    fn after(rounds: u64, rate: impl Fn(usize) -> u64) -> Vec<usize> {
        let mut slots = Slots::default();
        slots.begin(at(0));
        let round = |number| {
            slots.served(rate(slots.count()) * ROUND_MS / 1_000);
            slots.round(at(number * ROUND_MS));
            slots.count()
        };
        (1..=rounds).map(round).collect()
    }

    #[test]
    fn a_slow_way_is_shared_by_few() {
        let counts = after(60, |_| 2 * BLOCK);
        let tried = counts.iter().filter(|count| **count > MIN_SLOTS).count();
        assert!(counts.iter().all(|count| *count <= MIN_SLOTS + 1) && tried <= 12, "{counts:?}");
    }

    #[test]
    fn a_quick_way_is_shared_by_as_many_as_get_a_block_a_second() {
        assert_eq!(after(5, |_| 20 * BLOCK)[..3], [8, 16, 20]);
        assert_eq!(after(5, |_| 1_000 * BLOCK), [8, 16, 32, 32, 32]);
    }

    #[test]
    fn slow_peers_get_more_slots_as_long_as_more_bring_more() {
        let slow = BLOCK / 10;
        assert_eq!(after(30, |slots| slots as u64 * slow).last(), Some(&MAX_SLOTS));
        // The way is full with twelve.
        let counts = after(60, |slots| slots.min(12) as u64 * slow);
        assert!(counts[20..].iter().all(|count| (12..=18).contains(count)), "{counts:?}");
    }

    #[test]
    fn when_all_were_served_it_begins_anew() {
        let mut slots = Slots::default();
        for number in 1..20 {
            slots.served(slots.count() as u64 * BLOCK);
            slots.round(at(number * ROUND_MS));
        }
        assert_eq!(slots.count(), MAX_SLOTS);
        slots.begin(at(20 * ROUND_MS));
        assert_eq!(slots.count(), MIN_SLOTS);
    }
}

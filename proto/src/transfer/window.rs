//! How much to ask of a peer, and to send it, at a time.
//!
//! A window of bytes, steered by delay as in Vegas and FAST (Brakmo and Peterson 1995, "TCP Vegas"; Jin, Wei and Low 2004, "FAST TCP").
//! The shortest delay of the last minutes is that of the way and of serving one block; whatever a block takes beyond that, it waited
//! behind our other questions, at the other end or before our own door. The window is what is on the way, and as much again as keeps the
//! peer from ever having nothing to do for us: [`MAX_WAITING`] bytes, or what it sends in [`WAITING_MS`] if that is less. More would only
//! wait longer. So two peers that share our way get the same of it, even if one of them was never seen without the other, where a
//! window that aims at a delay, as LEDBAT's (RFC 6817), leaves all to the second.
//!
//! That needs the shortest delay, which nobody sees while others keep blocks waiting at our door. So the windows of all peers are one
//! block at the same time, for [`MEASURE_MS`] in each [`MEASURE_PERIOD_MS`], as in BBR (Cardwell et al. 2016).
//!
//! It begins with a slow start, doubling in each delay, which ends as soon as a block waits.

use crate::{time::Now, transfer::MAX_BLOCK_BYTES};

/// Bytes of a block, as wide as windows.
const BLOCK: u64 = MAX_BLOCK_BYTES as u64;

/// Bytes of any other window at least: one block is on its way while another is prepared.
pub const MIN_WINDOW: u64 = 2 * BLOCK;

/// Bytes of the window of a peer that stalled, until a block comes, and of all while delays are measured: one block.
pub const LEAST_WINDOW: u64 = BLOCK;

/// Bytes of the largest window: 80 MB/s at a delay of 100 ms, and not more of the memory of all than an eighth.
pub const MAX_WINDOW: u64 = 8 * 1024 * 1024;

/// Bytes that wait at the other end at most, for us to have the next question there in time whatever our own delays are.
pub const MAX_WAITING: u64 = 3 * BLOCK;

/// Milliseconds that a block waits at the other end: a slow peer is asked for the next only while it sends the last.
pub const WAITING_MS: u64 = 1_000;

/// Milliseconds by which delays differ for no reason: clocks, and who happens to run when. At hand, this is what keeps a window large.
pub const SLACK_MS: u64 = 20;

/// Milliseconds after which the shortest delay of a period is begun anew, ...
pub const BASE_PERIOD_MS: u64 = 60_000;

/// ... and periods that are remembered: a way that became longer is known after four minutes.
const BASE_PERIODS: usize = 4;

/// Milliseconds between two times at which all windows are one block, ...
pub const MEASURE_PERIOD_MS: u64 = 30_000;

/// ... and milliseconds for which they are: time for what waits at our door to come in, at less than a fiftieth of what could have come.
pub const MEASURE_MS: u64 = 500;

/// How many times its usual delay a block may take before it counts as late.
pub const PATIENCE: u64 = 4;

/// Milliseconds that a block may take at least: the peer's disk or a lost packet is not a stall.
pub const PATIENCE_FLOOR_MS: u64 = 2_000;

/// Milliseconds that a block may take at most: two blocks, at 17 KiB a second.
pub const PATIENCE_CEILING_MS: u64 = 30_000;

/// Milliseconds that the first block of a peer may take: a slow way, and a peer that serves others too.
pub const PATIENCE_FIRST_MS: u64 = 10_000;

/// The window of one peer, and the delays that it follows.
#[derive(Debug, Clone)]
pub struct Window {
    bytes: u64,
    slow_start: bool,
    /// The shortest delay of each of the last periods, in milliseconds, the current one first.
    base: [Option<u64>; BASE_PERIODS],
    period_began_ms: u64,
    /// Milliseconds: the delay of late, as in RFC 6298.
    smoothed_ms: Option<u64>,
}

impl Default for Window {
    fn default() -> Self {
        Self { bytes: MIN_WINDOW, slow_start: true, base: [None; BASE_PERIODS], period_began_ms: 0, smoothed_ms: None }
    }
}

impl Window {
    /// Bytes that may be asked for at a time.
    pub fn bytes(&self, now: Now) -> u64 {
        let is_measuring = !self.slow_start && now.mono_ms % MEASURE_PERIOD_MS < MEASURE_MS;
        if is_measuring { self.bytes.min(LEAST_WINDOW) } else { self.bytes }
    }

    /// Milliseconds that a block takes, if any ever came.
    pub fn usual_ms(&self) -> Option<u64> {
        self.smoothed_ms
    }

    /// Milliseconds after which a block is late that is asked for now.
    pub fn patience_ms(&self) -> u64 {
        let usual = self.smoothed_ms.map(|smoothed| smoothed.saturating_mul(PATIENCE));
        usual.map_or(PATIENCE_FIRST_MS, |usual| usual.clamp(PATIENCE_FLOOR_MS, PATIENCE_CEILING_MS))
    }

    /// A block came so long after it was asked for. `used` is what was asked for then; a window that is not used does not grow.
    pub fn delivered(&mut self, now: Now, delay_ms: u64, len: u64, used: u64) {
        self.remember(now, delay_ms);
        let base_ms = self.base.iter().flatten().copied().min().unwrap_or(delay_ms);
        if self.bytes < MIN_WINDOW {
            self.bytes = MIN_WINDOW;
            return;
        }
        // Below the slack nothing is known to wait.
        let (way_ms, delay_ms) = (base_ms.saturating_add(SLACK_MS), delay_ms.max(1));
        let on_the_way = if way_ms < delay_ms { scaled(self.bytes, way_ms, delay_ms) } else { self.bytes };
        let is_used = used.saturating_add(BLOCK) > self.bytes;
        self.slow_start &= self.bytes - on_the_way < BLOCK;
        if self.slow_start {
            self.bytes += if is_used { len } else { 0 };
        } else {
            let aim = on_the_way + scaled(self.bytes, WAITING_MS, delay_ms).clamp(BLOCK, MAX_WAITING);
            // Half of the difference while a window of bytes comes.
            let step = scaled(aim.abs_diff(self.bytes) / 2, len, self.bytes);
            if aim < self.bytes {
                self.bytes -= step;
            } else if is_used {
                self.bytes += step;
            }
        }
        self.bytes = self.bytes.clamp(MIN_WINDOW, MAX_WINDOW);
    }

    /// A block is late: no more than one at a time until it comes.
    pub fn stalled(&mut self) {
        self.bytes = LEAST_WINDOW;
        self.slow_start = false;
    }

    /// The peer has too much to do.
    pub fn busy(&mut self) {
        self.bytes = (self.bytes / 2).max(MIN_WINDOW);
        self.slow_start = false;
    }

    fn remember(&mut self, now: Now, delay_ms: u64) {
        if now.mono_ms >= self.period_began_ms.saturating_add(BASE_PERIOD_MS) {
            self.base.rotate_right(1);
            self.base[0] = None;
            self.period_began_ms = now.mono_ms;
        }
        self.base[0] = Some(self.base[0].map_or(delay_ms, |base| base.min(delay_ms)));
        self.smoothed_ms = Some(self.smoothed_ms.map_or(delay_ms, |smoothed| (7 * smoothed + delay_ms) / 8));
    }
}

/// `bytes` times one number by another. Windows are small: the product of the first two fits.
fn scaled(bytes: u64, times: u64, by: u64) -> u64 {
    bytes.saturating_mul(times) / by
}

const _: () = assert!(LEAST_WINDOW <= MIN_WINDOW && MIN_WINDOW <= MAX_WINDOW);
const _: () = assert!(PATIENCE_FLOOR_MS <= PATIENCE_FIRST_MS && PATIENCE_FIRST_MS <= PATIENCE_CEILING_MS);

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use crate::testing::at;

    /// A peer that sends so many bytes a millisecond and is so far away: the window after a time, and how many bytes came.
    fn steady(rate: u64, away_ms: u64, until_ms: u64) -> (Window, u64) {
        let (mut window, mut asked, mut in_flight, mut came) = (Window::default(), VecDeque::new(), 0, 0);
        let mut free_at = 0;
        for now_ms in 0..until_ms {
            while let Some((_, asked_ms)) = asked.pop_front_if(|(comes_ms, _): &mut (u64, u64)| *comes_ms <= now_ms) {
                window.delivered(at(now_ms), now_ms - asked_ms, BLOCK, in_flight);
                in_flight -= BLOCK;
                came += BLOCK;
            }
            while in_flight + BLOCK <= window.bytes(at(now_ms)) {
                free_at = (now_ms * rate + away_ms * rate / 2).max(free_at) + BLOCK;
                asked.push_back((free_at.div_ceil(rate) + away_ms / 2, now_ms));
                in_flight += BLOCK;
            }
        }
        (window, came)
    }

    #[test]
    fn a_far_and_fast_peer_is_kept_busy_and_little_waits_there() {
        // 20 MB/s, 200 ms: 4 MB on the way.
        let (window, came) = steady(20_000, 200, 29_000);
        assert!(came > 29_000 * 20_000 * 85 / 100, "{came}");
        let on_the_way = 20_000 * 200 + BLOCK;
        assert!(window.bytes < on_the_way + 20_000 * SLACK_MS + 2 * MAX_WAITING, "{window:?}");
    }

    #[test]
    fn a_slow_peer_is_asked_for_two_blocks_at_a_time() {
        let (window, came) = steady(100, 50, 60_000);
        assert!(window.bytes < 3 * BLOCK, "{window:?}");
        assert!(came >= 60_000 * 100 * 85 / 100, "{came}");
    }

    #[test]
    fn a_peer_at_hand_gets_the_largest_window() {
        assert_eq!(steady(400_000, 0, 2_000).0.bytes, MAX_WINDOW);
    }

    #[test]
    fn after_a_stall_one_block_at_a_time_is_asked_for_until_one_comes() {
        let mut window = Window::default();
        window.stalled();
        assert_eq!(window.bytes, LEAST_WINDOW);
        window.delivered(at(9_000), 9_000, BLOCK, BLOCK);
        assert_eq!(window.bytes, MIN_WINDOW);
    }

    #[test]
    fn patience_is_four_times_the_usual_delay_between_floor_and_ceiling() {
        let patience = |delay_ms| {
            let mut window = Window::default();
            window.delivered(at(delay_ms), delay_ms, BLOCK, BLOCK);
            window.patience_ms()
        };
        assert_eq!(Window::default().patience_ms(), PATIENCE_FIRST_MS);
        assert_eq!([1, 1_000, 100_000].map(patience), [PATIENCE_FLOOR_MS, 4_000, PATIENCE_CEILING_MS]);
    }
}

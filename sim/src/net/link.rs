//! A host's link to the network: how long bytes take to pass it, when they are lost, and when they are sent again.
//!
//! A link passes its packets one after the other. Who comes while it is busy waits; who would wait longer than the queue is long is
//! lost. Nothing here is ever lost for good: the sender sends again.
//!
//! | lost | sent again after |
//! |---|---|
//! | on the path | [`timeout_us`], doubled with each attempt: the same packet is lost twice rarely, but a path may be cut |
//! | before a full link | [`timeout_us`], not doubled: a sender with congestion control keeps a full link busy |

/// Bytes of data that one packet carries: what QUIC sends before it has found out about a larger path (RFC 9000, section 14).
pub(super) const PACKET_BYTES: usize = 1_200;
/// Bytes of each packet besides its data: IPv4 20, UDP 8, QUIC's header and frame about 12.
pub(super) const OVERHEAD_BYTES: usize = 40;
/// The shortest time after which something is sent again: what implementations of TCP take instead of RFC 6298's second.
const MIN_TIMEOUT_US: u64 = 200_000;
/// The longest: QUIC's keep-alive in libp2p probes a silent path every 5 s.
const MAX_TIMEOUT_US: u64 = 5_000_000;

/// One direction of a link.
pub(super) struct Pipe {
    /// 0 is unlimited.
    bits_s: u64,
    /// When the last byte of all that waits will have passed.
    free_at_us: u64,
}

impl Pipe {
    pub fn new(bits_s: u64) -> Self {
        Self { bits_s, free_at_us: 0 }
    }

    /// How long so many bytes take.
    pub fn duration_us(&self, bytes: usize) -> u64 {
        if self.bits_s == 0 { 0 } else { (bytes as u64 * 8_000_000).div_ceil(self.bits_s) }
    }

    /// When the last of these bytes has passed, of which the first and the last come at the given times. `None` if they are
    /// lost because too many wait already.
    pub fn pass_us(&mut self, first_us: u64, last_us: u64, bytes: usize, queue_us: u64) -> Option<u64> {
        if self.bits_s == 0 {
            return Some(last_us);
        }
        let start_us = self.free_at_us.max(first_us);
        if start_us - first_us > queue_us {
            return None;
        }
        self.free_at_us = (start_us + self.duration_us(bytes)).max(last_us);
        Some(self.free_at_us)
    }
}

/// How many packets carry so many bytes of data.
pub(super) fn packets(bytes: usize) -> usize {
    bytes.div_ceil(PACKET_BYTES).max(1)
}

/// What so many bytes of data are on a link.
pub(super) fn wire_bytes(bytes: usize) -> usize {
    bytes + packets(bytes) * OVERHEAD_BYTES
}

/// How long a sender waits before it sends again for the given time.
pub(super) fn timeout_us(round_trip_us: u64, attempt: u8) -> u64 {
    let first_us = MIN_TIMEOUT_US.max(2 * round_trip_us);
    (first_us << attempt.min(16)).min(first_us.max(MAX_TIMEOUT_US))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_pass_a_link_one_after_the_other_and_are_lost_before_a_full_one() {
        let mut pipe = Pipe::new(8_000_000);
        assert_eq!(pipe.pass_us(0, 0, 1_000, 2_000), Some(1_000));
        assert_eq!(pipe.pass_us(0, 0, 1_000, 2_000), Some(2_000));
        assert_eq!(pipe.pass_us(0, 0, 1_000, 2_000), Some(3_000));
        assert_eq!(pipe.pass_us(0, 0, 1_000, 2_000), None);
        assert_eq!(pipe.pass_us(9_000, 9_000, 1_000, 2_000), Some(10_000));
    }

    #[test]
    fn bytes_that_come_slower_than_a_link_passes_them_are_not_slowed_down_twice() {
        let mut pipe = Pipe::new(8_000_000);
        assert_eq!(pipe.pass_us(0, 5_000, 1_000, 0), Some(5_000));
        assert_eq!(Pipe::new(0).pass_us(0, 5_000, 1_000, 0), Some(5_000));
    }

    #[test]
    fn timeouts_double_up_to_a_bound() {
        let timeouts: Vec<u64> = (0..7).map(|attempt| timeout_us(150_000, attempt) / 1_000).collect();
        assert_eq!(timeouts, [300, 600, 1_200, 2_400, 4_800, 5_000, 5_000]);
        assert_eq!(timeout_us(10_000, 0), 200_000);
        assert_eq!(timeout_us(10_000_000, 9), 20_000_000);
    }

    #[test]
    fn every_packet_has_an_overhead() {
        assert_eq!([0, 1, 1_200, 1_201].map(packets), [1, 1, 1, 2]);
        assert_eq!(wire_bytes(2_400), 2_480);
    }
}

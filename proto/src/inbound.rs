//! How much one neighbour may send by gossip. More is [`Offence::Flood`](crate::offence::Offence::Flood).

use crate::{
    rate::{Rate, TokenBucket},
    time::Now,
};

/// Gossip messages a second from one neighbour. A busy room carries 1,000 a second, all of which, and their duplicates, may
/// come through one neighbour.
pub const INBOUND_MESSAGES: Rate = Rate::per_second(5_000, 10_000);

/// Bytes of gossip messages a second from one neighbour: many times what a busy room carries, and what two cores can check.
pub const INBOUND_BYTES: Rate = Rate::per_second(16 * 1024 * 1024, 32 * 1024 * 1024);

/// How much one neighbour may send.
#[derive(Debug, Clone, Copy)]
pub struct Inbound {
    messages: TokenBucket,
    bytes: TokenBucket,
}

impl Inbound {
    /// The limits [`INBOUND_MESSAGES`] and [`INBOUND_BYTES`], with nothing used.
    pub fn new(now: Now) -> Self {
        Self { messages: TokenBucket::new(INBOUND_MESSAGES, now), bytes: TokenBucket::new(INBOUND_BYTES, now) }
    }

    /// Whether a message of this many bytes is within the limits. One that is not does not count against them.
    #[must_use]
    pub fn admit(&mut self, now: Now, bytes: usize) -> bool {
        let bytes = bytes as u64;
        bytes <= self.bytes.available(now) && self.messages.take(now, 1) && self.bytes.take(now, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::at;

    #[test]
    fn a_busy_room_is_within_the_inbound_limits_and_a_flood_is_not() {
        let mut inbound = Inbound::new(at(0));
        assert!((0..60_000).all(|n| inbound.admit(at(n / 4), 400)));
        let mut inbound = Inbound::new(at(0));
        assert_eq!((0..20_000).filter(|_| inbound.admit(at(0), 10)).count(), 10_000);
        let mut inbound = Inbound::new(at(0));
        assert_eq!((0..2_000).filter(|_| inbound.admit(at(0), 64 * 1024)).count(), 512);
        assert!(inbound.admit(at(10), 64 * 1024));
    }
}

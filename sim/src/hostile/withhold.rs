//! Takes part in gossip, and keeps what it hears to itself.

use libp2p::PeerId;
use proto::{
    call::{Answer, Question},
    time::Now,
};

use super::peer::Trick;

/// Withholds, from some time on.
pub struct Withhold {
    from_ms: u64,
}

impl Withhold {
    /// From this second of the run.
    pub fn new(from_s: u64) -> Self {
        Self { from_ms: from_s.saturating_mul(1_000) }
    }
}

impl Trick for Withhold {
    fn passes_on(&self, now: Now) -> bool {
        now.mono_ms < self.from_ms
    }

    /// Silence holds up the asker for longer than a refusal.
    fn answer(&self, now: Now, _from: PeerId, question: &Question) -> Option<Answer> {
        (now.mono_ms < self.from_ms).then(|| question.topic.unavailable())
    }
}

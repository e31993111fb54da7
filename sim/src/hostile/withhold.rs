//! Takes part in gossip, and keeps what it hears to itself. It may say something itself, so as to look useful.

use libp2p::PeerId;
use proto::{
    call::{Answer, Question},
    live::Live,
    time::Now,
};

use super::{
    author::{Log, Pace},
    peer::{Peer, Trick},
};

/// Milliseconds between two looks at whether it is time to say something.
const PERIOD_MS: u64 = 1_000;

/// Withholds, from some time on.
pub struct Withhold {
    from_ms: u64,
    log: Log,
    pace: Pace,
}

impl Withhold {
    /// From this second of the run, and says so many messages a second.
    pub fn new(peer: &mut Peer, from_s: u64, rate_per_s: f64) -> Self {
        Self { from_ms: from_s.saturating_mul(1_000), log: peer.new_log(), pace: Pace::new(rate_per_s) }
    }
}

impl Trick for Withhold {
    fn period_ms(&self) -> u64 {
        PERIOD_MS
    }

    fn act(&mut self, peer: &mut Peer) {
        for _ in 0..self.pace.due(PERIOD_MS) {
            // What nobody heard leaves no gap in the log: it would keep the rest from being taken.
            let mut longer = self.log.clone();
            let run = longer.write(peer.now().wall_ms, &["how are you?".into()]);
            if run.is_some_and(|run| peer.publish(&Live::Run(run))) {
                self.log = longer;
            }
        }
    }

    fn passes_on(&self, now: Now) -> bool {
        now.mono_ms < self.from_ms
    }

    /// Silence holds up the asker for longer than a refusal.
    fn answer(&self, now: Now, _from: PeerId, question: &Question) -> Option<Answer> {
        (now.mono_ms < self.from_ms).then(|| question.topic.unavailable())
    }
}

//! Valid messages, far too many.
//!
//! Every second host sends each message by itself, which costs its neighbours the most for each message; the others send as many as
//! are due as one run, which costs the sender the least.

use proto::live::Live;

use super::{
    author::{Log, Pace},
    peer::{Peer, Trick},
};

/// Milliseconds between two bursts.
const PERIOD_MS: u64 = 10;

/// Messages in one run: of [`TEXT_CHARS`] they are far below what a run may hold.
const RUN_MESSAGES: usize = 100;

/// Characters of a message.
const TEXT_CHARS: usize = 100;

/// Sends too much.
pub struct Spam {
    log: Log,
    pace: Pace,
    batch: usize,
    said: u64,
}

impl Spam {
    /// At a rate.
    pub fn new(peer: &mut Peer, number: usize, rate_per_s: f64) -> Self {
        Self {
            log: peer.new_log(),
            pace: Pace::new(rate_per_s),
            batch: if number.is_multiple_of(2) { 1 } else { RUN_MESSAGES },
            said: 0,
        }
    }

    fn text(&mut self) -> String {
        self.said += 1;
        format!("{:.<TEXT_CHARS$}", format!("buy {}", self.said))
    }
}

impl Trick for Spam {
    fn period_ms(&self) -> u64 {
        PERIOD_MS
    }

    fn act(&mut self, peer: &mut Peer) {
        let mut due = self.pace.due(PERIOD_MS);
        while due > 0 {
            let texts: Vec<String> = (0..due.min(self.batch)).map(|_| self.text()).collect();
            due -= texts.len();
            // What nobody heard leaves no gap in the log: it would keep the rest from being taken.
            let mut longer = self.log.clone();
            let run = longer.write(peer.now().wall_ms, &texts);
            if run.is_some_and(|run| peer.publish(&Live::Run(run))) {
                self.log = longer;
            }
        }
    }
}

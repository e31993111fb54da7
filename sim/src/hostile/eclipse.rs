//! Surrounds one host: everybody connects to it, is in its mesh and in its buckets, and then tells it nothing.
//!
//! They name nobody to it in Kademlia, at any time. Once they begin, every second one answers the target's questions as if nothing
//! had been said since, and the others leave it waiting.

use libp2p::PeerId;
use proto::{
    call::{Answer, Question, Topic},
    log::message::{SyncRequest, SyncResponse},
    time::Now,
};

use super::peer::Trick;

/// Surrounds, from some time on.
pub struct Eclipse {
    from_ms: u64,
    lies: bool,
}

impl Eclipse {
    /// From this second of the run; the number is that of the host in its group.
    pub fn new(from_s: u64, number: usize) -> Self {
        Self { from_ms: from_s.saturating_mul(1_000), lies: number.is_multiple_of(2) }
    }
}

impl Trick for Eclipse {
    fn passes_on(&self, now: Now) -> bool {
        now.mono_ms < self.from_ms
    }

    fn answer(&self, now: Now, _from: PeerId, question: &Question) -> Option<Answer> {
        if now.mono_ms < self.from_ms {
            return Some(question.topic.unavailable());
        }
        self.lies.then(|| match &question.topic {
            Topic::Sync(request) => Answer::Sync(nothing_new(request)),
            Topic::Presence(_) | Topic::Sealed(_) => question.topic.unavailable(),
        })
    }

    fn names(&self, _peer: &PeerId) -> bool {
        false
    }
}

/// The answer of somebody who holds just what the asker holds.
fn nothing_new(request: &SyncRequest) -> SyncResponse {
    match request {
        SyncRequest::Compare(_) => SyncResponse::Same,
        SyncRequest::Vector { .. } => SyncResponse::Vector { entries: Vec::new(), more: false },
        SyncRequest::Have(_) | SyncRequest::Refused(_) => SyncResponse::Noted,
        SyncRequest::Range(_) => SyncResponse::Runs(Vec::new()),
        SyncRequest::Evidence(_) => SyncResponse::Evidence(Vec::new()),
    }
}

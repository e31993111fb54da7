//! Questions about letters under way, both ways.

use std::collections::BTreeMap;

use libp2p::{
    PeerId,
    request_response::{self, InboundRequestId, OutboundRequestId},
};
use proto::{
    direct::{
        collecting,
        message::{DirectAnswer, DirectQuestion, Refusal},
        outbox,
    },
    wire::DecodeError,
};

use crate::swarm::{
    behaviour::Behaviour,
    ways_back::{Limits, WayBack, WaysBack},
};

/// Questions about letters whose answer is not yet sent, but for [`COLLECTS`]: of one peer twice what an outbox asks at a time. Answers
/// are small. Further ones are answered "unavailable".
const INBOUND: Limits = Limits { per_peer: 2 * outbox::WINDOW, total: 512 };

/// Questions for letters that are kept whose answer is not yet sent. An answer of up to 768 KiB stays in memory until it is read or has
/// timed out: 24 MiB of all peers. A collector asks for one page at a time; over another connection the next question may come
/// before it is told here that the last page is sent, hence 2. Further ones are answered "unavailable", and nobody else's
/// question suffers.
const COLLECTS: Limits = Limits { per_peer: 2, total: 32 };

/// Questions that are limited apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Answered with letters.
    Collect,
    /// Answered with little.
    Other,
}

impl Kind {
    fn of(question: &DirectQuestion) -> Self {
        match question {
            DirectQuestion::Collect { .. } => Self::Collect,
            DirectQuestion::Deliver(_)
            | DirectQuestion::Card(_)
            | DirectQuestion::Deposit(_)
            | DirectQuestion::Register(_)
            | DirectQuestion::Discard(_) => Self::Other,
        }
    }

    fn limits(self) -> Limits {
        match self {
            Self::Collect => COLLECTS,
            Self::Other => INBOUND,
        }
    }
}

/// What request-response tells of them.
pub type Event = request_response::Event<Result<DirectQuestion, DecodeError>, Result<DirectAnswer, DecodeError>>;

/// Which machine asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// The outbox.
    Outbox(outbox::RequestId),
    /// The collector.
    Collector(collecting::RequestId),
}

/// The questions.
pub struct Questions {
    /// Bounded by the machines.
    outbound: BTreeMap<OutboundRequestId, Asker>,
    inbound: WaysBack<DirectAnswer, Kind>,
}

impl Default for Questions {
    fn default() -> Self {
        Self { outbound: BTreeMap::new(), inbound: WaysBack::new(Kind::limits) }
    }
}

impl Questions {
    /// Asks a peer.
    pub fn ask(&mut self, behaviour: &mut Behaviour, peer: PeerId, asker: Asker, question: DirectQuestion) {
        let id = behaviour.direct.send_request(&peer, Ok(question));
        self.outbound.insert(id, asker);
    }

    /// Whose question an answer or a failure belongs to.
    pub fn concluded(&mut self, id: OutboundRequestId) -> Option<Asker> {
        self.outbound.remove(&id)
    }

    /// Keeps the way back to a peer that asked, under a token. If it asks too much at once it is told so, and there is none.
    pub fn asked(
        &mut self,
        behaviour: &mut Behaviour,
        (peer, question): (PeerId, &DirectQuestion),
        id: InboundRequestId,
        way_back: WayBack<DirectAnswer>,
    ) -> Option<u64> {
        self.inbound
            .keep(Kind::of(question), peer, id, way_back)
            .map_err(|way_back| {
                // Gone already, if this fails.
                let _ = behaviour.direct.send_response(way_back, Ok(DirectAnswer::Unavailable));
            })
            .ok()
    }

    /// Answers a question at once that is not even looked at.
    pub fn refuse(behaviour: &mut Behaviour, way_back: WayBack<DirectAnswer>, refusal: Refusal) {
        // Gone already, if this fails.
        let _ = behaviour.direct.send_response(way_back, Ok(DirectAnswer::Refused(refusal)));
    }

    /// Answers. A peer that is gone by now has no use for it.
    pub fn answer(&mut self, behaviour: &mut Behaviour, token: u64, answer: DirectAnswer) {
        let Some(way_back) = self.inbound.take(token) else { return };
        if behaviour.direct.send_response(way_back, Ok(answer)).is_err() {
            self.inbound.forget(token);
        }
    }

    /// An answer was sent, or never will be.
    pub fn sent(&mut self, id: InboundRequestId) {
        self.inbound.sent(id);
    }

    /// Forgets the ways back that no longer lead anywhere.
    pub fn forget_gone(&mut self) {
        self.inbound.forget_gone();
    }
}

#[cfg(test)]
mod tests;

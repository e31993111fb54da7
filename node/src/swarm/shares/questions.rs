//! Questions about shares under way, both ways; blocks are asked for elsewhere, on lanes.

use std::collections::BTreeMap;

use libp2p::{
    PeerId,
    request_response::{self, InboundRequestId, OutboundRequestId},
};
use proto::{
    transfer::{
        TransferId,
        message::{ShareAnswer, ShareQuestion},
        survey,
    },
    wire::DecodeError,
};

use crate::swarm::{
    behaviour::Behaviour,
    ways_back::{Limits, WayBack, WaysBack},
};

/// Questions about shares whose answer is not yet sent; most answers are small, one with hashes is of 17 KiB, one of a very large share
/// of up to a megabyte. Further ones are answered "unavailable".
const INBOUND: Limits = Limits { per_peer: 16, total: 128 };

/// What request-response tells of them.
pub type Event = request_response::Event<Result<ShareQuestion, DecodeError>, Result<ShareAnswer, DecodeError>>;

/// Who asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// A share that wants to know what a peer has.
    Meet(TransferId, PeerId),
    /// A survey.
    Survey(TransferId, survey::RequestId),
    /// Nobody: a peer was told something.
    Tell(PeerId),
}

/// The questions.
pub struct Questions {
    /// Bounded by the machines, and by the circle.
    outbound: BTreeMap<OutboundRequestId, Asker>,
    inbound: WaysBack<ShareAnswer, ()>,
}

impl Default for Questions {
    fn default() -> Self {
        Self { outbound: BTreeMap::new(), inbound: WaysBack::new(|()| INBOUND) }
    }
}

impl Questions {
    /// Asks a peer.
    pub fn ask(&mut self, behaviour: &mut Behaviour, peer: PeerId, asker: Asker, question: ShareQuestion) {
        let id = behaviour.shares.send_request(&peer, Ok(question));
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
        peer: PeerId,
        id: InboundRequestId,
        way_back: WayBack<ShareAnswer>,
    ) -> Option<u64> {
        self.inbound
            .keep((), peer, id, way_back)
            .map_err(|way_back| {
                // Gone already, if this fails.
                let _ = behaviour.shares.send_response(way_back, Ok(ShareAnswer::Unavailable));
            })
            .ok()
    }

    /// Answers. A peer that is gone by now has no use for it.
    pub fn answer(&mut self, behaviour: &mut Behaviour, token: u64, answer: ShareAnswer) {
        let Some(way_back) = self.inbound.take(token) else { return };
        if behaviour.shares.send_response(way_back, Ok(answer)).is_err() {
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

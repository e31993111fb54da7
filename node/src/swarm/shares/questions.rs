//! Questions about shares under way, both ways; blocks are asked for elsewhere, on lanes.

use std::collections::BTreeMap;

use libp2p::{
    PeerId,
    request_response::{self, InboundRequestId, OutboundRequestId},
};
use proto::{
    rate::{Rate, TokenBucket},
    time::Now,
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

/// How much a peer may ask in a second: a question counts one, and one more for each [`TOLD_AT_ONCE`] blocks or shares that it tells of. A
/// getter of many files asks for the hashes of each, and as fast as it is answered. Further questions are answered "unavailable".
const ASKED: Rate = Rate::per_second(2_000, 8_000);

/// Blocks or shares told of that count as one question: taking note of them costs as much.
const TOLD_AT_ONCE: usize = 16;

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
    /// What each connected peer may still ask.
    allowances: BTreeMap<PeerId, TokenBucket>,
}

impl Default for Questions {
    fn default() -> Self {
        Self { outbound: BTreeMap::new(), inbound: WaysBack::new(|()| INBOUND), allowances: BTreeMap::new() }
    }
}

impl Questions {
    /// Asks a peer.
    pub fn ask(&mut self, behaviour: &mut Behaviour, peer: PeerId, asker: Asker, question: ShareQuestion) {
        let id = behaviour.shares.send_request(&peer, Ok(question));
        self.outbound.insert(id, asker);
    }

    /// An answer to this one is not wanted any more.
    pub fn take_back(&mut self, asker: Asker) {
        self.outbound.retain(|_, asking| *asking != asker);
    }

    /// All answers to a survey are not wanted any more.
    pub fn end_survey(&mut self, id: TransferId) {
        self.outbound.retain(|_, asking| !matches!(asking, Asker::Survey(of, _) if *of == id));
    }

    /// Whose question an answer or a failure belongs to.
    pub fn concluded(&mut self, id: OutboundRequestId) -> Option<Asker> {
        self.outbound.remove(&id)
    }

    /// Keeps the way back to a peer that asked, under a token. If it asks too much at once it is told so, and there is none.
    pub fn asked(
        &mut self,
        now: Now,
        behaviour: &mut Behaviour,
        (peer, question): (PeerId, &ShareQuestion),
        id: InboundRequestId,
        way_back: WayBack<ShareAnswer>,
    ) -> Option<u64> {
        let allowance = self.allowances.entry(peer).or_insert_with(|| TokenBucket::new(ASKED, now));
        let kept = match allowance.take(now, cost(question)) {
            true => self.inbound.keep((), peer, id, way_back),
            false => Err(way_back),
        };
        kept.map_err(|way_back| {
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

    /// The last connection to a peer ended.
    pub fn disconnected(&mut self, peer: &PeerId) {
        self.allowances.remove(peer);
        self.inbound.forget_gone();
    }
}

fn cost(question: &ShareQuestion) -> u64 {
    let told = match question {
        ShareQuestion::Meet { .. } | ShareQuestion::Layer { .. } => 0,
        ShareQuestion::Tell { news, .. } => news.len() + news.iter().map(|news| news.has.len()).sum::<usize>(),
    };
    1 + (told / TOLD_AT_ONCE) as u64
}

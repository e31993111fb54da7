//! Questions to and from peers, and which room each belongs to.

use std::collections::BTreeMap;

use libp2p::{PeerId, request_response};
use proto::{
    call::{Answer, Question, Topic},
    ids::ChannelId,
    log::RequestId,
    private::QuestionName,
};

use super::{
    behaviour::Behaviour,
    ways_back::{Limits, WaysBack},
};

/// Questions about channels whose answer is not yet sent. An answer may be a megabyte.
const INBOUND: Limits = Limits { per_peer: 16, total: 64 };

/// The way back to a peer that asked.
pub type WayBack = super::ways_back::WayBack<Answer>;

/// Which machine asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// The replica of the channel.
    Sync(RequestId),
    /// The presence of the channel.
    Presence(u64),
}

/// A question of ours under way.
#[derive(Debug, Clone, Copy)]
pub struct Outbound {
    /// Whom we asked.
    pub peer: PeerId,
    /// About which channel.
    pub channel: ChannelId,
    /// Who wants to know.
    pub asker: Asker,
    /// The question's name, if it is sealed.
    pub question: Option<QuestionName>,
}

/// Questions under way, both ways.
pub struct Calls {
    outbound: BTreeMap<request_response::OutboundRequestId, Outbound>,
    /// Of one kind.
    inbound: WaysBack<Answer, ()>,
}

impl Default for Calls {
    fn default() -> Self {
        Self { outbound: BTreeMap::new(), inbound: WaysBack::new(|()| INBOUND) }
    }
}

impl Calls {
    /// Asks a peer.
    pub fn ask(&mut self, behaviour: &mut Behaviour, outbound: Outbound, topic: Topic) {
        let question = Question { channel: outbound.channel, topic };
        let id = behaviour.calls.send_request(&outbound.peer, Ok(question));
        self.outbound.insert(id, outbound);
    }

    /// The question that an answer or a failure belongs to.
    pub fn concluded(&mut self, id: request_response::OutboundRequestId) -> Option<Outbound> {
        self.outbound.remove(&id)
    }

    /// Wants no answers about a channel any more.
    pub fn forget(&mut self, channel: &ChannelId) {
        self.outbound.retain(|_, outbound| outbound.channel != *channel);
    }

    /// Keeps the way back to a peer that asked, under a token.
    ///
    /// # Errors
    /// The way back, when this peer or all together ask too much at once.
    pub fn asked(
        &mut self,
        peer: PeerId,
        id: request_response::InboundRequestId,
        way_back: WayBack,
    ) -> Result<u64, WayBack> {
        self.inbound.keep((), peer, id, way_back)
    }

    /// Answers. A peer that is gone by now has no use for it.
    pub fn answer(&mut self, behaviour: &mut Behaviour, token: u64, answer: Answer) {
        let Some(way_back) = self.inbound.take(token) else { return };
        if behaviour.calls.send_response(way_back, Ok(answer)).is_err() {
            self.inbound.forget(token);
        }
    }

    /// An answer was sent, or never will be.
    pub fn sent(&mut self, id: request_response::InboundRequestId) {
        self.inbound.sent(id);
    }

    /// Forgets the ways back that no longer lead anywhere.
    pub fn forget_gone(&mut self) {
        self.inbound.forget_gone();
    }
}

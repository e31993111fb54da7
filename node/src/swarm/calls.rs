//! Questions to and from peers, and which room each belongs to.

use std::collections::BTreeMap;

use libp2p::{PeerId, request_response};
use proto::{
    call::{Answer, Question, Topic},
    ids::ChannelId,
    log::RequestId,
    wire::DecodeError,
};

use super::behaviour::Behaviour;

/// Questions of one peer that wait for an answer of ours. Further ones are answered "unavailable" at once.
pub const MAX_INBOUND_PER_PEER: usize = 16;

/// The way back to a peer that asked.
pub type WayBack = request_response::ResponseChannel<Result<Answer, DecodeError>>;

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
}

/// Questions under way, both ways.
#[derive(Default)]
pub struct Calls {
    outbound: BTreeMap<request_response::OutboundRequestId, Outbound>,
    inbound: BTreeMap<u64, (PeerId, WayBack)>,
    next_token: u64,
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

    /// Keeps the way back to a peer that asked, under a token; `None` (and the way back) when it asks too much at once.
    pub fn asked(&mut self, peer: PeerId, way_back: WayBack) -> Result<u64, WayBack> {
        if self.inbound.values().filter(|(asker, _)| *asker == peer).count() >= MAX_INBOUND_PER_PEER {
            return Err(way_back);
        }
        let token = self.next_token;
        self.next_token += 1;
        self.inbound.insert(token, (peer, way_back));
        Ok(token)
    }

    /// Answers. A peer that is gone by now has no use for it.
    pub fn answer(&mut self, behaviour: &mut Behaviour, token: u64, answer: Answer) {
        if let Some((_, way_back)) = self.inbound.remove(&token) {
            let _ = behaviour.calls.send_response(way_back, Ok(answer));
        }
    }

    /// Forgets the ways back that no longer lead anywhere.
    pub fn forget_gone(&mut self) {
        self.inbound.retain(|_, (_, way_back)| way_back.is_open());
    }
}

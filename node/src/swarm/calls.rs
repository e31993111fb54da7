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

/// Questions of one peer whose answer is not yet sent. Further ones are answered "unavailable" at once.
pub const MAX_INBOUND_PER_PEER: usize = 16;

/// Questions of all peers whose answer is not yet sent. An answer may be a megabyte, and whoever does not read it keeps it in
/// memory until it times out.
pub const MAX_INBOUND: usize = 64;

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

/// A question of a peer, until its answer is sent.
struct Inbound {
    peer: PeerId,
    id: request_response::InboundRequestId,
    /// Taken when the answer is on its way.
    way_back: Option<WayBack>,
}

/// Questions under way, both ways.
#[derive(Default)]
pub struct Calls {
    outbound: BTreeMap<request_response::OutboundRequestId, Outbound>,
    inbound: BTreeMap<u64, Inbound>,
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
        let of_peer = self.inbound.values().filter(|inbound| inbound.peer == peer).count();
        if of_peer >= MAX_INBOUND_PER_PEER || self.inbound.len() >= MAX_INBOUND {
            return Err(way_back);
        }
        let token = self.next_token;
        self.next_token += 1;
        self.inbound.insert(token, Inbound { peer, id, way_back: Some(way_back) });
        Ok(token)
    }

    /// Answers. A peer that is gone by now has no use for it.
    pub fn answer(&mut self, behaviour: &mut Behaviour, token: u64, answer: Answer) {
        let Some(inbound) = self.inbound.get_mut(&token) else { return };
        let Some(way_back) = inbound.way_back.take() else { return };
        if behaviour.calls.send_response(way_back, Ok(answer)).is_err() {
            self.inbound.remove(&token);
        }
    }

    /// An answer was sent, or never will be.
    pub fn sent(&mut self, id: request_response::InboundRequestId) {
        self.inbound.retain(|_, inbound| inbound.id != id);
    }

    /// Forgets the ways back that no longer lead anywhere.
    pub fn forget_gone(&mut self) {
        self.inbound.retain(|_, inbound| inbound.way_back.as_ref().is_none_or(WayBack::is_open));
    }
}

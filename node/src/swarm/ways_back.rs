//! Questions of peers that are not answered yet.

use std::collections::BTreeMap;

use libp2p::{
    PeerId,
    request_response::{InboundRequestId, ResponseChannel},
};
use proto::wire::DecodeError;

/// The way back to a peer that asked.
pub type WayBack<A> = ResponseChannel<Result<A, DecodeError>>;

/// How many questions of one kind may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Of one peer. Further ones are answered "unavailable" at once.
    pub per_peer: usize,
    /// Of all peers. What is not read of an answer stays in memory until it times out.
    pub total: usize,
}

struct Open<A, K> {
    kind: K,
    peer: PeerId,
    id: InboundRequestId,
    /// Taken when the answer is on its way.
    way_back: Option<WayBack<A>>,
}

/// The ways back, each under a token. Each kind of question has limits of its own, so that none takes the places of another.
pub struct WaysBack<A, K> {
    limits: fn(K) -> Limits,
    open: BTreeMap<u64, Open<A, K>>,
    next_token: u64,
}

impl<A, K: Copy + PartialEq> WaysBack<A, K> {
    /// None yet.
    pub fn new(limits: fn(K) -> Limits) -> Self {
        Self { limits, open: BTreeMap::new(), next_token: 0 }
    }

    /// Keeps the way back to a peer that asked, under a token.
    ///
    /// # Errors
    /// The way back, when this peer or all together ask too much of this kind at once.
    pub fn keep(
        &mut self,
        kind: K,
        peer: PeerId,
        id: InboundRequestId,
        way_back: WayBack<A>,
    ) -> Result<u64, WayBack<A>> {
        let limits = (self.limits)(kind);
        let (mut all, mut of_peer) = (0, 0);
        for open in self.open.values().filter(|open| open.kind == kind) {
            all += 1;
            of_peer += usize::from(open.peer == peer);
        }
        if of_peer >= limits.per_peer || all >= limits.total {
            return Err(way_back);
        }
        let token = self.next_token;
        self.next_token += 1;
        self.open.insert(token, Open { kind, peer, id, way_back: Some(way_back) });
        Ok(token)
    }

    /// The way back for the answer to a question, once. It counts until that is sent.
    pub fn take(&mut self, token: u64) -> Option<WayBack<A>> {
        self.open.get_mut(&token)?.way_back.take()
    }

    /// A question is over.
    pub fn forget(&mut self, token: u64) {
        self.open.remove(&token);
    }

    /// An answer was sent, or never will be.
    pub fn sent(&mut self, id: InboundRequestId) {
        self.open.retain(|_, open| open.id != id);
    }

    /// Forgets the ways back that no longer lead anywhere.
    pub fn forget_gone(&mut self) {
        self.open.retain(|_, open| open.way_back.as_ref().is_none_or(WayBack::is_open));
    }
}

//! The questions that are open, and the bytes that they and what is in hand stand for.

use std::collections::BTreeMap;

use libp2p_identity::PeerId;

use super::RequestId;
use crate::{time::Now, transfer::TransferId};

/// A question for a block to a peer.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    /// Of which transfer.
    pub transfer: TransferId,
    /// For which block.
    pub block: u32,
    /// To whom.
    pub peer: PeerId,
    /// When.
    pub asked_ms: u64,
    /// How far it is.
    pub stage: Stage,
}

/// How far a question is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// No answer came.
    Asked,
    /// Nor did one in time.
    Late,
    /// The block is here and being looked at.
    Received,
}

impl Request {
    /// Whether the answer is outstanding.
    pub fn is_open(&self) -> bool {
        self.stage != Stage::Received
    }

    /// Milliseconds since it was asked.
    pub fn age_ms(&self, now: Now) -> u64 {
        now.mono_ms.saturating_sub(self.asked_ms)
    }
}

/// All of them.
#[derive(Debug, Default)]
pub struct Requests {
    open: BTreeMap<RequestId, Request>,
    next: u64,
}

impl Requests {
    /// Notes a question, and names it.
    pub fn ask(&mut self, now: Now, transfer: TransferId, block: u32, peer: PeerId) -> RequestId {
        let id = RequestId(self.next);
        self.next += 1;
        self.open.insert(id, Request { transfer, block, peer, asked_ms: now.mono_ms, stage: Stage::Asked });
        id
    }

    /// One of them.
    pub fn get(&self, id: RequestId) -> Option<&Request> {
        self.open.get(&id)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, id: RequestId) -> Option<&mut Request> {
        self.open.get_mut(&id)
    }

    /// One is done with.
    pub fn remove(&mut self, id: RequestId) -> Option<Request> {
        self.open.remove(&id)
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Those of a transfer.
    pub fn of(&self, transfer: TransferId) -> Vec<RequestId> {
        self.open.iter().filter(|(_, request)| request.transfer == transfer).map(|(id, _)| *id).collect()
    }
}

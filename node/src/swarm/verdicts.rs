//! Gossip messages that wait for a verdict: gossip passes a message on only when it is told to.

use std::collections::BTreeMap;

use libp2p::{
    PeerId,
    gossipsub::{MessageAcceptance, MessageId},
};
use proto::live::Verdict;

use super::context::{Cx, Effect};

/// Messages of one room that wait. Further ones are left to repair.
pub const MAX_UNDECIDED: usize = 16_384;

/// The messages of one room that wait, by the token that its machines know them by.
#[derive(Debug, Default)]
pub struct Verdicts {
    next_token: u64,
    undecided: BTreeMap<u64, (MessageId, PeerId)>,
}

impl Verdicts {
    /// Whether there is room for one more.
    pub fn has_room(&self) -> bool {
        self.undecided.len() < MAX_UNDECIDED
    }

    /// A message from a neighbour waits; names it.
    pub fn wait(&mut self, id: MessageId, from: PeerId) -> u64 {
        self.next_token += 1;
        self.undecided.insert(self.next_token, (id, from));
        self.next_token
    }

    /// A machine has decided.
    pub fn decide(&mut self, cx: &mut Cx, token: u64, verdict: Verdict) {
        if let Some((id, from)) = self.undecided.remove(&token) {
            decide(cx, &id, &from, verdict);
        }
    }
}

/// Tells gossip what to do with a message. What is more than [`super::context::FORWARDED`] is not passed on.
pub fn decide(cx: &mut Cx, id: &MessageId, from: &PeerId, verdict: Verdict) {
    if verdict == Verdict::Accept {
        cx.effects.push_back(Effect::Heard);
    }
    let acceptance = match verdict {
        Verdict::Accept if cx.forwarding.take(cx.now, 1) => MessageAcceptance::Accept,
        Verdict::Accept | Verdict::Ignore => MessageAcceptance::Ignore,
        Verdict::Reject => MessageAcceptance::Reject,
    };
    // `false` when it is no longer in gossip's cache, and then it is too late to matter.
    let _ = cx.behaviour.gossip.report_message_validation_result(id, from, acceptance);
}

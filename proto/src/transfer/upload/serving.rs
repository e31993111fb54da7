//! What is asked for, and what of it is served next.

use std::collections::{BTreeSet, VecDeque};

use libp2p_identity::PeerId;

use super::{MAX_QUEUED, MAX_QUEUED_EACH, Output, Refusal, Token, Uploads, peer::Question};
use crate::{
    time::{Deadline, Now},
    transfer::{TransferId, limits::Held},
};

impl Uploads {
    pub(super) fn asked(&mut self, now: Now, id: PeerId, question: Question) {
        if self.tokens.contains_key(&question.token) {
            return;
        }
        self.interested(now, id, question.transfer);
        let full = self.queued >= MAX_QUEUED;
        let why = match self.peers.get_mut(&id) {
            Some(peer) if !peer.is_served() => Refusal::Choked,
            Some(peer) if !full && peer.queue.len() < MAX_QUEUED_EACH => {
                peer.ask(now, question);
                self.queued += 1;
                self.tokens.insert(question.token, id);
                self.turns.wait(id);
                return;
            }
            _ => Refusal::Busy,
        };
        self.outputs.push_back(Output::Refuse { token: question.token, why });
    }

    pub(super) fn cancelled(&mut self, token: Token) {
        let Some(peer) = self.tokens.get(&token).and_then(|id| self.peers.get_mut(id)) else { return };
        // What is being served goes on to be, and ends with `Served`.
        if let Some(at) = peer.queue.iter().position(|question| question.token == token) {
            peer.queue.remove(at);
            self.queued -= 1;
            self.tokens.remove(&token);
        }
    }

    pub(super) fn served(&mut self, now: Now, token: Token, bytes: u32, took_ms: u64) {
        let Some(id) = self.tokens.get(&token).copied() else { return };
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if peer.queue.iter().any(|question| question.token == token) {
            return;
        }
        peer.served(now, token, (bytes > 0).then_some(took_ms));
        self.slots.served(bytes.into());
        self.tokens.remove(&token);
        if !peer.queue.is_empty() {
            self.turns.wait(id);
        }
    }

    /// Refuses those of a peer's questions in line that are meant.
    pub(super) fn refuse(&mut self, id: PeerId, why: Refusal, meant: impl Fn(&Question) -> bool) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let (refused, kept): (VecDeque<Question>, _) = peer.queue.drain(..).partition(meant);
        peer.queue = kept;
        self.queued -= refused.len();
        for Question { token, .. } in refused {
            self.tokens.remove(&token);
            self.outputs.push_back(Output::Refuse { token, why });
        }
    }

    /// Serves what may be served now.
    pub(super) fn serve_all(&mut self, now: Now) {
        self.allowed = None;
        let mut held = BTreeSet::new();
        while let Some((id, at, question)) = self.next_question(now, &held) {
            match self.limits.take(now, question.transfer, question.len.into()) {
                Ok(()) => self.serve(id, at),
                Err(Held::Transfer(until)) => {
                    held.insert(question.transfer);
                    self.allowed = Deadline::earliest(self.allowed, until);
                }
                Err(Held::All(until)) => {
                    self.allowed = Deadline::earliest(self.allowed, until);
                    return;
                }
            }
        }
    }

    /// The first question of the peer whose turn it is, but for those of transfers that are held up. Peers without any, or that cannot
    /// take more, do not wait any longer.
    fn next_question(&mut self, now: Now, held: &BTreeSet<TransferId>) -> Option<(PeerId, usize, Question)> {
        let mut idle = Vec::new();
        let next = self.turns.iter().find_map(|id| {
            let peer = self.peers.get(&id)?;
            let first = peer.queue.iter().enumerate().find(|(_, question)| !held.contains(&question.transfer));
            match first {
                Some((at, question)) if peer.has_room(now, question.len) => Some((id, at, *question)),
                _ => {
                    if first.is_some() || peer.queue.is_empty() {
                        idle.push(id);
                    }
                    None
                }
            }
        });
        idle.into_iter().for_each(|id| self.turns.leave(id));
        next
    }

    fn serve(&mut self, id: PeerId, at: usize) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let Some(question) = peer.queue.remove(at) else { return };
        peer.serve(question.token, question.len);
        self.queued -= 1;
        self.turns.charge(id, question.len.into());
        self.outputs.push_back(Output::Serve { token: question.token });
    }
}

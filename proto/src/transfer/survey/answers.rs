//! What comes of a question.

use libp2p_identity::PeerId;

use super::{Asked, Finding, LACKS_MS, Question, RequestId, Survey, Wake};
use crate::{
    blob::layer::LayerPart,
    time::Now,
    transfer::download::{Failure, Misdeed},
};

impl Survey {
    pub(super) fn layer(&mut self, now: Now, request: RequestId, part: LayerPart) {
        let Some(question) = self.close(request) else { return };
        let finding = match question.what {
            Asked::Layer { of, range } => self.take_layer(question.claim, of, range, part),
            Asked::ManifestChunk(_) | Asked::Block(_) => Finding::Wrong,
        };
        self.judge(now, question, finding);
    }

    pub(super) fn chunk(&mut self, now: Now, request: RequestId, bytes: Vec<u8>) {
        let Some(question) = self.close(request) else { return };
        let finding = match question.what {
            Asked::ManifestChunk(chunk) | Asked::Block(chunk) => self.take_chunk(question.claim, chunk, bytes),
            Asked::Layer { .. } => Finding::Wrong,
        };
        self.judge(now, question, finding);
    }

    fn judge(&mut self, now: Now, Question { peer, claim, what }: Question, finding: Finding) {
        match finding {
            Finding::Right => {
                self.crew.gave(&peer);
                self.progressed_ms = Some(now.mono_ms);
            }
            Finding::Wrong => {
                self.give_back(claim, what);
                self.ban(peer, Misdeed::WrongByte);
            }
            Finding::Lie => {
                let liars = claim.map(|claim| self.crew.claiming(claim)).unwrap_or_default();
                liars.into_iter().for_each(|peer| self.ban(peer, Misdeed::Lies));
            }
        }
    }

    pub(super) fn failed(&mut self, now: Now, request: RequestId, why: Failure) {
        let Some(Question { peer, claim, what }) = self.close(request) else { return };
        self.give_back(claim, what);
        match (why, what) {
            (Failure::Lacks, Asked::Block(block)) => {
                if let Some(member) = self.crew.get_mut(&peer) {
                    member.lacks.insert(block);
                    self.wakes.set_if_none(Wake::Lacked(peer), now.after(LACKS_MS));
                }
            }
            _ => self.rest(now, peer, why),
        }
    }

    /// A question is open for too long.
    pub(super) fn overdue(&mut self, now: Now, request: RequestId) {
        if let Some(question) = self.cancel(request) {
            self.rest(now, question.peer, Failure::Lost);
        }
    }

    fn rest(&mut self, now: Now, peer: PeerId, why: Failure) {
        if let Some(rest_ms) = self.crew.failed(&peer, why, &mut self.rng) {
            self.wakes.set(Wake::Rested(peer), Some(now.after(rest_ms)));
        }
    }
}

//! What is asked of whom.

use libp2p_identity::PeerId;

use super::{Asked, Claim, MAX_REQUESTS, Output, PATIENCE_MS, Question, RequestId, Stage, Survey, Wake};
use crate::time::Now;

impl Survey {
    /// Asks for all that is missing of those who are free, as far as the bounds allow.
    pub(super) fn ask_all(&mut self, now: Now) {
        let claims: Vec<Option<Claim>> = match &self.stage {
            Stage::Proving(trials) => trials.keys().copied().map(Some).collect(),
            Stage::Listing(_) | Stage::Files(_) => vec![None],
            Stage::Reading | Stage::Over => return,
        };
        for claim in claims {
            while self.open.len() < MAX_REQUESTS && self.ask_one(now, claim) {}
        }
    }

    /// Asks for one thing that is missing, if there is anybody to ask.
    fn ask_one(&mut self, now: Now, claim: Option<Claim>) -> bool {
        let next = match &mut self.stage {
            Stage::Proving(trials) => claim.and_then(|claim| trials.get_mut(&claim)).and_then(|trial| trial.next()),
            Stage::Listing(listing) => listing.next(),
            Stage::Files(files) => files.next(),
            Stage::Reading | Stage::Over => None,
        };
        let Some(what) = next else { return false };
        let block = if let Asked::Block(block) = what { Some(block) } else { None };
        let found = self.crew.choose(
            |member| {
                (claim.is_none() || member.claim == claim) && block.is_none_or(|block| !member.lacks.contains(&block))
            },
            &mut self.rng,
        );
        let Some(peer) = found else {
            self.give_back(claim, what);
            return false;
        };
        let request = RequestId(self.next_request);
        self.next_request += 1;
        self.open.insert(request, Question { peer, claim, what });
        if let Some(member) = self.crew.get_mut(&peer) {
            member.open += 1;
        }
        self.wakes.set(Wake::Question(request), Some(now.after(PATIENCE_MS)));
        self.outputs.push_back(Output::Ask { request, peer, what });
        true
    }

    /// What was asked for is missing again.
    pub(super) fn give_back(&mut self, claim: Option<Claim>, what: Asked) {
        match &mut self.stage {
            Stage::Proving(trials) => {
                if let Some(trial) = claim.and_then(|claim| trials.get_mut(&claim)) {
                    trial.give_back(what);
                }
            }
            Stage::Listing(listing) => listing.give_back(what),
            Stage::Files(files) => files.give_back(what),
            Stage::Reading | Stage::Over => {}
        }
    }

    /// A question is open no more.
    pub(super) fn close(&mut self, request: RequestId) -> Option<Question> {
        let question = self.open.remove(&request)?;
        self.wakes.set(Wake::Question(request), None);
        if let Some(member) = self.crew.get_mut(&question.peer) {
            member.open -= 1;
        }
        Some(question)
    }

    /// The same without an answer: it is asked anew, of somebody.
    pub(super) fn cancel(&mut self, request: RequestId) -> Option<Question> {
        let question = self.close(request)?;
        self.give_back(question.claim, question.what);
        self.outputs.push_back(Output::Cancel { request });
        Some(question)
    }

    /// Takes back all that a peer was asked.
    pub(super) fn take_back(&mut self, peer: &PeerId) {
        let asked = self.open.iter().filter(|(_, question)| question.peer == *peer).map(|(request, _)| *request);
        asked.collect::<Vec<_>>().into_iter().for_each(|request| _ = self.cancel(request));
    }
}

//! What comes of a question.

use libp2p_identity::PeerId;

use super::{
    Downloads, Failure, GIVE_UP_MS, MAX_LIES, Misdeed, Output, Pause, RequestId, Wake,
    requests::{Request, Stage},
    transfer::State,
};
use crate::{
    time::Now,
    transfer::{Blocks, TransferId},
};

impl Downloads {
    /// Forgets an open question, whatever it was answered. The block may be missing now.
    pub(super) fn close(&mut self, now: Now, id: RequestId) -> Option<Request> {
        let request = *self.requests.get(id).filter(|request| request.is_open())?;
        self.requests.remove(id);
        self.wakes.set(Wake::Question(id), None);
        if let Some(link) = self.links.get_mut(&request.peer) {
            link.close(id);
        }
        if let Some(transfer) = self.transfers.get_mut(&request.transfer) {
            let bytes = transfer.board.len(request.block);
            let is_missing = transfer.board.give_up(request.block, id, &mut self.rng);
            self.free_bytes(request.transfer, bytes);
            if is_missing {
                self.offer_block(now, request.transfer, request.block);
            }
        }
        self.offer_all(now, request.peer);
        Some(request)
    }

    /// Forgets an open question, and lets it be known.
    pub(super) fn cancel(&mut self, now: Now, id: RequestId) -> Option<Request> {
        let request = self.close(now, id)?;
        self.outputs.push_back(Output::Cancel { request: id });
        Some(request)
    }

    pub(super) fn received(&mut self, now: Now, id: RequestId, bytes: u32) {
        let Some(request) = self.requests.get_mut(id).filter(|request| request.is_open()) else { return };
        let (peer, transfer_id, block) = (request.peer, request.transfer, request.block);
        let Some(transfer) = self.transfers.get_mut(&transfer_id) else { return };
        if transfer.board.len(block) != u64::from(bytes) {
            self.close(now, id);
            self.ban(now, transfer_id, peer, Misdeed::WrongByte);
            return;
        }
        request.stage = Stage::Received;
        let delay_ms = request.age_ms(now);
        let others = transfer.board.receive(block, id);
        self.wakes.set(Wake::Question(id), None);
        if let Some(link) = self.links.get_mut(&peer) {
            link.delivered(now, id, delay_ms);
        }
        for other in others {
            self.cancel(now, other);
        }
        self.offer_all(now, peer);
    }

    pub(super) fn verified(&mut self, id: RequestId) {
        if self.requests.get(id).is_none_or(Request::is_open) {
            return;
        }
        let Some(request) = self.requests.remove(id) else { return };
        let Some(transfer) = self.transfers.get_mut(&request.transfer) else { return };
        transfer.board.verify(request.block);
        let useless = transfer.swarm.needs(request.block, false);
        self.want(request.transfer, useless, false);
    }

    pub(super) fn wrong(&mut self, now: Now, id: RequestId) {
        let Some(request) = self.requests.get(id).copied() else { return };
        if request.is_open() {
            self.close(now, id);
        } else {
            self.requests.remove(id);
            if let Some(transfer) = self.transfers.get_mut(&request.transfer) {
                transfer.board.reject(request.block, &mut self.rng);
                let bytes = transfer.board.len(request.block);
                self.free_bytes(request.transfer, bytes);
            }
        }
        self.ban(now, request.transfer, request.peer, Misdeed::WrongByte);
        self.offer_block(now, request.transfer, request.block);
    }

    pub(super) fn failed(&mut self, now: Now, id: RequestId, why: Failure) {
        let Some(request) = self.requests.get(id).copied() else { return };
        if !request.is_open() {
            return self.lose(now, id, request);
        }
        // First it is said what the peer is not to be asked, or it would be asked again at once.
        let mut lies = 0;
        match why {
            Failure::Lacks => lies = self.lacks(request.transfer, request.peer, request.block),
            Failure::Gone => self.has_nothing(now, request.transfer, request.peer),
            Failure::Refused | Failure::Busy | Failure::Lost => self.rest(now, request.peer, why),
        }
        self.close(now, id);
        if lies >= MAX_LIES {
            self.ban(now, request.transfer, request.peer, Misdeed::Lies);
        }
    }

    /// A block that is here came to nothing before anybody looked at it. Nobody is to blame.
    fn lose(&mut self, now: Now, id: RequestId, request: Request) {
        self.requests.remove(id);
        if let Some(transfer) = self.transfers.get_mut(&request.transfer) {
            transfer.board.reject(request.block, &mut self.rng);
            let bytes = transfer.board.len(request.block);
            self.free_bytes(request.transfer, bytes);
        }
        self.offer_block(now, request.transfer, request.block);
    }

    /// A peer lacks a block that it said it had. Says how often that was so.
    fn lacks(&mut self, id: TransferId, peer: PeerId, block: u32) -> u32 {
        let Some(transfer) = self.transfers.get_mut(&id) else { return 0 };
        let was_useful = transfer.swarm.get(&peer).is_some_and(|member| member.is_useful());
        let lies = transfer.swarm.lacks(peer, block, &mut transfer.board, &mut self.rng);
        let is_useful = transfer.swarm.get(&peer).is_some_and(|member| member.is_useful());
        if was_useful && !is_useful {
            self.want(id, vec![peer], false);
        }
        lies
    }

    fn has_nothing(&mut self, now: Now, id: TransferId, peer: PeerId) {
        if let Some(transfer) = self.transfers.get(&id) {
            let blocks = Blocks::none(transfer.board.count());
            self.has(now, id, peer, blocks);
        }
    }

    fn rest(&mut self, now: Now, peer: PeerId, why: Failure) {
        let until = self.links.get_mut(&peer).and_then(|link| link.failed(now, why, &mut self.rng));
        if until.is_some() {
            self.wakes.set(Wake::Rested(peer), until);
        }
    }

    /// A question is open for long: the first time the block may be asked of others besides, the second time the question is given up.
    pub(super) fn overdue(&mut self, now: Now, id: RequestId) {
        let Some(request) = self.requests.get_mut(id) else { return };
        if request.stage == Stage::Late {
            let peer = request.peer;
            self.rest(now, peer, Failure::Lost);
            self.cancel(now, id);
            return;
        }
        request.stage = Stage::Late;
        let request = *request;
        self.wakes.set(Wake::Question(id), Some(now.after(GIVE_UP_MS)));
        if let Some(link) = self.links.get_mut(&request.peer) {
            link.stalled();
            // If nothing else came either, what was asked later will not come sooner.
            let is_silent = link.heard_ms().is_none_or(|heard| heard < request.asked_ms);
            let later = link.asked().filter(|other| *other > id && is_silent).collect::<Vec<_>>();
            for other in later {
                self.cancel(now, other);
            }
        }
        if self.transfers.get_mut(&request.transfer).is_some_and(|transfer| transfer.board.is_late(request.block)) {
            self.offer_block(now, request.transfer, request.block);
        }
    }

    pub(super) fn stored(&mut self, now: Now, id: TransferId, block: u32) {
        let Some(transfer) = self.transfers.get_mut(&id) else { return };
        if !transfer.board.store(block) {
            return;
        }
        transfer.progressed_ms = now.mono_ms;
        let bytes = transfer.board.len(block);
        if transfer.board.is_finished() {
            transfer.state = State::Finished;
            self.wakes.set(Wake::Needs(id), None);
            self.outputs.push_back(Output::Finished { transfer: id });
        }
        self.free_bytes(id, bytes);
    }

    pub(super) fn not_stored(&mut self, now: Now, id: TransferId, block: u32) {
        let Some(transfer) = self.transfers.get_mut(&id) else { return };
        if !transfer.board.lose(block, &mut self.rng) {
            return;
        }
        let bytes = transfer.board.len(block);
        let useful = transfer.swarm.needs(block, true);
        self.want(id, useful, true);
        self.free_bytes(id, bytes);
        self.pause(now, id, Pause::Disk);
        self.offer_block(now, id, block);
    }
}

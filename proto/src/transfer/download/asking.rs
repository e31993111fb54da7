//! Which block is asked of whom next.

use std::collections::BTreeMap;

use libp2p_identity::PeerId;

use super::{
    COPIES_LOOKED_AT, Downloads, ENDING_FLOOR_MS, ENDING_TICK_MS, FREE_BYTES, MAX_BYTES, MAX_COPIES, MAX_ENDING_COPIES,
    MAX_REQUESTS, Output, RequestId, Wake, board::Board, link::Link, requests::Requests, transfer::Transfer,
};
use crate::{
    time::Now,
    transfer::{Blocks, TransferId, limits::Held},
};

/// What came of the turn of a transfer.
enum Turn {
    /// So many bytes were asked for.
    Asked(u64),
    /// There is nobody to be asked.
    Nobody,
    /// It has its share of what may be under way.
    Enough,
    /// Its limit does not allow it now.
    Limited,
    /// Nothing may be asked for now in any transfer.
    Full,
}

impl Downloads {
    /// A peer may have become free for a question in one transfer.
    pub(super) fn offer(&mut self, now: Now, id: TransferId, peer: PeerId) {
        let Some(link) = self.links.get(&peer).filter(|link| link.is_usable(now)) else { return };
        let Some(transfer) = self.transfers.get_mut(&id).filter(|transfer| transfer.is_running()) else { return };
        if transfer.swarm.make_ready(peer, link.score(now)) {
            self.turns.wait(id);
        }
    }

    /// A peer may have become free for a question in any transfer.
    pub(super) fn offer_all(&mut self, now: Now, peer: PeerId) {
        let transfers: Vec<TransferId> =
            self.links.get(&peer).into_iter().flat_map(|link| &link.transfers).copied().collect();
        transfers.into_iter().for_each(|id| self.offer(now, id, peer));
    }

    /// A block may be asked for that could not be before: those who have it may have something for us again.
    pub(super) fn offer_block(&mut self, now: Now, id: TransferId, block: u32) {
        let peers = self.transfers.get(&id).map(|transfer| transfer.swarm.with(block)).unwrap_or_default();
        self.offer_again(now, id, peers);
    }

    fn offer_again(&mut self, now: Now, id: TransferId, peers: Vec<PeerId>) {
        for peer in peers {
            if let Some(member) = self.transfers.get_mut(&id).and_then(|transfer| transfer.swarm.get_mut(&peer)) {
                member.dry = false;
            }
            self.offer(now, id, peer);
        }
    }

    /// The end of a transfer takes long: its last blocks may be asked of others by now.
    pub(super) fn offer_ending(&mut self, now: Now, id: TransferId) {
        let Some(transfer) = self.transfers.get(&id).filter(|transfer| transfer.board.is_ending()) else { return };
        let peers = transfer.swarm.peers().collect();
        self.offer_again(now, id, peers);
    }

    /// Asks for as much as may be asked for.
    pub(super) fn ask_all(&mut self, now: Now) {
        while let Some(id) = self.turns.first() {
            match self.turn(now, id) {
                Turn::Asked(bytes) => self.turns.charge(id, bytes),
                Turn::Nobody | Turn::Limited => self.turns.leave(id),
                Turn::Enough => {
                    self.turns.leave(id);
                    self.capped.insert(id);
                }
                Turn::Full => return,
            }
        }
    }

    fn turn(&mut self, now: Now, id: TransferId) -> Turn {
        while let Some(transfer) = self.transfers.get_mut(&id)
            && let Some(peer) = transfer.swarm.first_ready()
        {
            let longest = transfer.board.longest();
            if self.bytes.saturating_add(longest) > MAX_BYTES || self.requests.len() >= MAX_REQUESTS {
                return Turn::Full;
            }
            if transfer.bytes > 0 && transfer.bytes + longest > share(self.bytes, self.busy) {
                return Turn::Enough;
            }
            let link = self.links.get(&peer).filter(|link| link.is_usable(now) && link.has_room(now, longest));
            let (Some(_), Some(member)) = (link, transfer.swarm.get_mut(&peer)) else {
                transfer.swarm.unready(peer);
                continue;
            };
            let view = View {
                now,
                peer,
                links: &self.links,
                has: member.has(),
                requests: &self.requests,
                board: &transfer.board,
            };
            let Some(block) =
                view.late().or_else(|| transfer.board.pick(view.has, &mut self.rng)).or_else(|| view.slow())
            else {
                member.dry = true;
                transfer.swarm.unready(peer);
                if transfer.board.is_ending() {
                    self.wakes.set_if_none(Wake::Ending(id), now.after(ENDING_TICK_MS));
                }
                continue;
            };
            let bytes = transfer.board.len(block);
            match self.limits.take(now, id, bytes) {
                Ok(()) => {}
                Err(Held::All(until)) => {
                    self.wakes.set(Wake::Limit, until);
                    return Turn::Full;
                }
                Err(Held::Transfer(until)) => {
                    self.wakes.set(Wake::Limited(id), until);
                    return Turn::Limited;
                }
            }
            self.ask(now, id, peer, block, bytes);
            return Turn::Asked(bytes);
        }
        Turn::Nobody
    }

    fn ask(&mut self, now: Now, id: TransferId, peer: PeerId, block: u32, bytes: u64) {
        let request = self.requests.ask(now, id, block, peer);
        if let Some(transfer) = self.transfers.get_mut(&id) {
            transfer.board.ask(block, request);
        }
        if let Some(link) = self.links.get_mut(&peer) {
            self.wakes.set(Wake::Question(request), Some(now.after(link.window().patience_ms())));
            link.ask(request, bytes);
        }
        self.take_bytes(id, bytes);
        self.outputs.push_back(Output::Ask { request, transfer: id, peer, block });
    }

    fn take_bytes(&mut self, id: TransferId, bytes: u64) {
        if let Some(transfer) = self.transfers.get_mut(&id) {
            self.busy += usize::from(transfer.bytes == 0 && bytes > 0);
            transfer.bytes += bytes;
            self.bytes += bytes;
        }
    }

    /// Bytes are no longer under way.
    pub(super) fn free_bytes(&mut self, id: TransferId, bytes: u64) {
        if let Some(transfer) = self.transfers.get_mut(&id) {
            transfer.bytes -= bytes;
            self.bytes -= bytes;
            self.busy -= usize::from(transfer.bytes == 0 && bytes > 0);
        }
        for id in std::mem::take(&mut self.capped) {
            if self.transfers.get(&id).is_some_and(|transfer| transfer.is_running() && is_waiting(transfer)) {
                self.turns.wait(id);
            }
        }
    }
}

fn is_waiting(transfer: &Transfer) -> bool {
    transfer.swarm.first_ready().is_some()
}

/// What one transfer may have under way: an equal part of all once that is scarce.
fn share(bytes: u64, busy: usize) -> u64 {
    if bytes < FREE_BYTES { MAX_BYTES } else { MAX_BYTES / busy.max(1) as u64 }
}

/// What there is to know when a block for a peer is chosen.
struct View<'a> {
    now: Now,
    peer: PeerId,
    links: &'a BTreeMap<PeerId, Link>,
    has: &'a Blocks,
    requests: &'a Requests,
    board: &'a Board,
}

impl View<'_> {
    /// A block that another peer is late with.
    fn late(&self) -> Option<u32> {
        let late = self.board.late().take(COPIES_LOOKED_AT);
        late.filter(|(block, requests)| self.may_copy(*block, requests)).map(|(block, _)| block).next()
    }

    /// A block that all who were asked for it will take longer to send than this peer would, when there is nothing else to ask for.
    fn slow(&self) -> Option<u32> {
        let link = self.links.get(&self.peer).filter(|_| self.board.is_ending())?;
        let usual_ms = link.window().usual_ms()?.max(ENDING_FLOOR_MS);
        let asked = || self.board.asked_longest().take(COPIES_LOOKED_AT);
        if asked().filter(|(_, requests)| requests.len() > 1).count() >= MAX_ENDING_COPIES {
            return None;
        }
        let is_slow = |requests: &[RequestId]| requests.iter().all(|request| self.remaining_ms(*request) > usual_ms);
        asked()
            .filter(|(block, requests)| self.may_copy(*block, requests) && is_slow(requests))
            .map(|(block, _)| block)
            .next()
    }

    /// Milliseconds until a question is likely to be answered: what is left of the usual time of its peer, or once that is over, as long
    /// again as it has been over.
    fn remaining_ms(&self, request: RequestId) -> u64 {
        let Some(request) = self.requests.get(request) else { return 0 };
        let usual_ms = self.links.get(&request.peer).and_then(|link| link.window().usual_ms()).unwrap_or(0);
        usual_ms.abs_diff(request.age_ms(self.now))
    }

    fn may_copy(&self, block: u32, requests: &[RequestId]) -> bool {
        let is_asked = |request: &RequestId| self.requests.get(*request).is_some_and(|asked| asked.peer == self.peer);
        requests.len() < MAX_COPIES && self.has.contains(block) && !requests.iter().any(is_asked)
    }
}

//! Peers that come and go, and what they say of themselves.

use libp2p_identity::PeerId;

use super::{Downloads, FEW_PEERS, MAX_CHOKING, Misdeed, NEED, NEED_CHECK_MS, NO_PROGRESS_MS, Output, Wake};
use crate::{
    time::Now,
    transfer::{Blocks, TransferId},
};

impl Downloads {
    pub(super) fn peer_up(&mut self, id: TransferId, peer: PeerId) {
        let Some(transfer) = self.transfers.get_mut(&id) else { return };
        if transfer.swarm.join(peer, transfer.board.count()) {
            let link = self.links.entry(peer).or_default();
            link.transfers.insert(id);
            if self.choking.contains(&peer) {
                link.choke(true);
            }
        }
    }

    pub(super) fn peer_down(&mut self, now: Now, peer: PeerId) {
        self.choking.remove(&peer);
        let Some(link) = self.links.get(&peer) else { return };
        let (transfers, asked) = (link.transfers.clone(), link.asked().collect::<Vec<_>>());
        transfers.into_iter().for_each(|id| self.part(now, id, peer));
        self.links.remove(&peer);
        self.wakes.set(Wake::Rested(peer), None);
        asked.into_iter().for_each(|request| _ = self.cancel(now, request));
    }

    /// A peer takes part in a transfer no more.
    pub(super) fn part(&mut self, now: Now, id: TransferId, peer: PeerId) {
        if let Some(transfer) = self.transfers.get_mut(&id) {
            transfer.swarm.part(peer, &mut transfer.board, &mut self.rng);
        }
        if let Some(link) = self.links.get_mut(&peer) {
            link.transfers.remove(&id);
        }
        self.need_soon(now, id);
    }

    /// Forgets a peer that takes part in nothing and is asked nothing.
    pub(super) fn forget_if_idle(&mut self, peer: PeerId) {
        if self.links.get(&peer).is_some_and(|link| link.transfers.is_empty() && link.asked().next().is_none()) {
            self.links.remove(&peer);
            self.wakes.set(Wake::Rested(peer), None);
        }
    }

    /// A peer may not take part in a transfer any more.
    pub(super) fn ban(&mut self, now: Now, id: TransferId, peer: PeerId, why: Misdeed) {
        let Some(transfer) = self.transfers.get_mut(&id).filter(|transfer| !transfer.swarm.is_banned(&peer)) else {
            return;
        };
        transfer.swarm.ban(peer);
        self.part(now, id, peer);
        let asked: Vec<_> = self.links.get(&peer).into_iter().flat_map(|link| link.asked()).collect();
        for request in asked {
            if self.requests.get(request).is_some_and(|request| request.transfer == id) {
                self.cancel(now, request);
            }
        }
        self.forget_if_idle(peer);
        self.outputs.push_back(Output::Ban { transfer: id, peer, why });
    }

    pub(super) fn choked(&mut self, now: Now, peer: PeerId, choking: bool) {
        if !choking {
            self.choking.remove(&peer);
        } else if self.choking.len() < MAX_CHOKING {
            self.choking.insert(peer);
        }
        if let Some(link) = self.links.get_mut(&peer) {
            link.choke(choking);
            self.offer_all(now, peer);
        }
    }

    pub(super) fn has(&mut self, now: Now, id: TransferId, peer: PeerId, blocks: Blocks) {
        self.learns(now, id, peer, |downloads| {
            if let Some(transfer) = downloads.transfers.get_mut(&id) {
                transfer.swarm.has(peer, blocks, &mut transfer.board, &mut downloads.rng);
            }
        });
    }

    pub(super) fn has_one(&mut self, now: Now, id: TransferId, peer: PeerId, block: u32) {
        self.learns(now, id, peer, |downloads| {
            if let Some(transfer) = downloads.transfers.get_mut(&id) {
                transfer.swarm.has_one(peer, block, &mut transfer.board, &mut downloads.rng);
            }
        });
    }

    /// What a peer has changes, and so may whether we want anything of it.
    fn learns(&mut self, now: Now, id: TransferId, peer: PeerId, change: impl FnOnce(&mut Self)) {
        let was_useful = self.is_useful(id, peer);
        change(self);
        let is_useful = self.is_useful(id, peer);
        if was_useful != is_useful {
            self.want(id, vec![peer], is_useful);
        }
        self.offer(now, id, peer);
    }

    fn is_useful(&self, id: TransferId, peer: PeerId) -> bool {
        let member = self.transfers.get(&id).and_then(|transfer| transfer.swarm.get(&peer));
        member.is_some_and(|member| member.is_useful())
    }

    /// Tells peers whether we want anything of them. While a transfer stands still, we do not.
    pub(super) fn want(&mut self, id: TransferId, peers: Vec<PeerId>, wanting: bool) {
        if self.transfers.get(&id).is_some_and(|transfer| transfer.is_running()) {
            self.outputs.extend(peers.into_iter().map(|peer| Output::Want { transfer: id, peer, wanting }));
        }
    }

    /// Tells all peers of a transfer that begins or ceases to stand still.
    pub(super) fn want_all(&mut self, id: TransferId, wanting: bool) {
        let Some(transfer) = self.transfers.get(&id) else { return };
        let is_useful = |peer: &PeerId| transfer.swarm.get(peer).is_some_and(|member| member.is_useful());
        let useful = transfer.swarm.peers().filter(is_useful);
        self.outputs.extend(useful.map(|peer| Output::Want { transfer: id, peer, wanting }));
    }

    // ---- more of them

    /// Looks for peers if there are too few, or if they bring nothing.
    pub(super) fn look_for_peers(&mut self, now: Now, id: TransferId) {
        let Some(transfer) = self.transfers.get_mut(&id).filter(|transfer| transfer.is_running()) else { return };
        let is_stuck = now.mono_ms.saturating_sub(transfer.progressed_ms) >= NO_PROGRESS_MS;
        let wait_ms = if is_stuck || transfer.swarm.useful() < FEW_PEERS {
            self.outputs.push_back(Output::NeedPeers { transfer: id });
            transfer.need_again = now.after(NEED.first_ms);
            transfer.need.fail(NEED, &mut self.rng)
        } else {
            transfer.need.reset();
            NEED_CHECK_MS
        };
        self.wakes.set(Wake::Needs(id), Some(now.after(wait_ms)));
    }

    /// A peer left. If nobody has anything for us any more, others are looked for before long.
    fn need_soon(&mut self, now: Now, id: TransferId) {
        let Some(transfer) = self.transfers.get_mut(&id).filter(|transfer| transfer.is_running()) else { return };
        if transfer.swarm.useful() == 0 {
            transfer.need.reset();
            self.wakes.set(Wake::Needs(id), Some(transfer.need_again.max(now.after(0))));
        }
    }
}

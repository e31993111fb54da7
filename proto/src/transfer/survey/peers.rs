//! Peers that come and go, and what they say the share is.

use std::collections::btree_map::Entry;

use libp2p_identity::PeerId;

use super::{Claim, FEW_PEERS, NEED, NEED_CHECK_MS, NO_PROGRESS_MS, Output, Stage, Survey, Trial, Wake};
use crate::{blob::manifest::Content, time::Now, transfer::download::Misdeed};

impl Survey {
    pub(super) fn peer_up(&mut self, now: Now, peer: PeerId, content: Option<Content>) {
        if self.crew.is_banned(&peer) {
            return;
        }
        if content.is_some_and(|content| content.id() != self.share || !content.is_possible()) {
            self.ban(peer, Misdeed::Lies);
            return;
        }
        let said = content.map(|content| (Claim::of(&content), content));
        if let (Some(known), Some((claim, _))) = (self.claim(), said)
            && claim != known
        {
            if self.is_proven {
                self.ban(peer, Misdeed::Lies);
            } else {
                self.part(now, peer);
            }
            return;
        }
        if !self.seat(now, peer) {
            return;
        }
        self.crew.rested(&peer);
        self.wakes.set(Wake::Rested(peer), None);
        if let Some((claim, content)) = said.filter(|(claim, _)| self.known.content.is_some() || claim.is_provable()) {
            self.says(peer, claim, content);
        }
    }

    /// Gives one a place, unless it has one. Says whether it has one then.
    fn seat(&mut self, now: Now, peer: PeerId) -> bool {
        if self.crew.contains(&peer) {
            return true;
        }
        match self.crew.place() {
            Err(()) => return false,
            Ok(None) => {}
            Ok(Some(other)) => self.part(now, other),
        }
        self.crew.join(peer);
        true
    }

    /// A peer says what the share is.
    fn says(&mut self, peer: PeerId, claim: Claim, content: Content) {
        let Some(member) = self.crew.get_mut(&peer) else { return };
        let before = member.claim.replace(claim);
        if before.is_some_and(|before| before != claim) {
            self.take_back(&peer);
        }
        if let Stage::Proving(trials) = &mut self.stage {
            if let Entry::Vacant(place) = trials.entry(claim) {
                place.insert(Trial::new(content));
            }
            self.drop_trials();
        }
    }

    /// A peer is gone, or is not to be asked.
    pub(super) fn part(&mut self, now: Now, peer: PeerId) {
        if !self.crew.contains(&peer) {
            return;
        }
        self.take_back(&peer);
        self.crew.part(&peer);
        self.forget(peer);
        if self.crew.who_know(self.claim()) == 0 && self.wakes.contains(&Wake::Needs) {
            self.need.reset();
            self.wakes.set(Wake::Needs, Some(self.need_again.max(now.after(0))));
        }
    }

    /// A peer is not to be asked any more.
    pub(super) fn ban(&mut self, peer: PeerId, why: Misdeed) {
        if self.crew.is_banned(&peer) {
            return;
        }
        self.take_back(&peer);
        self.crew.ban(peer);
        self.forget(peer);
        self.outputs.push_back(Output::Ban { peer, why });
    }

    fn forget(&mut self, peer: PeerId) {
        self.wakes.set(Wake::Rested(peer), None);
        self.wakes.set(Wake::Lacked(peer), None);
        self.drop_trials();
    }

    /// Nobody can prove what nobody says.
    fn drop_trials(&mut self) {
        if let Stage::Proving(trials) = &mut self.stage {
            trials.retain(|claim, _| !self.crew.claiming(*claim).is_empty());
        }
    }

    /// Looks for peers if too few know the share, or if they give nothing.
    pub(super) fn look_for_peers(&mut self, now: Now) {
        let is_stuck = self.progressed_ms.is_some_and(|at| now.mono_ms.saturating_sub(at) >= NO_PROGRESS_MS);
        let wait_ms = if is_stuck || self.crew.who_know(self.claim()) < FEW_PEERS {
            self.outputs.push_back(Output::NeedPeers);
            self.need_again = now.after(NEED.first_ms);
            self.need.fail(NEED, &mut self.rng)
        } else {
            self.need.reset();
            NEED_CHECK_MS
        };
        self.wakes.set(Wake::Needs, Some(now.after(wait_ms)));
    }
}

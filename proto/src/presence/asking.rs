//! Whom to ask for a list of a room's members, and when.

use std::collections::BTreeMap;

use libp2p_identity::PeerId;

use crate::{
    ids::Author,
    time::{Deadline, Now},
};

use super::{MAX_MEMBERS, MAX_PAGE_MEMBERS, MAX_PEERS};

/// Whole lists that a newcomer wants: the second one makes up for a first that leaves people out.
const WANTED_LISTS: usize = 2;

/// Questions under way at a time: one slow peer does not hold up the other.
const MAX_ASKED: usize = 2;

/// Milliseconds to wait for an answer before somebody else is asked.
const ANSWER_MS: u64 = 1_000;

/// Milliseconds before a peer that failed to answer is asked again.
const RETRY_MS: u64 = 5_000;

/// Milliseconds that a later peer has to show up as a member before it is asked for its list.
const SETTLE_MS: u64 = 1_000;

/// Pages of one list: as many as the largest room has.
const MAX_PAGES: usize = MAX_MEMBERS / MAX_PAGE_MEMBERS + 1;

/// One peer's part in it.
#[derive(Debug, Clone, Copy)]
enum Peer {
    /// May be asked from this time on.
    AskAt(u64),
    /// Is being asked for a page.
    Asked { id: u64, until_ms: u64, after: Option<Author>, page: usize },
    /// Has a further page, to be asked for now.
    More { after: Author, page: usize },
    /// Need not be asked.
    Done,
}

/// Which peers are in the room and what was asked of them.
#[derive(Default)]
pub(super) struct Asking {
    peers: BTreeMap<PeerId, Peer>,
    lists: usize,
    next_id: u64,
}

impl Asking {
    pub fn any_peer(&self) -> bool {
        !self.peers.is_empty()
    }

    pub fn peer_up(&mut self, now: Now, peer: PeerId) {
        if self.peers.len() < MAX_PEERS {
            let wait_ms = if self.lists < WANTED_LISTS { 0 } else { SETTLE_MS };
            self.peers.entry(peer).or_insert(Peer::AskAt(now.mono_ms.saturating_add(wait_ms)));
        }
    }

    pub fn peer_down(&mut self, peer: PeerId) {
        self.peers.remove(&peer);
        if self.peers.is_empty() {
            // Alone for now: whoever comes next may know a changed room.
            self.lists = 0;
        }
    }

    /// Forgets what was asked and asks anew.
    pub fn restart(&mut self, now: Now) {
        self.lists = 0;
        self.peers.values_mut().for_each(|peer| *peer = Peer::AskAt(now.mono_ms));
    }

    /// Forgets what was asked; answers still to come are nobody's.
    pub fn cancel(&mut self) {
        self.peers.values_mut().for_each(|peer| *peer = Peer::Done);
    }

    /// The next question, with its id and the page it asks for.
    pub fn next(&mut self, now: Now, is_member: impl Fn(&PeerId) -> bool) -> Option<(PeerId, u64, Option<Author>)> {
        for peer in self.peers.values_mut() {
            if matches!(peer, Peer::Asked { until_ms, .. } if *until_ms <= now.mono_ms) {
                *peer = Peer::AskAt(now.mono_ms.saturating_add(RETRY_MS));
            }
        }
        let further = self.peers.iter().find_map(|(id, peer)| match peer {
            Peer::More { after, page } => Some((*id, Some(*after), *page)),
            _ => None,
        });
        let (to, after, page) = further.or_else(|| self.fresh(now, is_member).map(|to| (to, None, 1)))?;
        let id = self.next_id;
        self.next_id += 1;
        let until_ms = now.mono_ms.saturating_add(ANSWER_MS);
        self.peers.insert(to, Peer::Asked { id, until_ms, after, page });
        Some((to, id, after))
    }

    /// A peer to ask for a new list, the longest waiting first.
    fn fresh(&mut self, now: Now, is_member: impl Fn(&PeerId) -> bool) -> Option<PeerId> {
        let asked = self.peers.values().filter(|peer| matches!(peer, Peer::Asked { .. })).count();
        loop {
            let due = |peer: &Peer| match peer {
                Peer::AskAt(at_ms) if *at_ms <= now.mono_ms => Some(*at_ms),
                _ => None,
            };
            let (_, to) = self.peers.iter().filter_map(|(id, peer)| Some((due(peer)?, *id))).min()?;
            let wanted = self.lists < WANTED_LISTS || !is_member(&to);
            if wanted {
                return (asked < MAX_ASKED).then_some(to);
            }
            self.peers.insert(to, Peer::Done);
        }
    }

    /// Matches an answer with its question and returns where its page was to start; `None` when nobody waits for it.
    pub fn answered(&self, from: PeerId, answered: u64) -> Option<Option<Author>> {
        match self.peers.get(&from) {
            Some(Peer::Asked { id, after, .. }) if *id == answered => Some(*after),
            _ => None,
        }
    }

    /// A page was good; `next` is where a further one starts.
    pub fn page_taken(&mut self, from: PeerId, next: Option<Author>) {
        let Some(Peer::Asked { page, .. }) = self.peers.get(&from).copied() else { return };
        let state = match next {
            Some(after) if page < MAX_PAGES => Peer::More { after, page: page + 1 },
            _ => {
                self.lists += 1;
                Peer::Done
            }
        };
        self.peers.insert(from, state);
    }

    /// The peer's answer was no use.
    pub fn refused(&mut self, now: Now, from: PeerId) {
        self.peers.entry(from).and_modify(|peer| *peer = Peer::AskAt(now.mono_ms.saturating_add(RETRY_MS)));
    }

    /// A question failed.
    pub fn failed(&mut self, now: Now, failed: u64) {
        let to = self.peers.iter().find(|(_, peer)| matches!(peer, Peer::Asked { id, .. } if *id == failed));
        if let Some((&to, _)) = to {
            self.refused(now, to);
        }
    }

    pub fn next_deadline(&self) -> Option<Deadline> {
        let asked = self.peers.values().filter(|peer| matches!(peer, Peer::Asked { .. })).count();
        self.peers
            .values()
            .filter_map(|peer| match peer {
                // While enough are being asked, the next is their answer's time.
                Peer::AskAt(at_ms) if asked < MAX_ASKED => Some(Deadline(*at_ms)),
                Peer::Asked { until_ms, .. } => Some(Deadline(*until_ms)),
                _ => None,
            })
            .min()
    }
}

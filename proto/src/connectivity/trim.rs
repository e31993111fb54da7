//! Whom to disconnect when there are too many connections.
//!
//! No one merit decides, since an attacker can have any: age by coming early, usefulness by saying things of its own, luck by coming in
//! numbers. So the places are shared out, as Bitcoin Core does it (Heilman and others, "Eclipse attacks on Bitcoin's peer-to-peer
//! network", 2015):
//!
//! | never trimmed | how many |
//! |---|---|
//! | bootstrap peers, relays, the user's choice | all |
//! | of the others that we dialed: the oldest; then the last to bring something new | half of [`MIN_OUTBOUND`] each |
//! | of those that dialed us: the last to bring something new; then the oldest | each a quarter of what the first line leaves of [`Settings::high`](super::Settings::high) |
//!
//! Of the rest, those go first that share no room with us ([`ROOM_PLACES`] at most do, as far as this goes), then those of whose
//! neighbourhood on the internet there are most, and among these the lot decides.
//!
//! Connections in their time of grace are neither trimmed nor counted: a crowd of newcomers must not push out those that were there
//! before it.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use libp2p_identity::PeerId;
use rand::RngExt;

use crate::time::{Deadline, Now};

use super::{Connectivity, GRACE_MS, MIN_OUTBOUND, PRESSED_GRACE_MS, ROOM_PLACES, book::Neighbourhood};

/// A connection that may be trimmed.
struct Candidate {
    peer: PeerId,
    in_room: bool,
    outbound: bool,
    since_ms: u64,
    useful_ms: Option<u64>,
    neighbourhood: Neighbourhood,
    lot: u64,
}

impl Connectivity {
    /// Disconnects the least useful peers above the high mark, and what we dialed without needing it; says when a further one
    /// can be.
    ///
    /// Who dialed a connection knows whether it is needed: lookups leave many that are not. If the other side closed it, honest
    /// peers, who close, would lose each other, and what is left would be those who never close anything.
    pub(super) fn trim(&mut self, now: Now) -> Option<Deadline> {
        let open: Vec<_> = self.book.links().filter(|(.., link)| !link.closing).collect();
        let inbound = open.iter().filter(|(.., link)| !link.outbound).count();
        let needed = self.settings.low.saturating_sub(inbound).max(MIN_OUTBOUND);
        if open.len() <= self.settings.high && open.len() - inbound <= needed {
            return None;
        }
        let pressed = open.len() * 4 > self.settings.max * 3;
        let grace_ms = if pressed { PRESSED_GRACE_MS } else { GRACE_MS };
        let end_of_grace = |since_ms: u64| Deadline(since_ms.saturating_add(grace_ms));
        let next = open.iter().map(|(.., link)| end_of_grace(link.since_ms)).filter(|end| !now.reached(*end)).min();
        let mature: BTreeSet<PeerId> = open
            .iter()
            .filter(|(.., link)| now.reached(end_of_grace(link.since_ms)))
            .map(|(peer, ..)| **peer)
            .collect();
        let outbound = open.iter().filter(|(peer, _, link)| link.outbound && mature.contains(*peer)).count();
        let (excess, needless) = (mature.len().saturating_sub(self.settings.high), outbound.saturating_sub(needed));
        let mut rest = self.without_a_place(&mature);
        rest.sort_unstable_by_key(|candidate| (candidate.useful_ms, candidate.lot));
        let is_needless = |candidate: &mut Candidate| candidate.outbound && !candidate.in_room;
        let mut going: Vec<Candidate> = rest.extract_if(.., is_needless).take(needless).collect();
        while going.len() < excess
            && let Some(next) = next_of(&rest)
        {
            going.push(rest.swap_remove(next));
        }
        for candidate in going {
            self.keep_out_for_a_while(now, &candidate.peer);
            self.close(candidate.peer);
        }
        next
    }

    /// Those of some connected peers that have none of the places in the table above.
    fn without_a_place(&mut self, among: &BTreeSet<PeerId>) -> Vec<Candidate> {
        let mut all = Vec::new();
        for (peer, entry, link) in self.book.links().filter(|(peer, ..)| among.contains(*peer)) {
            if self.is_replaceable(peer, entry) {
                all.push(Candidate {
                    peer: *peer,
                    in_room: !entry.protection.is_empty(),
                    outbound: link.outbound,
                    since_ms: link.since_ms,
                    useful_ms: link.useful_ms,
                    neighbourhood: link.neighbourhood,
                    lot: 0,
                });
            }
        }
        all.iter_mut().for_each(|candidate| candidate.lot = self.rng.random());
        // Anybody can say that it is in a room.
        all.sort_unstable_by_key(|candidate| (!candidate.in_room, Reverse(candidate.useful_ms), candidate.since_ms));
        all.iter_mut().skip(ROOM_PLACES).for_each(|candidate| candidate.in_room = false);
        let quarter = self.settings.high.saturating_sub(among.len() - all.len()) / 4;
        let (mut dialed, mut others): (Vec<_>, Vec<_>) = all.into_iter().partition(|candidate| candidate.outbound);
        give_places(&mut dialed, MIN_OUTBOUND / 2, |candidate| candidate.since_ms);
        give_places(&mut dialed, MIN_OUTBOUND / 2, |candidate| (Reverse(candidate.useful_ms), candidate.since_ms));
        let useful = others.iter().filter(|candidate| candidate.useful_ms.is_some()).count();
        give_places(&mut others, useful.min(quarter), |candidate| Reverse(candidate.useful_ms));
        give_places(&mut others, quarter, |candidate| candidate.since_ms);
        dialed.append(&mut others);
        dialed
    }
}

/// Takes the first ones by `order` off the list.
fn give_places<K: Ord>(candidates: &mut Vec<Candidate>, places: usize, order: impl Fn(&Candidate) -> K) {
    candidates.sort_by_key(order);
    candidates.drain(..places.min(candidates.len()));
}

/// The index of the one that goes first.
fn next_of(candidates: &[Candidate]) -> Option<usize> {
    let mut neighbours: BTreeMap<(bool, Neighbourhood), usize> = BTreeMap::new();
    for candidate in candidates {
        *neighbours.entry((candidate.in_room, candidate.neighbourhood)).or_default() += 1;
    }
    let order = |candidate: &Candidate| {
        let crowd = neighbours.get(&(candidate.in_room, candidate.neighbourhood)).copied().unwrap_or_default();
        (candidate.in_room, Reverse(crowd), candidate.lot)
    };
    candidates.iter().enumerate().min_by_key(|(_, candidate)| order(candidate)).map(|(index, _)| index)
}

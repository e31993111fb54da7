//! Whom to disconnect when there are too many connections.

use std::{cmp::Reverse, collections::BTreeSet};

use libp2p_identity::PeerId;
use rand::RngExt;

use crate::time::{Deadline, Now};

use super::book::Entry;
use super::{Connectivity, GRACE_MS, MIN_OUTBOUND, PRESSED_GRACE_MS, Reason};

/// How dearly a connection is held; `None` for those that are never trimmed.
fn price(entry: &Entry) -> Option<u8> {
    let room_only = entry.protection.iter().all(|reason| *reason == Reason::Room);
    match (entry.bootstrap || !room_only, entry.protection.is_empty()) {
        (true, _) => None,
        (false, true) => Some(0),
        (false, false) => Some(1),
    }
}

impl Connectivity {
    /// Disconnects the least useful peers above the high mark, and what we dialed without needing it; says when a further one
    /// can be.
    ///
    /// Who dialed a connection knows whether it is needed: lookups leave many that are not. If the other side closed it, honest
    /// peers, who close, would lose each other, and what is left would be those who never close anything.
    ///
    /// Of connections held equally dear those go first that have brought nothing for longest, and among those that never brought
    /// anything chance decides. Were it age, attackers who never close anything would in time hold every place; were it youth,
    /// attackers who always come again.
    ///
    /// Connections in their time of grace are neither trimmed nor counted: a crowd of newcomers must not push out those that
    /// were there before it. Nor is the crowd to be all that we see: the best of those that we made ourselves stay.
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
        let mature: Vec<_> = open.into_iter().filter(|(.., link)| now.reached(end_of_grace(link.since_ms))).collect();
        let excess = mature.len().saturating_sub(self.settings.high);
        let needless = mature.iter().filter(|(.., link)| link.outbound).count().saturating_sub(needed);
        let kept = self.best_outbound();
        let rng = &mut self.rng;
        let mut cheapest: Vec<(u8, Option<u64>, u64, PeerId, bool)> = mature
            .into_iter()
            .filter(|(peer, ..)| !kept.contains(*peer))
            .filter(|(peer, ..)| !self.unnamed.values().any(|unnamed| unnamed.peer == Some(**peer)))
            .filter_map(|(peer, entry, link)| Some((price(entry)?, link.useful_ms, rng.random(), *peer, link.outbound)))
            .collect();
        cheapest.sort_unstable();
        let is_needless = |(price, .., outbound): &mut (u8, _, _, _, bool)| *price == 0 && *outbound;
        let mut going: Vec<_> = cheapest.extract_if(.., is_needless).take(needless).collect();
        let further = excess.saturating_sub(going.len());
        going.extend(cheapest.into_iter().take(further));
        going.into_iter().for_each(|(.., peer, _)| self.close(peer));
        next
    }

    /// Of the connections that we made ourselves the [`MIN_OUTBOUND`] that were the last to bring something new; where none did,
    /// the oldest.
    fn best_outbound(&self) -> BTreeSet<PeerId> {
        let outbound = self.book.links().filter(|(.., link)| link.outbound && !link.closing);
        let mut best: Vec<(Reverse<Option<u64>>, u64, PeerId)> =
            outbound.map(|(peer, _, link)| (Reverse(link.useful_ms), link.since_ms, *peer)).collect();
        best.sort_unstable();
        best.into_iter().take(MIN_OUTBOUND).map(|(.., peer)| peer).collect()
    }
}

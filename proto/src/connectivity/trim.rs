//! Whom to disconnect when there are too many connections.

use libp2p_identity::PeerId;

use crate::time::{Deadline, Now};

use super::book::Entry;
use super::{Connectivity, GRACE_MS, Output, Reason};

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
    /// Disconnects the least useful peers above the high mark, and says when a further one can be.
    pub(super) fn trim(&mut self, now: Now) -> Option<Deadline> {
        let open: Vec<_> = self.book.links().filter(|(.., link)| !link.closing).collect();
        let mut excess = open.len().saturating_sub(self.settings.high);
        if excess == 0 {
            return None;
        }
        let mut cheapest: Vec<(u8, u64, PeerId)> = open
            .into_iter()
            .filter(|(peer, ..)| !self.is_unnamed_bootstrap(peer))
            .filter_map(|(peer, entry, link)| Some((price(entry)?, u64::MAX - link.since_ms, *peer)))
            .collect();
        cheapest.sort_unstable();
        let mut next = None;
        for (_, age, peer) in cheapest {
            let due = Deadline((u64::MAX - age).saturating_add(GRACE_MS));
            if excess == 0 {
                return None;
            }
            if !now.reached(due) {
                next = Deadline::earliest(next, Some(due));
                continue;
            }
            if let Some(link) = self.book.entries.get_mut(&peer).and_then(|entry| entry.link.as_mut()) {
                link.closing = true;
                self.outputs.push_back(Output::Disconnect(peer));
                excess -= 1;
            }
        }
        if excess == 0 { None } else { next }
    }
}

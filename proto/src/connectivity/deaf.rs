//! What to do when nobody tells us anything.
//!
//! Attackers who only hold their tongue are connected for longer than anybody, since they never close anything. A node that they
//! surround hears nothing at all: not even that somebody is there, which members of a room say all the time. So when no peer has
//! brought anything new for [`DEAF_MS`], the peer that we dialed first goes, and makes place for another.

use libp2p_identity::PeerId;

use crate::time::{Deadline, Now};

use super::{Connectivity, DEAF_MS, MIN_OUTBOUND};

impl Connectivity {
    /// Replaces one connection if we have heard nothing for long, and says when that will be.
    pub(super) fn replace_if_deaf(&mut self, now: Now) -> Option<Deadline> {
        let open = || self.book.links().filter(|(.., link)| !link.closing);
        let outbound = || open().filter(|(.., link)| link.outbound);
        if outbound().count() < MIN_OUTBOUND {
            return None;
        }
        // Whoever came last is given as long to say something.
        let newest_ms = outbound().map(|(.., link)| link.since_ms).max()?;
        let heard_ms = open().filter_map(|(.., link)| link.useful_ms).max().unwrap_or_default();
        let strangers = outbound()
            .filter(|(peer, entry, _)| {
                !entry.bootstrap && entry.protection.is_empty() && !self.is_unnamed_bootstrap(peer)
            })
            .map(|(peer, _, link)| (link.since_ms, *peer));
        let (_, oldest): (u64, PeerId) = strangers.min()?;
        let due = Deadline(newest_ms.max(heard_ms).saturating_add(DEAF_MS));
        if !now.reached(due) {
            return Some(due);
        }
        self.close(oldest);
        // With one less than the minimum, another is dialed.
        None
    }
}

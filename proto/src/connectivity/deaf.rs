//! What to do when the peers that we dialed are of no use.
//!
//! Attackers who only hold their tongue are connected for longer than anybody, since they never close anything. A node that they
//! surround hears nothing at all: not even that somebody is there, which members of a room say all the time. So when nobody has
//! brought anything for [`DEAF_MS`], the peer that we dialed first goes, and makes place for another.
//!
//! Attackers who do talk are not found out that way. So whatever is heard, every [`ROTATE_MS`] one that we dialed makes place: the
//! one that has brought nothing new for longest, but none of the oldest half.

use libp2p_identity::PeerId;

use crate::time::{Deadline, Now};

use super::{Connectivity, DEAF_MS, MIN_OUTBOUND, ROTATE_MS};

impl Connectivity {
    /// Somebody brought something valid that we had not heard before. Cheap: called for each message.
    pub fn heard(&mut self, now: Now) {
        self.heard_ms = now.mono_ms;
    }

    /// Replaces one connection if it is time, and says when it will be.
    pub(super) fn replace_outbound(&mut self, now: Now) -> Option<Deadline> {
        let outbound = || self.book.links().filter(|(.., link)| !link.closing && link.outbound);
        if outbound().count() < MIN_OUTBOUND {
            return None;
        }
        // Whoever came last is given as long to say something.
        let newest_ms = outbound().map(|(.., link)| link.since_ms).max()?;
        let mut strangers: Vec<(u64, Option<u64>, PeerId)> = outbound()
            .filter(|(peer, entry, _)| self.is_replaceable(peer, entry))
            .map(|(peer, _, link)| (link.since_ms, link.useful_ms, *peer))
            .collect();
        strangers.sort_unstable();
        let (_, _, oldest) = *strangers.first()?;
        let younger = strangers.iter().skip(MIN_OUTBOUND / 2);
        let idlest = younger.min_by_key(|(since_ms, useful_ms, _)| (*useful_ms, *since_ms)).map(|(.., peer)| *peer);
        let deaf = Deadline(newest_ms.max(self.heard_ms).saturating_add(DEAF_MS));
        let rotation = Deadline(newest_ms.saturating_add(ROTATE_MS));
        // With one less than the minimum, another is dialed.
        if now.reached(deaf) {
            self.close(oldest);
        } else if now.reached(rotation)
            && let Some(idlest) = idlest
        {
            self.close(idlest);
        } else {
            return idlest.map_or(Some(deaf), |_| Some(deaf.min(rotation)));
        }
        None
    }
}

//! Peers that refuse our events because they find our clock ahead.

use std::collections::BTreeMap;

use libp2p::PeerId;

use super::context::Cx;

/// The connected peers of one room that do, and by how many milliseconds.
#[derive(Debug, Default)]
pub struct Refusals {
    by: BTreeMap<PeerId, u64>,
}

impl Refusals {
    /// A peer says so. The user is told once for each peer: whoever repeats it is not more right.
    pub fn note(&mut self, cx: &Cx, peer: PeerId, ahead_ms: u64) {
        if self.by.insert(peer, ahead_ms).is_none() {
            cx.warn(format!(
                "{peer} does not take our messages: it finds our clock {} minutes ahead; check this machine's clock",
                ahead_ms / 60_000
            ));
        }
    }

    /// A peer is gone.
    pub fn forget(&mut self, peer: &PeerId) {
        self.by.remove(peer);
    }

    /// The largest number of milliseconds, and how many peers there are.
    pub fn worst(&self) -> Option<(u64, usize)> {
        Some((*self.by.values().max()?, self.by.len()))
    }
}

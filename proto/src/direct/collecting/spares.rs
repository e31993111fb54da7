//! Mailboxes that may be tried, and those that may not.

use std::collections::BTreeMap;

use libp2p_identity::PeerId;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{MAX_SHUNNED, MAX_SPARES};
use crate::{
    direct::card::Mailbox,
    time::{Deadline, Now},
};

/// Mailboxes that are not in use.
#[derive(Debug, Clone, Default)]
pub struct Spares {
    waiting: BTreeMap<PeerId, Mailbox>,
    shunned: BTreeMap<PeerId, Deadline>,
}

impl Spares {
    /// Remembers a mailbox that was found.
    pub fn add(&mut self, now: Now, mailbox: Mailbox) {
        let Ok(peer) = PeerId::from_bytes(&mailbox.peer) else { return };
        self.shunned.retain(|_, until| !now.reached(*until));
        let has_room = self.waiting.len() < MAX_SPARES || self.waiting.contains_key(&peer);
        if mailbox.is_within_bounds() && has_room && !self.shunned.contains_key(&peer) {
            self.waiting.insert(peer, mailbox);
        }
    }

    /// Takes one by chance, so that not all recipients go to the same.
    pub fn take(&mut self, rng: &mut ChaCha8Rng) -> Option<(PeerId, Mailbox)> {
        let nth = rng.random_range(0..self.waiting.len().max(1));
        let peer = *self.waiting.keys().nth(nth)?;
        self.waiting.remove_entry(&peer)
    }

    /// Does not take this one for a while.
    pub fn shun(&mut self, peer: PeerId, until: Deadline) {
        self.waiting.remove(&peer);
        self.shunned.insert(peer, until);
        if self.shunned.len() > MAX_SHUNNED
            && let Some(first) = self.shunned.iter().min_by_key(|(_, until)| **until).map(|(peer, _)| *peer)
        {
            self.shunned.remove(&first);
        }
    }
}

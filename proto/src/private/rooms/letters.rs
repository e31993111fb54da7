//! Letters that tell of later epochs, until their rooms may move.

use std::collections::BTreeMap;

use super::MOVE_MS;
use crate::{
    ids::ChannelId,
    private::SignedEpoch,
    time::{Deadline, Now},
};

/// The letters: of each room the one with the highest number. A move is felt by all neighbours, so that an owner that writes very many
/// letters must not have its members make very many.
#[derive(Debug, Default)]
pub(super) struct Letters {
    waiting: BTreeMap<ChannelId, SignedEpoch>,
    /// Until when rooms that have moved do not move again.
    rests: BTreeMap<ChannelId, Deadline>,
}

impl Letters {
    /// A later epoch of a room was told. Of two with one number the first stays.
    pub(super) fn note(&mut self, signed: SignedEpoch) {
        let room = signed.epoch().room();
        if self.waiting.get(&room).is_none_or(|waiting| waiting.epoch().number() < signed.epoch().number()) {
            self.waiting.insert(room, signed);
        }
    }

    /// The store did not take these after all.
    pub(super) fn put_back(&mut self, letters: BTreeMap<ChannelId, SignedEpoch>) {
        for signed in std::mem::replace(&mut self.waiting, letters).into_values() {
            self.note(signed);
        }
    }

    /// A letter made a room move, durably.
    pub(super) fn moved(&mut self, now: Now, room: ChannelId) {
        self.rests.insert(room, now.after(MOVE_MS));
    }

    /// Takes those whose rooms may move.
    pub(super) fn take_due(&mut self, now: Now) -> BTreeMap<ChannelId, SignedEpoch> {
        self.rests.retain(|_, rest| !now.reached(*rest));
        let (resting, due) =
            std::mem::take(&mut self.waiting).into_iter().partition(|(room, _)| self.rests.contains_key(room));
        self.waiting = resting;
        due
    }

    /// When the next room whose letter waits may move.
    pub(super) fn deadline(&self) -> Option<Deadline> {
        self.waiting.keys().filter_map(|room| self.rests.get(room)).min().copied()
    }
}

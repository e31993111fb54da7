//! What happened by itself and waits to become part of records.

use std::collections::{BTreeMap, BTreeSet};

use super::{MAX_MEMBERS, Record};
use crate::{
    ids::{Author, ChannelId},
    private::SignedEpoch,
};

/// The notes.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// Who was seen in which channel, one of ours.
    seen: BTreeSet<(ChannelId, Author)>,
    /// Whose letter about which channel is durable.
    told: BTreeSet<(ChannelId, Author)>,
    /// Later epochs of rooms that may move.
    pub(super) letters: BTreeMap<ChannelId, SignedEpoch>,
}

impl Notes {
    pub(super) fn is_empty(&self) -> bool {
        self.seen.is_empty() && self.told.is_empty() && self.letters.is_empty()
    }

    /// Somebody was seen in the current channel of `record`, which is ours.
    pub(super) fn seen(&mut self, record: &Record, who: Author) {
        let channel = record.epoch().channel();
        let waiting = self.seen.range((channel, Author([0; 32]))..=(channel, Author([0xff; 32]))).count();
        if record.members.len() + waiting < MAX_MEMBERS {
            self.seen.insert((channel, who));
        }
    }

    /// A letter that tells of a channel is durable.
    pub(super) fn told(&mut self, channel: ChannelId, who: Author) {
        self.told.insert((channel, who));
    }

    pub(super) fn is_told(&self, channel: ChannelId, who: Author) -> bool {
        self.told.contains(&(channel, who))
    }

    /// The record as the notes about its room make it.
    pub(super) fn apply(&self, record: &Record, now_ms: u64) -> Record {
        let mut next = record.clone();
        let channel = record.epoch().channel();
        let of = |notes: &BTreeSet<(ChannelId, Author)>| -> Vec<Author> {
            notes.iter().filter(|(about, _)| *about == channel).map(|(_, who)| *who).collect()
        };
        for who in of(&self.seen) {
            if next.members.len() < MAX_MEMBERS {
                next.members.insert(who);
            }
        }
        for who in of(&self.told) {
            next.to_tell.remove(&who);
        }
        let letter = self.letters.get(&record.room());
        if let Some(signed) = letter.filter(|signed| signed.epoch().number() > next.epoch().number()) {
            next.move_to(signed.clone(), now_ms);
        }
        next
    }

    /// Notes that the store did not take after all, but for the letters.
    pub(super) fn put_back(&mut self, mut earlier: Notes) {
        self.seen.append(&mut earlier.seen);
        self.told.append(&mut earlier.told);
    }
}

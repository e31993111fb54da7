//! What is kept of a private room.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{KEEP_MS, MAX_MEMBERS, MAX_OLDER, MAX_PAST, MAX_ROOMS};
use crate::{
    channel::RoomName,
    ids::{Author, ChannelId},
    private::{Epoch, Invite, SignedEpoch},
    wire::{self, DecodeError},
};

/// Bytes: the largest record.
pub const MAX_RECORD_BYTES: usize = 32 * 1024;

const _: () =
    assert!(2 * 32 * MAX_MEMBERS + 32 * MAX_OLDER + 256 * (MAX_PAST + 2) + 1024 < MAX_RECORD_BYTES && MAX_ROOMS > 0);

/// An epoch whose secret we have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldEpoch {
    /// The epoch.
    pub signed: SignedEpoch,
    /// When it became the current one here, by our clock in milliseconds.
    pub since_ms: u64,
}

/// All that is kept of a private room, under the room's own id. Its secrets are never shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// What the user calls it.
    pub name: RoomName,
    /// Whether we are in it.
    pub joined: bool,
    /// The latest epoch that we know.
    pub current: HeldEpoch,
    /// Those before it in whose channels we stay, the newest first; at most [`MAX_PAST`].
    pub past: Vec<HeldEpoch>,
    /// The channels of those before them, the newest first; at most [`MAX_OLDER`].
    pub older: Vec<ChannelId>,
    /// Members that were seen in the current epoch, or are to be in it. Only the owner notes them.
    pub members: BTreeSet<Author>,
    /// Members that were not told of the current epoch yet.
    pub to_tell: BTreeSet<Author>,
}

impl Record {
    /// A room that we come into.
    pub fn new(name: RoomName, signed: SignedEpoch, since_ms: u64) -> Self {
        Self {
            name,
            joined: true,
            current: HeldEpoch { signed, since_ms },
            past: Vec::new(),
            older: Vec::new(),
            members: BTreeSet::new(),
            to_tell: BTreeSet::new(),
        }
    }

    /// The current epoch.
    pub fn epoch(&self) -> &Epoch {
        self.current.signed.epoch()
    }

    /// The room.
    pub fn room(&self) -> ChannelId {
        self.epoch().room()
    }

    /// Who makes its epochs.
    pub fn owner(&self) -> Author {
        self.epoch().owner()
    }

    /// All channels in which its history lies, the newest first.
    pub fn channels(&self) -> Vec<ChannelId> {
        let past = self.past.iter().map(|held| held.signed.epoch().channel());
        [self.epoch().channel()].into_iter().chain(past).chain(self.older.iter().copied()).collect()
    }

    /// The invitation to the current epoch, without addresses.
    pub fn invite(&self) -> Invite {
        Invite { name: self.name.clone(), signed: self.current.signed.clone(), addresses: Vec::new() }
    }

    /// As bytes, to be kept where nobody else can read.
    pub fn encode(&self) -> Vec<u8> {
        wire::encode(self)
    }

    /// From the bytes that [`Record::encode`] gave.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        wire::decode::<Self, MAX_RECORD_BYTES>(bytes)
    }

    /// Another epoch takes the place of the current one.
    pub(super) fn move_to(&mut self, signed: SignedEpoch, now_ms: u64) {
        let before = std::mem::replace(&mut self.current, HeldEpoch { signed, since_ms: now_ms });
        self.past.insert(0, before);
        self.forget_past(MAX_PAST);
    }

    /// Whether a past epoch's time is over.
    pub(super) fn is_due(&self, now_ms: u64) -> bool {
        self.kept_past(now_ms) < self.past.len()
    }

    /// Forgets the secrets of past epochs whose time is over.
    pub(super) fn expire(&mut self, now_ms: u64) {
        self.forget_past(self.kept_past(now_ms));
    }

    /// How many past epochs were still the current one less than [`KEEP_MS`] ago.
    fn kept_past(&self, now_ms: u64) -> usize {
        let followers = [&self.current].into_iter().chain(&self.past);
        followers.zip(&self.past).take_while(|(after, _)| now_ms < after.since_ms.saturating_add(KEEP_MS)).count()
    }

    fn forget_past(&mut self, keep: usize) {
        let forgotten = self.past.split_off(keep.min(self.past.len()));
        let channels = forgotten.iter().map(|held| held.signed.epoch().channel());
        self.older.splice(0..0, channels);
        self.older.truncate(MAX_OLDER);
    }
}

//! What is known of one peer, and what it asked for.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{FORGIVE_MS, MAX_INTERESTS, MAX_SERVING_EACH, OPTIMISTIC_MS, QUICK_MS, SNUB_MS, Token, debt::Debt};
use crate::{
    time::Now,
    transfer::{MAX_BLOCK_BYTES, TransferId, meter::Meter},
};

/// Milliseconds beyond which it does not matter how long a block took.
const MAX_TOOK_MS: u64 = 60_000;

/// Whether a peer is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is not.
    Choked,
    /// It is, on its merits, since so many milliseconds after the start.
    Regular(u64),
    /// It is, by chance, since then.
    Optimistic(u64),
}

/// A question in line.
#[derive(Debug, Clone, Copy)]
pub struct Question {
    /// Its name.
    pub token: Token,
    /// Of which transfer.
    pub transfer: TransferId,
    /// Bytes of the block.
    pub len: u32,
}

/// A peer.
#[derive(Debug)]
pub struct Peer {
    interests: BTreeSet<TransferId>,
    /// Whether it is served.
    pub standing: Standing,
    /// What it was told of that last.
    pub told: Option<bool>,
    /// When it last was served; never, if it is new.
    pub served_ms: Option<u64>,
    /// Its questions, oldest first.
    pub queue: VecDeque<Question>,
    serving: BTreeMap<Token, u32>,
    serving_bytes: u64,
    /// Milliseconds from the turn of a block until it is sent, of late.
    takes_ms: Option<u64>,
    given: Meter,
    taken: Meter,
    /// Whether we want what it has.
    wanting: bool,
    debt: Debt,
}

impl Peer {
    /// One of whom nothing is known.
    pub fn new() -> Self {
        Self {
            interests: BTreeSet::new(),
            standing: Standing::Choked,
            told: None,
            served_ms: None,
            queue: VecDeque::new(),
            serving: BTreeMap::new(),
            serving_bytes: 0,
            takes_ms: None,
            given: Meter::default(),
            taken: Meter::default(),
            wanting: false,
            debt: Debt::default(),
        }
    }

    /// Whether it wants anything.
    pub fn is_interested(&self) -> bool {
        !self.interests.is_empty()
    }

    /// Whether it is served.
    pub fn is_served(&self) -> bool {
        self.standing != Standing::Choked
    }

    /// It wants something of a transfer, or no longer.
    pub fn interest(&mut self, transfer: TransferId, interested: bool) {
        if !interested {
            self.interests.remove(&transfer);
        } else if self.interests.len() < MAX_INTERESTS {
            self.interests.insert(transfer);
        }
    }

    /// It is served from now on, or no longer.
    pub fn stand(&mut self, now: Now, standing: Standing) {
        let was_served = self.is_served();
        if !was_served && self.is_forgiven(now) {
            self.debt.clear(now);
        }
        self.standing = standing;
        if was_served || self.is_served() {
            self.served_ms = Some(now.mono_ms);
        }
        self.debt.grow(now, self.wanting && self.is_served());
    }

    /// We want something of it, or no longer.
    pub fn want(&mut self, now: Now, wanting: bool) {
        self.wanting = wanting;
        self.debt.grow(now, wanting && self.is_served());
    }

    /// It gave us something.
    pub fn gave(&mut self, now: Now, bytes: u32) {
        self.given.add(now, bytes.into());
        self.debt.clear(now);
    }

    /// Whether it takes and does not give.
    pub fn is_snubbing(&self, now: Now) -> bool {
        self.debt.ms(now) >= SNUB_MS && (self.is_served() || !self.is_forgiven(now))
    }

    fn is_forgiven(&self, now: Now) -> bool {
        self.served_ms.is_none_or(|served| now.mono_ms >= served.saturating_add(FORGIVE_MS))
    }

    /// Bytes that it gave of late.
    pub fn given(&self, now: Now) -> u64 {
        self.given.bytes(now)
    }

    /// Bytes that it took of late.
    pub fn taken(&self, now: Now) -> u64 {
        self.taken.bytes(now)
    }

    /// Whether it is served by chance, and not for long.
    pub fn has_its_chance(&self, now: Now) -> bool {
        matches!(self.standing, Standing::Optimistic(since) if now.mono_ms < since.saturating_add(OPTIMISTIC_MS))
    }

    // ---- what it is served

    /// Whether another block may be served to it besides what is: more, the quicker it takes them.
    pub fn has_room(&self, len: u32) -> bool {
        let slower = self.takes_ms.map_or(2, |takes_ms| takes_ms.div_ceil(QUICK_MS));
        let allowed = (4 / slower.max(1)).max(1) * u64::from(MAX_BLOCK_BYTES);
        let bytes = self.serving_bytes + u64::from(len);
        self.serving.is_empty() || (bytes <= allowed && self.serving.len() < MAX_SERVING_EACH)
    }

    /// A block is being served.
    pub fn serve(&mut self, token: Token, len: u32) {
        self.serving.insert(token, len);
        self.serving_bytes += u64::from(len);
    }

    /// A block was served.
    pub fn served(&mut self, now: Now, token: Token, bytes: u32, took_ms: u64) {
        let Some(len) = self.serving.remove(&token) else { return };
        self.serving_bytes -= u64::from(len);
        self.taken.add(now, bytes.min(len).into());
        let took_ms = took_ms.min(MAX_TOOK_MS);
        self.takes_ms = Some(self.takes_ms.map_or(took_ms, |before| (3 * before + took_ms) / 4));
    }

    /// What is being served to it.
    pub fn serving(&self) -> impl Iterator<Item = Token> {
        self.serving.keys().copied()
    }

    /// How many blocks are being served to it.
    pub fn serving_count(&self) -> usize {
        self.serving.len()
    }
}

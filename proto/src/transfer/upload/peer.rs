//! What is known of one peer, and what it asked for.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{FORGIVE_MS, IDLE_MS, MAX_INTERESTS, MAX_QUEUED_EACH, OPTIMISTIC_MS, SNUB_MS, Token, debt::Debt};
use crate::{
    time::{Deadline, Now},
    transfer::{MAX_BLOCK_BYTES, TransferId, meter::Meter, window::Window},
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
    window: Window,
    /// When a slot was last of use to it.
    used_ms: u64,
    given: Meter,
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
            window: Window::default(),
            used_ms: 0,
            given: Meter::default(),
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
        if !was_served {
            self.used_ms = now.mono_ms;
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

    /// Whether it is served by chance, and not for long.
    pub fn has_its_chance(&self, now: Now) -> bool {
        matches!(self.standing, Standing::Optimistic(since) if now.mono_ms < since.saturating_add(OPTIMISTIC_MS))
    }

    // ---- what it is served

    /// It asks for a block.
    pub fn ask(&mut self, now: Now, question: Question) {
        self.queue.push_back(question);
        self.used_ms = now.mono_ms;
    }

    /// Its slot is idle, and nobody else wants it.
    pub fn keeps_slot(&mut self, now: Now) {
        self.used_ms = now.mono_ms;
    }

    /// When its slot is idle, unless it asks for something.
    pub fn idle_at(&self) -> Option<Deadline> {
        let is_busy = !self.queue.is_empty() || !self.serving.is_empty();
        (self.is_served() && !is_busy).then(|| Deadline(self.used_ms.saturating_add(IDLE_MS)))
    }

    /// Whether another block may be served to it besides what is: a block less than its window, for that one waits in line here, where it
    /// is in nobody's way. Before anything arrived, the whole of it.
    pub fn has_room(&self, now: Now, len: u32) -> bool {
        let in_line = self.window.usual_ms().map_or(0, |_| u64::from(MAX_BLOCK_BYTES));
        let is_within = self.serving_bytes + u64::from(len) + in_line <= self.window.bytes(now);
        self.serving.is_empty() || (is_within && self.serving.len() < MAX_QUEUED_EACH)
    }

    /// A block is being served.
    pub fn serve(&mut self, token: Token, len: u32) {
        self.serving.insert(token, len);
        self.serving_bytes += u64::from(len);
    }

    /// A block has arrived, so long after its turn; or it never will.
    pub fn served(&mut self, now: Now, token: Token, took_ms: Option<u64>) {
        let Some(len) = self.serving.remove(&token) else { return };
        if let Some(took_ms) = took_ms {
            let in_line = if self.queue.is_empty() { 0 } else { u64::from(MAX_BLOCK_BYTES) };
            self.window.delivered(now, took_ms.min(MAX_TOOK_MS), len.into(), self.serving_bytes + in_line);
        }
        self.serving_bytes -= u64::from(len);
        self.used_ms = now.mono_ms;
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

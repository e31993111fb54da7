//! What servers said of one address.

use std::collections::VecDeque;

use libp2p_identity::PeerId;

use super::{AGAIN_MS, LATEST_MS, MAX_WORDS, UNANSWERED_MS, VALID_MS};
use crate::time::{Deadline, Now};

#[derive(Debug, Clone, Copy)]
struct Word {
    server: PeerId,
    reachable: bool,
    until: Deadline,
}

/// An address of this node.
#[derive(Debug)]
pub struct Address {
    /// Whether the user says that it is ours.
    pub configured: bool,
    /// In which order it was named.
    pub number: u64,
    /// Whether it was told to be reachable.
    pub told: bool,
    /// The last word of each server, the oldest first.
    words: VecDeque<Word>,
    /// When servers are asked again.
    again: Deadline,
    /// How long to wait after the next word that it is unreachable.
    wait_ms: u64,
}

impl Address {
    /// One of which nobody has said anything.
    pub fn new(now: Now, configured: bool, number: u64) -> Self {
        Self { configured, number, told: false, words: VecDeque::new(), again: now.after(0), wait_ms: AGAIN_MS }
    }

    /// A server has tried.
    pub fn tested(&mut self, now: Now, server: PeerId, reachable: bool) {
        self.words.retain(|word| word.server != server);
        if self.words.len() >= MAX_WORDS {
            self.words.pop_front();
        }
        self.words.push_back(Word { server, reachable, until: now.after(VALID_MS) });
        if self.judge(now) == Some(true) {
            self.wait_ms = AGAIN_MS;
            self.again = now.after(AGAIN_MS);
        } else {
            self.again = now.after(self.wait_ms);
            self.wait_ms = (2 * self.wait_ms).min(LATEST_MS);
        }
    }

    /// The node is elsewhere: all has to be asked again.
    pub fn forget(&mut self, now: Now) {
        (self.words, self.again, self.wait_ms) = (VecDeque::new(), now.after(0), AGAIN_MS);
    }

    /// How many servers reached it, and how many did not.
    pub fn words(&self, now: Now) -> (usize, usize) {
        let valid = || self.words.iter().filter(|word| !now.reached(word.until));
        let yes = valid().filter(|word| word.reachable).count();
        (yes, valid().count() - yes)
    }

    /// Whether it is reachable; `None` if nobody has said anything.
    pub fn judge(&self, now: Now) -> Option<bool> {
        match self.words(now) {
            _ if self.configured => Some(true),
            (0, 0) if self.words.is_empty() => None,
            // What it was told to be it stays, if as many say so as say not, or nobody has said anything for long.
            (yes, no) if yes == no => Some(self.told),
            (yes, no) => Some(yes > no),
        }
    }

    /// Whether servers are to be asked now; they count as asked then.
    pub fn ask(&mut self, now: Now) -> bool {
        let is_due = !self.configured && now.reached(self.again);
        if is_due {
            self.again = now.after(UNANSWERED_MS);
        }
        is_due
    }

    /// When servers are to be asked.
    pub fn due(&self) -> Option<Deadline> {
        (!self.configured).then_some(self.again)
    }
}

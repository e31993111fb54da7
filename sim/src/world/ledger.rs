//! What was said, and to whom it was shown when: the account from which most figures are made.
//!
//! A message is entered when the node that says it has acknowledged it, which it does once it is durable. It counts as shown where a
//! node reported it to its user. What a hostile host says is not entered.

use std::collections::{BTreeMap, HashMap};

use crate::world::history::{Deed, History};

/// Milliseconds after which a message that is not yet shown is not live any more.
pub const LIVE_MS: u64 = 10_000;

/// Messages of which an account is kept. Each costs 4 bytes a host; further ones are said, but not accounted for.
pub const MAX_MESSAGES: usize = 1_000_000;

/// Not shown.
const NEVER: u32 = u32::MAX;

/// One message.
pub struct Message {
    /// Index of its room.
    pub room: usize,
    /// Its author.
    pub author: usize,
    /// When its author's user said it.
    pub said_ms: u64,
    /// By host, milliseconds from then until it was shown there.
    shown: Vec<u32>,
}

impl Message {
    /// Milliseconds from when it was said until it was shown to a host's user.
    pub fn latency_ms(&self, host: usize) -> Option<u64> {
        self.shown.get(host).filter(|after| **after != NEVER).map(|after| u64::from(*after))
    }
}

/// From when until when a host was up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// Milliseconds.
    pub from_ms: u64,
    /// Milliseconds; `None` is still up.
    pub until_ms: Option<u64>,
}

/// The account.
#[derive(Default)]
pub struct Ledger {
    hosts: usize,
    messages: Vec<Message>,
    /// Never iterated.
    by_id: HashMap<[u8; 32], usize>,
    /// Shown before its author's node acknowledged it, which it may never do when it crashes meanwhile.
    early: BTreeMap<[u8; 32], Vec<(usize, u64)>>,
    /// By author, the ids of its messages with their rooms.
    acknowledged: BTreeMap<usize, Vec<([u8; 32], usize)>>,
    refused: u64,
    count_shown: u64,
    /// Messages that were shown to one user twice: host and message.
    twice: Vec<(usize, usize)>,
    /// What each host did last.
    pub history: History,
}

impl Ledger {
    /// For so many hosts.
    pub fn new(hosts: usize) -> Self {
        Self { hosts, history: History::new(hosts), ..Self::default() }
    }

    /// All messages, in the order of their acknowledgement.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// How often a message was shown, over all hosts.
    pub fn count_shown(&self) -> u64 {
        self.count_shown
    }

    /// Messages that nodes refused to say.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// A node acknowledged a message.
    pub fn said(&mut self, now_ms: u64, id: [u8; 32], room: usize, author: usize, said_ms: u64) {
        self.history.note(author, now_ms, Deed::Said(id));
        self.acknowledged.entry(author).or_default().push((id, room));
        if self.messages.len() >= MAX_MESSAGES {
            return;
        }
        self.by_id.insert(id, self.messages.len());
        self.messages.push(Message { room, author, said_ms, shown: vec![NEVER; self.hosts] });
        for (host, at_ms) in self.early.remove(&id).unwrap_or_default() {
            self.enter(at_ms, host, id);
        }
    }

    /// A node refused to say something.
    pub fn refuse(&mut self, now_ms: u64, author: usize) {
        self.history.note(author, now_ms, Deed::Refused);
        self.refused += 1;
    }

    /// A node showed a message to its user.
    pub fn shown(&mut self, now_ms: u64, host: usize, id: [u8; 32]) {
        self.history.note(host, now_ms, Deed::Shown(id));
        if self.by_id.contains_key(&id) {
            self.enter(now_ms, host, id);
        } else {
            self.early.entry(id).or_default().push((host, now_ms));
        }
    }

    /// A user read a message in the history, having missed the report of it.
    pub fn read(&mut self, now_ms: u64, host: usize, id: [u8; 32]) {
        let known = self.by_id.get(&id).and_then(|index| self.messages[*index].latency_ms(host));
        if known.is_none() {
            self.shown(now_ms, host, id);
        }
    }

    fn enter(&mut self, now_ms: u64, host: usize, id: [u8; 32]) {
        let Some(index) = self.by_id.get(&id) else { return };
        let message = &mut self.messages[*index];
        if message.shown[host] != NEVER {
            self.twice.push((host, *index));
            return;
        }
        self.count_shown += 1;
        message.shown[host] = u32::try_from(now_ms.saturating_sub(message.said_ms)).unwrap_or(NEVER - 1);
    }

    /// A message that was shown to one user twice since this was last asked: host and author.
    pub fn take_twice(&mut self) -> Option<(usize, usize)> {
        let (host, message) = self.twice.pop()?;
        Some((host, self.messages[message].author))
    }

    /// What a host's node has acknowledged: ids with the indices of their rooms.
    pub fn acknowledged(&self, author: usize) -> &[([u8; 32], usize)] {
        self.acknowledged.get(&author).map_or(&[], Vec::as_slice)
    }
}

/// Whether one session covers a span.
pub fn covers(sessions: &[Session], from_ms: u64, until_ms: u64) -> bool {
    sessions.iter().any(|session| session.from_ms <= from_ms && session.until_ms.is_none_or(|end| end >= until_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_shown_before_its_acknowledgement_is_counted_from_when_it_was_said() {
        let mut ledger = Ledger::new(3);
        ledger.shown(130, 1, [1; 32]);
        ledger.said(140, [1; 32], 0, 0, 100);
        ledger.shown(150, 2, [1; 32]);
        let shown: Vec<_> = (0..3).map(|host| ledger.messages()[0].latency_ms(host)).collect();
        assert_eq!(shown, [None, Some(30), Some(50)]);
        assert_eq!(ledger.take_twice(), None);
    }

    #[test]
    fn what_is_shown_twice_is_told_and_what_is_read_again_is_not() {
        let mut ledger = Ledger::new(2);
        ledger.said(0, [1; 32], 0, 0, 0);
        ledger.shown(5, 1, [1; 32]);
        ledger.read(6, 1, [1; 32]);
        assert_eq!(ledger.take_twice(), None);
        ledger.shown(7, 1, [1; 32]);
        assert_eq!(ledger.take_twice(), Some((1, 0)));
    }

    #[test]
    fn a_span_is_covered_by_one_session_alone() {
        let sessions = [Session { from_ms: 0, until_ms: Some(10) }, Session { from_ms: 10, until_ms: None }];
        assert!(covers(&sessions, 2, 10) && covers(&sessions, 10, 90));
        assert!(!covers(&sessions, 5, 15));
    }
}

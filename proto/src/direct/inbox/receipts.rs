//! Receipts: which we owe, and which of others' are news.

use std::collections::BTreeMap;

use super::{MAX_RECEIPTS, RECEIPT_AGAIN_MS, RECEIPT_DELAY_MS};
use crate::{
    direct::letter::StreamId,
    hlc::Timestamp,
    ids::Author,
    time::{Deadline, Now},
};

/// Receipts owed, and the latest heard.
#[derive(Debug, Default)]
pub struct Receipts {
    /// When to say which.
    due: BTreeMap<(Author, StreamId), Deadline>,
    /// Until when not to repeat which.
    quiet: BTreeMap<(Author, StreamId), Deadline>,
    /// Of each author the date of its latest receipt, by stream of ours.
    heard: BTreeMap<Author, BTreeMap<StreamId, Timestamp>>,
}

impl Receipts {
    /// A stream owes a receipt: soon, unless one is planned already.
    pub fn owe(&mut self, now: Now, who: Author, stream: StreamId) {
        self.owe_after(now, RECEIPT_DELAY_MS, who, stream);
    }

    /// A stream owes a receipt after so many milliseconds.
    pub fn owe_after(&mut self, now: Now, delay_ms: u64, who: Author, stream: StreamId) {
        self.due.entry((who, stream)).or_insert(now.after(delay_ms));
    }

    /// A letter came again for which a receipt may have been sent.
    pub fn repeat(&mut self, now: Now, who: Author, stream: StreamId) {
        let soon = now.after(RECEIPT_DELAY_MS);
        let due = self.quiet.get(&(who, stream)).map_or(soon, |quiet| soon.max(*quiet));
        self.due.entry((who, stream)).or_insert(due);
    }

    /// The streams whose receipts are to be said now.
    pub fn take_due(&mut self, now: Now) -> Vec<(Author, StreamId)> {
        let due: Vec<_> = self.due.extract_if(.., |_, deadline| now.reached(*deadline)).map(|(line, _)| line).collect();
        self.quiet.retain(|_, quiet| !now.reached(*quiet));
        self.quiet.extend(due.iter().map(|line| (*line, now.after(RECEIPT_AGAIN_MS))));
        due
    }

    /// When the next is to be said.
    pub fn deadline(&self) -> Option<Deadline> {
        self.due.values().min().copied()
    }

    /// Whether a receipt of this author's is later than those about this stream before. It is the latest from now on.
    pub fn is_news(&mut self, from: Author, stream: StreamId, at: Timestamp) -> bool {
        let heard = self.heard.entry(from).or_default();
        if heard.get(&stream).is_some_and(|latest| *latest >= at) {
            return false;
        }
        heard.insert(stream, at);
        if heard.len() > MAX_RECEIPTS
            && let Some(oldest) = heard.iter().min_by_key(|(_, at)| **at).map(|(stream, _)| *stream)
        {
            heard.remove(&oldest);
        }
        true
    }

    /// Forgets an author.
    pub fn forget(&mut self, who: &Author) {
        self.due.retain(|(author, _), _| author != who);
        self.quiet.retain(|(author, _), _| author != who);
        self.heard.remove(who);
    }
}

//! Receipts: which we owe, and which of others' are news.

use std::collections::BTreeMap;

use super::{MAX_COPIES, MAX_NOTING, MAX_RECEIPTS, RECEIPT_AGAIN_MS, RECEIPT_DELAY_MS, Source};
use crate::{
    direct::letter::{Receipt, StreamId},
    hlc::Timestamp,
    ids::Author,
    time::{Deadline, Now},
};

/// What is made of a receipt.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// The outbox is to be told. Its source waits until what it says is durable.
    News,
    /// Its source waits for what the outbox was told already.
    Waits,
    /// What it says, or more, is durable.
    Known(Source),
    /// As much as may wait waits already.
    TooMany(Source),
}

/// What is still to be said of a stream after a receipt was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// Nothing.
    All,
    /// It was not the last, or another is planned.
    NotAll,
}

/// Receipts owed, and the latest heard.
#[derive(Debug, Default)]
pub struct Receipts {
    /// When to say which.
    due: BTreeMap<(Author, StreamId), Deadline>,
    /// Until when not to repeat which.
    quiet: BTreeMap<(Author, StreamId), Deadline>,
    /// With the outbox, and not known to be sent.
    out: BTreeMap<(Author, StreamId), Receipt>,
    /// Told to the outbox and not known to be durable there, and from where they came.
    noting: BTreeMap<(Author, StreamId), (Receipt, Vec<Source>)>,
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

    /// One is handed to the outbox.
    pub fn said(&mut self, to: Author, receipt: Receipt) {
        self.out.insert((to, receipt.stream), receipt);
    }

    /// One was sent. What it took the place of, of other streams of the same author, is said again.
    pub fn sent(&mut self, now: Now, to: Author, receipt: &Receipt) -> Said {
        let line = (to, receipt.stream);
        if self.out.get(&line) != Some(receipt) {
            return Said::NotAll;
        }
        self.out.remove(&line);
        for (_, stream) in self.out.extract_if(.., |(who, _), _| *who == to).map(|(line, _)| line).collect::<Vec<_>>() {
            self.owe(now, to, stream);
        }
        if self.due.contains_key(&line) { Said::NotAll } else { Said::All }
    }

    /// When the next is to be said.
    pub fn deadline(&self) -> Option<Deadline> {
        self.due.values().min().copied()
    }

    /// Takes somebody's receipt.
    pub fn hear(&mut self, source: Source, from: Author, at: Timestamp, receipt: &Receipt) -> Heard {
        let line = (from, receipt.stream);
        let noting = self.noting.get(&line);
        let waits = noting.is_some();
        let has_room = noting.map_or(self.noting.len() < MAX_NOTING, |(_, sources)| sources.len() < MAX_COPIES);
        if !has_room {
            return Heard::TooMany(source);
        }
        let is_news = self.is_news(from, receipt.stream, at);
        if !is_news && !waits {
            return Heard::Known(source);
        }
        // The later one says all that those before it said.
        let (latest, sources) = self.noting.entry(line).or_insert_with(|| (receipt.clone(), Vec::new()));
        sources.push(source);
        if !is_news {
            return Heard::Waits;
        }
        latest.clone_from(receipt);
        Heard::News
    }

    /// What a receipt says is durable: the sources that wait for it, unless a later one is on its way.
    pub fn noted(&mut self, from: Author, receipt: &Receipt) -> Vec<Source> {
        let line = (from, receipt.stream);
        if self.noting.get(&line).is_none_or(|(latest, _)| latest != receipt) {
            return Vec::new();
        }
        self.noting.remove(&line).map(|(_, sources)| sources).unwrap_or_default()
    }

    /// Whether a receipt of this author's is later than those about this stream before. It is the latest from now on.
    fn is_news(&mut self, from: Author, stream: StreamId, at: Timestamp) -> bool {
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
        self.out.retain(|(author, _), _| author != who);
        self.heard.remove(who);
    }
}

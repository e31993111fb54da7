//! Receipts: which we owe, and which of others' are not noted yet.

use std::collections::BTreeMap;

use super::{MAX_COPIES, MAX_NOTING, RECEIPT_AGAIN_MS, RECEIPT_DELAY_MS, Source};
use crate::{
    direct::letter::{Receipt, StreamId},
    ids::Author,
    schedule::Schedule,
    time::{Deadline, Now},
};

/// What is made of a receipt.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// The outbox is to be told. Its source waits until what it says is durable.
    News,
    /// Its source waits for what the outbox was told already.
    Waits,
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

/// Receipts about one stream of ours that the outbox was told of.
#[derive(Debug)]
struct Noting {
    /// The last of them.
    latest: Receipt,
    /// How many are not known to be durable; never 0.
    count: usize,
    /// From where they came.
    sources: Vec<Source>,
}

/// Receipts owed, and those heard.
#[derive(Debug, Default)]
pub struct Receipts {
    /// When to say which.
    due: Schedule<(Author, StreamId)>,
    /// Until when not to repeat which.
    quiet: Schedule<(Author, StreamId)>,
    /// With the outbox, and not known to be sent.
    out: BTreeMap<(Author, StreamId), Receipt>,
    /// What the outbox was told and has not noted, by author and stream of ours.
    noting: BTreeMap<(Author, StreamId), Noting>,
}

impl Receipts {
    /// A stream owes a receipt: soon, unless one is planned already.
    pub fn owe(&mut self, now: Now, who: Author, stream: StreamId) {
        self.owe_after(now, RECEIPT_DELAY_MS, who, stream);
    }

    /// A stream owes a receipt after so many milliseconds.
    pub fn owe_after(&mut self, now: Now, delay_ms: u64, who: Author, stream: StreamId) {
        self.due.set_if_none((who, stream), now.after(delay_ms));
    }

    /// A letter came again for which a receipt may have been sent.
    pub fn repeat(&mut self, now: Now, who: Author, stream: StreamId) {
        let soon = now.after(RECEIPT_DELAY_MS);
        let due = self.quiet.get(&(who, stream)).map_or(soon, |quiet| soon.max(quiet));
        self.due.set_if_none((who, stream), due);
    }

    /// The streams whose receipts are to be said now.
    pub fn take_due(&mut self, now: Now) -> Vec<(Author, StreamId)> {
        while self.quiet.pop_due(now).is_some() {}
        let due: Vec<_> = std::iter::from_fn(|| self.due.pop_due(now)).collect();
        due.iter().for_each(|line| self.quiet.set(*line, Some(now.after(RECEIPT_AGAIN_MS))));
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
        if self.due.contains(&line) { Said::NotAll } else { Said::All }
    }

    /// When the next is to be said.
    pub fn deadline(&self) -> Option<Deadline> {
        self.due.first()
    }

    /// Takes somebody's receipt.
    pub fn hear(&mut self, source: Source, from: Author, receipt: &Receipt) -> Heard {
        let line = (from, receipt.stream);
        let count = self.noting.len();
        let Some(noting) = self.noting.get_mut(&line) else {
            if count >= MAX_NOTING {
                return Heard::TooMany(source);
            }
            self.noting.insert(line, Noting { latest: receipt.clone(), count: 1, sources: vec![source] });
            return Heard::News;
        };
        if noting.sources.len() >= MAX_COPIES {
            return Heard::TooMany(source);
        }
        noting.sources.push(source);
        if noting.latest == *receipt {
            return Heard::Waits;
        }
        noting.latest.clone_from(receipt);
        noting.count += 1;
        Heard::News
    }

    /// What a receipt says is durable. The sources of all about this stream, if that was the last on its way.
    pub fn noted(&mut self, from: Author, stream: StreamId) -> Vec<Source> {
        let Some(noting) = self.noting.get_mut(&(from, stream)) else { return Vec::new() };
        noting.count -= 1;
        if noting.count > 0 {
            return Vec::new();
        }
        self.noting.remove(&(from, stream)).map(|noting| noting.sources).unwrap_or_default()
    }

    /// Forgets an author.
    pub fn forget(&mut self, who: &Author) {
        self.due.remove_if(|(author, _)| author == who);
        self.quiet.remove_if(|(author, _)| author == who);
        self.out.retain(|(author, _), _| author != who);
    }
}

//! How authors are told what became of their letters, and we of ours.

use super::{
    Inbox, NotTaken, Output, Source,
    commits::Change,
    receipts::{Heard, Said},
};
use crate::{
    direct::letter::{Receipt, StreamId},
    hlc::Timestamp,
    ids::Author,
    time::Now,
};

impl Inbox {
    /// Somebody whom we know says what became of our letters.
    pub(super) fn receipt(&mut self, now: Now, source: Source, from: Author, at: Timestamp, receipt: &Receipt) {
        match self.receipts.hear(source, from, receipt) {
            Heard::News => self.outputs.push_back(Output::Receipt { from, at, receipt: receipt.clone() }),
            Heard::Waits => {}
            Heard::TooMany(source) => self.decline(now, source, NotTaken::Busy, None),
        }
    }

    /// A text that is durable came, perhaps again. Once it is out of the mailbox, nothing but a receipt tells its author: it may have been
    /// left there because our answer was lost.
    pub(super) fn acknowledge_copy(&mut self, now: Now, source: Source, from: Author, id: StreamId) {
        if matches!(source, Source::Direct { .. }) {
            return self.acknowledge(now, source);
        }
        self.receipts.repeat(now, from, id);
        match self.people.owe(&from, id) {
            Some(state) => self.commit(Change::Owed(from, source), None, None, vec![(from, id, state)]),
            None => self.acknowledge(now, source),
        }
    }

    /// Says the receipt of a stream, if it may.
    pub(super) fn say_receipt(&mut self, to: Author, id: StreamId) {
        let silent = self.people.person(&to).blocked || self.forgetting.contains(&to);
        let Some(stream) = self.people.stream(&to, id).filter(|_| !silent) else { return };
        let receipt = Receipt {
            stream: id,
            delivered_through: stream.delivered.through(),
            delivered: stream.delivered.stretches().to_vec(),
            read_through: if self.read_receipts { stream.read_through } else { 0 },
        };
        self.receipts.said(to, receipt.clone());
        self.outputs.push_back(Output::SendReceipt { to, receipt });
    }

    /// The outbox has sent one.
    pub(super) fn receipt_sent(&mut self, now: Now, to: Author, receipt: &Receipt) {
        let id = receipt.stream;
        // What is on its way to the store owes a receipt of its own, and takes this note back with it.
        if self.receipts.sent(now, to, receipt) == Said::All
            && self.people.is_settled(&to, id)
            && let Some(state) = self.people.change_stream(&to, id, |stream| stream.owed = false)
        {
            self.commit(Change::Said(to), None, None, vec![(to, id, state)]);
        }
    }
}

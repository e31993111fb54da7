//! What mailboxes are to be told has arrived.

use std::collections::{BTreeMap, VecDeque};

use super::{DISCARD_DELAY_MS, Output};
use crate::{
    direct::{letter::EnvelopeId, message::MAX_DISCARDED},
    time::{Deadline, Now},
};

/// The names of arrived letters, by mailbox. Never more than one question's worth each.
#[derive(Debug, Default)]
pub struct Discards {
    mailboxes: BTreeMap<Vec<u8>, Vec<EnvelopeId>>,
    deadline: Option<Deadline>,
}

impl Discards {
    /// Adds one.
    pub fn push(&mut self, now: Now, mailbox: Vec<u8>, id: EnvelopeId, outputs: &mut VecDeque<Output>) {
        let ids = self.mailboxes.entry(mailbox.clone()).or_default();
        ids.push(id);
        if ids.len() >= MAX_DISCARDED {
            let ids = std::mem::take(ids);
            self.mailboxes.remove(&mailbox);
            outputs.push_back(Output::Discard { mailbox, ids });
        }
        self.deadline = self.deadline.or(Some(now.after(DISCARD_DELAY_MS))).filter(|_| !self.mailboxes.is_empty());
    }

    /// Tells the mailboxes, if it is time.
    pub fn handle_timeout(&mut self, now: Now, outputs: &mut VecDeque<Output>) {
        if self.deadline.take_if(|deadline| now.reached(*deadline)).is_some() {
            let all = std::mem::take(&mut self.mailboxes);
            outputs.extend(all.into_iter().map(|(mailbox, ids)| Output::Discard { mailbox, ids }));
        }
    }

    /// When that is.
    pub fn deadline(&self) -> Option<Deadline> {
        self.deadline
    }
}

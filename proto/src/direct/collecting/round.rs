//! One pass through what a mailbox keeps for us.

use std::collections::BTreeSet;

use super::{MAX_GONE, MAX_HELD, MAX_ROUND_PAGES};
use crate::{
    direct::{
        letter::{Envelope, EnvelopeId},
        message::MAX_BATCH_LETTERS,
    },
    ids::Author,
    recent::Recent,
    time::Deadline,
};

/// What was discarded at a mailbox of late.
pub type Gone = Recent<EnvelopeId, MAX_GONE>;

/// The mailbox does not do what mailboxes do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Useless;

/// What a page brings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// Letters for the inbox.
    pub fresh: Vec<Envelope>,
    /// Letters that were discarded there before.
    pub again: Vec<EnvelopeId>,
    /// Whether the round ends with it.
    pub is_last: bool,
}

/// A round under way.
#[derive(Debug, Clone)]
pub struct Round {
    /// When it begins anew if the inbox does not see to what it brought.
    pub end: Deadline,
    /// The last letter that came.
    pub cursor: Option<EnvelopeId>,
    pages: usize,
    seen: BTreeSet<EnvelopeId>,
    held: BTreeSet<EnvelopeId>,
    brought: bool,
}

impl Round {
    /// One that begins.
    pub fn new(end: Deadline) -> Self {
        Self { end, cursor: None, pages: 0, seen: BTreeSet::new(), held: BTreeSet::new(), brought: false }
    }

    /// Whether the next page is to be asked for.
    pub fn wants_page(&self) -> bool {
        self.held.len() < MAX_HELD
    }

    /// The inbox has seen to a letter.
    pub fn settled(&mut self, id: &EnvelopeId) {
        self.held.remove(id);
    }

    /// Takes the next page.
    pub fn take(&mut self, us: Author, gone: &Gone, envelopes: Vec<Envelope>, more: bool) -> Result<Page, Useless> {
        self.pages += 1;
        let too_large = envelopes.len() > MAX_BATCH_LETTERS;
        if too_large || (more && (envelopes.is_empty() || self.pages >= MAX_ROUND_PAGES)) {
            return Err(Useless);
        }
        let mut page = Page { is_last: !more, ..Page::default() };
        for envelope in envelopes {
            let id = envelope.id();
            if envelope.to != us || !self.seen.insert(id) {
                return Err(Useless);
            }
            self.cursor = Some(id);
            if gone.contains(&id) {
                page.again.push(id);
            } else {
                self.held.insert(id);
                page.fresh.push(envelope);
            }
        }
        self.brought |= !page.fresh.is_empty();
        if page.is_last && !self.brought && !self.seen.is_empty() { Err(Useless) } else { Ok(page) }
    }
}

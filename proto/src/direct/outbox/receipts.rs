//! Receipts: those of others about our letters, and ours about theirs; and the cards of others.

use super::{MAX_CARDS, MAX_LETTERS, MAX_RECEIPTS, Outbox, Output, State, correspondent::Telling, journal::Changed};
use crate::{
    direct::{card::SignedCard, letter::Receipt},
    ids::Author,
    time::Now,
};

/// Things that the store may be behind with before no more cards are taken: as many as there are without them.
const MAX_BEHIND: usize = MAX_LETTERS + 2 * MAX_CARDS;

impl Outbox {
    /// Somebody says what became of our letters.
    pub(super) fn take_receipt(&mut self, now: Now, from: Author, receipt: Receipt) {
        if receipt.stream == self.config.stream && receipt.is_valid() {
            self.believe(now, from, &receipt);
        }
        self.journal.receipt(from, receipt);
    }

    fn believe(&mut self, now: Now, from: Author, receipt: &Receipt) {
        let Some(stream) = self.streams.get_mut(&from) else { return };
        let read_through = receipt.read_through.min(stream.last_seq);
        if read_through > stream.read_through {
            stream.read_through = read_through;
            self.journal.change(Changed::Read(from));
        }
        if let Some(correspondent) = self.correspondents.get_mut(&from) {
            for (seq, letter) in &mut correspondent.letters {
                if receipt.has_delivered(*seq) && letter.advance(State::Delivered) {
                    self.journal.change(Changed::Letter(from, *seq));
                }
            }
        }
        self.serve(now, from);
    }

    /// What these say is durable.
    pub(super) fn receipts_noted(&mut self, receipts: Vec<(Author, Receipt)>) {
        self.outputs.extend(receipts.into_iter().map(|(from, receipt)| Output::ReceiptNoted { from, receipt }));
    }

    /// Somebody is to be told what became of its letters.
    pub(super) fn send_receipt(&mut self, now: Now, to: Author, receipt: Receipt) {
        if to == self.config.signer.author() || !receipt.is_valid() {
            return;
        }
        let correspondent = self.correspondents.entry(to).or_default();
        // Also for one that says the same again: its recipient, it seems, does not know yet.
        if !correspondent.has_letters() {
            correspondent.search.reset();
        }
        let before = correspondent.telling.take();
        if before.as_ref().is_some_and(|before| before.receipt == receipt) {
            correspondent.telling = before;
            return self.serve(now, to);
        }
        let version = self.next_receipt;
        self.next_receipt += 1;
        correspondent.telling = Some(Telling::new(now, receipt, version, before.as_ref()));
        if let Some(before) = before {
            self.receipts.remove(&(before.version, to));
        }
        self.receipts.insert((version, to));
        if self.receipts.len() > MAX_RECEIPTS
            && let Some((version, oldest)) = self.receipts.first().copied()
        {
            self.forget_receipt(oldest, version);
            self.serve(now, oldest);
        }
        self.serve(now, to);
    }

    /// Nothing more is to be done about a receipt, unless it was replaced.
    pub(super) fn receipt_sent(&mut self, to: Author, version: u64) {
        if let Some(Telling { receipt, .. }) = self.forget_receipt(to, version) {
            self.outputs.push_back(Output::ReceiptSent { to, receipt });
        }
    }

    fn forget_receipt(&mut self, to: Author, version: u64) -> Option<Telling> {
        let is_latest = self.receipts.remove(&(version, to));
        self.correspondents.get_mut(&to).filter(|_| is_latest)?.telling.take()
    }

    /// Takes a card, if it is good and newer than what is held.
    pub(super) fn take_card(&mut self, signed: SignedCard) -> bool {
        let card = &signed.card;
        let takes = card.owner != self.config.signer.author()
            && self.cards.is_news(card)
            && self.journal.behind() < MAX_BEHIND
            && signed.verify(&*self.config.verifier).is_ok()
            && card.key.seal(&[], &[], &[], &mut self.rng).is_ok();
        if !takes {
            return false;
        }
        let owner = card.owner;
        self.journal.change(Changed::Card(owner));
        if let Some(forgotten) = self.cards.insert(signed) {
            self.journal.change(Changed::Card(forgotten));
        }
        if let Some(correspondent) = self.correspondents.get_mut(&owner) {
            correspondent.slots.retain(|_, slot| slot.busy);
        }
        true
    }
}

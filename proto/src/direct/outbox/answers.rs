//! What recipients and mailboxes answer.

use super::{
    MAX_INVALID, Outbox, RETRY, RequestId, State, correspondent::Item, interface::Kept, journal::Changed,
    questions::Asked,
};
use crate::{
    direct::{
        card::SignedCard,
        message::{DirectAnswer, Refusal},
    },
    ids::Author,
    seal::KeyId,
    time::Now,
};

impl Outbox {
    /// An answer, or `None` if none will come.
    pub(super) fn answered(&mut self, now: Now, request: RequestId, answer: Option<DirectAnswer>) {
        let to = match self.questions.take(request) {
            None => return,
            Some(Asked::Card { to }) => {
                self.card_answered(now, to, answer);
                to
            }
            Some(Asked::Deliver { to, item, key }) => {
                self.delivery_answered(now, to, item, key, answer);
                to
            }
            Some(Asked::Deposit { to, mailbox, key, items, gate: _ }) => {
                self.deposit_answered(now, to, mailbox, key, &items, answer);
                to
            }
        };
        self.serve(now, to);
    }

    fn card_answered(&mut self, now: Now, to: Author, answer: Option<DirectAnswer>) {
        if let Some(correspondent) = self.correspondents.get_mut(&to) {
            correspondent.asking -= 1;
            correspondent.asking_card = false;
        }
        if let Some(DirectAnswer::Card(Some(signed))) = answer {
            self.take_card_of(to, signed);
        }
        if self.cards.get(&to).is_none() {
            self.pause(now, to);
        }
    }

    fn delivery_answered(&mut self, now: Now, to: Author, item: Item, key: KeyId, answer: Option<DirectAnswer>) {
        if let Some(correspondent) = self.correspondents.get_mut(&to) {
            correspondent.asking -= 1;
            correspondent.set_delivering(item, false);
        }
        match answer {
            Some(DirectAnswer::Delivered) => {
                if let Some(correspondent) = self.correspondents.get_mut(&to) {
                    correspondent.direct.reset();
                }
                self.conclude(to, item, State::Delivered);
            }
            Some(DirectAnswer::Refused(Refusal::NotWanted)) => self.conclude(to, item, State::Refused),
            Some(DirectAnswer::Refused(Refusal::Invalid)) => {
                if self.is_hopeless(to, item) {
                    self.conclude(to, item, State::Failed);
                } else {
                    self.pause(now, to);
                }
            }
            Some(DirectAnswer::Refused(Refusal::UnknownKey(signed))) => {
                self.take_card_of(to, signed);
                if !self.may_rekey(to, item, key) {
                    self.pause(now, to);
                }
            }
            _ => self.pause(now, to),
        }
    }

    fn deposit_answered(
        &mut self,
        now: Now,
        to: Author,
        mailbox: Vec<u8>,
        key: KeyId,
        items: &[Item],
        answer: Option<DirectAnswer>,
    ) {
        let count = if let Some(DirectAnswer::Deposited(count)) = answer { count as usize } else { 0 };
        let taken = &items[..items.len().min(count)];
        let Some(correspondent) = self.correspondents.get_mut(&to) else { return };
        if let Some(slot) = correspondent.slots.get_mut(&mailbox) {
            slot.busy = false;
            slot.refused = answer == Some(DirectAnswer::Refused(Refusal::NotWanted));
            if taken.len() == items.len() {
                slot.pause.reset();
            } else {
                slot.pause.fail(now, RETRY, &mut self.rng);
            }
        }
        for item in taken {
            match *item {
                Item::Letter(seq) => {
                    let kept = Kept { mailbox: mailbox.clone(), key, since_ms: now.wall_ms };
                    self.keep(to, seq, kept);
                }
                Item::Receipt(version) => self.receipt_kept(to, &mailbox, version),
            }
        }
    }

    /// A mailbox keeps a copy of a letter.
    fn keep(&mut self, to: Author, seq: u64, kept: Kept) {
        let letter = self.correspondents.get_mut(&to).and_then(|correspondent| correspondent.letters.get_mut(&seq));
        if let Some(letter) = letter.filter(|letter| letter.is_open()) {
            letter.keep(kept, self.cards.get(&to));
            letter.advance(State::Sent);
            self.journal.change(Changed::Letter(to, seq));
        }
    }

    fn receipt_kept(&mut self, to: Author, mailbox: &[u8], version: u64) {
        let slot = self.correspondents.get_mut(&to).and_then(|correspondent| correspondent.slots.get_mut(mailbox));
        if let Some(slot) = slot {
            slot.receipt = version;
        }
        self.receipt_sent(to, version);
    }

    /// Nothing more is to be done about something.
    fn conclude(&mut self, to: Author, item: Item, state: State) {
        match item {
            Item::Receipt(version) => self.receipt_sent(to, version),
            Item::Letter(seq) => {
                let correspondent = self.correspondents.get_mut(&to);
                let letter = correspondent.and_then(|correspondent| correspondent.letters.get_mut(&seq));
                if letter.is_some_and(|letter| letter.advance(state)) {
                    self.journal.change(Changed::Letter(to, seq));
                }
            }
        }
    }

    /// Whether the recipient has said often enough that it can make nothing of this. The inbox makes receipts anew.
    fn is_hopeless(&mut self, to: Author, item: Item) -> bool {
        let Item::Letter(seq) = item else { return true };
        let letter = self.correspondents.get_mut(&to).and_then(|correspondent| correspondent.letters.get_mut(&seq));
        letter.is_none_or(|letter| {
            letter.invalid += 1;
            letter.invalid >= MAX_INVALID
        })
    }

    /// Whether something can be sealed again at once, for another key.
    fn may_rekey(&mut self, to: Author, item: Item, key: KeyId) -> bool {
        let has_other = self.cards.get(&to).is_some_and(|card| card.key.id() != key);
        has_other && self.correspondents.get_mut(&to).is_some_and(|correspondent| correspondent.may_rekey(item))
    }

    /// Takes the card that a recipient gave, if it is its own.
    fn take_card_of(&mut self, to: Author, signed: SignedCard) {
        if signed.card.owner == to {
            self.take_card(signed);
        }
    }

    /// The direct way to a recipient is left alone for a while.
    fn pause(&mut self, now: Now, to: Author) {
        if let Some(correspondent) = self.correspondents.get_mut(&to) {
            correspondent.direct.fail(now, RETRY, &mut self.rng);
        }
    }
}

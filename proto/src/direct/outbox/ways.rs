//! The ways to a recipient: directly while we are connected, else by mailboxes, and looking for it.

use super::{
    DEPOSIT_FAILURES, MAX_RECEIPT_SEARCHES, Outbox, Output, RETRY, SEARCH, WINDOW,
    correspondent::{Correspondent, Item},
    questions::{Asked, DepositGate},
};
use crate::{
    direct::{
        card::{Card, Mailbox, ROTATE_MS},
        letter::{Content, Envelope, SignedLetter},
        message::{DirectQuestion, MAX_BATCH_BYTES, MAX_BATCH_LETTERS},
    },
    ids::Author,
    seal::SealKey,
    time::{Deadline, Now},
    wire,
};

impl Outbox {
    /// Does for one recipient what can be done now, and sees to when the rest will be.
    pub(super) fn serve(&mut self, now: Now, to: Author) {
        if self.correspondents.get(&to).is_some_and(Correspondent::is_idle) {
            self.correspondents.remove(&to);
            self.questions.leave_lines(&to);
        }
        if self.connected.contains(&to) {
            self.deliver(now, to);
        } else {
            self.deposit(now, to);
        }
        self.plan(now, to);
    }

    /// Brings to a connected recipient as much as the window allows.
    fn deliver(&mut self, now: Now, to: Author) {
        while let Some(correspondent) = self.correspondents.get(&to)
            && correspondent.asking < WINDOW
            && correspondent.direct.is_over(now)
            && let Some(item) = correspondent.next_to_deliver()
        {
            let key = self.cards.get(&to).map(|card| card.key);
            if (key.is_none() && correspondent.asking_card) || !self.questions.asking.enter(to) {
                return;
            }
            let question = key.map_or(Some(DirectQuestion::Card(to)), |key| {
                Some(DirectQuestion::Deliver(self.seal(now, to, item, &key)?))
            });
            let Some(correspondent) = self.correspondents.get_mut(&to) else { return };
            let Some(question) = question else {
                self.questions.asking.leave();
                correspondent.direct.fail(now, RETRY, &mut self.rng);
                return;
            };
            correspondent.asking += 1;
            let asked = if let Some(key) = key {
                correspondent.set_delivering(item, true);
                Asked::Deliver { to, item, key: key.id() }
            } else {
                correspondent.asking_card = true;
                Asked::Card { to }
            };
            let request = self.questions.ask(asked);
            self.outputs.push_back(Output::Ask { to, request, question });
        }
    }

    /// Leaves with each mailbox of a recipient what it should have and has not.
    fn deposit(&mut self, now: Now, to: Author) {
        let Some(correspondent) = self.correspondents.get_mut(&to) else { return };
        let Some(Card { key, mailboxes, .. }) = self.cards.get(&to).cloned() else { return };
        let is_named = |peer: &Vec<u8>| mailboxes.iter().any(|mailbox| mailbox.peer == *peer);
        correspondent.slots.retain(|peer, slot| slot.busy || is_named(peer));
        for mailbox in mailboxes {
            if mailbox.peer != self.own_peer {
                self.deposit_with(now, to, &key, mailbox);
            }
        }
    }

    fn deposit_with(&mut self, now: Now, to: Author, key: &SealKey, mailbox: Mailbox) {
        let Some(correspondent) = self.correspondents.get(&to) else { return };
        let slot = correspondent.slots.get(&mailbox.peer);
        if slot.is_some_and(|slot| slot.busy || !slot.pause.is_over(now)) {
            return;
        }
        let needed = correspondent.to_deposit(now, &mailbox.peer, key.id()).take(MAX_BATCH_LETTERS);
        let needed: Vec<Item> = needed.collect();
        let gate = DepositGate::of(&needed);
        if needed.is_empty() || !self.questions.deposits(gate).enter(to) {
            return;
        }
        let (items, envelopes) = self.seal_batch(now, to, key, needed);
        let Some(correspondent) = self.correspondents.get_mut(&to) else { return };
        let slot = correspondent.slots.entry(mailbox.peer.clone()).or_default();
        if envelopes.is_empty() {
            self.questions.deposits(gate).leave();
            slot.pause.fail(now, RETRY, &mut self.rng);
            return;
        }
        slot.busy = true;
        let peer = mailbox.peer.clone();
        let request = self.questions.ask(Asked::Deposit { to, mailbox: peer, key: key.id(), items, gate });
        self.outputs.push_back(Output::Deposit { mailbox, request, envelopes });
    }

    /// As many from the first on as fit into one batch, sealed.
    fn seal_batch(&mut self, now: Now, to: Author, key: &SealKey, items: Vec<Item>) -> (Vec<Item>, Vec<Envelope>) {
        let (mut taken, mut envelopes, mut bytes) = (Vec::new(), Vec::new(), 0);
        for item in items {
            let Some(envelope) = self.seal(now, to, item, key) else { continue };
            bytes += wire::encode(&envelope).len();
            if bytes > MAX_BATCH_BYTES {
                break;
            }
            taken.push(item);
            envelopes.push(envelope);
        }
        (taken, envelopes)
    }

    /// One thing for a recipient, sealed anew.
    fn seal(&mut self, now: Now, to: Author, item: Item, key: &SealKey) -> Option<Envelope> {
        let signed = match item {
            Item::Letter(seq) => self.correspondents.get(&to)?.letters.get(&seq)?.signed.clone(),
            Item::Receipt(_) => self.receipt_letter(now, to)?,
        };
        // Cards with keys that nothing can be sealed for are not taken.
        signed.seal(key, &mut self.rng).ok()
    }

    fn receipt_letter(&mut self, now: Now, to: Author) -> Option<SignedLetter> {
        let receipt = self.correspondents.get(&to)?.telling.as_ref()?.receipt.clone();
        Some(self.sign(now, to, Content::Receipt(receipt)))
    }

    /// Dials a recipient, and looks for its card if there is none, or none that is good while it is away.
    pub(super) fn search(&mut self, now: Now, to: Author) {
        let Some(correspondent) = self.correspondents.get_mut(&to) else { return };
        let wait_ms = correspondent.search.fail(SEARCH, &mut self.rng);
        self.searches.set(to, Some(now.after(wait_ms)));
        self.outputs.push_back(Output::Reach(to));
        if self.cards.get(&to).is_none_or(|card| wants_another(now, &self.own_peer, correspondent, card)) {
            self.outputs.push_back(Output::FindCard(to));
        }
        self.plan(now, to);
    }

    /// Sees to when a recipient is served and looked for next.
    fn plan(&mut self, now: Now, to: Author) {
        let connected = self.connected.contains(&to);
        let Some(correspondent) = self.correspondents.get(&to) else {
            self.turns.set(to, None);
            self.searches.set(to, None);
            return;
        };
        let turn = if connected {
            correspondent.next_to_deliver().and(correspondent.direct.until())
        } else {
            self.cards.get(&to).and_then(|card| next_deposit(now, &self.own_peer, correspondent, card))
        };
        // What could be done now and was not stands in line.
        self.turns.set(to, turn.filter(|at| !now.reached(*at)));
        let tells = correspondent.telling.is_some() && correspondent.search.failures() < MAX_RECEIPT_SEARCHES;
        if connected || !(tells || correspondent.has_letters()) {
            self.searches.set(to, None);
        } else if !self.searches.contains(&to) {
            self.searches.set(to, Some(now.after(0)));
        }
    }
}

/// Whether a recipient may have another card by now that helps: this one is old, or of none of its mailboxes there is any use.
fn wants_another(now: Now, own_peer: &[u8], correspondent: &Correspondent, card: &Card) -> bool {
    let is_old = now.wall_ms.saturating_sub(card.issued_ms) >= ROTATE_MS;
    let refused = correspondent.slots.values().any(|slot| slot.refused);
    let fails = |mailbox: &Mailbox| {
        correspondent.slots.get(&mailbox.peer).is_some_and(|slot| slot.pause.failures() >= DEPOSIT_FAILURES)
    };
    is_old || refused || card.mailboxes.iter().filter(|mailbox| mailbox.peer != own_peer).all(fails)
}

/// When there is something to leave with one of a recipient's mailboxes.
fn next_deposit(now: Now, own_peer: &[u8], correspondent: &Correspondent, card: &Card) -> Option<Deadline> {
    let key = card.key.id();
    let next = |mailbox: &Mailbox| {
        let needed = correspondent.needed_at(now, &mailbox.peer, key)?;
        match correspondent.slots.get(&mailbox.peer) {
            Some(slot) if slot.busy => None,
            slot => slot.and_then(|slot| slot.pause.until()).max(Some(needed)),
        }
    };
    card.mailboxes.iter().filter(|mailbox| mailbox.peer != own_peer).filter_map(next).min()
}

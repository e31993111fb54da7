//! What the machines want done, and the doing of it. What one says may be for another.
//!
//! | from | to | what |
//! |---|---|---|
//! | keys | collector | our card, whenever it changes |
//! | collector | keys | the mailboxes that the next card names |
//! | collector | inbox | letters that came from mailboxes |
//! | inbox | collector | which of them may be discarded there |
//! | inbox | outbox | receipts, of others and for others |
//! | outbox | inbox | which of them are durable, or sent |
//! | outbox, collector | `finding`, `anonymous`, `questions` | whom to find, and what to ask |

use libp2p::PeerId;
use proto::{
    direct::{card::Mailbox, collecting, inbox, keys, letter::Letter, message::DirectQuestion, outbox},
    offence::Offence,
};

use super::{Direct, anonymous::Asker as AnonymousAsker, finding::Wanted, keep, questions::Asker, shelf, store_error};
use crate::{
    handle::CallError,
    letters::{page, records::Kept},
    model::{DirectState, NodeEvent},
    swarm::{
        context::{Cx, Effect},
        journal::DirectCommit,
    },
};

impl Direct {
    /// Carries out all that the machines want, which may have them want more.
    pub(super) fn drain(&mut self, cx: &mut Cx) {
        loop {
            if let Some(output) = self.machines.keys.poll_output() {
                self.keys_output(cx, output);
            } else if let Some(output) = self.machines.inbox.poll_output() {
                self.inbox_output(cx, output);
            } else if let Some(output) = self.machines.outbox.poll_output() {
                self.outbox_output(cx, output);
            } else if let Some(output) = self.machines.collector.poll_output() {
                self.collector_output(cx, output);
            } else {
                break;
            }
        }
        if let Some(keeping) = &mut self.keeping {
            keeping.drain(cx, &mut self.questions, &mut self.providing);
        }
    }

    pub(super) fn drain_inbox(&mut self, cx: &mut Cx) {
        while let Some(output) = self.machines.inbox.poll_output() {
            self.inbox_output(cx, output);
        }
    }

    fn keys_output(&mut self, cx: &mut Cx, output: keys::Output) {
        match output {
            keys::Output::Persist { commit, stored } => {
                cx.journal.direct(DirectCommit::Keys(commit), shelf::keys(&stored));
            }
            keys::Output::Card(card) => {
                self.callers.has_key(card.card.key);
                self.machines.collector.handle(cx.now, collecting::Input::Card(card));
            }
            keys::Output::NotRotated(keys::NotRotated::TooMany) => self.callers.not_rotated(&CallError::TooManyKeys),
            keys::Output::NotRotated(keys::NotRotated::StoreFailed) => {
                self.callers.not_rotated(&store_error(cx));
            }
        }
    }

    pub(super) fn inbox_output(&mut self, cx: &mut Cx, output: inbox::Output) {
        use inbox::Output;
        match output {
            Output::Persist { commit, records } => {
                let entries = self.shelf.inbox(&self.machines.inbox, records);
                cx.journal.direct(DirectCommit::Inbox(commit), entries);
            }
            Output::Answer { token, answer } => self.questions.answer(cx.behaviour, token, answer),
            Output::Discard { mailbox, ids } => {
                if let Ok(mailbox) = PeerId::from_bytes(&mailbox) {
                    self.machines.collector.handle(cx.now, collecting::Input::Discard { mailbox, ids });
                }
            }
            Output::Left { mailbox, id, soon } => {
                if let Ok(mailbox) = PeerId::from_bytes(&mailbox) {
                    self.machines.collector.handle(cx.now, collecting::Input::Left { mailbox, id, soon });
                }
            }
            Output::Show(letter) => self.show(cx, letter),
            Output::Receipt { from, at: _, receipt } => {
                self.machines.outbox.handle(cx.now, outbox::Input::Receipt { from, receipt });
            }
            Output::SendReceipt { to, receipt } => {
                self.machines.outbox.handle(cx.now, outbox::Input::SendReceipt { to, receipt });
            }
            Output::Noted(who) => self.callers.noted(&who),
            Output::NotNoted(who) => self.callers.not_noted(&who, store_error(cx)),
            Output::Refused { why, peer } => {
                *self.refused.entry(why).or_default() += 1;
                if let Some(peer) = peer {
                    cx.penalise(peer, Offence::BadLetter);
                }
            }
        }
    }

    fn show(&mut self, cx: &mut Cx, letter: Letter) {
        let from = letter.from;
        keep(cx, self.seen.record(from));
        let kept = Kept::Theirs(letter);
        if let Some(text) = kept.text() {
            cx.effects.push_back(Effect::LetterCame { from, text: text.text.clone() });
        }
        if let Some(message) = page::message(&kept, DirectState::Delivered) {
            cx.report(NodeEvent::Direct(message));
        }
    }

    fn outbox_output(&mut self, cx: &mut Cx, output: outbox::Output) {
        use outbox::Output;
        match output {
            Output::Persist { commit, changes } => {
                cx.journal.direct(DirectCommit::Outbox(commit), self.shelf.outbox(changes));
            }
            Output::Written { token, letter } => {
                let message = page::message(&Kept::Ours(letter), DirectState::Queued);
                if let Some(message) = &message {
                    cx.report(NodeEvent::Direct(message.clone()));
                }
                self.callers.written(cx, token, message);
            }
            Output::NotWritten { token, error } => self.callers.not_written(cx, token, error),
            Output::State { to, seq, id, state } => {
                if state.is_final() {
                    self.shelf.settled(to, seq);
                }
                self.callers.reached(cx, to, seq, id, state);
            }
            Output::Read { to, through } => self.callers.read(cx, to, through),
            Output::ReceiptNoted { from, receipt } => {
                let (now, machines) = (cx.now, &mut self.machines);
                machines.inbox.handle(now, &machines.keys, inbox::Input::ReceiptNoted { from, receipt });
            }
            Output::ReceiptSent { to, receipt } => {
                let (now, machines) = (cx.now, &mut self.machines);
                machines.inbox.handle(now, &machines.keys, inbox::Input::ReceiptSent { to, receipt });
            }
            Output::Ask { to, request, question } => match to.peer_id() {
                Some(peer) => self.questions.ask(cx.behaviour, peer, Asker::Outbox(request), question),
                None => self.machines.outbox.handle(cx.now, outbox::Input::RequestFailed { request }),
            },
            Output::Deposit { mailbox, request, envelopes } => {
                let question = DirectQuestion::Deposit(envelopes);
                let mailbox = self.finding.with_places(mailbox);
                if !self.anonymous.ask(AnonymousAsker::Deposit(request), &mailbox, question) {
                    self.machines.outbox.handle(cx.now, outbox::Input::RequestFailed { request });
                }
            }
            Output::Reach(author) => {
                if let Some(peer) = author.peer_id() {
                    cx.effects.push_back(Effect::Reach { peer, addresses: Vec::new() });
                }
            }
            Output::FindCard(author) => self.finding.search(&mut cx.behaviour.kad, Wanted::Card(author)),
        }
    }

    fn collector_output(&mut self, cx: &mut Cx, output: collecting::Output) {
        use collecting::Output;
        match output {
            Output::Seek => self.finding.want_mailboxes(),
            Output::Reach(Mailbox { peer, addresses }) => {
                let Ok(peer) = PeerId::from_bytes(&peer) else { return };
                if self.connected.contains(&peer) {
                    self.machines.collector.handle(cx.now, collecting::Input::PeerUp(peer));
                } else {
                    let addresses = addresses.iter().filter_map(|address| address.parse().ok()).collect();
                    cx.effects.push_back(Effect::Reach { peer, addresses });
                }
            }
            Output::Ask { mailbox, request, question } => {
                self.questions.ask(cx.behaviour, mailbox, Asker::Collector(request), question);
            }
            Output::Chosen(mailboxes) => self.machines.keys.handle(cx.now, keys::Input::Mailboxes(mailboxes)),
            Output::Came { mailbox, envelope } => self.arriving.push(mailbox, envelope),
        }
    }
}

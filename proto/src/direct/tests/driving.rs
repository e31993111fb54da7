//! What the machines of a person want done.

use libp2p_identity::PeerId;

use super::person::{Machine, Person};
use crate::{
    direct::{
        collecting,
        inbox::{self, Source, tests::witness},
        keys,
        message::{DirectAnswer, DirectQuestion},
        outbox::{self, State, tests::disk::seq},
    },
    ids::Author,
    time::Now,
};

/// Who asked, so that the answer finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    Outbox(outbox::RequestId),
    Collector(collecting::RequestId),
    /// Nobody: what is found is told to the outbox.
    Search,
}

/// What is to be done outside of a process.
#[derive(Debug)]
pub enum Act {
    /// A store is asked for something.
    Write(Machine),
    Ask {
        to: Author,
        asker: Asker,
        question: DirectQuestion,
    },
    Answer {
        wire: u64,
        answer: DirectAnswer,
    },
    /// Connect with the other person.
    Reach,
    /// Connect with a mailbox.
    ReachMailbox(Author),
    FindCard(Author),
    SeekMailboxes,
    /// The user is told that a letter is with its recipient.
    Delivered {
        to: Author,
        seq: u64,
    },
}

impl Person {
    /// Does all that concerns only this person, and gives the rest.
    pub fn work(&mut self, now: Now) -> Vec<Act> {
        let mut acts = Vec::new();
        while self.life.is_some() {
            let before = acts.len();
            let busy = [
                self.work_outbox(now, &mut acts),
                self.work_inbox(now, &mut acts),
                self.work_ring(now, &mut acts),
                self.work_collector(now, &mut acts),
            ];
            assert!(acts.len() < before + 10_000, "it does not come to an end");
            if busy == [false; 4] {
                break;
            }
        }
        acts
    }

    fn work_outbox(&mut self, now: Now, acts: &mut Vec<Act>) -> bool {
        let Some(life) = &mut self.life else { return false };
        let mut busy = false;
        while let Some(output) = life.outbox.poll_output() {
            busy = true;
            match output {
                outbox::Output::Persist { commit, changes } => {
                    self.outbox_disk.ask(commit, changes);
                    acts.push(Act::Write(Machine::Outbox));
                }
                outbox::Output::Written { letter, .. } => {
                    let place = (letter.letter.to, seq(&letter.letter));
                    assert_eq!(self.outbox_disk.holds.letters[&place].letter, letter, "acknowledged and not stored");
                    assert!(self.written.insert(place.1), "a number is given twice");
                }
                outbox::Output::NotWritten { error, .. } => assert_eq!(error, outbox::NotWritten::NotStored),
                outbox::Output::State { to, seq, state, .. } => {
                    assert!(matches!(state, State::Sent | State::Delivered), "{state:?}");
                    assert!(self.outbox_disk.holds.letters[&(to, seq)].state >= state);
                    if state == State::Delivered {
                        acts.push(Act::Delivered { to, seq });
                    }
                }
                outbox::Output::Read { to, through } => {
                    assert!(self.outbox_disk.holds.streams[&to].read_through >= through);
                }
                outbox::Output::Ask { to, request, question } => {
                    acts.push(Act::Ask { to, asker: Asker::Outbox(request), question });
                }
                outbox::Output::Deposit { mailbox, request, envelopes } => {
                    let to = PeerId::from_bytes(&mailbox.peer).ok().and_then(|peer| Author::from_peer_id(&peer));
                    let question = DirectQuestion::Deposit(envelopes);
                    acts.push(Act::Ask { to: to.unwrap(), asker: Asker::Outbox(request), question });
                }
                outbox::Output::ReceiptNoted { from, receipt } => {
                    life.inbox.handle(now, &life.ring, inbox::Input::ReceiptNoted { from, receipt });
                }
                outbox::Output::ReceiptSent { to, receipt } => {
                    life.inbox.handle(now, &life.ring, inbox::Input::ReceiptSent { to, receipt });
                }
                outbox::Output::Reach(_) => acts.push(Act::Reach),
                outbox::Output::FindCard(who) => acts.push(Act::FindCard(who)),
            }
        }
        busy
    }

    fn work_inbox(&mut self, now: Now, acts: &mut Vec<Act>) -> bool {
        let Some(life) = &mut self.life else { return false };
        let (mut busy, mut not_noted) = (false, None);
        while let Some(output) = life.inbox.poll_output() {
            busy = true;
            match output {
                inbox::Output::Persist { commit, records } => {
                    self.inbox_disk.ask(commit, records);
                    acts.push(Act::Write(Machine::Inbox));
                }
                inbox::Output::Answer { token, answer } => acts.push(Act::Answer { wire: token, answer }),
                inbox::Output::Discard { mailbox, ids } => {
                    let mailbox = PeerId::from_bytes(&mailbox).unwrap();
                    life.collector.handle(now, collecting::Input::Discard { mailbox, ids });
                }
                inbox::Output::Show(letter) => self.witness.is_shown(now.mono_ms, witness::place(&letter)),
                inbox::Output::Receipt { from, receipt, .. } => {
                    life.outbox.handle(now, outbox::Input::Receipt { from, receipt });
                }
                inbox::Output::SendReceipt { to, receipt } => {
                    life.outbox.handle(now, outbox::Input::SendReceipt { to, receipt });
                }
                inbox::Output::NotNoted(who) => not_noted = Some(who),
                inbox::Output::Left { mailbox, id, soon } => {
                    let mailbox = PeerId::from_bytes(&mailbox).unwrap();
                    life.collector.handle(now, collecting::Input::Left { mailbox, id, soon });
                }
                inbox::Output::Noted(_) | inbox::Output::Refused { .. } => {}
            }
        }
        if let Some(who) = not_noted.filter(|who| life.known.contains(who)) {
            self.note_known(now, who);
        }
        busy
    }

    fn work_ring(&mut self, now: Now, acts: &mut Vec<Act>) -> bool {
        let Some(life) = &mut self.life else { return false };
        let mut busy = false;
        while let Some(output) = life.ring.poll_output() {
            busy = true;
            match output {
                keys::Output::Persist { commit, stored } => {
                    self.keys_disk.ask(commit, vec![stored]);
                    acts.push(Act::Write(Machine::Keys));
                }
                keys::Output::Card(card) => life.collector.handle(now, collecting::Input::Card(card)),
                keys::Output::NotRotated(_) => {}
            }
        }
        busy
    }

    fn work_collector(&mut self, now: Now, acts: &mut Vec<Act>) -> bool {
        let Some(life) = &mut self.life else { return false };
        let mut busy = false;
        while let Some(output) = life.collector.poll_output() {
            busy = true;
            match output {
                collecting::Output::Seek => acts.push(Act::SeekMailboxes),
                collecting::Output::Reach(mailbox) => {
                    let peer = PeerId::from_bytes(&mailbox.peer).unwrap();
                    acts.push(Act::ReachMailbox(Author::from_peer_id(&peer).unwrap()));
                }
                collecting::Output::Ask { mailbox, request, question } => {
                    let to = Author::from_peer_id(&mailbox).unwrap();
                    acts.push(Act::Ask { to, asker: Asker::Collector(request), question });
                }
                collecting::Output::Chosen(mailboxes) => life.ring.handle(now, keys::Input::Mailboxes(mailboxes)),
                collecting::Output::Came { mailbox, envelope } => {
                    let source = Source::Mailbox { mailbox: mailbox.to_bytes(), id: envelope.id() };
                    life.inbox.handle(now, &life.ring, inbox::Input::Envelope { source, envelope });
                }
            }
        }
        busy
    }
}

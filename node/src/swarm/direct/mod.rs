//! Direct messages: drives the machines of [`proto::direct`], and does for them what only a node can: ask peers, write and read the
//! store, find people and mailboxes in Kademlia.
//!
//! | file | owns |
//! |---|---|
//! | `mod` | what the network and the store say to the machines |
//! | `wishes` | what the user says to them |
//! | `machines` | the machines of one who writes and is written to |
//! | `outputs` | what they want done, and the doing of it |
//! | `callers`, `contacts`, `seen` | users who wait for something, the names that they gave, and those under which people were seen |
//! | `connected` | who is connected, and how many letters each may bring |
//! | `arriving` | letters from mailboxes that wait to be opened |
//! | `keeping` | letters kept for others |
//! | `questions` | questions under way, both ways |
//! | `shelf`, `restore` | what is kept, as entries of tables, and read back |
//! | `finding` | searches in Kademlia |
//! | `anonymous` | questions under an identity made for each |

mod anonymous;
mod arriving;
mod callers;
mod connected;
mod contacts;
mod finding;
mod keeping;
mod machines;
mod outputs;
mod questions;
mod restore;
mod seen;
mod shelf;
mod wishes;

use std::{collections::BTreeMap, sync::Arc};

use libp2p::{Multiaddr, PeerId, kad, request_response};
use proto::{
    direct::{
        collecting,
        finding::mailboxes_key,
        inbox::{self, Source},
        letter::Envelope,
        message::{DirectAnswer, DirectQuestion, MAX_QUESTION_BYTES, Refusal},
        outbox,
    },
    ids::{Author, LogId},
    signature::{Signer, Verifier},
    time::{Deadline, Now},
    wire::DecodeError,
};
use rand::{SeedableRng, rngs::StdRng};

use self::{
    anonymous::Asker as AnonymousAsker,
    arriving::Arriving,
    callers::Callers,
    connected::Connected,
    contacts::Contacts,
    finding::{Finding, Wanted},
    keeping::Keeping,
    machines::Machines,
    questions::{Asker, Questions},
    seen::SeenNames,
    shelf::Shelf,
};
pub use self::{
    anonymous::{Anonymous, Came},
    questions::Event,
    restore::{Restored, restore},
};
use super::{
    DirectSettings,
    context::Cx,
    journal::{DirectCommit, Written},
    providing::{Providing, Sake},
    reads::Letters,
};
use crate::{
    handle::CallError,
    model::MailboxStatus,
    store::{StoreError, tables::EntryChange},
};

/// What direct messages are made of.
pub struct Config {
    /// Whose they are.
    pub signer: Signer,
    /// The same, as a peer.
    pub own: PeerId,
    /// Says whether signatures are good.
    pub verifier: Arc<dyn Verifier>,
    /// The store's own random number.
    pub own_log: LogId,
    /// What the user decides.
    pub settings: DirectSettings,
    /// Asks questions anonymously.
    pub anonymous: Anonymous,
    /// Seeds keys, sealing, jitter and lots.
    pub rng: StdRng,
}

/// Direct messages.
pub struct Direct {
    owner: Author,
    own: PeerId,
    machines: Machines,
    /// If this node keeps letters for others.
    keeping: Option<Keeping>,
    shelf: Shelf,
    callers: Callers,
    questions: Questions,
    finding: Finding,
    providing: Providing,
    anonymous: Anonymous,
    contacts: Contacts,
    seen: SeenNames,
    connected: Connected,
    arriving: Arriving,
    /// What was not taken, by reason.
    refused: BTreeMap<inbox::NotTaken, u64>,
}

impl Direct {
    /// With what the store holds.
    pub fn new(now: Now, config: Config, restored: Restored) -> Self {
        let Config { signer, own, verifier, own_log, settings, anonymous, mut rng } = config;
        let mut providing = Providing::new(now);
        if settings.mailbox.is_some() {
            providing.add(now, mailboxes_key(), Sake::Own);
        }
        let Restored { keys, people, streams, outbox, places, next_place, latest: _, contacts, seen, mailbox } =
            restored;
        let keeper = |settings| Keeping::new(now, settings, Arc::clone(&verifier), mailbox);
        Self {
            owner: signer.author(),
            own,
            keeping: settings.mailbox.map(keeper),
            shelf: Shelf::new(next_place, places),
            callers: Callers::default(),
            questions: Questions::default(),
            finding: Finding::new(StdRng::from_rng(&mut rng)),
            providing,
            anonymous,
            contacts: Contacts::new(contacts),
            seen: SeenNames::new(seen),
            connected: Connected::default(),
            arriving: Arriving::default(),
            refused: BTreeMap::new(),
            machines: Machines::new(
                now,
                machines::Config { signer, verifier, own_log, read_receipts: settings.read_receipts, rng },
                machines::Saved { keys, people, streams, outbox },
            ),
        }
    }

    // ---- what the network says

    /// The first connection to a peer.
    pub fn connected(&mut self, cx: &mut Cx, peer: PeerId) {
        self.finding.connected(cx.now);
        self.connected.up(peer);
        if let Some(author) = Author::from_peer_id(&peer) {
            self.machines.outbox.handle(cx.now, outbox::Input::PeerUp(author));
        }
        self.machines.collector.handle(cx.now, collecting::Input::PeerUp(peer));
        self.drain(cx);
    }

    /// Somebody is in the network.
    pub fn appeared(&mut self, cx: &mut Cx, who: Author, name: &str) {
        let on_record = self.machines.inbox.person(&who) != inbox::Person::default();
        keep(cx, self.seen.see(who, name, on_record));
        self.machines.outbox.handle(cx.now, outbox::Input::Appeared(who));
        self.drain(cx);
    }

    /// The last connection to a peer ended.
    pub fn disconnected(&mut self, cx: &mut Cx, peer: PeerId) {
        self.connected.down(&peer);
        self.questions.forget_gone();
        if let Some(author) = Author::from_peer_id(&peer) {
            self.machines.outbox.handle(cx.now, outbox::Input::PeerDown(author));
        }
        self.machines.collector.handle(cx.now, collecting::Input::PeerDown(peer));
        self.drain(cx);
    }

    /// A query of Kademlia made progress. `known` says where a peer was known to be before.
    pub fn progressed(
        &mut self,
        cx: &mut Cx,
        (id, result, step): (kad::QueryId, &kad::QueryResult, &kad::ProgressStep),
        known: impl Fn(&PeerId) -> Vec<String>,
    ) {
        let kad = &mut cx.behaviour.kad;
        let Some(found) = self.finding.progressed(self.own, kad, id, result, step, known) else { return };
        match found.wanted {
            Wanted::Card(author) => {
                // If there is no room for it, it is searched again later.
                let question = DirectQuestion::Card(author);
                self.anonymous.ask(AnonymousAsker::Card(author), &found.node, question);
            }
            Wanted::Place(_) => self.finding.found_at(found.node),
            Wanted::Mailboxes => {
                self.machines.collector.handle(cx.now, collecting::Input::Candidates(vec![found.node]));
                self.drain(cx);
            }
        }
    }

    /// Waits for what comes of an anonymous question. Cancel safe.
    pub async fn came(&mut self) -> Came {
        self.anonymous.next().await
    }

    /// Something came of one.
    pub fn anonymous(&mut self, cx: &mut Cx, came: Came) {
        match (came.asker, came.answer) {
            (AnonymousAsker::Deposit(request), Some(answer)) => {
                self.machines.outbox.handle(cx.now, outbox::Input::Answer { request, answer });
            }
            (AnonymousAsker::Deposit(request), None) => {
                self.finding.search(&mut cx.behaviour.kad, Wanted::Place(came.node));
                self.machines.outbox.handle(cx.now, outbox::Input::RequestFailed { request });
            }
            (AnonymousAsker::Card(author), Some(DirectAnswer::Card(Some(card)))) if card.card.owner == author => {
                self.machines.outbox.handle(cx.now, outbox::Input::Card(card));
            }
            (AnonymousAsker::Card(_), _) => {}
        }
        self.drain(cx);
    }

    /// What request-response tells. `from` is where the peer is connected from. Bytes that do not decode are handed back.
    ///
    /// # Errors
    /// Who sent them, and what is wrong with them.
    pub fn event(&mut self, cx: &mut Cx, event: Event, from: Option<&Multiaddr>) -> Result<(), (PeerId, DecodeError)> {
        use request_response::{Event, Message};
        match event {
            Event::Message { peer, message: Message::Request { request_id, request, channel }, .. } => {
                let question = match request {
                    Ok(question) => question,
                    // Only a mailbox takes as much, and this is none.
                    Err(DecodeError::TooLong { len, .. }) if len <= MAX_QUESTION_BYTES => {
                        Questions::refuse(cx.behaviour, channel, Refusal::NotWanted);
                        return Ok(());
                    }
                    // The way back is dropped: garbage gets no answer.
                    Err(error) => return Err((peer, error)),
                };
                if let Some(token) = self.questions.asked(cx.behaviour, (peer, &question), request_id, channel) {
                    self.asked(cx, peer, token, question, from);
                }
            }
            Event::Message { peer, message: Message::Response { request_id, response }, .. } => {
                let Some(asker) = self.questions.concluded(request_id) else { return Ok(()) };
                let (answer, fault) = match response {
                    Ok(answer) => (Some(answer), Ok(())),
                    Err(error) => (None, Err((peer, error))),
                };
                self.answered(cx, asker, answer);
                return fault;
            }
            Event::OutboundFailure { peer, request_id, error, .. } => {
                tracing::debug!(%peer, "a question about letters came to nothing: {error}");
                if let Some(asker) = self.questions.concluded(request_id) {
                    self.answered(cx, asker, None);
                }
            }
            Event::InboundFailure { request_id, .. } | Event::ResponseSent { request_id, .. } => {
                self.questions.sent(request_id);
            }
        }
        Ok(())
    }

    /// An answer to a question of ours, or that none will come.
    fn answered(&mut self, cx: &mut Cx, asker: Asker, answer: Option<DirectAnswer>) {
        match (asker, answer) {
            (Asker::Outbox(request), Some(answer)) => {
                self.machines.outbox.handle(cx.now, outbox::Input::Answer { request, answer });
            }
            (Asker::Outbox(request), None) => {
                self.machines.outbox.handle(cx.now, outbox::Input::RequestFailed { request })
            }
            (Asker::Collector(request), Some(answer)) => {
                self.machines.collector.handle(cx.now, collecting::Input::Answered { request, answer });
            }
            (Asker::Collector(request), None) => {
                self.machines.collector.handle(cx.now, collecting::Input::Failed { request });
            }
        }
        self.drain(cx);
    }

    /// A peer asks; the answer goes to `token`.
    fn asked(&mut self, cx: &mut Cx, peer: PeerId, token: u64, question: DirectQuestion, from: Option<&Multiaddr>) {
        match question {
            DirectQuestion::Deliver(envelope) => self.brought(cx, peer, token, envelope),
            DirectQuestion::Card(author) if author == self.owner => {
                let card = self.machines.keys.card().cloned();
                self.questions.answer(cx.behaviour, token, DirectAnswer::Card(card));
            }
            question => match (&mut self.keeping, question) {
                (Some(keeping), question) => keeping.asked(cx.now, peer, token, question, from),
                (None, DirectQuestion::Card(_)) => self.questions.answer(cx.behaviour, token, DirectAnswer::Card(None)),
                (None, _) => {
                    self.questions.answer(cx.behaviour, token, DirectAnswer::Refused(Refusal::NotWanted));
                }
            },
        }
        self.drain(cx);
    }

    /// A peer brings a letter for us.
    fn brought(&mut self, cx: &mut Cx, peer: PeerId, token: u64, envelope: Envelope) {
        let known = Author::from_peer_id(&peer).is_some_and(|author| self.machines.inbox.person(&author).known);
        if self.connected.admits_letter(cx.now, &peer, known) {
            self.open(cx, Source::Direct { peer, token }, envelope);
        } else {
            *self.refused.entry(inbox::NotTaken::TooOften).or_default() += 1;
            self.questions.answer(cx.behaviour, token, DirectAnswer::Unavailable);
        }
    }

    fn open(&mut self, cx: &Cx, source: Source, envelope: Envelope) {
        self.machines.inbox.handle(cx.now, &self.machines.keys, inbox::Input::Envelope { source, envelope });
    }

    // ---- the store

    /// The store answered.
    pub fn written(&mut self, cx: &mut Cx, written: &Written) {
        let failed = written.result.is_err();
        self.machines.written(cx.now, written);
        self.contacts.written(written);
        let mailbox = written.direct.iter().rev().find_map(|commit| match commit {
            DirectCommit::Mailbox(commit) => Some(*commit),
            _ => None,
        });
        if let (Some(through), Some(keeping)) = (mailbox, &mut self.keeping) {
            keeping.written(cx.now, through, failed);
        }
        self.drain(cx);
    }

    /// Letters for their recipient were read.
    pub fn read(&mut self, cx: &mut Cx, letters: Letters) {
        let answer = match letters.result {
            Ok(envelopes) => DirectAnswer::Letters { envelopes, more: letters.more },
            Err(_) => DirectAnswer::Unavailable,
        };
        self.questions.answer(cx.behaviour, letters.token, answer);
    }

    // ---- time

    /// When [`Direct::timeout`] is to be called.
    pub fn deadline(&self) -> Option<Deadline> {
        let keeping = self.keeping.as_ref().and_then(Keeping::deadline);
        // At once, after what others have waiting.
        let arriving = (!self.arriving.is_empty()).then_some(Deadline(0));
        let all = [arriving, self.machines.deadline(), keeping, self.finding.deadline(), self.providing.deadline()];
        all.into_iter().flatten().min()
    }

    /// Does what is due.
    pub fn timeout(&mut self, cx: &mut Cx) {
        self.machines.timeout(cx.now);
        if let Some(keeping) = &mut self.keeping {
            keeping.timeout(cx.now);
        }
        self.finding.turn(cx.now, &mut cx.behaviour.kad);
        self.providing.turn(cx.now, &mut cx.behaviour.kad);
        for (mailbox, envelope) in self.arriving.take_turn() {
            self.open(cx, Source::Mailbox { mailbox: mailbox.to_bytes(), id: envelope.id() }, envelope);
        }
        self.drain(cx);
    }

    // ---- what there is to tell

    /// Letters of ours that are not delivered.
    pub fn undelivered(&self) -> u64 {
        self.machines.outbox.load().letters as u64
    }

    /// The mailboxes that our card names.
    pub fn mailboxes(&self) -> Vec<String> {
        let named = self.machines.keys.card().map(|card| card.card.mailboxes.as_slice()).unwrap_or_default();
        named.iter().filter_map(|mailbox| PeerId::from_bytes(&mailbox.peer).ok()).map(|peer| peer.to_string()).collect()
    }

    /// What is kept for others.
    pub fn mailbox(&self) -> Option<MailboxStatus> {
        self.keeping.as_ref().map(Keeping::status)
    }

    /// What was not taken, by reason; what never happened is left out.
    pub fn counts(&self) -> Vec<(&'static str, u64)> {
        let inbox = self.refused.iter().map(|(why, count)| (reason(*why), *count));
        let mailbox = self.keeping.as_ref().map(Keeping::counts).into_iter().flatten();
        inbox.chain(mailbox).filter(|(_, count)| *count > 0).collect()
    }

    /// The display names under which people were last seen.
    pub fn seen(&self) -> impl Iterator<Item = (&Author, &String)> {
        self.seen.all()
    }

    /// Everybody who is named, blocked or has written, with the name that the user gave.
    pub fn people(&self) -> BTreeMap<Author, (Option<String>, inbox::Person)> {
        self.contacts.with(self.machines.inbox.people())
    }
}

/// Hands over a name that was seen, if there is one to be kept.
fn keep(cx: &mut Cx, entry: Option<EntryChange>) {
    if let Some(entry) = entry {
        cx.journal.direct(DirectCommit::Seen, vec![entry]);
    }
}

/// What went wrong with the store last.
fn store_error(cx: &Cx) -> CallError {
    CallError::Store(cx.journal.last_error().cloned().unwrap_or(StoreError::Closed))
}

/// The name used in counters and JSON.
fn reason(why: inbox::NotTaken) -> &'static str {
    use inbox::NotTaken;
    match why {
        NotTaken::NotForUs => "letter_not_for_us",
        NotTaken::UnknownKey => "letter_unknown_key",
        NotTaken::Invalid => "letter_invalid",
        NotTaken::Blocked => "letter_blocked",
        NotTaken::Unasked => "letter_unasked",
        NotTaken::Full => "letter_full",
        NotTaken::TooOften => "letter_too_often",
        NotTaken::Busy => "letter_busy",
    }
}

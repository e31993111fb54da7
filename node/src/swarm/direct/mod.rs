//! Direct messages: drives the machines of [`proto::direct`], and does for them what only a node can: ask peers, write and read the
//! store, find people and mailboxes in Kademlia.
//!
//! | file | owns |
//! |---|---|
//! | `mod` | the machines, and what passes between them |
//! | `callers` | users who wait for something |
//! | `questions` | questions under way, both ways |
//! | `shelf`, `restore` | what is kept, as entries of tables, and read back |
//! | `finding` | searches in Kademlia |
//! | `anonymous` | questions under an identity made for each |

mod anonymous;
mod callers;
mod finding;
mod questions;
mod restore;
mod shelf;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use libp2p::{Multiaddr, PeerId, kad, request_response};
use proto::{
    connectivity::neighbourhood,
    direct::{
        card::Mailbox,
        collecting::{self, Collector},
        inbox::{self, Inbox, ReadThrough, Source},
        keys::{self, KeyRing},
        letter::{Letter, StreamId},
        mailbox::{self, Depositor, Keeper},
        message::{DirectAnswer, DirectQuestion, Refusal},
        outbox::{self, Outbox},
    },
    ids::{Author, LogId},
    offence::Offence,
    signature::{Signer, Verifier},
    time::{Deadline, Now},
    wire::DecodeError,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use self::{
    anonymous::Asker as AnonymousAsker,
    callers::Callers,
    finding::{Finding, Wanted},
    questions::{Asker, Questions},
    shelf::Shelf,
};
pub use self::{
    anonymous::{Anonymous, Came},
    questions::Event,
    restore::{Restored, restore},
};
use super::{
    DirectSettings,
    context::{Cx, Effect},
    journal::{DirectCommit, Written},
    providing::Providing,
    reads::Letters,
};
use crate::{
    handle::{Answer, CallError},
    letters::{
        page,
        records::{Contact, Kept, put, remove},
    },
    model::{DirectMessage, DirectState, MailboxStatus, NodeEvent},
    store::{StoreError, tables::Table},
};

/// Milliseconds after the first peer is connected until mailboxes are looked for: it has to tell of others first.
const SEEK_AFTER_MS: u64 = 1_000;

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
    keys: KeyRing,
    inbox: Inbox,
    outbox: Outbox,
    collector: Collector,
    /// If this node keeps letters for others.
    keeper: Option<Keeper>,
    shelf: Shelf,
    callers: Callers,
    questions: Questions,
    finding: Finding,
    providing: Providing,
    anonymous: Anonymous,
    contacts: BTreeMap<Author, Contact>,
    connected: BTreeSet<PeerId>,
    /// Mailboxes are wanted; they are looked for from then on, once anybody is connected.
    seek: Option<Deadline>,
    wants_mailboxes: bool,
    /// What was not taken, by reason.
    refused: BTreeMap<inbox::NotTaken, u64>,
}

impl Direct {
    /// With what the store holds.
    pub fn new(now: Now, config: Config, restored: Restored) -> Self {
        let Config { signer, own, verifier, own_log, settings, anonymous, mut rng } = config;
        let owner = signer.author();
        let key_config = keys::Config { signer: signer.clone(), seed: rng.random() };
        let keys = match restored.keys {
            Some(stored) => KeyRing::restore(now, key_config, stored),
            None => KeyRing::new(now, key_config),
        };
        let read_receipts = settings.read_receipts;
        let mut inbox = Inbox::new(now, inbox::Config { owner, verifier: Arc::clone(&verifier), read_receipts });
        for (who, person) in restored.people {
            inbox.restore_person(who, person);
        }
        for (who, id, stream) in restored.streams {
            inbox.restore_stream(now, who, id, stream);
        }
        let stream = StreamId(own_log.0);
        let outbox_config = outbox::Config { signer, verifier: Arc::clone(&verifier), stream, seed: rng.random() };
        let named = keys.card().map(|card| card.card.mailboxes.clone()).unwrap_or_default();
        let mut providing = Providing::new(now);
        if settings.mailbox.is_some() {
            providing.add(now, Wanted::Mailboxes.key());
        }
        Self {
            owner,
            own,
            keys,
            inbox,
            outbox: Outbox::restore(now, outbox_config, restored.outbox),
            collector: Collector::new(now, collecting::Config { us: owner, named, seed: rng.random() }),
            keeper: settings
                .mailbox
                .map(|settings| Keeper::new(now, mailbox::Config { settings, verifier }, restored.mailbox)),
            shelf: Shelf::new(restored.next_place, restored.places),
            callers: Callers::default(),
            questions: Questions::default(),
            finding: Finding::new(StdRng::from_rng(&mut rng)),
            providing,
            anonymous,
            contacts: restored.contacts,
            connected: BTreeSet::new(),
            seek: None,
            wants_mailboxes: false,
            refused: BTreeMap::new(),
        }
    }

    // ---- what the user wants

    /// Writes to somebody.
    pub fn write(&mut self, cx: &mut Cx, to: Author, text: String, answer: Answer<DirectMessage>) {
        self.make_known(cx, to);
        let token = self.callers.writes(callers::Writer::User(answer));
        self.outbox.handle(cx.now, outbox::Input::Write { token, to, text, attachments: Vec::new() });
        self.drain(cx);
    }

    /// A room writes to somebody.
    pub fn write_for_room(&mut self, cx: &mut Cx, room_token: u64, to: Author, text: String) {
        self.make_known(cx, to);
        let token = self.callers.writes(callers::Writer::Room(room_token));
        self.outbox.handle(cx.now, outbox::Input::Write { token, to, text, attachments: Vec::new() });
        self.drain(cx);
    }

    /// Whoever we write to may answer.
    fn make_known(&mut self, cx: &mut Cx, who: Author) {
        if who != self.owner && !self.inbox.person(&who).known {
            self.note(cx, who, inbox::Input::Known(who), None);
        }
    }

    /// The user has read what is here of somebody.
    pub fn mark_read(&mut self, cx: &mut Cx, from: Author, answer: Answer<()>) {
        self.note(cx, from, inbox::Input::Read { from, through: ReadThrough::All }, Some(answer));
        self.drain(cx);
    }

    /// The user wants nothing from somebody, or something again.
    pub fn block(&mut self, cx: &mut Cx, who: Author, blocked: bool, answer: Answer<()>) {
        let input = if blocked { inbox::Input::Block(who) } else { inbox::Input::Unblock(who) };
        self.note(cx, who, input, Some(answer));
        self.drain(cx);
    }

    /// The user gives somebody a name, or takes it away.
    pub fn name(&mut self, cx: &mut Cx, who: Author, name: Option<String>, answer: Answer<()>) {
        let entry = match name {
            Some(name) => {
                self.make_known(cx, who);
                let contact = Contact { name };
                let entry = put(Table::Contacts, who.0, &contact);
                self.contacts.insert(who, contact);
                entry
            }
            None => {
                self.contacts.remove(&who);
                remove(Table::Contacts, who.0)
            }
        };
        cx.journal.entry(entry, Some(answer));
        self.drain(cx);
    }

    /// The user wants a new key.
    pub fn rotate(&mut self, cx: &mut Cx, answer: Answer<()>) {
        self.callers.rotates(answer);
        self.keys.handle(cx.now, keys::Input::RotateNow);
        self.drain(cx);
    }

    /// Something that the inbox answers with [`inbox::Output::Noted`] or [`inbox::Output::NotNoted`], the latter perhaps at once.
    fn note(&mut self, cx: &mut Cx, who: Author, input: inbox::Input, answer: Option<Answer<()>>) {
        // What is said before this is somebody else's.
        self.drain_inbox(cx);
        self.inbox.handle(cx.now, &self.keys, input);
        self.callers.notes(who, answer);
        while let Some(output) = self.inbox.poll_output() {
            match output {
                inbox::Output::NotNoted(of) if of == who => self.callers.refuse_last(&who),
                output => self.inbox_output(cx, output),
            }
        }
    }

    // ---- what the network says

    /// The first connection to a peer.
    pub fn connected(&mut self, cx: &mut Cx, peer: PeerId) {
        if self.connected.is_empty() {
            self.seek = Some(cx.now.after(SEEK_AFTER_MS));
        }
        self.connected.insert(peer);
        if let Some(author) = Author::from_peer_id(&peer) {
            self.outbox.handle(cx.now, outbox::Input::PeerUp(author));
        }
        self.collector.handle(cx.now, collecting::Input::PeerUp(peer));
        self.drain(cx);
    }

    /// The last connection to a peer ended.
    pub fn disconnected(&mut self, cx: &mut Cx, peer: PeerId) {
        self.connected.remove(&peer);
        self.questions.forget_gone();
        if let Some(author) = Author::from_peer_id(&peer) {
            self.outbox.handle(cx.now, outbox::Input::PeerDown(author));
        }
        self.collector.handle(cx.now, collecting::Input::PeerDown(peer));
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
            Wanted::Mailboxes => {
                self.collector.handle(cx.now, collecting::Input::Candidates(vec![found.node]));
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
                self.outbox.handle(cx.now, outbox::Input::Answer { request, answer });
            }
            (AnonymousAsker::Deposit(request), None) => {
                self.outbox.handle(cx.now, outbox::Input::RequestFailed { request });
            }
            (AnonymousAsker::Card(author), Some(DirectAnswer::Card(Some(card)))) if card.card.owner == author => {
                self.outbox.handle(cx.now, outbox::Input::Card(card));
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
                // The way back is dropped: garbage gets no answer.
                let question = request.map_err(|error| (peer, error))?;
                if let Some(token) = self.questions.asked(cx.behaviour, peer, request_id, channel) {
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
                self.outbox.handle(cx.now, outbox::Input::Answer { request, answer });
            }
            (Asker::Outbox(request), None) => self.outbox.handle(cx.now, outbox::Input::RequestFailed { request }),
            (Asker::Collector(request), Some(answer)) => {
                self.collector.handle(cx.now, collecting::Input::Answered { request, answer });
            }
            (Asker::Collector(request), None) => {
                self.collector.handle(cx.now, collecting::Input::Failed { request });
            }
        }
        self.drain(cx);
    }

    /// Whether nothing that this peer sends need be looked at.
    fn refuses(&self, peer: &PeerId) -> bool {
        Author::from_peer_id(peer).is_some_and(|author| self.inbox.refuses(&author))
    }

    /// A peer asks; the answer goes to `token`.
    fn asked(&mut self, cx: &mut Cx, peer: PeerId, token: u64, question: DirectQuestion, from: Option<&Multiaddr>) {
        if matches!(question, DirectQuestion::Deliver(_)) && self.refuses(&peer) {
            *self.refused.entry(inbox::NotTaken::Blocked).or_default() += 1;
            return self.questions.answer(cx.behaviour, token, DirectAnswer::Refused(Refusal::NotWanted));
        }
        match question {
            DirectQuestion::Deliver(envelope) => {
                let source = Source::Direct { peer, token };
                self.inbox.handle(cx.now, &self.keys, inbox::Input::Envelope { source, envelope });
            }
            DirectQuestion::Card(author) if author == self.owner => {
                let card = self.keys.card().cloned();
                self.questions.answer(cx.behaviour, token, DirectAnswer::Card(card));
            }
            question => self.asked_of_mailbox(cx, peer, token, question, from),
        }
        self.drain(cx);
    }

    fn asked_of_mailbox(
        &mut self,
        cx: &mut Cx,
        peer: PeerId,
        token: u64,
        question: DirectQuestion,
        from: Option<&Multiaddr>,
    ) {
        let (Some(keeper), Some(asker)) = (&mut self.keeper, Author::from_peer_id(&peer)) else {
            let answer = match question {
                DirectQuestion::Card(_) => DirectAnswer::Card(None),
                _ => DirectAnswer::Refused(Refusal::NotWanted),
            };
            return self.questions.answer(cx.behaviour, token, answer);
        };
        let input = match question {
            DirectQuestion::Deliver(_) => return,
            DirectQuestion::Card(author) => mailbox::Input::Card { token, author },
            DirectQuestion::Deposit(envelopes) => {
                let depositor = Depositor(from.map_or(0, |address| neighbourhood(&address.to_string())));
                mailbox::Input::Deposit { token, depositor, envelopes }
            }
            DirectQuestion::Register(card) => mailbox::Input::Register { token, asker, card },
            DirectQuestion::Collect { after } => mailbox::Input::Collect { token, asker, after },
            DirectQuestion::Discard(ids) => mailbox::Input::Discard { token, asker, ids },
        };
        keeper.handle(cx.now, input);
    }

    // ---- the store

    /// The store answered.
    pub fn written(&mut self, cx: &mut Cx, written: &Written) {
        let failed = written.result.is_err();
        let (mut keys, mut inbox, mut outbox, mut mailbox) = (None, None, None, None);
        for commit in &written.direct {
            match *commit {
                DirectCommit::Keys(commit) => keys = Some(commit),
                DirectCommit::Inbox(commit) => inbox = Some(commit),
                DirectCommit::Outbox(commit) => outbox = Some(commit),
                DirectCommit::Mailbox(commit) => mailbox = Some(commit),
            }
        }
        if let Some(through) = keys {
            let input = if failed { keys::Input::PersistFailed } else { keys::Input::Persisted { through } };
            self.keys.handle(cx.now, input);
            if !failed {
                self.callers.rotated(Ok(()));
            }
        }
        if let Some(through) = inbox {
            let input = if failed { inbox::Input::PersistFailed } else { inbox::Input::Persisted { through } };
            self.inbox.handle(cx.now, &self.keys, input);
        }
        if let Some(through) = outbox {
            let input = if failed { outbox::Input::PersistFailed } else { outbox::Input::Persisted { through } };
            self.outbox.handle(cx.now, input);
        }
        if let (Some(through), Some(keeper)) = (mailbox, &mut self.keeper) {
            let input = if failed { mailbox::Input::PersistFailed } else { mailbox::Input::Persisted { through } };
            keeper.handle(cx.now, input);
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
        let keeper = self.keeper.as_ref().and_then(Keeper::poll_timeout);
        let seek = self.seek.filter(|_| self.wants_mailboxes && !self.connected.is_empty());
        let machines = [self.keys.poll_timeout(), self.inbox.poll_timeout(), self.outbox.poll_timeout()];
        let others = [self.collector.poll_timeout(), keeper, seek, self.providing.deadline()];
        machines.into_iter().chain(others).flatten().min()
    }

    /// Does what is due.
    pub fn timeout(&mut self, cx: &mut Cx) {
        let now = cx.now;
        let due = |deadline: Option<Deadline>| deadline.is_some_and(|at| now.reached(at));
        if due(self.keys.poll_timeout()) {
            self.keys.handle_timeout(now);
        }
        if due(self.inbox.poll_timeout()) {
            self.inbox.handle_timeout(now);
        }
        if due(self.outbox.poll_timeout()) {
            self.outbox.handle_timeout(now);
        }
        if due(self.collector.poll_timeout()) {
            self.collector.handle_timeout(now);
        }
        if let Some(keeper) = &mut self.keeper
            && due(keeper.poll_timeout())
        {
            keeper.handle_timeout(now);
        }
        if self.wants_mailboxes && !self.connected.is_empty() && due(self.seek) {
            self.wants_mailboxes = false;
            self.finding.search(&mut cx.behaviour.kad, Wanted::Mailboxes);
        }
        self.providing.turn(now, &mut cx.behaviour.kad);
        self.drain(cx);
    }

    // ---- what the machines want done

    /// Carries out all that the machines want, which may have them want more.
    fn drain(&mut self, cx: &mut Cx) {
        loop {
            if let Some(output) = self.keys.poll_output() {
                self.keys_output(cx, output);
            } else if let Some(output) = self.inbox.poll_output() {
                self.inbox_output(cx, output);
            } else if let Some(output) = self.outbox.poll_output() {
                self.outbox_output(cx, output);
            } else if let Some(output) = self.collector.poll_output() {
                self.collector_output(cx, output);
            } else if let Some(output) = self.keeper.as_mut().and_then(Keeper::poll_output) {
                self.keeper_output(cx, output);
            } else {
                return;
            }
        }
    }

    fn drain_inbox(&mut self, cx: &mut Cx) {
        while let Some(output) = self.inbox.poll_output() {
            self.inbox_output(cx, output);
        }
    }

    fn keys_output(&mut self, cx: &mut Cx, output: keys::Output) {
        match output {
            keys::Output::Persist { commit, stored } => {
                cx.journal.direct(DirectCommit::Keys(commit), shelf::keys(&stored));
            }
            keys::Output::Card(card) => self.collector.handle(cx.now, collecting::Input::Card(card)),
            keys::Output::NotRotated(keys::NotRotated::TooMany) => self.callers.rotated(Err(CallError::Overloaded)),
            keys::Output::NotRotated(keys::NotRotated::StoreFailed) => {
                self.callers.rotated(Err(store_error(cx)));
            }
        }
    }

    fn inbox_output(&mut self, cx: &mut Cx, output: inbox::Output) {
        use inbox::Output;
        match output {
            Output::Persist { commit, records } => {
                let entries = self.shelf.inbox(&self.inbox, records);
                cx.journal.direct(DirectCommit::Inbox(commit), entries);
            }
            Output::Answer { token, answer } => self.questions.answer(cx.behaviour, token, answer),
            Output::Discard { mailbox, ids } => {
                if let Ok(mailbox) = PeerId::from_bytes(&mailbox) {
                    self.collector.handle(cx.now, collecting::Input::Discard { mailbox, ids });
                }
            }
            // It comes again with the next round.
            Output::Left { .. } => {}
            Output::Show(letter) => self.show(cx, letter),
            Output::Receipt { from, at: _, receipt } => {
                self.outbox.handle(cx.now, outbox::Input::Receipt { from, receipt });
            }
            Output::SendReceipt { to, receipt } => {
                self.outbox.handle(cx.now, outbox::Input::SendReceipt { to, receipt });
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
            Output::Ask { to, request, question } => match to.peer_id() {
                Some(peer) => self.questions.ask(cx.behaviour, peer, Asker::Outbox(request), question),
                None => self.outbox.handle(cx.now, outbox::Input::RequestFailed { request }),
            },
            Output::Deposit { mailbox, request, envelopes } => {
                let question = DirectQuestion::Deposit(envelopes);
                if !self.anonymous.ask(AnonymousAsker::Deposit(request), &mailbox, question) {
                    self.outbox.handle(cx.now, outbox::Input::RequestFailed { request });
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
            Output::Seek => self.wants_mailboxes = true,
            Output::Reach(Mailbox { peer, addresses }) => {
                let Ok(peer) = PeerId::from_bytes(&peer) else { return };
                if self.connected.contains(&peer) {
                    self.collector.handle(cx.now, collecting::Input::PeerUp(peer));
                } else {
                    let addresses = addresses.iter().filter_map(|address| address.parse().ok()).collect();
                    cx.effects.push_back(Effect::Reach { peer, addresses });
                }
            }
            Output::Ask { mailbox, request, question } => {
                self.questions.ask(cx.behaviour, mailbox, Asker::Collector(request), question);
            }
            Output::Chosen(mailboxes) => self.keys.handle(cx.now, keys::Input::Mailboxes(mailboxes)),
            Output::Came { mailbox, envelope } => {
                let source = Source::Mailbox { mailbox: mailbox.to_bytes(), id: envelope.id() };
                self.inbox.handle(cx.now, &self.keys, inbox::Input::Envelope { source, envelope });
            }
        }
    }

    fn keeper_output(&mut self, cx: &mut Cx, output: mailbox::Output) {
        use mailbox::Output;
        match output {
            Output::Persist { commit, changes } => {
                cx.journal.direct(DirectCommit::Mailbox(commit), shelf::mailbox(changes));
            }
            Output::Answer { token, answer } => self.questions.answer(cx.behaviour, token, answer),
            Output::Serve { token, .. } if !cx.reads.has_room() => {
                self.questions.answer(cx.behaviour, token, DirectAnswer::Unavailable);
            }
            Output::Serve { token, ids, more } => cx.reads.letters(token, &ids, more),
            Output::Provide(author) => self.providing.add(cx.now, Wanted::Card(author).key()),
            Output::StopProviding(author) => {
                self.providing.remove(&mut cx.behaviour.kad, &Wanted::Card(author).key());
            }
        }
    }

    // ---- what there is to tell

    /// Letters of ours that are not delivered.
    pub fn undelivered(&self) -> u64 {
        self.outbox.load().letters as u64
    }

    /// The mailboxes that our card names.
    pub fn mailboxes(&self) -> Vec<String> {
        let named = self.keys.card().map(|card| card.card.mailboxes.as_slice()).unwrap_or_default();
        named.iter().filter_map(|mailbox| PeerId::from_bytes(&mailbox.peer).ok()).map(|peer| peer.to_string()).collect()
    }

    /// What is kept for others.
    pub fn mailbox(&self) -> Option<MailboxStatus> {
        let load = self.keeper.as_ref()?.load();
        Some(MailboxStatus { recipients: load.recipients as u64, letters: load.letters, bytes: load.bytes })
    }

    /// What was not taken, by reason; what never happened is left out.
    pub fn counts(&self) -> Vec<(&'static str, u64)> {
        let inbox = self.refused.iter().map(|(why, count)| (reason(*why), *count));
        let counters = self.keeper.as_ref().map(Keeper::counters).unwrap_or_default();
        let mailbox = [
            ("mailbox_not_wanted", counters.not_wanted),
            ("mailbox_full", counters.full),
            ("mailbox_invalid", counters.invalid),
            ("mailbox_too_often", counters.too_often),
            ("mailbox_unavailable", counters.unavailable),
        ];
        inbox.chain(mailbox).filter(|(_, count)| *count > 0).collect()
    }

    /// Everybody who is named, blocked or has written, with the name that the user gave.
    pub fn people(&self) -> BTreeMap<Author, (Option<String>, inbox::Person)> {
        let known = self.inbox.people().map(|(who, person)| (who, (None, person)));
        let mut people: BTreeMap<_, _> = known.collect();
        for (who, contact) in &self.contacts {
            people.entry(*who).or_default().0 = Some(contact.name.clone());
        }
        people
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

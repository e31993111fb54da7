//! The machine that the module above describes.

use std::{collections::VecDeque, sync::Arc};

use super::{
    ASKER_QUESTIONS, Change, CommitId, Config, Counters, DEPOSITOR_QUESTIONS, Depositor, Input, LOOK_MS, Load,
    MAX_EXPIRED, Output, RETRY_MS, Registration, Settings, Stored, StoredLetter,
    clock::Clock,
    commits::{Batch, Commits, Done},
    index::Index,
    meter::Meter,
    registry::Registry,
};
use crate::{
    direct::{
        card::{KEEP_MS, SignedCard},
        letter::{Envelope, EnvelopeId, MAX_ENVELOPE_BYTES},
        message::{DirectAnswer, MAX_BATCH_BYTES, MAX_BATCH_LETTERS, MAX_DISCARDED, Refusal},
    },
    ids::Author,
    signature::Verifier,
    time::{Deadline, Now},
    wire,
};

/// Why something is not taken.
#[derive(Debug, Clone, Copy)]
enum NotTaken {
    /// The recipient is not registered.
    NotWanted,
    /// Over a quota.
    Full,
    /// Against a rule.
    Invalid,
}

/// A mailbox.
#[derive(Debug)]
pub struct Keeper {
    settings: Settings,
    verifier: Arc<dyn Verifier>,
    clock: Clock,
    pub(super) index: Index,
    pub(super) registry: Registry,
    commits: Commits,
    askers: Meter<Author>,
    depositors: Meter<Depositor>,
    counters: Counters,
    /// The place of the next letter.
    next_arrival: u64,
    /// All letters before this place are durable.
    durable_end: u64,
    /// Before this the store is not asked to drop what has expired.
    expire_from: Deadline,
    outputs: VecDeque<Output>,
}

impl Keeper {
    /// A mailbox with what its store holds.
    pub fn new(now: Now, config: Config, stored: Stored) -> Self {
        let (mut index, mut registry) = (Index::default(), Registry::default());
        for letter in stored.letters {
            index.insert(letter);
        }
        for registration in stored.registrations {
            registry.set(registration.card.card.owner, Some(registration));
        }
        let latest_letter = index.newest().map(|letter| letter.until_ms);
        let latest = latest_letter.max(registry.last_end()).map(|until_ms| until_ms.saturating_sub(KEEP_MS));
        let next_arrival = index.newest().map_or(0, |letter| letter.arrival + 1);
        Self {
            settings: config.settings,
            verifier: config.verifier,
            clock: Clock::new(now, latest),
            outputs: registry.owners().map(Output::Provide).collect(),
            index,
            registry,
            commits: Commits::default(),
            askers: Meter::new(ASKER_QUESTIONS),
            depositors: Meter::new(DEPOSITOR_QUESTIONS),
            counters: Counters::default(),
            next_arrival,
            durable_end: next_arrival,
            expire_from: now.after(0),
        }
    }

    /// What it holds.
    pub fn load(&self) -> Load {
        let total = self.index.total();
        Load {
            recipients: self.registry.len(),
            letters: total.letters,
            bytes: total.bytes,
            committing_bytes: self.commits.bytes(),
        }
    }

    /// What was not done.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Takes note of something that happened.
    pub fn handle(&mut self, now: Now, input: Input) {
        self.clock.advance(now);
        match input {
            Input::Register { token, asker, from, card } => {
                if self.admits(now, token, asker) {
                    self.register(token, asker, from, card);
                }
            }
            Input::Deposit { token, depositor, envelopes } => {
                if self.depositors.admit(now, depositor) {
                    self.deposit(token, depositor, envelopes);
                } else {
                    self.too_often(token);
                }
            }
            Input::Collect { token, asker, after } => {
                if self.admits(now, token, asker) {
                    self.collect(token, asker, after);
                }
            }
            Input::Discard { token, asker, ids } => {
                if self.admits(now, token, asker) {
                    self.discard(token, asker, ids);
                }
            }
            Input::Card { token, author } => {
                // Its owner signed it, so that it can be shown before it is durable.
                let card = self.registry.get(&author).map(|registration| registration.card.clone());
                self.answer(token, DirectAnswer::Card(card));
            }
            Input::Persisted { through } => self.persisted(through),
            Input::PersistFailed => self.persist_failed(now),
        }
    }

    /// Drops what has expired.
    pub fn handle_timeout(&mut self, now: Now) {
        self.clock.advance(now);
        if now.reached(self.expire_from) && !self.commits.is_full() {
            self.expire();
        }
    }

    /// The next thing to do, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Keeper::handle_timeout`] is to be called.
    pub fn poll_timeout(&self) -> Option<Deadline> {
        let letter = self.index.oldest().map(|letter| letter.until_ms);
        let registration = self.registry.next_end().map(|(until_ms, _)| until_ms);
        let due_ms = letter.into_iter().chain(registration).min()?;
        if self.commits.is_full() {
            // What is under way comes back before more is dropped.
            return Some(self.clock.after(RETRY_MS));
        }
        Some(self.clock.deadline(due_ms).min(self.clock.after(LOOK_MS)).max(self.expire_from))
    }

    // ---- questions

    fn register(&mut self, token: u64, asker: Author, from: Depositor, card: SignedCard) {
        if card.card.owner != asker || card.verify(&*self.verifier).is_err() {
            return self.refuse(token, NotTaken::Invalid);
        }
        let before = self.registry.get(&asker);
        let has_room = self.registry.count_from(from) < self.settings.neighbourhood_recipients;
        let from = match before {
            None if !has_room || self.registry.len() >= self.settings.recipients => {
                return self.refuse(token, NotTaken::Full);
            }
            Some(before) if !has_room => before.from,
            _ => from,
        };
        if self.commits.is_full() {
            return self.unavailable(token);
        }
        let mut batch = Batch::default();
        let newest = match before {
            Some(before) if before.card.card.issued_ms >= card.card.issued_ms => before.card.clone(),
            Some(_) => card,
            None => {
                batch.then.push(Output::Provide(asker));
                card
            }
        };
        let until_ms = self.clock.at_ms().saturating_add(KEEP_MS);
        let registration = Registration { card: newest, until_ms, from };
        batch.changes.push(Change::Registered(registration.clone()));
        let before = self.registry.set(asker, Some(registration));
        batch.done.push(Done::Registered { owner: asker, before });
        self.commit(batch, token, DirectAnswer::Registered { for_ms: KEEP_MS });
    }

    fn deposit(&mut self, token: u64, depositor: Depositor, envelopes: Vec<Envelope>) {
        let weighed: Vec<(u32, Envelope)> =
            envelopes.into_iter().map(|envelope| (encoded_bytes(&envelope), envelope)).collect();
        let bytes: u64 = weighed.iter().map(|(bytes, _)| u64::from(*bytes)).sum();
        if weighed.len() > MAX_BATCH_LETTERS || bytes > MAX_BATCH_BYTES as u64 {
            return self.refuse(token, NotTaken::Invalid);
        }
        if self.commits.is_full() {
            return self.unavailable(token);
        }
        let (mut batch, mut taken, mut reason) = (Batch::default(), 0, NotTaken::Invalid);
        for (bytes, envelope) in weighed {
            match self.keep(&mut batch, depositor, bytes, envelope) {
                Ok(()) => taken += 1,
                Err(not_taken) => {
                    reason = not_taken;
                    break;
                }
            }
        }
        if taken == 0 {
            self.refuse(token, reason);
        } else {
            self.commit(batch, token, DirectAnswer::Deposited(taken));
        }
    }

    /// Takes one letter, or says why not.
    fn keep(
        &mut self,
        batch: &mut Batch,
        depositor: Depositor,
        bytes: u32,
        envelope: Envelope,
    ) -> Result<(), NotTaken> {
        if bytes as usize > MAX_ENVELOPE_BYTES {
            return Err(NotTaken::Invalid);
        }
        let (id, to) = (envelope.id(), envelope.to);
        if self.index.contains(&id) {
            return Ok(());
        }
        if self.registry.get(&to).is_none() {
            return Err(NotTaken::NotWanted);
        }
        let Settings { recipient_letters, recipient_bytes, depositor_letters, depositor_bytes, .. } = self.settings;
        let fits = self.index.total().has_room(bytes, self.settings.letters, self.settings.bytes)
            && self.index.usage_of(&to).has_room(bytes, recipient_letters, recipient_bytes)
            && self.index.usage_from(depositor).has_room(bytes, depositor_letters, depositor_bytes);
        if !fits {
            return Err(NotTaken::Full);
        }
        let until_ms = self.clock.at_ms().saturating_add(KEEP_MS);
        let letter = StoredLetter { id, arrival: self.next_arrival, to, bytes, depositor, until_ms };
        self.next_arrival += 1;
        self.index.insert(letter);
        batch.bytes += bytes as usize;
        batch.done.push(Done::Kept { arrival: letter.arrival });
        batch.changes.push(Change::Keep { letter, envelope });
        Ok(())
    }

    fn collect(&mut self, token: u64, asker: Author, after: Option<EnvelopeId>) {
        if self.registry.get(&asker).is_none() && self.index.usage_of(&asker).letters == 0 {
            // Else it would wait for letters that are never taken.
            return self.refuse(token, NotTaken::NotWanted);
        }
        let after = after.and_then(|id| self.index.arrival(&asker, &id));
        let (mut ids, mut bytes, mut more) = (Vec::new(), 0, false);
        for letter in self.index.letters_of(&asker, after, self.durable_end) {
            bytes += letter.bytes as usize;
            if ids.len() == MAX_BATCH_LETTERS || bytes > MAX_BATCH_BYTES {
                more = true;
                break;
            }
            ids.push(letter.id);
        }
        self.outputs.push_back(Output::Serve { token, ids, more });
    }

    fn discard(&mut self, token: u64, asker: Author, ids: Vec<EnvelopeId>) {
        if ids.len() > MAX_DISCARDED {
            return self.refuse(token, NotTaken::Invalid);
        }
        if self.commits.is_full() {
            return self.unavailable(token);
        }
        let mut batch = Batch::default();
        let theirs = |id: EnvelopeId| self.index.remove(self.index.arrival(&asker, &id)?);
        drop_letters(&mut batch, ids.into_iter().filter_map(theirs).collect());
        self.commit(batch, token, DirectAnswer::Noted);
    }

    fn expire(&mut self) {
        let at_ms = self.clock.at_ms();
        let mut letters = Vec::new();
        while letters.len() < MAX_EXPIRED
            && let Some(arrival) =
                self.index.oldest().filter(|letter| letter.until_ms <= at_ms).map(|oldest| oldest.arrival)
        {
            letters.extend(self.index.remove(arrival));
        }
        let mut batch = Batch::default();
        drop_letters(&mut batch, letters);
        while batch.done.len() < MAX_EXPIRED
            && let Some((until_ms, owner)) = self.registry.next_end()
            && until_ms <= at_ms
        {
            let before = self.registry.set(owner, None);
            batch.done.push(Done::Registered { owner, before });
            batch.changes.push(Change::Unregistered { owner });
            batch.then.push(Output::StopProviding(owner));
        }
        if !batch.changes.is_empty() {
            self.outputs.push_back(self.commits.push(batch, None, self.next_arrival));
        }
    }

    // ---- to the store and back

    /// Hands a batch to the store, if there is anything in it, and answers when all is durable on which the answer rests.
    fn commit(&mut self, batch: Batch, token: u64, answer: DirectAnswer) {
        if batch.changes.is_empty() {
            if let Some(answer) = self.commits.wait(token, answer) {
                self.answer(token, answer);
            }
        } else {
            self.outputs.push_back(self.commits.push(batch, Some((token, answer)), self.next_arrival));
        }
    }

    fn persisted(&mut self, through: CommitId) {
        while let Some(commit) = self.commits.pop_through(through) {
            self.durable_end = self.durable_end.max(commit.end);
            self.outputs.extend(commit.then);
            for (token, answer) in commit.waiting {
                self.answer(token, answer);
            }
        }
    }

    fn persist_failed(&mut self, now: Now) {
        let commits = self.commits.take_all();
        for done in commits.iter().rev().flat_map(|commit| commit.done.iter().rev()) {
            match done {
                Done::Kept { arrival } => _ = self.index.remove(*arrival),
                Done::Dropped(letter) => self.index.insert(*letter),
                Done::Registered { owner, before } => _ = self.registry.set(*owner, before.clone()),
            }
        }
        for (token, _) in commits.into_iter().flat_map(|commit| commit.waiting) {
            self.unavailable(token);
        }
        self.expire_from = now.after(RETRY_MS);
    }

    // ---- what the askers hear

    fn admits(&mut self, now: Now, token: u64, asker: Author) -> bool {
        let admitted = self.askers.admit(now, asker);
        if !admitted {
            self.too_often(token);
        }
        admitted
    }

    fn too_often(&mut self, token: u64) {
        self.counters.too_often += 1;
        self.answer(token, DirectAnswer::Unavailable);
    }

    fn unavailable(&mut self, token: u64) {
        self.counters.unavailable += 1;
        self.answer(token, DirectAnswer::Unavailable);
    }

    fn refuse(&mut self, token: u64, reason: NotTaken) {
        let (counter, refusal) = match reason {
            NotTaken::NotWanted => (&mut self.counters.not_wanted, Refusal::NotWanted),
            NotTaken::Full => (&mut self.counters.full, Refusal::Full),
            NotTaken::Invalid => (&mut self.counters.invalid, Refusal::Invalid),
        };
        *counter += 1;
        self.answer(token, DirectAnswer::Refused(refusal));
    }

    fn answer(&mut self, token: u64, answer: DirectAnswer) {
        self.outputs.push_back(Output::Answer { token, answer });
    }
}

/// Adds to a batch that these letters go.
fn drop_letters(batch: &mut Batch, letters: Vec<StoredLetter>) {
    if !letters.is_empty() {
        batch.changes.push(Change::Drop { ids: letters.iter().map(|letter| letter.id).collect() });
        batch.done.extend(letters.into_iter().map(Done::Dropped));
    }
}

/// Bytes of an envelope inside a message.
fn encoded_bytes(envelope: &Envelope) -> u32 {
    let mut encoded = Vec::new();
    wire::encode_into(envelope, &mut encoded);
    u32::try_from(encoded.len()).unwrap_or(u32::MAX)
}

//! One outbox by itself, with a store that answers at once; `world` has recipients, mailboxes and faults.

use std::sync::Arc;

use super::*;
use crate::{
    direct::{
        card::{Card, Mailbox, SignedCard},
        letter::{Envelope, Letter, Receipt, StreamId, Text},
        message::{DirectAnswer, DirectQuestion, Refusal},
    },
    seal::OpenKey,
    signature::Ed25519,
    testing::{EPOCH_MS, at, author, signer},
};

mod direct;
pub mod disk;
mod mailboxes;
mod receipts;
mod world;
mod writing;

use disk::{Disk, seq};

const STREAM: StreamId = StreamId(77);

fn open_key(n: u8) -> OpenKey {
    OpenKey::from_bytes([n; 32])
}

/// The card of author `n`, number `issued`, for key `key`, with these mailboxes.
fn card(n: u8, issued: u64, key: u8, mailboxes: &[u8]) -> SignedCard {
    let mailboxes = mailboxes.iter().map(|mailbox| Mailbox { peer: vec![*mailbox], addresses: vec![] }).collect();
    Card { owner: author(n), issued_ms: EPOCH_MS + issued, key: open_key(key).seal_key(), mailboxes }.sign(&signer(n))
}

fn config() -> Config {
    Config { signer: signer(1), verifier: Arc::new(Ed25519), stream: STREAM, seed: [3; 32] }
}

/// What is in an envelope for author `n`, sealed for key `key`.
fn opened(envelope: &Envelope, n: u8, key: u8) -> Letter {
    let key = open_key(key);
    envelope.open(author(n), [(key.seal_key().id(), &key)], &Ed25519).unwrap()
}

/// How the store answers.
#[derive(Clone, Copy, PartialEq)]
enum Store {
    Works,
    Fails,
    Hangs,
}

/// An outbox, its store, and what came out of it besides.
struct Rig {
    outbox: Outbox,
    now: Now,
    disk: Disk,
    store: Store,
    hanging: Vec<(CommitId, Vec<Change>)>,
    out: Vec<Output>,
}

impl Rig {
    fn new() -> Self {
        Self::restored(at(0), Disk::default())
    }

    fn restored(now: Now, disk: Disk) -> Self {
        let outbox = Outbox::restore(now, config(), disk.saved());
        Self { outbox, now, disk, store: Store::Works, hanging: vec![], out: vec![] }
    }

    /// The same store, a new process.
    fn restart(&mut self) {
        *self = Self::restored(self.now, self.disk.clone());
        self.pass(0);
    }

    fn input(&mut self, input: Input) {
        self.outbox.handle(self.now, input);
        self.settle();
    }

    fn settle(&mut self) {
        while let Some(output) = self.outbox.poll_output() {
            match output {
                Output::Persist { commit, changes } => match self.store {
                    Store::Hangs => self.hanging.push((commit, changes)),
                    Store::Fails => self.outbox.handle(self.now, Input::PersistFailed),
                    Store::Works => {
                        changes.into_iter().for_each(|change| self.disk.apply(change));
                        self.outbox.handle(self.now, Input::Persisted { through: commit });
                    }
                },
                output => self.out.push(output),
            }
        }
    }

    /// The store does what it hung on.
    fn wake_store(&mut self) {
        self.store = Store::Works;
        for (commit, changes) in std::mem::take(&mut self.hanging) {
            changes.into_iter().for_each(|change| self.disk.apply(change));
            self.input(Input::Persisted { through: commit });
        }
    }

    /// Time passes, with timeouts as asked for.
    fn pass(&mut self, ms: u64) {
        let end = self.now.mono_ms + ms;
        while let Some(Deadline(at_ms)) = self.outbox.poll_timeout().filter(|at| at.0 <= end) {
            let step = at_ms.saturating_sub(self.now.mono_ms);
            self.now = Now { mono_ms: self.now.mono_ms + step, wall_ms: self.now.wall_ms + step };
            self.outbox.handle_timeout(self.now);
            self.settle();
        }
        let step = end - self.now.mono_ms;
        self.now = Now { mono_ms: end, wall_ms: self.now.wall_ms + step };
    }

    fn write(&mut self, to: u8) {
        self.input(Input::Write { token: 5, to: author(to), text: "hello".into(), attachments: vec![] });
    }

    fn up(&mut self, n: u8) {
        self.input(Input::PeerUp(author(n)));
    }

    fn card(&mut self, card: SignedCard) {
        self.input(Input::Card(card));
    }

    fn answer(&mut self, request: RequestId, answer: DirectAnswer) {
        self.input(Input::Answer { request, answer });
    }

    /// What came out since the last call.
    fn take(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.out)
    }

    /// Deliveries among it.
    fn deliveries(&mut self) -> Vec<(RequestId, Envelope)> {
        let delivery = |output| match output {
            Output::Ask { request, question: DirectQuestion::Deliver(envelope), .. } => Some((request, envelope)),
            _ => None,
        };
        self.take().into_iter().filter_map(delivery).collect()
    }

    /// Deposits among it: question, mailbox, envelopes.
    fn deposits(&mut self) -> Vec<(RequestId, u8, Vec<Envelope>)> {
        let deposit = |output| match output {
            Output::Deposit { request, mailbox, envelopes } => Some((request, mailbox.peer[0], envelopes)),
            _ => None,
        };
        self.take().into_iter().filter_map(deposit).collect()
    }

    /// States among it.
    fn states(&mut self) -> Vec<(u64, State)> {
        let state = |output| match output {
            Output::State { seq, state, .. } => Some((seq, state)),
            _ => None,
        };
        self.take().into_iter().filter_map(state).collect()
    }
}

/// A rig with a letter to author 2, whose card is known; not connected.
fn with_letter(mailboxes: &[u8]) -> Rig {
    let mut rig = Rig::new();
    rig.card(card(2, 1, 12, mailboxes));
    rig.write(2);
    rig
}

fn receipt(delivered_through: u64, delivered: Vec<(u64, u64)>, read_through: u64) -> Receipt {
    Receipt { stream: STREAM, delivered_through, delivered, read_through }
}

//! An inbox under test, the store that it writes to, and those who write to it.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

use super::{commits::Place, witness::place, *};
use crate::{
    direct::{
        keys::{self, KeyRing},
        letter::{Content, Envelope, EnvelopeId, Letter, Receipt, StreamId, Text},
        message::DirectAnswer,
    },
    hlc::Timestamp,
    ids::Author,
    seal::SealKey,
    signature::{Ed25519, Signer},
    testing::signer_of,
    time::Now,
};

/// The inbox's owner. Whoever has another number writes to it.
pub const OWNER: u16 = 0;

pub fn signer(who: u16) -> Signer {
    let mut secret = [7; 32];
    secret[..2].copy_from_slice(&who.to_le_bytes());
    signer_of(secret)
}

pub fn author(who: u16) -> Author {
    signer(who).author()
}

pub fn text(stream: u64, seq: u64) -> Content {
    let text = format!("{seq} of {stream}");
    Content::Text(Text { stream: StreamId(stream), seq, text, attachments: Vec::new() })
}

pub fn seal(from: u16, key: &SealKey, at_ms: u64, content: Content) -> Envelope {
    let letter = Letter { from: author(from), to: author(OWNER), at: Timestamp::from_ms(at_ms), content };
    letter.sign(&signer(from)).seal(key, &mut ChaCha20Rng::seed_from_u64(at_ms)).unwrap()
}

pub fn ring() -> KeyRing {
    let now = Now::default();
    let mut ring = KeyRing::new(now, keys::Config { signer: signer(OWNER), seed: [9; 32] });
    let Some(keys::Output::Persist { commit, .. }) = ring.poll_output() else { panic!("no key") };
    ring.handle(now, keys::Input::Persisted { through: commit });
    ring
}

/// What would survive a power cut.
#[derive(Debug, Default)]
pub struct Store {
    pub letters: Vec<Letter>,
    pub people: BTreeMap<Author, Person>,
    pub streams: BTreeMap<(Author, StreamId), Stream>,
}

impl Store {
    pub fn apply(&mut self, record: Record) {
        match record {
            Record::Letter(letter) => self.letters.push(letter),
            Record::Person(who, person) => _ = self.people.insert(who, person),
            Record::Stream(who, id, stream) => _ = self.streams.insert((who, id), stream),
            Record::Forget(who) => {
                self.people.remove(&who);
                self.streams.retain(|(from, _), _| *from != who);
            }
        }
    }

    pub fn places(&self) -> BTreeSet<Place> {
        self.letters.iter().map(place).collect()
    }

    /// The inbox of `owner` with what is in here.
    pub fn inbox(&self, now: Now, owner: Author) -> Inbox {
        let config = Config { owner, verifier: Arc::new(Ed25519), read_receipts: true };
        let mut inbox = Inbox::new(now, config);
        for (who, person) in &self.people {
            inbox.restore_person(*who, *person);
        }
        for ((who, id), stream) in &self.streams {
            inbox.restore_stream(now, *who, *id, stream.clone());
        }
        inbox
    }
}

pub struct World {
    pub inbox: Inbox,
    pub ring: KeyRing,
    pub now: Now,
    pub store: Store,
    /// Handed to the store and not answered.
    pub under_way: VecDeque<(CommitId, Vec<Record>)>,
    /// What the inbox said and nobody has looked at.
    pub said: Vec<Output>,
    /// Whether the store answers at once.
    pub prompt: bool,
    /// Whether the outbox sends and notes receipts at once, or never.
    pub outbox_works: bool,
    next_token: u64,
}

impl World {
    /// With these known.
    pub fn new(known: &[u16]) -> Self {
        let now = Now::default();
        let store = Store::default();
        let mut world = Self {
            inbox: store.inbox(now, author(OWNER)),
            ring: ring(),
            now,
            store,
            under_way: VecDeque::new(),
            said: Vec::new(),
            prompt: true,
            outbox_works: true,
            next_token: 0,
        };
        for who in known {
            world.handle(Input::Known(author(*who)));
        }
        world.said.clear();
        world
    }

    pub fn key(&self) -> SealKey {
        self.ring.card().unwrap().card.key
    }

    pub fn seal(&self, from: u16, content: Content) -> Envelope {
        seal(from, &self.key(), 1, content)
    }

    pub fn handle(&mut self, input: Input) {
        self.inbox.handle(self.now, &self.ring, input);
        self.settle();
    }

    fn settle(&mut self) {
        while let Some(output) = self.inbox.poll_output() {
            match output {
                Output::Persist { commit, records } => self.under_way.push_back((commit, records)),
                said if self.outbox_works => {
                    self.serve(&said);
                    self.said.push(said);
                }
                other => self.said.push(other),
            }
            if self.prompt {
                self.persist(usize::MAX);
            }
        }
    }

    /// Does what an outbox does.
    fn serve(&mut self, said: &Output) {
        let input = match said.clone() {
            Output::Receipt { from, receipt, .. } => Input::ReceiptNoted { from, receipt },
            Output::SendReceipt { to, receipt } => Input::ReceiptSent { to, receipt },
            _ => return,
        };
        self.inbox.handle(self.now, &self.ring, input);
    }

    /// The store finishes so many commits.
    pub fn persist(&mut self, count: usize) {
        let count = count.min(self.under_way.len());
        let mut done = None;
        for (commit, records) in self.under_way.drain(..count) {
            records.into_iter().for_each(|record| self.store.apply(record));
            done = Some(commit);
        }
        if let Some(through) = done {
            self.inbox.handle(self.now, &self.ring, Input::Persisted { through });
            self.settle();
        }
    }

    pub fn fail(&mut self) {
        self.under_way.clear();
        self.handle(Input::PersistFailed);
    }

    /// The program ends, whatever is under way is lost, and it starts again.
    pub fn crash(&mut self) {
        self.under_way.clear();
        self.inbox = self.store.inbox(self.now, author(OWNER));
    }

    /// Time passes.
    pub fn run(&mut self, ms: u64) {
        let end_ms = self.now.mono_ms + ms;
        while let Some(due) = self.inbox.poll_timeout().filter(|due| due.0 <= end_ms) {
            self.now.mono_ms = self.now.mono_ms.max(due.0);
            self.inbox.handle_timeout(self.now);
            self.settle();
        }
        self.now.mono_ms = end_ms;
    }

    /// A peer hands over an envelope. Returns the token of its answer.
    pub fn direct(&mut self, peer: u16, envelope: Envelope) -> u64 {
        let token = self.next_token;
        self.next_token += 1;
        let source = Source::Direct { peer: author(peer).peer_id().unwrap(), token };
        self.handle(Input::Envelope { source, envelope });
        token
    }

    /// An author hands over a text of its own.
    pub fn write(&mut self, from: u16, stream: u64, seq: u64) -> u64 {
        let envelope = self.seal(from, text(stream, seq));
        self.direct(from, envelope)
    }

    /// An envelope is found in a mailbox.
    pub fn mailed(&mut self, envelope: Envelope) -> EnvelopeId {
        let id = envelope.id();
        self.handle(Input::Envelope { source: Source::Mailbox { mailbox: vec![1], id }, envelope });
        id
    }

    pub fn mail(&mut self, from: u16, stream: u64, seq: u64) -> EnvelopeId {
        let envelope = self.seal(from, text(stream, seq));
        self.mailed(envelope)
    }

    /// What was said since this was asked last.
    pub fn take(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.said)
    }

    /// The numbers of the texts shown since this was asked last.
    pub fn shown(&mut self) -> Vec<u64> {
        self.take().iter().filter_map(shown).collect()
    }

    /// The only answer given since this was asked last, to this question.
    pub fn answer(&mut self, to: u64) -> Option<DirectAnswer> {
        let mut answers = self.take().into_iter().filter_map(|output| match output {
            Output::Answer { token, answer } => Some((token, answer)),
            _ => None,
        });
        let (token, answer) = answers.next()?;
        assert_eq!((token, answers.next()), (to, None));
        Some(answer)
    }

    /// What mailboxes were told to discard since this was asked last.
    pub fn discarded(&mut self) -> Vec<EnvelopeId> {
        let ids = |output| match output {
            Output::Discard { ids, .. } => ids,
            _ => Vec::new(),
        };
        self.take().into_iter().flat_map(ids).collect()
    }

    /// The receipts sent since this was asked last.
    pub fn receipts(&mut self) -> Vec<Receipt> {
        let receipt = |output| match output {
            Output::SendReceipt { receipt, .. } => Some(receipt),
            _ => None,
        };
        self.take().into_iter().filter_map(receipt).collect()
    }
}

pub fn shown(output: &Output) -> Option<u64> {
    match output {
        Output::Show(Letter { content: Content::Text(text), .. }) => Some(text.seq),
        _ => None,
    }
}

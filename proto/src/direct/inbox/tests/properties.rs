//! Whatever happens, no letter is lost, stored twice or shown twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use proptest::prelude::*;

use super::{
    commits::Place,
    witness::{Witness, place},
    world::{World, author, ring, seal, text},
    *,
};
use crate::direct::{
    letter::{Envelope, EnvelopeId, StreamId},
    message::DirectAnswer,
};

const AUTHORS: u16 = 3;
const STREAMS: u64 = 2;
const LETTERS: u64 = 7;

/// Every letter that anybody writes: of each author, stream and number.
static ENVELOPES: LazyLock<Vec<(u16, Place, Envelope)>> = LazyLock::new(|| {
    let key = ring().card().unwrap().card.key;
    let mut all = Vec::new();
    for from in 1..=AUTHORS {
        for (stream, seq) in (1..=STREAMS).flat_map(|stream| (1..=LETTERS).map(move |seq| (stream, seq))) {
            all.push((from, (author(from), StreamId(stream), seq), seal(from, &key, seq, text(stream, seq))));
        }
    }
    all
});

#[derive(Debug, Clone)]
enum Step {
    Direct { letter: usize, damage: bool },
    Mailed { letter: usize, mailbox: u8, damage: bool },
    Persist(usize),
    Fail,
    Crash,
    Run(u64),
    Wall(u64),
    Read(u16),
    ReadReceipts(bool),
}

fn step() -> impl Strategy<Value = Step> {
    let letter = 0..ENVELOPES.len();
    let damage = prop::bool::weighted(0.1);
    prop_oneof![
        12 => (letter.clone(), damage).prop_map(|(letter, damage)| Step::Direct { letter, damage }),
        8 => (letter, 0u8..2, damage)
            .prop_map(|(letter, mailbox, damage)| Step::Mailed { letter, mailbox, damage }),
        8 => (1usize..6).prop_map(Step::Persist),
        1 => Just(Step::Fail),
        1 => Just(Step::Crash),
        4 => (0..2 * GAP_PATIENCE_MS).prop_map(Step::Run),
        1 => any::<u64>().prop_map(Step::Wall),
        1 => (1..=AUTHORS).prop_map(Step::Read),
        1 => any::<bool>().prop_map(Step::ReadReceipts),
    ]
}

/// What is true of the letters, told from outside.
struct Model {
    world: World,
    /// What each token and each envelope's name stands for; `None` if it is damaged.
    tokens: BTreeMap<u64, Option<Place>>,
    names: BTreeMap<EnvelopeId, Option<Place>>,
    /// Tokens of this run without an answer.
    unanswered: BTreeSet<u64>,
    witness: Witness,
}

impl Model {
    fn new() -> Self {
        let mut world = World::new(&[1, 2]);
        world.prompt = false;
        Self {
            world,
            tokens: BTreeMap::new(),
            names: BTreeMap::new(),
            unanswered: BTreeSet::new(),
            witness: Witness::default(),
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Direct { letter, damage } => {
                let (from, place, envelope) = envelope(letter, damage);
                let token = self.world.direct(from, envelope);
                self.tokens.insert(token, place);
                self.unanswered.insert(token);
            }
            Step::Mailed { letter, mailbox, damage } => {
                let (_, place, envelope) = envelope(letter, damage);
                let id = envelope.id();
                self.names.insert(id, place);
                let source = Source::Mailbox { mailbox: vec![mailbox], id };
                self.world.handle(Input::Envelope { source, envelope });
            }
            Step::Persist(count) => self.world.persist(count),
            Step::Fail => self.world.fail(),
            Step::Crash => {
                self.check();
                self.world.crash();
                self.witness.restart(self.world.store.places());
                self.unanswered.clear();
            }
            Step::Run(ms) => {
                for _ in 0..ms / 250 {
                    self.world.run(250);
                    self.check();
                }
            }
            Step::Wall(wall_ms) => self.world.now.wall_ms = wall_ms,
            Step::Read(from) => self.world.handle(Input::Read { from: author(from), through: ReadThrough::All }),
            Step::ReadReceipts(on) => self.world.handle(Input::ReadReceipts(on)),
        }
        self.check();
    }

    fn check(&mut self) {
        let now_ms = self.world.now.mono_ms;
        let stored = self.world.store.places();
        assert_eq!(stored.len(), self.world.store.letters.len(), "a letter is stored twice");
        stored.iter().for_each(|place| self.witness.is_durable(now_ms, *place));
        for said in self.world.take() {
            match said {
                Output::Answer { token, answer } => {
                    assert!(self.unanswered.remove(&token), "a question is answered twice");
                    let place = self.tokens[&token];
                    if answer == DirectAnswer::Delivered {
                        assert!(stored.contains(&place.unwrap()), "acknowledged and not stored");
                    }
                }
                Output::Discard { ids, .. } => {
                    let mut places = ids.iter().filter_map(|id| self.names[id]);
                    assert!(places.all(|place| stored.contains(&place)), "discarded and not stored");
                }
                Output::Left { id, .. } => assert!(self.names[&id].is_some(), "what is of no use is left"),
                Output::SendReceipt { to, receipt } => {
                    assert!(receipt.is_valid());
                    let claims = (1..=LETTERS).filter(|seq| receipt.has_delivered(*seq));
                    let mut places = claims.map(|seq| (to, receipt.stream, seq));
                    assert!(places.all(|place| stored.contains(&place)), "a receipt for what is not stored");
                }
                Output::Show(letter) => self.witness.is_shown(now_ms, place(&letter)),
                _ => {}
            }
        }
        let load = self.world.inbox.load();
        assert!(load.people <= usize::from(AUTHORS) && load.strangers_letters <= STREAMS * LETTERS);
    }

    /// All goes well at last, and everybody sends everything again.
    fn finish(&mut self) {
        self.step(Step::Persist(usize::MAX));
        for letter in 0..ENVELOPES.len() {
            self.step(Step::Run(500));
            self.step(Step::Direct { letter, damage: false });
            self.step(Step::Persist(usize::MAX));
        }
        self.step(Step::Run(2 * GAP_PATIENCE_MS));
        assert!(self.unanswered.is_empty(), "a question is not answered");
        assert_eq!(self.world.store.letters.len(), ENVELOPES.len(), "a letter is not stored");
        assert_eq!(*self.witness.seen(), self.world.store.places(), "a letter is not shown");
        self.step(Step::Run(RECEIPT_RETRY_MS + RECEIPT_AGAIN_MS));
        self.step(Step::Persist(usize::MAX));
        assert!(self.world.store.streams.values().all(|stream| !stream.owed), "a receipt is not sent");
        let load = self.world.inbox.load();
        assert_eq!((load.committing_bytes, load.waiting_bytes), (0, 0));
        assert_eq!(load.strangers_letters, STREAMS * LETTERS);
    }
}

fn envelope(letter: usize, damage: bool) -> (u16, Option<Place>, Envelope) {
    let (from, place, mut envelope) = ENVELOPES[letter].clone();
    if damage {
        envelope.sealed.ciphertext[letter] ^= 1;
    }
    (from, Some(place).filter(|_| !damage), envelope)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn no_letter_is_lost_or_comes_twice_whatever_peers_mailboxes_disk_and_power_do(
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut model = Model::new();
        steps.into_iter().for_each(|step| model.step(step));
        model.finish();
    }
}

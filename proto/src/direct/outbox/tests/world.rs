//! An outbox among recipients and mailboxes that come and go, over ways that lose and delay, with a store that fails and
//! processes that are restarted. Whatever happens: what was acknowledged arrives, once, and no state goes back.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::direct::letter::LetterId;

/// The recipients.
const RECIPIENTS: [u8; 2] = [2, 3];

/// Letters that a mailbox of the model has room for.
const ROOM: usize = 12;

/// Something that happens.
#[derive(Debug, Clone, Copy)]
enum Event {
    Write(u8),
    Up(u8),
    Down(u8),
    /// A new key and a new choice of mailboxes; the key before the last is forgotten.
    NewCard(u8),
    /// The recipient fetches what mailboxes keep for it.
    Collect(u8),
    /// The recipient tells what it has.
    Receipt(u8),
    /// Our inbox has something to tell.
    Tell(u8),
    Restart,
    Pass(u64),
    Store(bool),
    Loss(u32),
}

fn event() -> impl Strategy<Value = Event> {
    let who = || prop::sample::select(RECIPIENTS.to_vec());
    prop_oneof![
        6 => who().prop_map(Event::Write),
        3 => who().prop_map(Event::Up),
        3 => who().prop_map(Event::Down),
        1 => who().prop_map(Event::NewCard),
        1 => who().prop_map(Event::Collect),
        1 => who().prop_map(Event::Receipt),
        1 => who().prop_map(Event::Tell),
        1 => Just(Event::Restart),
        6 => (1u64..4_000).prop_map(Event::Pass),
        1 => (600_000u64..2_000_000).prop_map(Event::Pass),
        1 => any::<bool>().prop_map(Event::Store),
        2 => (0u32..80).prop_map(Event::Loss),
    ]
}

/// One recipient of the model.
struct Recipient {
    n: u8,
    connected: bool,
    keys: Vec<u8>,
    card: SignedCard,
    has: BTreeMap<u64, LetterId>,
    read_through: u64,
}

impl Recipient {
    fn new(n: u8) -> Self {
        Self { n, connected: false, keys: vec![20], card: card(n, 0, 20, &[8]), has: BTreeMap::new(), read_through: 0 }
    }

    fn take(&mut self, envelope: &Envelope) -> DirectAnswer {
        let keys: Vec<OpenKey> = self.keys.iter().map(|key| open_key(*key)).collect();
        let named = keys.iter().map(|key| (key.seal_key().id(), key));
        let Ok(letter) = envelope.open(author(self.n), named, &Ed25519) else {
            return DirectAnswer::Refused(Refusal::UnknownKey(self.card.clone()));
        };
        if let Content::Text(text) = &letter.content {
            let known = self.has.entry(text.seq).or_insert(letter.id());
            assert_eq!(*known, letter.id(), "two letters under one number");
        }
        DirectAnswer::Delivered
    }

    fn receipt(&mut self) -> Receipt {
        let through = (1..).take_while(|seq| self.has.contains_key(seq)).last().unwrap_or(0);
        let beyond = self.has.keys().filter(|seq| **seq > through).take(8).map(|seq| (*seq, *seq)).collect();
        self.read_through = through;
        receipt(through, beyond, through)
    }
}

/// A message on its way to the outbox, or a store's.
struct World {
    outbox: Outbox,
    now: Now,
    rng: ChaCha8Rng,
    disk: Disk,
    store_works: bool,
    /// Commits, and when the store answers.
    commits: Vec<(u64, CommitId, Vec<Change>)>,
    /// Answers, and when they come.
    coming: Vec<(u64, Input)>,
    loss_percent: u32,
    recipients: BTreeMap<Author, Recipient>,
    mailboxes: BTreeMap<Vec<u8>, Vec<Envelope>>,
    written: BTreeSet<(Author, u64)>,
    states: BTreeMap<(Author, u64), State>,
    sends: usize,
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            outbox: Outbox::restore(at(0), config(), Saved::default()),
            now: at(0),
            rng: ChaCha8Rng::seed_from_u64(seed),
            disk: Disk::default(),
            store_works: true,
            commits: vec![],
            coming: vec![],
            loss_percent: 0,
            recipients: RECIPIENTS.into_iter().map(|n| (author(n), Recipient::new(n))).collect(),
            mailboxes: BTreeMap::new(),
            written: BTreeSet::new(),
            states: BTreeMap::new(),
            sends: 0,
        }
    }

    fn input(&mut self, input: Input) {
        self.outbox.handle(self.now, input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.outbox.poll_output() {
            match output {
                Output::Persist { commit, changes } => {
                    let at_ms = self.now.mono_ms + self.rng.random_range(0..30);
                    let after = self.commits.last().map_or(0, |last| last.0);
                    self.commits.push((at_ms.max(after), commit, changes));
                }
                Output::Written { letter, .. } => {
                    let place = (letter.letter.to, seq(&letter.letter));
                    assert!(self.disk.letters.contains_key(&place) && self.written.insert(place));
                }
                Output::NotWritten { error, .. } => assert_eq!(error, NotWritten::NotStored),
                Output::State { to, seq, id, state } => {
                    let saved = &self.disk.letters[&(to, seq)];
                    assert!(saved.state >= state && saved.letter.letter.id() == id);
                    let before = self.states.insert((to, seq), state);
                    assert!(before.is_none_or(|before| before < state && !before.is_final()));
                }
                Output::Read { to, through } => {
                    assert!(self.disk.streams[&to].read_through >= through);
                    assert!(self.recipients[&to].read_through >= through);
                }
                Output::ReceiptNoted { from, receipt } => {
                    let theirs = self.disk.letters.range((from, 0)..=(from, u64::MAX));
                    let mut delivered = theirs.filter(|((_, seq), _)| receipt.has_delivered(*seq));
                    assert!(delivered.all(|(_, saved)| saved.state.is_final()), "forgotten and not stored");
                }
                Output::ReceiptSent { .. } => {}
                Output::Ask { to, request, question } => self.ask(to, request, question),
                Output::Deposit { mailbox, request, envelopes } => self.deposit(mailbox.peer, request, envelopes),
                Output::Reach(_) => {}
                Output::FindCard(owner) => {
                    let found = self.recipients[&owner].card.clone();
                    self.later(Input::Card(found), false);
                }
            }
            self.check_bounds();
        }
    }

    fn check_bounds(&self) {
        let load = self.outbox.load();
        assert!(load.asking <= WINDOW * RECIPIENTS.len() && load.depositing <= 4);
        assert!(load.letters <= self.disk.letters.len() + self.commits.len());
        assert!(load.correspondents <= RECIPIENTS.len() && load.receipts <= RECIPIENTS.len());
    }

    /// Nothing leaves that is not durable.
    fn check_durable(&self, envelope: &Envelope) {
        let keys: Vec<OpenKey> = (20..=u8::MAX).map(open_key).collect();
        let key = keys.iter().map(|key| (key.seal_key().id(), key)).filter(|(id, _)| *id == envelope.key);
        let letter = envelope.open(envelope.to, key, &Ed25519).unwrap();
        if let Content::Text(text) = &letter.content {
            assert_eq!(self.disk.letters[&(letter.to, text.seq)].letter.letter, letter);
        }
    }

    fn is_lost(&mut self) -> bool {
        self.rng.random_range(0..100) < self.loss_percent
    }

    /// An answer on its way; if it can be lost, its loss is told instead.
    fn later(&mut self, input: Input, lost: bool) {
        let delay_ms = self.rng.random_range(0..if lost { 5_000 } else { 500 });
        self.coming.push((self.now.mono_ms + delay_ms, input));
    }

    fn answer(&mut self, request: RequestId, answer: Option<DirectAnswer>) {
        let lost = answer.is_none() || self.is_lost();
        let input = match answer {
            Some(answer) if !lost => Input::Answer { request, answer },
            _ => Input::RequestFailed { request },
        };
        self.later(input, lost);
    }

    fn ask(&mut self, to: Author, request: RequestId, question: DirectQuestion) {
        self.sends += 1;
        if let DirectQuestion::Deliver(envelope) = &question {
            self.check_durable(envelope);
        }
        let lost = self.is_lost();
        let recipient = self.recipients.get_mut(&to).unwrap();
        let answer = match question {
            _ if lost || !recipient.connected => None,
            DirectQuestion::Deliver(envelope) => Some(recipient.take(&envelope)),
            _ => Some(DirectAnswer::Card(Some(recipient.card.clone()))),
        };
        self.answer(request, answer);
    }

    fn deposit(&mut self, mailbox: Vec<u8>, request: RequestId, envelopes: Vec<Envelope>) {
        self.sends += 1;
        envelopes.iter().for_each(|envelope| self.check_durable(envelope));
        if self.is_lost() {
            return self.answer(request, None);
        }
        let kept = self.mailboxes.entry(mailbox).or_default();
        let taken = envelopes.len().min(ROOM - kept.len());
        kept.extend(envelopes.into_iter().take(taken));
        let answer =
            if taken == 0 { DirectAnswer::Refused(Refusal::Full) } else { DirectAnswer::Deposited(taken as u32) };
        self.answer(request, Some(answer));
    }

    /// The next thing that is due up to `end_ms`, at its time.
    fn step(&mut self, end_ms: u64) -> bool {
        let commit = self.commits.first().map(|commit| (commit.0, 0));
        let coming = self.coming.iter().map(|coming| (coming.0, 1)).min();
        let timeout = self.outbox.poll_timeout().map(|at| (at.0, 2));
        let next = [commit, coming, timeout].into_iter().flatten().min();
        let Some((at_ms, what)) = next.filter(|(at_ms, _)| *at_ms <= end_ms) else { return false };
        self.now = at(at_ms.max(self.now.mono_ms));
        match what {
            0 if !self.store_works => {
                self.commits.clear();
                self.input(Input::PersistFailed);
            }
            0 => {
                let (_, through, changes) = self.commits.remove(0);
                changes.into_iter().for_each(|change| self.disk.apply(change));
                self.input(Input::Persisted { through });
            }
            1 => {
                let index = self.coming.iter().position(|coming| coming.0 == at_ms).unwrap();
                let (_, input) = self.coming.remove(index);
                self.input(input);
            }
            _ => {
                self.outbox.handle_timeout(self.now);
                self.drain();
            }
        }
        true
    }

    fn pass(&mut self, ms: u64) {
        let end_ms = self.now.mono_ms + ms;
        while self.step(end_ms) {}
        self.now = at(end_ms);
    }

    fn connect(&mut self, n: u8, connected: bool) {
        self.recipients.get_mut(&author(n)).unwrap().connected = connected;
        self.input(if connected { Input::PeerUp(author(n)) } else { Input::PeerDown(author(n)) });
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Write(n) => {
                let text = format!("at {}", self.now.mono_ms);
                self.input(Input::Write { token: 0, to: author(n), text, attachments: vec![] });
            }
            Event::Up(n) => self.connect(n, true),
            Event::Down(n) => self.connect(n, false),
            Event::NewCard(n) => {
                let recipient = self.recipients.get_mut(&author(n)).unwrap();
                let key = recipient.keys.last().unwrap() + 1;
                let mailboxes = &[8, 9][..self.rng.random_range(0..=2)];
                recipient.keys.push(key);
                recipient.keys = recipient.keys.split_off(recipient.keys.len().saturating_sub(2));
                recipient.card = card(n, u64::from(key), key, mailboxes);
            }
            Event::Collect(n) => {
                let recipient = self.recipients.get_mut(&author(n)).unwrap();
                for kept in self.mailboxes.values_mut() {
                    let (mine, others) = kept.drain(..).partition(|envelope| envelope.to == author(n));
                    *kept = others;
                    let mine: Vec<Envelope> = mine;
                    mine.iter().for_each(|envelope| _ = recipient.take(envelope));
                }
            }
            Event::Receipt(n) => {
                let receipt = self.recipients.get_mut(&author(n)).unwrap().receipt();
                self.later(Input::Receipt { from: author(n), receipt }, false);
            }
            Event::Tell(n) => {
                let told = receipt(self.now.mono_ms, vec![], 0);
                self.input(Input::SendReceipt { to: author(n), receipt: told });
            }
            Event::Restart => self.restart(),
            Event::Pass(ms) => self.pass(ms),
            Event::Store(works) => self.store_works = works,
            Event::Loss(percent) => self.loss_percent = percent,
        }
    }

    /// The process is killed and started: what was under way is gone, what the store has not done it will never do.
    fn restart(&mut self) {
        self.commits.clear();
        self.coming.clear();
        // What the user had not yet been told, the user reads from the store.
        for (place, saved) in &self.disk.letters {
            self.states.insert(*place, saved.state);
            self.written.insert(*place);
        }
        self.outbox = Outbox::restore(self.now, config(), self.disk.saved());
        for n in RECIPIENTS {
            if self.recipients[&author(n)].connected {
                self.input(Input::PeerUp(author(n)));
            }
        }
    }

    /// All is well from now on. Half an hour is longer than any pause that is under way and the one after it.
    fn heal(&mut self) {
        (self.store_works, self.loss_percent) = (true, 0);
        RECIPIENTS.into_iter().for_each(|n| self.connect(n, true));
        self.pass(1_800_000);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_was_acknowledged_arrives_once_and_then_all_is_quiet(
        seed: u64, events in prop::collection::vec(event(), 1..80),
    ) {
        let mut world = World::new(seed);
        events.into_iter().for_each(|event| world.happen(event));
        world.heal();
        for (to, seq) in &world.written {
            let saved = &world.disk.letters[&(*to, *seq)];
            prop_assert_eq!(world.recipients[to].has.get(seq), Some(&saved.letter.letter.id()));
            prop_assert_eq!(world.states.get(&(*to, *seq)), Some(&State::Delivered));
        }
        let held = Load { cards: world.outbox.load().cards, ..Load::default() };
        prop_assert_eq!(world.outbox.load(), held);
        prop_assert_eq!(world.outbox.poll_timeout(), None);
        let sends = world.sends;
        world.pass(30 * 24 * 3_600_000);
        prop_assert_eq!(world.sends, sends);
    }

    #[test]
    fn mailboxes_alone_bring_what_was_acknowledged(seed: u64, count in 1usize..20, loss in 0u32..60) {
        let mut world = World::new(seed);
        world.happen(Event::Loss(loss));
        (0..count).for_each(|_| world.happen(Event::Write(2)));
        for round in 0..12 {
            // However much was lost before, in the last hours nothing is.
            if round == 8 {
                world.happen(Event::Loss(0));
            }
            world.pass(1_800_000);
            world.happen(Event::Collect(2));
        }
        prop_assert_eq!(world.recipients[&author(2)].has.len(), count);
        world.happen(Event::Receipt(2));
        world.pass(10_000);
        prop_assert!(world.states.values().all(|state| *state == State::Delivered));
        prop_assert_eq!(world.outbox.poll_timeout(), None);
    }
}

//! Whatever happens in whatever order: no promised letter is lost, none is handed to anybody else, no quota is exceeded, and what is
//! in memory is what is in the store.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const RECIPIENTS: u8 = 4;
const SMALL: Settings = Settings {
    recipients: 3,
    neighbourhood_recipients: 2,
    recipient_letters: 8,
    recipient_bytes: 4_000,
    depositor_letters: 12,
    depositor_bytes: 6_000,
    letters: 20,
    bytes: 12_000,
};

/// Something that happens. Recipients, letters and depositors are numbered.
#[derive(Debug, Clone)]
enum Step {
    /// Who, from where, and the time of the card.
    Register(u8, u64, u64),
    Deposit(u64, Vec<u64>),
    Collect(u8, Option<u64>),
    Discard(u8, Vec<u64>),
    Persist(usize),
    PersistFailed,
    Crash {
        written: usize,
    },
    Pass {
        hours: u64,
    },
    Leap {
        hours: u64,
        back: bool,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let recipient = 1..=RECIPIENTS;
    let letters = || prop::collection::vec(0u64..40, 1..7);
    let step = prop_oneof![
        4 => (recipient.clone(), 0u64..2, 0u64..5).prop_map(|(n, from, issued)| Step::Register(n, from, issued)),
        8 => (0u64..3, letters()).prop_map(|(from, letters)| Step::Deposit(from, letters)),
        4 => (recipient.clone(), prop::option::of(0u64..40)).prop_map(|(n, after)| Step::Collect(n, after)),
        4 => (recipient, letters()).prop_map(|(n, letters)| Step::Discard(n, letters)),
        8 => (1usize..4).prop_map(Step::Persist),
        1 => Just(Step::PersistFailed),
        1 => (0usize..4).prop_map(|written| Step::Crash { written }),
        2 => (1u64..200).prop_map(|hours| Step::Pass { hours }),
        1 => (1u64..10_000, any::<bool>()).prop_map(|(hours, back)| Step::Leap { hours, back }),
    ];
    prop::collection::vec(step, 1..120)
}

/// The letter of a number: each is for one recipient, and has a length of its own.
fn letter(n: u64) -> Envelope {
    envelope(author(1 + (n % u64::from(RECIPIENTS)) as u8), n, 100 + 40 * (n as usize % 9))
}

/// What was asked and not answered yet.
enum Asked {
    Register(u8),
    /// With the places of those that were taken.
    Deposit(Vec<(Envelope, Option<u64>)>),
    Collect(u8),
    /// The places of those that were there.
    Discard(Vec<u64>),
}

struct World {
    keeper: Keeper,
    store: Store,
    now: Now,
    asked: BTreeMap<u64, Asked>,
    tokens: u64,
    /// What the mailbox said that it keeps, by place.
    promised: BTreeMap<u64, Envelope>,
    /// What its recipient asked to discard, whatever the answer.
    discarded: BTreeSet<u64>,
    /// When each letter came, on the scale of `believed_ms`.
    came_ms: BTreeMap<u64, u64>,
    /// Milliseconds that the mailbox may believe have passed.
    believed_ms: u64,
    provided: BTreeSet<Author>,
}

impl World {
    fn new() -> Self {
        let store = Store::default();
        Self {
            keeper: store.open(at(0), SMALL),
            store,
            now: at(0),
            asked: BTreeMap::new(),
            tokens: 0,
            promised: BTreeMap::new(),
            discarded: BTreeSet::new(),
            came_ms: BTreeMap::new(),
            believed_ms: 0,
            provided: BTreeSet::new(),
        }
    }

    fn ask(&mut self, asked: Asked, input: impl FnOnce(u64) -> Input) {
        self.tokens += 1;
        self.asked.insert(self.tokens, asked);
        self.keeper.handle(self.now, input(self.tokens));
        if let Some(Asked::Deposit(envelopes)) = self.asked.get_mut(&self.tokens) {
            let index = &self.keeper.index;
            envelopes.iter_mut().for_each(|(envelope, place)| *place = index.arrival(&envelope.to, &envelope.id()));
        }
        self.look();
    }

    fn tell(&mut self, input: Input) {
        self.keeper.handle(self.now, input);
        self.look();
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Register(n, from, issued) => {
                let (asker, from, card) = (author(n), Depositor(from), card(n, issued));
                self.ask(Asked::Register(n), |token| Input::Register { token, asker, from, card });
            }
            Step::Deposit(from, numbers) => {
                let envelopes: Vec<Envelope> = numbers.into_iter().map(letter).collect();
                let asked = Asked::Deposit(envelopes.iter().map(|envelope| (envelope.clone(), None)).collect());
                self.ask(asked, |token| Input::Deposit { token, depositor: Depositor(from), envelopes });
            }
            Step::Collect(n, after) => {
                let (asker, after) = (author(n), after.map(|n| letter(n).id()));
                self.ask(Asked::Collect(n), |token| Input::Collect { token, asker, after });
            }
            Step::Discard(n, numbers) => {
                let ids: Vec<EnvelopeId> = numbers.iter().map(|n| letter(*n).id()).collect();
                let theirs: Vec<u64> = ids.iter().filter_map(|id| self.keeper.index.arrival(&author(n), id)).collect();
                self.discarded.extend(&theirs);
                let asked = Asked::Discard(theirs);
                self.ask(asked, |token| Input::Discard { token, asker: author(n), ids });
            }
            Step::Persist(commits) => self.persist(commits),
            Step::PersistFailed => {
                self.store.fail();
                self.tell(Input::PersistFailed);
                let waiting = self.asked.len();
                assert_eq!(waiting, 0, "everybody who waited was answered");
                self.store.assert_holds(&self.keeper);
            }
            Step::Crash { written } => self.crash(written),
            Step::Pass { hours } => self.pass(hours * 3_600_000),
            Step::Leap { hours, back } => {
                let ms = hours * 3_600_000;
                self.now.wall_ms = if back { self.now.wall_ms - ms } else { self.now.wall_ms + ms };
                // Wherever the wall clock lands, it is believed for a day ahead at most.
                self.believed_ms += MAX_LEAP_MS;
            }
        }
        self.assert_quotas();
    }

    fn persist(&mut self, commits: usize) {
        let through = self.store.apply(commits);
        self.assert_dropped();
        if let Some(through) = through {
            self.tell(Input::Persisted { through });
        }
        if self.store.queue.is_empty() {
            self.store.assert_holds(&self.keeper);
        }
    }

    /// The store may have written more than it could say.
    fn crash(&mut self, written: usize) {
        self.store.apply(written);
        self.assert_dropped();
        self.store.fail();
        self.asked.clear();
        self.provided.clear();
        self.believed_ms += MAX_LEAP_MS;
        self.keeper = self.store.open(self.now, SMALL);
        self.store.assert_holds(&self.keeper);
        self.look();
    }

    fn pass(&mut self, ms: u64) {
        self.now.mono_ms += ms;
        self.now.wall_ms += ms;
        self.believed_ms += ms;
        if self.keeper.poll_timeout().is_some_and(|due| self.now.reached(due)) {
            self.keeper.handle_timeout(self.now);
            self.look();
        }
    }

    /// Looks at all that the mailbox wants done.
    fn look(&mut self) {
        while let Some(output) = self.keeper.poll_output() {
            match output {
                Output::Persist { commit, changes } => {
                    changes.iter().for_each(|change| self.changing(change));
                    self.store.queue.push_back((commit, changes));
                }
                Output::Answer { token, answer } => self.answered(token, answer),
                Output::Serve { token, ids, .. } => self.served(token, &ids),
                Output::Provide(author) => assert!(self.provided.insert(author)),
                Output::StopProviding(author) => assert!(self.provided.remove(&author)),
            }
        }
    }

    /// A place is given again only after a crash, if what was there is gone.
    fn changing(&mut self, change: &Change) {
        if let Change::Keep { letter, .. } = change {
            assert!(self.promised.remove(&letter.arrival).is_none() || self.may_be_gone(letter.arrival));
            self.discarded.remove(&letter.arrival);
            self.came_ms.insert(letter.arrival, self.believed_ms);
        }
    }

    fn may_be_gone(&self, place: u64) -> bool {
        self.discarded.contains(&place) || self.believed_ms - self.came_ms[&place] >= KEEP_MS
    }

    fn assert_dropped(&mut self) {
        let dropped = std::mem::take(&mut self.store.dropped);
        assert!(dropped.into_iter().all(|place| self.may_be_gone(place)));
    }

    fn answered(&mut self, token: u64, answer: DirectAnswer) {
        match (self.asked.remove(&token).expect("each is answered once"), answer) {
            (Asked::Deposit(envelopes), DirectAnswer::Deposited(count)) => {
                assert!(count > 0);
                for (envelope, place) in envelopes.into_iter().take(count as usize) {
                    let place = place.expect("it was taken");
                    assert!(self.store.has(place) || self.may_be_gone(place));
                    self.promised.insert(place, envelope);
                }
            }
            (Asked::Discard(places), DirectAnswer::Noted) => {
                assert!(!places.into_iter().any(|place| self.store.has(place)));
            }
            (Asked::Register(n), DirectAnswer::Registered { for_ms: KEEP_MS }) => {
                assert!(self.provided.contains(&author(n)));
            }
            (_, DirectAnswer::Unavailable | DirectAnswer::Refused(Refusal::Full | Refusal::NotWanted)) => {}
            (_, other) => panic!("{other:?}"),
        }
    }

    fn served(&mut self, token: u64, ids: &[EnvelopeId]) {
        let Some(Asked::Collect(n)) = self.asked.remove(&token) else { panic!("not asked for") };
        let letters: Vec<&StoredLetter> = ids.iter().map(|id| &self.store.letters[id].0).collect();
        assert!(letters.iter().all(|letter| letter.to == author(n)));
        assert!(letters.is_sorted_by_key(|letter| letter.arrival));
    }

    fn assert_quotas(&self) {
        let (mut to, mut from) = (BTreeMap::new(), BTreeMap::new());
        let count = |usage: &mut (u64, u64), letter: &StoredLetter| {
            *usage = (usage.0 + 1, usage.1 + u64::from(letter.bytes));
        };
        let mut all = (0, 0);
        for (letter, _) in self.store.letters.values() {
            count(to.entry(letter.to).or_default(), letter);
            count(from.entry(letter.depositor).or_default(), letter);
            count(&mut all, letter);
        }
        let within = |usage: &(u64, u64), letters, bytes| usage.0 <= letters && usage.1 <= bytes;
        assert!(to.values().all(|usage| within(usage, SMALL.recipient_letters, SMALL.recipient_bytes)));
        assert!(from.values().all(|usage| within(usage, SMALL.depositor_letters, SMALL.depositor_bytes)));
        assert!(within(&all, SMALL.letters, SMALL.bytes));
        assert!(self.store.registrations.len() <= SMALL.recipients);
        let mut registered: BTreeMap<Depositor, usize> = BTreeMap::new();
        for registration in self.store.registrations.values() {
            *registered.entry(registration.from).or_default() += 1;
        }
        assert!(registered.values().all(|count| *count <= SMALL.neighbourhood_recipients));
    }

    /// Everybody comes and collects: each letter that was promised and may not be gone is there.
    fn settle(mut self) {
        self.persist(usize::MAX);
        assert!(self.asked.is_empty());
        self.store.assert_holds(&self.keeper);
        assert!(self.provided.iter().eq(self.store.registrations.keys()));
        for (place, envelope) in &self.promised {
            if !self.may_be_gone(*place) {
                let (letter, kept) = &self.store.letters[&envelope.id()];
                assert_eq!((letter.arrival, kept), (*place, envelope));
                self.keeper.handle(self.now, Input::Collect { token: 0, asker: envelope.to, after: None });
                let Some(Output::Serve { ids, .. }) = self.keeper.poll_output() else { panic!("not served") };
                assert!(ids.contains(&letter.id));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn no_promised_letter_is_lost_or_handed_to_anybody_else_and_the_index_is_what_the_store_holds(steps in steps()) {
        let mut world = World::new();
        // So that letters have somebody to be for from the beginning.
        world.step(Step::Register(1, 0, 0));
        world.step(Step::Register(2, 1, 0));
        for step in steps {
            world.step(step);
        }
        world.settle();
    }
}

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::testing::{at, cheap_peer as peer};

/// How a relay answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Gives,
    Full,
    Refuses,
    Unreachable,
    Silent,
    /// Gives, and takes it back after so many milliseconds.
    Flaps(u64),
}

/// A node, and relays that answer it after some time.
struct World {
    now_ms: u64,
    reservations: Reservations,
    manners: BTreeMap<PeerId, Manner>,
    /// What relays will say, and when.
    answers: BTreeMap<(u64, PeerId), Input>,
    asked: BTreeSet<PeerId>,
    held: BTreeSet<PeerId>,
    searches: Vec<u64>,
    /// Whom it asked, and when.
    asks: Vec<(u64, PeerId)>,
}

impl World {
    fn new(seed: u8) -> Self {
        Self {
            now_ms: 0,
            reservations: Reservations::new([seed; 32]),
            manners: BTreeMap::new(),
            answers: BTreeMap::new(),
            asked: BTreeSet::new(),
            held: BTreeSet::new(),
            searches: Vec::new(),
            asks: Vec::new(),
        }
    }

    fn relay(&mut self, number: u32, manner: Manner, word: Word, neighbourhood: u64) {
        self.manners.insert(peer(number), manner);
        self.input(Input::Found { relay: peer(number), word, neighbourhood });
    }

    fn input(&mut self, input: Input) {
        self.reservations.handle(at(self.now_ms), input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.reservations.poll_output() {
            match output {
                Output::Reserve { relay } => self.reserve(relay),
                Output::LetGo { relay } => {
                    assert!(self.asked.remove(&relay) || self.held.contains(&relay), "lets go of what it has not");
                    self.answers.retain(|(_, other), _| *other != relay);
                }
                Output::Held { relay } => assert!(self.asked.remove(&relay) && self.held.insert(relay)),
                Output::NotHeld { relay } => assert!(self.held.remove(&relay)),
                Output::FindRelays => self.searches.push(self.now_ms),
            }
        }
        assert_eq!(self.reservations.held().collect::<BTreeSet<_>>(), self.held);
        assert!(self.held.len() <= WANTED && self.asked.len() <= MAX_ASKED && self.reservations.known() <= MAX_KNOWN);
    }

    fn reserve(&mut self, relay: PeerId) {
        assert!(self.asked.insert(relay) && !self.held.contains(&relay), "asks twice");
        self.asks.push((self.now_ms, relay));
        let failed = |why| Input::Failed { relay, why };
        let answer = match self.manners[&relay] {
            Manner::Silent => return,
            Manner::Gives => Input::Accepted { relay },
            Manner::Flaps(after_ms) => {
                self.answers.insert((self.now_ms + 101 + after_ms, relay), Input::Lost { relay });
                Input::Accepted { relay }
            }
            Manner::Full => failed(Failure::Full),
            Manner::Refuses => failed(Failure::Refused),
            Manner::Unreachable => failed(Failure::Unreachable),
        };
        self.answers.insert((self.now_ms + 100, relay), answer);
    }

    fn run(&mut self, until_ms: u64) {
        loop {
            let due = self.reservations.poll_timeout().map(|due| due.0);
            let next = self.answers.first_key_value().map(|((at_ms, _), _)| *at_ms);
            let Some(now_ms) = due.into_iter().chain(next).min().filter(|at_ms| *at_ms <= until_ms) else { break };
            self.now_ms = now_ms.max(self.now_ms);
            match self.answers.pop_first() {
                Some(((at_ms, _), input)) if at_ms <= self.now_ms => {
                    if let Input::Failed { relay, .. } = input {
                        self.asked.remove(&relay);
                    }
                    self.input(input);
                }
                rest => {
                    self.answers.extend(rest);
                    self.reservations.handle_timeout(at(self.now_ms));
                    self.drain();
                }
            }
            let due = self.reservations.poll_timeout();
            assert!(due.is_none_or(|due| due.0 > self.now_ms), "due at once after it was handled: {due:?}");
        }
        self.now_ms = until_ms;
    }

    fn wanted(&mut self, wanted: bool) {
        self.input(Input::Wanted { wanted });
    }
}

#[test]
fn none_is_asked_for_unless_it_is_wanted_and_then_two_are_held() {
    let mut world = World::new(1);
    (0..10).for_each(|number| world.relay(number, Manner::Gives, Word::Its, number.into()));
    world.run(100_000);
    assert_eq!(world.asks, []);
    world.wanted(true);
    world.run(101_000);
    assert_eq!((world.held.len(), world.asked.len()), (WANTED, 0));
    assert_eq!(world.reservations.poll_timeout(), None);
}

#[test]
fn the_users_relay_is_asked_first_and_kept_and_the_others_are_elsewhere() {
    for seed in 0..20 {
        let mut world = World::new(seed);
        (0..9).for_each(|number| world.relay(number, Manner::Gives, Word::Its, u64::from(number) % 3));
        world.relay(9, Manner::Gives, Word::User, 0);
        world.wanted(true);
        assert_eq!(world.asks[0].1, peer(9));
        world.run(1_000);
        let held: Vec<PeerId> = world.held.iter().copied().collect();
        let other = (0..9).find(|number| held.contains(&peer(*number))).unwrap();
        assert!(held.contains(&peer(9)) && other % 3 != 0, "{held:?}");
    }
}

#[test]
fn one_that_is_lost_is_replaced_at_once_and_asked_again_when_it_is_needed() {
    let mut world = World::new(1);
    (0..3).for_each(|number| world.relay(number, Manner::Gives, Word::Its, number.into()));
    world.wanted(true);
    world.run(60_000);
    let lost = *world.held.first().unwrap();
    world.input(Input::Lost { relay: lost });
    world.run(60_200);
    assert!(world.held.len() == WANTED && !world.held.contains(&lost));
    // Nobody else is left: it is back within seconds.
    let next = *world.held.first().unwrap();
    world.input(Input::Lost { relay: next });
    world.run(62_500);
    assert_eq!(world.held.len(), WANTED);
}

#[test]
fn whoever_gives_nothing_is_asked_ever_more_rarely_and_more_are_looked_for() {
    let manners = [Manner::Full, Manner::Refuses, Manner::Unreachable, Manner::Silent, Manner::Flaps(50)];
    for manner in manners {
        let mut world = World::new(1);
        (0..3).for_each(|number| world.relay(number, manner, Word::Its, number.into()));
        world.wanted(true);
        world.run(3_600_000);
        assert!(world.asks.len() < 3 * 30, "{manner:?}: {} in an hour", world.asks.len());
        assert!((3..30).contains(&world.searches.len()), "{manner:?}: {:?}", world.searches);
        world.relay(7, Manner::Gives, Word::Hearsay, 7);
        world.relay(8, Manner::Gives, Word::Hearsay, 8);
        world.run(3_600_500);
        assert_eq!(world.held, BTreeSet::from([peer(7), peer(8)]), "{manner:?}");
    }
}

#[test]
fn who_can_be_reached_directly_lets_go_after_a_while_and_not_if_that_was_a_mistake() {
    let mut world = World::new(1);
    (0..3).for_each(|number| world.relay(number, Manner::Gives, Word::Its, number.into()));
    world.wanted(true);
    world.run(1_000);
    world.wanted(false);
    world.run(SETTLE_MS);
    assert_eq!(world.held.len(), WANTED);
    world.wanted(true);
    world.run(2 * SETTLE_MS + 2_000);
    assert_eq!(world.held.len(), WANTED);
    world.wanted(false);
    world.run(4 * SETTLE_MS);
    assert_eq!((world.held.len(), world.asked.len(), world.reservations.poll_timeout()), (0, 0, None));
}

#[test]
fn hearsay_crowds_out_nobody_whom_somebody_better_speaks_for() {
    let mut world = World::new(1);
    world.relay(5_000, Manner::Gives, Word::User, 1);
    world.relay(5_001, Manner::Gives, Word::Its, 2);
    (0..1_000).for_each(|number| world.relay(number, Manner::Silent, Word::Hearsay, 3));
    // Those who speak for themselves take the places of hearsay, and hearsay takes none of theirs.
    (2_000..2_000 + MAX_KNOWN as u32 - 2).for_each(|number| world.relay(number, Manner::Silent, Word::Its, 3));
    (3_000..4_000).for_each(|number| world.relay(number, Manner::Gives, Word::Hearsay, 4));
    assert_eq!(world.reservations.count(|relay| relay.word == Word::Hearsay), 0);
    world.wanted(true);
    world.run(600_000);
    assert_eq!(world.held, BTreeSet::from([peer(5_000), peer(5_001)]));
}

fn manner() -> impl Strategy<Value = Manner> {
    prop_oneof![
        Just(Manner::Gives),
        Just(Manner::Full),
        Just(Manner::Refuses),
        Just(Manner::Unreachable),
        Just(Manner::Silent),
        (0u64..100_000).prop_map(Manner::Flaps),
    ]
}

proptest! {
    #[test]
    fn two_are_held_in_the_end_if_two_give_whatever_happens_before(
        steps in prop::collection::vec((0u8..6, 0u32..90, manner(), 0u64..200_000), 1..60), seed: u8,
    ) {
        let mut world = World::new(seed);
        for (step, number, manner, wait_ms) in steps {
            let relay = peer(number);
            match step {
                0 => world.wanted(number % 2 == 0),
                1 if world.held.contains(&relay) => {
                    world.answers.retain(|(_, other), _| *other != relay);
                    world.input(Input::Lost { relay });
                }
                2 => world.input(Input::NotOne { relay }),
                _ => {
                    let word = [Word::Its, Word::Hearsay][number as usize % 2];
                    world.relay(number, manner, word, u64::from(number) % 5);
                }
            }
            let until_ms = world.now_ms + wait_ms;
            world.run(until_ms);
        }
        for number in [100, 101] {
            world.relay(number, Manner::Gives, Word::User, 9);
        }
        world.wanted(true);
        let until_ms = world.now_ms + 60_000;
        world.run(until_ms);
        prop_assert_eq!(world.held.len(), WANTED);
    }
}

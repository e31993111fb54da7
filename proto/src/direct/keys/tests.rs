use proptest::prelude::*;

use super::*;
use crate::{
    direct::card::{Mailbox, SignedCard},
    seal::KeyId,
    signature::Ed25519,
    testing::signer,
    time::Now,
};

const DAY_MS: u64 = 24 * 3_600_000;
const YEAR_MS: u64 = 365 * DAY_MS;
const START_MS: u64 = 56 * YEAR_MS;

/// A ring, its store, its clocks, and what it said.
struct World {
    ring: KeyRing,
    stored: Option<Stored>,
    now: Now,
    seed: u8,
    cards: Vec<SignedCard>,
    refused: Vec<NotRotated>,
    /// Whether the store works.
    works: bool,
    writes: usize,
}

fn config(seed: u8) -> Config {
    Config { signer: signer(1), seed: [seed; 32] }
}

impl World {
    fn new() -> Self {
        Self::with_store(true)
    }

    fn with_store(works: bool) -> Self {
        let now = Now { mono_ms: 0, wall_ms: START_MS };
        let ring = KeyRing::new(now, config(0));
        let mut world =
            Self { ring, stored: None, now, seed: 0, cards: Vec::new(), refused: Vec::new(), works, writes: 0 };
        world.settle();
        world
    }

    fn settle(&mut self) {
        while let Some(output) = self.ring.poll_output() {
            match output {
                Output::Persist { commit, stored } => {
                    self.writes += 1;
                    let input = if self.works {
                        self.stored = Some(Stored::decode(&stored.encode()).unwrap());
                        Input::Persisted { through: commit }
                    } else {
                        Input::PersistFailed
                    };
                    self.ring.handle(self.now, input);
                }
                Output::Card(card) => {
                    card.verify(&Ed25519).unwrap();
                    let kept = self.stored.as_ref().unwrap();
                    assert_eq!(
                        card.card.key,
                        kept.keys.last().unwrap().key.seal_key(),
                        "a card before its key is durable"
                    );
                    self.cards.push(card);
                }
                Output::NotRotated(why) => self.refused.push(why),
            }
        }
    }

    fn handle(&mut self, input: Input) {
        self.ring.handle(self.now, input);
        self.settle();
    }

    /// The node runs for so long, and its wall clock goes right.
    fn run(&mut self, ms: u64) {
        let end_ms = self.now.mono_ms + ms;
        while let Some(due) = self.ring.poll_timeout().filter(|due| due.0 <= end_ms) {
            assert!(due.0 > self.now.mono_ms, "a timeout that does not pass");
            self.to(due.0);
            self.ring.handle_timeout(self.now);
            self.settle();
        }
        self.to(end_ms);
    }

    fn to(&mut self, mono_ms: u64) {
        self.now.wall_ms += mono_ms - self.now.mono_ms;
        self.now.mono_ms = mono_ms;
    }

    /// The node is off while the wall clock goes to `wall_ms`.
    fn restart(&mut self, wall_ms: u64) {
        self.seed += 1;
        self.now = Now { mono_ms: 7, wall_ms };
        self.ring = match self.stored.clone() {
            Some(stored) => KeyRing::restore(self.now, config(self.seed), stored),
            None => KeyRing::new(self.now, config(self.seed)),
        };
        self.settle();
    }

    fn jump(&mut self, wall_ms: u64) {
        self.now.wall_ms = wall_ms;
        self.ring.handle_timeout(self.now);
        self.settle();
    }

    fn names(&self) -> Vec<KeyId> {
        self.ring.keys().map(|(name, _)| name).collect()
    }

    fn current(&self) -> KeyId {
        self.ring.card().unwrap().card.key.id()
    }
}

fn mailbox(peer: u8) -> Mailbox {
    Mailbox { peer: vec![peer; 38], addresses: vec!["/ip4/192.0.2.1/tcp/4001".into()] }
}

#[test]
fn the_first_card_comes_when_its_key_is_durable() {
    let now = Now { mono_ms: 0, wall_ms: START_MS };
    let mut ring = KeyRing::new(now, config(0));
    let Some(Output::Persist { commit, stored }) = ring.poll_output() else { panic!("nothing to persist") };
    assert!(ring.poll_output().is_none() && ring.card().is_none() && ring.keys().next().is_none());
    ring.handle(now, Input::Persisted { through: commit });
    let Some(Output::Card(card)) = ring.poll_output() else { panic!("no card") };
    assert_eq!(card.card.key, stored.keys[0].key.seal_key());
    assert_eq!((card.card.issued_ms, ring.keys().count()), (START_MS, 1));
    assert_eq!(ring.card(), Some(&card));
}

#[test]
fn a_store_that_fails_is_tried_again_and_no_card_is_handed_out_before() {
    let mut world = World::with_store(false);
    world.run(10 * RETRY_MS);
    assert!(world.cards.is_empty() && (10..=11).contains(&world.writes), "{}", world.writes);
    world.works = true;
    world.run(RETRY_MS);
    assert_eq!(world.cards.len(), 1);
    world.works = false;
    world.handle(Input::RotateNow);
    assert_eq!(world.refused, [NotRotated::StoreFailed]);
    assert_eq!((world.cards.len(), world.names().len()), (1, 1));
}

#[test]
fn a_key_is_replaced_when_its_time_has_come_and_kept_until_no_mailbox_has_letters_for_it() {
    let mut world = World::new();
    let first = world.current();
    world.run(ROTATE_MS - 1);
    assert_eq!(world.current(), first);
    world.run(1);
    assert_ne!(world.current(), first);
    world.run(KEEP_MS - LOOK_MS);
    assert!(world.names().contains(&first));
    world.run(LOOK_MS);
    assert!(!world.names().contains(&first));
    assert!(world.stored.as_ref().unwrap().keys.iter().all(|key| key.key.seal_key().id() != first));
}

#[test]
fn a_restart_changes_neither_keys_nor_card() {
    let mut world = World::new();
    world.handle(Input::Mailboxes(vec![mailbox(1)]));
    world.handle(Input::RotateNow);
    let (names, card) = (world.names(), world.cards.last().unwrap().clone());
    world.restart(world.now.wall_ms + 5);
    assert_eq!((world.names(), world.cards.last().unwrap()), (names, &card));
}

#[test]
fn each_card_is_later_than_the_one_before_even_if_the_clock_goes_back() {
    let mut world = World::new();
    for (peer, wall_ms) in [(1, START_MS), (2, 5), (3, 0), (4, START_MS + 1), (5, u64::MAX), (6, 0)] {
        world.restart(wall_ms);
        world.handle(Input::Mailboxes(vec![mailbox(peer)]));
        assert_eq!(world.ring.card().unwrap().card.mailboxes, [mailbox(peer)]);
    }
    // A restart shows the card again; a change makes a later one.
    let mut dates: Vec<_> = world.cards.iter().map(|card| card.card.issued_ms).collect();
    assert!(dates.is_sorted());
    dates.dedup();
    assert!(dates.len() >= 7, "{dates:?}");
}

#[test]
fn the_same_mailboxes_make_no_new_card_and_too_many_are_left_out() {
    let mut world = World::new();
    world.handle(Input::Mailboxes((1..9).map(mailbox).collect()));
    assert_eq!(world.ring.card().unwrap().card.mailboxes, [mailbox(1), mailbox(2), mailbox(3)]);
    world.handle(Input::Mailboxes((1..9).map(mailbox).collect()));
    assert_eq!(world.cards.len(), 2);
}

#[test]
fn a_clock_that_is_set_back_by_years_does_not_stop_the_keys_from_changing() {
    let mut world = World::new();
    world.jump(YEAR_MS);
    let first = world.current();
    world.run(ROTATE_MS + LOOK_MS);
    assert_ne!(world.current(), first);
    assert_eq!(world.names().len(), 2);
}

#[test]
fn a_clock_that_jumps_to_and_fro_by_years_replaces_a_key_once_and_loses_none() {
    let mut world = World::new();
    let first = world.current();
    for _ in 0..50 {
        for wall_ms in [START_MS + 10 * YEAR_MS, START_MS, START_MS + 10 * YEAR_MS, START_MS] {
            world.jump(wall_ms);
            world.run(STEP_MS);
        }
        world.restart(5);
        world.restart(START_MS + 10 * YEAR_MS);
    }
    assert_eq!(world.names().len(), 2);
    assert!(world.names().contains(&first));
}

#[test]
fn a_node_that_was_off_for_long_replaces_its_key_when_it_starts() {
    let mut world = World::new();
    for month in 1..12 {
        let before = world.current();
        world.restart(START_MS + month * 30 * DAY_MS);
        assert_ne!(world.current(), before);
        assert!(world.names().contains(&before) && world.names().len() <= 3);
    }
}

#[test]
fn a_user_who_asks_for_a_thousand_keys_is_told_when_there_are_too_many_and_loses_none() {
    let mut world = World::new();
    let first = world.current();
    for _ in 0..1_000 {
        world.handle(Input::RotateNow);
    }
    assert_eq!(world.names().len(), MAX_KEYS_BY_HAND);
    assert!(world.names().contains(&first));
    assert_eq!(world.refused.len(), 1_000 - (MAX_KEYS_BY_HAND - 1));
    world.run(KEEP_MS);
    assert!(!world.names().contains(&first));
    world.handle(Input::RotateNow);
    assert_eq!(world.refused.len(), 1_000 - (MAX_KEYS_BY_HAND - 1));
}

#[test]
fn no_secret_is_shown() {
    let mut ring = KeyRing::new(Now::default(), config(3));
    let Some(Output::Persist { commit, stored }) = ring.poll_output() else { panic!("nothing to persist") };
    ring.handle(Now::default(), Input::Persisted { through: commit });
    let secret = *stored.keys[0].key.to_bytes();
    let (as_list, as_hex) = (format!("{secret:?}"), hex::encode(secret));
    for shown in [format!("{ring:?}"), format!("{stored:?}"), format!("{:?}", Output::Persist { commit, stored })] {
        assert!(!shown.contains(&as_list[1..20]) && !shown.contains(&as_hex[..8]));
    }
}

#[derive(Debug, Clone)]
enum Step {
    Run(u64),
    Restart(u64),
    Jump(u64),
    Rotate,
    Mailboxes(u8),
    Store(bool),
}

fn step() -> impl Strategy<Value = Step> {
    let wall = prop_oneof![0..2 * YEAR_MS, START_MS..START_MS + 20 * YEAR_MS, Just(u64::MAX / 2)];
    prop_oneof![
        4 => (0..10 * DAY_MS).prop_map(Step::Run),
        1 => wall.clone().prop_map(Step::Restart),
        1 => wall.prop_map(Step::Jump),
        2 => Just(Step::Rotate),
        2 => (0u8..3).prop_map(Step::Mailboxes),
        1 => prop::bool::weighted(0.8).prop_map(Step::Store),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn cards_get_later_keys_are_few_and_each_is_kept_for_its_time(steps in prop::collection::vec(step(), 1..30)) {
        let mut world = World::new();
        // Of each key that was replaced: for how long at least the node ran or seemed to be off since.
        let mut replaced: Vec<(KeyId, u64)> = Vec::new();
        for step in steps {
            let (cards, before) = (world.cards.len(), world.current());
            let counted_ms = match step {
                Step::Run(ms) => { world.run(ms); ms }
                Step::Restart(wall_ms) => { world.restart(wall_ms); MAX_LEAP_MS + SAVE_MS + LOOK_MS }
                Step::Jump(wall_ms) => { world.jump(wall_ms); MAX_LEAP_MS + STEP_MS }
                Step::Rotate => { world.handle(Input::RotateNow); STEP_MS }
                Step::Mailboxes(peer) => { world.handle(Input::Mailboxes(vec![mailbox(peer)])); STEP_MS }
                Step::Store(works) => { world.works = works; 0 }
            };
            for (_, age_ms) in &mut replaced {
                *age_ms += counted_ms + LOOK_MS;
            }
            if world.current() != before {
                replaced.push((before, counted_ms + LOOK_MS));
            }
            for (key, age_ms) in &replaced {
                prop_assert!(*age_ms >= KEEP_MS || world.names().contains(key));
            }
            prop_assert!(world.names().len() <= MAX_KEYS);
            prop_assert!(world.names().contains(&world.current()));
            for pair in world.cards.windows(2).skip(cards.saturating_sub(1)) {
                let again = pair[0] == pair[1];
                prop_assert!(again || pair[0].card.issued_ms < pair[1].card.issued_ms);
            }
        }
    }
}

//! All machines of direct messages together; each by itself is tested where it is.
//!
//! Two people write to each other. Each has an outbox, an inbox, a key ring and a collector, each of which has a store; there may be
//! mailboxes, of which some lie. Ways come and go and lose questions and answers, processes are killed and started with what their
//! stores hold, stores fail. Afterwards all is made well, and what was acknowledged must have arrived, once, with everybody knowing.

use proptest::prelude::*;

use events::{Event, events};
use world::World;

mod disk;
mod driving;
mod events;
mod person;
mod post;
mod world;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_was_acknowledged_arrives_once_from_hand_to_hand(
        seed: u64, events in events(),
    ) {
        let mut world = World::new(seed, 0, 0);
        events.into_iter().for_each(|event| world.happen(event));
        world.heal(true);
        world.check_arrived();
        world.check_told();
    }

    #[test]
    fn what_was_acknowledged_arrives_once_by_hand_and_by_mailbox(
        seed: u64, mailboxes in 1u8..=3, meets: bool, events in events(),
    ) {
        let mut world = World::new(seed, mailboxes, 0);
        events.into_iter().for_each(|event| world.happen(event));
        world.heal(meets);
        world.check_arrived();
        world.restart();
        world.check_told();
    }

    #[test]
    fn what_was_acknowledged_arrives_once_between_two_who_never_meet(
        seed: u64, mailboxes in 1u8..=2, events in events(),
    ) {
        let mut world = World::new(seed, mailboxes, 0);
        let apart = events.into_iter().filter(|event| !matches!(event, Event::Link(_)));
        apart.for_each(|event| world.happen(event));
        world.heal(false);
        world.check_arrived();
        world.restart();
        world.check_told();
    }

    #[test]
    fn mailboxes_that_lie_keep_no_letter_from_arriving_and_make_none_arrive(
        seed: u64, honest in 0u8..=2, liars in 1u8..=2, events in events(),
    ) {
        let mut world = World::new(seed, honest, liars);
        events.into_iter().for_each(|event| world.happen(event));
        world.heal(true);
        world.check_arrived();
        world.check_told();
    }
}

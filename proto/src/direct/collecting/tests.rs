//! One rule each; `world` has the mailboxes.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::{
    direct::{
        card::MAX_MAILBOXES,
        letter::Envelope,
        message::{DirectAnswer, DirectQuestion, MAX_BATCH_LETTERS, Refusal},
    },
    time::Now,
};
use world::{Conduct, World, envelope, us};

mod world;

const DAY_MS: u64 = 24 * 3_600_000;

fn letters(numbers: std::ops::Range<u64>) -> Vec<Envelope> {
    let us = us();
    numbers.map(|n| envelope(us, n)).collect()
}

#[test]
fn a_mailbox_is_named_once_it_took_our_registration_and_hears_of_the_new_card() {
    let mut world = World::new(0);
    world.find(0..5);
    world.run(1_000);
    let named = world.named();
    assert_eq!((named.len(), &named), (MAX_MAILBOXES, &world.card_names));
    assert!(named.iter().all(|n| world.boxes[n].card == Some(world.issued)));
    assert_eq!(world.boxes.values().filter(|mailbox| mailbox.card.is_some()).count(), MAX_MAILBOXES);
}

#[test]
fn a_mailbox_that_refuses_us_is_not_named_and_not_asked_again_for_long() {
    let mut world = World::new(0);
    world.conduct(0, Conduct::Refuses);
    world.find(0..1);
    world.run(1_000);
    for _ in 0..23 {
        world.find(0..1);
        world.run(3_600_000);
    }
    assert_eq!((world.named(), world.boxes[&0].asked), (BTreeSet::new(), 1));
    world.find(0..1);
    world.run(2 * 3_600_000);
    world.find(0..1);
    world.run(1_000);
    assert_eq!(world.boxes[&0].asked, 2);
}

#[test]
fn ten_thousand_letters_come_once_each_and_are_discarded() {
    let mut world = World::new(1);
    let letters = letters(0..10_000);
    world.boxes.get_mut(&0).unwrap().letters = letters.clone();
    world.run(ROUND_MS * 5 / 4);
    assert!(world.came == letters);
    assert!(world.boxes[&0].letters.is_empty());
    // A registration, forty pages, and what is discarded gathers meanwhile.
    assert!(world.boxes[&0].asked <= 2 + 40 + 40, "{}", world.boxes[&0].asked);
}

#[test]
fn letters_that_the_inbox_has_no_room_for_do_not_keep_those_behind_them_from_coming() {
    let mut world = World::new(1);
    let letters = letters(0..6_000);
    world.boxes.get_mut(&0).unwrap().letters = letters.clone();
    world.leaves = Some((5_000, false));
    world.run(ROUND_MS * 5 / 4);
    assert!(world.came == letters[5_000..]);
    assert_eq!(world.boxes[&0].letters.len(), 5_000);
    world.run(ROUND_MS);
    assert_eq!((world.came.len(), world.boxes[&0].letters.len()), (6_000, 0));
}

#[test]
fn letters_that_the_inbox_was_too_busy_for_come_again_soon() {
    let mut world = World::new(1);
    world.boxes.get_mut(&0).unwrap().letters = letters(0..300);
    world.leaves = Some((200, true));
    for _ in 0..ROUND_MS * 5 / 4 / 1_000 {
        if world.came.is_empty() {
            world.run(1_000);
        }
    }
    assert_eq!(world.came.len(), 100);
    world.run(2 * AGAIN_MS);
    assert_eq!((world.came.len(), world.boxes[&0].letters.len()), (300, 0));
}

#[test]
fn no_page_is_asked_for_while_the_inbox_has_too_much_to_see_to() {
    let mut world = World::new(1);
    world.inbox_works = false;
    world.boxes.get_mut(&0).unwrap().letters = letters(0..10_000);
    world.run(ROUND_MS * 5 / 4);
    assert_eq!(world.came.len(), MAX_HELD);
    world.inbox_works = true;
    world.see_to(..);
    world.run(1_000);
    assert_eq!((world.came.len(), world.boxes[&0].letters.len()), (10_000, 0));
}

#[test]
fn the_letter_at_which_a_round_is_is_discarded_after_all_others() {
    let mut world = World::new(1);
    world.inbox_works = false;
    world.boxes.get_mut(&0).unwrap().letters = letters(0..5_000);
    world.run(ROUND_MS * 5 / 4);
    world.see_to(..100);
    let held = world.waiting.len();
    assert!(held > MAX_HELD + 100);
    // Without it, the mailbox would begin anew with those that the inbox still has.
    world.see_to(held - 100..);
    world.inbox_works = true;
    world.see_to(..);
    world.run(1_000);
    assert!(world.came == letters(0..5_000));
    assert!(world.boxes[&0].letters.is_empty());
}

#[test]
fn a_letter_that_was_left_again_after_it_was_discarded_is_discarded_and_does_not_come_again() {
    let mut world = World::new(1);
    for numbers in [0..2, 0..3] {
        world.boxes.get_mut(&0).unwrap().letters = letters(numbers);
        world.run(2 * ROUND_MS);
    }
    assert_eq!(world.came, letters(0..3));
    assert!(world.boxes[&0].letters.is_empty());
}

#[test]
fn after_a_success_the_first_wait_is_short_again() {
    let mut world = World::new(1);
    world.conduct(0, Conduct::Unreachable);
    world.disconnect(0);
    world.run(DAY_MS / 2);
    world.conduct(0, Conduct::Honest);
    world.run(3_600_000);
    world.boxes.get_mut(&0).unwrap().letters = letters(0..1);
    world.conduct(0, Conduct::Unreachable);
    world.disconnect(0);
    world.conduct(0, Conduct::Honest);
    world.run(2 * RETRY.first_ms);
    assert_eq!(world.came.len(), 1);
}

#[test]
fn an_inbox_that_lost_its_letters_gets_them_again_and_no_mailbox_is_blamed() {
    let mut world = World::new(1);
    world.inbox_works = false;
    world.boxes.get_mut(&0).unwrap().letters = letters(0..2_000);
    world.run(10 * ROUND_MS);
    assert!(world.came.len() > 3 * MAX_HELD);
    world.inbox_works = true;
    world.run(3 * ROUND_MS);
    assert_eq!((world.named().len(), world.boxes[&0].letters.len()), (1, 0));
}

#[test]
fn letters_are_collected_every_five_minutes_and_at_once_when_a_mailbox_comes_back() {
    let mut world = World::new(1);
    world.run(1_000);
    world.boxes.get_mut(&0).unwrap().letters = vec![envelope(us(), 1)];
    world.run(ROUND_MS / 2);
    assert!(world.came.is_empty());
    world.run(ROUND_MS);
    assert_eq!(world.came.len(), 1);
    world.boxes.get_mut(&0).unwrap().letters = vec![envelope(us(), 2)];
    world.disconnect(0);
    world.run(30_000);
    assert_eq!(world.came.len(), 2);
}

#[test]
fn registrations_are_renewed_daily() {
    let mut world = World::new(1);
    world.run(1_000);
    let registered = world.boxes[&0].registered;
    world.run(10 * DAY_MS);
    assert!((9..=12).contains(&(world.boxes[&0].registered - registered)));
}

#[test]
fn a_mailbox_that_forgot_us_is_registered_with_again() {
    let mut world = World::new(1);
    world.run(1_000);
    world.boxes.get_mut(&0).unwrap().card = None;
    world.run(2 * ROUND_MS);
    assert_eq!(world.boxes[&0].card, Some(world.issued));
}

#[test]
fn a_failing_mailbox_is_asked_less_and_less_often() {
    let mut world = World::new(1);
    for conduct in [Conduct::Silent, Conduct::Unavailable, Conduct::Unreachable] {
        world.conduct(0, conduct);
        world.disconnect(0);
        world.run(3_600_000);
        let before = world.boxes[&0].asked + world.boxes[&0].reached;
        world.run(DAY_MS / 2);
        let after = world.boxes[&0].asked + world.boxes[&0].reached;
        assert!((15..60).contains(&(after - before)), "{conduct:?}: {}", after - before);
    }
}

#[test]
fn a_mailbox_that_fails_for_a_day_is_replaced_by_one_that_works() {
    let mut world = World::new(3);
    world.find(3..5);
    world.run(1_000);
    world.conduct(1, Conduct::Unreachable);
    world.disconnect(1);
    world.run(DAY_MS - 3_600_000);
    assert_eq!(world.named(), BTreeSet::from([0, 1, 2]));
    world.run(2 * 3_600_000 + SEEK.cap_ms);
    assert_eq!(world.named().len(), MAX_MAILBOXES);
    assert!(!world.named().contains(&1));
}

#[test]
fn when_we_are_cut_off_ourselves_no_mailbox_is_replaced() {
    let mut world = World::new(3);
    world.find(3..9);
    for n in 0..9 {
        world.conduct(n, Conduct::Unreachable);
        world.disconnect(n);
    }
    world.run(3 * DAY_MS);
    assert_eq!(world.named(), BTreeSet::from([0, 1, 2]));
}

#[test]
fn a_mailbox_that_lies_costs_little_and_is_shunned() {
    let us = us();
    let endless = MAX_ROUND_PAGES * MAX_USELESS_ROUNDS as usize * 2;
    for (conduct, most) in [
        (Conduct::Endless, endless),
        (Conduct::Repeats, 20),
        (Conduct::Others, 20),
        (Conduct::Misfits, 20),
        (Conduct::EmptyMore, 20),
        (Conduct::Stale, 20),
    ] {
        let mut world = World::new(1);
        world.conduct(0, conduct);
        world.boxes.get_mut(&0).unwrap().letters = letters(0..3);
        world.run(6 * ROUND_MS);
        assert_eq!(world.named(), BTreeSet::new(), "{conduct:?}");
        assert!(world.boxes[&0].asked <= most, "{conduct:?}: {}", world.boxes[&0].asked);
        assert!(world.came.iter().all(|letter| letter.to == us), "{conduct:?}");
        assert!(world.sought > 0, "{conduct:?}");
    }
}

#[test]
fn mailboxes_are_sought_while_there_are_too_few_and_less_and_less_often() {
    let mut world = World::new(2);
    world.run(DAY_MS);
    assert!((24..40).contains(&world.sought), "{}", world.sought);
    world.find(2..3);
    world.run(1_000);
    let sought = world.sought;
    world.run(DAY_MS);
    assert_eq!((world.named().len(), world.sought), (3, sought));
    // And at once again when there is a reason.
    world.conduct(2, Conduct::Others);
    world.run(4 * ROUND_MS);
    assert!(world.sought > sought + 2, "{}", world.sought - sought);
}

#[test]
fn without_a_card_what_is_named_is_collected_from_and_nobody_is_tried() {
    let mut world = World::without_card(1);
    world.boxes.get_mut(&0).unwrap().letters = vec![envelope(us(), 1)];
    world.find(1..4);
    world.run(1_000);
    assert_eq!((world.came.len(), world.named().len()), (1, 1));
    assert!((1..4).all(|n| world.boxes[&n].reached == 0));
}

/// Something that happens to the first of two mailboxes.
#[derive(Debug, Clone)]
enum Step {
    Deposit(u64),
    Disconnect,
    Conduct(bool),
    Inbox(bool),
    Run(u64),
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn whatever_fails_on_the_way_every_letter_comes_and_is_discarded_once_the_inbox_has_it(
        steps in prop::collection::vec(prop_oneof![
            3 => (1u64..400).prop_map(Step::Deposit),
            1 => Just(Step::Disconnect),
            1 => any::<bool>().prop_map(Step::Conduct),
            1 => any::<bool>().prop_map(Step::Inbox),
            4 => (1u64..20 * 60_000).prop_map(Step::Run),
        ], 1..30),
    ) {
        let mut world = World::new(2);
        let mut written = 0;
        for step in steps {
            match step {
                Step::Deposit(count) => {
                    world.boxes.get_mut(&0).unwrap().letters.extend(letters(written..written + count));
                    written += count;
                }
                Step::Disconnect => world.disconnect(0),
                Step::Conduct(good) => world.conduct(0, if good { Conduct::Honest } else { Conduct::Unavailable }),
                Step::Inbox(works) => world.inbox_works = works,
                Step::Run(ms) => world.run(ms),
            }
        }
        world.conduct(0, Conduct::Honest);
        world.inbox_works = true;
        world.run(3_600_000);
        let came: BTreeSet<_> = world.came.iter().map(Envelope::id).collect();
        prop_assert_eq!(came, letters(0..written).iter().map(Envelope::id).collect::<BTreeSet<_>>());
        prop_assert!(world.boxes[&0].letters.is_empty());
        prop_assert_eq!(world.named().len(), 2);
    }
}

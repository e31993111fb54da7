//! Those whom the user does not know.

use super::*;

#[test]
fn strangers_share_a_rate_beyond_which_they_wait_and_known_ones_do_not() {
    let mut world = World::new(&[1]);
    let envelope = world.seal(2, text(1, 1));
    (0..STRANGERS.burst).for_each(|_| _ = world.direct(2, envelope.clone()));
    world.take();
    // Not even opened.
    let token = world.direct(3, Envelope { to: author(9), ..envelope.clone() });
    assert_eq!(refusals(&world.said), [(NotTaken::TooOften, false)]);
    assert_eq!(world.answer(token), Some(DirectAnswer::Unavailable));
    let id = world.mail(3, 1, 1);
    assert!(world.take().contains(&Output::Left { mailbox: vec![1], id, soon: true }));
    let token = world.write(1, 1, 1);
    assert_eq!(world.answer(token), DELIVERED);
    let id = world.mail(1, 1, 2);
    world.run(DISCARD_DELAY_MS);
    assert_eq!(world.discarded(), [id]);
    let token = world.write(3, 1, 1);
    assert_eq!(world.answer(token), DELIVERED);
}

#[test]
fn a_stranger_to_whom_we_write_is_none_any_more_and_one_who_is_dismissed_makes_room() {
    let mut world = World::new(&[]);
    (1..=3).for_each(|who| _ = world.write(who, 1, 1));
    assert_eq!(world.inbox.load().strangers_letters, 3);
    world.handle(Input::Known(author(1)));
    world.handle(Input::Dismiss(author(2)));
    world.handle(Input::Block(author(3)));
    assert_eq!(world.inbox.load().strangers_letters, 0);
    assert!(!world.store.people.contains_key(&author(2)) && world.store.streams.len() == 2);
    world.take();
    for who in [1, 3] {
        world.handle(Input::Dismiss(author(who)));
        assert_eq!(world.take(), [Output::NotNoted(author(who))]);
    }
    world.crash();
    assert_eq!((world.inbox.load().strangers_letters, world.inbox.load().people), (0, 2));
}

#[test]
fn one_stranger_cannot_take_the_room_of_all() {
    let mut world = World::new(&[]);
    for seq in 1..=MAX_LETTERS_OF_STRANGER {
        world.write(1, 1, seq);
        world.take();
        world.run(2);
    }
    let token = world.write(1, 1, MAX_LETTERS_OF_STRANGER + 1);
    assert_eq!(world.answer(token), Some(DirectAnswer::Refused(Refusal::Full)));
    let token = world.write(2, 1, 1);
    assert_eq!(world.answer(token), DELIVERED);
    world.handle(Input::Known(author(1)));
    let token = world.write(1, 1, MAX_LETTERS_OF_STRANGER + 1);
    assert_eq!(world.answer(token), DELIVERED);
}

#[test]
fn nothing_of_somebody_is_taken_or_said_while_the_store_forgets_it() {
    let mut world = World::new(&[]);
    world.mail(1, 1, 1);
    world.take();
    world.prompt = false;
    world.handle(Input::Dismiss(author(1)));
    let token = world.write(1, 1, 2);
    assert_eq!(world.answer(token), Some(DirectAnswer::Unavailable));
    world.handle(Input::Known(author(1)));
    world.run(RECEIPT_DELAY_MS);
    assert!(world.take().contains(&Output::NotNoted(author(1))));
    assert_eq!(world.under_way.len(), 1);
    world.persist(1);
    assert!(world.store.people.is_empty() && world.store.streams.is_empty());
    assert_eq!(world.inbox.load(), Load::default());
}

#[test]
fn a_hundred_thousand_letters_of_strangers_leave_memory_bounded_and_known_ones_served() {
    let mut world = World::new(&[1]);
    let mut taken = 0;
    let mut envelope = None;
    for number in 0..100_000 {
        // Each stranger letter is a new author's, and it tries until it is let in.
        let who = 2 + taken as u16;
        let next = envelope.get_or_insert_with(|| world.seal(who, text(u64::from(who), 1))).clone();
        let source = Source::Direct { peer: signer(2).author().peer_id().unwrap(), token: number };
        world.handle(Input::Envelope { source, envelope: next });
        if world.take().iter().any(|said| matches!(said, Output::Answer { answer: DirectAnswer::Delivered, .. })) {
            taken += 1;
            envelope = None;
        }
        world.run(3);
        if number % 1_000 == 0 {
            let token = world.write(1, 1, number / 1_000 + 1);
            assert_eq!(world.answer(token), DELIVERED);
        }
    }
    let load = world.inbox.load();
    assert_eq!((taken, load.strangers_letters), (MAX_STRANGERS_LETTERS, MAX_STRANGERS_LETTERS));
    assert_eq!((load.people, load.committing_bytes, load.waiting_bytes), (taken as usize + 1, 0, 0));
    let envelope = world.seal(OWNER + 5_000, text(1, 1));
    world.run(60_000);
    world.take();
    let token = world.direct(2, envelope);
    assert_eq!(world.answer(token), Some(DirectAnswer::Refused(Refusal::Full)));
}

//! Whom the user knows and whom it blocks.

use super::*;

#[test]
fn nothing_is_taken_from_somebody_blocked_also_after_a_restart_until_it_is_unblocked() {
    let mut world = World::new(&[1, 2]);
    world.handle(Input::Block(author(1)));
    assert_eq!(world.take(), [Output::Noted(author(1))]);
    world.crash();
    assert!(world.inbox.refuses(&author(1)) && !world.inbox.refuses(&author(2)));
    // By itself: not even opened. Carried by another: opened, and dropped.
    let envelope = Envelope { to: author(9), ..world.seal(1, text(1, 1)) };
    world.direct(1, envelope);
    assert_eq!(refusals(&world.take()), [(NotTaken::Blocked, false)]);
    let envelope = world.seal(1, text(1, 1));
    let token = world.direct(2, envelope);
    assert_eq!(world.answer(token), Some(DirectAnswer::Refused(Refusal::NotWanted)));
    let id = world.mail(1, 1, 1);
    world.run(DISCARD_DELAY_MS);
    assert_eq!(world.discarded(), [id]);
    assert!(world.store.letters.is_empty());
    world.handle(Input::Unblock(author(1)));
    world.take();
    let token = world.write(1, 1, 1);
    assert_eq!(world.answer(token), DELIVERED);
}

#[test]
fn what_the_user_said_is_taken_back_when_the_store_fails_and_the_user_is_told() {
    let mut world = World::new(&[]);
    world.prompt = false;
    world.handle(Input::Block(author(1)));
    world.handle(Input::Known(author(2)));
    assert!(world.inbox.refuses(&author(1)) && world.take().is_empty());
    world.fail();
    assert_eq!(world.take(), [Output::NotNoted(author(1)), Output::NotNoted(author(2))]);
    assert!(!world.inbox.refuses(&author(1)) && !world.inbox.person(&author(2)).known);
    assert_eq!(world.inbox.load().people, 0);
}

#[test]
fn there_are_only_so_many_whom_the_user_knows_or_blocks() {
    let mut world = World::new(&[]);
    for number in 0..MAX_PEOPLE as u64 {
        let mut who = [0; 32];
        who[..8].copy_from_slice(&number.to_le_bytes());
        world.inbox.restore_person(crate::ids::Author(who), Person { known: true, ..Person::default() });
    }
    world.handle(Input::Block(author(1)));
    assert_eq!(world.take(), [Output::NotNoted(author(1))]);
    world.handle(Input::Block(crate::ids::Author([0; 32])));
    assert_eq!(world.take(), [Output::Noted(crate::ids::Author([0; 32]))]);
}

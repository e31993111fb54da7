//! Each letter is stored once, and acknowledged when it is.

use super::*;

#[test]
fn a_letter_is_acknowledged_and_shown_when_it_is_durable_and_not_before() {
    let mut world = World::new(&[1]);
    world.prompt = false;
    let token = world.write(1, 1, 1);
    let id = world.mail(1, 1, 2);
    world.run(60_000);
    assert_eq!(world.take(), []);
    world.persist(1);
    let said = world.take();
    assert!(said.contains(&Output::Answer { token, answer: DirectAnswer::Delivered }));
    assert_eq!(said.iter().filter_map(world::shown).collect::<Vec<_>>(), [1]);
    world.persist(1);
    world.run(DISCARD_DELAY_MS);
    assert_eq!(world.discarded(), [id]);
    assert_eq!(world.store.letters.len(), 2);
}

#[test]
fn a_letter_that_comes_again_is_acknowledged_again_and_stored_and_shown_once() {
    let mut world = World::new(&[1]);
    world.write(1, 1, 1);
    assert_eq!(world.shown(), [1]);
    let token = world.write(1, 1, 1);
    assert_eq!(world.answer(token), DELIVERED);
    let id = world.mail(1, 1, 1);
    world.crash();
    let again = world.mail(1, 1, 1);
    world.run(DISCARD_DELAY_MS);
    assert_eq!((world.discarded(), id), (vec![again], again));
    assert_eq!((world.store.letters.len(), world.shown()), (1, vec![]));
}

#[test]
fn copies_of_a_letter_under_way_are_acknowledged_with_it_and_too_many_are_not_taken() {
    let mut world = World::new(&[1]);
    world.prompt = false;
    for _ in 0..MAX_COPIES + 2 {
        world.write(1, 1, 1);
    }
    assert_eq!(refusals(&world.take()), [(NotTaken::Busy, false); 2]);
    assert_eq!(world.under_way.len(), 1);
    world.persist(1);
    let answers = world.take().iter().filter(|said| matches!(said, Output::Answer { .. })).count();
    assert_eq!((answers, world.store.letters.len()), (MAX_COPIES, 1));
}

#[test]
fn a_letter_that_the_store_did_not_take_is_not_acknowledged_and_can_come_again() {
    let mut world = World::new(&[1]);
    world.prompt = false;
    let token = world.write(1, 1, 1);
    world.fail();
    assert_eq!(world.answer(token), Some(DirectAnswer::Unavailable));
    let id = world.mail(1, 1, 1);
    world.fail();
    assert!(world.take().contains(&Output::Left { mailbox: vec![1], id, soon: true }));
    world.prompt = true;
    let token = world.write(1, 1, 1);
    assert_eq!(world.answer(token), DELIVERED);
    assert_eq!((world.store.letters.len(), world.store.people[&author(1)].letters), (1, 1));
}

#[test]
fn what_arrived_is_told_to_a_mailbox_in_one_go_and_never_more_than_it_takes() {
    let mut world = World::new(&[1]);
    let id = world.mail(1, 1, 1);
    for _ in 1..MAX_DISCARDED {
        assert_eq!(world.discarded(), []);
        let source = Source::Mailbox { mailbox: vec![1], id };
        let envelope = world.seal(1, text(1, 1));
        world.handle(Input::Envelope { source, envelope });
    }
    assert_eq!(world.discarded().len(), MAX_DISCARDED);
    world.run(2 * DISCARD_DELAY_MS);
    assert_eq!(world.discarded(), []);
}

#[test]
fn nothing_is_taken_while_too_much_is_on_its_way_to_the_disk() {
    let mut world = World::new(&[1]);
    world.prompt = false;
    let long = "x".repeat(20_000);
    let mut taken = 0;
    for seq in 1..1_000 {
        let content = Content::Text(Text { stream: StreamId(1), seq, text: long.clone(), attachments: vec![] });
        let envelope = world.seal(1, content);
        world.direct(1, envelope);
        if !refusals(&world.take()).is_empty() {
            break;
        }
        taken += 1;
    }
    assert!((100..=MAX_COMMITTING_BYTES / 20_000).contains(&taken), "{taken}");
    assert!(world.inbox.load().committing_bytes < MAX_COMMITTING_BYTES + 64 * 1024);
    world.persist(usize::MAX);
    assert_eq!(world.inbox.load().committing_bytes, 0);
    world.take();
    world.prompt = true;
    let token = world.write(1, 1, 5_000);
    assert_eq!(world.answer(token), DELIVERED);
}

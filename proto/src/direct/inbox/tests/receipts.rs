//! Receipts, ours and theirs.

use super::*;

fn receipt(stream: u64, through: u64) -> Content {
    Content::Receipt(Receipt { stream: StreamId(stream), delivered_through: through, ..Receipt::default() })
}

#[test]
fn receipts_of_others_are_for_the_outbox_to_compare_whatever_their_date() {
    let mut world = World::new(&[1]);
    let mut heard = Vec::new();
    for (at_ms, stream, through) in [(5, 1, 1), (9, 1, 2), (7, 1, 3), (6, 2, 1)] {
        let envelope = seal(1, &world.key(), at_ms, receipt(stream, through));
        world.direct(1, envelope);
        heard.extend(world.take().into_iter().filter_map(|said| match said {
            Output::Receipt { receipt, .. } => Some((receipt.stream.0, receipt.delivered_through)),
            _ => None,
        }));
    }
    // The third was written after its author's clock was set back.
    assert_eq!(heard, [(1, 1), (1, 2), (1, 3), (2, 1)]);
    assert!(world.under_way.is_empty() && world.store.letters.is_empty());
    let envelope = world.seal(2, receipt(1, 1));
    let token = world.direct(2, envelope);
    assert_eq!(world.answer(token), Some(DirectAnswer::Refused(Refusal::NotWanted)));
}

#[test]
fn letters_from_a_mailbox_are_acknowledged_by_one_receipt_and_those_from_a_peer_by_none() {
    let mut world = World::new(&[1]);
    world.write(1, 1, 1);
    world.run(60_000);
    assert_eq!(world.receipts(), []);
    for seq in [2, 3, 5] {
        world.mail(1, 1, seq);
    }
    world.run(RECEIPT_DELAY_MS);
    let receipts = world.receipts();
    assert_eq!((receipts.len(), receipts[0].delivered_through, &receipts[0].delivered), (1, 3, &vec![(5, 5)]));
    world.run(600_000);
    assert_eq!(world.receipts(), []);
}

#[test]
fn a_receipt_speaks_only_of_what_is_durable_and_the_next_of_the_rest() {
    let mut world = World::new(&[1]);
    world.mail(1, 1, 1);
    world.prompt = false;
    world.mail(1, 1, 2);
    world.run(RECEIPT_DELAY_MS);
    assert_eq!(world.receipts()[0].delivered_through, 1);
    world.persist(usize::MAX);
    world.crash();
    world.run(RECEIPT_DELAY_MS);
    assert_eq!(world.receipts()[0].delivered_through, 2);
}

#[test]
fn a_receipt_of_others_is_acknowledged_when_what_it_says_is_durable_and_not_before() {
    let mut world = World::new(&[1]);
    world.outbox_works = false;
    let key = world.key();
    let said = |through| seal(1, &key, through, receipt(1, through));
    let token = world.direct(1, said(1));
    let id = world.mailed(said(2));
    let last = world.direct(1, said(1));
    world.run(60_000);
    assert!(!world.take().iter().any(|said| matches!(said, Output::Answer { .. } | Output::Discard { .. })));
    let note = |through| match receipt(1, through) {
        Content::Receipt(receipt) => Input::ReceiptNoted { from: author(1), receipt },
        Content::Text(_) => panic!(),
    };
    // As long as one of them is on its way, it might be this one that was noted.
    for through in [1, 2] {
        world.handle(note(through));
        assert_eq!(world.take(), []);
    }
    world.handle(note(1));
    let answered = |token| Output::Answer { token, answer: DirectAnswer::Delivered };
    assert_eq!(world.take(), [answered(token), answered(last)]);
    world.run(DISCARD_DELAY_MS);
    assert_eq!(world.discarded(), [id]);
}

#[test]
fn no_more_receipts_of_others_wait_for_the_outbox_than_may() {
    let mut world = World::new(&[1]);
    world.outbox_works = false;
    for stream in 0..MAX_NOTING as u64 {
        let envelope = world.seal(1, receipt(stream, 1));
        world.direct(1, envelope);
    }
    assert_eq!(refusals(&world.take()), []);
    let envelope = world.seal(1, receipt(5_000, 1));
    let token = world.direct(1, envelope);
    assert_eq!(world.answer(token), Some(DirectAnswer::Unavailable));
    let envelope = world.seal(1, receipt(3, 1));
    (0..MAX_COPIES).for_each(|_| _ = world.direct(1, envelope.clone()));
    assert_eq!(refusals(&world.take()), [(NotTaken::Busy, false)]);
}

#[test]
fn a_receipt_that_the_outbox_could_not_send_is_said_again_after_a_restart() {
    let mut world = World::new(&[1]);
    world.outbox_works = false;
    world.mail(1, 1, 1);
    for _ in 0..3 {
        world.run(RECEIPT_DELAY_MS);
        assert_eq!(world.receipts().len(), 1);
        world.run(600_000);
        assert_eq!(world.receipts(), []);
        world.crash();
    }
    world.outbox_works = true;
    world.run(RECEIPT_DELAY_MS);
    assert_eq!(world.receipts().len(), 1);
    world.crash();
    world.run(600_000);
    assert_eq!(world.receipts(), []);
}

#[test]
fn a_receipt_that_gave_way_to_that_of_another_stream_is_said_again_after_it() {
    let mut world = World::new(&[1]);
    world.outbox_works = false;
    world.mail(1, 1, 1);
    world.mail(1, 2, 1);
    world.run(600_000);
    let said = world.receipts();
    assert_eq!(said.iter().map(|receipt| receipt.stream.0).collect::<Vec<_>>(), [1, 2]);
    world.outbox_works = true;
    world.handle(Input::ReceiptSent { to: author(1), receipt: said[1].clone() });
    world.run(RECEIPT_DELAY_MS);
    assert_eq!(world.receipts(), said[..1]);
    assert!(world.store.streams.values().all(|stream| !stream.owed));
    world.run(600_000);
    assert_eq!(world.receipts(), []);
}

#[test]
fn a_receipt_that_was_sent_before_another_letter_came_says_nothing_of_that() {
    let mut world = World::new(&[1]);
    world.outbox_works = false;
    world.mail(1, 1, 1);
    world.run(RECEIPT_DELAY_MS);
    let said = world.receipts();
    world.mail(1, 1, 2);
    world.handle(Input::ReceiptSent { to: author(1), receipt: said[0].clone() });
    assert!(world.store.streams.values().all(|stream| stream.owed));
    world.outbox_works = true;
    world.run(RECEIPT_DELAY_MS);
    assert_eq!(world.receipts()[0].delivered_through, 2);
    assert!(world.store.streams.values().all(|stream| !stream.owed));
}

#[test]
fn a_copy_of_a_letter_leaves_its_mailbox_when_it_is_durable_that_its_author_is_to_be_told_and_not_before() {
    let mut world = World::new(&[1]);
    world.write(1, 1, 1);
    // The answer is lost.
    world.take();
    world.prompt = false;
    let id = world.mail(1, 1, 1);
    world.run(DISCARD_DELAY_MS);
    assert_eq!(world.take(), []);
    world.fail();
    assert!(world.take().contains(&Output::Left { mailbox: vec![1], id, soon: true }));
    let id = world.mail(1, 1, 1);
    let copy = world.mail(1, 1, 1);
    world.persist(usize::MAX);
    world.run(DISCARD_DELAY_MS);
    assert_eq!(world.discarded(), [id, copy]);
    world.crash();
    world.run(RECEIPT_DELAY_MS);
    assert_eq!(world.receipts().len(), 1);
}

#[test]
fn a_copy_in_a_mailbox_of_a_letter_under_way_has_its_author_told() {
    let mut world = World::new(&[1]);
    world.prompt = false;
    world.write(1, 1, 1);
    let id = world.mail(1, 1, 1);
    world.persist(1);
    world.run(DISCARD_DELAY_MS);
    assert_eq!(world.discarded(), []);
    world.persist(1);
    world.run(DISCARD_DELAY_MS);
    assert_eq!(world.discarded(), [id]);
    world.crash();
    world.run(RECEIPT_DELAY_MS);
    assert_eq!(world.receipts().len(), 1);
}

#[test]
fn a_copy_that_comes_while_it_is_stored_that_nothing_is_owed_has_its_author_told_again() {
    let mut world = World::new(&[1]);
    world.mail(1, 1, 1);
    world.prompt = false;
    world.run(RECEIPT_DELAY_MS);
    world.mail(1, 1, 1);
    world.persist(usize::MAX);
    world.take();
    world.crash();
    world.run(RECEIPT_DELAY_MS);
    assert_eq!(world.receipts().len(), 1);
}

#[test]
fn a_receipt_whose_sending_may_not_be_stored_is_said_after_a_restart_and_no_other() {
    let mut world = World::new(&[1]);
    world.mail(1, 1, 1);
    world.crash();
    world.prompt = false;
    world.run(RECEIPT_DELAY_MS);
    assert_eq!(world.receipts().len(), 1);
    world.fail();
    world.run(RECEIPT_RETRY_MS);
    assert_eq!(world.receipts().len(), 1);
    world.persist(usize::MAX);
    world.crash();
    world.run(600_000);
    assert_eq!(world.receipts(), []);
}

#[test]
fn a_mailbox_that_brings_a_letter_again_and_again_gets_a_receipt_only_now_and_then() {
    let mut world = World::new(&[1]);
    let mut receipts = 0;
    for _ in 0..120 {
        world.mail(1, 1, 1);
        world.run(1_000);
        receipts += world.receipts().len();
    }
    assert!((2..=3).contains(&receipts), "{receipts}");
}

#[test]
fn what_was_read_is_kept_and_told_to_its_author_only_if_the_user_likes() {
    for tell in [true, false] {
        let mut world = World::new(&[1]);
        world.handle(Input::ReadReceipts(tell));
        (1..=3).for_each(|seq| _ = world.write(1, 1, seq));
        let through = ReadThrough::Stream(StreamId(1), 2);
        world.handle(Input::Read { from: author(1), through });
        assert!(world.take().contains(&Output::Noted(author(1))));
        world.run(RECEIPT_DELAY_MS);
        let told: Vec<u64> = world.receipts().iter().map(|receipt| receipt.read_through).collect();
        assert_eq!(told, if tell { vec![2] } else { vec![] });
        world.crash();
        assert_eq!(world.inbox.stream(&author(1), StreamId(1)).unwrap().read_through, 2);
        world.handle(Input::Read { from: author(1), through: ReadThrough::All });
        world.handle(Input::Read { from: author(1), through });
        assert_eq!(world.inbox.stream(&author(1), StreamId(1)).unwrap().read_through, 3);
    }
}

#[test]
fn a_receipt_does_not_tell_what_was_read_once_the_user_does_not_like_it() {
    let mut world = World::new(&[1]);
    world.write(1, 1, 1);
    world.handle(Input::Read { from: author(1), through: ReadThrough::All });
    world.handle(Input::ReadReceipts(false));
    world.mail(1, 1, 2);
    world.run(RECEIPT_DELAY_MS);
    assert_eq!(world.receipts().iter().map(|receipt| receipt.read_through).max(), Some(0));
}

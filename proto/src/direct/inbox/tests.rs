use super::{
    world::{OWNER, World, author, seal, signer, text},
    *,
};
use crate::{
    direct::{
        letter::{Content, Envelope, MAX_STRETCHES, Receipt, StreamId, Text},
        message::{DirectAnswer, MAX_DISCARDED, Refusal},
    },
    seal::OpenKey,
};

const DELIVERED: Option<DirectAnswer> = Some(DirectAnswer::Delivered);

fn refusals(said: &[Output]) -> Vec<(NotTaken, bool)> {
    let refusal = |output: &Output| match output {
        Output::Refused { why, peer } => Some((*why, peer.is_some())),
        _ => None,
    };
    said.iter().filter_map(refusal).collect()
}

// ---- storing and acknowledging

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
    assert_eq!(said.iter().filter_map(super::world::shown).collect::<Vec<_>>(), [1]);
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
    assert!(world.take().contains(&Output::Left { mailbox: vec![1], id }));
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

// ---- order

#[test]
fn a_letter_beyond_a_gap_is_acknowledged_at_once_and_shown_when_the_gap_closes() {
    let mut world = World::new(&[1]);
    for seq in [3, 2] {
        let token = world.write(1, 1, seq);
        assert_eq!(world.answer(token), DELIVERED);
    }
    world.write(1, 2, 1);
    assert_eq!(world.shown(), [1]);
    world.write(1, 1, 1);
    assert_eq!(world.shown(), [1, 2, 3]);
}

#[test]
fn a_gap_holds_letters_back_only_so_long_and_then_none_that_follows() {
    let mut world = World::new(&[1]);
    world.write(1, 1, 3);
    world.run(GAP_PATIENCE_MS - 1);
    assert_eq!(world.shown(), []);
    world.run(1);
    assert_eq!(world.shown(), [3]);
    world.write(1, 1, 4);
    assert_eq!(world.shown(), [4]);
    world.write(1, 1, 1);
    world.write(1, 1, 2);
    assert_eq!(world.shown(), [1, 2]);
    world.write(1, 1, 7);
    world.run(GAP_PATIENCE_MS / 2);
    world.write(1, 1, 6);
    assert_eq!(world.shown(), []);
    world.run(GAP_PATIENCE_MS / 2);
    assert_eq!(world.shown(), [6, 7]);
}

#[test]
fn after_a_restart_nothing_is_shown_twice_and_gaps_go_on() {
    let mut world = World::new(&[1]);
    for seq in [1, 3, 4] {
        world.write(1, 1, seq);
    }
    assert_eq!(world.shown(), [1]);
    world.crash();
    world.run(2 * GAP_PATIENCE_MS);
    assert_eq!(world.shown(), []);
    world.write(1, 1, 5);
    assert_eq!(world.shown(), []);
    world.write(1, 1, 2);
    assert_eq!(world.shown(), [2, 5]);
}

#[test]
fn letters_that_wait_have_a_bound_beyond_which_the_oldest_is_shown() {
    let mut world = World::new(&[1]);
    let mut shown = 0;
    for seq in 2..400 {
        let content = Content::Text(Text { stream: StreamId(1), seq, text: "x".repeat(20_000), attachments: vec![] });
        let envelope = world.seal(1, content);
        world.direct(1, envelope);
        shown += world.shown().len();
        assert!(world.inbox.load().waiting_bytes <= MAX_WAITING_BYTES);
    }
    assert_eq!(shown, 398);
}

// ---- what is wrong

#[test]
fn what_is_wrong_is_refused_for_what_it_is_and_only_its_bearer_is_blamed() {
    let mut world = World::new(&[1]);
    let good = world.seal(1, text(1, 1));
    let not_ours = Envelope { to: author(2), ..good.clone() };
    let mut damaged = good.clone();
    damaged.sealed.ciphertext[5] ^= 1;
    let unknown = seal(1, &OpenKey::from_bytes([3; 32]).seal_key(), 1, text(1, 1));
    let card = world.ring.card().unwrap().clone();
    for (envelope, why, blamed, answer) in [
        (not_ours, NotTaken::NotForUs, true, Refusal::Invalid),
        (damaged, NotTaken::Invalid, true, Refusal::Invalid),
        (unknown, NotTaken::UnknownKey, false, Refusal::UnknownKey(card)),
    ] {
        let token = world.direct(1, envelope.clone());
        assert_eq!(refusals(&world.said), [(why, blamed)]);
        assert_eq!(world.answer(token), Some(DirectAnswer::Refused(answer)));
        let id = world.mailed(envelope);
        assert_eq!(refusals(&world.said), [(why, false)]);
        world.run(DISCARD_DELAY_MS);
        assert_eq!(world.discarded(), [id]);
    }
    assert!(world.store.letters.is_empty());
}

#[test]
fn one_gap_too_many_or_one_stream_too_many_is_refused_and_left_and_others_go_on() {
    let mut world = World::new(&[1, 2]);
    for number in 1..=MAX_STRETCHES as u64 {
        world.write(1, 1, number * 3);
    }
    for stream in 2..=MAX_STREAMS as u64 {
        world.write(1, stream, 1);
    }
    for (stream, seq) in [(1, 3 * MAX_STRETCHES as u64 + 3), (MAX_STREAMS as u64 + 1, 1)] {
        world.take();
        let token = world.write(1, stream, seq);
        assert_eq!(world.answer(token), Some(DirectAnswer::Refused(Refusal::Full)));
        let id = world.mail(1, stream, seq);
        assert!(world.take().contains(&Output::Left { mailbox: vec![1], id }));
    }
    for (from, stream, seq) in [(1, 1, 1), (1, 2, 2), (2, 9, 1)] {
        let token = world.write(from, stream, seq);
        assert_eq!(world.answer(token), DELIVERED);
    }
}

// ---- receipts

fn receipt(stream: u64, through: u64) -> Content {
    Content::Receipt(Receipt { stream: StreamId(stream), delivered_through: through, ..Receipt::default() })
}

#[test]
fn of_the_receipts_of_others_only_a_later_one_is_news() {
    let mut world = World::new(&[1]);
    let mut heard = Vec::new();
    for (at_ms, stream, through) in [(5, 1, 1), (9, 1, 3), (7, 1, 2), (9, 1, 3), (6, 2, 1)] {
        let envelope = seal(1, &world.key(), at_ms, receipt(stream, through));
        world.direct(1, envelope);
        heard.extend(world.take().into_iter().filter_map(|said| match said {
            Output::Receipt { receipt, .. } => Some((receipt.stream.0, receipt.delivered_through)),
            _ => None,
        }));
    }
    assert_eq!(heard, [(1, 1), (1, 3), (2, 1)]);
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
    // The later one is on its way still.
    world.handle(note(1));
    assert_eq!(world.take(), []);
    world.handle(note(2));
    let answered = |token| Output::Answer { token, answer: DirectAnswer::Delivered };
    assert_eq!(world.take(), [answered(token), answered(last)]);
    world.run(DISCARD_DELAY_MS);
    assert_eq!(world.discarded(), [id]);
    let old = world.direct(1, said(1));
    assert_eq!(world.answer(old), DELIVERED);
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
    assert!(world.take().contains(&Output::Left { mailbox: vec![1], id }));
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

// ---- people

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

// ---- strangers

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
    assert!(world.take().contains(&Output::Left { mailbox: vec![1], id }));
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

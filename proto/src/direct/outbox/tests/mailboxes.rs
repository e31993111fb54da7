//! The way to a recipient who is away.

use super::*;
use crate::{
    direct::message::{MAX_BATCH_BYTES, MAX_BATCH_LETTERS},
    wire,
};

const DAY_MS: u64 = 24 * 3_600_000;

#[test]
fn each_mailbox_gets_a_copy_sealed_for_it_alone_and_the_letter_is_sent_once_one_has_it() {
    let mut rig = with_letter(&[8, 9]);
    let deposits = rig.deposits();
    let [(first, 8, a), (second, 9, b)] = &deposits[..] else { panic!() };
    assert_ne!(a, b);
    assert_eq!(opened(&a[0], 2, 12), opened(&b[0], 2, 12));
    rig.answer(*first, DirectAnswer::Deposited(1));
    assert_eq!(rig.states(), [(1, State::Sent)]);
    rig.answer(*second, DirectAnswer::Deposited(1));
    assert_eq!(rig.states(), []);
    assert_eq!(rig.disk.letters[&(author(2), 1)].kept.len(), 2);
}

#[test]
fn of_a_batch_the_first_may_be_taken_and_the_rest_is_left_later() {
    let mut rig = Rig::new();
    (0..5).for_each(|_| rig.write(2));
    rig.card(card(2, 1, 12, &[9]));
    let (request, _, envelopes) = rig.deposits().remove(0);
    assert_eq!(envelopes.len(), 5);
    rig.answer(request, DirectAnswer::Deposited(3));
    assert_eq!(rig.states(), [(1, State::Sent), (2, State::Sent), (3, State::Sent)]);
    rig.pass(2_000);
    let (request, _, envelopes) = rig.deposits().remove(0);
    let numbers: Vec<u64> = envelopes.iter().map(|envelope| seq(&opened(envelope, 2, 12))).collect();
    assert_eq!(numbers, [4, 5]);
    // A mailbox that claims more than it was given has these.
    rig.answer(request, DirectAnswer::Deposited(900));
    assert_eq!(rig.states().len(), 2);
}

#[test]
fn a_restart_leaves_nothing_twice() {
    let mut rig = with_letter(&[8, 9]);
    let (request, ..) = rig.deposits().remove(0);
    rig.answer(request, DirectAnswer::Deposited(1));
    rig.restart();
    let deposits = rig.deposits();
    assert!(matches!(deposits[..], [(_, 9, _)]));
}

#[test]
fn a_full_mailbox_is_left_alone_for_a_while_and_others_are_not() {
    let mut rig = with_letter(&[8, 9]);
    let [(first, ..), (second, ..)] = rig.deposits()[..] else { panic!() };
    rig.answer(first, DirectAnswer::Refused(Refusal::Full));
    rig.answer(second, DirectAnswer::Deposited(1));
    rig.write(2);
    let deposits = rig.deposits();
    assert!(matches!(&deposits[..], [(_, 9, envelopes)] if envelopes.len() == 1));
    rig.pass(2_000);
    assert!(matches!(&rig.deposits()[..], [(_, 8, envelopes)] if envelopes.len() == 2));
}

#[test]
fn a_copy_is_left_again_after_twelve_days_also_by_another_process() {
    let mut rig = with_letter(&[9]);
    let (request, ..) = rig.deposits().remove(0);
    rig.answer(request, DirectAnswer::Deposited(1));
    rig.pass(5 * DAY_MS);
    rig.restart();
    rig.pass(7 * DAY_MS - 1);
    assert_eq!(rig.deposits(), []);
    rig.pass(1);
    let (request, ..) = rig.deposits().remove(0);
    rig.answer(request, DirectAnswer::Deposited(1));
    assert_eq!(rig.states(), []);
    rig.pass(DAY_MS);
    assert_eq!(rig.deposits(), []);
}

#[test]
fn a_newer_card_with_another_mailbox_or_key_has_letters_left_for_it() {
    let mut rig = with_letter(&[9]);
    let (request, ..) = rig.deposits().remove(0);
    rig.answer(request, DirectAnswer::Deposited(1));
    rig.card(card(2, 2, 12, &[8, 9]));
    let deposits = rig.deposits();
    let [(request, 8, _)] = deposits[..] else { panic!() };
    rig.answer(request, DirectAnswer::Deposited(1));
    rig.card(card(2, 3, 13, &[8]));
    let (request, mailbox, envelopes) = rig.deposits().remove(0);
    assert_eq!(mailbox, 8);
    opened(&envelopes[0], 2, 13);
    rig.answer(request, DirectAnswer::Deposited(1));
    let kept = &rig.disk.letters[&(author(2), 1)].kept;
    assert!(matches!(&kept[..], [kept] if kept.mailbox == [8]));
}

#[test]
fn batches_keep_to_their_bounds_and_one_at_a_time_is_under_way() {
    let mut rig = Rig::new();
    for n in 0..MAX_BATCH_LETTERS + 400 {
        let text = if n < 60 { "x".repeat(20 * 1024) } else { "short".into() };
        rig.input(Input::Write { token: 1, to: author(2), text, attachments: vec![] });
    }
    rig.card(card(2, 1, 12, &[9]));
    let mut left = vec![];
    let mut deposits = rig.deposits();
    while let Some((request, _, envelopes)) = deposits.pop() {
        assert!(deposits.is_empty() && envelopes.len() <= MAX_BATCH_LETTERS);
        assert!(envelopes.iter().map(|envelope| wire::encode(envelope).len()).sum::<usize>() <= MAX_BATCH_BYTES);
        left.extend(envelopes.iter().map(|envelope| seq(&opened(envelope, 2, 12))));
        rig.answer(request, DirectAnswer::Deposited(envelopes.len() as u32));
        deposits = rig.deposits();
    }
    assert_eq!(left, (1..=MAX_BATCH_LETTERS as u64 + 400).collect::<Vec<_>>());
}

#[test]
fn a_letter_that_a_mailbox_keeps_is_still_delivered_directly() {
    let mut rig = with_letter(&[9]);
    let (request, ..) = rig.deposits().remove(0);
    rig.answer(request, DirectAnswer::Deposited(1));
    rig.up(2);
    let (request, _) = rig.deliveries().remove(0);
    rig.answer(request, DirectAnswer::Delivered);
    assert_eq!(rig.states(), [(1, State::Delivered)]);
}

#[test]
fn no_more_deposits_are_under_way_than_may_be_and_all_get_their_turn() {
    let mut rig = Rig::new();
    for n in 2..40 {
        rig.card(card(n, 1, 12, &[9]));
        rig.write(n);
    }
    let mut deposits = rig.deposits();
    assert_eq!(deposits.len(), MAX_DEPOSITING);
    let mut left = 0;
    while let Some((request, ..)) = deposits.pop() {
        rig.answer(request, DirectAnswer::Deposited(1));
        left += 1;
        assert!(rig.outbox.load().depositing <= MAX_DEPOSITING);
        deposits.extend(rig.deposits());
    }
    assert_eq!(left, 38);
}

#[test]
fn letters_never_wait_for_receipts_that_strangers_had_us_owe() {
    let mut rig = Rig::new();
    for n in 2..60 {
        rig.card(card(n, 1, 12, &[9]));
        let receipt = Receipt { stream: StreamId(1), delivered_through: 1, ..Receipt::default() };
        rig.input(Input::SendReceipt { to: author(n), receipt });
    }
    rig.pass(RECEIPT_DELAY_MS);
    // None of their mailboxes answers.
    assert_eq!(rig.deposits().len(), MAX_TELLING);
    rig.card(card(60, 1, 12, &[9]));
    rig.write(60);
    assert_eq!(rig.deposits().len(), 1);
}

#[test]
fn we_are_nobodys_mailbox_for_our_own_letters() {
    let mut rig = Rig::new();
    let own = Mailbox { peer: author(1).peer_id().unwrap().to_bytes(), addresses: vec![] };
    rig.card(Card { mailboxes: vec![own], ..card(2, 1, 12, &[]).card }.sign(&signer(2)));
    rig.write(2);
    assert_eq!(rig.deposits(), []);
}

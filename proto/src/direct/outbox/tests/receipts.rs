//! Receipts, theirs and ours.

use super::*;

/// The receipts among what came out, and how they went.
fn told(rig: &mut Rig, n: u8, key: u8) -> Vec<(RequestId, Receipt)> {
    let envelope = |output| match output {
        Output::Ask { request, question: DirectQuestion::Deliver(envelope), .. } => Some((request, envelope)),
        Output::Deposit { request, mut envelopes, .. } => Some((request, envelopes.remove(0))),
        _ => None,
    };
    let receipt = |(request, envelope)| match opened(&envelope, n, key).content {
        Content::Receipt(receipt) => Some((request, receipt)),
        Content::Text(_) => None,
    };
    rig.take().into_iter().filter_map(envelope).filter_map(receipt).collect()
}

fn say(rig: &mut Rig, to: u8, delivered_through: u64) {
    rig.input(Input::SendReceipt { to: author(to), receipt: receipt(delivered_through, vec![], 0) });
}

/// The receipts of which all is durable that they say.
fn noted(rig: &Rig) -> Vec<Receipt> {
    let receipt = |output: &Output| match output {
        Output::ReceiptNoted { receipt, .. } => Some(receipt.clone()),
        _ => None,
    };
    rig.out.iter().filter_map(receipt).collect()
}

/// The receipts that nobody need say any more.
fn sent(rig: &Rig) -> Vec<u64> {
    let through = |output: &Output| match output {
        Output::ReceiptSent { receipt, .. } => Some(receipt.delivered_through),
        _ => None,
    };
    rig.out.iter().filter_map(through).collect()
}

#[test]
fn a_receipt_of_our_stream_says_what_is_delivered_and_read() {
    let mut rig = Rig::new();
    (0..5).for_each(|_| rig.write(2));
    rig.take();
    let other = Receipt { stream: StreamId(1), ..receipt(5, vec![], 5) };
    rig.input(Input::Receipt { from: author(2), receipt: other });
    rig.input(Input::Receipt { from: author(3), receipt: receipt(5, vec![], 5) });
    assert_eq!((noted(&rig).len(), rig.take().len()), (2, 2));
    rig.input(Input::Receipt { from: author(2), receipt: receipt(1, vec![(3, 4)], 3) });
    let out = rig.take();
    assert!(out.contains(&Output::Read { to: author(2), through: 3 }));
    rig.out = out;
    assert_eq!(rig.states(), [(1, State::Delivered), (3, State::Delivered), (4, State::Delivered)]);
    assert_eq!(rig.outbox.load().letters, 2);
    // An older one takes nothing back, and nobody reads what was not written.
    rig.input(Input::Receipt { from: author(2), receipt: receipt(1, vec![], 0) });
    rig.restart();
    rig.take();
    rig.input(Input::Receipt { from: author(2), receipt: receipt(90, vec![], 90) });
    let out = rig.take();
    assert!(out.contains(&Output::Read { to: author(2), through: 5 }), "{out:?}");
    assert_eq!(rig.disk.streams[&author(2)].read_through, 5);
}

#[test]
fn a_receipt_is_noted_when_what_it_says_is_durable_and_not_before() {
    let mut rig = Rig::new();
    (0..3).for_each(|_| rig.write(2));
    rig.take();
    rig.store = Store::Hangs;
    let said: Vec<Receipt> = (1..=3).map(|through| receipt(through, vec![], 0)).collect();
    for receipt in &said {
        rig.input(Input::Receipt { from: author(2), receipt: receipt.clone() });
    }
    // Also not what says nothing new, but nothing durable either.
    rig.input(Input::Receipt { from: author(2), receipt: said[0].clone() });
    assert_eq!(noted(&rig), []);
    rig.hanging.clear();
    rig.input(Input::PersistFailed);
    rig.pass(600_000);
    assert_eq!((noted(&rig), rig.hanging.len()), (vec![], 1));
    rig.wake_store();
    let all = [&said[1..], &said[..1], &said[..1]].concat();
    assert_eq!(noted(&rig), all);
    assert!(rig.disk.letters.values().all(|saved| saved.state == State::Delivered));
    rig.take();
    rig.input(Input::Receipt { from: author(2), receipt: said[2].clone() });
    assert_eq!(noted(&rig), said[2..]);
}

#[test]
fn a_receipt_is_sent_when_its_recipient_or_a_mailbox_has_it_and_none_that_another_took_the_place_of() {
    let mut rig = Rig::new();
    rig.card(card(2, 1, 12, &[9]));
    say(&mut rig, 2, 1);
    say(&mut rig, 2, 2);
    rig.pass(RECEIPT_DELAY_MS);
    assert_eq!(sent(&rig), []);
    let (request, _) = told(&mut rig, 2, 12).remove(0);
    rig.answer(request, DirectAnswer::Deposited(1));
    assert_eq!(sent(&rig), [2]);
    rig.up(2);
    say(&mut rig, 2, 3);
    let (request, _) = told(&mut rig, 2, 12).remove(0);
    say(&mut rig, 2, 4);
    rig.answer(request, DirectAnswer::Delivered);
    assert_eq!(sent(&rig), []);
    let (request, _) = told(&mut rig, 2, 12).remove(0);
    rig.answer(request, DirectAnswer::Delivered);
    assert_eq!(sent(&rig), [4]);
}

#[test]
fn a_receipt_that_is_said_again_has_its_recipient_looked_for_again() {
    let mut rig = Rig::new();
    for _ in 0..2 {
        say(&mut rig, 2, 1);
        rig.pass(3_600_000);
        let reaches = rig.take().iter().filter(|output| matches!(output, Output::Reach(_))).count();
        assert_eq!(reaches, MAX_RECEIPT_SEARCHES as usize);
    }
    assert_eq!(rig.outbox.load().receipts, 1);
}

#[test]
fn our_receipt_goes_directly_at_once_and_a_newer_one_after_it() {
    let mut rig = Rig::new();
    rig.card(card(2, 1, 12, &[9]));
    rig.up(2);
    say(&mut rig, 2, 1);
    let first = told(&mut rig, 2, 12);
    assert_eq!(first[0].1.delivered_through, 1);
    say(&mut rig, 2, 1);
    assert_eq!(rig.take(), []);
    say(&mut rig, 2, 3);
    say(&mut rig, 2, 4);
    assert_eq!(rig.take(), []);
    rig.answer(first[0].0, DirectAnswer::Delivered);
    assert_eq!(rig.outbox.load().receipts, 1);
    let second = told(&mut rig, 2, 12);
    assert_eq!(second[0].1.delivered_through, 4);
    rig.answer(second[0].0, DirectAnswer::Delivered);
    assert_eq!(rig.outbox.load(), Load { cards: 1, ..Load::default() });
    assert_eq!(rig.outbox.poll_timeout(), None);
}

#[test]
fn receipts_for_the_absent_are_collected_and_the_last_is_left_once() {
    let mut rig = Rig::new();
    rig.card(card(2, 1, 12, &[8, 9]));
    for n in 1..=9 {
        say(&mut rig, 2, n);
        rig.pass(500);
    }
    assert_eq!(told(&mut rig, 2, 12), []);
    rig.pass(RECEIPT_DELAY_MS - 4_500);
    let left = told(&mut rig, 2, 12);
    assert!(left.len() == 2 && left.iter().all(|(_, receipt)| receipt.delivered_through == 9));
    left.into_iter().for_each(|(request, _)| rig.answer(request, DirectAnswer::Deposited(1)));
    rig.pass(3_600_000);
    assert_eq!(rig.take().iter().filter(|output| matches!(output, Output::Deposit { .. })).count(), 0);
    assert_eq!(rig.outbox.load(), Load { cards: 1, ..Load::default() });
}

#[test]
fn only_to_tell_it_something_nobody_is_looked_for_for_long() {
    let mut rig = Rig::new();
    say(&mut rig, 2, 1);
    rig.pass(3_600_000);
    let reaches = rig.take().iter().filter(|output| matches!(output, Output::Reach(_))).count();
    assert_eq!(reaches, MAX_RECEIPT_SEARCHES as usize);
    assert_eq!(rig.outbox.poll_timeout(), None);
    rig.card(card(2, 1, 12, &[]));
    rig.up(2);
    assert_eq!(told(&mut rig, 2, 12).len(), 1);
}

#[test]
fn no_more_receipts_wait_than_may() {
    let mut rig = Rig::new();
    for n in 0..MAX_RECEIPTS as u32 + 5 {
        let mut to = Author([7; 32]);
        to.0[..4].copy_from_slice(&n.to_le_bytes());
        rig.input(Input::SendReceipt { to, receipt: receipt(1, vec![], 0) });
    }
    let load = rig.outbox.load();
    assert_eq!((load.receipts, load.correspondents), (MAX_RECEIPTS, MAX_RECEIPTS));
}

#[test]
fn a_receipt_that_breaks_the_rules_is_neither_believed_nor_sent() {
    let mut rig = Rig::new();
    rig.write(2);
    rig.take();
    let bad = receipt(0, vec![(1, 1), (1, 1)], 0);
    rig.input(Input::Receipt { from: author(2), receipt: bad.clone() });
    rig.input(Input::SendReceipt { to: author(3), receipt: bad });
    assert_eq!((noted(&rig).len(), rig.take().len()), (1, 1));
    assert_eq!(rig.outbox.load().receipts, 0);
}

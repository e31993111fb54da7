//! The way to a connected recipient, and looking for one.

use super::*;

fn reaches(rig: &mut Rig) -> usize {
    rig.take().iter().filter(|output| matches!(output, Output::Reach(_))).count()
}

#[test]
fn a_recipient_is_asked_for_its_card_and_gets_letters_in_order_up_to_the_window() {
    let mut rig = Rig::new();
    (0..WINDOW + 4).for_each(|_| rig.write(2));
    rig.take();
    rig.up(2);
    let [Output::Ask { request, question: DirectQuestion::Card(whose), .. }] = rig.take()[..] else { panic!() };
    assert_eq!(whose, author(2));
    rig.answer(request, DirectAnswer::Card(Some(card(2, 1, 12, &[]))));
    let sent = rig.deliveries();
    let numbers: Vec<u64> = sent.iter().map(|(_, envelope)| seq(&opened(envelope, 2, 12))).collect();
    assert_eq!(numbers, (1..=WINDOW as u64).collect::<Vec<_>>());
    rig.answer(sent[3].0, DirectAnswer::Delivered);
    let out = rig.take();
    assert!(matches!(&out[..], [
        Output::Ask { question: DirectQuestion::Deliver(next), .. },
        Output::State { seq: 4, state: State::Delivered, .. },
    ] if seq(&opened(next, 2, 12)) == WINDOW as u64 + 1));
    assert_eq!(rig.outbox.load().letters, WINDOW + 3);
}

#[test]
fn a_letter_for_an_old_key_is_sealed_again_at_once_a_few_times() {
    let mut rig = with_letter(&[]);
    rig.up(2);
    let mut sent = rig.deliveries();
    for n in 1..=u64::from(MAX_REKEYS) {
        let newer = card(2, 1 + n, 12 + n as u8, &[]);
        rig.answer(sent[0].0, DirectAnswer::Refused(Refusal::UnknownKey(newer)));
        sent = rig.deliveries();
        assert_eq!(seq(&opened(&sent[0].1, 2, 12 + n as u8)), 1);
    }
    rig.answer(sent[0].0, DirectAnswer::Refused(Refusal::UnknownKey(card(2, 9, 99, &[]))));
    assert_eq!(rig.deliveries(), []);
    rig.pass(2_000);
    assert_eq!(seq(&opened(&rig.deliveries()[0].1, 2, 99)), 1);
}

#[test]
fn a_recipient_that_does_not_know_its_own_key_is_left_alone_for_a_while() {
    let mut rig = with_letter(&[]);
    rig.up(2);
    let request = rig.deliveries()[0].0;
    rig.answer(request, DirectAnswer::Refused(Refusal::UnknownKey(card(2, 1, 12, &[]))));
    assert_eq!(rig.deliveries(), []);
    rig.pass(2_000);
    assert_eq!(rig.deliveries().len(), 1);
}

#[test]
fn of_cards_the_newest_good_one_counts() {
    let mut rig = with_letter(&[]);
    rig.card(card(2, 0, 13, &[]));
    let mut forged = card(2, 5, 14, &[]);
    forged.card.owner = author(3);
    rig.card(forged.clone());
    forged.card.owner = author(2);
    forged.card.issued_ms += 1;
    rig.card(forged);
    let no_key = Card { key: crate::seal::SealKey([0; 32]), ..card(2, 6, 1, &[]).card }.sign(&signer(2));
    rig.card(no_key);
    rig.up(2);
    let (request, envelope) = rig.deliveries().remove(0);
    opened(&envelope, 2, 12);
    // Somebody else's card in its answer is nobody's.
    rig.answer(request, DirectAnswer::Refused(Refusal::UnknownKey(card(3, 7, 15, &[]))));
    assert_eq!(rig.outbox.load().cards, 1);
    rig.card(card(2, 8, 16, &[]));
    opened(&rig.deliveries().remove(0).1, 2, 16);
    assert_eq!(rig.disk.cards[&author(2)], card(2, 8, 16, &[]));
}

#[test]
fn a_letter_that_is_not_wanted_is_refused_for_good() {
    let mut rig = with_letter(&[]);
    rig.up(2);
    let request = rig.deliveries()[0].0;
    rig.answer(request, DirectAnswer::Refused(Refusal::NotWanted));
    assert_eq!(rig.states(), [(1, State::Refused)]);
    rig.input(Input::Receipt { from: author(2), receipt: receipt(1, vec![], 0) });
    rig.restart();
    rig.up(2);
    assert_eq!(rig.take(), []);
    assert_eq!(rig.outbox.poll_timeout(), None);
}

#[test]
fn a_final_state_stays_though_it_is_not_durable_yet() {
    let mut rig = with_letter(&[]);
    rig.up(2);
    let request = rig.deliveries()[0].0;
    rig.store = Store::Fails;
    rig.input(Input::Receipt { from: author(2), receipt: receipt(1, vec![], 0) });
    rig.answer(request, DirectAnswer::Refused(Refusal::NotWanted));
    rig.store = Store::Works;
    rig.pass(10_000);
    assert_eq!(rig.states(), [(1, State::Delivered)]);
}

#[test]
fn a_letter_that_is_called_invalid_three_times_has_failed() {
    let mut rig = with_letter(&[]);
    rig.up(2);
    for n in 1..=MAX_INVALID {
        let sent = rig.deliveries();
        rig.answer(sent[0].0, DirectAnswer::Refused(Refusal::Invalid));
        if n < MAX_INVALID {
            rig.pass(10_000);
        }
    }
    assert_eq!(rig.states(), [(1, State::Failed)]);
    assert_eq!(rig.outbox.load().letters, 0);
}

#[test]
fn what_a_recipient_cannot_take_now_is_tried_ever_more_rarely() {
    let mut rig = with_letter(&[]);
    rig.up(2);
    let mut waits = vec![];
    for answer in [DirectAnswer::Unavailable, DirectAnswer::Refused(Refusal::Full), DirectAnswer::Noted] {
        let request = rig.deliveries()[0].0;
        let failed_ms = rig.now.mono_ms;
        rig.answer(request, answer);
        assert_eq!(rig.deliveries(), []);
        while rig.out.is_empty() {
            rig.pass(50);
        }
        waits.push(rig.now.mono_ms - failed_ms);
    }
    assert!(waits[0] <= 1_300 && waits[1] >= 1_500 && waits[2] >= 3_000, "{waits:?}");
    let request = rig.deliveries()[0].0;
    rig.input(Input::RequestFailed { request });
    // Who comes back is tried at once.
    rig.input(Input::PeerDown(author(2)));
    rig.up(2);
    assert_eq!(rig.deliveries().len(), 1);
}

#[test]
fn whoever_is_away_is_looked_for_at_once_and_then_ever_more_rarely() {
    let mut rig = Rig::new();
    rig.write(2);
    let out = rig.take();
    assert!(matches!(out[1..], [Output::Reach(_), Output::FindCard(_)]), "{out:?}");
    rig.pass(3_600_000);
    let tries = reaches(&mut rig);
    assert!((12..20).contains(&tries), "{tries}");
    rig.up(2);
    rig.pass(3_600_000);
    assert_eq!(reaches(&mut rig), 0);
    rig.input(Input::PeerDown(author(2)));
    rig.pass(2_000);
    assert_eq!(reaches(&mut rig), 2);
}

#[test]
fn whoever_is_heard_of_is_looked_for_at_once_if_something_waits_for_it() {
    let mut rig = with_letter(&[]);
    rig.pass(60_000);
    rig.take();
    rig.input(Input::Appeared(author(3)));
    assert_eq!(reaches(&mut rig), 0, "nothing waits for this one");
    rig.input(Input::Appeared(author(2)));
    assert_eq!(reaches(&mut rig), 1);
    rig.up(2);
    rig.take();
    rig.input(Input::Appeared(author(2)));
    assert_eq!(reaches(&mut rig), 0, "it is connected");
}

#[test]
fn a_new_letter_has_its_recipient_looked_for_at_once() {
    let mut rig = with_letter(&[]);
    rig.pass(3_600_000);
    rig.take();
    rig.write(2);
    assert_eq!(reaches(&mut rig), 1);
}

#[test]
fn a_card_is_looked_for_when_it_is_old_or_a_mailbox_does_not_know_the_recipient() {
    let finds = |rig: &mut Rig| rig.take().iter().any(|output| matches!(output, Output::FindCard(_)));
    let mut rig = with_letter(&[9]);
    assert!(!rig.out.iter().any(|output| matches!(output, Output::FindCard(_))));
    let request = rig.deposits()[0].0;
    rig.answer(request, DirectAnswer::Refused(Refusal::NotWanted));
    rig.pass(2_000);
    assert!(finds(&mut rig));
    let mut rig = with_letter(&[9]);
    let request = rig.deposits()[0].0;
    rig.answer(request, DirectAnswer::Deposited(1));
    rig.pass(3_600_000);
    assert!(!finds(&mut rig));
    rig.pass(crate::direct::card::ROTATE_MS);
    assert!(finds(&mut rig));
}

#[test]
fn a_card_without_mailboxes_is_looked_for_as_often_as_its_owner_until_there_is_one_with() {
    let finds = |rig: &mut Rig| rig.take().iter().filter(|output| matches!(output, Output::FindCard(_))).count();
    let mut rig = with_letter(&[]);
    rig.pass(3_600_000);
    let found = finds(&mut rig);
    assert!((12..20).contains(&found), "{found}");
    rig.card(card(2, 2, 12, &[9]));
    let request = rig.deposits()[0].0;
    rig.answer(request, DirectAnswer::Deposited(1));
    rig.pass(3_600_000);
    assert_eq!(finds(&mut rig), 0);
}

/// Lets seconds pass in which of two mailboxes the second fails, and the first does if `fails`. How often the card was looked for.
fn finds_while_depositing(rig: &mut Rig, seconds: u64, fails: bool) -> usize {
    let mut finds = 0;
    for _ in 0..seconds {
        for output in rig.take() {
            match output {
                Output::Deposit { request, mailbox, .. } if mailbox.peer == [8] && !fails => {
                    rig.answer(request, DirectAnswer::Deposited(1));
                }
                Output::Deposit { request, .. } => rig.input(Input::RequestFailed { request }),
                Output::FindCard(_) => finds += 1,
                _ => {}
            }
        }
        rig.pass(1_000);
    }
    finds
}

#[test]
fn a_card_is_looked_for_when_letters_could_be_left_with_none_of_its_mailboxes_for_a_while() {
    let mut rig = with_letter(&[8, 9]);
    assert_eq!(finds_while_depositing(&mut rig, 3_600, false), 0);
    let mut rig = with_letter(&[8, 9]);
    assert_eq!(finds_while_depositing(&mut rig, 20, true), 0);
    let finds = finds_while_depositing(&mut rig, 3_580, true);
    assert!((5..15).contains(&finds), "{finds}");
    rig.card(card(2, 2, 12, &[8, 9]));
    assert_eq!(finds_while_depositing(&mut rig, 3_600, false), 0);
}

#[test]
fn no_more_cards_are_kept_than_may_be() {
    let mut cards = super::cards::Cards::default();
    let signed = card(2, 1, 12, &[]);
    let owner = |n: usize| {
        Author({
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&n.to_le_bytes());
            bytes
        })
    };
    for n in 0..MAX_CARDS + 10 {
        let mut signed = signed.clone();
        signed.card.owner = owner(n);
        let forgotten = cards.insert(signed);
        assert_eq!(forgotten, n.checked_sub(MAX_CARDS).map(owner));
    }
    assert_eq!(cards.len(), MAX_CARDS);
}

#[test]
fn no_more_questions_are_under_way_than_may_be_and_all_get_their_turn() {
    let mut rig = Rig::new();
    let recipients = 2..2 + (MAX_ASKING / WINDOW) as u8 + 3;
    for n in recipients.clone() {
        rig.card(card(n, 1, 12, &[]));
        (0..WINDOW).for_each(|_| rig.write(n));
    }
    recipients.clone().for_each(|n| rig.up(n));
    let mut delivered = 0;
    let mut sent = rig.deliveries();
    assert_eq!(sent.len(), MAX_ASKING);
    while let Some((request, _)) = sent.pop() {
        rig.answer(request, DirectAnswer::Delivered);
        delivered += 1;
        assert!(rig.outbox.load().asking <= MAX_ASKING);
        sent.extend(rig.deliveries());
    }
    assert_eq!(delivered, recipients.len() * WINDOW);
    assert_eq!(rig.outbox.poll_timeout(), None);
}

//! Each thing that must not be is noticed, and what may be is not.

use super::*;

const ADA: usize = 0;
const BOB: usize = 1;
const EVE: usize = 2;

fn mail() -> Mail {
    let names = |names: [&str; 3]| names.map(str::to_owned).to_vec();
    Mail::new(names(["ada", "bob", "eve"]), names(["peer-ada", "peer-bob", "peer-eve"]))
}

/// A message of Ada to Bob, as a node shows it; messages are numbered from 0.
fn message(number: usize) -> DirectMessage {
    DirectMessage {
        id: format!("id-{number}"),
        from: "peer-ada".into(),
        to: "peer-bob".into(),
        at: String::new(),
        text: text(number, ADA, BOB, 50),
        state: DirectState::Delivered,
    }
}

/// The first messages of Ada to Bob: durable with her, and acknowledged.
fn written(count: usize) -> Mail {
    let mut mail = mail();
    for number in 0..count {
        let (written, text) = mail.write(10, ADA, BOB, 50).unwrap();
        assert_eq!((written, text), (number, message(number).text));
        mail.stored(11, ADA, Place(number as u64), &message(number));
        mail.acknowledged(12, number, &message(number).id);
    }
    assert_eq!(mail.take_fault(), None);
    mail
}

/// The same, and durable with Bob.
fn arrived(count: usize) -> Mail {
    let mut mail = written(count);
    (0..count).for_each(|number| mail.stored(20, BOB, Place(number as u64), &message(number)));
    assert_eq!(mail.take_fault(), None);
    mail
}

#[track_caller]
fn assert_blamed(mut mail: Mail, invariant: &str) {
    let fault = mail.take_fault().expect("something is wrong");
    assert_eq!(fault.invariant, invariant, "{fault:?}");
}

#[test]
fn a_message_that_arrives_and_is_read_breaks_nothing() {
    let mut mail = written(1);
    assert_eq!(mail.pending().collect::<Vec<_>>(), [0]);
    assert_eq!(mail.told(15, ADA, "id-0", DirectState::Sent), Some(0));
    mail.stored(20, BOB, Place(7), &message(0));
    // The same entry may be written again.
    mail.stored(21, BOB, Place(7), &message(0));
    assert_eq!(mail.pending().len(), 0);
    assert_eq!(mail.shown(22, BOB, &message(0)), Some(ADA));
    mail.read(ADA, BOB);
    mail.told(30, ADA, "id-0", DirectState::Delivered);
    mail.told(31, ADA, "id-0", DirectState::Read);
    mail.history(40, ADA, &[DirectMessage { state: DirectState::Read, ..message(0) }], 10);
    mail.history(40, BOB, &[message(0)], 10);
    assert_eq!(mail.take_fault(), None);
    let letter = &mail.letters()[0];
    assert_eq!((letter.arrived_ms, letter.was_sent, letter.was_told()), (Some(20), true, true));
}

#[test]
fn what_was_acknowledged_is_on_its_authors_disk() {
    let mut mail = mail();
    mail.write(10, ADA, BOB, 50).unwrap();
    mail.acknowledged(12, 0, "id-0");
    assert_blamed(mail, KEPT);
}

#[test]
fn a_message_that_is_stored_or_shown_twice_is_noticed() {
    let mut again = arrived(1);
    again.stored(30, BOB, Place(1), &message(0));
    assert_blamed(again, ONCE);

    let mut shown = arrived(1);
    shown.shown(30, BOB, &message(0));
    shown.shown(31, BOB, &message(0));
    assert_blamed(shown, ONCE);

    let mut history = arrived(1);
    history.history(30, BOB, &[message(0), message(0)], 10);
    assert_blamed(history, ONCE);

    let mut written_twice = written(1);
    written_twice.stored(30, ADA, Place(1), &DirectMessage { id: "other".into(), ..message(0) });
    assert_blamed(written_twice, ONCE);
}

#[test]
fn what_nobody_wrote_or_not_so_or_not_to_this_host_is_noticed() {
    for wrong in [
        DirectMessage { text: message(0).text + "!", ..message(0) },
        DirectMessage { text: text(5, ADA, BOB, 50), ..message(0) },
        DirectMessage { from: "peer-eve".into(), ..message(0) },
        DirectMessage { id: "other".into(), ..message(0) },
    ] {
        let mut mail = written(1);
        mail.stored(20, BOB, Place(0), &wrong);
        assert_blamed(mail, GENUINE);
    }
    let mut elsewhere = written(1);
    elsewhere.stored(20, EVE, Place(0), &message(0));
    assert_blamed(elsewhere, GENUINE);

    let mut not_hers = written(1);
    not_hers.told(20, EVE, "id-0", DirectState::Sent);
    assert_blamed(not_hers, GENUINE);
}

#[test]
fn what_is_said_before_it_is_true_is_noticed() {
    let mut early = mail();
    early.write(10, ADA, BOB, 50).unwrap();
    early.stored(11, BOB, Place(0), &message(0));
    assert_blamed(early, TRUE);

    let mut shown = written(1);
    shown.shown(20, BOB, &message(0));
    assert_blamed(shown, TRUE);

    let mut told = written(1);
    told.told(20, ADA, "id-0", DirectState::Delivered);
    assert_blamed(told, TRUE);

    let mut unread = arrived(1);
    unread.told(30, ADA, "id-0", DirectState::Read);
    assert_blamed(unread, TRUE);
}

#[test]
fn a_state_that_goes_back_and_a_message_that_is_given_up_are_noticed() {
    let mut back = arrived(1);
    back.told(30, ADA, "id-0", DirectState::Delivered);
    back.history(31, ADA, &[DirectMessage { state: DirectState::Sent, ..message(0) }], 10);
    assert_blamed(back, FORWARD);

    for state in [DirectState::Refused, DirectState::Failed] {
        let mut given_up = written(1);
        given_up.told(30, ADA, "id-0", state);
        assert_blamed(given_up, KEPT);
    }
}

#[test]
fn a_history_that_lacks_a_message_or_shows_one_too_early_is_noticed() {
    for (host, held) in [(BOB, vec![message(1)]), (ADA, vec![message(0)])] {
        let mut lacks = arrived(2);
        let held: Vec<DirectMessage> = held;
        lacks.history(30, host, &held, 10);
        assert_blamed(lacks, KEPT);
    }
    // A page need not have all.
    let mut page = arrived(2);
    page.history(30, BOB, &[message(1)], 1);
    assert_eq!(page.take_fault(), None);

    let mut disorder = arrived(2);
    disorder.history(30, BOB, &[message(1), message(0)], 10);
    assert_blamed(disorder, ORDER);
}

#[test]
fn the_first_fault_is_told() {
    let mut mail = written(1);
    mail.blame(1, KEPT, "first".into(), &[ADA]);
    mail.blame(2, ONCE, "second".into(), &[BOB]);
    assert_blamed(mail, KEPT);
}

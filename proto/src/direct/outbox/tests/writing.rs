//! New letters, numbers, bounds and the store.

use super::*;

#[test]
fn nothing_is_sent_and_nobody_told_before_a_letter_is_durable() {
    let mut rig = Rig::new();
    rig.card(card(2, 1, 12, &[9]));
    rig.up(2);
    rig.store = Store::Hangs;
    rig.write(2);
    rig.input(Input::PeerDown(author(2)));
    rig.pass(10_000);
    rig.up(2);
    assert_eq!(rig.take(), []);
    rig.wake_store();
    let out = rig.take();
    assert!(matches!(&out[0], Output::Written { token: 5, letter } if seq(&letter.letter) == 1));
    assert!(matches!(&out[1], Output::Ask { question: DirectQuestion::Deliver(_), .. }));
}

#[test]
fn what_the_store_did_not_take_is_told_and_its_number_is_given_again() {
    let mut rig = Rig::new();
    for before in 0..2 {
        rig.store = Store::Hangs;
        rig.write(2);
        rig.write(2);
        rig.hanging.clear();
        rig.take();
        rig.input(Input::PersistFailed);
        let failed = Output::NotWritten { token: 5, error: NotWritten::NotStored };
        assert_eq!(rig.take(), [failed.clone(), failed]);
        assert_eq!(rig.outbox.load().letters, before);
        rig.store = Store::Works;
        rig.write(2);
        assert!(matches!(&rig.take()[0], Output::Written { letter, .. } if seq(&letter.letter) == before as u64 + 1));
    }
}

#[test]
fn a_change_that_the_store_did_not_take_is_told_only_when_it_did() {
    let mut rig = with_letter(&[]);
    rig.up(2);
    let request = rig.deliveries()[0].0;
    rig.store = Store::Fails;
    rig.answer(request, DirectAnswer::Delivered);
    rig.pass(60_000);
    assert_eq!(rig.take(), []);
    rig.store = Store::Works;
    rig.pass(600_000);
    assert_eq!(rig.states(), [(1, State::Delivered)]);
    assert_eq!(rig.outbox.load().letters, 0);
}

#[test]
fn changes_that_come_while_the_store_is_busy_become_one_batch() {
    let mut rig = with_letter(&[]);
    (0..4).for_each(|_| rig.write(2));
    rig.up(2);
    let sent = rig.deliveries();
    rig.store = Store::Hangs;
    sent.into_iter().for_each(|(request, _)| rig.answer(request, DirectAnswer::Delivered));
    assert_eq!(rig.hanging.len(), 1);
    rig.store = Store::Works;
    rig.wake_store();
    assert_eq!(rig.states().len(), 5);
}

#[test]
fn what_may_not_be_written_is_not() {
    let mut rig = Rig::new();
    rig.write(1);
    rig.input(Input::Write { token: 6, to: author(2), text: " ".into(), attachments: vec![] });
    let [Output::NotWritten { error: NotWritten::ToOneself, .. }, Output::NotWritten { token: 6, error }] =
        &rig.take()[..]
    else {
        panic!()
    };
    assert!(matches!(error, NotWritten::Invalid(_)));
}

#[test]
fn for_one_recipient_no_more_waits_than_may() {
    let mut rig = Rig::new();
    (0..MAX_LETTERS_EACH).for_each(|_| rig.write(2));
    rig.take();
    rig.write(2);
    assert!(matches!(rig.take()[..], [Output::NotWritten { error: NotWritten::TooMuchWaiting, .. }]));
    let text = "x".repeat(24 * 1024);
    for _ in 0..MAX_BYTES_EACH / text.len() + 1 {
        rig.input(Input::Write { token: 7, to: author(3), text: text.clone(), attachments: vec![] });
    }
    assert!(matches!(rig.take()[..], [.., Output::NotWritten { error: NotWritten::TooMuchWaiting, .. }]));
    assert!(rig.outbox.load().bytes <= MAX_LETTERS_EACH * 600 + MAX_BYTES_EACH);
    rig.write(4);
    assert!(matches!(rig.take()[0], Output::Written { .. }));
}

#[test]
fn in_all_no_more_bytes_wait_than_may() {
    let mut rig = Rig::new();
    let text = "x".repeat(24 * 1024);
    let each = MAX_BYTES_EACH / (text.len() + 512);
    let mut written = 0;
    for n in 0..MAX_BYTES / (text.len() + 512) + 10 {
        let to = author(10 + (n / each) as u8);
        rig.input(Input::Write { token: 7, to, text: text.clone(), attachments: vec![] });
        written += usize::from(matches!(rig.take()[0], Output::Written { .. }));
    }
    assert_eq!(written, MAX_BYTES / (text.len() + 512));
    assert!(rig.outbox.load().bytes <= MAX_BYTES);
}

#[test]
fn numbers_count_for_each_recipient_and_times_go_on_though_the_clock_was_set_back() {
    let mut rig = Rig::new();
    [2, 3, 2].into_iter().for_each(|to| rig.write(to));
    rig.now.wall_ms -= 3_600_000;
    rig.restart();
    rig.write(2);
    let keys: Vec<_> = rig.disk.letters.keys().copied().collect();
    let mut expected = vec![(author(2), 1), (author(2), 2), (author(2), 3), (author(3), 1)];
    expected.sort();
    // That times increase is checked by the disk.
    assert_eq!(keys, expected);
}

#[test]
fn many_recipients_who_are_away_are_looked_for_a_few_at_a_time() {
    let mut rig = Rig::new();
    rig.write(2);
    let letter = rig.disk.letters.values().next().unwrap().clone();
    let mut saved = Saved::default();
    for n in 0..100_000u32 {
        let mut letter = letter.clone();
        letter.letter.letter.to.0[..4].copy_from_slice(&n.to_le_bytes());
        saved.streams.push(SavedStream { to: letter.letter.letter.to, last_seq: 1, read_through: 0 });
        saved.letters.push(letter);
    }
    let mut outbox = Outbox::restore(at(0), config(), saved);
    let (mut now_ms, mut calls, mut reached) = (0, 0, 0);
    while let Some(Deadline(at_ms)) = outbox.poll_timeout().filter(|at| at.0 <= 60_000) {
        now_ms = now_ms.max(at_ms);
        outbox.handle_timeout(at(now_ms));
        calls += 1;
        reached += std::iter::from_fn(|| outbox.poll_output()).filter(|o| matches!(o, Output::Reach(_))).count();
    }
    assert!((1_200..=1_400).contains(&reached), "{reached}");
    assert!(calls < 1_500, "{calls}");
}

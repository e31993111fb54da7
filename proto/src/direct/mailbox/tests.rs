//! One rule each; `schedules` has all of them at once.

use super::*;
use crate::{
    direct::{
        card::{Card, KEEP_MS, SignedCard},
        letter::{Envelope, EnvelopeId},
        message::{DirectAnswer, MAX_BATCH_BYTES, MAX_BATCH_LETTERS, MAX_DISCARDED, Refusal},
    },
    ids::Author,
    seal::{KeyId, SealKey, Sealed},
    signature::Ed25519,
    testing::{at, author, signer},
    time::{Deadline, Now},
};
use house::House;
use store::Store;

mod house;
mod schedules;
pub mod store;

const DAY_MS: u64 = 24 * 3_600_000;
const HOME: Depositor = Depositor(1);

fn card(n: u8, issued_ms: u64) -> SignedCard {
    let card = Card { owner: author(n), issued_ms, key: SealKey([n; 32]), mailboxes: Vec::new() };
    card.sign(&signer(n))
}

/// An envelope for `to`, told from others by `n`.
fn envelope(to: Author, n: u64, bytes: usize) -> Envelope {
    let mut encapsulated = [0; 32];
    encapsulated[..8].copy_from_slice(&n.to_le_bytes());
    Envelope { to, key: KeyId([0; 8]), sealed: Sealed { encapsulated, ciphertext: vec![7; bytes] } }
}

fn envelopes(to: u8, numbers: std::ops::Range<u64>) -> Vec<Envelope> {
    let to = author(to);
    numbers.map(|n| envelope(to, n, 100)).collect()
}

fn ids(envelopes: &[Envelope]) -> Vec<EnvelopeId> {
    envelopes.iter().map(Envelope::id).collect()
}

fn refused(refusal: Refusal) -> Vec<Output> {
    answered(DirectAnswer::Refused(refusal))
}

fn answered(answer: DirectAnswer) -> Vec<Output> {
    vec![Output::Answer { token: 7, answer }]
}

fn served(ids: Vec<EnvelopeId>, more: bool) -> Vec<Output> {
    vec![Output::Serve { token: 7, ids, more }]
}

fn deposited(count: u32) -> Vec<Output> {
    answered(DirectAnswer::Deposited(count))
}

#[test]
fn letters_are_kept_for_registered_recipients_alone() {
    let mut house = House::new(1, Settings::default());
    assert_eq!(house.deposit(HOME, envelopes(2, 0..3)), refused(Refusal::NotWanted));
    assert_eq!(house.deposit(HOME, envelopes(1, 0..3)), deposited(3));
    assert_eq!(house.collect(2, None), refused(Refusal::NotWanted));
    assert_eq!(house.collect(1, None), served(ids(&envelopes(1, 0..3)), false));
}

#[test]
fn a_card_is_taken_from_its_owner_alone_and_the_newest_is_handed_out() {
    let mut house = House::new(1, Settings::default());
    assert_eq!(house.register(2, card(1, 9)), refused(Refusal::Invalid));
    let mut forged = card(1, 9);
    forged.signature = card(2, 9).signature;
    assert_eq!(house.register(1, forged), refused(Refusal::Invalid));
    assert_eq!(house.card(1), Some(card(1, 1)));
    assert_eq!(house.card(2), None);
    let renewed = answered(DirectAnswer::Registered { for_ms: KEEP_MS });
    assert_eq!(house.register(1, card(1, 5)), renewed);
    assert_eq!(house.register(1, card(1, 4)), renewed);
    assert_eq!(house.card(1), Some(card(1, 5)));
}

#[test]
fn recipients_over_the_quota_are_refused_and_those_registered_may_renew() {
    let mut house = House::new(2, Settings { recipients: 2, ..Settings::default() });
    assert_eq!(house.register(3, card(3, 1)), refused(Refusal::Full));
    assert_eq!(house.register(2, card(2, 1)), answered(DirectAnswer::Registered { for_ms: KEEP_MS }));
}

#[test]
fn one_neighbourhood_cannot_close_the_mailbox_to_others_and_counts_only_those_that_are_registered() {
    let mut house = House::new(2, Settings { neighbourhood_recipients: 2, ..Settings::default() });
    let away = Depositor(2);
    let taken = |outputs: Vec<Output>| outputs.contains(&answered(DirectAnswer::Registered { for_ms: KEEP_MS })[0]);
    assert_eq!(house.register(3, card(3, 1)), refused(Refusal::Full));
    assert!(taken(house.register_from(away, 3, card(3, 1))));
    // Whoever is registered may renew, also where it has moved to.
    assert!(taken(house.register(1, card(1, 2))) && taken(house.register(3, card(3, 2))));
    assert!(taken(house.register_from(away, 1, card(1, 3))));
    assert_eq!(house.register_from(away, 4, card(4, 1)), refused(Refusal::Full));
    // Where it has left, there is room again; also after a restart.
    house.keeper = house.store.open(house.now, Settings { neighbourhood_recipients: 2, ..Settings::default() });
    house.outputs();
    assert_eq!(house.register_from(away, 4, card(4, 1)), refused(Refusal::Full));
    assert!(taken(house.register(4, card(4, 1))));
    assert_eq!(house.register(5, card(5, 1)), refused(Refusal::Full));
    house.pass(KEEP_MS);
    assert!(taken(house.register(5, card(5, 1))));
}

#[test]
fn nothing_is_answered_before_it_is_durable_and_a_letter_under_way_is_not_served() {
    let mut house = House::new(1, Settings::default());
    let letters = envelopes(1, 0..2);
    let deposit = |token| Input::Deposit { token, depositor: HOME, envelopes: letters.clone() };
    assert_eq!(house.tell(deposit(7)), []);
    // What is there already waits as well.
    assert_eq!(house.tell(deposit(8)), []);
    assert_eq!(house.tell(Input::Collect { token: 7, asker: author(1), after: None }), served(Vec::new(), false));
    let answers = house.persist();
    let deposited = |token| Output::Answer { token, answer: DirectAnswer::Deposited(2) };
    assert_eq!(answers, [deposited(7), deposited(8)]);
    assert_eq!(house.tell(Input::Discard { token: 7, asker: author(1), ids: ids(&letters) }), []);
    assert_eq!(house.persist(), answered(DirectAnswer::Noted));
}

#[test]
fn when_the_store_fails_all_under_way_is_undone_and_everybody_hears_so() {
    let mut house = House::new(1, Settings::default());
    let (old, new) = (envelopes(1, 0..2), envelopes(1, 2..4));
    house.deposit(HOME, old.clone());
    let before: Vec<StoredLetter> = house.keeper.index.iter().copied().collect();
    house.tell(Input::Deposit { token: 1, depositor: HOME, envelopes: new.clone() });
    house.tell(Input::Discard { token: 2, asker: author(1), ids: ids(&[old, new].concat()) });
    house.tell(Input::Register { token: 3, asker: author(1), from: HOME, card: card(1, 9) });
    house.tell(Input::Register { token: 4, asker: author(2), from: HOME, card: card(2, 9) });
    house.store.fail();
    let unavailable = |token| Output::Answer { token, answer: DirectAnswer::Unavailable };
    assert_eq!(house.tell(Input::PersistFailed), [1, 2, 3, 4].map(unavailable));
    assert!(house.keeper.index.iter().eq(&before));
    assert_eq!((house.card(1), house.card(2)), (Some(card(1, 1)), None));
    assert_eq!(house.keeper.load().committing_bytes, 0);
}

#[test]
fn a_letter_deposited_again_is_kept_already_and_costs_nothing() {
    let mut house = House::new(1, Settings { recipient_letters: 3, ..Settings::default() });
    for _ in 0..3 {
        assert_eq!(house.deposit(HOME, envelopes(1, 0..3)), deposited(3));
    }
    assert_eq!(house.keeper.load().letters, 3);
}

#[test]
fn the_first_letter_that_is_not_taken_ends_the_deposit() {
    let mut house = House::new(2, Settings { recipient_letters: 2, ..Settings::default() });
    let mixed = [envelopes(1, 0..2), envelopes(2, 2..3), envelopes(3, 3..4), envelopes(2, 4..5)].concat();
    assert_eq!(house.deposit(HOME, mixed.clone()), deposited(3));
    assert_eq!(house.deposit(HOME, mixed[3..].to_vec()), refused(Refusal::NotWanted));
    assert_eq!(house.deposit(HOME, mixed[4..].to_vec()), deposited(1));
    assert_eq!(house.deposit(HOME, envelopes(2, 9..10)), refused(Refusal::Full));
}

#[test]
fn every_quota_holds_and_frees_what_is_discarded() {
    let one = u64::from(house_bytes());
    let unlimited = Settings::default();
    let quotas = [
        Settings { recipient_letters: 4, ..unlimited },
        Settings { recipient_bytes: 5 * one - 1, ..unlimited },
        Settings { depositor_letters: 4, ..unlimited },
        Settings { depositor_bytes: 5 * one - 1, ..unlimited },
        Settings { letters: 4, ..unlimited },
        Settings { bytes: 5 * one - 1, ..unlimited },
    ];
    for (case, settings) in quotas.into_iter().enumerate() {
        let mut house = House::new(2, settings);
        assert_eq!(house.deposit(HOME, envelopes(1, 0..9)), deposited(4), "{settings:?}");
        assert_eq!(house.deposit(HOME, envelopes(1, 9..10)), refused(Refusal::Full), "{settings:?}");
        let full = refused(Refusal::Full);
        let other_recipient = house.deposit(HOME, envelopes(2, 20..21));
        assert_eq!(other_recipient != full, case < 2, "{settings:?}");
        let other_depositor = house.deposit(Depositor(2), envelopes(1, 30..31));
        assert_eq!(other_depositor != full, (2..4).contains(&case), "{settings:?}");
        house.discard(1, ids(&envelopes(1, 0..2)));
        assert_eq!(house.deposit(HOME, envelopes(1, 40..41)), deposited(1), "{settings:?}");
    }
}

/// Bytes of one of the envelopes above.
fn house_bytes() -> u32 {
    let mut house = House::new(1, Settings::default());
    house.deposit(HOME, envelopes(1, 0..1));
    house.keeper.index.oldest().unwrap().bytes
}

#[test]
fn nobody_reads_or_discards_the_letters_of_another() {
    let mut house = House::new(2, Settings::default());
    let (mine, theirs) = (envelopes(1, 0..2), envelopes(2, 2..4));
    house.deposit(HOME, [mine.clone(), theirs.clone()].concat());
    assert_eq!(house.discard(2, ids(&mine)), answered(DirectAnswer::Noted));
    assert_eq!(house.collect(1, None), served(ids(&mine), false));
    // Another's letter is not there, as far as the asker can tell.
    assert_eq!(house.collect(2, Some(mine[1].id())), served(ids(&theirs), false));
}

#[test]
fn ten_thousand_letters_drain_in_forty_pages_at_once() {
    let mut house = House::new(1, Settings::default());
    let all = envelopes(1, 0..10_000);
    for batch in all.chunks(MAX_BATCH_LETTERS) {
        assert_eq!(house.deposit(HOME, batch.to_vec()), deposited(batch.len() as u32));
    }
    let (mut came, mut pages) = (Vec::new(), 0);
    loop {
        let Some(Output::Serve { ids, more, .. }) = house.collect(1, came.last().copied()).pop() else { panic!() };
        pages += 1;
        came.extend_from_slice(&ids);
        assert_eq!(house.discard(1, ids), answered(DirectAnswer::Noted));
        if !more {
            break;
        }
    }
    assert_eq!((pages, came), (40, ids(&all)));
    assert_eq!(house.keeper.load(), Load { recipients: 1, ..Load::default() });
    house.store.assert_holds(&house.keeper);
}

#[test]
fn a_page_keeps_to_the_bytes_of_a_batch() {
    let mut house = House::new(1, Settings::default());
    let large: Vec<Envelope> = (0..40).map(|n| envelope(author(1), n, 32 * 1024)).collect();
    for batch in large.chunks(20) {
        house.deposit(HOME, batch.to_vec());
    }
    let fit = MAX_BATCH_BYTES / (33 * 1024);
    assert_eq!(house.collect(1, None), served(ids(&large[..fit]), true));
    assert_eq!(house.collect(1, Some(large[fit - 1].id())), served(ids(&large[fit..]), false));
    assert_eq!(house.collect(1, Some(EnvelopeId([0; 32]))), served(ids(&large[..fit]), true));
}

#[test]
fn what_is_larger_than_any_may_be_is_refused_whole() {
    let mut house = House::new(1, Settings::default());
    assert_eq!(house.deposit(HOME, Vec::new()), refused(Refusal::Invalid));
    assert_eq!(house.deposit(HOME, envelopes(1, 0..MAX_BATCH_LETTERS as u64 + 1)), refused(Refusal::Invalid));
    assert_eq!(house.deposit(HOME, vec![envelope(author(1), 0, 40_000)]), refused(Refusal::Invalid));
    let many = (0..30).map(|n| envelope(author(1), n, 32 * 1024)).collect();
    assert_eq!(house.deposit(HOME, many), refused(Refusal::Invalid));
    assert_eq!(house.discard(1, vec![EnvelopeId([0; 32]); MAX_DISCARDED + 1]), refused(Refusal::Invalid));
    assert_eq!(house.keeper.counters(), Counters { invalid: 5, ..Counters::default() });
}

#[test]
fn letters_expire_and_registrations_lapse_unless_they_are_renewed() {
    let mut house = House::new(2, Settings::default());
    house.pass(3 * DAY_MS);
    house.deposit(HOME, [envelopes(1, 0..1), envelopes(2, 1..2)].concat());
    house.register(2, card(2, 1));
    assert_eq!(house.pass(KEEP_MS - 3 * DAY_MS), [Output::StopProviding(author(1))]);
    assert_eq!((house.card(1), house.card(2)), (None, Some(card(2, 1))));
    assert_eq!(house.deposit(HOME, envelopes(1, 5..6)), refused(Refusal::NotWanted));
    // What came in time may still be collected.
    assert_eq!(house.collect(1, None), served(ids(&envelopes(1, 0..1)), false));
    house.pass(3 * DAY_MS - 1);
    assert_eq!(house.keeper.load().letters, 2);
    assert_eq!(house.pass(1), [Output::StopProviding(author(2))]);
    assert_eq!(house.keeper.load(), Load::default());
    assert_eq!(house.keeper.poll_timeout(), None);
    house.store.assert_holds(&house.keeper);
}

#[test]
fn a_wall_clock_set_years_ahead_drops_nothing_whether_running_or_restarted() {
    let mut house = House::new(1, Settings::default());
    house.deposit(HOME, envelopes(1, 0..9));
    house.now.wall_ms += 1_000 * DAY_MS;
    assert_eq!(house.pass(DAY_MS), []);
    house.keeper = house.store.open(house.now, Settings::default());
    assert_eq!(house.pass(DAY_MS), [Output::Provide(author(1))]);
    assert_eq!(house.collect(1, None), served(ids(&envelopes(1, 0..9)), false));
    house.pass(KEEP_MS);
    assert_eq!(house.keeper.load(), Load::default());
}

#[test]
fn a_store_that_fails_is_asked_again_after_a_while_to_drop_what_has_expired() {
    let mut house = House::new(1, Settings::default());
    house.deposit(HOME, envelopes(1, 0..1));
    house.skip(KEEP_MS);
    house.keeper.handle_timeout(house.now);
    assert_eq!((house.outputs(), house.keeper.load().letters), (Vec::new(), 0));
    house.store.fail();
    house.tell(Input::PersistFailed);
    assert_eq!(house.keeper.load().letters, 1);
    assert_eq!(house.keeper.poll_timeout(), Some(house.now.after(RETRY_MS)));
    house.keeper.handle_timeout(house.now);
    assert_eq!(house.keeper.load().letters, 1);
    assert_eq!(house.pass(RETRY_MS), [Output::StopProviding(author(1))]);
    assert_eq!(house.keeper.load(), Load::default());
}

#[test]
fn whoever_asks_too_often_is_put_off_and_nobody_else_is() {
    let mut house = House::new(2, Settings::default());
    let unavailable = answered(DirectAnswer::Unavailable);
    let put_off = |outputs: Vec<Output>| outputs == unavailable;
    assert!((0..ASKER_QUESTIONS.burst * 2).any(|_| put_off(house.collect(1, None))));
    assert!(put_off(house.discard(1, Vec::new())) && put_off(house.register(1, card(1, 1))));
    assert!(!put_off(house.collect(2, None)));
    assert!((0..DEPOSITOR_QUESTIONS.burst * 2).any(|_| put_off(house.deposit(HOME, envelopes(1, 0..1)))));
    assert!(!put_off(house.deposit(Depositor(2), envelopes(1, 0..1))));
    house.pass(1_000);
    assert!(!put_off(house.collect(1, None)) && !put_off(house.deposit(HOME, envelopes(1, 0..1))));
}

#[test]
fn while_the_disk_is_behind_nothing_more_is_taken_in_and_letters_are_served_still() {
    let mut house = House::new(1, Settings::default());
    house.deposit(HOME, envelopes(1, 0..1));
    let batch = |n: u64| (0..20).map(|k| envelope(author(1), n * 100 + k, 32 * 1024)).collect::<Vec<_>>();
    let deposit = |n| Input::Deposit { token: 7, depositor: HOME, envelopes: batch(n) };
    let taken = (1..100).take_while(|n| house.tell(deposit(*n)).is_empty()).count() as u64;
    let load = house.keeper.load();
    assert!((MAX_COMMITTING_BYTES..MAX_COMMITTING_BYTES + MAX_BATCH_BYTES as u64).contains(&load.committing_bytes));
    let unavailable = answered(DirectAnswer::Unavailable);
    assert_eq!(house.tell(Input::Discard { token: 7, asker: author(1), ids: Vec::new() }), unavailable);
    assert_eq!(house.tell(Input::Register { token: 7, asker: author(1), from: HOME, card: card(1, 2) }), unavailable);
    assert_eq!(house.collect(1, None)[..1], served(ids(&envelopes(1, 0..1)), false));
    assert_eq!(house.deposit(HOME, batch(taken + 1)), deposited(20));
}

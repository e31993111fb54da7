//! What a signature over the last event of a run vouches for.

use proptest::prelude::*;
use proto::{
    event::{InvalidRun, MAX_BODY_BYTES, MAX_HEADER_BYTES, MAX_RUN_BYTES, MAX_RUN_EVENTS, Run, SignedEvent},
    hlc::Timestamp,
    ids::{ChannelId, EventId, LogId},
    log::message::{MAX_RESPONSE_BYTES, MAX_RUNS_BYTES, SyncResponse},
    signature::Ed25519,
    wire,
};

use crate::{hostile::chain, sim::signer};

const START_MS: u64 = 1_800_000_000_000;

/// Events of which only those at `signed` keep their signatures.
fn partly_signed(count: usize, signed: &[usize]) -> Vec<SignedEvent> {
    let mut events = chain(1, 7, START_MS, count, 9);
    for (index, event) in events.iter_mut().enumerate() {
        if !signed.contains(&index) {
            event.signature = None;
        }
    }
    events
}

/// One change to a run; `None` when it would change nothing.
fn mutate(run: &Run, how: u8, at: usize, bit: u8) -> Option<Run> {
    let mut other = run.clone();
    let index = at % run.entries.len();
    let flip = 1u8 << (bit % 8);
    match how % 12 {
        0 => other.channel = ChannelId([bit; 32]),
        1 => other.author = signer(2).author(),
        2 => other.log = LogId(other.log.0 ^ 1 << (bit % 64)),
        3 => other.first_seq = other.first_seq.checked_add(1 + u64::from(bit))?,
        4 => other.prev.0[at % 32] ^= flip,
        5 => other.entries[index].hlc = Timestamp(other.entries[index].hlc.0 ^ 1 << (bit % 64)),
        6 => other.entries[index].body.kind ^= 1 << (bit % 32),
        7 => *other.entries[index].body.bytes.get_mut(bit as usize % 10)? ^= flip,
        8 => other.entries[index].body.bytes.push(bit),
        9 => drop(other.entries.remove(index)),
        10 => other.entries.insert(index, run.entries[index].clone()),
        _ => {
            let mut bytes = run.signature.to_bytes();
            bytes[at % 64] ^= flip;
            other.signature = proto::signature::Signature::from_bytes(bytes);
        }
    }
    (other != *run).then_some(other)
}

proptest! {
    #[test]
    fn a_run_gives_back_the_very_events_it_was_made_of(count in 1usize..40, skip in 0usize..40) {
        let events = partly_signed(count, &[count - 1]);
        let part = &events[skip.min(count - 1)..];
        prop_assert_eq!(Run::from_events(part).unwrap().verify(&Ed25519).unwrap(), part);
    }

    #[test]
    fn a_run_that_was_changed_anywhere_is_refused(count in 1usize..12, skip in 0usize..3, how: u8, at: usize, bit: u8) {
        let events = chain(1, 7, START_MS, count + skip, 9);
        let run = Run::from_events(&events[skip..]).unwrap();
        if let Some(other) = mutate(&run, how, at, bit) {
            prop_assert!(other.verify(&Ed25519).is_err());
        }
    }

    #[test]
    fn a_run_ends_only_where_a_signature_is(count in 2usize..20, signed in prop::collection::vec(0usize..20, 0..6)) {
        let events = partly_signed(count, &signed);
        for to in 1..=count {
            for from in 0..to {
                let run = Run::from_events(&events[from..to]);
                prop_assert_eq!(run.is_some(), signed.contains(&(to - 1)));
                if let Some(run) = run {
                    prop_assert_eq!(run.last_seq(), to as u64);
                    prop_assert!(run.verify(&Ed25519).is_ok());
                }
            }
        }
    }
}

#[test]
fn a_run_with_a_hole_or_too_many_events_cannot_be_made() {
    let events = chain(1, 7, START_MS, MAX_RUN_EVENTS + 1, 9);
    assert!(Run::from_events(&[]).is_none());
    assert!(Run::from_events(&[events[0].clone(), events[2].clone()]).is_none());
    assert!(Run::from_events(&events).is_none());
    assert!(Run::from_events(&events[1..]).is_some());
}

#[test]
fn each_rule_of_a_log_has_its_refusal() {
    let events = chain(1, 7, START_MS, 3, 9);
    let run = Run::from_events(&events).unwrap();
    let refusal = |change: &dyn Fn(&mut Run)| {
        let mut other = run.clone();
        change(&mut other);
        other.verify(&Ed25519).unwrap_err()
    };
    assert_eq!(refusal(&|run| run.entries.clear()), InvalidRun::Length(0));
    assert_eq!(refusal(&|run| run.entries = vec![run.entries[0].clone(); 501]), InvalidRun::Length(501));
    assert_eq!(refusal(&|run| run.first_seq = 0), InvalidRun::Seq);
    assert_eq!(refusal(&|run| run.first_seq = u64::MAX - 2), InvalidRun::Seq);
    assert_eq!(refusal(&|run| run.first_seq = 2), InvalidRun::Prev);
    assert_eq!(refusal(&|run| run.prev = EventId([1; 32])), InvalidRun::Prev);
    assert_eq!(refusal(&|run| run.entries[1].hlc = run.entries[0].hlc), InvalidRun::Time);
    let large = MAX_BODY_BYTES + 1;
    assert_eq!(refusal(&|run| run.entries[1].body.bytes = vec![0; large]), InvalidRun::EventTooLarge(large));
    assert_eq!(refusal(&|run| run.entries[1].body.kind = 8), InvalidRun::Signature);
}

#[test]
fn every_run_that_is_taken_can_be_passed_on_in_one_answer() {
    let events = |count: usize, bytes: usize| {
        let signer = signer(1);
        let mut events: Vec<SignedEvent> = Vec::new();
        for (index, mut next) in chain(1, 7, START_MS, count, 9).into_iter().enumerate() {
            next.event.prev = events.last().map_or(EventId::NONE, |event| event.id);
            next.event.body.bytes = vec![index as u8; bytes];
            events.push(SignedEvent::create(&signer, next.event));
        }
        events
    };
    let (most, bytes) = (MAX_RUN_BYTES / (MAX_BODY_BYTES + MAX_HEADER_BYTES), MAX_BODY_BYTES);
    let fits = events(most, bytes);
    let run = Run::from_events(&fits).unwrap();
    assert!(run.clone().verify(&Ed25519).is_ok());
    assert!(wire::encode(&run).len() <= MAX_RUNS_BYTES);
    assert!(wire::encode(&SyncResponse::Runs(vec![run.clone()])).len() <= MAX_RESPONSE_BYTES);
    let too_large = events(most + 1, bytes);
    assert!(Run::from_events(&too_large).is_none());
    let mut forged = run;
    forged.entries = too_large
        .iter()
        .map(|event| proto::event::Entry { hlc: event.event.hlc, body: event.event.body.clone() })
        .collect();
    forged.signature = too_large.last().unwrap().signature.unwrap();
    assert!(matches!(forged.verify(&Ed25519), Err(InvalidRun::TooLarge(_))));
}

//! Peers that lie: they must not make a replica grow, spin, panic, or miss what honest peers hold.

use proptest::prelude::*;
use proto::{
    event::{Body, Entry, Event, Run, SignedEvent},
    hlc::Timestamp,
    ids::{Author, EventId, LogId, LogKey},
    log::{
        MAX_PENDING_LIVE_BYTES,
        message::{MAX_VECTOR_ENTRIES, MAX_WANTS, Refusal, SyncRequest, SyncResponse, VectorEntry, VectorHash, Want},
    },
    offence::Offence,
    signature::Signature,
};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::sim::{Hostile, Sim, channel, signer};

/// Requests that a replica may make of a lying peer in a minute, comparisons included.
const REQUESTS_PER_MINUTE: u64 = 60;

fn lie(number: u64, seq: u64, frozen: bool) -> VectorEntry {
    let mut author = [0; 32];
    author[..8].copy_from_slice(&number.to_be_bytes());
    VectorEntry { author: Author(author), log: LogId(number), seq, head: EventId([7; 32]), frozen }
}

fn lies(count: u64, seq: u64, frozen: bool) -> Vec<VectorEntry> {
    (0..count).map(|number| lie(number, seq, frozen)).collect()
}

/// Pages of a vector that claims everything, and then `range` for what is asked for.
fn claims_all(frozen: bool, mut range: impl FnMut(&[Want]) -> Option<SyncResponse> + 'static) -> Hostile {
    let page = MAX_VECTOR_ENTRIES as u64;
    Box::new(move |_, request| match request {
        SyncRequest::Compare(_) => Some(SyncResponse::Vector { entries: lies(page, u64::MAX, frozen), more: true }),
        SyncRequest::Vector { after } => {
            let start = after.map_or(0, |after| after.log.0 + 1);
            let entries = (start..start + page).map(|number| lie(number, u64::MAX, frozen)).collect();
            Some(SyncResponse::Vector { entries, more: start < 3 * page })
        }
        SyncRequest::Range(wants) => range(wants),
        SyncRequest::Evidence(_) => Some(SyncResponse::Evidence(Vec::new())),
        SyncRequest::Have(_) | SyncRequest::Refused(_) => Some(SyncResponse::Noted),
    })
}

/// Three honest members, of which two can repair only from the third, and a hostile one linked to all.
fn besieged(seed: u64, hostile: Hostile) -> (Sim, usize) {
    let mut sim = Sim::new(seed, 3);
    let enemy = sim.add_hostile(hostile);
    sim.say_many(0, 600);
    sim.run_for(3_000);
    sim.link_all();
    (sim, enemy)
}

fn assert_unimpressed(mut sim: Sim, enemy: usize, within_ms: u64) -> Sim {
    assert!(sim.run_until(within_ms, Sim::converged), "honest members still converge");
    sim.run_for(60_000);
    sim.sent.clear();
    for minute in 0..5 {
        for page in 0..3 {
            let entries = (0..700).map(|number| lie(page * 700 + number, u64::MAX, false)).collect();
            sim.ask(enemy, 0, SyncRequest::Have(entries));
        }
        sim.say(1, &format!("minute {minute}"));
        sim.run_for(60_000);
    }
    let most = 3 * 5 * REQUESTS_PER_MINUTE;
    assert!(sim.requests() < most, "{:?} in 5 minutes", sim.sent);
    sim.assert_converged();
    sim
}

#[test]
fn a_peer_that_claims_everything_and_delivers_nothing_is_soon_not_asked() {
    let (sim, enemy) = besieged(60, claims_all(false, |_| Some(SyncResponse::Runs(Vec::new()))));
    assert_unimpressed(sim, enemy, 2_000);
}

#[test]
fn a_peer_that_claims_everything_and_never_answers_only_delays() {
    let (sim, enemy) = besieged(61, claims_all(false, |_| None));
    assert_unimpressed(sim, enemy, 30_000);
}

#[test]
fn a_peer_that_shows_every_log_as_forked_is_soon_not_asked() {
    let (sim, enemy) = besieged(62, claims_all(true, |_| None));
    assert_unimpressed(sim, enemy, 2_000);
}

#[test]
fn runs_with_bad_signatures_are_not_asked_for_again_at_once() {
    let forge = |wants: &[Want]| {
        let run = |want: &Want| Run {
            channel: channel(),
            author: want.author,
            log: want.log,
            first_seq: want.from,
            prev: if want.from == 1 { EventId::NONE } else { EventId([1; 32]) },
            entries: vec![Entry { hlc: Timestamp(5), body: Body { kind: 1, bytes: vec![] } }],
            signature: Signature::from_bytes([3; 64]),
        };
        Some(SyncResponse::Runs(wants.iter().map(run).collect()))
    };
    let (sim, enemy) = besieged(63, claims_all(false, forge));
    let sim = assert_unimpressed(sim, enemy, 2_000);
    let peer = sim.nodes[enemy].peer;
    assert!(sim.nodes[0].offences.contains(&(peer, Offence::BadSignature)));
}

#[test]
fn a_vector_without_end_is_given_up() {
    let endless: Hostile = Box::new(|_, request| match request {
        SyncRequest::Compare(_) => Some(SyncResponse::Vector { entries: vec![lie(0, 9, false)], more: true }),
        SyncRequest::Vector { after } => {
            let next = after.map_or(0, |after| after.log.0 + 1);
            Some(SyncResponse::Vector { entries: vec![lie(next, 9, false)], more: true })
        }
        SyncRequest::Range(_) => Some(SyncResponse::Runs(Vec::new())),
        _ => Some(SyncResponse::Noted),
    });
    let (mut sim, enemy) = besieged(64, endless);
    assert!(sim.run_until(2_000, Sim::converged));
    sim.run_for(600_000);
    let pages = sim.sent("vector");
    assert!(pages < 3 * 94 * 50, "{pages} pages in 10 minutes");
    let peer = sim.nodes[enemy].peer;
    assert!(sim.nodes[0].offences.contains(&(peer, Offence::WrongAnswer)));
}

/// A chain by one author, each event signed.
pub fn chain(author: u64, log: u64, from_ms: u64, count: usize, salt: u8) -> Vec<SignedEvent> {
    let signer = signer(author);
    let mut events: Vec<SignedEvent> = Vec::new();
    for number in 0..count as u64 {
        let prev = events.last().map_or(EventId::NONE, |event| event.id);
        let hlc = Timestamp::from_ms(from_ms + number);
        let body = Body { kind: 1, bytes: vec![salt; 10] };
        let event =
            Event { channel: channel(), author: signer.author(), log: LogId(log), seq: number + 1, prev, hlc, body };
        events.push(SignedEvent::create(&signer, event));
    }
    events
}

#[test]
fn live_events_that_never_link_are_bounded_and_forgotten() {
    let mut sim = Sim::new(65, 2);
    let enemy = sim.add_hostile(Box::new(|_, _| None));
    sim.link_all();
    sim.run_for(1_000);
    let now_ms = sim.now(0).wall_ms;
    for log in 0..300u64 {
        let signer = signer(900);
        let body = Body { kind: 1, bytes: vec![0; 40_000] };
        let event = Event {
            channel: channel(),
            author: signer.author(),
            log: LogId(log),
            seq: u64::MAX - 1,
            prev: EventId([9; 32]),
            hlc: Timestamp::from_ms(now_ms),
            body,
        };
        let run = Run::from_events(&[SignedEvent::create(&signer, event)]).unwrap();
        sim.gossip(enemy, 0, run);
    }
    sim.run_for(1_000);
    let pending = sim.replica(0).load().pending_bytes;
    assert!(pending > MAX_PENDING_LIVE_BYTES / 2 && pending <= MAX_PENDING_LIVE_BYTES);
    sim.run_for(180_000);
    assert_eq!(sim.replica(0).load().pending_bytes, 0);
}

fn any_entry() -> impl Strategy<Value = VectorEntry> {
    let author = prop_oneof![(0u64..4).prop_map(|n| signer(n).author()), any::<[u8; 32]>().prop_map(Author)];
    let log = prop_oneof![(0u64..4).prop_map(|n| 100 * n + 7), any::<u64>()];
    (author, log, any_seq(), any::<[u8; 32]>(), any::<bool>()).prop_map(|(author, log, seq, head, frozen)| {
        VectorEntry { author, log: LogId(log), seq, head: EventId(head), frozen }
    })
}

fn any_seq() -> impl Strategy<Value = u64> + Clone {
    prop_oneof![0u64..20, Just(u64::MAX), Just(u64::MAX - 1), any::<u64>()]
}

fn any_want() -> impl Strategy<Value = Want> {
    (any_entry(), any_seq(), any_seq()).prop_map(|(e, from, to)| Want { author: e.author, log: e.log, from, to })
}

/// Runs: by a hostile author with good signatures in every place, and damaged ones in anybody's name.
fn any_run() -> impl Strategy<Value = Run> {
    let good = (0u64..5, any_seq(), 1usize..6, any::<u8>()).prop_map(|(log, first, count, salt)| {
        let signer = signer(901);
        let mut events: Vec<SignedEvent> = Vec::new();
        for number in 0..count as u64 {
            let seq = first.clamp(1, u64::MAX - 10) + number;
            let first_prev = if seq == 1 { EventId::NONE } else { EventId([salt; 32]) };
            let prev = events.last().map_or(first_prev, |event| event.id);
            let hlc = Timestamp::from_ms(1_800_000_000_000 + number * u64::from(salt));
            let body = Body { kind: 1, bytes: vec![salt; 20] };
            let event = Event { channel: channel(), author: signer.author(), log: LogId(log), seq, prev, hlc, body };
            events.push(SignedEvent::create(&signer, event));
        }
        Run::from_events(&events).unwrap()
    });
    let bad = (any_entry(), 0usize..4).prop_map(|(entry, count)| Run {
        channel: channel(),
        author: entry.author,
        log: entry.log,
        first_seq: entry.seq,
        prev: if entry.seq == 1 { EventId::NONE } else { entry.head },
        entries: (0..count as u64)
            .map(|n| Entry { hlc: Timestamp(n), body: Body { kind: 0, bytes: vec![] } })
            .collect(),
        signature: Signature::from_bytes([5; 64]),
    });
    prop_oneof![good, bad]
}

fn any_entries() -> impl Strategy<Value = Vec<VectorEntry>> {
    (prop::collection::vec(any_entry(), 0..8), any::<bool>()).prop_map(|(mut entries, sort)| {
        if sort {
            entries.sort_by_key(VectorEntry::key);
            entries.dedup_by_key(|entry| entry.key());
        }
        entries
    })
}

fn any_response() -> impl Strategy<Value = SyncResponse> {
    prop_oneof![
        Just(SyncResponse::Same),
        Just(SyncResponse::Noted),
        Just(SyncResponse::Unavailable),
        (any_entries(), any::<bool>()).prop_map(|(entries, more)| SyncResponse::Vector { entries, more }),
        prop::collection::vec(any_run(), 0..5).prop_map(SyncResponse::Runs),
        prop::collection::vec(any_run(), 0..4).prop_map(SyncResponse::Evidence),
    ]
}

fn any_request() -> impl Strategy<Value = SyncRequest> {
    let key = || any_entry().prop_map(|entry| entry.key());
    prop_oneof![
        any::<[u8; 32]>().prop_map(|hash| SyncRequest::Compare(VectorHash(hash))),
        prop::option::of(key()).prop_map(|after| SyncRequest::Vector { after }),
        any_entries().prop_map(SyncRequest::Have),
        prop::collection::vec(any_want(), 0..MAX_WANTS + 2).prop_map(SyncRequest::Range),
        key().prop_map(SyncRequest::Evidence),
        any::<u64>().prop_map(|ahead_ms| SyncRequest::Refused(Refusal::TooFarAhead { ahead_ms })),
    ]
}

/// Answers wants with runs that start where they should, be they good or not; sometimes as something else entirely.
fn plausible(responses: Vec<SyncResponse>) -> Hostile {
    Box::new(move |rng: &mut ChaCha8Rng, request| {
        let mut response = responses[rng.random_range(0..responses.len())].clone();
        if let (SyncRequest::Range(wants), SyncResponse::Runs(runs)) = (request, &mut response) {
            for (run, want) in runs.iter_mut().zip(wants) {
                if run.author == signer(901).author() && rng.random_range(0..2) == 0 {
                    (run.author, run.log, run.first_seq) = (want.author, want.log, want.from);
                }
            }
        }
        (rng.random_range(0..10) > 0).then_some(response)
    })
}

/// Answers to whatever is asked with the kind of answer that fits.
fn fitting(responses: Vec<SyncResponse>) -> Hostile {
    let mut any = plausible(responses);
    Box::new(move |rng, request| {
        for _ in 0..20 {
            let response = any(rng, request)?;
            let fits = matches!(
                (request, &response),
                (SyncRequest::Compare(_) | SyncRequest::Vector { .. }, SyncResponse::Vector { .. })
                    | (SyncRequest::Range(_), SyncResponse::Runs(_))
                    | (SyncRequest::Evidence(_), SyncResponse::Evidence(_))
                    | (SyncRequest::Have(_) | SyncRequest::Refused(_), SyncResponse::Noted)
            );
            if fits {
                return Some(response);
            }
        }
        None
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn nothing_a_peer_says_stops_the_others(
        seed in any::<u64>(),
        responses in prop::collection::vec(any_response(), 1..30),
        requests in prop::collection::vec((0usize..3, any_request()), 0..60),
        gossip in prop::collection::vec((0usize..3, any_run()), 0..60),
        fit in any::<bool>(),
    ) {
        let mut sim = Sim::new(seed, 3);
        let enemy = sim.add_hostile(if fit { fitting(responses) } else { plausible(responses) });
        sim.link_all();
        sim.run_for(500);
        let mut gossip = gossip.into_iter();
        for (index, (to, request)) in requests.into_iter().enumerate() {
            sim.ask(enemy, to, request);
            if let Some((to, run)) = gossip.next() {
                sim.gossip(enemy, to, run);
            }
            sim.say(index % 3, "honest");
            sim.run_for(100);
        }
        // The hostile author may have forked its own logs in ways not all have heard of when it falls silent.
        sim.run_for(60_000);
        sim.nodes[enemy].hostile = Some(Box::new(|_, _| Some(SyncResponse::Unavailable)));
        prop_assert!(sim.run_until(300_000, Sim::converged), "honest members converge");
        for node in 0..3 {
            let key = sim.own_key(node);
            for other in 0..3 {
                prop_assert_eq!(sim.nodes[other].store.seq(&key), sim.nodes[node].store.seq(&key));
                prop_assert!(!sim.nodes[other].store.has_evidence(&key), "an honest log cannot be framed");
            }
        }
        sim.run_for(60_000);
        sim.sent.clear();
        sim.run_for(60_000);
        prop_assert!(sim.requests() < 3 * REQUESTS_PER_MINUTE, "{:?}", sim.sent);
    }
}

#[test]
fn evidence_that_proves_nothing_freezes_nothing() {
    let honest = chain(902, 1, 1_800_000_000_000, 4, 1);
    let run = |range: std::ops::Range<usize>| Run::from_events(&honest[range]).unwrap();
    let answers = vec![
        vec![],
        vec![run(0..2)],
        vec![run(0..4), run(0..4)],
        vec![run(0..2), run(2..4)],
        vec![run(0..3), run(1..4)],
        vec![run(0..2), run(0..2), run(0..2)],
    ];
    for runs in answers {
        let key = LogKey { author: signer(902).author(), log: LogId(1) };
        let entry = VectorEntry { author: key.author, log: key.log, seq: 4, head: honest[3].id, frozen: true };
        let mut sim = Sim::new(66, 1);
        sim.add_hostile(Box::new(move |_, request| match request {
            SyncRequest::Compare(_) => Some(SyncResponse::Vector { entries: vec![entry], more: false }),
            SyncRequest::Evidence(_) => Some(SyncResponse::Evidence(runs.clone())),
            _ => None,
        }));
        sim.link_all();
        sim.run_for(1_000);
        assert!(sim.sent("evidence") >= 1 && sim.replica(0).frozen_logs() == 0);
    }
}

#[test]
fn many_who_promise_everything_and_deliver_nothing_do_not_take_the_turn_of_the_one_who_does() {
    for seed in 67..70 {
        let mut sim = Sim::new(seed, 2);
        sim.say_many(0, 5_000);
        sim.run_for(10_000);
        for _ in 0..30 {
            let enemy = sim.add_hostile(claims_all(false, |_| None));
            sim.link(1, enemy);
        }
        sim.run_for(60_000);
        sim.link(0, 1);
        assert!(sim.run_until(20_000, |sim| sim.history(1).len() == 5_000), "seed {seed}: {}", sim.history(1).len());
    }
}

//! One machine by itself; `room` has many of them.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::{
    channel::LOBBY,
    signature::{Ed25519, Signature},
    testing::{EPOCH_MS, at, peer, signer, signer_of},
};

mod room;

fn lobby() -> ChannelId {
    LOBBY.parse::<crate::channel::RoomName>().unwrap().channel()
}

fn profile(name: &str) -> Profile {
    Profile::new(name, "").unwrap()
}

fn announcement(n: u8, sent_ms: u64, kind: Kind) -> SignedAnnouncement {
    let announcement = Announcement {
        channel: lobby(),
        author: signer(n).author(),
        sent_ms: EPOCH_MS + sent_ms,
        interval_ms: MIN_INTERVAL_MS,
        kind,
        profile: profile("somebody"),
    };
    SignedAnnouncement::create(&signer(n), announcement)
}

fn joined(n: u8) -> Presence {
    let mut machine = Presence::new(lobby(), signer(n), Arc::new(Ed25519), [n; 32]);
    machine.handle(at(0), Input::Join(profile("me")));
    machine
}

fn drain(machine: &mut Presence) -> Vec<Output> {
    std::iter::from_fn(|| machine.poll_output()).collect()
}

/// Lets `signed` come by gossip from `from` and returns what is done with it.
fn gossip(machine: &mut Presence, now: Now, from: u8, signed: SignedAnnouncement) -> (Verdict, Vec<Output>) {
    drain(machine);
    machine.handle(now, Input::Announcement { from: peer(from), signed, token: 7 });
    let outputs = drain(machine);
    let verdicts: Vec<_> = outputs
        .iter()
        .filter_map(|output| match output {
            Output::Verdict { token: 7, verdict } => Some(*verdict),
            _ => None,
        })
        .collect();
    assert_eq!(verdicts.len(), 1);
    (verdicts[0], outputs)
}

fn sees(machine: &Presence, now: Now, n: u8) -> bool {
    machine.members(now).iter().any(|member| member.author == signer(n).author())
}

fn page(members: Vec<Heard>, more: bool) -> PresenceResponse {
    PresenceResponse::Members { members, more }
}

fn heard(signed: SignedAnnouncement, age_ms: u64) -> Heard {
    Heard { signed, age_ms }
}

/// The questions among `outputs`: whom, id.
fn questions(outputs: &[Output]) -> Vec<(PeerId, u64)> {
    let asked = |output: &Output| match output {
        Output::Send { to, id, .. } => Some((*to, *id)),
        _ => None,
    };
    outputs.iter().filter_map(asked).collect()
}

/// Takes nobody's signature for good.
#[derive(Debug)]
struct Distrustful;

impl Verifier for Distrustful {
    fn is_good(&self, _: &Author, _: &[u8], _: &Signature) -> bool {
        false
    }
}

#[test]
fn whether_a_signature_is_good_is_what_the_given_verifier_says() {
    let mut machine = Presence::new(lobby(), signer(1), Arc::new(Distrustful), [1; 32]);
    machine.handle(at(0), Input::Join(profile("me")));
    let (verdict, outputs) = gossip(&mut machine, at(1), 3, announcement(2, 1, Kind::Hello));
    assert_eq!(verdict, Verdict::Reject);
    assert!(outputs.contains(&Output::Penalise { peer: peer(3), offence: Offence::BadSignature }));
    assert!(!sees(&machine, at(1), 2));
}

#[test]
fn a_hello_waits_for_somebody_to_hear_it_and_is_repeated_a_second_later() {
    let mut machine = joined(1);
    assert_eq!(drain(&mut machine), []);
    machine.handle(at(5_000), Input::PeerUp(peer(2)));
    let outputs = drain(&mut machine);
    assert!(
        matches!(&outputs[0], Output::Announce(signed) if signed.announcement.kind == Kind::Hello && signed.verify(&Ed25519).is_ok())
    );
    assert!(matches!(outputs[1], Output::Send { to, .. } if to == peer(2)));
    machine.handle_timeout(at(6_100));
    assert!(
        drain(&mut machine)
            .iter()
            .any(|o| matches!(o, Output::Announce(signed) if signed.announcement.kind == Kind::Heartbeat))
    );
}

#[test]
fn a_silent_member_is_gone_within_thirty_seconds_and_a_closed_one_at_once() {
    let mut machine = joined(1);
    assert_eq!(gossip(&mut machine, at(0), 2, announcement(2, 0, Kind::Hello)).0, Verdict::Accept);
    gossip(&mut machine, at(0), 3, announcement(3, 0, Kind::Hello));
    let (verdict, outputs) = gossip(&mut machine, at(10), 3, announcement(3, 1, Kind::Goodbye));
    assert_eq!(verdict, Verdict::Accept);
    assert!(outputs.iter().any(|o| matches!(o, Output::Left(member) if member.author == signer(3).author())));
    let deadline = machine.poll_timeout().unwrap();
    assert!(deadline.0 < 30_000);
    machine.handle_timeout(Now { mono_ms: deadline.0 - 1, ..at(0) });
    assert!(sees(&machine, at(0), 2));
    machine.handle_timeout(at(deadline.0));
    assert!(!sees(&machine, at(deadline.0), 2));
}

#[test]
fn a_replayed_heartbeat_does_not_bring_back_who_said_goodbye() {
    let mut machine = joined(1);
    let (hello, beat) = (announcement(2, 0, Kind::Hello), announcement(2, 1, Kind::Heartbeat));
    gossip(&mut machine, at(0), 2, hello.clone());
    gossip(&mut machine, at(1), 2, announcement(2, 2, Kind::Goodbye));
    for (now, from) in [(2, 3), (2, 2), (MAX_SKEW_MS, 3), (2 * MAX_SKEW_MS, 3), (5 * MAX_SKEW_MS, 3)] {
        for old in [&hello, &beat] {
            assert_eq!(gossip(&mut machine, at(now), from, old.clone()).0, Verdict::Ignore, "at {now} from {from}");
        }
    }
    assert_eq!(
        gossip(&mut machine, at(5 * MAX_SKEW_MS), 3, announcement(2, 5 * MAX_SKEW_MS, Kind::Hello)).0,
        Verdict::Accept
    );
}

#[test]
fn a_replayed_goodbye_does_not_remove_who_came_back() {
    let mut machine = joined(1);
    let goodbye = announcement(2, 1, Kind::Goodbye);
    gossip(&mut machine, at(0), 2, announcement(2, 2, Kind::Hello));
    assert_eq!(gossip(&mut machine, at(0), 2, goodbye).0, Verdict::Ignore);
    assert!(sees(&machine, at(0), 2));
}

#[test]
fn forged_announcements_are_rejected_and_change_nothing() {
    let mut machine = joined(1);
    let genuine = announcement(2, 0, Kind::Hello);
    gossip(&mut machine, at(0), 2, genuine.clone());
    let mut forged = announcement(2, 5, Kind::Goodbye);
    forged.signature = genuine.signature;
    let (verdict, outputs) = gossip(&mut machine, at(1), 3, forged);
    assert_eq!(verdict, Verdict::Reject);
    assert!(outputs.contains(&Output::Penalise { peer: peer(3), offence: Offence::BadSignature }));
    assert!(sees(&machine, at(1), 2));

    let mut elsewhere = genuine.announcement;
    elsewhere.channel = ChannelId([9; 32]);
    let elsewhere = SignedAnnouncement::create(&signer(2), elsewhere);
    let (_, outputs) = gossip(&mut machine, at(1), 3, elsewhere);
    assert!(outputs.contains(&Output::Penalise { peer: peer(3), offence: Offence::NotAllowed }));

    let mut nameless = announcement(4, 0, Kind::Hello).announcement;
    nameless.profile.name = "a\u{7}".into();
    let (verdict, _) = gossip(&mut machine, at(1), 3, SignedAnnouncement::create(&signer(4), nameless));
    assert_eq!(verdict, Verdict::Reject);
    assert!(!sees(&machine, at(1), 4));
}

#[test]
fn a_claimed_interval_of_a_century_keeps_nobody_alive_for_it() {
    let mut machine = joined(1);
    let mut claim = announcement(2, 0, Kind::Hello).announcement;
    claim.interval_ms = u64::MAX;
    gossip(&mut machine, at(0), 2, SignedAnnouncement::create(&signer(2), claim));
    machine.handle_timeout(at(3 * MAX_INTERVAL_MS));
    assert!(!sees(&machine, at(3 * MAX_INTERVAL_MS), 2));
}

/// What number `n` of many says at `sent_ms`, claiming an interval.
fn claim(n: u32, sent_ms: u64, interval_ms: u64) -> SignedAnnouncement {
    let author = numbered(n).author();
    let said = announcement(2, sent_ms, Kind::Heartbeat).announcement;
    SignedAnnouncement::create(&numbered(n), Announcement { author, interval_ms, ..said })
}

#[test]
fn a_crowd_that_speaks_once_and_claims_the_longest_interval_is_gone_as_soon_as_its_size_allows() {
    let mut machine = joined(1);
    for n in 0..99 {
        assert_eq!(gossip(&mut machine, at(0), 2, claim(n, 0, MAX_INTERVAL_MS)).0, Verdict::Accept);
    }
    assert_eq!(machine.count(), 100);
    // Twice what a room of this size calls for is believed, and just under three of those.
    machine.handle_timeout(at(2 * interval_ms(100) * 29 / 10));
    assert_eq!(machine.count(), 1);
}

#[test]
fn members_of_a_large_room_are_believed_the_interval_that_it_calls_for() {
    let mut machine = joined(1);
    (0..300).for_each(|n| _ = gossip(&mut machine, at(0), 2, claim(n, 0, MIN_INTERVAL_MS)));
    gossip(&mut machine, at(0), 2, claim(300, 0, 60_000));
    machine.handle_timeout(at(60_000 * 29 / 10 - 1));
    assert!(machine.members(at(0)).iter().any(|member| member.author == numbered(300).author()));
}

#[test]
fn whoever_stands_first_in_a_long_list_is_believed_to_be_of_a_large_room_too() {
    let mut machine = joined(1);
    machine.handle(at(0), Input::PeerUp(peer(2)));
    let (_, id) = questions(&drain(&mut machine))[0];
    let mut entries: Vec<Heard> = (0..100).map(|n| heard(claim(n, 0, interval_ms(100)), 0)).collect();
    entries.sort_by_key(|heard| heard.signed.announcement.author);
    machine.handle(at(0), Input::Response { from: peer(2), id, response: page(entries, false) });
    machine.handle_timeout(at(2 * interval_ms(100)));
    assert_eq!(machine.count(), 101);
}

#[test]
fn a_newcomer_takes_the_old_entries_of_a_large_room_s_list_though_it_sees_nobody_yet() {
    let mut machine = joined(1);
    machine.handle(at(100_000), Input::PeerUp(peer(2)));
    let (_, id) = questions(&drain(&mut machine))[0];
    let entries = vec![heard(claim(0, 0, 100_000), 100_000)];
    machine.handle(at(100_000), Input::Response { from: peer(2), id, response: page(entries, false) });
    assert_eq!(machine.count(), 2);
    machine.handle_timeout(at(130_000));
    assert_eq!(machine.count(), 1);
}

#[test]
fn a_member_with_a_wrong_clock_is_seen_by_its_neighbours_only() {
    let mut machine = joined(1);
    let (past, future) = (announcement(2, 0, Kind::Hello), announcement(3, 10 * MAX_SKEW_MS, Kind::Hello));
    let now = at(5 * MAX_SKEW_MS);
    for signed in [&past, &future] {
        assert_eq!(gossip(&mut machine, now, 4, signed.clone()).0, Verdict::Ignore);
    }
    assert_eq!(gossip(&mut machine, now, 2, past).0, Verdict::Accept);
    assert_eq!(gossip(&mut machine, now, 3, future).0, Verdict::Accept);
    // Number 3 restarts with its clock mended.
    assert_eq!(gossip(&mut machine, now, 3, announcement(3, now.mono_ms, Kind::Hello)).0, Verdict::Accept);
}

#[test]
fn a_member_that_chatters_is_ignored_but_may_still_leave() {
    let mut machine = joined(1);
    let accepted = (0..100)
        .filter(|n| gossip(&mut machine, at(0), 2, announcement(2, *n, Kind::Heartbeat)).0 == Verdict::Accept)
        .count();
    assert_eq!(accepted, 8);
    assert_eq!(gossip(&mut machine, at(0), 2, announcement(2, 100, Kind::Goodbye)).0, Verdict::Accept);
    assert!(!sees(&machine, at(0), 2));
}

#[test]
fn a_list_does_not_prolong_the_life_of_a_dead_member() {
    let mut machine = joined(1);
    machine.handle(at(60_000), Input::PeerUp(peer(2)));
    let (_, id) = questions(&drain(&mut machine))[0];
    let entries = vec![heard(announcement(3, 31_500, Kind::Heartbeat), 28_500)];
    machine.handle(at(60_000), Input::Response { from: peer(2), id, response: page(entries, false) });
    assert!(sees(&machine, at(60_000), 3));
    machine.handle_timeout(at(60_500));
    assert!(!sees(&machine, at(60_500), 3));
}

#[test]
fn a_lie_about_age_makes_nobody_disappear() {
    let mut machine = joined(1);
    gossip(&mut machine, at(0), 3, announcement(3, 0, Kind::Hello));
    machine.handle(at(10_000), Input::PeerUp(peer(2)));
    let (_, id) = questions(&drain(&mut machine))[0];
    let stolen = announcement(3, 10_000, Kind::Heartbeat);
    let entries = vec![heard(stolen.clone(), 28_999)];
    machine.handle(at(10_000), Input::Response { from: peer(2), id, response: page(entries, false) });
    assert_eq!(gossip(&mut machine, at(10_100), 3, stolen).0, Verdict::Accept);
    machine.handle_timeout(at(30_000));
    assert!(sees(&machine, at(30_000), 3));
}

#[test]
fn when_an_answer_fails_or_does_not_come_another_peer_is_asked() {
    let mut machine = joined(1);
    (2..=5).for_each(|n| machine.handle(at(0), Input::PeerUp(peer(n))));
    let first = questions(&drain(&mut machine));
    assert_eq!(first.len(), 2);
    machine.handle(at(10), Input::RequestFailed { id: first[0].1 });
    let second = questions(&drain(&mut machine));
    assert_eq!(second.len(), 1);
    machine.handle_timeout(at(1_000));
    let third = questions(&drain(&mut machine));
    let asked: BTreeSet<PeerId> = first.iter().chain(&second).chain(&third).map(|(peer, _)| *peer).collect();
    assert_eq!(asked.len(), 4);
}

#[test]
fn wrong_answers_are_penalised() {
    let good = |n| heard(announcement(n, 0, Kind::Hello), 0);
    let mut sorted = [good(3), good(4)];
    sorted.sort_by_key(|heard| heard.signed.announcement.author);
    let mut forged = good(3);
    forged.signed.signature = good(4).signed.signature;
    let cases = [
        (sorted.iter().rev().cloned().collect(), Offence::WrongAnswer),
        (vec![good(3), good(3)], Offence::WrongAnswer),
        (vec![heard(announcement(3, 0, Kind::Goodbye), 0)], Offence::WrongAnswer),
        (vec![forged], Offence::BadSignature),
    ];
    for (members, offence) in cases {
        let mut machine = joined(1);
        machine.handle(at(0), Input::PeerUp(peer(2)));
        let (_, id) = questions(&drain(&mut machine))[0];
        machine.handle(at(0), Input::Response { from: peer(2), id, response: page(members, false) });
        assert!(drain(&mut machine).contains(&Output::Penalise { peer: peer(2), offence }));
        assert_eq!(machine.count(), 1);
    }
}

#[test]
fn an_answer_nobody_asked_for_is_ignored() {
    let mut machine = joined(1);
    machine.handle(at(0), Input::PeerUp(peer(2)));
    let (_, id) = questions(&drain(&mut machine))[0];
    let members = vec![heard(announcement(3, 0, Kind::Hello), 0)];
    machine.handle(at(0), Input::Response { from: peer(4), id, response: page(members.clone(), false) });
    machine.handle(at(0), Input::Response { from: peer(2), id: id + 1, response: page(members, false) });
    assert_eq!(machine.count(), 1);
}

/// Our own entry in the list that `machine` answers with.
fn own_entry(machine: &mut Presence, now: Now, n: u8) -> Heard {
    drain(machine);
    machine.handle(now, Input::Request { from: peer(9), request: PresenceRequest::List { after: None }, token: 0 });
    let answer = |output| match output {
        Output::Respond { response: PresenceResponse::Members { members, .. }, .. } => Some(members),
        _ => None,
    };
    let members = drain(machine).into_iter().find_map(answer).unwrap();
    members.into_iter().find(|heard| heard.signed.announcement.author == signer(n).author()).unwrap()
}

#[test]
fn a_flood_of_questions_does_not_push_our_announcements_ahead_of_our_clock() {
    let mut machine = joined(1);
    machine.handle(at(0), Input::PeerUp(peer(2)));
    machine.handle_timeout(at(2_000));
    for _ in 0..=CLOCK_STEP_MS {
        machine.handle(
            at(3_000),
            Input::Request { from: peer(2), request: PresenceRequest::List { after: None }, token: 0 },
        );
        while machine.poll_output().is_some() {}
    }
    assert_eq!(machine.last_sent_ms, at(2_000).wall_ms);
    let due = at(machine.own.as_ref().unwrap().next_ms.unwrap());
    machine.handle_timeout(due);
    let beats = drain(&mut machine);
    assert!(beats.iter().any(|o| matches!(o, Output::Announce(beat) if beat.announcement.sent_ms == due.wall_ms)));
}

#[test]
fn a_list_has_our_latest_announcement_with_its_age() {
    let mut machine = joined(1);
    let first = own_entry(&mut machine, at(1_000), 1);
    assert_eq!((first.signed.announcement.sent_ms, first.age_ms), (at(1_000).wall_ms, 0));
    let again = own_entry(&mut machine, at(1_500), 1);
    assert_eq!((&again.signed, again.age_ms), (&first.signed, 500));
    machine.handle(at(2_000), Input::PeerUp(peer(2)));
    let hello = own_entry(&mut machine, at(2_100), 1);
    assert_eq!((hello.signed.announcement.kind, hello.age_ms), (Kind::Hello, 100));
    assert_eq!(hello.signed.announcement.sent_ms, at(2_000).wall_ms);
    // What was said before we left is not said again.
    machine.handle(at(2_200), Input::Leave);
    machine.handle(at(2_300), Input::Join(Profile::new("other", "").unwrap()));
    let back = own_entry(&mut machine, at(2_300), 1);
    assert_eq!(back.signed.announcement.profile.name, "other");
    assert!(back.signed.announcement.sent_ms > at(2_200).wall_ms);
}

/// A signer for more members than fit a byte.
fn numbered(n: u32) -> Signer {
    let mut secret = [1; 32];
    secret[..4].copy_from_slice(&n.to_le_bytes());
    signer_of(secret)
}

#[test]
fn a_large_room_is_listed_in_pages_and_its_members_speak_less_often() {
    let mut old = joined(1);
    for n in 0..600 {
        let mut hello = announcement(2, 0, Kind::Hello).announcement;
        hello.author = numbered(n).author();
        let hello = SignedAnnouncement::create(&numbered(n), hello);
        assert_eq!(gossip(&mut old, at(0), 2, hello).0, Verdict::Accept);
    }
    let mut new = joined(2);
    new.handle(at(0), Input::PeerUp(peer(1)));
    let mut pages = 0;
    while let Some(output) = new.poll_output() {
        let Output::Send { id, request, .. } = output else { continue };
        old.handle(at(0), Input::Request { from: peer(2), request, token: id });
        let Some(Output::Respond { token, response }) = drain(&mut old).pop() else { panic!("no answer") };
        assert!(crate::wire::encode(&response).len() <= MAX_RESPONSE_BYTES);
        new.handle(at(0), Input::Response { from: peer(1), id: token, response });
        pages += 1;
    }
    assert_eq!(pages, 3);
    assert_eq!(new.count(), 602);
    new.handle_timeout(at(2_000));
    let next = new.own.as_ref().unwrap().next_ms.unwrap() - 2_000;
    assert!((540_000..=670_000).contains(&next), "{next}");
}

#[test]
fn the_largest_announcement_fits_its_limit() {
    let announcement = Announcement {
        channel: lobby(),
        author: signer(1).author(),
        sent_ms: u64::MAX,
        interval_ms: u64::MAX,
        kind: Kind::Goodbye,
        profile: Profile::new(&"\u{10348}".repeat(32), &"\u{10348}".repeat(MAX_STATUS_CHARS)).unwrap(),
    };
    let signed = SignedAnnouncement::create(&signer(1), announcement);
    assert!(crate::wire::encode(&signed).len() <= MAX_ANNOUNCEMENT_BYTES);
    let request = PresenceRequest::List { after: Some(signer(1).author()) };
    assert!(crate::wire::encode(&request).len() <= MAX_REQUEST_BYTES);
    let page = page(vec![heard(signed, u64::MAX); MAX_PAGE_MEMBERS], true);
    assert!(crate::wire::encode(&page).len() <= MAX_RESPONSE_BYTES);
}

#[test]
fn two_nodes_with_one_key_are_one_member() {
    let mut watcher = joined(9);
    let (mut one, mut two) = (joined(1), joined(1));
    for clone in [&mut one, &mut two] {
        clone.handle(at(0), Input::PeerUp(peer(9)));
    }
    let announced = |machine: &mut Presence| {
        let said = |o| if let Output::Announce(signed) = o { Some(signed) } else { None };
        drain(machine).into_iter().find_map(said).unwrap()
    };
    let hello = announced(&mut one);
    gossip(&mut watcher, at(1), 1, hello.clone());
    assert_eq!(gossip(&mut two, at(1), 9, hello).0, Verdict::Ignore);
    one.handle(at(10), Input::Leave);
    gossip(&mut watcher, at(10), 1, announced(&mut one));
    assert!(!sees(&watcher, at(10), 1));
    drain(&mut two);
    two.handle_timeout(at(1_200));
    gossip(&mut watcher, at(1_200), 1, announced(&mut two));
    assert!(sees(&watcher, at(1_200), 1));
}

#[test]
fn a_new_status_is_told_within_a_second_and_chatter_is_held_back() {
    let mut machine = joined(1);
    machine.handle(at(0), Input::PeerUp(peer(2)));
    machine.handle_timeout(at(2_000));
    drain(&mut machine);
    let mut announced = Vec::new();
    for ms in (2_000..4_000).step_by(10) {
        machine.handle(at(ms), Input::Join(Profile::new("me", &format!("at {ms}")).unwrap()));
        announced.extend(drain(&mut machine).into_iter().filter(|o| matches!(o, Output::Announce(_))));
    }
    assert_eq!(announced.len(), 1);
    machine.handle_timeout(machine.poll_timeout().map(|deadline| at(deadline.0)).unwrap());
    assert!(drain(&mut machine).iter().any(|o| matches!(o,
        Output::Announce(signed) if signed.announcement.profile.status == "at 3990")));
}

proptest! {
    #[test]
    fn no_input_makes_a_machine_panic_or_wait_for_the_past(
        seed: [u8; 32],
        inputs in prop::collection::vec((0u64..30_000, 0u8..12, 0u64..4, 0u64..100_000, any::<bool>()), 1..200),
    ) {
        let mut machine = Presence::new(lobby(), signer(1), Arc::new(Ed25519), seed);
        let mut now_ms = 0;
        for (step_ms, what, id, sent_ms, flag) in inputs {
            now_ms += step_ms;
            let n = 1 + id as u8;
            let kind = if flag { Kind::Goodbye } else { Kind::Heartbeat };
            let signed = announcement(n, sent_ms, kind);
            let input = match what {
                0..3 => Input::Join(profile("x")),
                3 => Input::Leave,
                4 => Input::PeerUp(peer(n)),
                5 => Input::PeerDown(peer(n)),
                6 | 7 => Input::Announcement { from: peer(2), signed, token: 0 },
                8 => Input::Request { from: peer(n), request: PresenceRequest::List { after: None }, token: 0 },
                9 => Input::Response { from: peer(n), id, response: PresenceResponse::Unavailable },
                10 => Input::Response { from: peer(n), id, response: page(vec![heard(signed, sent_ms)], flag) },
                _ => Input::RequestFailed { id },
            };
            machine.handle(at(now_ms), input);
            while machine.poll_output().is_some() {}
            prop_assert!(machine.poll_timeout().is_none_or(|deadline| deadline.0 > now_ms));
        }
    }
}

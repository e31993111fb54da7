//! Downloads by themselves.

use super::*;
use crate::testing::{at, cheap_peer as peer};
use getter::Getter;

mod anything;
mod getter;

const FILE: TransferId = TransferId(1);
const FULL: u32 = MAX_BLOCK_BYTES;

fn ban(n: u32, why: Misdeed) -> Output {
    Output::Ban { transfer: FILE, peer: peer(n), why }
}

#[test]
fn a_late_block_is_asked_of_another_and_the_loser_is_told_to_stop() {
    let mut getter = Getter::of(1, 1);
    let [(first, 0, block)] = getter.asked[..] else { panic!("{:?}", getter.asked) };
    getter.seeder(1, 1);
    getter.run(window::PATIENCE_FIRST_MS - 1);
    assert_eq!(getter.asked.len(), 1);
    getter.run(window::PATIENCE_FIRST_MS);
    let (second, ..) = getter.of_peer(1)[0];
    assert_eq!(getter.asked, [(first, 0, block), (second, 1, block)]);
    getter.get(second);
    assert!(getter.asked.is_empty() && getter.said(&Output::Cancel { request: first }));
    assert!(getter.said(&Output::Finished { transfer: FILE }));
    assert_eq!(getter.downloads.load(), Load { requests: 0, bytes: 0 });
}

#[test]
fn a_silent_peer_keeps_one_question_and_a_late_block_makes_up_for_it() {
    let mut getter = Getter::of(10, 1);
    assert_eq!(getter.asked.len(), 2);
    let (first, ..) = getter.asked[0];
    getter.run(window::PATIENCE_FIRST_MS);
    assert_eq!(getter.asked.iter().map(|(request, ..)| *request).collect::<Vec<_>>(), [first]);
    getter.get(first);
    assert_eq!(getter.asked.len(), 2);
}

#[test]
fn a_question_that_stays_late_is_given_up_and_asked_again_after_a_rest() {
    let mut getter = Getter::of(1, 1);
    let (first, ..) = getter.asked[0];
    getter.run(window::PATIENCE_FIRST_MS + GIVE_UP_MS);
    assert!(getter.asked.is_empty() && getter.said(&Output::Cancel { request: first }));
    getter.run(window::PATIENCE_FIRST_MS + GIVE_UP_MS + 2 * REST.first_ms);
    assert_eq!(getter.asked.len(), 1);
}

#[test]
fn a_wrong_byte_or_length_bans_for_as_long_as_there_is_the_transfer() {
    for is_short in [false, true] {
        let mut getter = Getter::of(20, 2);
        let (request, ..) = getter.of_peer(0)[0];
        if is_short {
            getter.take(request);
            getter.input(Input::Received { request, bytes: FULL - 1 });
        } else {
            getter.receive(request);
            getter.input(Input::Wrong { request });
        }
        assert!(getter.said(&ban(0, Misdeed::WrongByte)));
        assert!(getter.of_peer(0).is_empty());
        getter.input(Input::PeerDown { peer: peer(0) });
        getter.seeder(0, 20);
        assert!(getter.of_peer(0).is_empty());
        while let Some((request, ..)) = getter.of_peer(1).first().copied() {
            getter.get(request);
        }
        assert!(getter.said(&Output::Finished { transfer: FILE }));
        // Another transfer, or the same one anew, knows nothing of it.
        getter.input(Input::Remove { transfer: FILE });
        getter.add(FILE, 20, Blocks::none(20));
        getter.seeder(0, 20);
        assert!(!getter.of_peer(0).is_empty());
    }
}

#[test]
fn a_peer_that_lacks_what_it_said_it_had_is_believed_until_it_was_so_too_often() {
    let mut getter = Getter::of(100, 1);
    let mut lacked = Vec::new();
    for _ in 0..MAX_LIES {
        assert!(!getter.said(&ban(0, Misdeed::Lies)));
        let (request, _, block) = getter.asked[0];
        getter.fail(request, Failure::Lacks);
        lacked.push(block);
        assert!(getter.asked.iter().all(|(.., block)| !lacked.contains(block)));
    }
    assert!(getter.said(&ban(0, Misdeed::Lies)) && getter.asked.is_empty());
}

#[test]
fn who_takes_no_part_any_more_is_no_liar_and_gives_of_other_transfers_all_the_while() {
    let mut getter = Getter::of(100, 1);
    let other = TransferId(2);
    getter.add(other, 100, Blocks::none(100));
    getter.input(Input::PeerUp { transfer: other, peer: peer(0) });
    getter.input(Input::Has { transfer: other, peer: peer(0), blocks: Blocks::all(100) });
    let of = |getter: &Getter, id| -> Vec<RequestId> {
        let asked = getter.asked.iter().map(|(request, ..)| *request);
        asked.filter(|request| getter.downloads.requests.get(*request).unwrap().transfer == id).collect()
    };
    assert!(!of(&getter, FILE).is_empty());
    while let Some(request) = of(&getter, FILE).first().copied() {
        getter.fail(request, Failure::Gone);
    }
    assert!(getter.said(&Output::Want { transfer: FILE, peer: peer(0), wanting: false }));
    assert!(!of(&getter, other).is_empty(), "it does not rest");
    getter.run(10 * REST.cap_ms);
    assert!(of(&getter, FILE).is_empty() && !getter.said(&ban(0, Misdeed::Lies)));
    // It may come back.
    getter.seeder(0, 100);
    while let Some(request) = of(&getter, other).first().copied() {
        getter.take(request);
        getter.input(Input::Received { request, bytes: FULL });
    }
    assert!(!of(&getter, FILE).is_empty());
}

#[test]
fn a_block_that_a_peer_lacked_may_come_to_be_there() {
    let mut getter = Getter::of(1, 1);
    getter.fail(getter.asked[0].0, Failure::Lacks);
    assert!(getter.asked.is_empty());
    getter.input(Input::HasOne { transfer: FILE, peer: peer(0), block: 0 });
    assert_eq!(getter.asked.len(), 1);
}

#[test]
fn a_block_in_hand_that_came_to_nothing_is_asked_of_another_and_blamed_on_nobody() {
    let mut getter = Getter::of(1, 1);
    let (request, ..) = getter.asked[0];
    getter.receive(request);
    getter.input(Input::PeerDown { peer: peer(0) });
    assert!(getter.asked.is_empty() && getter.downloads.load().bytes > 0);
    getter.input(Input::Failed { request, why: Failure::Lost });
    assert_eq!(getter.downloads.load().bytes, 0);
    getter.seeder(1, 1);
    getter.get(getter.of_peer(1)[0].0);
    assert!(getter.said(&Output::Finished { transfer: FILE }) && !getter.said(&ban(0, Misdeed::WrongByte)));
}

#[test]
fn who_only_ever_failed_comes_after_those_who_gave() {
    let mut getter = Getter::of(40, 1);
    getter.get(getter.of_peer(0)[0].0);
    getter.seeder(1, 40);
    let silent = getter.of_peer(1);
    assert!(!silent.is_empty(), "one of whom nothing is known is tried");
    for (request, ..) in silent {
        getter.fail(request, Failure::Lost);
    }
    let score = |n: u32| getter.downloads.links[&peer(n)].score(at(getter.now_ms));
    assert!(score(1) < score(0), "{} and {}", score(1), score(0));
}

#[test]
fn a_full_disk_pauses_a_transfer_and_what_was_not_stored_is_got_again() {
    for count in [1, 3] {
        let mut getter = Getter::of(count, 1);
        let (request, ..) = getter.asked[0];
        let block = getter.receive(request);
        getter.input(Input::Verified { request });
        getter.input(Input::NotStored { transfer: FILE, block });
        assert!(getter.said(&Output::Paused { transfer: FILE, why: Pause::Disk }));
        assert!(getter.asked.is_empty());
        assert_eq!(getter.downloads.load(), Load { requests: 0, bytes: 0 });
        getter.run(NO_PROGRESS_MS * 2);
        getter.input(Input::Resume { transfer: FILE });
        while let Some((request, ..)) = getter.asked.first().copied() {
            getter.get(request);
        }
        assert!(getter.said(&Output::Finished { transfer: FILE }));
    }
}

#[test]
fn a_restart_goes_on_with_what_is_there_and_only_what_is_wanted_is_asked_for() {
    let mut getter = Getter::new();
    let lengths = Lengths::new(100, FULL, Vec::new());
    let (have, wanted) = (Blocks::of(100, 0..50), Blocks::of(100, 40..60));
    getter.input(Input::Add { transfer: FILE, lengths, have, wanted });
    getter.seeder(0, 100);
    let mut got = Vec::new();
    while let Some((request, _, block)) = getter.asked.first().copied() {
        got.push(block);
        getter.get(request);
    }
    got.sort_unstable();
    assert_eq!(got, (50..60).collect::<Vec<_>>());
    assert!(getter.said(&Output::Finished { transfer: FILE }));
    getter.input(Input::Remove { transfer: FILE });
    getter.other.clear();
    getter.add(FILE, 3, Blocks::all(3));
    assert_eq!(getter.other, [Output::Finished { transfer: FILE }]);
}

#[test]
fn a_peer_that_refuses_or_is_busy_rests_and_one_that_chokes_is_not_asked_until_it_says_so() {
    for why in [Failure::Refused, Failure::Busy, Failure::Lost] {
        let mut getter = Getter::of(50, 1);
        while let Some((request, ..)) = getter.asked.first().copied() {
            getter.fail(request, why);
        }
        getter.run(REST.first_ms / 2);
        assert!(getter.asked.is_empty());
        getter.run(2 * REST.first_ms);
        assert!(!getter.asked.is_empty(), "{why:?}");
        getter.input(Input::Choked { peer: peer(0) });
        let (request, ..) = getter.asked[0];
        // What was asked before is still welcome.
        getter.get(request);
        while let Some((request, ..)) = getter.asked.first().copied() {
            getter.fail(request, Failure::Refused);
        }
        getter.run(10 * REST.cap_ms);
        assert!(getter.asked.is_empty());
        getter.input(Input::Unchoked { peer: peer(0) });
        assert!(!getter.asked.is_empty());
    }
}

#[test]
fn at_the_end_a_block_that_is_slow_is_asked_of_others_that_are_free_but_not_of_more_than_a_few() {
    let mut getter = Getter::of(8, 1);
    let (slow, _, block) = getter.asked[0];
    (1..=5).for_each(|n| getter.seeder(n, 8));
    // Each of the others is known to take 100 ms.
    while let Some((request, ..)) = getter.asked.iter().copied().find(|(.., asked)| *asked != block) {
        getter.run(getter.now_ms + 100);
        getter.get(request);
    }
    getter.run(getter.now_ms + 2_000);
    let copies: Vec<u32> = getter.asked.iter().map(|(_, who, _)| *who).collect();
    assert_eq!(copies.len(), MAX_COPIES, "{copies:?}");
    assert!(getter.asked.iter().all(|(.., asked)| *asked == block));
    let (winner, ..) = getter.asked[1];
    getter.get(winner);
    assert!(getter.asked.is_empty() && getter.said(&Output::Cancel { request: slow }));
    assert!(getter.said(&Output::Finished { transfer: FILE }));
}

#[test]
fn no_more_is_under_way_than_the_bound_however_many_peers_there_are_and_however_slow_the_disk() {
    let mut getter = Getter::of(1_000, 200);
    let mut in_hand = Vec::new();
    for _ in 0..400 {
        assert!(getter.downloads.load().bytes <= MAX_BYTES);
        let Some((request, ..)) = getter.asked.first().copied() else { break };
        in_hand.push(getter.receive(request));
        getter.input(Input::Verified { request });
    }
    assert_eq!(in_hand.len() as u64, MAX_BYTES / u64::from(FULL));
    assert!(getter.asked.is_empty());
    getter.input(Input::Stored { transfer: FILE, block: in_hand[0] });
    assert_eq!(getter.asked.len(), 1);
}

#[test]
fn a_transfer_has_half_beside_another_and_all_at_once_when_that_is_removed() {
    let other = TransferId(2);
    let mut getter = Getter::of(2_000, 200);
    let all = (MAX_BYTES / u64::from(FULL)) as usize;
    assert_eq!(getter.asked.len(), all);
    getter.add(other, 2_000, Blocks::none(2_000));
    getter.input(Input::PeerUp { transfer: other, peer: peer(200) });
    getter.input(Input::Has { transfer: other, peer: peer(200), blocks: Blocks::all(2_000) });
    for _ in 0..300 {
        let first = getter.asked.iter().find(|(_, n, _)| *n < 200).copied();
        getter.get(first.unwrap().0);
    }
    let of_other = getter.of_peer(200).len();
    assert!((1..=2).contains(&of_other) && getter.asked.len() == all / 2 + of_other, "{}", getter.asked.len());
    getter.input(Input::Remove { transfer: other });
    assert_eq!(getter.asked.len(), all);
}

#[test]
fn after_a_block_came_the_first_rest_is_short_again() {
    let mut getter = Getter::of(50, 1);
    for _ in 0..8 {
        while let Some((request, ..)) = getter.asked.first().copied() {
            getter.fail(request, Failure::Busy);
        }
        getter.run(getter.now_ms + 2 * REST.cap_ms);
    }
    getter.get(getter.asked[0].0);
    while let Some((request, ..)) = getter.asked.first().copied() {
        getter.fail(request, Failure::Busy);
    }
    getter.run(getter.now_ms + 2 * REST.first_ms);
    assert!(!getter.asked.is_empty());
}

#[test]
fn peers_are_looked_for_ever_more_rarely_while_there_are_few_and_soon_when_the_last_left() {
    let needs =
        |getter: &Getter| getter.other.iter().filter(|output| matches!(output, Output::NeedPeers { .. })).count();
    let mut getter = Getter::of(10, 0);
    getter.run(3_600_000);
    assert!((10..=24).contains(&needs(&getter)), "{}", needs(&getter));
    getter.seeder(0, 10);
    getter.other.clear();
    getter.input(Input::PeerDown { peer: peer(0) });
    getter.run(getter.now_ms + NEED.first_ms);
    assert!((1..=2).contains(&needs(&getter)), "{}", needs(&getter));
}

#[test]
fn peers_are_told_once_whether_we_want_anything_of_them() {
    let want = |wanting| Output::Want { transfer: FILE, peer: peer(0), wanting };
    let mut getter = Getter::of(1, 1);
    assert!(getter.said(&want(true)));
    getter.other.clear();
    getter.input(Input::Pause { transfer: FILE });
    assert!(getter.said(&want(false)));
    getter.input(Input::Resume { transfer: FILE });
    let (request, ..) = getter.asked[0];
    getter.receive(request);
    getter.other.clear();
    getter.input(Input::Verified { request });
    assert_eq!(getter.other, [want(false)]);
}

#[test]
fn too_many_transfers_or_too_long_blocks_are_not_added() {
    let mut getter = Getter::new();
    let long = Lengths::new(2, FULL, vec![(1, FULL + 1)]);
    getter.input(Input::Add { transfer: FILE, lengths: long, have: Blocks::none(2), wanted: Blocks::all(2) });
    assert_eq!(getter.other, [Output::NotAdded { transfer: FILE }]);
    (0..=MAX_TRANSFERS as u64).for_each(|n| getter.add(TransferId(n), 1, Blocks::none(1)));
    assert_eq!(getter.other.last(), Some(&Output::NotAdded { transfer: TransferId(MAX_TRANSFERS as u64) }));
}

#[test]
fn ten_gigabytes_from_two_hundred_peers_of_which_most_have_half() {
    let count = 40_960;
    let mut getter = Getter::new();
    getter.add(FILE, count, Blocks::none(count));
    for n in 0..200 {
        getter.input(Input::PeerUp { transfer: FILE, peer: peer(n) });
        let has =
            if n < 3 { Blocks::all(count) } else { Blocks::of(count, (0..count).filter(|block| (block ^ n) % 2 == 0)) };
        getter.input(Input::Has { transfer: FILE, peer: peer(n), blocks: has });
    }
    let mut asked = 0;
    while let Some((request, ..)) = getter.asked.first().copied() {
        getter.get(request);
        asked += 1;
    }
    assert_eq!(asked, count);
    assert!(getter.said(&Output::Finished { transfer: FILE }));
}

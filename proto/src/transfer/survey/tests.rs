//! Surveys by themselves.

use super::*;
use crate::{
    blob::{CHUNK_BYTES, MAX_SHARE_BYTES, manifest::Manifest, merkle::root_of_bytes},
    testing::{at, cheap_peer as peer},
    transfer::{
        download::{Failure, Misdeed},
        message::Tree,
    },
};
use hand::Hand;
use share::Share;

mod anything;
mod claims;
mod hand;
mod share;
mod world;

const CHUNK: u64 = CHUNK_BYTES as u64;

#[test]
fn what_has_no_bytes_or_one_chunk_that_a_link_tells_is_known_without_asking() {
    for share in [Share::file(0), Share::folder(&[], 5)] {
        assert!(Hand::with_root(&share).is_done_with(&share) && Hand::with_link(&share).is_done_with(&share));
    }
    let share = Share::file(1_000);
    let hand = Hand::with_link(&share);
    assert!(hand.is_done_with(&share) && hand.survey.poll_timeout().is_none());
    assert!(!Hand::with_root(&share).is_done_with(&share));
}

#[test]
fn the_hashes_of_a_file_come_from_all_who_have_them() {
    let share = Share::large_file(20_000 * CHUNK - 5);
    let mut hand = Hand::with_link(&share);
    for n in 0..3 {
        hand.knows(n, &share);
    }
    assert!((0..3).all(|n| hand.of_peer(n).len() == FIRST_WINDOW), "{:?}", hand.asked);
    assert_eq!(hand.survey.progress().hashes_needed, 20_000);
    hand.answer_all(&share);
    assert!(hand.is_done_with(&share) && hand.bans().is_empty());
    let Progress { content, hashes, peers, .. } = hand.survey.progress();
    assert_eq!((content, hashes, peers), (Some(share.content()), 20_000, 3));
    assert_eq!(hand.survey.poll_timeout(), None);
}

#[test]
fn a_folder_is_its_manifest_and_the_hashes_of_its_larger_files() {
    let sizes: Vec<u64> = (0..1_500).map(|at| [0, 5, CHUNK, 3 * CHUNK + 1][at % 4]).collect();
    for share in [Share::folder(&[7, 600 * CHUNK, 0, 2 * CHUNK], 9), Share::folder(&sizes, 200)] {
        for mut hand in [Hand::with_link(&share), Hand::with_root(&share)] {
            hand.knows(0, &share);
            hand.knows(1, &share);
            hand.answer_all(&share);
            assert!(hand.is_done_with(&share) && hand.bans().is_empty());
            let progress = hand.survey.progress();
            assert_eq!((progress.hashes, progress.manifest), (progress.hashes_needed, progress.manifest_needed));
            assert_eq!(progress.manifest as usize, share.bytes.len());
        }
    }
}

#[test]
fn a_wrong_answer_bans_its_peer_and_is_asked_of_another() {
    let share = Share::large_file(5_000 * CHUNK);
    let mut hand = Hand::with_link(&share);
    hand.knows(0, &share);
    let (request, _, what) = hand.asked[0];
    let share::Given::Layer(mut part) = share.give(what) else { panic!("{what:?}") };
    part.hashes[17][3] ^= 1;
    hand.take(request);
    hand.input(Input::Layer { request, part });
    assert_eq!(hand.bans(), [(0, Misdeed::WrongByte)]);
    assert!(hand.asked.is_empty());
    hand.knows(0, &share);
    assert!(hand.asked.is_empty(), "a banned peer is asked");
    hand.knows(1, &share);
    hand.answer_all(&share);
    assert!(hand.is_done_with(&share));
}

#[test]
fn a_wrong_chunk_of_a_manifest_bans_its_peer() {
    let share = Share::folder(&[7, 8], 9);
    for (wrong, is_right) in [(0, true), (1, false)] {
        let mut hand = Hand::with_link(&share);
        hand.knows(0, &share);
        let [(request, 0, Asked::ManifestChunk(0))] = hand.asked[..] else { panic!("{:?}", hand.asked) };
        hand.take(request);
        hand.input(Input::Chunk { request, bytes: share.bytes[wrong..].to_vec() });
        assert_eq!(hand.bans().is_empty(), is_right);
        assert_eq!(hand.other.contains(&Output::Decode(share.bytes.clone())), is_right);
    }
}

#[test]
fn what_a_peer_does_not_answer_in_time_is_asked_of_another_and_it_rests() {
    let share = Share::large_file(2_000 * CHUNK);
    let mut hand = Hand::with_link(&share);
    hand.knows(0, &share);
    let silent = hand.of_peer(0);
    assert_eq!(silent.len(), 4);
    hand.run(PATIENCE_MS - 1);
    hand.knows(1, &share);
    assert!(hand.of_peer(1).is_empty());
    hand.run(PATIENCE_MS);
    assert_eq!((hand.of_peer(0).len(), hand.of_peer(1).len()), (0, 4));
    for (request, ..) in silent {
        assert!(hand.other.contains(&Output::Cancel { request }));
        // Too late.
        hand.input(Input::Failed { request, why: Failure::Lost });
    }
    hand.answer_all(&share);
    assert!(hand.is_done_with(&share) && hand.bans().is_empty());
}

#[test]
fn one_that_does_not_serve_is_asked_again_after_a_rest_or_when_it_says_so() {
    let share = Share::large_file(2 * CHUNK);
    for why in [Failure::Refused, Failure::Busy, Failure::Lost, Failure::Lacks] {
        let mut hand = Hand::with_link(&share);
        hand.knows(0, &share);
        hand.fail(hand.asked[0].0, why);
        assert!(hand.asked.is_empty());
        hand.run(hand.now_ms + REST.first_ms * 3 / 2);
        assert_eq!(hand.asked.len(), 1);
        hand.fail(hand.asked[0].0, why);
        assert!(hand.asked.is_empty());
        hand.input(Input::PeerUp { peer: peer(0), content: None });
        assert_eq!(hand.asked.len(), 1);
        hand.answer_all(&share);
        assert!(hand.is_done_with(&share));
    }
}

#[test]
fn one_that_is_gone_is_replaced() {
    let share = Share::large_file(2 * CHUNK);
    let mut hand = Hand::with_link(&share);
    hand.knows(0, &share);
    hand.input(Input::PeerDown { peer: peer(0) });
    assert!(hand.asked.is_empty() && hand.survey.progress().peers == 0);
    hand.knows(1, &share);
    assert_eq!(hand.of_peer(1).len(), 1);
}

#[test]
fn one_that_knows_and_failed_less_and_is_asked_less_is_asked_first() {
    let (mut crew, mut rng) = (Crew::default(), ChaCha8Rng::from_seed([2; 32]));
    (0..4).for_each(|n| crew.join(peer(n)));
    for n in 1..4 {
        crew.get_mut(&peer(n)).unwrap().claim = Some(Claim::of(&Share::file(9).content()));
    }
    assert!(crew.failed(&peer(1), Failure::Refused, &mut rng).is_some());
    crew.rested(&peer(1));
    crew.get_mut(&peer(2)).unwrap().open = 1;
    for best in [3, 2, 1, 0] {
        assert!((0..20).all(|_| crew.choose(|_| true, &mut rng) == Some(peer(best))), "{best}");
        crew.part(&peer(best));
    }
    assert_eq!(crew.choose(|_| true, &mut rng), None);
    (5..7).for_each(|n| crew.join(peer(n)));
    let chosen: Vec<_> = (0..50).filter_map(|_| crew.choose(|_| true, &mut rng)).collect();
    assert!(chosen.contains(&peer(5)) && chosen.contains(&peer(6)));
}

#[test]
fn no_more_is_asked_than_the_bounds_allow() {
    let share = Share::large_file(MAX_SHARE_BYTES / 16);
    let mut hand = Hand::with_link(&share);
    for n in 0..MAX_PEERS as u32 + 5 {
        hand.knows(n, &share);
    }
    assert_eq!((hand.asked.len(), hand.survey.progress().peers), (MAX_REQUESTS, MAX_PEERS));
    let mut hand = Hand::with_link(&share);
    hand.knows(0, &share);
    for _ in 0..20 {
        hand.answer(hand.asked[0].0, &share);
    }
    assert_eq!(hand.asked.len(), MAX_REQUESTS_EACH);
}

#[test]
fn one_that_fails_again_and_again_makes_place_for_another() {
    let share = Share::large_file(2 * CHUNK);
    let mut hand = Hand::with_link(&share);
    for n in 0..MAX_PEERS as u32 {
        hand.knows(n, &share);
    }
    hand.knows(1_000, &share);
    assert_eq!(hand.survey.progress().peers, MAX_PEERS);
    let failing = hand.asked[0].1;
    for _ in 0..LONG_FAILING {
        hand.survey.crew.rested(&peer(failing));
        assert!(hand.survey.crew.failed(&peer(failing), Failure::Lost, &mut hand.survey.rng).is_some());
    }
    hand.knows(1_000, &share);
    assert!(hand.survey.crew.contains(&peer(1_000)) && !hand.survey.crew.contains(&peer(failing)));
    assert_eq!(hand.survey.progress().peers, MAX_PEERS);
    assert!(hand.asked.iter().all(|(_, n, _)| *n != failing) && hand.asked.len() == 1);
}

#[test]
fn a_manifest_that_breaks_a_rule_ends_the_survey() {
    let mut share = Share::folder(&[7, 8], 9);
    let at = share.bytes.windows(6).position(|bytes| bytes == b"000001").unwrap();
    share.bytes[at + 5] = b'0';
    let broken = Manifest::decode(&share.bytes).unwrap_err();
    let manifest = root_of_bytes(&share.bytes);
    let content = Content::Folder { manifest, manifest_len: share.bytes.len() as u32, size: 15 };
    for told in [Some(content), None] {
        let mut hand = Hand::new(manifest, told);
        hand.says(0, content);
        hand.answer_all(&share);
        assert_eq!(hand.other.last(), Some(&Output::Failed(broken.clone())));
        assert!(hand.bans().is_empty() && hand.survey.poll_timeout().is_none());
        hand.says(1, content);
        assert!(hand.asked.is_empty());
    }
}

#[test]
fn peers_are_looked_for_while_few_know_the_share_and_ever_more_rarely() {
    let share = Share::large_file(9_000 * CHUNK);
    let mut hand = Hand::with_link(&share);
    let searches = |hand: &Hand| hand.other.iter().filter(|output| **output == Output::NeedPeers).count();
    hand.run(0);
    assert_eq!(searches(&hand), 1);
    hand.run(3_600_000);
    assert!((12..25).contains(&searches(&hand)), "{}", searches(&hand));
    let before = searches(&hand);
    (0..FEW_PEERS as u32).for_each(|n| hand.knows(n, &share));
    for _ in 0..10 {
        hand.answer(hand.asked[0].0, &share);
        hand.run(hand.now_ms + 10_000);
    }
    assert!(searches(&hand) <= before + 1);
    hand.run(hand.now_ms + NEED.cap_ms * 3 / 2);
    assert!(searches(&hand) > before);
    (0..FEW_PEERS as u32).for_each(|n| hand.input(Input::PeerDown { peer: peer(n) }));
    let before = searches(&hand);
    hand.run(hand.now_ms + NEED.first_ms);
    assert!(searches(&hand) > before);
}

#[test]
fn what_the_driver_reads_is_waited_for_in_silence() {
    let share = Share::folder(&[7, 2 * CHUNK], 9);
    let mut survey = Survey::new(share.id(), Some(share.content()), [0; 32]);
    survey.handle(at(0), Input::PeerUp { peer: peer(0), content: None });
    survey.handle(at(0), Input::Chunk { request: RequestId(0), bytes: share.bytes.clone() });
    assert_eq!(survey.poll_timeout(), None);
    while survey.poll_output().is_some() {}
    survey.handle(at(90_000), Input::Manifest(Manifest::decode(&share.bytes)));
    assert!(matches!(survey.poll_output(), Some(Output::Ask { .. })));
    while let Some(due) = survey.poll_timeout().filter(|due| due.0 < 90_000 + 2 * NEED_CHECK_MS) {
        survey.handle_timeout(at(due.0));
    }
    assert!(std::iter::from_fn(|| survey.poll_output()).any(|output| output == Output::NeedPeers));
    // Who reads the manifest tells the size, and not who made the link.
    assert_eq!(survey.progress().content, Some(share.content()));
}

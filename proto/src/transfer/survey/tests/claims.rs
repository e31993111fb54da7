//! What peers say a share is.

use super::*;
use crate::blob::layer::LayerRange;

fn file(share: &Share, size: u64) -> Content {
    Content::File { root: share.id(), size }
}

fn folder(share: &Share, manifest_len: u32) -> Content {
    Content::Folder { manifest: share.id(), manifest_len, size: 9 }
}

#[test]
fn with_a_root_alone_the_last_chunk_proves_the_length() {
    for len in [1, 1_000, CHUNK_BYTES, 3 * CHUNK_BYTES + 7, 600 * CHUNK_BYTES + 1] {
        let share = Share::file(len);
        let mut hand = Hand::with_root(&share);
        // These say what has as many chunks, and so the same hashes.
        hand.says(7, file(&share, len as u64 + 1));
        hand.says(8, file(&share, len as u64 + 1));
        hand.knows(0, &share);
        assert_eq!(hand.survey.progress().content, None);
        hand.answer_all(&share);
        assert!(hand.is_done_with(&share), "{len} bytes");
        assert!(hand.bans().iter().all(|(n, _)| *n != 0) && hand.bans().len() == 2, "{:?}", hand.bans());
    }
}

#[test]
fn what_a_proof_consists_of_is_not_asked_for_again() {
    let share = Share::file(600 * CHUNK_BYTES + 1);
    let mut hand = Hand::with_root(&share);
    hand.knows(0, &share);
    (0..2).for_each(|_| hand.answer(hand.asked[0].0, &share));
    let first = LayerRange { first: 0, width: 512 };
    assert_eq!(hand.asked[0].2, Asked::Layer { of: Tree::File(0), range: first });
    assert_eq!((hand.asked.len(), hand.survey.progress().hashes), (1, 89));
    let share = Share::folder(&[7; 3_500], 230);
    let mut hand = Hand::with_root(&share);
    hand.knows(0, &share);
    (0..3).for_each(|_| hand.answer(hand.asked[0].0, &share));
    let chunks: Vec<Asked> = hand.asked.iter().map(|(.., what)| *what).collect();
    assert_eq!(chunks, [Asked::ManifestChunk(1), Asked::ManifestChunk(2)]);
}

#[test]
fn a_folder_is_told_from_a_file_by_its_first_bytes() {
    let long = Share::folder(&[7; 1_200], 230);
    assert!(long.bytes.len() > CHUNK_BYTES);
    for share in [Share::folder(&[7, 2 * CHUNK], 9), long] {
        let liar = Share::of_bytes(share.bytes.clone());
        let mut hand = Hand::with_root(&share);
        (1..5).for_each(|n| hand.knows(n, &liar));
        hand.knows(0, &share);
        while let Some((request, n, _)) = hand.asked.first().copied() {
            hand.answer(request, if n == 0 { &share } else { &liar });
        }
        assert!(hand.is_done_with(&share));
        assert_eq!(hand.bans(), (1..5).map(|n| (n, Misdeed::Lies)).collect::<Vec<_>>());
    }
}

#[test]
fn a_file_is_told_from_a_folder_by_its_first_bytes() {
    for len in [1_000, 2 * CHUNK_BYTES] {
        let share = Share::file(len);
        let mut hand = Hand::with_root(&share);
        (1..5).for_each(|n| hand.says(n, folder(&share, len as u32)));
        hand.knows(0, &share);
        while let Some((request, n, what)) = hand.asked.first().copied() {
            // A liar gives what it has under the name that it is asked for.
            let what = match what {
                Asked::Layer { range, .. } if n > 0 => Asked::Layer { of: Tree::File(0), range },
                Asked::ManifestChunk(chunk) => Asked::Block(chunk),
                what => what,
            };
            hand.take(request);
            hand.input(match share.give(what) {
                share::Given::Layer(part) => Input::Layer { request, part },
                share::Given::Chunk(bytes) => Input::Chunk { request, bytes },
                share::Given::Nothing => Input::Failed { request, why: Failure::Lacks },
            });
        }
        assert!(hand.is_done_with(&share));
        assert_eq!(hand.bans(), (1..5).map(|n| (n, Misdeed::Lies)).collect::<Vec<_>>());
    }
}

#[test]
fn sixty_four_bytes_are_not_believed_of_a_root_alone() {
    let whole = Share::file(2 * CHUNK_BYTES);
    let forged = Share::of_bytes(whole.outline.layer(0).unwrap().hashes().as_flattened().to_vec());
    assert_eq!(forged.id(), whole.id());
    let mut hand = Hand::with_root(&whole);
    (1..4).for_each(|n| hand.knows(n, &forged));
    hand.run(60_000);
    assert!(hand.asked.is_empty() && hand.bans().is_empty());
    hand.knows(0, &whole);
    hand.answer_all(&whole);
    assert!(hand.is_done_with(&whole));
    let mut hand = Hand::with_root(&whole);
    hand.says(1, folder(&whole, 64));
    let [(request, 1, Asked::ManifestChunk(0))] = hand.asked[..] else { panic!("{:?}", hand.asked) };
    hand.take(request);
    hand.input(Input::Chunk { request, bytes: forged.bytes });
    assert_eq!(hand.bans(), [(1, Misdeed::Lies)]);
    // Who has the link of such a file gets it.
    let small = Share::file(64);
    assert!(Hand::with_link(&small).is_done_with(&small));
}

#[test]
fn a_manifest_of_sixty_four_bytes_is_proven_by_how_it_begins() {
    let share = Share::folder(&[200], 10);
    assert_eq!(share.bytes.len(), 64);
    let mut hand = Hand::with_root(&share);
    hand.knows(0, &share);
    hand.answer_all(&share);
    assert!(hand.is_done_with(&share));
}

#[test]
fn what_a_share_cannot_be_bans_who_says_so() {
    let (share, other) = (Share::file(1_000), Share::file(2_000));
    let wrong = [other.content(), file(&share, 0), file(&share, MAX_SHARE_BYTES + 1), folder(&share, 0)];
    for (mut hand, content) in wrong.into_iter().map(|content| (Hand::with_root(&share), content)) {
        hand.says(1, content);
        assert_eq!(hand.bans(), [(1, Misdeed::Lies)]);
        assert!(hand.asked.is_empty() && hand.survey.progress().peers == 0);
    }
}

#[test]
fn one_that_contradicts_a_link_is_not_asked_and_banned_once_the_link_is_proven() {
    let share = Share::folder(&[7, 2 * CHUNK], 9);
    let mut hand = Hand::with_link(&share);
    hand.says(1, folder(&share, 5));
    assert!(hand.asked.is_empty() && hand.bans().is_empty());
    hand.input(Input::PeerUp { peer: peer(1), content: None });
    assert_eq!(hand.of_peer(1).len(), 1);
    hand.says(1, file(&share, 5));
    assert!(hand.asked.is_empty() && hand.bans().is_empty() && hand.survey.progress().peers == 0);
    hand.knows(0, &share);
    hand.answer(hand.asked[0].0, &share);
    hand.says(1, file(&share, 5));
    assert_eq!(hand.bans(), [(1, Misdeed::Lies)]);
    hand.answer_all(&share);
    assert!(hand.is_done_with(&share));
}

#[test]
fn the_size_of_a_folder_is_what_its_manifest_says() {
    let share = Share::folder(&[7, 8], 9);
    let told = folder(&share, share.bytes.len() as u32);
    for link in [Some(told), None] {
        let mut hand = Hand::new(share.id(), link);
        hand.says(1, told);
        hand.knows(0, &share);
        hand.answer_all(&share);
        assert!(hand.is_done_with(&share) && hand.bans().is_empty());
    }
}

#[test]
fn one_that_lacks_the_last_block_is_asked_for_others_and_for_that_one_later() {
    let share = Share::file(3 * CHUNK_BYTES);
    let mut hand = Hand::with_root(&share);
    hand.knows(0, &share);
    hand.answer(hand.asked[0].0, &share);
    let request =
        |hand: &Hand, block| hand.asked.iter().find(|(.., what)| *what == Asked::Block(block)).map(|asked| asked.0);
    let (first, last) = (request(&hand, 0).unwrap(), request(&hand, 2).unwrap());
    hand.fail(last, Failure::Lacks);
    hand.answer(first, &share);
    assert!(hand.asked.is_empty());
    hand.run(hand.now_ms + LACKS_MS);
    hand.answer_all(&share);
    assert!(hand.is_done_with(&share));
}

#[test]
fn one_that_says_something_else_than_before_is_asked_about_that() {
    let share = Share::file(3 * CHUNK_BYTES);
    let mut hand = Hand::with_root(&share);
    hand.says(0, file(&share, 5));
    let before = hand.asked[0].0;
    hand.knows(0, &share);
    assert!(hand.other.contains(&Output::Cancel { request: before }));
    hand.answer_all(&share);
    assert!(hand.is_done_with(&share) && hand.bans().is_empty());
}

#[test]
fn what_nobody_says_any_more_is_not_on_trial() {
    let share = Share::file(3 * CHUNK_BYTES);
    let mut hand = Hand::with_root(&share);
    let trials = |hand: &Hand| match &hand.survey.stage {
        Stage::Proving(trials) => trials.len(),
        _ => panic!("proven"),
    };
    for n in 0..MAX_PEERS as u32 {
        hand.says(n, file(&share, u64::from(2 * n) + 70));
        assert_eq!(trials(&hand), n as usize + 1);
        hand.says(n, file(&share, u64::from(2 * n) + 71));
    }
    assert_eq!(trials(&hand), MAX_PEERS);
    (0..MAX_PEERS as u32).for_each(|n| hand.input(Input::PeerDown { peer: peer(n) }));
    assert_eq!(trials(&hand), 0);
}

//! What is said of shares, and what goes over lanes: it comes back, nothing else is let in, and none of it is too large.

mod strict;

use proptest::prelude::*;
use proto::{
    blob::{
        BlobId, Blocks,
        layer::{LayerPart, LayerRange, MAX_PART_BYTES, MAX_RANGE_HASHES},
        manifest::Content,
    },
    transfer::{MAX_BLOCKS, message as share},
    wire,
};
use share::{
    MAX_ADDRESS_BYTES, MAX_NAME_BYTES, MAX_OTHER_ADDRESSES, MAX_OTHERS, MAX_PEER_ID_BYTES, MAX_TOLD_BLOCKS,
    MAX_TOLD_SHARES, Met, News, Other, ShareQuestion,
};
use strict::{damage, damaged, one_spelling, round_trip};

fn tree() -> impl Strategy<Value = share::Tree> {
    prop_oneof![Just(share::Tree::Manifest), any::<u32>().prop_map(share::Tree::File)]
}

fn share_question() -> impl Strategy<Value = ShareQuestion> {
    let id = || any::<[u8; 32]>().prop_map(BlobId);
    let range = any::<(u32, u16)>().prop_map(|(first, width)| LayerRange { first, width });
    let news = (id(), any::<(bool, bool)>(), prop::collection::vec(any::<u32>(), 0..20))
        .prop_map(|(share, (here, wanting), has)| News { share, here, wanting, has });
    prop_oneof![
        id().prop_map(|share| ShareQuestion::Meet { share }),
        (id(), tree(), range).prop_map(|(share, of, range)| ShareQuestion::Layer { share, of, range }),
        (any::<bool>(), prop::collection::vec(news, 0..5))
            .prop_map(|(serving, news)| ShareQuestion::Tell { serving, news }),
    ]
}

fn content() -> impl Strategy<Value = Content> {
    (any::<bool>(), any::<[u8; 32]>(), any::<u32>(), integer()).prop_map(|(is_file, id, manifest_len, size)| {
        match is_file {
            true => Content::File { root: BlobId(id), size },
            false => Content::Folder { manifest: BlobId(id), manifest_len, size },
        }
    })
}

fn share_answer() -> impl Strategy<Value = share::ShareAnswer> {
    let hashes = || prop::collection::vec(any::<[u8; 32]>(), 0..6);
    let blocks = (0u32..300, prop::collection::vec(0u32..300, 0..40)).prop_map(|(count, of)| Blocks::of(count, of));
    let other = (prop::collection::vec(any::<u8>(), 0..50), prop::collection::vec(any::<String>(), 0..4))
        .prop_map(|(peer, addresses)| Other { peer, addresses });
    let met =
        (prop::option::of(content()), any::<String>(), prop::option::of(blocks), prop::collection::vec(other, 0..4))
            .prop_map(|(content, name, have, others)| Met { content, name, have, others });
    prop_oneof![
        met.prop_map(share::ShareAnswer::Met),
        (hashes(), hashes()).prop_map(|(hashes, proof)| share::ShareAnswer::Layer(LayerPart { hashes, proof })),
        prop::sample::select(vec![
            share::ShareAnswer::Unknown,
            share::ShareAnswer::Lacks,
            share::ShareAnswer::Noted,
            share::ShareAnswer::Unavailable,
        ]),
    ]
}

fn order() -> impl Strategy<Value = share::Order> {
    let piece = prop_oneof![any::<u32>().prop_map(share::Piece::Manifest), any::<u32>().prop_map(share::Piece::Block)];
    prop_oneof![
        (integer(), any::<[u8; 32]>(), piece).prop_map(|(number, id, piece)| share::Order::Ask {
            number,
            share: BlobId(id),
            piece
        }),
        integer().prop_map(|number| share::Order::TakeBack { number }),
        integer().prop_map(|number| share::Order::Received { number }),
    ]
}

fn delivery() -> impl Strategy<Value = share::Delivery> {
    let refusals = [share::Refusal::Choked, share::Refusal::Busy, share::Refusal::Gone, share::Refusal::Lacks];
    let reply = prop_oneof![
        any::<u32>().prop_map(share::Reply::Bytes),
        prop::sample::select(refusals.map(share::Reply::Refused).to_vec()),
    ];
    (integer(), reply).prop_map(|(number, reply)| share::Delivery { number, reply })
}

/// Integers of every encoded length.
fn integer() -> impl Strategy<Value = u64> {
    prop_oneof![0u64..300, 60_000u64..70_000, Just(u64::from(u32::MAX)), any::<u64>()]
}

/// Bytes of memory that a decoded question takes beside itself.
fn question_footprint(question: &ShareQuestion) -> usize {
    let ShareQuestion::Tell { news, .. } = question else { return 0 };
    let has: usize = news.iter().map(|news| news.has.capacity() * size_of::<u32>()).sum();
    news.capacity() * size_of::<News>() + has
}

/// The same of an answer.
fn answer_footprint(answer: &share::ShareAnswer) -> usize {
    match answer {
        share::ShareAnswer::Met(met) => {
            let text = |texts: &Vec<String>| {
                texts.capacity() * size_of::<String>() + texts.iter().map(String::capacity).sum::<usize>()
            };
            let others: usize = met.others.iter().map(|other| other.peer.capacity() + text(&other.addresses)).sum();
            let blocks = met.have.as_ref().map_or(0, |have| have.count().div_ceil(8) as usize + 8);
            met.name.capacity() + met.others.capacity() * size_of::<Other>() + others + blocks
        }
        share::ShareAnswer::Layer(part) => (part.hashes.capacity() + part.proof.capacity()) * 32,
        _ => 0,
    }
}

/// Times that a message may take more memory than its frame has bytes: an empty list of one byte is a vector of 24, in news of 64.
const MOST_GROWTH: usize = 48;

/// Those that take the most bytes of all that keep to the bounds.
fn largest_questions() -> Vec<ShareQuestion> {
    let tell = |shares: usize, blocks: usize| {
        let mut news = vec![News { share: BlobId([0xff; 32]), here: true, wanting: true, has: vec![] }; shares];
        news[0].has = vec![u32::MAX; blocks];
        ShareQuestion::Tell { serving: true, news }
    };
    let mut spread = vec![News { share: BlobId([0xff; 32]), here: true, wanting: true, has: vec![] }; MAX_TOLD_SHARES];
    for news in &mut spread {
        news.has = vec![u32::MAX; MAX_TOLD_BLOCKS / MAX_TOLD_SHARES];
    }
    vec![
        tell(MAX_TOLD_SHARES, MAX_TOLD_BLOCKS),
        tell(1, MAX_TOLD_BLOCKS),
        ShareQuestion::Tell { serving: true, news: spread },
    ]
}

/// The one that takes the most bytes of all that keep to the bounds.
fn largest_met() -> Met {
    let other = Other {
        peer: vec![0xff; MAX_PEER_ID_BYTES],
        addresses: vec!["a".repeat(MAX_ADDRESS_BYTES); MAX_OTHER_ADDRESSES],
    };
    let content = Content::Folder { manifest: BlobId([0xff; 32]), manifest_len: u32::MAX, size: u64::MAX };
    Met {
        content: Some(content),
        name: "n".repeat(MAX_NAME_BYTES),
        have: Some(Blocks::all(MAX_BLOCKS)),
        others: vec![other; MAX_OTHERS],
    }
}

proptest! {
    #[test]
    fn what_is_said_of_shares_comes_back_and_has_one_spelling(
        question in share_question(), answer in share_answer(), damage in damage(),
    ) {
        round_trip::<_, { share::MAX_QUESTION_BYTES }>(&question, &damage)?;
        round_trip::<_, { share::MAX_ANSWER_BYTES }>(&answer, &damage)?;
    }

    #[test]
    fn what_goes_over_lanes_comes_back_and_has_one_spelling(
        order in order(), delivery in delivery(), damage in damage(),
    ) {
        round_trip::<_, { share::MAX_LANE_FRAME_BYTES }>(&order, &damage)?;
        round_trip::<_, { share::MAX_LANE_FRAME_BYTES }>(&delivery, &damage)?;
    }

    #[test]
    fn no_bytes_take_much_more_memory_than_they_are(
        which in 0u8..3, question in share_question(), answer in share_answer(), damages in prop::collection::vec(damage(), 1..4),
        noise in prop::collection::vec(prop_oneof![0u8..4, any::<u8>()], 1..2_000),
    ) {
        let mut frame = match which {
            0 => wire::encode(&question),
            1 => wire::encode(&answer),
            _ => noise,
        };
        for damage in damages.iter().take_while(|_| which < 2) {
            frame = if frame.is_empty() { frame } else { damaged(&frame, damage) };
        }
        if let Some(version) = frame.first_mut() {
            *version = wire::VERSION;
        }
        if let Ok(question) = wire::decode::<_, { share::MAX_QUESTION_BYTES }>(&frame) {
            prop_assert!(question_footprint(&question) <= frame.len() * MOST_GROWTH);
        }
        if let Ok(answer) = wire::decode::<_, { share::MAX_ANSWER_BYTES }>(&frame) {
            prop_assert!(answer_footprint(&answer) <= frame.len() * MOST_GROWTH);
        }
        one_spelling::<ShareQuestion, { share::MAX_QUESTION_BYTES }>(&frame)?;
        one_spelling::<share::ShareAnswer, { share::MAX_ANSWER_BYTES }>(&frame)?;
        one_spelling::<share::Order, { share::MAX_LANE_FRAME_BYTES }>(&frame)?;
        one_spelling::<share::Delivery, { share::MAX_LANE_FRAME_BYTES }>(&frame)?;
    }
}

#[test]
fn the_largest_messages_about_shares_fit() {
    for question in largest_questions() {
        assert!(question.is_bounded());
        let frame = wire::encode(&question);
        assert_eq!(wire::decode::<_, { share::MAX_QUESTION_BYTES }>(&frame), Ok(question), "{} bytes", frame.len());
    }
    let met = largest_met();
    assert!(met.is_bounded());
    let answer = share::ShareAnswer::Met(met);
    let frame = wire::encode(&answer);
    assert!(frame.len() > share::MAX_ANSWER_BYTES / 2);
    assert_eq!(wire::decode::<_, { share::MAX_ANSWER_BYTES }>(&frame), Ok(answer));
    // A single chunk of the largest blob has the longest proof; a whole range has the most hashes.
    let part = LayerPart { hashes: vec![[0xff; 32]; MAX_RANGE_HASHES.into()], proof: vec![[0xff; 32]; 24] };
    assert!(wire::encode(&part).len() <= MAX_PART_BYTES);
    let answer = share::ShareAnswer::Layer(part);
    assert_eq!(wire::decode::<_, { share::MAX_ANSWER_BYTES }>(&wire::encode(&answer)), Ok(answer));
}

#[test]
fn the_largest_frames_on_lanes_fit() {
    let (number, id) = (u64::MAX, BlobId([0xff; 32]));
    for piece in [share::Piece::Manifest(u32::MAX), share::Piece::Block(u32::MAX)] {
        let order = share::Order::Ask { number, share: id, piece };
        let frame = wire::encode(&order);
        assert_eq!(wire::decode::<_, { share::MAX_LANE_FRAME_BYTES }>(&frame), Ok(order), "{} bytes", frame.len());
    }
    for reply in [share::Reply::Bytes(u32::MAX), share::Reply::Refused(share::Refusal::Lacks)] {
        let delivery = share::Delivery { number, reply };
        assert_eq!(wire::decode::<_, { share::MAX_LANE_FRAME_BYTES }>(&wire::encode(&delivery)), Ok(delivery));
    }
}

#[test]
fn what_exceeds_a_bound_of_shares_is_told() {
    let news = |blocks: usize| News { share: BlobId([1; 32]), here: true, wanting: false, has: vec![0; blocks] };
    let tell = |news| ShareQuestion::Tell { serving: false, news };
    assert!(!tell(vec![news(0); MAX_TOLD_SHARES + 1]).is_bounded());
    assert!(!tell(vec![news(MAX_TOLD_BLOCKS), news(1)]).is_bounded());
    let largest = largest_met;
    let wider = |change: fn(&mut Met)| {
        let mut met = Met { have: None, ..largest() };
        assert!(met.is_bounded());
        change(&mut met);
        met
    };
    assert!(!wider(|met| met.name.push('n')).is_bounded());
    assert!(!wider(|met| met.others.push(met.others[0].clone())).is_bounded());
    assert!(!wider(|met| met.others[3].peer.push(0)).is_bounded());
    assert!(!wider(|met| met.others[3].addresses.push(String::new())).is_bounded());
    assert!(!wider(|met| met.others[3].addresses[1].push('a')).is_bounded());
}

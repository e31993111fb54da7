//! The strict door: what is encoded comes back, and nothing else is let in.

#[expect(clippy::unwrap_used, reason = "test code: a panic is a failed test")]
mod samples;
mod strict;

use std::fmt::Debug;

use proptest::prelude::*;
use proto::{
    call::{Answer, MAX_ANSWER_BYTES, MAX_QUESTION_BYTES, Question, Topic},
    direct,
    event::{Body, Entry, Event, Run},
    hlc::Timestamp,
    ids::{Author, ChannelId, EventId, LogId, LogKey},
    live::{Live, MAX_FRAME_BYTES},
    log::message::{Refusal, SyncRequest, SyncResponse, VectorEntry, VectorHash, Want},
    presence::{Announcement, Heard, Kind, PresenceRequest, PresenceResponse, Profile, SignedAnnouncement},
    private::MAX_INVITE_BYTES,
    signature::Signature,
    transfer::message as share,
    wire::{self, DecodeError},
};
use serde::{Serialize, de::DeserializeOwned};
use strict::{damage, one_spelling, round_trip};

/// Integers of every encoded length.
fn integer() -> impl Strategy<Value = u64> {
    prop_oneof![0u64..300, 60_000u64..70_000, Just(u64::from(u32::MAX)), any::<u64>()]
}

fn author() -> impl Strategy<Value = Author> {
    any::<[u8; 32]>().prop_map(Author)
}

fn signature() -> impl Strategy<Value = Signature> {
    any::<([u8; 32], [u8; 32])>()
        .prop_map(|(r, s)| Signature::from_bytes(std::array::from_fn(|n| if n < 32 { r[n] } else { s[n - 32] })))
}

fn body() -> impl Strategy<Value = Body> {
    (any::<u32>(), prop::collection::vec(any::<u8>(), 0..300)).prop_map(|(kind, bytes)| Body { kind, bytes })
}

fn event() -> impl Strategy<Value = Event> {
    (any::<([u8; 32], [u8; 32], [u8; 32])>(), integer(), integer(), integer(), body()).prop_map(
        |((channel, author, prev), log, seq, hlc, body)| Event {
            channel: ChannelId(channel),
            author: Author(author),
            log: LogId(log),
            seq,
            prev: EventId(prev),
            hlc: Timestamp(hlc),
            body,
        },
    )
}

fn run() -> impl Strategy<Value = Run> {
    let entry = (integer(), body()).prop_map(|(hlc, body)| Entry { hlc: Timestamp(hlc), body });
    (event(), prop::collection::vec(entry, 0..4), signature()).prop_map(|(event, entries, signature)| Run {
        channel: event.channel,
        author: event.author,
        log: event.log,
        first_seq: event.seq,
        prev: event.prev,
        entries,
        signature,
    })
}

fn key() -> impl Strategy<Value = LogKey> {
    (author(), integer()).prop_map(|(author, log)| LogKey { author, log: LogId(log) })
}

fn entry() -> impl Strategy<Value = VectorEntry> {
    (key(), integer(), any::<[u8; 32]>(), any::<bool>()).prop_map(|(key, seq, head, frozen)| VectorEntry {
        author: key.author,
        log: key.log,
        seq,
        head: EventId(head),
        frozen,
    })
}

fn announcement() -> impl Strategy<Value = SignedAnnouncement> {
    let kind = prop_oneof![Just(Kind::Hello), Just(Kind::Heartbeat), Just(Kind::Goodbye)];
    (any::<[u8; 32]>(), author(), integer(), integer(), kind, any::<(String, String)>(), signature()).prop_map(
        |(channel, author, sent_ms, interval_ms, kind, (name, status), signature)| SignedAnnouncement {
            announcement: Announcement {
                channel: ChannelId(channel),
                author,
                sent_ms,
                interval_ms,
                kind,
                profile: Profile { name, status },
            },
            signature,
        },
    )
}

fn live() -> impl Strategy<Value = Live> {
    prop_oneof![run().prop_map(Live::Run), announcement().prop_map(Live::Presence)]
}

fn question() -> impl Strategy<Value = Question> {
    let want =
        (key(), integer(), integer()).prop_map(|(key, from, to)| Want { author: key.author, log: key.log, from, to });
    let topic = prop_oneof![
        any::<[u8; 32]>().prop_map(|hash| Topic::Sync(SyncRequest::Compare(VectorHash(hash)))),
        prop::option::of(key()).prop_map(|after| Topic::Sync(SyncRequest::Vector { after })),
        prop::collection::vec(entry(), 0..5).prop_map(|entries| Topic::Sync(SyncRequest::Have(entries))),
        prop::collection::vec(want, 0..5).prop_map(|wants| Topic::Sync(SyncRequest::Range(wants))),
        key().prop_map(|key| Topic::Sync(SyncRequest::Evidence(key))),
        integer().prop_map(|ahead_ms| Topic::Sync(SyncRequest::Refused(Refusal::TooFarAhead { ahead_ms }))),
        prop::option::of(author()).prop_map(|after| Topic::Presence(PresenceRequest::List { after })),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(Topic::Sealed),
    ];
    (any::<[u8; 32]>(), topic).prop_map(|(channel, topic)| Question { channel: ChannelId(channel), topic })
}

fn answer() -> impl Strategy<Value = Answer> {
    let heard = (announcement(), integer()).prop_map(|(signed, age_ms)| Heard { signed, age_ms });
    prop_oneof![
        Just(Answer::Sync(SyncResponse::Same)),
        Just(Answer::Sync(SyncResponse::Noted)),
        Just(Answer::Sync(SyncResponse::Unavailable)),
        Just(Answer::Presence(PresenceResponse::Unavailable)),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(Answer::Sealed),
        (prop::collection::vec(entry(), 0..5), any::<bool>())
            .prop_map(|(entries, more)| Answer::Sync(SyncResponse::Vector { entries, more })),
        prop::collection::vec(run(), 0..3).prop_map(|runs| Answer::Sync(SyncResponse::Runs(runs))),
        prop::collection::vec(run(), 0..3).prop_map(|runs| Answer::Sync(SyncResponse::Evidence(runs))),
        (prop::collection::vec(heard, 0..4), any::<bool>())
            .prop_map(|(members, more)| Answer::Presence(PresenceResponse::Members { members, more })),
    ]
}

proptest! {
    #[test]
    fn events_come_back_and_have_one_spelling(value in event(), damage in damage()) {
        round_trip::<_, MAX_FRAME_BYTES>(&value, &damage)?;
    }

    #[test]
    fn gossip_comes_back_and_has_one_spelling(value in live(), damage in damage()) {
        round_trip::<_, MAX_FRAME_BYTES>(&value, &damage)?;
    }

    #[test]
    fn questions_come_back_and_have_one_spelling(value in question(), damage in damage()) {
        round_trip::<_, MAX_QUESTION_BYTES>(&value, &damage)?;
    }

    #[test]
    fn answers_come_back_and_have_one_spelling(value in answer(), damage in damage()) {
        round_trip::<_, MAX_ANSWER_BYTES>(&value, &damage)?;
    }

    #[test]
    fn random_bytes_are_refused_or_understood_in_one_way(mut bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Some(version) = bytes.first_mut() {
            *version = wire::VERSION;
        }
        one_spelling::<Live, MAX_FRAME_BYTES>(&bytes)?;
        one_spelling::<Question, MAX_QUESTION_BYTES>(&bytes)?;
        one_spelling::<Answer, MAX_ANSWER_BYTES>(&bytes)?;
        one_spelling::<Event, MAX_FRAME_BYTES>(&bytes)?;
    }
}

#[test]
fn an_overlong_integer_is_refused() {
    assert_eq!(wire::decode::<u64, 16>(&[wire::VERSION, 5]), Ok(5));
    assert_eq!(wire::decode::<u64, 16>(&[wire::VERSION, 0xfb, 5, 0]), Err(DecodeError::NotCanonical));
    let mut padded = vec![wire::VERSION, 0xfd, 5];
    padded.resize(10, 0);
    assert_eq!(wire::decode::<u64, 16>(&padded), Err(DecodeError::NotCanonical));
}

#[test]
fn every_byte_of_every_sample_matters() {
    fn check<T: Serialize + DeserializeOwned + PartialEq + Debug, const LIMIT: usize>(values: Vec<T>) {
        for value in values {
            let frame = wire::encode(&value);
            for place in 0..frame.len() {
                assert!(wire::decode::<T, LIMIT>(&frame[..place]).is_err(), "{place} bytes suffice for {value:?}");
                for flip in [1, 0x80, 0xff] {
                    let mut other = frame.clone();
                    other[place] ^= flip;
                    assert_ne!(wire::decode::<T, LIMIT>(&other).as_ref(), Ok(&value), "byte {place} of {value:?}");
                }
            }
            let longer = [&frame[..], &[0]].concat();
            assert_eq!(wire::decode::<T, LIMIT>(&longer).err(), Some(DecodeError::NotCanonical));
        }
    }
    check::<_, MAX_FRAME_BYTES>(samples::lives());
    check::<_, MAX_QUESTION_BYTES>(samples::questions());
    check::<_, MAX_ANSWER_BYTES>(samples::answers());
    check::<_, MAX_FRAME_BYTES>(vec![samples::chat()]);
    check::<_, { direct::message::MAX_QUESTION_BYTES }>(samples::direct::questions());
    check::<_, { direct::message::MAX_ANSWER_BYTES }>(samples::direct::answers());
    check::<_, { direct::letter::MAX_ENVELOPE_BYTES }>(vec![samples::direct::text(), samples::direct::receipt()]);
    check::<_, MAX_INVITE_BYTES>(vec![samples::direct::invite()]);
    check::<_, { share::MAX_QUESTION_BYTES }>(samples::transfer::questions());
    check::<_, { share::MAX_ANSWER_BYTES }>(samples::transfer::answers());
    check::<_, { share::MAX_LANE_FRAME_BYTES }>(samples::transfer::orders());
    check::<_, { share::MAX_LANE_FRAME_BYTES }>(samples::transfer::deliveries());
    check::<_, 1_024>(vec![samples::blob::part()]);
    check::<_, 1_024>(vec![samples::blob::blocks()]);
    check::<_, 1_024>(samples::blob::links().map(|link| link.content).into());
    check::<_, MAX_FRAME_BYTES>(samples::events().into_iter().map(|signed| signed.event).collect());
}

#[test]
fn a_frame_over_its_limit_and_one_of_another_version_are_told_apart() {
    let frame = wire::encode(&samples::questions()[0]);
    assert_eq!(wire::decode::<Question, 8>(&frame), Err(DecodeError::TooLong { len: frame.len(), limit: 8 }));
    let mut newer = frame;
    newer[0] = 2;
    assert_eq!(wire::decode::<Question, MAX_QUESTION_BYTES>(&newer), Err(DecodeError::Version(2)));
    assert_eq!(wire::decode::<Question, MAX_QUESTION_BYTES>(&[]), Err(DecodeError::Truncated));
}

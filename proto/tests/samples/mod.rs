//! One of every message, made of fixed keys and values.

pub mod blob;
pub mod direct;
pub mod transfer;

use proto::{
    Keypair,
    call::{Answer, Question, Topic},
    channel::LOBBY,
    channel::RoomName,
    chat::ChatMessage,
    event::{Body, Event, Run, SignedEvent},
    hlc::Timestamp,
    ids::{ChannelId, EventId, LogId, LogKey},
    live::Live,
    log::message::{Refusal, SyncRequest, SyncResponse, VectorEntry, VectorHash, Want},
    presence::{Announcement, Heard, Kind, PresenceRequest, PresenceResponse, Profile, SignedAnnouncement},
    signature::Signer,
};

pub fn signer(secret: u8) -> Signer {
    Signer::new(Keypair::ed25519_from_bytes([secret; 32]).unwrap()).unwrap()
}

pub fn lobby() -> ChannelId {
    LOBBY.parse::<RoomName>().unwrap().channel()
}

pub fn chat() -> ChatMessage {
    ChatMessage::new("Ada", "Hello, starlings! 🐦").unwrap()
}

/// Two events of one log, of which the second follows the first.
pub fn events() -> Vec<SignedEvent> {
    let first = Event {
        channel: lobby(),
        author: signer(1).author(),
        log: LogId(0x0123_4567_89ab_cdef),
        seq: 1,
        prev: EventId::NONE,
        hlc: Timestamp::from_ms(1_700_000_000_000),
        body: chat().to_body(),
    };
    let second = Event {
        seq: 2,
        prev: first.id(),
        hlc: Timestamp(first.hlc.0 + 1),
        body: Body { kind: 300, bytes: vec![0, 251, 252, 255] },
        ..first.clone()
    };
    [first, second].into_iter().map(|event| SignedEvent::create(&signer(1), event)).collect()
}

pub fn run() -> Run {
    Run::from_events(&events()).unwrap()
}

fn key() -> LogKey {
    LogKey { author: signer(1).author(), log: LogId(0x0123_4567_89ab_cdef) }
}

fn entry() -> VectorEntry {
    let LogKey { author, log } = key();
    VectorEntry { author, log, seq: 70_000, head: events()[1].id, frozen: true }
}

pub fn announcement(kind: Kind) -> SignedAnnouncement {
    let announcement = Announcement {
        channel: lobby(),
        author: signer(2).author(),
        sent_ms: 1_700_000_000_123,
        interval_ms: 10_000,
        kind,
        profile: Profile::new("Bob", "at the gate").unwrap(),
    };
    SignedAnnouncement::create(&signer(2), announcement)
}

pub fn lives() -> Vec<Live> {
    let kinds = [Kind::Hello, Kind::Heartbeat, Kind::Goodbye];
    let presence = kinds.into_iter().map(|kind| Live::Presence(announcement(kind)));
    [Live::Run(run())].into_iter().chain(presence).collect()
}

pub fn questions() -> Vec<Question> {
    let LogKey { author, log } = key();
    let topics = [
        Topic::Sync(SyncRequest::Compare(VectorHash([0xab; 32]))),
        Topic::Sync(SyncRequest::Vector { after: None }),
        Topic::Sync(SyncRequest::Vector { after: Some(key()) }),
        Topic::Sync(SyncRequest::Have(vec![entry()])),
        Topic::Sync(SyncRequest::Range(vec![Want { author, log, from: 3, to: 500 }])),
        Topic::Sync(SyncRequest::Evidence(key())),
        Topic::Sync(SyncRequest::Refused(Refusal::TooFarAhead { ahead_ms: 86_400_000 })),
        Topic::Presence(PresenceRequest::List { after: None }),
        Topic::Presence(PresenceRequest::List { after: Some(signer(2).author()) }),
    ];
    let open = topics.into_iter().map(|topic| Question { channel: lobby(), topic });
    let sealed = Question { channel: direct::epochs().1.channel(), topic: direct::sealed_topic().0 };
    open.chain([sealed]).collect()
}

pub fn answers() -> Vec<Answer> {
    let heard = Heard { signed: announcement(Kind::Heartbeat), age_ms: 1_500 };
    vec![
        Answer::Sync(SyncResponse::Same),
        Answer::Sync(SyncResponse::Vector { entries: vec![entry()], more: true }),
        Answer::Sync(SyncResponse::Noted),
        Answer::Sync(SyncResponse::Runs(vec![run()])),
        Answer::Sync(SyncResponse::Evidence(vec![run(), run()])),
        Answer::Sync(SyncResponse::Unavailable),
        Answer::Presence(PresenceResponse::Members { members: vec![heard], more: false }),
        Answer::Presence(PresenceResponse::Unavailable),
        direct::sealed_answer(),
        Answer::Sealed(Vec::new()),
    ]
}

//! Golden vectors: the bytes of every message, in `golden.txt`, so that other programs can check themselves against them and
//! nobody changes the wire by accident.
//!
//! Each line is `name hex`. A message that changes on purpose needs a new version, or a new variant at the end of its enum;
//! the lines are then written anew by `STARLING_WRITE_GOLDEN=1 cargo test -p starling-proto --test golden`.

#![expect(clippy::unwrap_used, reason = "test code: a panic is a failed test")]

mod samples;

use std::{collections::BTreeMap, fmt::Write as _, path::PathBuf};

use proto::{
    blob::{link::Wanted, merkle::EMPTY_ROOT},
    call::{Answer, Topic},
    direct::{
        message::{DirectAnswer, DirectQuestion, Refusal},
        safety::SafetyNumber,
    },
    live::{Live, message_id},
    log::message::{SyncRequest, SyncResponse},
    presence::{Kind, PresenceRequest, PresenceResponse},
    signature::Ed25519,
    transfer::message::{self as share, Order, Piece, Reply, ShareAnswer, ShareQuestion, Tree},
    wire,
};

// The names come from exhaustive matches: whoever adds a variant is led here by the compiler.

fn live_name(live: &Live) -> &'static str {
    match live {
        Live::Run(_) => "live.run",
        Live::Presence(signed) => match signed.announcement.kind {
            Kind::Hello => "live.presence.hello",
            Kind::Heartbeat => "live.presence.heartbeat",
            Kind::Goodbye => "live.presence.goodbye",
        },
    }
}

fn question_name(topic: &Topic) -> &'static str {
    match topic {
        Topic::Sync(SyncRequest::Compare(_)) => "question.sync.compare",
        Topic::Sync(SyncRequest::Vector { after: None }) => "question.sync.vector.first",
        Topic::Sync(SyncRequest::Vector { after: Some(_) }) => "question.sync.vector.next",
        Topic::Sync(SyncRequest::Have(_)) => "question.sync.have",
        Topic::Sync(SyncRequest::Range(_)) => "question.sync.range",
        Topic::Sync(SyncRequest::Evidence(_)) => "question.sync.evidence",
        Topic::Sync(SyncRequest::Refused(_)) => "question.sync.refused",
        Topic::Presence(PresenceRequest::List { after: None }) => "question.presence.list.first",
        Topic::Presence(PresenceRequest::List { after: Some(_) }) => "question.presence.list.next",
        Topic::Sealed(_) => "question.sealed",
    }
}

fn answer_name(answer: &Answer) -> &'static str {
    match answer {
        Answer::Sync(SyncResponse::Same) => "answer.sync.same",
        Answer::Sync(SyncResponse::Vector { .. }) => "answer.sync.vector",
        Answer::Sync(SyncResponse::Noted) => "answer.sync.noted",
        Answer::Sync(SyncResponse::Runs(_)) => "answer.sync.runs",
        Answer::Sync(SyncResponse::Evidence(_)) => "answer.sync.evidence",
        Answer::Sync(SyncResponse::Unavailable) => "answer.sync.unavailable",
        Answer::Presence(PresenceResponse::Members { .. }) => "answer.presence.members",
        Answer::Presence(PresenceResponse::Unavailable) => "answer.presence.unavailable",
        Answer::Sealed(frame) if frame.is_empty() => "answer.sealed.unavailable",
        Answer::Sealed(_) => "answer.sealed",
    }
}

fn direct_question_name(question: &DirectQuestion) -> &'static str {
    match question {
        DirectQuestion::Deliver(_) => "direct.question.deliver",
        DirectQuestion::Card(_) => "direct.question.card",
        DirectQuestion::Deposit(_) => "direct.question.deposit",
        DirectQuestion::Register(_) => "direct.question.register",
        DirectQuestion::Collect { after: None } => "direct.question.collect.first",
        DirectQuestion::Collect { after: Some(_) } => "direct.question.collect.next",
        DirectQuestion::Discard(_) => "direct.question.discard",
    }
}

fn direct_answer_name(answer: &DirectAnswer) -> &'static str {
    match answer {
        DirectAnswer::Delivered => "direct.answer.delivered",
        DirectAnswer::Card(None) => "direct.answer.card.none",
        DirectAnswer::Card(Some(_)) => "direct.answer.card",
        DirectAnswer::Deposited(_) => "direct.answer.deposited",
        DirectAnswer::Registered { .. } => "direct.answer.registered",
        DirectAnswer::Letters { .. } => "direct.answer.letters",
        DirectAnswer::Noted => "direct.answer.noted",
        DirectAnswer::Refused(Refusal::UnknownKey(_)) => "direct.answer.refused.unknown_key",
        DirectAnswer::Refused(Refusal::NotWanted) => "direct.answer.refused.not_wanted",
        DirectAnswer::Refused(Refusal::Full) => "direct.answer.refused.full",
        DirectAnswer::Refused(Refusal::Invalid) => "direct.answer.refused.invalid",
        DirectAnswer::Unavailable => "direct.answer.unavailable",
    }
}

fn share_question_name(question: &ShareQuestion) -> &'static str {
    match question {
        ShareQuestion::Meet { .. } => "share.question.meet",
        ShareQuestion::Layer { of: Tree::Manifest, .. } => "share.question.layer.manifest",
        ShareQuestion::Layer { of: Tree::File(_), .. } => "share.question.layer.file",
        ShareQuestion::Tell { .. } => "share.question.tell",
    }
}

fn share_answer_name(answer: &ShareAnswer) -> &'static str {
    match answer {
        ShareAnswer::Met(met) if met.content.is_none() => "share.answer.met.newcomer",
        ShareAnswer::Met(_) => "share.answer.met",
        ShareAnswer::Unknown => "share.answer.unknown",
        ShareAnswer::Layer(_) => "share.answer.layer",
        ShareAnswer::Lacks => "share.answer.lacks",
        ShareAnswer::Noted => "share.answer.noted",
        ShareAnswer::Unavailable => "share.answer.unavailable",
    }
}

fn order_name(order: &Order) -> &'static str {
    match order {
        Order::Ask { piece: Piece::Manifest(_), .. } => "lane.order.ask.manifest",
        Order::Ask { piece: Piece::Block(_), .. } => "lane.order.ask.block",
        Order::TakeBack { .. } => "lane.order.take_back",
        Order::Received { .. } => "lane.order.received",
    }
}

fn reply_name(reply: &Reply) -> &'static str {
    match reply {
        Reply::Bytes(_) => "lane.delivery.bytes",
        Reply::Refused(share::Refusal::Choked) => "lane.delivery.refused.choked",
        Reply::Refused(share::Refusal::Busy) => "lane.delivery.refused.busy",
        Reply::Refused(share::Refusal::Gone) => "lane.delivery.refused.gone",
        Reply::Refused(share::Refusal::Lacks) => "lane.delivery.refused.lacks",
    }
}

/// Every vector by name: messages, and what is derived from them by hashing and signing.
fn vectors() -> BTreeMap<&'static str, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut add = |name, bytes| assert!(all.insert(name, bytes).is_none(), "{name} twice");
    let events = samples::events();
    let announcement = samples::announcement(Kind::Hello);
    add("chat", wire::encode(&samples::chat()));
    add("event", wire::encode(&events[0].event));
    add("event.id", events[0].id.0.to_vec());
    add("event.signature", events[0].signature.unwrap().to_bytes().to_vec());
    add("announcement", wire::encode(&announcement.announcement));
    add("announcement.signature", announcement.signature.to_bytes().to_vec());
    add("author", samples::signer(1).author().0.to_vec());
    add("author.peer_id", samples::signer(1).author().peer_id().unwrap().to_bytes());
    add("channel.lobby", samples::lobby().0.to_vec());
    add("channel.lobby.topic", samples::lobby().topic().into_bytes());
    let run = samples::run();
    let topic = run.channel.topic();
    add("live.run.message_id", message_id(&topic, &wire::encode(&Live::Run(run))).to_vec());
    samples::lives().iter().for_each(|live| add(live_name(live), wire::encode(live)));
    samples::questions().iter().for_each(|question| add(question_name(&question.topic), wire::encode(question)));
    samples::answers().iter().for_each(|answer| add(answer_name(answer), wire::encode(answer)));
    add("letter.text", wire::encode(&samples::direct::text()));
    add("letter.text.id", samples::direct::text().letter.id().0.to_vec());
    add("letter.receipt", wire::encode(&samples::direct::receipt()));
    add("card", wire::encode(&samples::direct::card()));
    add("seal.open_key", samples::direct::open_key().to_bytes().to_vec());
    add("seal.seal_key", samples::direct::open_key().seal_key().0.to_vec());
    add("seal.seal_key.id", samples::direct::open_key().seal_key().id().0.to_vec());
    add("envelope", wire::encode(&samples::direct::envelope()));
    add("envelope.id", samples::direct::envelope().id().0.to_vec());
    let safety_number = SafetyNumber::between(&samples::signer(1).author(), &samples::signer(2).author());
    add("safety_number", safety_number.digits().into_bytes());
    add("invite.link", samples::direct::invite().link().into_bytes());
    let (first, second) = samples::direct::epochs();
    add("invite.room", first.room().0.to_vec());
    add("invite.channel", second.channel().0.to_vec());
    add("live.sealed", sealed_live());
    add("blob.root.empty", EMPTY_ROOT.0.to_vec());
    add("blob.root.of_layer", samples::blob::layer().root().0.to_vec());
    add("blob.layer.range", wire::encode(&samples::blob::range()));
    add("blob.layer.part", wire::encode(&samples::blob::part()));
    add("blob.blocks", wire::encode(&samples::blob::blocks()));
    add("blob.manifest", samples::blob::manifest().encode());
    add("blob.manifest.id", samples::blob::manifest().content().id().0.to_vec());
    let [file, folder] = samples::blob::links();
    add("blob.link.file", file.to_string().into_bytes());
    add("blob.link.folder", folder.to_string().into_bytes());
    add("blob.link.short", file.short().into_bytes());
    add("blob.content.file", wire::encode(&file.content));
    add("blob.content.folder", wire::encode(&folder.content));
    let (questions, answers) = (samples::direct::questions(), samples::direct::answers());
    questions.iter().for_each(|question| add(direct_question_name(question), wire::encode(question)));
    answers.iter().for_each(|answer| add(direct_answer_name(answer), wire::encode(answer)));
    let (questions, answers) = (samples::transfer::questions(), samples::transfer::answers());
    questions.iter().for_each(|question| add(share_question_name(question), wire::encode(question)));
    answers.iter().for_each(|answer| add(share_answer_name(answer), wire::encode(answer)));
    samples::transfer::orders().iter().for_each(|order| add(order_name(order), wire::encode(order)));
    let deliveries = samples::transfer::deliveries();
    deliveries.iter().for_each(|delivery| add(reply_name(&delivery.reply), wire::encode(delivery)));
    all
}

/// A gossip message of a private room's second epoch.
fn sealed_live() -> Vec<u8> {
    let live = Live::Presence(samples::announcement(Kind::Hello));
    samples::direct::epochs().1.seal_live(&live, &mut samples::direct::rng())
}

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden.txt")
}

#[test]
fn every_message_has_the_bytes_it_always_had() {
    let vectors = vectors();
    if std::env::var_os("STARLING_WRITE_GOLDEN").is_some() {
        let mut text = String::new();
        vectors.iter().for_each(|(name, bytes)| writeln!(text, "{name} {}", hex::encode(bytes)).unwrap());
        std::fs::write(file(), text).unwrap();
    }
    let text = std::fs::read_to_string(file()).unwrap();
    let golden: BTreeMap<&str, &str> = text.lines().map(|line| line.split_once(' ').expect("`name hex`")).collect();
    for (name, bytes) in &vectors {
        assert_eq!(golden.get(name).copied(), Some(hex::encode(bytes).as_str()), "the line '{name}' differs");
    }
    let unknown: Vec<_> = golden.keys().filter(|name| !vectors.contains_key(*name)).collect();
    assert!(unknown.is_empty(), "lines that nothing makes: {unknown:?}");
}

#[test]
fn the_vectors_are_genuine() {
    assert_eq!(samples::run().verify(&Ed25519).map(|events| events.len()), Ok(2));
    for kind in [Kind::Hello, Kind::Heartbeat, Kind::Goodbye] {
        assert_eq!(samples::announcement(kind).verify(&Ed25519), Ok(()));
    }
    let (key, recipient) = (samples::direct::open_key(), samples::signer(2).author());
    let opened = samples::direct::envelope().open(recipient, [(key.seal_key().id(), &key)], &Ed25519);
    assert_eq!(opened, Ok(samples::direct::text().letter));
    assert!(samples::direct::card().verify(&Ed25519).is_ok());
    assert!(samples::direct::invite().signed.is_genuine(&Ed25519));
    assert!(samples::direct::epochs().1.open_live(&sealed_live()).is_ok());
    let (layer, range) = (samples::blob::layer(), samples::blob::range());
    assert_eq!(samples::blob::part().verify(range, &layer.root(), layer.blob_len()), Ok(()));
    assert!(samples::transfer::questions().iter().all(ShareQuestion::is_bounded));
    for link in samples::blob::links() {
        assert_eq!(link.to_string().parse(), Ok(Wanted::Link(link)));
    }
}

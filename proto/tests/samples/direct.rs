//! One of every message about letters, and an invitation.

use proto::{
    call::{Answer, Topic},
    direct::{
        card::{Card, Mailbox, SignedCard},
        letter::{Attachment, Content, Envelope, Letter, Receipt, SignedLetter, StreamId, Text},
        message::{DirectAnswer, DirectQuestion, Refusal},
    },
    hlc::Timestamp,
    log::message::SyncResponse,
    presence::PresenceRequest,
    private::{Epoch, Invite, QuestionName, RoomSecret, SignedEpoch},
    seal::OpenKey,
};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

use super::signer;

pub fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(7)
}

/// The recipient's secret key.
pub fn open_key() -> OpenKey {
    OpenKey::from_bytes([0x42; 32])
}

fn letter(content: Content) -> SignedLetter {
    let (from, to) = (signer(1).author(), signer(2).author());
    Letter { from, to, at: Timestamp::from_ms(1_700_000_000_000), content }.sign(&signer(1))
}

pub fn text() -> SignedLetter {
    let attachment = Attachment { root: [0xcd; 32], size: 70_000, name: "gate.jpg".into() };
    let text = "Meet me at nine".into();
    letter(Content::Text(Text {
        stream: StreamId(0x0123_4567_89ab_cdef),
        seq: 300,
        text,
        attachments: vec![attachment],
    }))
}

pub fn receipt() -> SignedLetter {
    let stream = StreamId(0x0123_4567_89ab_cdef);
    letter(Content::Receipt(Receipt { stream, delivered_through: 251, delivered: vec![(253, 300)], read_through: 9 }))
}

pub fn envelope() -> Envelope {
    text().seal(&open_key().seal_key(), &mut rng()).unwrap()
}

pub fn card() -> SignedCard {
    let addresses = vec!["/ip4/192.0.2.7/udp/4001/quic-v1".into()];
    let mailbox = Mailbox { peer: signer(3).author().peer_id().unwrap().to_bytes(), addresses };
    let key = open_key().seal_key();
    let card = Card { owner: signer(2).author(), issued_ms: 1_700_000_000_000, key, mailboxes: vec![mailbox] };
    card.sign(&signer(2))
}

pub fn invite() -> Invite {
    let addresses = vec!["/ip4/192.0.2.7/udp/4001/quic-v1".into()];
    let signed = SignedEpoch::create(&signer(1), epochs().1);
    Invite { name: "garden".parse().unwrap(), signed, addresses }
}

/// The first two epochs of a room.
pub fn epochs() -> (Epoch, Epoch) {
    let mut rng = rng();
    let first = Epoch::first(signer(1).author(), RoomSecret::generate(&mut rng));
    let second = first.next(RoomSecret::generate(&mut rng)).unwrap();
    (first, second)
}

/// A question of one member to another.
pub fn sealed_topic() -> (Topic, QuestionName) {
    let [from, to] = [1, 2].map(|member| signer(member).author().peer_id().unwrap());
    epochs().1.seal_topic(&from, &to, &Topic::Presence(PresenceRequest::List { after: None }), &mut rng())
}

/// An answer to it.
pub fn sealed_answer() -> Answer {
    epochs().1.seal_answer(&sealed_topic().1, &Answer::Sync(SyncResponse::Noted), &mut rng())
}

pub fn questions() -> Vec<DirectQuestion> {
    vec![
        DirectQuestion::Deliver(envelope()),
        DirectQuestion::Card(signer(2).author()),
        DirectQuestion::Deposit(vec![envelope()]),
        DirectQuestion::Register(card()),
        DirectQuestion::Collect { after: None },
        DirectQuestion::Collect { after: Some(envelope().id()) },
        DirectQuestion::Discard(vec![envelope().id()]),
    ]
}

pub fn answers() -> Vec<DirectAnswer> {
    vec![
        DirectAnswer::Delivered,
        DirectAnswer::Card(None),
        DirectAnswer::Card(Some(card())),
        DirectAnswer::Deposited(300),
        DirectAnswer::Registered { for_ms: 1_209_600_000 },
        DirectAnswer::Letters { envelopes: vec![envelope()], more: true },
        DirectAnswer::Noted,
        DirectAnswer::Refused(Refusal::UnknownKey(card())),
        DirectAnswer::Refused(Refusal::NotWanted),
        DirectAnswer::Refused(Refusal::Full),
        DirectAnswer::Refused(Refusal::Invalid),
        DirectAnswer::Unavailable,
    ]
}

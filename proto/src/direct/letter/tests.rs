use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

use super::*;
use crate::{
    signature::Ed25519,
    testing::{author, signer},
};

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(1)
}

fn key(seed: u64) -> OpenKey {
    OpenKey::generate(&mut ChaCha20Rng::seed_from_u64(seed))
}

fn text(text: &str) -> Content {
    Content::Text(Text { stream: StreamId(1), seq: 1, text: text.into(), attachments: Vec::new() })
}

/// From the first signer to the second.
fn letter(content: Content) -> Letter {
    Letter { from: author(1), to: author(2), at: Timestamp::from_ms(1_000), content }
}

fn open(envelope: &Envelope, recipient: u8, key: &OpenKey) -> Result<Letter, Refused> {
    envelope.open(author(recipient), [(key.seal_key().id(), key)], &Ed25519)
}

#[test]
fn a_letter_is_read_by_its_recipient_and_by_nobody_else() {
    let (mine, other) = (key(2), key(3));
    let written = letter(text("meet me at nine"));
    let envelope = written.clone().sign(&signer(1)).seal(&mine.seal_key(), &mut rng()).unwrap();
    assert_eq!(open(&envelope, 2, &mine), Ok(written));
    assert_eq!(open(&envelope, 3, &mine), Err(Refused::NotForUs));
    assert_eq!(open(&envelope, 2, &other), Err(Refused::UnknownKey));
    let renamed = Envelope { to: author(3), ..envelope.clone() };
    assert_eq!(open(&renamed, 3, &mine), Err(Refused::CannotOpen(CannotOpen)));
    let misnamed = envelope.open(author(2), [(envelope.key, &other)], &Ed25519);
    assert_eq!(misnamed, Err(Refused::CannotOpen(CannotOpen)));
}

#[test]
fn nothing_of_the_author_or_the_text_stands_outside() {
    let envelope = letter(text("meet me at nine")).sign(&signer(1)).seal(&key(2).seal_key(), &mut rng()).unwrap();
    let bytes = wire::encode(&envelope);
    let has = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    assert!(!has(b"meet me") && !has(&author(1).0[..8]));
    assert!(has(&author(2).0));
}

#[test]
fn a_letter_that_its_author_did_not_sign_or_wrote_to_somebody_else_is_refused() {
    let mine = key(2);
    let forged = letter(text("hello")).sign(&signer(3)).seal(&mine.seal_key(), &mut rng()).unwrap();
    assert_eq!(open(&forged, 2, &mine), Err(Refused::Forged));
    // The recipient of a letter passes it on to a third, in the author's name.
    let to_another = Letter { to: author(3), ..letter(text("hello")) }.sign(&signer(1));
    let id = mine.seal_key().id();
    let to = author(2);
    let plain = padded(&wire::encode(&to_another));
    let sealed = mine.seal_key().seal(SEAL_INFO, &bound(to, id), &plain, &mut rng()).unwrap();
    assert_eq!(open(&Envelope { to, key: id, sealed }, 2, &mine), Err(Refused::Forged));
}

#[test]
fn what_may_not_be_written_is_refused_however_well_it_is_signed() {
    let mine = key(2);
    let long = |first, last| Receipt { stream: StreamId(1), delivered: vec![(first, last)], ..Receipt::default() };
    let not_allowed = [
        text("   "),
        Content::Text(Text { stream: StreamId(1), seq: 0, text: "x".into(), attachments: Vec::new() }),
        Content::Receipt(long(5, 4)),
        Content::Receipt(Receipt { read_through: 7, ..long(2, 3) }),
        Content::Receipt(Receipt { delivered_through: 2, ..long(2, 3) }),
    ];
    for content in not_allowed {
        let envelope = letter(content.clone()).sign(&signer(1)).seal(&mine.seal_key(), &mut rng()).unwrap();
        assert_eq!(open(&envelope, 2, &mine), Err(Refused::NotAllowed), "{content:?}");
    }
}

#[test]
fn letters_of_different_lengths_look_the_same_from_outside() {
    let size = |count: usize| {
        let envelope = letter(text(&"x".repeat(count))).sign(&signer(1)).seal(&key(2).seal_key(), &mut rng()).unwrap();
        envelope.sealed.ciphertext.len() - TAG_BYTES
    };
    assert_eq!([1, 100, 250].map(size), [512; 3]);
    assert_eq!([1_000, 5_000, MAX_TEXT_BYTES].map(size), [2_048, 8_192, 32_768]);
}

#[test]
fn the_largest_letter_fits() {
    let attachment = Attachment { root: [1; 32], size: u64::MAX, name: "n".repeat(MAX_FILE_NAME_BYTES) };
    let largest = Text {
        stream: StreamId(u64::MAX),
        seq: u64::MAX,
        text: "x".repeat(MAX_TEXT_BYTES),
        attachments: vec![attachment; MAX_ATTACHMENTS],
    };
    let mine = key(2);
    let envelope = letter(Content::Text(largest)).sign(&signer(1)).seal(&mine.seal_key(), &mut rng()).unwrap();
    assert!(wire::encode(&envelope).len() <= MAX_ENVELOPE_BYTES);
    assert!(open(&envelope, 2, &mine).is_ok());
    let receipt = Receipt {
        stream: StreamId(u64::MAX),
        delivered_through: 1 << 60,
        delivered: (0..MAX_STRETCHES as u64).map(|n| ((1 << 61) + 4 * n, (1 << 61) + 4 * n + 1)).collect(),
        read_through: 1 << 60,
    };
    let envelope = letter(Content::Receipt(receipt)).sign(&signer(1)).seal(&mine.seal_key(), &mut rng()).unwrap();
    assert!(open(&envelope, 2, &mine).is_ok());
}

#[test]
fn padding_that_is_not_zeros_or_has_no_bucket_is_refused() {
    let mine = key(2);
    let (to, id) = (author(2), mine.seal_key().id());
    let plain = padded(&wire::encode(&letter(text("hello")).sign(&signer(1))));
    let mut marked = plain.clone();
    *marked.last_mut().unwrap() = 1;
    for wrong in [marked, plain[..400].to_vec(), vec![], vec![255; 512]] {
        let sealed = mine.seal_key().seal(SEAL_INFO, &bound(to, id), &wrong, &mut rng()).unwrap();
        assert_eq!(open(&Envelope { to, key: id, sealed }, 2, &mine), Err(Refused::NotAllowed));
    }
}

proptest! {
    #[test]
    fn whatever_is_sealed_opening_it_never_panics(plain in prop::collection::vec(any::<u8>(), 0..600), pad: bool) {
        let mine = key(2);
        let (to, id) = (author(2), mine.seal_key().id());
        let plain = if pad { padded(&plain) } else { plain };
        let sealed = mine.seal_key().seal(SEAL_INFO, &bound(to, id), &plain, &mut rng()).unwrap();
        let opened = open(&Envelope { to, key: id, sealed }, 2, &mine);
        prop_assert!(opened.is_err());
    }

    #[test]
    fn a_receipt_says_of_each_letter_what_its_stretches_say(through in 0u64..20, gaps in prop::collection::vec((1u64..4, 0u64..4), 0..8)) {
        let mut end = through;
        let mut delivered = Vec::new();
        for (gap, length) in gaps {
            delivered.push((end + gap + 1, end + gap + 1 + length));
            end += gap + 1 + length;
        }
        let receipt = Receipt { stream: StreamId(1), delivered_through: through, delivered: delivered.clone(), read_through: 0 };
        prop_assert!(receipt.is_valid());
        for seq in 1..=end + 2 {
            let wanted = seq <= through || delivered.iter().any(|(first, last)| (first..=last).contains(&&seq));
            prop_assert_eq!(receipt.has_delivered(seq), wanted);
        }
    }
}

//! Letters, and the envelopes in which they travel.
//!
//! A letter is signed by its author, encoded, padded with zeros to the next of [`BUCKETS_BYTES`], so that its size tells little, and
//! sealed for its recipient. Outside stands only for whom it is, and for which of the recipient's keys. Both are bound to the sealed
//! text: an envelope with another name on it does not open. Inside, the author names the recipient again and signs that, so that
//! nobody who received a letter can pass it on in the author's name.
//!
//! Each text has a place: its author's stream, a random number made once for each store, and its number in it, from 1. A store that was put
//! back from a backup goes on with that number, and with the numbers where the backup stood: what it writes under numbers that a recipient
//! has is taken for copies. Whoever makes backups leaves the store out of them, and keeps the identity. By its place the recipient knows it again, however often and by whichever way it
//! comes, and shows it in the author's order. A receipt has none: of two about the same stream, the one that says more counts.

use rand::CryptoRng;
use serde::{Deserialize, Serialize};

use crate::{
    hlc::Timestamp,
    ids::{Author, tagged_hash},
    seal::{CannotOpen, InvalidKey, KeyId, OpenKey, SealKey, Sealed, TAG_BYTES},
    signature::{Signature, Signer, Verifier, verify},
    wire::{self, DecodeError},
};

/// Bytes to which letters are padded: the smallest into which a letter fits.
pub const BUCKETS_BYTES: [usize; 4] = [512, 2 * 1024, 8 * 1024, 32 * 1024];

/// Bytes: the largest padded letter.
const MAX_PADDED_BYTES: usize = BUCKETS_BYTES[BUCKETS_BYTES.len() - 1];

/// Bytes of the length before a padded letter.
const LENGTH_BYTES: usize = 4;

/// Bytes of a letter besides its text and attachments, at most: two keys, a signature, places, times, lengths.
const OVERHEAD_BYTES: usize = 256;

/// Bytes of text in one letter.
pub const MAX_TEXT_BYTES: usize = 24 * 1024;

/// Files that one letter can name.
pub const MAX_ATTACHMENTS: usize = 16;

/// Bytes of a file's name.
pub const MAX_FILE_NAME_BYTES: usize = 255;

/// Stretches of a stream that a receipt names beside its beginning: what is delivered out of order.
pub const MAX_STRETCHES: usize = 64;

/// Bytes: the largest encoded envelope.
pub const MAX_ENVELOPE_BYTES: usize = MAX_PADDED_BYTES + TAG_BYTES + 128;

const _: () = assert!(
    MAX_TEXT_BYTES + MAX_ATTACHMENTS * (MAX_FILE_NAME_BYTES + 48) + OVERHEAD_BYTES + LENGTH_BYTES <= MAX_PADDED_BYTES
);
const _: () = assert!(MAX_STRETCHES * 18 + OVERHEAD_BYTES + LENGTH_BYTES <= BUCKETS_BYTES[1]);

const SIGNATURE_TAG: &str = "starling/letter/1";
const SEAL_INFO: &[u8] = b"starling/letter/1";

/// Names a letter: a hash over all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LetterId(
    /// The raw 32 bytes.
    pub [u8; 32],
);

/// Names an envelope: a hash over all of it. One letter sealed twice makes two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EnvelopeId(
    /// The raw 32 bytes.
    pub [u8; 32],
);

/// One author's letters to one recipient, written from one store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct StreamId(
    /// A random number, made once for each store.
    pub u64,
);

/// A letter, without its signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// Who writes.
    pub from: Author,
    /// To whom.
    pub to: Author,
    /// When, by the author's hybrid clock; later with each letter of a stream.
    pub at: Timestamp,
    /// What.
    pub content: Content,
}

/// What a letter says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// Something to read.
    Text(Text),
    /// What became of the recipient's own letters.
    Receipt(Receipt),
}

/// Something to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// The stream it is in.
    pub stream: StreamId,
    /// Its number there, from 1.
    pub seq: u64,
    /// The text.
    pub text: String,
    /// Files that come with it.
    pub attachments: Vec<Attachment>,
}

/// A file that comes with a letter, by the root of its Merkle tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// The root.
    pub root: [u8; 32],
    /// Bytes of the file.
    pub size: u64,
    /// Its name.
    pub name: String,
}

/// What became of the letters of one stream.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Receipt {
    /// The stream, of whoever gets the receipt.
    pub stream: StreamId,
    /// All letters up to this number are delivered: durable with their recipient.
    pub delivered_through: u64,
    /// Further stretches that are delivered, first and last number, in order.
    pub delivered: Vec<(u64, u64)>,
    /// All letters up to this number were read. 0 if none was, or the reader does not tell.
    pub read_through: u64,
}

/// A letter with its author's signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedLetter {
    /// The letter.
    pub letter: Letter,
    /// Over its encoding.
    pub signature: Signature,
}

/// A sealed letter, and for whom it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// The recipient.
    pub to: Author,
    /// For which of the recipient's keys it is sealed.
    pub key: KeyId,
    /// The letter.
    pub sealed: Sealed,
}

/// A letter that cannot be written. The user's to mend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLetter {
    /// No text but white space, and no attachment.
    #[error("the message is empty")]
    Empty,
    /// More than [`MAX_TEXT_BYTES`].
    #[error("the message has {0} bytes; at most {MAX_TEXT_BYTES} fit in one")]
    TooLong(usize),
    /// More than [`MAX_ATTACHMENTS`], or names longer than [`MAX_FILE_NAME_BYTES`].
    #[error("a message has at most {MAX_ATTACHMENTS} files, with names of up to {MAX_FILE_NAME_BYTES} bytes")]
    Attachments,
}

/// Why an envelope is not taken. Never worth a retry with the same envelope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is for somebody else. The fault of whoever hands it over.
    #[error("it is for somebody else")]
    NotForUs,
    /// It is sealed for a key that the recipient does not have any more, or never had. The sender should ask for the card.
    #[error("it is sealed for an unknown key")]
    UnknownKey,
    /// It does not open. The fault of whoever made it or changed it.
    #[error(transparent)]
    CannotOpen(#[from] CannotOpen),
    /// What is inside is no letter. The author's fault.
    #[error("what is inside is no letter: {0}")]
    Malformed(#[from] DecodeError),
    /// What is inside breaks a rule of letters. The author's fault.
    #[error("what is inside is not a letter that may be written")]
    NotAllowed,
    /// The signature is not the author's, or the letter was written to somebody else.
    #[error("the letter is not signed by its author for this recipient")]
    Forged,
}

impl Text {
    /// Whether it may be written.
    ///
    /// # Errors
    /// [`InvalidLetter`].
    pub fn check(&self) -> Result<(), InvalidLetter> {
        let attachments_fit = self.attachments.iter().all(|attachment| attachment.name.len() <= MAX_FILE_NAME_BYTES);
        if self.text.trim().is_empty() && self.attachments.is_empty() {
            Err(InvalidLetter::Empty)
        } else if self.text.len() > MAX_TEXT_BYTES {
            Err(InvalidLetter::TooLong(self.text.len()))
        } else if self.attachments.len() > MAX_ATTACHMENTS || !attachments_fit {
            Err(InvalidLetter::Attachments)
        } else {
            Ok(())
        }
    }
}

impl Receipt {
    /// Whether it keeps to the bounds and its stretches are in order.
    pub fn is_valid(&self) -> bool {
        let mut end = self.delivered_through;
        let in_order = self.delivered.iter().all(|(first, last)| {
            let fits = *first > end && last >= first;
            end = *last;
            fits
        });
        in_order && self.delivered.len() <= MAX_STRETCHES && self.read_through <= end
    }

    /// Whether it says that the letter with this number is delivered.
    pub fn has_delivered(&self, seq: u64) -> bool {
        seq <= self.delivered_through || self.delivered.iter().any(|(first, last)| (*first..=*last).contains(&seq))
    }
}

impl Letter {
    /// Its name.
    pub fn id(&self) -> LetterId {
        LetterId(tagged_hash("starling/letter/1", &[&wire::encode(self)]))
    }

    /// Signs it. `signer` must be its author's.
    pub fn sign(self, signer: &Signer) -> SignedLetter {
        let signature = signer.sign(SIGNATURE_TAG, &wire::encode(&self));
        SignedLetter { letter: self, signature }
    }

    fn is_allowed(&self) -> bool {
        match &self.content {
            Content::Text(text) => text.seq > 0 && text.check().is_ok(),
            Content::Receipt(receipt) => receipt.is_valid(),
        }
    }
}

impl SignedLetter {
    /// Seals it for one of its recipient's keys.
    ///
    /// # Errors
    /// [`InvalidKey`].
    pub fn seal(&self, key: &SealKey, rng: &mut impl CryptoRng) -> Result<Envelope, InvalidKey> {
        let (to, id) = (self.letter.to, key.id());
        let sealed = key.seal(SEAL_INFO, &bound(to, id), &padded(&wire::encode(self)), rng)?;
        Ok(Envelope { to, key: id, sealed })
    }
}

impl Envelope {
    /// Its name.
    pub fn id(&self) -> EnvelopeId {
        EnvelopeId(tagged_hash("starling/envelope/1", &[&wire::encode(self)]))
    }

    /// Opens it: for `recipient`, with the key of that name among `keys`.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn open<'a>(
        &self,
        recipient: Author,
        keys: impl IntoIterator<Item = (KeyId, &'a OpenKey)>,
        verifier: &dyn Verifier,
    ) -> Result<Letter, Refused> {
        if self.to != recipient {
            return Err(Refused::NotForUs);
        }
        let key = keys.into_iter().find(|(id, _)| *id == self.key).ok_or(Refused::UnknownKey)?.1;
        let padded = key.open(SEAL_INFO, &bound(self.to, self.key), &self.sealed)?;
        let signed: SignedLetter = wire::decode::<_, MAX_PADDED_BYTES>(unpadded(&padded).ok_or(Refused::NotAllowed)?)?;
        let letter = signed.letter;
        let encoded = wire::encode(&letter);
        if letter.to != recipient || !verify(verifier, &letter.from, SIGNATURE_TAG, &encoded, &signed.signature) {
            return Err(Refused::Forged);
        }
        if letter.is_allowed() { Ok(letter) } else { Err(Refused::NotAllowed) }
    }
}

/// What stands outside and is bound to what is inside.
fn bound(to: Author, key: KeyId) -> Vec<u8> {
    wire::encode(&(to, key))
}

/// The length of a letter, the letter, and zeros up to the end of its bucket.
fn padded(letter: &[u8]) -> Vec<u8> {
    let needed = LENGTH_BYTES + letter.len();
    let bucket = BUCKETS_BYTES.into_iter().find(|bucket| *bucket >= needed).unwrap_or(needed);
    let mut padded = Vec::with_capacity(bucket);
    padded.extend((letter.len() as u32).to_le_bytes());
    padded.extend(letter);
    padded.resize(bucket, 0);
    padded
}

/// The letter in a padded one. What follows it must be zeros, as far as its bucket goes.
fn unpadded(padded: &[u8]) -> Option<&[u8]> {
    let (length, rest) = padded.split_at_checked(LENGTH_BYTES)?;
    let length = u32::from_le_bytes(length.try_into().ok()?) as usize;
    let (letter, zeros) = rest.split_at_checked(length)?;
    (BUCKETS_BYTES.contains(&padded.len()) && zeros.iter().all(|byte| *byte == 0)).then_some(letter)
}

#[cfg(test)]
mod tests;

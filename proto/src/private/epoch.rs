//! An epoch of a private room: its secret, its channel, and the sealing of frames.

use std::fmt;

use aes_gcm::{
    Aes256Gcm, KeyInit,
    aead::{Aead, Payload},
};
use libp2p_identity::PeerId;
use rand::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    ids::{Author, ChannelId, tagged_hash},
    seal::TAG_BYTES,
    signature::{Signature, Signer, Verifier, verify},
    wire,
};

/// Bytes before the ciphertext of a frame that make its key.
const SALT_BYTES: usize = 16;

/// Bytes of AES-GCM's nonce.
const NONCE_BYTES: usize = 12;

/// Bytes that sealing adds to a frame.
pub const FRAME_OVERHEAD_BYTES: usize = SALT_BYTES + NONCE_BYTES + TAG_BYTES;

const SIGNATURE_TAG: &str = "starling/room-epoch/1";

/// What the members of a private room share. Never shown but in an invitation.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomSecret(Zeroizing<[u8; 32]>);

impl RoomSecret {
    /// A new secret.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut secret = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *secret);
        Self(secret)
    }
}

impl fmt::Debug for RoomSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RoomSecret(hidden)")
    }
}

/// What a frame is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use<'a> {
    /// A gossip message.
    Gossip,
    /// A question to a member.
    Question {
        /// Who asks.
        from: &'a PeerId,
        /// Who is asked.
        to: &'a PeerId,
    },
    /// The answer to one.
    Answer {
        /// The sealed question.
        question: &'a [u8; 32],
    },
}

/// One epoch of a private room: where its members meet, and with what they seal.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Terms", into = "Terms")]
pub struct Epoch {
    terms: Terms,
    /// Derived from all of them.
    channel: ChannelId,
}

/// What makes an epoch.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Terms {
    room: ChannelId,
    owner: Author,
    number: u32,
    secret: RoomSecret,
}

/// A first epoch that is said to be of another room than its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the room's name is not that of its first epoch")]
pub struct NotItsRoom;

/// Sealed by somebody who does not have the secret of this epoch, or for another use, or changed since. The fault of whoever sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not sealed by a member of the room")]
pub struct NotOfThisRoom;

impl Terms {
    /// The number of bytes of each part is fixed. The first epoch cannot name the room, since it gives the room its name.
    fn channel(&self) -> ChannelId {
        let room = if self.number == 0 { [0; 32] } else { self.room.0 };
        let parts: [&[u8]; 4] = [&*self.secret.0, &self.owner.0, &self.number.to_be_bytes(), &room];
        ChannelId(tagged_hash("starling/channel/private/1", &parts))
    }
}

impl TryFrom<Terms> for Epoch {
    type Error = NotItsRoom;
    fn try_from(terms: Terms) -> Result<Self, NotItsRoom> {
        let channel = terms.channel();
        if terms.number == 0 && terms.room != channel { Err(NotItsRoom) } else { Ok(Self { terms, channel }) }
    }
}

impl From<Epoch> for Terms {
    fn from(epoch: Epoch) -> Terms {
        epoch.terms
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Epoch({} of {:?}, hidden)", self.terms.number, self.terms.room)
    }
}

impl Epoch {
    /// The first epoch of a new room.
    pub fn first(owner: Author, secret: RoomSecret) -> Self {
        let mut terms = Terms { room: ChannelId([0; 32]), owner, number: 0, secret };
        let channel = terms.channel();
        terms.room = channel;
        Self { terms, channel }
    }

    /// The one after this, with another secret; `None` after the last number.
    pub fn next(&self, secret: RoomSecret) -> Option<Self> {
        let number = self.terms.number.checked_add(1)?;
        let terms = Terms { number, secret, ..self.terms.clone() };
        Some(Self { channel: terms.channel(), terms })
    }

    /// A later epoch that somebody only says is one of this room.
    #[cfg(test)]
    pub(crate) fn claim(room: ChannelId, owner: Author, number: u32, secret: RoomSecret) -> Self {
        let terms = Terms { room, owner, number, secret };
        Self { channel: terms.channel(), terms }
    }

    /// The room: the channel of its first epoch.
    pub fn room(&self) -> ChannelId {
        self.terms.room
    }

    /// Who makes the room's epochs.
    pub fn owner(&self) -> Author {
        self.terms.owner
    }

    /// Its number, from 0.
    pub fn number(&self) -> u32 {
        self.terms.number
    }

    /// The channel in which its members meet. Whoever has another secret, owner, number or room in mind meets elsewhere.
    pub fn channel(&self) -> ChannelId {
        self.channel
    }

    /// Seals a frame.
    pub fn seal(&self, used_for: Use<'_>, plaintext: &[u8], rng: &mut impl CryptoRng) -> Vec<u8> {
        let mut frame = vec![0; SALT_BYTES + NONCE_BYTES];
        rng.fill_bytes(&mut frame);
        let (salt, nonce) = frame.split_at(SALT_BYTES);
        let bound = self.bound(used_for);
        #[expect(clippy::expect_used, reason = "AES-GCM takes any text of less than 64 GiB")]
        let ciphertext = self
            .cipher(salt)
            .encrypt(&nonce_of(nonce), Payload { msg: plaintext, aad: &bound })
            .expect("frames are short");
        frame.extend(ciphertext);
        frame
    }

    /// Opens a frame.
    ///
    /// # Errors
    /// [`NotOfThisRoom`].
    pub fn open(&self, used_for: Use<'_>, frame: &[u8]) -> Result<Vec<u8>, NotOfThisRoom> {
        let (salt, rest) = frame.split_at_checked(SALT_BYTES).ok_or(NotOfThisRoom)?;
        let (nonce, ciphertext) = rest.split_at_checked(NONCE_BYTES).ok_or(NotOfThisRoom)?;
        let bound = self.bound(used_for);
        self.cipher(salt).decrypt(&nonce_of(nonce), Payload { msg: ciphertext, aad: &bound }).map_err(|_| NotOfThisRoom)
    }

    fn cipher(&self, salt: &[u8]) -> Aes256Gcm {
        let key = Zeroizing::new(tagged_hash("starling/private-frame/1", &[&*self.terms.secret.0, salt]));
        Aes256Gcm::new(&(*key).into())
    }

    fn bound(&self, used_for: Use<'_>) -> Vec<u8> {
        let (code, context) = match used_for {
            Use::Gossip => (0u8, Vec::new()),
            Use::Question { from, to } => (1, vec![from.to_bytes(), to.to_bytes()]),
            Use::Answer { question } => (2, vec![question.to_vec()]),
        };
        wire::encode(&(self.channel, self.terms.number, code, context))
    }
}

/// `nonce` has [`NONCE_BYTES`].
fn nonce_of(nonce: &[u8]) -> aes_gcm::Nonce<aes_gcm::aead::consts::U12> {
    let mut bytes = [0; NONCE_BYTES];
    bytes.copy_from_slice(nonce);
    bytes.into()
}

/// An epoch and its owner's signature: without it any member could send the others to a channel of its own.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedEpoch {
    epoch: Epoch,
    signature: Signature,
}

impl SignedEpoch {
    /// Signs an epoch. Its owner must be the signer, or nobody will believe it.
    pub fn create(signer: &Signer, epoch: Epoch) -> Self {
        let signature = signer.sign(SIGNATURE_TAG, &signed_bytes(&epoch));
        Self { epoch, signature }
    }

    /// The epoch.
    pub fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    /// Whether its owner made it.
    pub fn is_genuine(&self, verifier: &dyn Verifier) -> bool {
        verify(verifier, &self.epoch.owner(), SIGNATURE_TAG, &signed_bytes(&self.epoch), &self.signature)
    }
}

impl fmt::Debug for SignedEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.epoch.fmt(f)
    }
}

/// The channel stands for the secret, which the signature must not let anybody guess.
fn signed_bytes(epoch: &Epoch) -> Vec<u8> {
    wire::encode(&(epoch.room(), epoch.number(), epoch.channel))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha20Rng;

    use super::*;
    use crate::{
        signature::Ed25519,
        testing::{peer, signer},
    };

    fn secret(seed: u64) -> RoomSecret {
        RoomSecret::generate(&mut ChaCha20Rng::seed_from_u64(seed))
    }

    fn room(seed: u64) -> Epoch {
        Epoch::first(signer(1).author(), secret(seed))
    }

    #[test]
    fn an_epoch_has_a_channel_of_its_own_for_each_secret_owner_number_and_room() {
        let first = room(1);
        assert_eq!(first.room(), first.channel());
        let second = first.next(secret(2)).unwrap();
        assert_eq!((second.room(), second.owner(), second.number()), (first.room(), first.owner(), 1));
        let others = [
            room(2),
            Epoch::first(signer(2).author(), secret(1)),
            first.next(secret(1)).unwrap(),
            second.next(secret(2)).unwrap(),
            room(3).next(secret(2)).unwrap(),
        ];
        let mut channels: Vec<_> = others.iter().chain([&first, &second]).map(Epoch::channel).collect();
        channels.sort();
        channels.dedup();
        assert_eq!(channels.len(), 7);
        let last = Epoch::try_from(Terms { number: u32::MAX, ..first.terms }).unwrap();
        assert_eq!(last.next(secret(3)), None);
    }

    #[test]
    fn a_first_epoch_is_of_no_other_room() {
        let other = Terms { room: room(2).room(), ..room(1).terms };
        assert_eq!(Epoch::try_from(other.clone()), Err(NotItsRoom));
        assert!(wire::decode::<Epoch, 1_000>(&wire::encode(&other)).is_err());
        assert_eq!(wire::decode::<Epoch, 1_000>(&wire::encode(&room(1))), Ok(room(1)));
    }

    #[test]
    fn only_its_owner_can_make_an_epoch() {
        let signed = SignedEpoch::create(&signer(1), room(1));
        assert!(signed.is_genuine(&Ed25519));
        let forged = SignedEpoch::create(&signer(2), room(1));
        assert!(!forged.is_genuine(&Ed25519));
        let moved = SignedEpoch { epoch: room(1).next(secret(2)).unwrap(), ..signed };
        assert!(!moved.is_genuine(&Ed25519));
    }

    #[test]
    fn no_secret_is_shown() {
        let signed = SignedEpoch::create(&signer(1), room(1));
        let shown = format!("{signed:?} {:?} {:?}", signed.epoch(), secret(1));
        let bytes = format!("{:?}", &secret(1).0[..4]);
        assert!(!shown.contains(bytes.trim_matches(['[', ']'])), "{shown}");
        assert!(!shown.contains(&hex::encode(&secret(1).0[..4])), "{shown}");
    }

    #[test]
    fn a_frame_opens_for_its_room_epoch_and_use_only() {
        let room = room(1);
        let [ada, bob] = [1, 2].map(peer);
        let uses = [
            Use::Gossip,
            Use::Question { from: &ada, to: &bob },
            Use::Question { from: &bob, to: &ada },
            Use::Answer { question: &[1; 32] },
            Use::Answer { question: &[2; 32] },
        ];
        let rng = &mut ChaCha20Rng::seed_from_u64(2);
        for used_for in uses {
            let frame = room.seal(used_for, b"hello", rng);
            assert_eq!(frame.len(), 5 + FRAME_OVERHEAD_BYTES);
            assert_ne!(room.seal(used_for, b"hello", rng), frame);
            for other in uses {
                let expected = if other == used_for { Ok(b"hello".to_vec()) } else { Err(NotOfThisRoom) };
                assert_eq!(room.open(other, &frame), expected, "{used_for:?} as {other:?}");
            }
            for stranger in [room.next(secret(1)).unwrap(), self::room(2)] {
                assert_eq!(stranger.open(used_for, &frame), Err(NotOfThisRoom));
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_opening_it_never_panics(frame in prop::collection::vec(any::<u8>(), 0..100)) {
            prop_assert_eq!(room(1).open(Use::Gossip, &frame), Err(NotOfThisRoom));
        }

        #[test]
        fn a_changed_byte_is_noticed(at: prop::sample::Index, flip in 1u8..) {
            let room = room(1);
            let mut frame = room.seal(Use::Gossip, b"a text", &mut ChaCha20Rng::seed_from_u64(3));
            let index = at.index(frame.len());
            frame[index] ^= flip;
            prop_assert_eq!(room.open(Use::Gossip, &frame), Err(NotOfThisRoom));
        }
    }
}

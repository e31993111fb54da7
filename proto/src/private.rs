//! Private rooms: everything that their members say to each other is encrypted with a secret that the invitation carries.
//!
//! A private room has one [`RoomSecret`] at a time. The room's channel id is derived from it, so that who does not have the secret
//! does not know the room; nor do its name, its members' names and keys, or what they say ever travel in the clear: each gossip
//! message, question and answer of the channel is a sealed frame. Inside, everything is as in an open room: signed by its
//! author, kept in logs, repaired.
//!
//! A new secret makes a new channel, the room's next *epoch*. Those who stay are told the secret; who is left out keeps what it
//! could read before, and reads nothing new.
//!
//! A frame is `salt nonce ciphertext tag`: AES-256-GCM under a key of its own, `SHA-256(tag, secret, salt)`, with 28 random bytes for
//! salt and nonce together, so that no number of frames that anybody could send makes two alike. The channel, the epoch and what
//! the frame is used for are bound to it: a question cannot be passed off as gossip, nor a frame be moved to another epoch.
//!
//! What is not hidden: that some peers subscribe to one topic, how much they send, and when.

use std::{fmt, str::FromStr};

use aes_gcm::{
    Aes256Gcm, KeyInit,
    aead::{Aead, Payload},
};
use data_encoding::BASE64URL_NOPAD;
use rand::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    channel::RoomName,
    ids::{ChannelId, tagged_hash},
    seal::TAG_BYTES,
    wire,
};

/// Bytes before the ciphertext of a frame that make its key.
const SALT_BYTES: usize = 16;

/// Bytes of AES-GCM's nonce.
const NONCE_BYTES: usize = 12;

/// Bytes that sealing adds to a frame.
pub const FRAME_OVERHEAD_BYTES: usize = SALT_BYTES + NONCE_BYTES + TAG_BYTES;

/// Addresses in an invitation: enough to get in though some are gone, few enough for a link that can be sent around.
pub const MAX_INVITE_ADDRESSES: usize = 4;

/// Bytes of one such address, as text.
pub const MAX_ADDRESS_BYTES: usize = 256;

/// Bytes: the largest encoded invitation.
pub const MAX_INVITE_BYTES: usize = 2 * 1024;

/// Bytes at the end of a link that tell a mistyped one.
const CHECK_BYTES: usize = 4;

const LINK_PREFIX: &str = "starling:room/";

const _: () = assert!(MAX_INVITE_ADDRESSES * (MAX_ADDRESS_BYTES + 3) + 64 * 4 + 64 <= MAX_INVITE_BYTES);

/// What the members of a private room share. Never shown but in an invitation.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomSecret(Zeroizing<[u8; 32]>);

/// What a frame is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// A gossip message.
    Gossip,
    /// A question to a member.
    Question,
    /// The answer to one.
    Answer,
}

/// One epoch of a private room: where its members meet, and with what they seal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Epoch {
    number: u32,
    secret: RoomSecret,
}

/// Sealed by somebody who does not have the secret of this epoch, or for another use, or changed since. The fault of whoever sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not sealed by a member of the room")]
pub struct NotOfThisRoom;

/// An invitation to a private room. As text it is a link; whoever has it can read along.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invite {
    /// What the room is called.
    pub name: RoomName,
    /// How often its secret was changed.
    pub epoch: u32,
    /// The secret.
    pub secret: RoomSecret,
    /// Where members, or others who know the network, may be reached: multiaddrs with peer ids.
    pub addresses: Vec<String>,
}

/// Text that is no invitation. The user's to mend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidInvite {
    /// It does not begin as an invitation does.
    #[error("an invitation begins with {LINK_PREFIX}")]
    Prefix,
    /// A character is missing or wrong.
    #[error("the invitation is damaged: copy it again, whole")]
    Damaged,
    /// It was written by a program that knows more.
    #[error("this invitation is of a kind that this version does not know; update the program")]
    Unknown,
}

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

impl Use {
    fn code(self) -> u8 {
        match self {
            Self::Gossip => 0,
            Self::Question => 1,
            Self::Answer => 2,
        }
    }
}

impl Epoch {
    /// The epoch of this number, from 0, with its secret.
    pub fn new(number: u32, secret: RoomSecret) -> Self {
        Self { number, secret }
    }

    /// Its number.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Its secret.
    pub fn secret(&self) -> &RoomSecret {
        &self.secret
    }

    /// The channel in which its members meet.
    pub fn channel(&self) -> ChannelId {
        ChannelId(tagged_hash("starling/channel/private/1", &[&*self.secret.0]))
    }

    /// Seals a frame.
    pub fn seal(&self, used_for: Use, plaintext: &[u8], rng: &mut impl CryptoRng) -> Vec<u8> {
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
    pub fn open(&self, used_for: Use, frame: &[u8]) -> Result<Vec<u8>, NotOfThisRoom> {
        let (salt, rest) = frame.split_at_checked(SALT_BYTES).ok_or(NotOfThisRoom)?;
        let (nonce, ciphertext) = rest.split_at_checked(NONCE_BYTES).ok_or(NotOfThisRoom)?;
        let bound = self.bound(used_for);
        self.cipher(salt).decrypt(&nonce_of(nonce), Payload { msg: ciphertext, aad: &bound }).map_err(|_| NotOfThisRoom)
    }

    fn cipher(&self, salt: &[u8]) -> Aes256Gcm {
        let key = Zeroizing::new(tagged_hash("starling/private-frame/1", &[&*self.secret.0, salt]));
        Aes256Gcm::new(&(*key).into())
    }

    fn bound(&self, used_for: Use) -> Vec<u8> {
        wire::encode(&(self.channel(), self.number, used_for.code()))
    }
}

/// `nonce` has [`NONCE_BYTES`].
fn nonce_of(nonce: &[u8]) -> aes_gcm::Nonce<aes_gcm::aead::consts::U12> {
    let mut bytes = [0; NONCE_BYTES];
    bytes.copy_from_slice(nonce);
    bytes.into()
}

impl Invite {
    /// The epoch that it leads to.
    pub fn epoch(&self) -> Epoch {
        Epoch::new(self.epoch, self.secret.clone())
    }

    /// The link. The addresses beyond what fits are left out.
    pub fn link(&self) -> String {
        let mut short = self.clone();
        short.addresses.retain(|address| address.len() <= MAX_ADDRESS_BYTES);
        short.addresses.truncate(MAX_INVITE_ADDRESSES);
        let mut bytes = wire::encode(&short);
        let check = check(&bytes);
        bytes.extend(check);
        format!("{LINK_PREFIX}{}", BASE64URL_NOPAD.encode(&bytes))
    }
}

impl fmt::Debug for Invite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Invite(epoch {}, hidden)", self.epoch)
    }
}

impl FromStr for Invite {
    type Err = InvalidInvite;

    fn from_str(text: &str) -> Result<Self, InvalidInvite> {
        let code = text.trim().strip_prefix(LINK_PREFIX).ok_or(InvalidInvite::Prefix)?;
        if code.len() > 2 * MAX_INVITE_BYTES {
            return Err(InvalidInvite::Damaged);
        }
        let bytes = BASE64URL_NOPAD.decode(code.as_bytes()).map_err(|_| InvalidInvite::Damaged)?;
        let (encoded, end) = bytes.split_last_chunk::<CHECK_BYTES>().ok_or(InvalidInvite::Damaged)?;
        if *end != check(encoded) {
            return Err(InvalidInvite::Damaged);
        }
        let invite: Self = wire::decode::<_, MAX_INVITE_BYTES>(encoded).map_err(|_| InvalidInvite::Unknown)?;
        let fits = invite.addresses.iter().all(|address| address.len() <= MAX_ADDRESS_BYTES);
        if fits && invite.addresses.len() <= MAX_INVITE_ADDRESSES { Ok(invite) } else { Err(InvalidInvite::Unknown) }
    }
}

fn check(encoded: &[u8]) -> [u8; CHECK_BYTES] {
    let hash = tagged_hash("starling/invite/1", &[encoded]);
    let mut check = [0; CHECK_BYTES];
    check.copy_from_slice(&hash[..CHECK_BYTES]);
    check
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha20Rng;

    use super::*;

    fn epoch(seed: u64, number: u32) -> Epoch {
        Epoch::new(number, RoomSecret::generate(&mut ChaCha20Rng::seed_from_u64(seed)))
    }

    fn invite(addresses: Vec<String>) -> Invite {
        let secret = RoomSecret::generate(&mut ChaCha20Rng::seed_from_u64(1));
        Invite { name: "garden".parse().unwrap(), epoch: 3, secret, addresses }
    }

    #[test]
    fn a_link_leads_back_to_its_invitation_and_a_mistyped_one_is_told() {
        let invite = invite(vec!["/ip4/192.0.2.1/udp/4001/quic-v1/p2p/12D3KooW".into()]);
        let link = invite.link();
        assert_eq!(link.parse(), Ok(invite.clone()));
        assert_eq!(format!(" {link}\n").parse(), Ok(invite.clone()));
        assert_eq!(invite.epoch().channel(), link.parse::<Invite>().unwrap().epoch().channel());
        assert_eq!("lobby".parse::<Invite>(), Err(InvalidInvite::Prefix));
        for at in LINK_PREFIX.len()..link.len() {
            let mut typo = link.clone().into_bytes();
            typo[at] = if typo[at] == b'A' { b'B' } else { b'A' };
            let typo = String::from_utf8(typo).unwrap();
            assert!(typo == link || typo.parse::<Invite>().is_err(), "{typo}");
            assert_eq!(link[..at].parse::<Invite>(), Err(InvalidInvite::Damaged));
        }
    }

    #[test]
    fn an_invitation_with_too_many_addresses_is_cut_short() {
        let long = "x".repeat(MAX_ADDRESS_BYTES);
        let many = invite([vec!["y".repeat(MAX_ADDRESS_BYTES + 1)], vec![long.clone(); 9]].concat());
        let read: Invite = many.link().parse().unwrap();
        assert_eq!(read.addresses, vec![long; MAX_INVITE_ADDRESSES]);
    }

    #[test]
    fn neither_secret_nor_name_is_shown() {
        let invite = invite(vec![]);
        let shown = format!("{invite:?} {:?}", invite.epoch());
        assert!(!shown.contains("garden") && !shown.contains("RoomSecret(["), "{shown}");
    }

    #[test]
    fn a_frame_opens_for_its_room_epoch_and_use_only() {
        let room = epoch(1, 0);
        let rng = &mut ChaCha20Rng::seed_from_u64(2);
        let frame = room.seal(Use::Gossip, b"hello", rng);
        assert_eq!(frame.len(), 5 + FRAME_OVERHEAD_BYTES);
        assert_ne!(room.seal(Use::Gossip, b"hello", rng), frame);
        assert_eq!(room.open(Use::Gossip, &frame), Ok(b"hello".to_vec()));
        assert_eq!(room.open(Use::Question, &frame), Err(NotOfThisRoom));
        assert_eq!(epoch(1, 1).open(Use::Gossip, &frame), Err(NotOfThisRoom));
        assert_eq!(epoch(2, 0).open(Use::Gossip, &frame), Err(NotOfThisRoom));
        assert_ne!(epoch(2, 0).channel(), room.channel());
    }

    proptest! {
        #[test]
        fn whatever_comes_opening_it_never_panics(frame in prop::collection::vec(any::<u8>(), 0..100)) {
            prop_assert_eq!(epoch(1, 0).open(Use::Answer, &frame), Err(NotOfThisRoom));
        }

        #[test]
        fn a_changed_byte_is_noticed(at: prop::sample::Index, flip in 1u8..) {
            let room = epoch(1, 0);
            let mut frame = room.seal(Use::Answer, b"a text", &mut ChaCha20Rng::seed_from_u64(3));
            let index = at.index(frame.len());
            frame[index] ^= flip;
            prop_assert_eq!(room.open(Use::Answer, &frame), Err(NotOfThisRoom));
        }

        #[test]
        fn no_text_makes_reading_an_invitation_panic(text in "(starling:room/)?[A-Za-z0-9_-]{0,80}") {
            prop_assert!(text.parse::<Invite>().is_err());
        }
    }
}

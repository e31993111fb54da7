//! The invitation to a private room, and its form as a link.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::SignedEpoch;
use crate::{
    channel::RoomName,
    linking::{self, Damage, MAX_ADDRESS_BYTES, MAX_ADDRESSES},
    wire,
};

/// Bytes: the largest encoded invitation.
pub const MAX_INVITE_BYTES: usize = 2 * 1024;

/// Bytes of an encoded epoch and its signature, at most.
const MAX_EPOCH_BYTES: usize = 3 * 32 + 5 + 65;

const LINK_PREFIX: &str = "starling:room/";

/// How the text begins of a letter in which an owner tells a member of a new epoch. Not a link, so that it is neither shown nor followed
/// by hand.
const KEY_LETTER_PREFIX: &str = "starling:room-key/";

/// Tells the check sum of an invitation from those of other links.
const CHECK_TAG: &str = "starling/invite/1";

const _: () = assert!(MAX_ADDRESSES * (MAX_ADDRESS_BYTES + 3) + 64 * 4 + MAX_EPOCH_BYTES + 8 <= MAX_INVITE_BYTES);

/// An invitation to a private room. As text it is a link; whoever has it can read along.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invite {
    /// What the room is called.
    pub name: RoomName,
    /// The epoch that it leads to, with its secret.
    pub signed: SignedEpoch,
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

impl Invite {
    /// Whether a text looks like an invitation, or is meant to be one.
    pub fn is_meant(text: &str) -> bool {
        text.trim().starts_with(LINK_PREFIX)
    }

    /// The text of a letter that tells a member of this epoch.
    pub fn key_letter(&self) -> String {
        self.text(KEY_LETTER_PREFIX)
    }

    /// Whether a letter's text is meant for the node, and not for its user.
    pub fn is_key_letter(text: &str) -> bool {
        text.starts_with(KEY_LETTER_PREFIX)
    }

    /// Reads the text of a letter that tells of an epoch; `None` for any other text.
    pub fn from_key_letter(text: &str) -> Option<Self> {
        Self::read(KEY_LETTER_PREFIX, text).ok()
    }

    /// The link. The addresses beyond what fits are left out.
    pub fn link(&self) -> String {
        self.text(LINK_PREFIX)
    }

    fn text(&self, prefix: &str) -> String {
        let short = Self { addresses: linking::fitting(&self.addresses), ..self.clone() };
        linking::to_text(prefix, CHECK_TAG, wire::encode(&short))
    }

    fn read(prefix: &str, text: &str) -> Result<Self, InvalidInvite> {
        let frame = linking::from_text(prefix, CHECK_TAG, text, MAX_INVITE_BYTES).map_err(|damage| match damage {
            Damage::Prefix => InvalidInvite::Prefix,
            Damage::Damaged => InvalidInvite::Damaged,
        })?;
        let invite: Self = wire::decode::<_, MAX_INVITE_BYTES>(&frame).map_err(|_| InvalidInvite::Unknown)?;
        if linking::fit(&invite.addresses) { Ok(invite) } else { Err(InvalidInvite::Unknown) }
    }
}

impl fmt::Debug for Invite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Invite(epoch {}, hidden)", self.signed.epoch().number())
    }
}

impl FromStr for Invite {
    type Err = InvalidInvite;

    fn from_str(text: &str) -> Result<Self, InvalidInvite> {
        Self::read(LINK_PREFIX, text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha20Rng;

    use super::*;
    use crate::{
        private::{Epoch, RoomSecret},
        signature::Ed25519,
        testing::signer,
    };

    fn invite(addresses: Vec<String>) -> Invite {
        let signer = signer(1);
        let secret = RoomSecret::generate(&mut ChaCha20Rng::seed_from_u64(1));
        let signed = SignedEpoch::create(&signer, Epoch::first(signer.author(), secret));
        Invite { name: "garden".parse().unwrap(), signed, addresses }
    }

    #[test]
    fn a_link_leads_back_to_its_invitation_and_a_mistyped_one_is_told() {
        let invite = invite(vec!["/ip4/192.0.2.1/udp/4001/quic-v1/p2p/12D3KooW".into()]);
        let link = invite.link();
        assert!(Invite::is_meant(&link) && !Invite::is_meant("lobby"));
        assert_eq!(link.parse(), Ok(invite.clone()));
        assert_eq!(format!(" {link}\n").parse(), Ok(invite.clone()));
        let letter = invite.key_letter();
        assert!(Invite::is_key_letter(&letter) && !Invite::is_key_letter(&link) && !Invite::is_meant(&letter));
        assert_eq!((Invite::from_key_letter(&letter), Invite::from_key_letter(&link)), (Some(invite), None));
        assert!(link.parse::<Invite>().unwrap().signed.is_genuine(&Ed25519));
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
        assert_eq!(read.addresses, vec![long; MAX_ADDRESSES]);
    }

    #[test]
    fn the_largest_invitation_has_room() {
        let name = "𐐷".repeat(crate::channel::MAX_ROOM_NAME_CHARS).parse().unwrap();
        let largest = Invite { name, ..invite(vec!["x".repeat(MAX_ADDRESS_BYTES); MAX_ADDRESSES]) };
        assert_eq!(largest.link().parse(), Ok(largest));
    }

    #[test]
    fn neither_secret_nor_name_is_shown() {
        let shown = format!("{:?}", invite(vec![]));
        assert_eq!(shown, "Invite(epoch 0, hidden)");
    }

    proptest! {
        #[test]
        fn no_text_makes_reading_an_invitation_panic(text in "(starling:room/)?[A-Za-z0-9_-]{0,80}") {
            prop_assert!(text.parse::<Invite>().is_err());
        }
    }
}

//! What one person hands another so that they get a share: a link, or only the root.
//!
//! | form | tells |
//! |---|---|
//! | `starling:file/` and a code | the share, its name, its size, and where peers that have it may be reached |
//! | `starling:file/` and 64 hexadecimal digits, or the digits alone | the root; all else is asked of peers |

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{
    BlobId,
    manifest::Content,
    path::{FileName, MAX_NAME_BYTES},
};
use crate::{
    linking::{self, Damage, MAX_ADDRESS_BYTES, MAX_ADDRESSES},
    wire,
};

/// Bytes: the largest encoded link.
pub const MAX_LINK_BYTES: usize = 2 * 1024;

const PREFIX: &str = "starling:file/";

/// Tells the check sum of this kind of link from those of others.
const CHECK_TAG: &str = "starling/file-link/1";

/// Hexadecimal digits of a root.
const ROOT_DIGITS: usize = 64;

/// Bytes of an encoded share, at most, by bincode's own count.
const MAX_CONTENT_BYTES: usize = 4 + 32 + 8 + 8;

const _: () =
    assert!(MAX_ADDRESSES * (MAX_ADDRESS_BYTES + 8) + MAX_NAME_BYTES + 8 + MAX_CONTENT_BYTES + 8 <= MAX_LINK_BYTES);

/// A link to a share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The share.
    pub content: Content,
    /// What it is called, where it was shared.
    pub name: FileName,
    /// Where peers that have it, or know who has, may be reached: multiaddrs with peer ids.
    pub addresses: Vec<String>,
}

/// What a person may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// All that a link tells.
    Link(Link),
    /// A root alone: of a file or of a manifest ([`super::manifest::Manifest::is_meant`]), of unknown size.
    Root(BlobId),
}

/// Text that leads to no share. The user's to mend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLink {
    /// It does not begin as a link to a share does, and is no root.
    #[error("a link to a file begins with {PREFIX}; a root has {ROOT_DIGITS} hexadecimal digits")]
    Prefix,
    /// A character is missing or wrong.
    #[error("the link is damaged: copy it again, whole")]
    Damaged,
    /// It was written by a program that knows more.
    #[error("this link is of a kind that this version does not know; update the program")]
    Unknown,
    /// It tells of a file or folder that cannot be.
    #[error("this link leads to nothing that can be shared; ask for another")]
    Impossible,
}

/// A link as it is encoded.
#[derive(Serialize, Deserialize)]
struct Raw {
    content: Content,
    name: String,
    addresses: Vec<String>,
}

impl Link {
    /// The short form: the root alone.
    pub fn short(&self) -> String {
        format!("{PREFIX}{}", self.content.id())
    }
}

impl fmt::Display for Link {
    /// The link. The addresses beyond what fits are left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses = linking::fitting(&self.addresses);
        let raw = Raw { content: self.content, name: self.name.as_str().into(), addresses };
        f.write_str(&linking::to_text(PREFIX, CHECK_TAG, wire::encode(&raw)))
    }
}

impl FromStr for Link {
    type Err = InvalidLink;

    fn from_str(text: &str) -> Result<Self, InvalidLink> {
        let frame = linking::from_text(PREFIX, CHECK_TAG, text, MAX_LINK_BYTES).map_err(|damage| match damage {
            Damage::Prefix => InvalidLink::Prefix,
            Damage::Damaged => InvalidLink::Damaged,
        })?;
        let raw: Raw = wire::decode::<_, MAX_LINK_BYTES>(&frame).map_err(|_| InvalidLink::Unknown)?;
        if !linking::fit(&raw.addresses) {
            return Err(InvalidLink::Unknown);
        }
        let name = raw.name.parse().map_err(|_| InvalidLink::Impossible)?;
        if !raw.content.is_possible() {
            return Err(InvalidLink::Impossible);
        }
        Ok(Self { content: raw.content, name, addresses: raw.addresses })
    }
}

impl Wanted {
    /// What names the share.
    pub fn id(&self) -> BlobId {
        match self {
            Self::Link(link) => link.content.id(),
            Self::Root(root) => *root,
        }
    }

    /// Whether a text looks like a link to a share, or is meant to be one.
    pub fn is_meant(text: &str) -> bool {
        text.trim().starts_with(PREFIX) || text.parse::<Self>().is_ok()
    }
}

impl FromStr for Wanted {
    type Err = InvalidLink;

    fn from_str(text: &str) -> Result<Self, InvalidLink> {
        let text = text.trim();
        // No code is mistaken for digits: its first bytes, of version and kind, make it begin with "AQ".
        let code = text.strip_prefix(PREFIX).unwrap_or(text);
        match code.parse() {
            Ok(root) => Ok(Self::Root(root)),
            Err(_) => text.parse().map(Self::Link),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::blob::{MAX_SHARE_BYTES, merkle::EMPTY_ROOT};

    fn link(addresses: Vec<String>) -> Link {
        let content = Content::File { root: BlobId([7; 32]), size: 1_000_003 };
        Link { content, name: "murmuration.mp4".parse().unwrap(), addresses }
    }

    fn largest() -> Link {
        let content =
            Content::Folder { manifest: BlobId([255; 32]), manifest_len: 32 * 1024 * 1024, size: MAX_SHARE_BYTES };
        let name = "𐐷".repeat(MAX_NAME_BYTES / 4).parse().unwrap();
        Link { content, name, addresses: vec!["x".repeat(MAX_ADDRESS_BYTES); MAX_ADDRESSES] }
    }

    #[test]
    fn a_link_leads_back_to_its_share_and_a_mistyped_one_is_told() {
        for link in [link(vec!["/ip4/192.0.2.1/udp/4001/quic-v1/p2p/12D3KooW".into()]), largest()] {
            let text = link.to_string();
            assert_eq!(text.parse(), Ok(link.clone()));
            assert_eq!(format!(" {text}\n").parse(), Ok(Wanted::Link(link)));
            for at in PREFIX.len()..text.len() {
                let mut typo = text.clone().into_bytes();
                typo[at] = if typo[at] == b'A' { b'B' } else { b'A' };
                let typo = String::from_utf8(typo).unwrap();
                assert!(typo.parse::<Wanted>().is_err(), "{typo}");
                assert_eq!(text[..at].parse::<Wanted>(), Err(InvalidLink::Damaged));
            }
        }
    }

    #[test]
    fn a_root_alone_is_enough() {
        let link = link(vec![]);
        let root = link.content.id();
        for text in [root.to_string(), link.short(), format!("  {}\n", root.to_string().to_uppercase())] {
            assert_eq!(text.parse(), Ok(Wanted::Root(root)));
            assert!(Wanted::is_meant(&text));
        }
        for text in ["lobby", "", "starling:room/AQ", &root.to_string()[1..]] {
            assert_eq!(text.parse::<Wanted>(), Err(InvalidLink::Prefix));
            assert!(!Wanted::is_meant(text));
        }
    }

    #[test]
    fn a_link_with_too_many_addresses_is_cut_short() {
        let long = "x".repeat(MAX_ADDRESS_BYTES);
        let many = link([vec!["y".repeat(MAX_ADDRESS_BYTES + 1)], vec![long.clone(); 9]].concat());
        assert_eq!(many.to_string().parse::<Link>().unwrap().addresses, vec![long; MAX_ADDRESSES]);
    }

    #[test]
    fn a_link_to_what_cannot_be_is_refused() {
        let impossible = [
            Content::File { root: EMPTY_ROOT, size: 1 },
            Content::File { root: BlobId([7; 32]), size: 0 },
            Content::File { root: BlobId([7; 32]), size: MAX_SHARE_BYTES + 1 },
            Content::Folder { manifest: BlobId([7; 32]), manifest_len: 0, size: 0 },
            Content::Folder { manifest: BlobId([7; 32]), manifest_len: u32::MAX, size: 0 },
        ];
        for content in impossible {
            let text = Link { content, ..link(vec![]) }.to_string();
            assert_eq!(text.parse::<Wanted>(), Err(InvalidLink::Impossible), "{content:?}");
        }
        let raw = Raw { content: link(vec![]).content, name: "../passwd".into(), addresses: vec![] };
        let text = linking::to_text(PREFIX, CHECK_TAG, wire::encode(&raw));
        assert_eq!(text.parse::<Wanted>(), Err(InvalidLink::Impossible));
    }

    proptest! {
        #[test]
        fn no_text_makes_reading_a_link_panic(text in "(starling:file/)?(AQ)?[A-Za-z0-9_-]{0,80}") {
            if let Ok(wanted) = text.parse::<Wanted>() {
                prop_assert!(matches!(wanted, Wanted::Root(_)));
            }
        }
    }
}

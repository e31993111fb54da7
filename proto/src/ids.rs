//! The names of things: 32-byte hashes and keys, each its own type, shown as lowercase hex.

use std::{fmt, str::FromStr};

use libp2p_identity::{PeerId, PublicKey, ed25519};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Text that is not a valid id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not {expected}")]
pub struct ParseIdError {
    text: String,
    expected: &'static str,
}

macro_rules! hash_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(
            /// The raw 32 bytes.
            pub [u8; 32],
        );

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), hex::encode(&self.0[..6]))
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;
            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let mut bytes = [0; 32];
                hex::decode_to_slice(text, &mut bytes)
                    .map(|()| Self(bytes))
                    .map_err(|_| ParseIdError { text: text.into(), expected: "64 hexadecimal digits" })
            }
        }
    };
}

hash_id! {
    /// Names an event: SHA-256 over a domain tag and its canonical bytes ([`crate::event::Event::id`]).
    EventId
}
hash_id! {
    /// Names a channel ([`crate::channel`]); what it hashes depends on the kind of channel.
    ChannelId
}
hash_id! {
    /// Names a blob, which is bytes that never change: the root of its Merkle tree ([`crate::blob::merkle`]).
    BlobId
}
hash_id! {
    /// Names a BitTorrent v2 torrent: SHA-256 of its info dictionary ([`crate::blob::metainfo`]).
    InfoHash
}
hash_id! {
    /// An Ed25519 public key: who wrote something. One to one with a [`PeerId`], but of fixed size and able to verify.
    ///
    /// Decoding does not check that the bytes are a point of the curve; verifying a signature does.
    Author
}

impl EventId {
    /// What the first event of a log names as its predecessor.
    pub const NONE: EventId = EventId([0; 32]);
}

impl Author {
    /// The author that signs with `key`, or `None` when it is not an Ed25519 key.
    pub fn from_public_key(key: &PublicKey) -> Option<Self> {
        key.clone().try_into_ed25519().ok().map(|key| Self(key.to_bytes()))
    }

    /// The author behind a peer id, which holds its Ed25519 key in full; `None` for ids of other key types.
    pub fn from_peer_id(peer: &PeerId) -> Option<Self> {
        // An identity multihash (code 0x00) of the protobuf {type = Ed25519, data = 32 bytes}, as the peer-id spec says.
        const HEADER: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];
        let key = peer.to_bytes().strip_prefix(&HEADER)?.try_into().ok()?;
        Some(Self(key))
    }

    /// The public key, or `None` when the bytes are not a point of the curve.
    pub fn public_key(&self) -> Option<PublicKey> {
        ed25519::PublicKey::try_from_bytes(&self.0).ok().map(PublicKey::from)
    }

    /// The peer id of this author, or `None` when the bytes are not a key.
    pub fn peer_id(&self) -> Option<PeerId> {
        self.public_key().map(|key| key.to_peer_id())
    }
}

/// Which of its author's logs an event is in: a random number made once for each store.
///
/// A store restored from a backup would otherwise write a second event under a sequence number that peers already hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LogId(
    /// The random number.
    pub u64,
);

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Names one append-only log inside a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LogKey {
    /// Whose log it is.
    pub author: Author,
    /// Which of the author's logs.
    pub log: LogId,
}

/// SHA-256 over a domain tag, a zero byte and `parts`, so that no hash means two things.
pub(crate) fn tagged_hash(tag: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(tag.as_bytes());
    hasher.update([0]);
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

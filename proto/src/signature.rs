//! Signatures: who makes them, and who says whether they are good.
//!
//! Everything signed is signed under a domain tag, so that a signature over one kind of thing never fits another: what is
//! signed is `tag 0x00 message`, by Ed25519 (RFC 8032).
//!
//! Whether a signature is good is a pure function of author, bytes and signature, and the dearest one that the machines
//! call: some 45 µs. They are therefore given a [`Verifier`] when they are built, as they are given a seed and the time.
//!
//! | verifier | who gives it | what it does |
//! |---|---|---|
//! | [`Ed25519`] | every node | checks each signature as it comes |
//! | one that remembers | whoever runs many members in one process | checks each signature once, by [`Ed25519`], and repeats what it said |
//!
//! Everything else that must hold of what is signed (lengths, links, times) is checked by the machines themselves, each time.

use std::fmt;

use libp2p_identity::Keypair;
use serde::{Deserialize, Serialize};

use crate::ids::Author;

/// An Ed25519 signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature(#[serde(with = "serde_bytes")] [u8; 64]);

impl Signature {
    /// The signature as bytes.
    pub fn to_bytes(self) -> [u8; 64] {
        self.0
    }

    /// A signature from bytes; whether it fits anything is for a [`Verifier`] to say.
    pub fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }
}

/// A key that signs for an [`Author`].
#[derive(Clone)]
pub struct Signer {
    keypair: Keypair,
    author: Author,
}

impl Signer {
    /// A signer from a key pair, or `None` when it is not an Ed25519 key.
    pub fn new(keypair: Keypair) -> Option<Self> {
        let author = Author::from_public_key(&keypair.public())?;
        Some(Self { keypair, author })
    }

    /// In whose name it signs.
    pub fn author(&self) -> Author {
        self.author
    }

    pub(crate) fn sign(&self, tag: &str, message: &[u8]) -> Signature {
        #[expect(
            clippy::expect_used,
            reason = "`new` admits Ed25519 keys only, whose signatures are 64 bytes and cannot fail"
        )]
        let bytes = self.keypair.sign(&tagged(tag, message)).expect("Ed25519 signs").try_into().expect("64 bytes");
        Signature(bytes)
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({:?})", self.author)
    }
}

/// Says whether signatures are good.
///
/// It must say of the same arguments always the same, and what [`Ed25519`] says: whoever gives a machine another answer has
/// it believe forgeries, or refuse what everybody else takes.
pub trait Verifier: fmt::Debug + Send + Sync {
    /// Whether `signature` is `author`'s over `signed`, the tag included.
    fn is_good(&self, author: &Author, signed: &[u8], signature: &Signature) -> bool;
}

/// Checks each signature as it comes. What nodes use.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ed25519;

impl Verifier for Ed25519 {
    fn is_good(&self, author: &Author, signed: &[u8], signature: &Signature) -> bool {
        author.public_key().is_some_and(|key| key.verify(signed, &signature.0))
    }
}

/// Whether `signature` is `author`'s over `message` under the domain `tag`, as `verifier` says.
pub(crate) fn verify(
    verifier: &dyn Verifier,
    author: &Author,
    tag: &str,
    message: &[u8],
    signature: &Signature,
) -> bool {
    verifier.is_good(author, &tagged(tag, message), signature)
}

fn tagged(tag: &str, message: &[u8]) -> Vec<u8> {
    [tag.as_bytes(), &[0], message].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::signer;

    #[test]
    fn a_signature_fits_its_author_its_tag_and_its_message_only() {
        let signature = signer(1).sign("a/1", b"hello");
        let good = |n: u8, tag: &str, message: &[u8], signature: &Signature| {
            verify(&Ed25519, &signer(n).author(), tag, message, signature)
        };
        assert!(good(1, "a/1", b"hello", &signature));
        assert!(!good(2, "a/1", b"hello", &signature));
        assert!(!good(1, "b/1", b"hello", &signature));
        assert!(!good(1, "a/1", b"hallo", &signature));
        let mut other = signature;
        other.0[0] ^= 1;
        assert!(!good(1, "a/1", b"hello", &other));
    }

    #[test]
    fn an_author_that_is_no_key_has_signed_nothing() {
        let off_the_curve = (0..=u8::MAX).map(|byte| Author([byte; 32])).find(|author| author.public_key().is_none());
        let signature = signer(1).sign("a/1", b"hello");
        assert!(!verify(&Ed25519, &off_the_curve.unwrap(), "a/1", b"hello", &signature));
    }
}

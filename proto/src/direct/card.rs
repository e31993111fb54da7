//! What a recipient tells those who want to write to it: for which key to seal, and which mailboxes keep its letters.
//!
//! A card is signed by the identity whose card it is, so that whoever hands it over cannot change it. Of two cards the one issued later
//! counts. The key changes every [`ROTATE_MS`]; the secret keys of before are kept for [`KEEP_MS`] after they were replaced, which
//! is as long as a mailbox keeps a letter, and forgotten then.

use serde::{Deserialize, Serialize};

use crate::{
    ids::Author,
    seal::SealKey,
    signature::{Signature, Signer, Verifier, verify},
    wire,
};

/// Milliseconds after which a recipient makes a new key.
pub const ROTATE_MS: u64 = 7 * 24 * 3_600_000;

/// Milliseconds for which a mailbox keeps a letter, and a recipient a key that it has replaced.
pub const KEEP_MS: u64 = 14 * 24 * 3_600_000;

/// Mailboxes that a card names, at most: as many as a sender leaves each letter with.
pub const MAX_MAILBOXES: usize = 3;

/// Addresses of each mailbox, at most.
pub const MAX_MAILBOX_ADDRESSES: usize = 4;

/// Bytes of one such address, as text.
pub const MAX_ADDRESS_BYTES: usize = 256;

/// Bytes of a mailbox's peer id.
pub const MAX_PEER_ID_BYTES: usize = 64;

/// Bytes: the largest signed card, encoded.
pub const MAX_CARD_BYTES: usize = 4 * 1024;

const _: () = assert!(
    MAX_MAILBOXES * (MAX_MAILBOX_ADDRESSES * (MAX_ADDRESS_BYTES + 3) + MAX_PEER_ID_BYTES) + 256 < MAX_CARD_BYTES
);

const SIGNATURE_TAG: &str = "starling/card/1";

/// A node that keeps letters for others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mailbox {
    /// The bytes of its peer id.
    #[serde(with = "serde_bytes")]
    pub peer: Vec<u8>,
    /// Multiaddrs as text, best first.
    pub addresses: Vec<String>,
}

/// What its owner says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// Whose card it is.
    pub owner: Author,
    /// When it was issued, by its owner's wall clock in milliseconds; larger with each card.
    pub issued_ms: u64,
    /// For which key to seal.
    pub key: SealKey,
    /// Who keeps its letters while it is away.
    pub mailboxes: Vec<Mailbox>,
}

/// A card with its owner's signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedCard {
    /// The card.
    pub card: Card,
    /// Over its encoding.
    pub signature: Signature,
}

/// Why a card is not taken. The fault of whoever hands it over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCard {
    /// The signature is not its owner's.
    #[error("the card is not signed by its owner")]
    Signature,
    /// More mailboxes or addresses than a card has, or longer ones.
    #[error("the card names too much")]
    TooMuch,
}

impl Mailbox {
    /// Whether a card may name it.
    pub fn is_within_bounds(&self) -> bool {
        self.peer.len() <= MAX_PEER_ID_BYTES
            && self.addresses.len() <= MAX_MAILBOX_ADDRESSES
            && self.addresses.iter().all(|address| address.len() <= MAX_ADDRESS_BYTES)
    }
}

impl Card {
    /// Whether it keeps to the bounds of a card.
    pub fn is_within_bounds(&self) -> bool {
        self.mailboxes.len() <= MAX_MAILBOXES && self.mailboxes.iter().all(Mailbox::is_within_bounds)
    }

    /// Signs it. `signer` must be its owner's.
    pub fn sign(self, signer: &Signer) -> SignedCard {
        let signature = signer.sign(SIGNATURE_TAG, &wire::encode(&self));
        SignedCard { card: self, signature }
    }
}

impl SignedCard {
    /// The card, if its owner signed it and it keeps to the bounds.
    ///
    /// # Errors
    /// [`InvalidCard`].
    pub fn verify(&self, verifier: &dyn Verifier) -> Result<&Card, InvalidCard> {
        if !self.card.is_within_bounds() {
            return Err(InvalidCard::TooMuch);
        }
        let signed = wire::encode(&self.card);
        if verify(verifier, &self.card.owner, SIGNATURE_TAG, &signed, &self.signature) {
            Ok(&self.card)
        } else {
            Err(InvalidCard::Signature)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{signature::Ed25519, testing::signer};

    fn card(mailboxes: usize, addresses: usize, bytes: usize) -> Card {
        let mailbox = Mailbox { peer: vec![7; MAX_PEER_ID_BYTES], addresses: vec!["x".repeat(bytes); addresses] };
        Card {
            owner: signer(1).author(),
            issued_ms: u64::MAX,
            key: SealKey([9; 32]),
            mailboxes: vec![mailbox; mailboxes],
        }
    }

    #[test]
    fn the_largest_card_fits_and_is_believed() {
        let signed = card(MAX_MAILBOXES, MAX_MAILBOX_ADDRESSES, MAX_ADDRESS_BYTES).sign(&signer(1));
        assert!(wire::encode(&signed).len() <= MAX_CARD_BYTES);
        assert!(signed.verify(&Ed25519).is_ok());
    }

    #[test]
    fn a_card_that_its_owner_did_not_sign_or_that_names_too_much_is_not_taken() {
        assert_eq!(card(1, 1, 9).sign(&signer(2)).verify(&Ed25519), Err(InvalidCard::Signature));
        let mut changed = card(1, 1, 9).sign(&signer(1));
        changed.card.key = SealKey([8; 32]);
        assert_eq!(changed.verify(&Ed25519), Err(InvalidCard::Signature));
        for card in
            [card(MAX_MAILBOXES + 1, 1, 9), card(1, MAX_MAILBOX_ADDRESSES + 1, 9), card(1, 1, MAX_ADDRESS_BYTES + 1)]
        {
            assert_eq!(card.sign(&signer(1)).verify(&Ed25519), Err(InvalidCard::TooMuch));
        }
    }
}

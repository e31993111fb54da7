//! What goes into a key ring and what comes out of it.

use zeroize::Zeroizing;

use super::MAX_KEYS;
use crate::{
    direct::card::{Mailbox, SignedCard},
    seal::OpenKey,
    signature::Signer,
    wire::{self, DecodeError},
};

pub use crate::commits::CommitId;

/// What a key ring is made of.
#[derive(Debug, Clone)]
pub struct Config {
    /// Signs the cards: their owner's.
    pub signer: Signer,
    /// Keys are made from it: different each time the program starts, and from nowhere but the system's random numbers.
    pub seed: [u8; 32],
}

/// What happens to a key ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// These mailboxes keep our letters now, best first. Those that do not fit into a card are left out.
    Mailboxes(Vec<Mailbox>),
    /// The user wants a new key.
    RotateNow,
    /// The record of this number would survive a power cut, and so would all before.
    Persisted {
        /// Its number.
        through: CommitId,
    },
    /// The store did not take it.
    PersistFailed,
}

/// What a key ring wants done.
#[derive(Debug, Clone)]
pub enum Output {
    /// Make this record durable, in place of the one before, and then say [`Input::Persisted`]. Keys that are not in it any more are
    /// to be gone for good.
    Persist {
        /// Names it.
        commit: CommitId,
        /// The record.
        stored: Stored,
    },
    /// This is our card from now on.
    Card(SignedCard),
    /// No new key was made.
    NotRotated(NotRotated),
}

/// Why no new key was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotRotated {
    /// So many were made lately that none can be forgotten yet.
    #[error("too many keys were made lately; the oldest is still needed to open letters under way")]
    TooMany,
    /// The store failed; when the key's time has come it is tried again.
    #[error("the new key could not be stored")]
    StoreFailed,
}

/// All that a key ring keeps. Its keys are never shown.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The keys, from the oldest to the current one.
    pub keys: Vec<StoredKey>,
    /// Whose names the card bears beside the key's.
    pub mailboxes: Vec<Mailbox>,
    /// The date of the latest card.
    pub issued_ms: u64,
    /// The ring's time.
    pub elapsed_ms: u64,
    /// The latest wall time ever seen.
    pub wall_ms: u64,
}

/// A key of a ring, and its times by the ring's time.
#[derive(Debug, Clone)]
pub struct StoredKey {
    /// The key.
    pub key: OpenKey,
    /// When it was made.
    pub made_ms: u64,
    /// When the next one took its place; `None` for the current one.
    pub replaced_ms: Option<u64>,
}

/// A record without the secrets: of each key its times.
type Rest = (Vec<(u64, Option<u64>)>, Vec<Mailbox>, u64, u64, u64);

/// Bytes: the largest record.
const MAX_STORED_BYTES: usize = 16 * 1024;

const _: () = assert!(MAX_KEYS * 64 + crate::direct::card::MAX_CARD_BYTES < MAX_STORED_BYTES);

impl Stored {
    /// As bytes, to be kept where nobody else can read.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let secrets: Zeroizing<Vec<[u8; 32]>> =
            Zeroizing::new(self.keys.iter().map(|key| *key.key.to_bytes()).collect());
        let times: Vec<_> = self.keys.iter().map(|key| (key.made_ms, key.replaced_ms)).collect();
        let rest: Rest = (times, self.mailboxes.clone(), self.issued_ms, self.elapsed_ms, self.wall_ms);
        Zeroizing::new(wire::encode(&(&*secrets, rest)))
    }

    /// From the bytes that [`Stored::encode`] gave.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (secrets, rest): (Vec<[u8; 32]>, Rest) = wire::decode::<_, MAX_STORED_BYTES>(bytes)?;
        let secrets = Zeroizing::new(secrets);
        let (times, mailboxes, issued_ms, elapsed_ms, wall_ms) = rest;
        let key = |(secret, (made_ms, replaced_ms)): (&[u8; 32], (u64, Option<u64>))| StoredKey {
            key: OpenKey::from_bytes(*secret),
            made_ms,
            replaced_ms,
        };
        Ok(Self { keys: secrets.iter().zip(times).map(key).collect(), mailboxes, issued_ms, elapsed_ms, wall_ms })
    }
}

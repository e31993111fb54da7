//! What becomes of an envelope that is not taken.

use super::NotTaken;
use crate::direct::{
    card::SignedCard,
    letter::Refused,
    message::{DirectAnswer, Refusal},
};

impl From<Refused> for NotTaken {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NotForUs => Self::NotForUs,
            Refused::UnknownKey => Self::UnknownKey,
            Refused::CannotOpen(_) | Refused::Malformed(_) | Refused::NotAllowed | Refused::Forged => Self::Invalid,
        }
    }
}

impl NotTaken {
    /// Whether no correct peer hands over such an envelope.
    pub(super) fn is_senders_fault(self) -> bool {
        matches!(self, Self::NotForUs | Self::Invalid)
    }

    /// Whether the same envelope will never be taken.
    pub(super) fn is_for_good(self) -> bool {
        !matches!(self, Self::Full | Self::TooOften | Self::Busy)
    }

    /// What the peer is told. `card` is ours.
    pub(super) fn answer(self, card: Option<&SignedCard>) -> DirectAnswer {
        match (self, card) {
            (Self::NotForUs | Self::Invalid, _) => DirectAnswer::Refused(Refusal::Invalid),
            (Self::UnknownKey, Some(card)) => DirectAnswer::Refused(Refusal::UnknownKey(card.clone())),
            (Self::Blocked | Self::Unasked, _) => DirectAnswer::Refused(Refusal::NotWanted),
            (Self::Full, _) => DirectAnswer::Refused(Refusal::Full),
            (Self::UnknownKey | Self::TooOften | Self::Busy, _) => DirectAnswer::Unavailable,
        }
    }
}

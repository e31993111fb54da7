//! Ways in which a peer can break the protocol, as opposed to being slow, wrong about the time, or out of date.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Something a peer did that no correct peer does. [`crate::conduct`] weighs them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Offence {
    /// Bytes that do not decode.
    Malformed,
    /// A frame longer than its kind allows.
    Oversized,
    /// A signature that is not the author's.
    BadSignature,
    /// A run that breaks the rules of a log: order, links, lengths.
    BrokenLog,
    /// An event of a channel that its author may not write, or on another channel's topic.
    NotAllowed,
    /// An event further in the future than anyone accepts.
    ClockAhead,
    /// More messages than the limits allow.
    Flood,
    /// An answer that does not fit the question.
    WrongAnswer,
    /// A sealed letter that is not for us, does not open, or breaks a rule.
    BadLetter,
}

impl Offence {
    /// All kinds, in the order they are listed to users.
    pub const ALL: [Offence; 9] = [
        Self::Malformed,
        Self::Oversized,
        Self::BadSignature,
        Self::BrokenLog,
        Self::NotAllowed,
        Self::ClockAhead,
        Self::Flood,
        Self::WrongAnswer,
        Self::BadLetter,
    ];

    /// The name used in counters and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Oversized => "oversized",
            Self::BadSignature => "bad_signature",
            Self::BrokenLog => "broken_log",
            Self::NotAllowed => "not_allowed",
            Self::ClockAhead => "clock_ahead",
            Self::Flood => "flood",
            Self::WrongAnswer => "wrong_answer",
            Self::BadLetter => "bad_letter",
        }
    }
}

impl fmt::Display for Offence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

//! Questions that one peer asks another over `/starling/channel/1`, and their answers: one stream each, one frame each way.

use serde::{Deserialize, Serialize};

use crate::{
    ids::ChannelId,
    log::message::{MAX_REQUEST_BYTES, MAX_RESPONSE_BYTES, SyncRequest, SyncResponse},
    presence::{self, PresenceRequest, PresenceResponse},
};

/// Bytes that a sealed question or answer may be longer than what is in it.
pub const SEALING_BYTES: usize = 128;

/// Bytes: the largest encoded question.
pub const MAX_QUESTION_BYTES: usize = MAX_REQUEST_BYTES + SEALING_BYTES;

/// Bytes: the largest encoded answer.
pub const MAX_ANSWER_BYTES: usize = MAX_RESPONSE_BYTES + SEALING_BYTES;

const _: () = assert!(presence::MAX_REQUEST_BYTES + 64 <= MAX_QUESTION_BYTES);
const _: () = assert!(presence::MAX_RESPONSE_BYTES + 64 <= MAX_ANSWER_BYTES);

/// A question about a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// The channel.
    pub channel: ChannelId,
    /// What is asked.
    pub topic: Topic,
}

/// What a question is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Topic {
    /// The channel's logs ([`crate::log`]).
    Sync(SyncRequest),
    /// Who is there ([`crate::presence`]).
    Presence(PresenceRequest),
    /// One of the above, of a private channel ([`crate::private::frames`]).
    Sealed(#[serde(with = "serde_bytes")] Vec<u8>),
}

/// The answer to a [`Question`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// About logs.
    Sync(SyncResponse),
    /// About who is there.
    Presence(PresenceResponse),
    /// One of the above, of a private channel ([`crate::private::frames`]). Empty: this node is not in the channel, or does not
    /// answer more of this peer's questions now.
    Sealed(#[serde(with = "serde_bytes")] Vec<u8>),
}

impl Topic {
    /// The answer of a node that is not in the channel, or has too much to do for this peer now.
    pub fn unavailable(&self) -> Answer {
        match self {
            Self::Sync(_) => Answer::Sync(SyncResponse::Unavailable),
            Self::Presence(_) => Answer::Presence(PresenceResponse::Unavailable),
            Self::Sealed(_) => Answer::Sealed(Vec::new()),
        }
    }
}

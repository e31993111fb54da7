//! Questions that one peer asks another over `/starling/channel/1`, and their answers: one stream each, one frame each way.

use serde::{Deserialize, Serialize};

use crate::{
    ids::ChannelId,
    log::message::{MAX_REQUEST_BYTES, MAX_RESPONSE_BYTES, SyncRequest, SyncResponse},
    presence::{self, PresenceRequest, PresenceResponse},
};

/// Bytes: the largest encoded question.
pub const MAX_QUESTION_BYTES: usize = MAX_REQUEST_BYTES;

/// Bytes: the largest encoded answer.
pub const MAX_ANSWER_BYTES: usize = MAX_RESPONSE_BYTES;

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
}

/// The answer to a [`Question`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// About logs.
    Sync(SyncResponse),
    /// About who is there.
    Presence(PresenceResponse),
}

impl Topic {
    /// The answer of a node that is not in the channel, or has too much to do for this peer now.
    pub fn unavailable(&self) -> Answer {
        match self {
            Self::Sync(_) => Answer::Sync(SyncResponse::Unavailable),
            Self::Presence(_) => Answer::Presence(PresenceResponse::Unavailable),
        }
    }
}

//! What travels on a channel's gossip topic: events as they happen, and presence.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    event::{MAX_EVENT_BYTES, Run},
    presence::SignedAnnouncement,
};

/// Bytes: the largest gossip frame we make or take: the largest event, and the few bytes around it, sealed or not.
pub const MAX_FRAME_BYTES: usize = MAX_EVENT_BYTES + 1024;

/// Bytes of a gossip message id.
pub const MESSAGE_ID_BYTES: usize = 20;

/// One gossip message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Live {
    /// New events of one log.
    Run(Run),
    /// Somebody is there, or leaves.
    Presence(SignedAnnouncement),
}

/// The gossip id of a frame: SHA-256 over the topic, a zero byte and all bytes of the frame, cut to 20.
///
/// It covers the signature on purpose: were it the event's id, a copy with a broken signature that comes first would make
/// gossip drop the true one as a duplicate. The same holds for the topic: a copy on another topic must not stand in the way.
pub fn message_id(topic: &str, frame: &[u8]) -> [u8; MESSAGE_ID_BYTES] {
    let hash = Sha256::new().chain_update(topic).chain_update([0]).chain_update(frame).finalize();
    let mut id = [0; MESSAGE_ID_BYTES];
    id.copy_from_slice(&hash[..MESSAGE_ID_BYTES]);
    id
}

/// What gossip shall do with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Pass it on.
    Accept,
    /// Drop it; nobody is to blame.
    Ignore,
    /// Drop it and hold it against the neighbour.
    Reject,
}

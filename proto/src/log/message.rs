//! What two peers say to each other about one channel's logs.
//!
//! Every exchange is a question and its answer; nobody is sent an event it did not ask for, except live by gossip. The
//! asker alone decides how much is under way, so a slow or flooded node is never pushed.

use serde::{Deserialize, Serialize};

use crate::{
    event::{MAX_EVENT_BYTES, MAX_RUN_BYTES, MAX_RUN_EVENTS, Run},
    ids::{Author, EventId, LogId, LogKey},
};

/// Bytes: the largest encoded request.
pub const MAX_REQUEST_BYTES: usize = 64 * 1024;

/// Bytes: runs in one answer, encoded. A single run never exceeds it, so every run can be passed on.
pub const MAX_RUNS_BYTES: usize = MAX_RUN_BYTES;

/// Bytes: the largest encoded answer: the runs, or the evidence against a log, which is a run and one event of the other
/// branch; and room for what surrounds them.
pub const MAX_RESPONSE_BYTES: usize = MAX_RUNS_BYTES + MAX_EVENT_BYTES + 64 * 1024;

/// Events in one answer, over all its runs.
pub const MAX_RESPONSE_EVENTS: usize = MAX_RUN_EVENTS;

/// Entries in one page of a vector: at up to 84 bytes each, a page fits a request.
pub const MAX_VECTOR_ENTRIES: usize = 700;

/// Ranges that one request may name: at up to 60 bytes each, they fit a request.
pub const MAX_WANTS: usize = 64;

const _: () = assert!(MAX_RESPONSE_BYTES >= MAX_RUN_BYTES + MAX_EVENT_BYTES + 1024);
const _: () = assert!(MAX_VECTOR_ENTRIES * 84 + 1024 <= MAX_REQUEST_BYTES);
const _: () = assert!(MAX_WANTS * 60 + 1024 <= MAX_REQUEST_BYTES);

/// How far a replica holds one log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VectorEntry {
    /// Whose log.
    pub author: Author,
    /// Which of the author's logs.
    pub log: LogId,
    /// The last sequence number held; all before it are held too.
    pub seq: u64,
    /// The id of the event at `seq`: equal numbers with different ids betray a fork.
    pub head: EventId,
    /// Whether the replica has proof that the author wrote two events at one sequence number, and takes no more of this log.
    pub frozen: bool,
}

impl VectorEntry {
    /// The log spoken of.
    pub fn key(&self) -> LogKey {
        LogKey { author: self.author, log: self.log }
    }
}

/// A hash over a replica's whole vector: equal hashes, equal logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VectorHash(
    /// SHA-256.
    pub [u8; 32],
);

/// A stretch of a log that the asker lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Want {
    /// Whose log.
    pub author: Author,
    /// Which of the author's logs.
    pub log: LogId,
    /// The first sequence number wanted.
    pub from: u64,
    /// The last one wanted. An answer may stop earlier, and may go on to where the next signature is.
    pub to: u64,
}

impl Want {
    /// The log wanted.
    pub fn key(&self) -> LogKey {
        LogKey { author: self.author, log: self.log }
    }
}

/// Why a node did not take an event, told to the peer it came from, so that its user can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Refusal {
    /// An event lies this many milliseconds ahead of the refuser's clock, which is more than it accepts.
    TooFarAhead {
        /// Milliseconds ahead.
        ahead_ms: u64,
    },
}

/// A question about a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SyncRequest {
    /// Is your vector the one with this hash? Answered by [`SyncResponse::Same`] or the first page of the vector.
    Compare(VectorHash),
    /// The next page of your vector, after this log.
    Vector {
        /// The last log of the page before.
        after: Option<LogKey>,
    },
    /// I hold these; ask me for what you lack. Answered by [`SyncResponse::Noted`].
    Have(Vec<VectorEntry>),
    /// Send me these. Answered by [`SyncResponse::Runs`].
    Range(Vec<Want>),
    /// Show me why you hold this log for forked. Answered by [`SyncResponse::Evidence`].
    Evidence(LogKey),
    /// I did not take your events. Answered by [`SyncResponse::Noted`].
    Refused(Refusal),
}

/// The answer to a [`SyncRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SyncResponse {
    /// Our vectors are equal.
    Same,
    /// A page of the vector, sorted by log.
    Vector {
        /// The entries.
        entries: Vec<VectorEntry>,
        /// Whether a further page follows.
        more: bool,
    },
    /// Heard.
    Noted,
    /// Stretches of logs, in the order they were asked for; what is not held is left out.
    Runs(Vec<Run>),
    /// Two runs of one log that cannot both be true; empty when there is no such proof.
    Evidence(Vec<Run>),
    /// This node is not in that channel, or does not answer more of this peer's questions now.
    Unavailable,
}

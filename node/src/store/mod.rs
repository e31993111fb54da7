//! Where a node keeps what must survive: events, rooms and known peers.
//!
//! A [`Store`] takes [`Request`]s and answers each on the channel inside it, so that the swarm task never waits and the
//! simulator can put a store of its own behind the same trait. Two stand here:
//!
//! | store | for | durability |
//! |---|---|---|
//! | [`sled::SledStore`] | users | a write is answered after it was flushed *and* fsynced |
//! | [`memory::MemoryStore`] | tests and simulation | none, and no threads |

mod check;
#[cfg(test)]
mod contract;
pub mod memory;
mod peers;
mod runs;
pub mod sled;
pub mod tables;

use proto::{
    event::{OrderKey, Run, SignedEvent},
    hlc::Timestamp,
    ids::{Author, ChannelId, EventId, LogId, LogKey},
    log::message::{MAX_RUNS_BYTES, Want},
};
use serde::{Deserialize, Serialize};
use tables::{Entry, EntryChange, Select, Table};
use tokio::sync::oneshot;

/// Why the store could not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Too many requests are waiting. Nothing was done; try again.
    #[error("the store has too much to do; try again")]
    Overloaded,
    /// The disk has less free space than the store keeps in reserve. Nothing was written; free some space and try again.
    #[error(
        "the disk is full: {free_bytes} bytes are free, {reserve_bytes} are kept in reserve; free some space, then try again"
    )]
    DiskFull {
        /// Bytes free on the file system.
        free_bytes: u64,
        /// Bytes that must stay free.
        reserve_bytes: u64,
    },
    /// The disk or the database failed. It takes no more writes until the node is started again.
    #[error("the store failed: {0}; restart the node, and what is damaged will be set aside")]
    Failed(String),
    /// The batch does not fit what is stored, or could not be passed on to peers. A mistake of the caller; nothing was written.
    #[error("the store refused a batch that does not fit: {0}; please report this")]
    Rejected(String),
    /// The store was shut down.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// Whether the same request may succeed later without a restart.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Overloaded | Self::DiskFull { .. } => true,
            Self::Failed(_) | Self::Rejected(_) | Self::Closed => false,
        }
    }
}

/// How far a log is held. `seq` 0 with [`EventId::NONE`] does not occur: a log without events has no head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The channel.
    pub channel: ChannelId,
    /// The log.
    pub key: LogKey,
    /// The last sequence number; all before it are held too.
    pub seq: u64,
    /// The id of the last event.
    pub id: EventId,
    /// Its time.
    pub hlc: Timestamp,
    /// Whether there is [`Evidence`] against it.
    pub frozen: bool,
}

/// Proof that an author wrote two histories under one log: two runs that its key signed and that cannot both be true.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The channel.
    pub channel: ChannelId,
    /// The log.
    pub key: LogKey,
    /// The two runs.
    pub runs: Vec<Run>,
}

/// Peers remembered, at most; those not seen for longest make room. Some 100 bytes each, read at every start.
pub const MAX_KNOWN_PEERS: usize = 1_000;

/// Addresses remembered of one peer, at most; the first ones, which are the best, are kept.
pub const MAX_PEER_ADDRESSES: usize = 16;

/// Bytes: longer addresses are not remembered. Real ones take about 100.
pub const MAX_ADDRESS_BYTES: usize = 256;

/// Bytes: the longest peer id. One of an Ed25519 key takes 38.
pub const MAX_PEER_ID_BYTES: usize = 64;

/// Bytes: the largest encoded evidence, two runs of the largest size; larger ones are rejected.
pub const MAX_EVIDENCE_BYTES: usize = 2 * MAX_RUNS_BYTES + 1024;

/// Bytes: the longest name of a room; longer ones are rejected.
pub const MAX_ROOM_BYTES: usize = 1024;

/// A peer worth dialing after a restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownPeer {
    /// The peer id's bytes.
    pub peer: Vec<u8>,
    /// Multiaddrs as text, best first.
    pub addresses: Vec<String>,
    /// When it was last connected, wall-clock milliseconds.
    pub last_seen_ms: u64,
}

/// What a store holds when it is opened, without the events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// This store's own random number, made when the store was made: the first log this node writes.
    pub log: Option<LogId>,
    /// All logs, sorted by channel and log.
    pub heads: Vec<Head>,
    /// Names of the rooms joined, sorted.
    pub rooms: Vec<String>,
    /// Known peers, most recently seen first.
    pub peers: Vec<KnownPeer>,
}

/// Changes that become durable together or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    /// New events. Those of one log are in order and follow what is stored of it without a gap; the last of them is signed,
    /// and from one signature to the next is a run that fits an answer ([`proto::event::MAX_RUN_EVENTS`],
    /// [`proto::log::message::MAX_RUNS_BYTES`]), so that all of it can be passed on. Anything else is
    /// [`StoreError::Rejected`].
    pub events: Vec<SignedEvent>,
    /// Proofs of forked logs; the logs named become frozen. The first proof against a log is kept, later ones are not. A log
    /// of which no event is held has no [`Head`] to show this by.
    pub evidence: Vec<Evidence>,
    /// Rooms joined (`true`) and left (`false`), in order.
    pub rooms: Vec<(String, bool)>,
    /// Known peers to add or replace, within [`MAX_KNOWN_PEERS`], [`MAX_PEER_ADDRESSES`] and [`MAX_ADDRESS_BYTES`].
    pub peers: Vec<KnownPeer>,
    /// Peer ids to forget.
    pub forget_peers: Vec<Vec<u8>>,
    /// Entries of tables, in order: the last change of an entry counts.
    pub entries: Vec<EntryChange>,
}

impl Batch {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }
}

/// Where a page of history ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// Events with a timestamp before this one.
    Time(Timestamp),
    /// Events that come before this one in the channels' order.
    Event(EventId),
}

/// The smallest place in a channel's order at a time.
fn start_of(hlc: Timestamp) -> OrderKey {
    OrderKey { hlc, author: Author([0; 32]), log: LogId(0), seq: 0 }
}

/// Where a page of several channels ends in one of them, if it ends before an event at `place` in the channel `home`: at one place, the
/// channel with the lower id comes first.
fn end_in(channel: &ChannelId, home: &ChannelId, place: OrderKey) -> OrderKey {
    if channel < home { OrderKey { seq: place.seq.saturating_add(1), ..place } } else { place }
}

/// How a request is answered. A dropped receiver is fine: the answer is then nobody's.
pub type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// Something for a store to do.
#[derive(Debug)]
pub enum Request {
    /// Make a batch durable.
    Commit {
        /// What.
        batch: Batch,
        /// Answered once it would survive a power cut.
        reply: Reply<()>,
    },
    /// A page of the events of one or more channels, the newest ones before a point, returned oldest first.
    History {
        /// The channels, each once. Their events are merged, by time first.
        channels: Vec<ChannelId>,
        /// The page ends before this. The id of an event that is in none of these channels gives `None`.
        before: Before,
        /// Events at most.
        limit: usize,
        /// The page.
        reply: Reply<Option<Vec<SignedEvent>>>,
    },
    /// A channel's events with timestamps at or after a point, oldest first.
    After {
        /// The channel.
        channel: ChannelId,
        /// From here on.
        from: Timestamp,
        /// Events at most.
        limit: usize,
        /// The events.
        reply: Reply<Vec<SignedEvent>>,
    },
    /// Runs for a peer, in the order of the wants, within the limits of [`proto::log::message`]
    /// (`MAX_RESPONSE_EVENTS`, `MAX_RUNS_BYTES`). Each run starts at `from`, ends at a signed event, and goes past `to` only
    /// to reach a signature. What is not held is left out.
    Runs {
        /// The channel.
        channel: ChannelId,
        /// The stretches.
        wants: Vec<Want>,
        /// The runs.
        reply: Reply<Vec<Run>>,
    },
    /// The evidence against a log, if there is any.
    Evidence {
        /// The channel.
        channel: ChannelId,
        /// The log.
        key: LogKey,
        /// The proof.
        reply: Reply<Option<Evidence>>,
    },
    /// Entries of a table.
    Entries {
        /// The table.
        table: Table,
        /// Which.
        select: Select,
        /// The entries.
        reply: Reply<Vec<Entry>>,
    },
    /// Finish what was asked before, and close.
    Close {
        /// Answered when everything is on disk.
        reply: Reply<()>,
    },
}

/// A place that keeps things. Submitting never blocks.
pub trait Store: Send + Sync + 'static {
    /// Queues a request. Commits are carried out in the order in which they are submitted, and so are reads; a read sees every
    /// commit that was answered before it was submitted.
    ///
    /// # Errors
    /// [`StoreError::Overloaded`] when the queue is full (nothing was queued), [`StoreError::Closed`] after
    /// [`Request::Close`].
    fn submit(&self, request: Request) -> Result<(), StoreError>;
}

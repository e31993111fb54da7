//! What the node tells its users: one set of types for the library, the HTTP API and `--json`.

mod private;
mod shares;

pub use private::{Invitation, JoinedRoom, PrivateRoom, Rotation};
use serde::{Deserialize, Serialize};
pub use shares::{AnnouncedShare, Hashing, Share, ShareFile, SharePeer, ShareState, StoreUsage, TransferLimits};
use utoipa::ToSchema;

/// A message in a room, durable on this node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Message {
    /// The event's id, 64 hexadecimal digits.
    pub id: String,
    /// The room's name.
    pub room: String,
    /// The author's peer id.
    pub author: String,
    /// The author's display name when writing; not unique, not proven.
    pub name: String,
    /// Position in its author's log of this room, from 1.
    pub seq: u64,
    /// Hybrid logical time, `milliseconds << 16 | counter`: what messages are ordered by.
    pub hlc: u64,
    /// The same time in RFC 3339, UTC, with milliseconds.
    pub at: String,
    /// What was said.
    pub text: String,
}

/// Somebody who is in a room now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Member {
    /// The room's name.
    pub room: String,
    /// The member's peer id.
    pub peer_id: String,
    /// Display name.
    pub name: String,
    /// Free text, empty by default.
    pub status: String,
    /// Whether this is the answering node itself.
    pub is_self: bool,
    /// Milliseconds since the member was last heard of.
    pub last_heard_ms: u64,
}

/// A peer this node knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Peer {
    /// The peer's id.
    pub peer_id: String,
    /// Whether a connection is open.
    pub connected: bool,
    /// The remote addresses of open connections; the known addresses when there is none.
    pub addresses: Vec<String>,
    /// Round-trip time by ping, in microseconds.
    pub rtt_us: Option<u64>,
    /// The program and version that it names, such as `starling/0.1.0`.
    pub agent: Option<String>,
    /// Rooms shared with this node.
    pub rooms: Vec<String>,
    /// Why it is being kept out, when it is.
    pub banned: Option<String>,
}

/// A room this node is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Room {
    /// Its name.
    pub room: String,
    /// Its channel id, 64 hexadecimal digits; of a private room, that of its current key.
    pub channel: String,
    /// What is private about it; `null` for an open room.
    pub private: Option<PrivateRoom>,
    /// Events held.
    pub events: u64,
    /// Members present now, this node included.
    pub present: u64,
    /// Connected peers that are in it.
    pub peers: u64,
    /// Logs of authors caught writing two events at one position; nothing more of them is taken.
    pub frozen_logs: u64,
}

/// A direct message, durable on this node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DirectMessage {
    /// Its id, 64 hexadecimal digits; the same on both sides.
    pub id: String,
    /// The author's peer id, proven.
    pub from: String,
    /// The recipient's peer id.
    pub to: String,
    /// When it was written, by its author's clock, in RFC 3339, UTC, with milliseconds.
    pub at: String,
    /// What was said.
    pub text: String,
    /// How far it is.
    pub state: DirectState,
}

/// How far a direct message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DirectState {
    /// Durable on the sender's node.
    Queued,
    /// Durable in at least one mailbox.
    Sent,
    /// Durable on the recipient's node. One that came to this node and was not read.
    Delivered,
    /// Read. Of one that this node sent: its recipient says so.
    Read,
    /// The recipient does not want it.
    Refused,
    /// The recipient's program could make nothing of it.
    Failed,
}

/// Somebody this node knows: a contact, somebody who wrote or was written to, or somebody who is here now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Person {
    /// The peer id.
    pub peer_id: String,
    /// The name that the user gave. Only contacts have one.
    pub contact: Option<String>,
    /// The display names that this peer goes by in rooms now, or went by when it was last seen there; not unique, not proven.
    pub names: Vec<String>,
    /// Whether it is no stranger: it has a name of the user's or was written to.
    pub known: bool,
    /// Whether no direct messages are taken from it.
    pub blocked: bool,
    /// Whether a connection is open.
    pub connected: bool,
    /// Direct messages that came from it.
    pub messages: u64,
}

/// What two people compare, to know that nobody stands between them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SafetyNumber {
    /// The other one's peer id.
    pub peer_id: String,
    /// Sixty digits, the same on both sides.
    pub digits: String,
    /// The same in twelve groups of five, as they are read aloud.
    pub groups: Vec<String>,
}

/// What a mailbox keeps for others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MailboxStatus {
    /// Recipients that are registered.
    pub recipients: u64,
    /// Sealed letters.
    pub letters: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Who has something, by Kademlia.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Found {
    /// Peer ids, this node's own left out.
    pub providers: Vec<String>,
    /// Questions that the search asked other nodes.
    pub requests: u64,
}

/// One kind of refusal and how often it happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Refusals {
    /// `malformed`, `oversized`, `bad_signature`, `broken_log`, `not_allowed`, `clock_ahead`, `flood`, `wrong_answer`,
    /// `banned` (connections refused).
    pub reason: String,
    /// Since the node started.
    pub count: u64,
}

/// The node's own state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// This node's peer id.
    pub peer_id: String,
    /// This node's display name.
    pub name: String,
    /// The program's version.
    pub version: String,
    /// Seconds since the start.
    pub uptime_s: u64,
    /// Full multiaddrs on which it listens, each ending in `/p2p/<peer id>`.
    pub listen: Vec<String>,
    /// Connected peers.
    pub connected_peers: u64,
    /// Known peers, connected or not.
    pub known_peers: u64,
    /// Rooms joined.
    pub rooms: u64,
    /// Channels in memory: of the rooms joined, of past keys of private ones, and of open rooms that were left since the start.
    #[serde(default)]
    pub channels: u64,
    /// Events held, over all rooms.
    pub events: u64,
    /// Whether the network is closed by a key.
    pub closed_network: bool,
    /// Whether the store takes writes: `ok`, or what is wrong.
    pub store: String,
    /// Direct messages of this node that are not delivered yet.
    pub undelivered: u64,
    /// Peer ids of the mailboxes that keep direct messages for this node while it is away.
    pub mailboxes: Vec<String>,
    /// What this node keeps for others, if it is a mailbox.
    pub mailbox: Option<MailboxStatus>,
    /// What peers sent and this node refused, by reason; reasons that never happened are left out.
    pub refused: Vec<Refusals>,
    /// Things the user should know, in plain words; empty when all is well.
    pub warnings: Vec<String>,
}

/// Something that happened, as the WebSocket and `tail` report it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum NodeEvent {
    /// A message became part of a room's history, whoever wrote it. Each message is reported once.
    Message(Message),
    /// A direct message became durable on this node: one that came, or one that the user wrote. Each is reported once.
    Direct(DirectMessage),
    /// A direct message that this node sent got further. What was read of messages that were delivered before the node started is
    /// not reported.
    DirectState {
        /// The message's id.
        id: String,
        /// Its recipient's peer id.
        to: String,
        /// How far it is now.
        state: DirectState,
    },
    /// Somebody came into a room.
    Joined(Member),
    /// Somebody left a room: said goodbye, or fell silent for too long.
    Left(Member),
    /// A connection to a peer was made: its first.
    PeerConnected {
        /// Who.
        peer_id: String,
        /// Where.
        address: String,
    },
    /// The last connection to a peer ended.
    PeerDisconnected {
        /// Who.
        peer_id: String,
    },
    /// This node joined a room.
    RoomJoined {
        /// Its name.
        room: String,
    },
    /// This node left a room.
    RoomLeft {
        /// Its name.
        room: String,
    },
    /// A private room that this node is in has a new key.
    RoomRotated {
        /// Its name.
        room: String,
        /// How often its key was changed.
        epoch: u32,
    },
    /// A share came to be, or got further. While its bytes come and go, this is told once a second.
    Share(Box<Share>),
    /// A share is no more.
    Unshared {
        /// Its root.
        root: String,
    },
    /// Something is wrong that a person should know: a forked log, a wrong clock, a failing disk.
    Warning {
        /// What, and what to do.
        text: String,
    },
    /// The receiver of this report was too slow, and this many reports were left out. History has every message.
    Lagged {
        /// Reports left out.
        missed: u64,
    },
}

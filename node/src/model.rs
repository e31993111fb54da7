//! What the node tells its users: one set of types for the library, the HTTP API and `--json`.

use serde::{Deserialize, Serialize};
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
    /// Its channel id, 64 hexadecimal digits.
    pub channel: String,
    /// Events held.
    pub events: u64,
    /// Members present now, this node included.
    pub present: u64,
    /// Connected peers that are in it.
    pub peers: u64,
    /// Logs of authors caught writing two events at one position; nothing more of them is taken.
    pub frozen_logs: u64,
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
    /// Events held, over all rooms.
    pub events: u64,
    /// Whether the network is closed by a key.
    pub closed_network: bool,
    /// Whether the store takes writes: `ok`, or what is wrong.
    pub store: String,
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

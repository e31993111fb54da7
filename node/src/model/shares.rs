//! Files and folders that this node shares or fetches.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A file or a folder that this node shares, or fetches, or both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Share {
    /// What names it everywhere: 64 hexadecimal digits.
    pub root: String,
    /// What it is called here.
    pub name: String,
    /// Whether it is a folder; `null` while that is not known.
    pub folder: Option<bool>,
    /// Bytes of all its files; `null` while that is not known.
    pub size: Option<u64>,
    /// How many files it has; `null` while that is not known.
    pub files: Option<u64>,
    /// How far it is.
    pub state: ShareState,
    /// Why it is paused, changed or failed, in plain words.
    pub reason: Option<String>,
    /// Where it is, or will be.
    pub place: Option<String>,
    /// Whether its bytes were copied, so that nothing depends on the files that were shared.
    pub copied: bool,
    /// What to hand to others; `null` while its size is not known.
    pub link: Option<String>,
    /// When it came here, in RFC 3339, UTC, with milliseconds.
    pub added_at: String,
    /// Bytes that the user wants of it.
    pub wanted_bytes: u64,
    /// Of these, bytes that are here, right and durable.
    pub done_bytes: u64,
    /// Connected peers that take part in it.
    pub peers: u64,
    /// Of these, those that have all of it.
    pub seeders: u64,
    /// Bytes a second that come, over the last seconds.
    pub down_bytes_s: u64,
    /// Bytes a second that go out, over the last seconds.
    pub up_bytes_s: u64,
    /// Seconds until it is complete, at this speed; `null` when nothing comes.
    pub eta_s: Option<u64>,
    /// Bytes that went out since the node started.
    pub uploaded_bytes: u64,
    /// The most that may come, in bytes a second.
    pub down_limit: Option<u64>,
    /// The most that may go out, in bytes a second.
    pub up_limit: Option<u64>,
}

/// How far a share is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShareState {
    /// It is asked what is in it.
    Asking,
    /// Its bytes are fetched.
    Fetching,
    /// It stands still until it is resumed.
    Paused,
    /// All is here, and is put in its place.
    Finishing,
    /// All that is wanted of it is here.
    Complete,
    /// A file of it was changed where it is. Nothing of it is given out.
    Changed,
    /// It cannot be fetched.
    Failed,
}

/// One who takes part in a share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SharePeer {
    /// Who.
    pub peer_id: String,
    /// Where it is connected from or to.
    pub address: String,
    /// How: `direct`, or `relayed`.
    pub path: String,
    /// Blocks that it has; `null` while that is not known.
    pub blocks: Option<u64>,
    /// Blocks that the share has; `null` while that is not known.
    pub of: Option<u64>,
    /// Bytes that came from it in the last 20 seconds, of all shares.
    pub recent_bytes: u64,
    /// Bytes that it is asked for and has not sent.
    pub asked_bytes: u64,
    /// Whether it gives us nothing for now, because it gives to others.
    pub choking: bool,
}

/// A file of a share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ShareFile {
    /// Its path in the folder; the name of a file that is shared alone.
    pub path: String,
    /// Its bytes.
    pub size: u64,
    /// Of these, bytes that are here.
    pub done_bytes: u64,
    /// Whether the user wants it.
    pub wanted: bool,
    /// The root of its hash tree, 64 hexadecimal digits.
    pub root: String,
}

/// Files that are read and hashed, because the user shares them or wants to know whether they are what they were.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Hashing {
    /// Names it on this node.
    pub id: u64,
    /// What is read.
    pub path: String,
    /// Bytes that were hashed.
    pub hashed_bytes: u64,
    /// Bytes to be hashed, as far as they are known.
    pub total_bytes: u64,
    /// What has come of it; `null` while it goes on.
    pub share: Option<Share>,
    /// Why nothing came of it, in plain words.
    pub error: Option<String>,
}

/// What shares take of the disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StoreUsage {
    /// Bytes of files that were copied.
    pub copied_bytes: u64,
    /// Bytes of what is not complete.
    pub partial_bytes: u64,
    /// Bytes of what is known about shares.
    pub outline_bytes: u64,
    /// Bytes in files that nothing needs: `node store gc` removes them.
    pub garbage_bytes: u64,
}

/// How fast bytes may come and go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct TransferLimits {
    /// Bytes a second that may go out; `null` for no limit.
    pub up: Option<u64>,
    /// Bytes a second that may come; `null` for no limit.
    pub down: Option<u64>,
}

/// A share that was announced in a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AnnouncedShare {
    /// Its place among those of the room of late, from 1.
    pub number: u64,
    /// What names it: 64 hexadecimal digits.
    pub root: String,
    /// What it is called there.
    pub name: String,
    /// Whether it is a folder.
    pub folder: bool,
    /// Bytes of all its files.
    pub size: u64,
    /// The link with which it was announced, and where it was said since then that it is to be had.
    pub link: String,
    /// The peer id of who announced it first.
    pub author: String,
    /// The display name that the author had.
    pub author_name: String,
    /// When that was, in RFC 3339, UTC, with milliseconds.
    pub at: String,
    /// Nodes that have it, or parts of it, as far as the network knows; `null` if nobody asked.
    pub seeders: Option<u64>,
}

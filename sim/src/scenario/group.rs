//! Hosts of one kind: where they are, what lies between them and the others, how they come and go, and what is wrong with them.

use serde::{Deserialize, Serialize};

use super::tagged::{DistributionKeys, HostileKeys};

/// Hosts of one kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Its name; others refer to it by this.
    pub name: String,
    /// How many.
    pub count: usize,
    /// Where they are; everywhere, if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Upload, in kilobits a second; 0 is unlimited.
    #[serde(default)]
    pub up_kbit_s: u64,
    /// Download, in kilobits a second; 0 is unlimited.
    #[serde(default)]
    pub down_kbit_s: u64,
    /// Share of packets lost on these hosts' own links, besides the network's.
    #[serde(default)]
    pub loss: f64,
    /// What stands between these hosts and the others.
    #[serde(default)]
    pub nat: Nat,
    /// Rooms that they join besides the lobby.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rooms: Vec<String>,
    /// The group whose hosts they join through; the first group without NAT that is not hostile, if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bootstrap: Option<String>,
    /// When they come.
    #[serde(default)]
    pub arrive: Arrive,
    /// How they come and go from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub churn: Option<Churn>,
    /// What their clocks show.
    #[serde(default)]
    pub clock: Clock,
    /// How their disks behave.
    #[serde(default)]
    pub disk: Disk,
    /// Whether they keep direct messages for others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mailbox: bool,
    /// What they do instead of what a node does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostile: Option<Hostile>,
}

/// A network address translator, by RFC 4787.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Nat {
    /// Whether there is one, and of which kind.
    pub kind: NatKind,
    /// Seconds without traffic after which a mapping is gone (RFC 4787 REQ-5 asks for at least 120).
    pub expires_s: u64,
}

/// Kinds of NAT by mapping and filtering.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NatKind {
    /// A public address.
    #[default]
    None,
    /// Endpoint-independent mapping, endpoint-independent filtering.
    FullCone,
    /// Endpoint-independent mapping, address-dependent filtering.
    AddressRestricted,
    /// Endpoint-independent mapping, address- and port-dependent filtering.
    PortRestricted,
    /// Address- and port-dependent mapping and filtering.
    Symmetric,
    /// No UDP passes, and TCP only outwards: a strict firewall. Nothing comes in that was not asked for, on any port.
    Blocked,
}

/// When hosts come: evenly over a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Arrive {
    /// Second at which the first comes.
    pub from_s: u64,
    /// Seconds until the last has come; 0 is all at once, a flash crowd.
    pub over_s: u64,
}

/// How hosts come and go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Churn {
    /// Seconds that a session lasts.
    pub session_s: Distribution,
    /// Seconds from the end of a session to the next.
    pub gap_s: Distribution,
    /// Share of sessions that end in a crash instead of a goodbye.
    #[serde(default)]
    pub crash: f64,
    /// Of the crashes, the share in which the machine loses power: peers hear nothing, and unflushed writes are lost.
    #[serde(default)]
    pub power_cut: f64,
    /// Second from which on hosts go.
    #[serde(default)]
    pub from_s: u64,
}

/// How a span of time is distributed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", try_from = "DistributionKeys")]
pub enum Distribution {
    /// Always the same.
    Fixed {
        /// Seconds.
        s: f64,
    },
    /// Evenly between two bounds.
    Uniform {
        /// Seconds at least.
        min_s: f64,
        /// Seconds at most.
        max_s: f64,
    },
    /// Memoryless.
    Exponential {
        /// Seconds on average.
        mean_s: f64,
    },
    /// With a long tail when `shape` is below 1: what measurements of peer-to-peer sessions find (Stutzbach, Rejaie 2006).
    Weibull {
        /// Seconds.
        scale_s: f64,
        /// Shape.
        shape: f64,
    },
}

/// What clocks show.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Clock {
    /// Milliseconds that each is off, drawn evenly from minus this to this.
    pub skew_ms: u64,
    /// Milliseconds that all are off, besides.
    pub offset_ms: i64,
    /// Parts per million that each runs too fast or too slow, drawn evenly from minus this to this.
    pub drift_ppm: u64,
}

/// How disks behave.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Disk {
    /// Milliseconds that making a batch durable takes.
    pub sync_ms: u64,
    /// Share of batches that fail, as on a full disk.
    pub fail: f64,
}

/// What a hostile host does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", try_from = "HostileKeys")]
pub enum Hostile {
    /// Sends valid messages of its own, far too many.
    Spam {
        /// Messages a second, each host.
        rate_per_s: f64,
    },
    /// Sends messages whose signatures are wrong.
    BadSignatures {
        /// Messages a second, each host.
        rate_per_s: f64,
    },
    /// Writes different events at one place of its log, and tells each peer another.
    Equivocate {
        /// Pairs a second, each host.
        rate_per_s: f64,
    },
    /// Many of them connect to the target and fill its connections and mesh, then pass nothing on.
    Eclipse {
        /// The group whose first host is the target.
        target: String,
        /// Second from which on nothing is passed on; before that they behave.
        from_s: u64,
    },
    /// Takes part in gossip, but passes nothing on and answers no question.
    Withhold {
        /// Second from which on; before that it behaves. (Covert: a good reputation first.)
        from_s: u64,
        /// Messages of its own a second, each host, from its arrival on: who brings something looks useful.
        #[serde(default)]
        rate_per_s: f64,
    },
    /// Takes identities that lie next to a room's key in Kademlia, and answers that nobody is there.
    SybilKey {
        /// The room.
        room: String,
    },
    /// Volunteers as a mailbox, and lies.
    LyingMailbox {
        /// How; drawn for each host whenever it starts, if left out.
        #[serde(skip_serializing_if = "Option::is_none")]
        lie: Option<Lie>,
    },
    /// Says that it has a file, and gives something else.
    LyingSeeder {
        /// The file, by its name in the workload.
        file: String,
        /// What it does; drawn for each host whenever it starts, if left out.
        #[serde(skip_serializing_if = "Option::is_none")]
        fault: Option<Fault>,
    },
}

/// What a seeder does that lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// Changes a byte of each block.
    WrongBytes,
    /// Changes a hash of each part of the file's layer.
    WrongHashes,
    /// Says of each block that is asked for that it lacks it.
    Lacks,
    /// Takes questions for blocks, and never answers.
    Stall,
    /// Sends a byte a second.
    Trickle,
    /// Is gone after two blocks, and does not come back.
    Vanish,
    /// Sends what nobody asked for.
    Babble,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::WrongBytes, Self::WrongHashes, Self::Lacks, Self::Stall, Self::Trickle, Self::Vanish, Self::Babble];
}

/// What a mailbox does that lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lie {
    /// Takes letters, and drops them.
    Forget,
    /// Hands out each letter twice.
    Repeat,
    /// Hands out letters in another order, and begins anew with each page.
    Shuffle,
    /// Hands out what was discarded, again and again.
    Replay,
    /// Changes a byte of each letter.
    Corrupt,
    /// Hands out letters that are for others.
    MixUp,
    /// Takes letters and registrations, and never answers to whoever collects.
    Silence,
    /// Claims to keep more letters than it was given, and keeps every other one.
    Claim,
}

impl Lie {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Forget,
        Self::Repeat,
        Self::Shuffle,
        Self::Replay,
        Self::Corrupt,
        Self::MixUp,
        Self::Silence,
        Self::Claim,
    ];
}

impl Default for Nat {
    fn default() -> Self {
        Self { kind: NatKind::None, expires_s: 120 }
    }
}

impl Default for Disk {
    fn default() -> Self {
        Self { sync_ms: 2, fail: 0.0 }
    }
}

impl Group {
    /// Whether others can join the network through its hosts: they keep to the protocol and can be reached.
    pub fn can_be_joined_through(&self) -> bool {
        self.hostile.is_none() && self.nat.kind == NatKind::None
    }
}

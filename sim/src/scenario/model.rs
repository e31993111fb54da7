//! What a scenario says: plain data, as it stands in the file, checked by [`super::check`].
//!
//! Times are seconds or milliseconds of virtual time, counted from the start; shares lie between 0 and 1.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One experiment: who is there, what network lies between them, what happens, and what must come of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name, as `sim list` shows it.
    pub name: String,
    /// One line on what it shows.
    pub summary: String,
    /// Whether whole nodes run, or only the state machines of `proto`.
    #[serde(default)]
    pub level: Level,
    /// Virtual seconds that it lasts.
    pub duration_s: u64,
    /// Seeds everything, unless the command line says otherwise.
    #[serde(default = "one")]
    pub seed: u64,
    /// The last seconds, in which nothing new is said and nobody goes: what is on its way arrives.
    #[serde(default = "thirty")]
    pub settle_s: u64,
    /// The network between all hosts.
    #[serde(default)]
    pub network: Network,
    /// How every node is set up.
    #[serde(default)]
    pub node: NodeSettings,
    /// Hosts of one kind.
    #[serde(rename = "group")]
    pub groups: Vec<Group>,
    /// What the hosts' users do.
    #[serde(default)]
    pub workload: Workload,
    /// What happens at set times.
    #[serde(default, rename = "event", skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Event>,
    /// What must be true while it runs.
    #[serde(default)]
    pub invariants: Invariants,
    /// What its figures must be at the end.
    #[serde(default, rename = "check", skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
}

/// What runs in each host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// The product's node: swarm, gossip, Kademlia, connections, store.
    #[default]
    Nodes,
    /// The state machines of `proto` alone, over an ideal gossip graph: for very many hosts, and for very many runs.
    Cores,
}

/// The network between all hosts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// Names of regions. A group without a region is spread over all of them.
    pub regions: Vec<String>,
    /// One-way milliseconds from each region (row) to each (column), in the order of `regions`.
    pub latency_ms: Vec<Vec<f64>>,
    /// How much each packet's latency varies, as a share of it: exponential, so that a few are very late.
    pub jitter: f64,
    /// Share of packets lost on every path; a loss shows as the delay of a retransmission.
    pub loss: f64,
    /// Milliseconds of bytes that wait before a full link until packets are lost.
    pub queue_ms: u64,
}

/// How every node is set up. Thousands share one process: what a node allocates ahead decides how many fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NodeSettings {
    /// Connected peers below which it looks for more.
    pub connections_low: usize,
    /// Connected peers above which it lets the least useful go.
    pub connections_high: usize,
    /// Connected peers at most.
    pub connections_max: usize,
    /// Peers in each of Kademlia's buckets; the product has 20.
    pub bucket_peers: usize,
}

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
    /// The group whose hosts they join through. Themselves, if left out. Hosts with a NAT cannot be joined through.
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
#[serde(deny_unknown_fields, tag = "kind", rename_all = "kebab-case")]
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
#[serde(deny_unknown_fields, tag = "kind", rename_all = "kebab-case")]
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
    },
    /// Takes identities that lie next to a room's key in Kademlia, and answers that nobody is there.
    SybilKey {
        /// The room.
        room: String,
    },
}

/// What the hosts' users do.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Workload {
    /// Talk in rooms.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub chat: Vec<Chat>,
    /// Provide and find keys in Kademlia.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lookups: Option<Lookups>,
}

/// Talk in one room.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chat {
    /// The room.
    pub room: String,
    /// Messages a second, over all hosts.
    pub rate_per_s: f64,
    /// Characters of a message.
    #[serde(default = "hundred")]
    pub bytes: usize,
    /// The group that talks; everybody in the room, if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Second of the first message.
    #[serde(default)]
    pub from_s: u64,
    /// Second after which nothing is said; the start of settling, if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_s: Option<u64>,
}

/// Kademlia: random hosts provide keys, and other random hosts look for their providers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lookups {
    /// Keys in use.
    pub keys: usize,
    /// Hosts that provide each key.
    pub providers: usize,
    /// Lookups a second, over all hosts.
    pub rate_per_s: f64,
    /// Second of the first lookup. Keys are provided in the minute before.
    pub from_s: u64,
}

/// Something that happens at a set time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// When, in seconds.
    pub at_s: u64,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum What {
    /// The network falls into parts; nothing passes between them until [`What::Heal`].
    Partition {
        /// Names of groups or regions on each side. Who is in none is with the first.
        sides: Vec<Vec<String>>,
    },
    /// All parts are one again.
    Heal,
    /// Hosts stop.
    Stop {
        /// The group.
        group: String,
        /// Which share of it.
        #[serde(default = "all")]
        share: f64,
        /// In which way.
        #[serde(default)]
        how: Ending,
    },
    /// Hosts that are down come back.
    Start {
        /// The group.
        group: String,
        /// Which share of those that are down.
        #[serde(default = "all")]
        share: f64,
    },
}

/// How a host stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// It says goodbye.
    #[default]
    Leave,
    /// The process is killed: its connections are reset, what it wrote stays.
    Kill,
    /// The machine loses power: nobody is told, and writes that were not flushed are lost.
    PowerCut,
}

/// What must be true while a scenario runs. A breach ends the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Invariants {
    /// Seconds within which hosts of a room that can talk must hold the same, once nothing new is said and nobody comes or goes.
    /// 0 turns it off.
    pub converge_s: u64,
}

/// What a figure of the report must be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// Its name, see [`crate::report::FIGURES`].
    pub figure: String,
    /// The least allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<f64>,
    /// The most allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<f64>,
}

impl Default for Network {
    /// One region, 20 ms from anywhere to anywhere.
    fn default() -> Self {
        Self { regions: vec!["here".into()], latency_ms: vec![vec![20.0]], jitter: 0.1, loss: 0.0, queue_ms: 200 }
    }
}

impl Default for NodeSettings {
    /// As the product, but for Kademlia's buckets.
    fn default() -> Self {
        let connections = proto::connectivity::Settings::default();
        Self {
            connections_low: connections.low,
            connections_high: connections.high,
            connections_max: connections.max,
            bucket_peers: 8,
        }
    }
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

impl Default for Invariants {
    fn default() -> Self {
        Self { converge_s: 60 }
    }
}

impl Scenario {
    /// Hosts of all groups.
    pub fn hosts(&self) -> usize {
        self.groups.iter().map(|group| group.count).sum()
    }

    /// Hosts by name of group.
    pub fn counts(&self) -> BTreeMap<&str, usize> {
        self.groups.iter().map(|group| (group.name.as_str(), group.count)).collect()
    }
}

fn one() -> u64 {
    1
}

fn thirty() -> u64 {
    30
}

fn hundred() -> usize {
    100
}

fn all() -> f64 {
    1.0
}

//! What a scenario says: plain data, as it stands in the file, checked by [`super::check`].
//!
//! Times are seconds or milliseconds of virtual time, counted from the start; shares lie between 0 and 1.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Event, Group};

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
    /// Kademlia's k: peers in each bucket, and nodes that hold each record. The product has 20.
    pub kademlia_k: usize,
}

/// What the hosts' users do.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Workload {
    /// Talk in rooms.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub chat: Vec<Chat>,
    /// Direct messages.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub direct: Vec<Direct>,
    /// Files that some share and others fetch.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub file: Vec<Sharing>,
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

/// Direct messages from some hosts to others. A host writes whether or not the recipient is up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Direct {
    /// Messages a second, each host that writes, while it is up.
    pub rate_per_s: f64,
    /// Characters of a message.
    #[serde(default = "hundred")]
    pub bytes: usize,
    /// The group that writes; everybody, if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The group that is written to; everybody, if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// To how many of these each host writes, chosen by lot; 0 is all.
    #[serde(default)]
    pub friends: usize,
    /// Second of the first message.
    #[serde(default)]
    pub from_s: u64,
    /// Second after which nothing is written; the start of settling, if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_s: Option<u64>,
}

/// A file that the hosts of one group share, and those of another fetch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sharing {
    /// What it is called.
    pub name: String,
    /// Its size, in mebibytes.
    pub size_mib: u64,
    /// The group whose hosts have it, from their arrival on.
    pub seeders: String,
    /// The group whose hosts fetch it.
    pub getters: String,
    /// Second at which the first asks for it.
    pub at_s: u64,
    /// Seconds until the last has asked for it, evenly; 0 is a flash crowd.
    #[serde(default)]
    pub over_s: u64,
    /// Share of those who fetch it that know its root alone. The others have a link, which tells its size and where seeders are.
    #[serde(default)]
    pub by_root: f64,
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

/// What must be true while a scenario runs. A breach ends the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Invariants {
    /// Seconds within which hosts of a room that can talk must hold the same, once nothing new is said and nobody comes or goes.
    /// At most `settle_s`. 0 turns it off.
    pub converge_s: u64,
    /// Seconds within which a direct message must be with its recipient, once its author and its recipient have been up, and could talk,
    /// for so long. At most `settle_s`. 0 turns it off.
    pub deliver_s: u64,
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
            kademlia_k: 8,
        }
    }
}

impl Default for Invariants {
    fn default() -> Self {
        Self { converge_s: 60, deliver_s: 60 }
    }
}

impl Scenario {
    /// Seconds of quiet after which hosts that can talk must hold the same; `None` if that is not asked for. Nothing is quiet
    /// for longer than the time to settle.
    pub fn quiet_s(&self) -> Option<u64> {
        Some(self.invariants.converge_s.min(self.settle_s)).filter(|quiet_s| *quiet_s > 0)
    }

    /// Seconds after which a direct message must have arrived if nothing was in its way; `None` if that is not asked for.
    pub fn patience_s(&self) -> Option<u64> {
        Some(self.invariants.deliver_s.min(self.settle_s)).filter(|patience_s| *patience_s > 0)
    }

    /// Hosts of all groups that keep to the protocol.
    pub fn honest_hosts(&self) -> usize {
        let honest = self.groups.iter().filter(|group| group.hostile.is_none());
        honest.fold(0, |hosts, group| hosts.saturating_add(group.count))
    }

    /// Hosts of all groups.
    pub fn hosts(&self) -> usize {
        self.groups.iter().fold(0, |hosts, group| hosts.saturating_add(group.count))
    }

    /// The group of a name.
    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.name == name)
    }

    /// The group that hosts of `group` join through: the one that it names, else the first that others can join through, which
    /// a checked scenario has.
    pub fn entry(&self, group: &Group) -> Option<&Group> {
        match &group.bootstrap {
            Some(name) => self.group(name),
            None => self.groups.iter().find(|other| other.can_be_joined_through()),
        }
    }

    /// This scenario as a file. [`Scenario::parse`] reads it back.
    ///
    /// # Errors
    /// A number that TOML has no place for: a seed above 2⁶³ − 1.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
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

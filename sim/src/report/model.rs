//! What a run leaves behind: plain data, from which the table, the page, the JSON and comparisons are made.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Everything known of one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The scenario's name.
    pub scenario: String,
    /// Its one line.
    pub summary: String,
    /// The scenario itself, overrides and seed included, as TOML: enough to run it again.
    pub scenario_toml: String,
    /// The seed.
    pub seed: u64,
    /// The program's version, and its commit where it is known.
    pub version: String,
    /// Whether two runs with one seed are the same on the system that made this.
    pub reproducible: bool,
    /// SHA-256 over everything that happened, in hexadecimal.
    pub trace_hash: String,
    /// The same, up to each tenth of a virtual second: where two runs part is where these begin to differ. 8 bytes each.
    pub trace: Vec<String>,
    /// Virtual seconds that were run.
    pub virtual_s: f64,
    /// Real seconds that it took.
    pub real_s: f64,
    /// Hosts in all.
    pub hosts: usize,
    /// Each check, and whether it passed.
    pub checks: Vec<Outcome>,
    /// The invariant that was broken, if one was; it ended the run.
    pub breach: Option<Breach>,
    /// Single numbers, by the names in [`super::FIGURES`]. What a run did not measure is left out.
    pub figures: BTreeMap<String, f64>,
    /// Numbers over time, by the names in [`super::SERIES`].
    pub series: BTreeMap<String, Series>,
    /// Bytes sent by protocol, over all hosts.
    pub bytes_by_protocol: BTreeMap<String, u64>,
    /// Of pairs of groups, the share of pairs of hosts that were connected at the end: who can reach whom.
    pub reach: Vec<Reach>,
    /// What happened that a reader should know, such as partitions and mass failures.
    pub marks: Vec<Mark>,
}

/// A check and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The figure.
    pub figure: String,
    /// The least allowed.
    pub at_least: Option<f64>,
    /// The most allowed.
    pub at_most: Option<f64>,
    /// What it was; `None` when nothing was measured, which fails.
    pub value: Option<f64>,
    /// Whether it passed.
    pub passed: bool,
}

/// A broken invariant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Breach {
    /// Which, in one line.
    pub invariant: String,
    /// What exactly was found.
    pub detail: String,
    /// Virtual seconds from the start.
    pub at_s: f64,
    /// The last events of the hosts concerned, oldest first.
    pub last_events: Vec<String>,
}

/// A number over time.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Series {
    /// Virtual second and value.
    pub points: Vec<(f64, f64)>,
}

/// How well hosts of one group are connected with those of another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reach {
    /// The one group.
    pub from: String,
    /// The other.
    pub to: String,
    /// Share of the pairs that were connected.
    pub connected: f64,
}

/// Something that happened at a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// Virtual second.
    pub at_s: f64,
    /// What, in a few words.
    pub text: String,
}

impl Report {
    /// Whether every check passed and no invariant was broken.
    pub fn passed(&self) -> bool {
        self.breach.is_none() && self.checks.iter().all(|check| check.passed)
    }
}

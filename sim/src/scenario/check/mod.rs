//! What makes sense in a scenario, beyond the shape of its tables.
//!
//! | file | what it looks at |
//! |---|---|
//! | `limits` | the bounds of every number |
//! | `hosts` | groups: who joins through whom, how they come and go, what is wrong with them |
//! | `happenings` | talk, lookups, events |
//! | `letters`, `files` | direct messages; files |
//! | `figures` | the checks that the scenario makes of its own report |
//! | `cores` | what the level `cores` cannot do |
//!
//! A check finds all that is wrong, each with the path to the value. [`super::read`] knows in which line that stands.

mod cores;
mod figures;
mod files;
mod happenings;
mod hosts;
mod letters;
pub mod limits;

use std::{collections::BTreeSet, fmt::Display, ops::RangeInclusive};

use self::limits::*;
use super::{Level, Network, NodeSettings, Scenario, wording};

/// One step on the way to a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Into a table, by key.
    Key(&'static str),
    /// Into a list, by number from 0.
    Index(usize),
}

impl From<&'static str> for Step {
    fn from(key: &'static str) -> Self {
        Self::Key(key)
    }
}

impl From<usize> for Step {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

/// The way to a value from the top of the file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Path(Vec<Step>);

impl Path {
    /// The way to a key at the top.
    pub fn top(key: &'static str) -> Self {
        Self::default().to(key)
    }

    /// One step further.
    pub fn to(&self, step: impl Into<Step>) -> Self {
        Self(self.0.iter().copied().chain([step.into()]).collect())
    }

    /// All steps.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }
}

/// Something that does not make sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where.
    pub path: Path,
    /// What is wrong, and what to do.
    pub message: String,
}

/// Everything in `scenario` that does not make sense.
pub fn findings(scenario: &Scenario) -> Vec<Finding> {
    let mut findings = Findings::default();
    top(scenario, &mut findings);
    network(&scenario.network, &mut findings);
    node(scenario.node, &mut findings);
    hosts::check(scenario, &mut findings);
    happenings::check(scenario, &mut findings);
    letters::check(scenario, &mut findings);
    files::check(scenario, &mut findings);
    figures::check(scenario, &mut findings);
    if scenario.level == Level::Cores {
        cores::check(scenario, &mut findings);
    }
    findings.0
}

/// Collects what does not make sense.
#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn say(&mut self, path: Path, message: impl Into<String>) {
        self.0.push(Finding { path, message: message.into() });
    }

    /// A number must lie between two bounds. Not-a-number never does.
    fn within<T: PartialOrd + Display>(&mut self, path: Path, value: T, bounds: RangeInclusive<T>) {
        if !bounds.contains(&value) {
            self.say(path, format!("{value} is out of bounds: from {} to {}", bounds.start(), bounds.end()));
        }
    }

    fn share(&mut self, path: Path, value: f64) {
        if !(0.0..=1.0).contains(&value) {
            self.say(path, format!("a share lies between 0 and 1; {value} does not"));
        }
    }

    /// A rate must be more than nothing.
    fn rate(&mut self, path: Path, value: f64, most: f64) {
        if !(value > 0.0 && value <= most) {
            self.say(path, format!("a rate is more than 0 and at most {most} a second; {value} is not"));
        }
    }

    /// A name must be one of those that there are.
    fn reference(&mut self, path: Path, what: &str, name: &str, known: &[&str]) {
        if !known.contains(&name) {
            self.say(path, format!("there is no {what} \"{name}\"{}", wording::instead(name, known, '"')));
        }
    }

    /// A name in lists of its like must be there once, and plain.
    fn name(&mut self, path: Path, name: &str, earlier: &mut BTreeSet<String>) {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.chars().all(plain) {
            let message = format!("a name has 1 to {MAX_NAME_BYTES} of a–z, 0–9 and -; \"{name}\" does not");
            self.say(path, message);
        } else if !earlier.insert(name.to_owned()) {
            self.say(path, format!("there is a \"{name}\" already; names must differ"));
        }
    }
}

/// Characters of a name, at most: it stands in tables and file names.
const MAX_NAME_BYTES: usize = 40;

/// Characters of a summary, at most: it stands in one line of a terminal, behind the name.
pub const MAX_SUMMARY_CHARS: usize = 80;

fn top(scenario: &Scenario, findings: &mut Findings) {
    findings.name(Path::top("name"), &scenario.name, &mut BTreeSet::new());
    let summary = &scenario.summary;
    if summary.trim().is_empty() || summary.chars().count() > MAX_SUMMARY_CHARS || summary.chars().any(char::is_control)
    {
        findings.say(Path::top("summary"), format!("a summary is one line of 1 to {MAX_SUMMARY_CHARS} characters"));
    }
    findings.within(Path::top("duration_s"), scenario.duration_s, 1..=MAX_DURATION_S);
    findings.within(Path::top("seed"), scenario.seed, 0..=i64::MAX as u64);
    if scenario.settle_s >= scenario.duration_s {
        let message = format!(
            "settling takes {} s of the {} s that the scenario lasts, so nothing could happen; lower settle_s or raise duration_s",
            scenario.settle_s, scenario.duration_s
        );
        findings.say(Path::top("settle_s"), message);
    }
    let at = Path::top("invariants");
    findings.within(at.to("converge_s"), scenario.invariants.converge_s, 0..=MAX_DURATION_S);
    findings.within(at.to("deliver_s"), scenario.invariants.deliver_s, 0..=MAX_DURATION_S);
}

fn network(network: &Network, findings: &mut Findings) {
    let at = Path::top("network");
    let regions = network.regions.len();
    findings.within(at.to("regions"), regions, 1..=MAX_REGIONS);
    let mut earlier = BTreeSet::new();
    for (index, region) in network.regions.iter().enumerate() {
        findings.name(at.to("regions").to(index), region, &mut earlier);
    }
    let matrix = at.to("latency_ms");
    if network.latency_ms.len() != regions {
        let rows = network.latency_ms.len();
        findings.say(matrix.clone(), format!("there are {rows} rows for {regions} regions; each region has one row"));
    }
    for (row, latencies) in network.latency_ms.iter().enumerate() {
        if latencies.len() != regions {
            let message = format!("this row has {} numbers for {regions} regions; each has one", latencies.len());
            findings.say(matrix.to(row), message);
        }
        for (column, latency) in latencies.iter().enumerate() {
            findings.within(matrix.to(row).to(column), *latency, 0.0..=MAX_LATENCY_MS);
        }
    }
    findings.within(at.to("jitter"), network.jitter, 0.0..=MAX_JITTER);
    findings.within(at.to("loss"), network.loss, 0.0..=MAX_LOSS);
    findings.within(at.to("queue_ms"), network.queue_ms, 1..=MAX_QUEUE_MS);
}

fn node(node: NodeSettings, findings: &mut Findings) {
    let at = Path::top("node");
    findings.within(at.to("connections_max"), node.connections_max, 1..=MAX_CONNECTIONS);
    findings.within(at.to("kademlia_k"), node.kademlia_k, 1..=MAX_KADEMLIA_K);
    let bounds = [
        ("connections_low", node.connections_low, "connections_high", node.connections_high),
        ("connections_high", node.connections_high, "connections_max", node.connections_max),
    ];
    for (less, low, more, high) in bounds {
        if low > high {
            findings.say(at.to(less), format!("{less} is {low}, but {more} is {high}: lower this one or raise that"));
        }
    }
}

/// A second of the scenario before settling. Where nothing is left before it, that is said already.
fn before_settling(scenario: &Scenario, path: Path, second: u64, findings: &mut Findings) {
    let settling = scenario.duration_s.saturating_sub(scenario.settle_s);
    if settling > 0 && second > settling {
        let message = format!(
            "second {second} is too late: from second {settling} on the scenario settles (duration_s − settle_s); choose an earlier one"
        );
        findings.say(path, message);
    }
}

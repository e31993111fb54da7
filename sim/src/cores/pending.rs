//! What other modules will offer under the same names: the run's progress and error ([`crate::world`]), recorders and checks
//! ([`crate::report`]).

use std::{
    collections::BTreeMap,
    sync::{Mutex, atomic::AtomicU64},
    time::Duration,
};

use crate::{
    report::{Outcome, Series},
    scenario::Scenario,
};

/// How far a run has come, for whoever watches.
#[derive(Debug, Default)]
pub struct Progress {
    /// Milliseconds of virtual time that have passed.
    pub virtual_ms: AtomicU64,
    /// Milliseconds of virtual time in all.
    pub total_ms: AtomicU64,
    /// Hosts up.
    pub hosts_up: AtomicU64,
    /// Messages said.
    pub said: AtomicU64,
    /// Messages shown, over all hosts.
    pub shown: AtomicU64,
    /// What goes on, in a word or two.
    pub phase: Mutex<String>,
}

/// Why a run could not begin.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The matrix does not fit the regions.
    #[error(
        "latency_ms must have {regions} rows of {regions} numbers, as there are {regions} regions, and at least one"
    )]
    Latency {
        /// Regions named.
        regions: usize,
    },
    /// A group is in a region that is not there.
    #[error("the region of group '{group}' is none of the network's; name it in network.regions")]
    Region {
        /// The group.
        group: String,
    },
    /// Something names a group that is not there.
    #[error("there is no group '{group}'; the names of groups are those after `[[group]] name =`")]
    Group {
        /// The name.
        group: String,
    },
    /// The level cannot do this.
    #[error("level = \"cores\" has no {what}; use level = \"nodes\"")]
    Unsupported {
        /// What.
        what: &'static str,
    },
    /// A chat message that no node would send.
    #[error("workload.chat: {0}")]
    Chat(#[from] proto::chat::InvalidChat),
    /// There are more hosts than can be numbered.
    #[error("{0} hosts are too many; at most {max} can be simulated", max = super::MAX_HOSTS)]
    Hosts(usize),
    /// The scenario cannot be written down.
    #[error("the scenario cannot be written as TOML: {0}")]
    Toml(#[from] toml::ser::Error),
}

/// How many values there were, and their sum.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    /// Values.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
}

impl Tally {
    /// Takes in a value.
    pub fn add(&mut self, value: f64) {
        self.count += 1;
        self.sum += value;
    }

    /// The mean.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }
}

/// How spans of time are distributed.
#[derive(Debug, Clone)]
pub struct Digits<const DIGITS: u8>(hdrhistogram::Histogram<u64>);

/// For a whole run.
pub type Histogram = Digits<3>;

/// For spans of a run.
pub type Coarse = Digits<2>;

impl<const DIGITS: u8> Default for Digits<DIGITS> {
    #[expect(clippy::expect_used, reason = "the bounds are constants")]
    fn default() -> Self {
        let inner = hdrhistogram::Histogram::new_with_bounds(1, 3_600_000_000, DIGITS);
        Self(inner.expect("1 is less than half of an hour, and there are at most five digits"))
    }
}

impl<const DIGITS: u8> Digits<DIGITS> {
    /// Takes in a span of time.
    pub fn record(&mut self, span: Duration) {
        self.0.saturating_record(u64::try_from(span.as_micros()).unwrap_or(u64::MAX));
    }

    /// The milliseconds that this share of the spans did not exceed.
    pub fn quantile_ms(&self, share: f64) -> Option<f64> {
        (!self.0.is_empty()).then(|| self.0.value_at_quantile(share) as f64 / 1000.0)
    }
}

/// Spans of virtual time, at least.
const SPAN: Duration = Duration::from_secs(5);

/// One recorder for each span of virtual time.
#[derive(Debug, Clone)]
pub struct Buckets<T>(BTreeMap<u64, T>);

impl<T> Default for Buckets<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Default> Buckets<T> {
    /// The recorder of the span in which `at` lies.
    pub fn at(&mut self, at: Duration) -> &mut T {
        self.0.entry(at.as_secs() / SPAN.as_secs()).or_default()
    }

    /// One point for each span of which `value` knows something.
    pub fn series(&self, value: impl Fn(&T) -> Option<f64>) -> Series {
        let middle_s = |span: u64| (span as f64 + 0.5) * SPAN.as_secs_f64();
        Series { points: self.0.iter().filter_map(|(span, held)| Some((middle_s(*span), value(held)?))).collect() }
    }
}

impl Buckets<Tally> {
    /// The sum of each span's values, by second. Of the last span only the part until `end` is counted.
    pub fn rates_per_s(&self, end: Duration) -> Series {
        let rate = |(span, tally): (&u64, &Tally)| {
            let from_s = (span * SPAN.as_secs()) as f64;
            let length_s = (end.as_secs_f64() - from_s).min(SPAN.as_secs_f64());
            (length_s >= 0.1).then(|| (from_s + length_s / 2.0, tally.sum / length_s))
        };
        Series { points: self.0.iter().filter_map(rate).collect() }
    }
}

/// Compares each check of the scenario with the run's figures.
pub fn check(scenario: &Scenario, figures: &BTreeMap<String, f64>) -> Vec<Outcome> {
    let outcome = |check: &crate::scenario::Check| {
        let value = figures.get(&check.figure).copied();
        let within = |value: f64| {
            check.at_least.is_none_or(|bound| value >= bound) && check.at_most.is_none_or(|bound| value <= bound)
        };
        Outcome {
            figure: check.figure.clone(),
            at_least: check.at_least,
            at_most: check.at_most,
            value,
            passed: value.is_some_and(within),
        }
    };
    scenario.checks.iter().map(outcome).collect()
}

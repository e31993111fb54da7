//! A report in which everything occurs, for tests.

use std::collections::BTreeMap;

use super::{Breach, Mark, Outcome, Reach, Report, Series};

/// A run that lost one check and broke an invariant.
pub(crate) fn sample() -> Report {
    Report {
        scenario: "partition-heal".into(),
        summary: "Half of the hosts are cut off for a minute".into(),
        scenario_toml: "name = \"partition-heal\"\nduration_s = 600\n".into(),
        seed: 42,
        version: "0.1.0 (ac5bd37)".into(),
        reproducible: true,
        trace_hash: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".into(),
        trace: (0..6000).map(|tenth| format!("{tenth:016x}")).collect(),
        virtual_s: 600.0,
        real_s: 12.5,
        hosts: 1200,
        checks: checks(),
        breach: Some(Breach {
            invariant: "replicas that can talk converge".into(),
            detail: "host 17 misses 3 messages of room lobby".into(),
            at_s: 412.5,
            last_events: vec!["412.1 s host 17 connects to host 4".into(), "412.4 s host 4 closes".into()],
        }),
        figures: figures(),
        series: series(),
        bytes_by_protocol: [("/meshsub/1.1.0", 48_000_000), ("/starling/sync/1", 9_500_000), ("/ipfs/kad/1.0.0", 400)]
            .map(|(protocol, bytes)| (protocol.to_owned(), bytes))
            .into(),
        reach: reach(),
        marks: vec![
            Mark { at_s: 120.0, text: "partition".into() },
            Mark { at_s: 180.0, text: "heal".into() },
            Mark { at_s: 420.0, text: "a quarter of group homes loses power".into() },
        ],
    }
}

fn checks() -> Vec<Outcome> {
    let outcome = |figure: &str, at_least, at_most, value, passed| Outcome {
        figure: figure.into(),
        at_least,
        at_most,
        value,
        passed,
    };
    vec![
        outcome("delivered", Some(0.9999), None, Some(0.999_985), true),
        outcome("latency_p99_ms", None, Some(300.0), Some(1412.0), false),
        outcome("heal_to_equal_s", None, Some(10.0), None, false),
    ]
}

fn figures() -> BTreeMap<String, f64> {
    let figures = [
        ("said", 12_345.0),
        ("delivered", 0.999_985),
        ("latency_p50_ms", 84.0),
        ("latency_p99_ms", 1412.0),
        ("duplicates", 1.75),
        ("lookups_found", 0.9925),
        ("bytes_per_host_s", 2150.0),
        ("memory_per_host", 716_800.0),
        ("speed", 48.0),
    ];
    figures.map(|(name, value)| (name.to_owned(), value)).into()
}

fn series() -> BTreeMap<String, Series> {
    // JSON carries numbers of few digits to the last bit.
    let rounded = |value: f64| (value * 10_000.0).round() / 10_000.0;
    let over_time = |value: &dyn Fn(f64) -> f64| Series {
        points: (0..120).map(|index| f64::from(index) * 5.0 + 2.5).map(|at_s| (at_s, rounded(value(at_s)))).collect(),
    };
    let apart = |at_s: f64| (120.0..185.0).contains(&at_s);
    let cut = |at_s: f64, apart_value: f64, value: f64| if apart(at_s) { apart_value } else { value };
    let series = [
        ("delivered", over_time(&|at_s| cut(at_s, 0.52, 0.9999))),
        ("latency_p50_ms", over_time(&|at_s| 80.0 + (at_s / 20.0).sin() * 5.0)),
        ("latency_p99_ms", over_time(&|at_s| cut(at_s, 42_000.0, 240.0 + (at_s / 9.0).sin() * 40.0))),
        ("duplicates", over_time(&|at_s| 1.75 + (at_s / 30.0).cos() * 0.2)),
        ("hosts", over_time(&|at_s| if at_s > 420.0 { 900.0 } else { (at_s * 40.0).min(1200.0) })),
        ("connections", over_time(&|at_s| cut(at_s, 9.0, 16.0))),
        ("bytes_per_host_s", over_time(&|at_s| cut(at_s, 1200.0, 2150.0))),
        ("lookups_found", over_time(&|at_s| 0.995 + (at_s / 50.0).sin() * 0.004)),
        ("lookup_p50_ms", over_time(&|at_s| 300.0 + (at_s / 15.0).sin() * 60.0)),
        ("different", over_time(&|at_s| cut(at_s, 600.0, 0.0))),
    ];
    series.map(|(name, series)| (name.to_owned(), series)).into()
}

fn reach() -> Vec<Reach> {
    let reach = |from: &str, to: &str, connected| Reach { from: from.into(), to: to.into(), connected };
    vec![
        reach("homes", "homes", 0.4),
        reach("homes", "servers", 1.0),
        reach("servers", "servers", 1.0),
        reach("phones", "servers", 0.98),
        reach("phones", "homes", 0.03),
        reach("phones", "phones", 0.0),
    ]
}

//! Whole runs.

use std::sync::Arc;

use proptest::prelude::*;

use super::{host::RECENT_EVENTS, run};
use crate::progress::Progress;
use crate::{
    report::Report,
    scenario::{Ending, Event, Scenario, What},
};

mod large;
mod weather;

fn scenario(text: &str) -> Scenario {
    toml::from_str(&format!("name = \"t\"\nsummary = \"t\"\nlevel = \"cores\"\n{text}")).unwrap()
}

fn play(scenario: &Scenario, seed: u64) -> Report {
    run(scenario.clone(), seed, Arc::new(Progress::default())).unwrap()
}

/// A run that must not break an invariant.
fn played(text: &str, seed: u64) -> Report {
    let report = play(&scenario(text), seed);
    assert_eq!(report.breach, None, "seed {seed}");
    report
}

fn figure(report: &Report, name: &str) -> f64 {
    *report.figures.get(name).unwrap_or_else(|| panic!("{name} was not measured: {:?}", report.figures))
}

/// East and west cannot talk.
fn parted() -> What {
    What::Partition { sides: vec![vec!["east".into()], vec!["west".into()]] }
}

const ROOM: &str = r#"
    duration_s = 120
    group = [{ name = "all", count = 40 }]
    workload.chat = [{ room = "lobby", rate_per_s = 2.0 }]
"#;

const STORMY: &str = r#"
    duration_s = 180
    settle_s = 90
    network = { regions = ["east", "west"], latency_ms = [[5, 80], [80, 5]], jitter = 0.3, loss = 0.02 }
    workload.chat = [{ room = "lobby", rate_per_s = 2.0 }]
    [[group]]
    name = "east"
    count = 15
    region = "east"
    arrive = { over_s = 10 }
    clock = { skew_ms = 20000 }
    churn = { session_s = { kind = "exponential", mean_s = 40 }, gap_s = { kind = "uniform", min_s = 1, max_s = 30 }, crash = 0.7, power_cut = 0.5 }
    disk = { sync_ms = 5, fail = 0.01 }
    [[group]]
    name = "west"
    count = 15
    region = "west"
"#;

#[test]
fn in_good_weather_everyone_is_shown_everything_at_once() {
    let report = played(ROOM, 1);
    assert!(figure(&report, "said") > 100.0);
    assert_eq!((figure(&report, "delivered"), figure(&report, "delivered_live")), (1.0, 1.0));
    assert_eq!(figure(&report, "presence_error"), 0.0);
    assert!(figure(&report, "latency_p99_ms") < 500.0, "{:?}", report.figures);
    assert!((0.5..3.0).contains(&figure(&report, "duplicates")), "{:?}", report.figures);
    assert!(figure(&report, "connections") >= 3.0);
    assert_eq!(report.trace.len(), 1_200);
    assert!(report.passed());
}

#[test]
fn one_seed_gives_one_history_and_another_seed_another() {
    let mut storm = scenario(STORMY);
    let stop = What::Stop { group: "west".into(), share: 0.5, how: Ending::PowerCut };
    let start = What::Start { group: "west".into(), share: 1.0 };
    let events = [(20, parted()), (70, What::Heal), (75, stop), (85, start)];
    storm.events = events.into_iter().map(|(at_s, what)| Event { at_s, what }).collect();
    let (one, again, other) = (play(&storm, 7), play(&storm, 7), play(&storm, 8));
    assert_eq!(one.breach, None);
    assert_eq!((&one.trace_hash, &one.trace), (&again.trace_hash, &again.trace));
    assert_ne!(one.trace_hash, other.trace_hash);
    // They part early.
    assert_ne!(one.trace[5], other.trace[5]);
}

#[test]
fn after_a_heal_all_soon_hold_the_same() {
    let mut apart = scenario(
        r#"
        duration_s = 150
        network = { regions = ["east", "west"], latency_ms = [[10, 80], [80, 10]] }
        group = [{ name = "all", count = 60 }]
        workload.chat = [{ room = "lobby", rate_per_s = 2.0 }]
        "#,
    );
    apart.events = vec![Event { at_s: 30, what: parted() }, Event { at_s: 90, what: What::Heal }];
    let report = play(&apart, 3);
    assert_eq!(report.breach, None);
    assert!(figure(&report, "heal_to_equal_s") < 10.0, "{:?}", report.figures);
    assert_eq!(figure(&report, "delivered"), 1.0);
    // What is said while the network is apart cannot reach the other side at once.
    assert!(figure(&report, "delivered_live") < 0.9, "{:?}", report.figures);
    assert_eq!(report.marks.len(), 2);
}

#[test]
fn what_a_run_leaves_out_is_said_and_what_it_cannot_do_refused() {
    let report = played(
        r#"
        duration_s = 40
        group = [{ name = "all", count = 3, nat = { kind = "symmetric" } }]
        workload.chat = [{ room = "other", rate_per_s = 1.0 }]
        "#,
        1,
    );
    assert_eq!((report.marks.len(), figure(&report, "said")), (2, 0.0));
    let hostile = scenario(
        r#"
        duration_s = 40
        group = [{ name = "all", count = 3, hostile = { kind = "spam", rate_per_s = 1.0 } }]
        "#,
    );
    assert!(run(hostile, 1, Arc::new(Progress::default())).is_err());
}

#[test]
fn a_breach_tells_what_hosts_did_last_and_what_the_scenario_did() {
    let mut slow = scenario(
        r#"
        duration_s = 60
        network = { regions = ["east", "west"], latency_ms = [[3000, 3000], [3000, 3000]] }
        group = [{ name = "all", count = 4 }]
        workload.chat = [{ room = "lobby", rate_per_s = 0.5, from_s = 20 }]
        invariants = { converge_s = 2 }
        "#,
    );
    slow.events = vec![Event { at_s: 5, what: parted() }, Event { at_s: 10, what: What::Heal }];
    let told = play(&slow, 1).breach.unwrap().last_events;
    assert!(told.iter().any(|line| line.contains("the network heals")), "{told:#?}");
    assert!(told.iter().any(|line| line.contains("Showed")), "{told:#?}");
    assert!(told.len() <= 5 * RECENT_EVENTS, "{told:#?}");
}

//! The simulator as its users run it: the same seed is the same story, a report can be replayed and compared, and what goes wrong in a
//! run is told.

use std::collections::BTreeSet;

use harness::{Simulation, eventually, process, seconds};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::cli::ended_with;

/// A little of every trouble: churn, crashes, power cuts, loss, jitter, a partition.
pub const WEATHER: &str = r#"
name = "weather"
summary = "12 nodes, 40 s: churn, crashes, a partition, loss"
duration_s = 40
settle_s = 15

[network]
regions = ["east", "west"]
latency_ms = [[10, 60], [60, 10]]
jitter = 0.3
loss = 0.01

[[group]]
name = "founders"
count = 4

[[group]]
name = "members"
count = 8
bootstrap = "founders"
arrive = { over_s = 3 }

[group.churn]
session_s = { kind = "exponential", mean_s = 10 }
gap_s = { kind = "uniform", min_s = 1, max_s = 4 }
crash = 0.6
power_cut = 0.5
from_s = 5

[[workload.chat]]
room = "lobby"
rate_per_s = 2
from_s = 3

[[event]]
at_s = 10
do = "partition"
sides = [["east"], ["west"]]

[[event]]
at_s = 16
do = "heal"
"#;

/// Nothing bad happens, and it takes a blink.
pub const CALM: &str = r#"
name = "calm"
summary = "4 nodes, 30 s, nothing goes wrong"
duration_s = 30
settle_s = 10

[[group]]
name = "nodes"
count = 4

[[workload.chat]]
room = "lobby"
rate_per_s = 1
from_s = 8

[[check]]
figure = "delivered"
at_least = 0.999

[[check]]
figure = "latency_p99_ms"
at_most = 1000
"#;

/// A message takes three seconds, but all must hold it two seconds after it was said.
const TOO_SLOW: &str = r#"
name = "too-slow"
summary = "A network that is slower than the bound for convergence"
duration_s = 60
settle_s = 20

[network]
latency_ms = [[3000]]

[[group]]
name = "nodes"
count = 4

[[workload.chat]]
room = "lobby"
rate_per_s = 0.5
from_s = 20

[invariants]
converge_s = 2
"#;

#[track_caller]
fn text<'a>(line: &'a Value, key: &str) -> &'a str {
    line[key].as_str().unwrap_or_else(|| panic!("no {key} in {line}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn one_seed_is_one_story_in_any_process_and_another_seed_is_another() {
    let simulation = Simulation::default();
    let file = simulation.file("weather.toml", WEATHER);
    let run = async |seed, out| simulation.run(&[file, "--seed", seed, "--out", out]).await.1;
    let (first, again, other) = tokio::join!(run("7", "first"), run("7", "again"), run("8", "other"));
    assert_eq!(text(&first, "trace_hash"), text(&again, "trace_hash"));
    assert_ne!(text(&first, "trace_hash"), text(&other, "trace_hash"));
    // The same story has the same figures; only what it cost this machine differs.
    let told = |line: &Value| {
        let mut figures = line["figures"].as_object().expect("figures").clone();
        figures.retain(|name, _| !["speed", "memory_per_host", "cpu_per_host_us_s"].contains(&name.as_str()));
        figures
    };
    assert_eq!(told(&first), told(&again));
    assert_eq!(simulation.report("first").trace, simulation.report("again").trace);
    assert!(first["figures"]["said"].as_f64() > Some(10.0), "something happened: {first}");
    let marks = simulation.report("first").marks;
    assert!(marks.iter().any(|mark| mark.text.contains("partition")), "{marks:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_with_json_ends_with_one_compact_line() {
    let simulation = Simulation::default();
    let file = simulation.file("calm.toml", CALM);
    let output = simulation.sim(&["run", file, "--seed", "5", "--json"]).await;
    ended_with(0, &output);
    let line = output.stdout.strip_suffix('\n').expect("a line ends");
    assert!(!line.contains('\n'), "one line: {output:#?}");
    let value: Value = serde_json::from_str(line).unwrap();
    assert!(!line.contains(": ") && !line.contains(", "), "compact: {line}");
    assert_eq!((text(&value, "scenario"), value["seed"].as_u64()), ("calm", Some(5)));
    assert_eq!(text(&value, "trace_hash").len(), 64);
    let checks = value["checks"].as_array().expect("a list of checks");
    assert_eq!(checks.len(), 2);
    assert!(checks.iter().all(|check| check["passed"] == true && check["value"].is_number()), "{checks:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_leaves_a_page_and_all_that_a_replay_needs() {
    let simulation = Simulation::default();
    let file = simulation.file("calm.toml", CALM);
    let output =
        simulation.sim(&["run", file, "--seed", "3", "--set", "group.nodes.count=5", "--out", "deep/out"]).await;
    ended_with(0, &output);
    for words in ["delivered", "pass", "index.html"] {
        assert!(output.stdout.contains(words), "no '{words}' in {output:#?}");
    }
    let dir = simulation.report_dir("deep/out");
    let names: BTreeSet<_> = std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["index.html", "report.json", "scenario.toml"].map(Into::into).into());
    let page = std::fs::read_to_string(dir.join("index.html")).unwrap();
    assert!(page.contains("<svg") && page.contains("calm"), "a page with charts");
    for far in ["src=\"http", "href=\"http", "url(http", "@import"] {
        assert!(!page.contains(far), "the page opens offline, but has {far}");
    }
    assert_eq!(simulation.report("deep/out").hosts, 5);

    // The original is not needed any more.
    std::fs::remove_file(simulation.dir().join(file)).unwrap();
    let replay = simulation.sim(&["replay", "deep/out"]).await;
    ended_with(0, &replay);
    let hash = simulation.report("deep/out").trace_hash;
    assert!(replay.stdout.contains("The same") && replay.stdout.contains(&hash), "{replay:#?}");
    // And what it was run with is a scenario like any other.
    let (code, line) = simulation.run(&["deep/out/scenario.toml", "--out", "other"]).await;
    assert_eq!((code, text(&line, "trace_hash")), (Some(0), hash.as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_differs_says_from_when_on() {
    let simulation = Simulation::default();
    let file = simulation.file("calm.toml", CALM);
    ended_with(0, &simulation.sim(&["run", file, "--seed", "3", "--quiet", "--out", "seed"]).await);
    ended_with(0, &simulation.sim(&["run", file, "--seed", "3", "--quiet", "--out", "trace"]).await);

    simulation.edit_report("seed", |report| report["seed"] = 4.into());
    let replay = simulation.sim(&["replay", "seed"]).await;
    assert_eq!(replay.code, Some(1), "{replay:#?}");
    assert!(replay.stdout.contains("They part") && replay.stdout.contains("virtual seconds"), "{replay:#?}");

    simulation.edit_report("trace", |report| {
        report["trace_hash"] = "0".repeat(64).into();
        for entry in report["trace"].as_array_mut().expect("a trace").iter_mut().skip(123) {
            *entry = "0".repeat(16).into();
        }
    });
    let replay = simulation.sim(&["replay", "trace"]).await;
    assert_eq!(replay.code, Some(1), "{replay:#?}");
    assert!(replay.stdout.contains("the first difference is at 12.3 virtual seconds"), "{replay:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_fails_is_named_and_is_an_exit_code() {
    let simulation = Simulation::default();
    let file = simulation.file("calm.toml", CALM);
    let words = ["run", file, "--set", "check.1.at_most=1"];
    let output = simulation.sim(&words).await;
    assert_eq!(output.code, Some(1), "{output:#?}");
    let failed: Vec<&str> = output.stdout.lines().filter(|line| line.to_lowercase().contains("fail")).collect();
    assert!(failed.iter().any(|line| line.contains("latency_p99_ms")), "{output:#?}");
    assert!(!failed.iter().any(|line| line.starts_with("delivered")), "the other passed: {output:#?}");

    // The report tells the same, and so does the JSON.
    let (code, line) = simulation.run(&words[1..]).await;
    assert_eq!((code, &line["passed"]), (Some(1), &Value::Bool(false)));
    let verdicts: Vec<_> = simulation.report("sim-report").checks.into_iter().map(|check| check.passed).collect();
    assert_eq!(verdicts, [true, false]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_invariant_ends_the_run_and_tells_seed_time_and_last_events() {
    let simulation = Simulation::default();
    let file = simulation.file("too-slow.toml", TOO_SLOW);
    let output = simulation.sim(&["run", file, "--seed", "6"]).await;
    assert_eq!(output.code, Some(1), "{output:#?}");
    for words in ["BROKEN at", "hold the same", "seed 6", "last events", "said"] {
        assert!(output.stdout.contains(words), "no '{words}' in {output:#?}");
    }
    let report = simulation.report("sim-report");
    let breach = report.breach.expect("a breach");
    assert!((20.0..60.0).contains(&breach.at_s), "{breach:#?}");
    assert!((breach.at_s - report.virtual_s).abs() < 1.0, "it went on for {} s", report.virtual_s);
    assert!(breach.last_events.iter().any(|event| event.contains("said")), "{breach:#?}");
    // The very same again, which is what the seed is for; and with time enough nothing breaks.
    let replay = simulation.sim(&["replay", "sim-report"]).await;
    ended_with(0, &replay);
    let words = [file, "--seed", "6", "--set", "invariants.converge_s=20"];
    let (code, line) = simulation.run(&words).await;
    assert_eq!((code, &line["breach"]), (Some(0), &Value::Null), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_sums_up_its_seeds_and_names_those_that_failed() {
    let simulation = Simulation::default();
    let file = simulation.file("calm.toml", CALM);
    let clean = simulation.sim(&["sweep", file, "--seeds", "1..3"]).await;
    ended_with(0, &clean);
    assert!(clean.stdout.contains("3 of 3 passed"), "{clean:#?}");
    let spread = clean.stdout.lines().find(|line| line.trim_start().starts_with("delivered"));
    assert!(spread.is_some(), "how the figures spread: {clean:#?}");
    assert!(!simulation.report_dir("sim-report").exists(), "it leaves nothing");

    // A bound in the middle of what was found, so that some pass and some do not.
    let mut said = Vec::new();
    for seed in ["1", "2", "3"] {
        let (_, line) = simulation.run(&[file, "--seed", seed]).await;
        said.push(line["figures"]["said"].as_f64().expect("a number"));
    }
    let most = said.iter().copied().fold(0.0, f64::max);
    assert!(said.iter().any(|one| *one < most), "three seeds are three stories: {said:?}");
    let failing: Vec<usize> = (1..=3).filter(|seed| said[seed - 1] < most).collect();
    let bound = format!("check=[{{figure=\"said\",at_least={most}}}]");
    let mixed = simulation.sim(&["sweep", file, "--seeds", "1..3", "--set", &bound]).await;
    assert_eq!(mixed.code, Some(1), "{mixed:#?}");
    assert!(mixed.stdout.contains(&format!("{} of 3 passed", 3 - failing.len())), "{mixed:#?}");
    for seed in 1..=3 {
        let line = mixed.stdout.lines().find(|line| line.split_whitespace().next() == Some(&seed.to_string()));
        let line = line.unwrap_or_else(|| panic!("no seed {seed} in {mixed:#?}"));
        assert_eq!(line.contains("said was"), failing.contains(&seed), "{line}");
    }
    assert!(mixed.stdout.contains(&format!("--seed {}", failing[0])), "how to see it: {mixed:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_that_is_stopped_ends_its_runs_and_leaves_nothing() {
    let simulation = Simulation::default();
    // Long enough to be in the middle of it.
    let file = simulation.file("calm.toml", &CALM.replace("duration_s = 30", "duration_s = 36000"));
    let temporary = simulation.dir().join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    for signal in [Signal::TERM, Signal::INT] {
        let mut command = simulation.command(&["sweep", file, "--seeds", "1..4", "--jobs", "2"]);
        let mut sweep = command.env("TMPDIR", &temporary).spawn().unwrap();
        let pid = sweep.id().expect("it runs");
        let runs = eventually("two runs at once", seconds(30), async || {
            let runs = process::children(pid);
            if runs.len() == 2 { Ok(runs) } else { Err(format!("{} runs", runs.len())) }
        })
        .await;
        kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).unwrap();
        assert_eq!(sweep.wait().await.unwrap().code(), Some(130));
        eventually("the end of all runs", seconds(30), async || {
            if runs.iter().all(|run| process::resident_bytes(*run).is_none()) { Ok(()) } else { Err("they run") }
        })
        .await;
        assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_reports_are_shown_side_by_side() {
    let simulation = Simulation::default();
    let file = simulation.file("calm.toml", CALM);
    let slower = ["run", file, "--quiet", "--out", "after", "--set", "network.latency_ms=[[200]]"];
    ended_with(0, &simulation.sim(&["run", file, "--quiet", "--out", "before"]).await);
    ended_with(0, &simulation.sim(&[&slower[..], &["--set", "check=[]"]].concat()).await);
    let output = simulation.sim(&["compare", "before", "after"]).await;
    ended_with(0, &output);
    let line = output.stdout.lines().find(|line| line.starts_with("latency_p50_ms")).expect("the latency");
    assert!(line.contains("worse"), "{output:#?}");
    for dir in ["before", "after"] {
        let value = simulation.report(dir).figures["latency_p50_ms"];
        assert!(line.contains(&format!("{value:.0} ms")), "{value} is not in {line}");
    }
    assert!(output.stdout.contains("changed"), "it says that the scenario is another: {output:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn shipped_scenarios_are_listed_with_what_they_show() {
    let output = Simulation::default().sim(&["list"]).await;
    ended_with(0, &output);
    for name in
        ["demo-100", "lobby-1000", "churn-500", "partition-heal", "dht-1000", "crash-disk", "clock-skew", "mixed"]
    {
        let line = output.stdout.lines().find(|line| line.split_whitespace().next() == Some(name));
        assert!(line.is_some_and(|line| line.split_whitespace().count() > 3), "{name}: {output:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scenario_in_the_readme_runs_as_it_stands_there() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).unwrap();
    let blocks = readme.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let scenario = blocks.into_iter().find(|block| block.contains("[[group]]")).expect("a scenario in the README");
    let simulation = Simulation::default();
    // With fewer hosts, which a debug build runs in seconds.
    let (code, line) = simulation.run(&[simulation.file("mine.toml", scenario), "--nodes", "8"]).await;
    assert_eq!(code, Some(0), "{line}");
    assert_eq!(line["passed"], true);
}

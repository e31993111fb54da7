//! What users of the simulator get wrong: each mistake is told in words that say where it is and what to do, before anything is run.

use harness::{Output, Simulation};

use crate::{
    cli::ended_with,
    simulator::{CALM, WEATHER},
};

/// Fails unless it was refused as wrong usage, with all of `words` on standard error, and nothing was left.
#[track_caller]
fn refused(simulation: &Simulation, output: &Output, words: &[&str]) {
    ended_with(2, output);
    assert_eq!(output.stdout, "", "{output:#?}");
    for word in words {
        assert!(output.stderr.contains(word), "no '{word}' in {output:#?}");
    }
    assert!(!simulation.report_dir("sim-report").exists(), "a mistake leaves nothing");
}

#[tokio::test]
async fn a_scenario_that_nobody_knows_is_a_question_whether_another_was_meant() {
    let simulation = Simulation::default();
    for command in [&["run", "lobby-100"][..], &["sweep", "lobby-100", "--seeds", "1..3"]] {
        refused(&simulation, &simulation.sim(command).await, &["lobby-100", "did you mean", "lobby-1000"]);
    }
    refused(&simulation, &simulation.sim(&["run", "none.toml"]).await, &["none.toml", "No such file"]);
    refused(&simulation, &simulation.sim(&["run", "."]).await, &["cannot read the scenario"]);
}

#[tokio::test]
async fn a_mistake_in_a_file_is_told_with_its_line() {
    let simulation = Simulation::default();
    // What stood there, what stands there now, and how many lines below the beginning of that the mistake is.
    let edits = [
        ("rate_per_s = 2", "rate_per_sec = 2", 0),
        ("at_s = 10", "at_s = \"ten\"", 0),
        ("[[\"east\"], [\"west\"]]", "[[\"east\"], [\"wets\"]]", 0),
        ("loss = 0.01", "loss = 1.5", 0),
        ("bootstrap = \"founders\"", "bootstrap = \"foundres\"", 0),
        ("\n[[group]]\nname = \"members\"", "\n[[group]\nname = \"members\"", 1),
    ];
    for (right, wrong, below) in edits {
        let text = WEATHER.replacen(right, wrong, 1);
        let at = text.find(wrong).expect("it was replaced");
        let line = 1 + text[..at].matches('\n').count() + below;
        let file = simulation.file("mine.toml", &text);
        refused(&simulation, &simulation.sim(&["run", file]).await, &[&format!("mine.toml:{line}:")]);
    }
}

#[tokio::test]
async fn all_mistakes_in_a_file_are_told_at_once() {
    let simulation = Simulation::default();
    let text = WEATHER.replace("\"wets\"", "").replace("loss = 0.01", "loss = 7").replace("crash = 0.6", "crash = 6");
    let file = simulation.file("mine.toml", &text);
    refused(&simulation, &simulation.sim(&["run", file]).await, &["loss = 7", "crash = 6"]);
}

#[tokio::test]
async fn a_check_of_a_figure_that_is_none_is_told_what_was_meant() {
    let simulation = Simulation::default();
    let file = simulation.file("mine.toml", &CALM.replace("\"delivered\"", "\"deliverd\""));
    refused(
        &simulation,
        &simulation.sim(&["run", file]).await,
        &["mine.toml:", "deliverd", "did you mean \"delivered"],
    );
}

#[tokio::test]
async fn a_change_that_makes_no_sense_is_told_by_its_own_words() {
    let simulation = Simulation::default();
    let file = simulation.file("calm.toml", CALM);
    for (change, words) in [
        ("nonsense", &["nonsense", "key=value"][..]),
        ("network.los=0.1", &["network.los=0.1", "loss"]),
        ("group.nobody.count=3", &["group.nobody.count=3", "nobody"]),
        ("group.nodes.count=many", &["group.nodes.count=many"]),
        ("group.nodes.count=-1", &["group.nodes.count=-1"]),
        ("check.7.at_most=1", &["check.7.at_most=1", "counted from 0"]),
        ("duration_s=[1", &["duration_s=[1"]),
        ("network.loss=0.9", &["network.loss=0.9"]),
    ] {
        refused(&simulation, &simulation.sim(&["run", file, "--set", change]).await, words);
    }
    refused(&simulation, &simulation.sim(&["run", file, "--nodes", "0"]).await, &["--nodes"]);
    refused(&simulation, &simulation.sim(&["sweep", file, "--seeds", "9..1"]).await, &["smaller number first"]);
    refused(&simulation, &simulation.sim(&["sweep", file]).await, &["--seeds"]);
}

#[tokio::test]
async fn a_directory_without_a_report_is_told_apart_from_a_damaged_one() {
    let simulation = Simulation::default();
    for command in [&["replay", "nowhere"][..], &["compare", "nowhere", "nowhere"]] {
        refused(&simulation, &simulation.sim(command).await, &["nowhere", "sim run --out"]);
    }
    let file = simulation.file("calm.toml", CALM);
    ended_with(0, &simulation.sim(&["run", file, "--quiet", "--out", "mine"]).await);
    let whole = std::fs::read_to_string(simulation.report_dir("mine").join("report.json")).unwrap();
    for damaged in [&whole[..whole.len() / 2], "", "{}"] {
        simulation.file("mine/report.json", damaged);
        refused(&simulation, &simulation.sim(&["replay", "mine"]).await, &["damaged", "run the scenario again"]);
    }
    simulation.file("mine/report.json", &whole);
    simulation.edit_report("mine", |report| report["format"] = 99.into());
    refused(&simulation, &simulation.sim(&["replay", "mine"]).await, &["newer version"]);
}

#[tokio::test]
async fn files_of_the_users_own_are_not_replaced_by_a_report() {
    let simulation = Simulation::default();
    let file = simulation.file("scenario.toml", CALM);
    refused(&simulation, &simulation.sim(&["run", file, "--out", "."]).await, &["scenario.toml", "--out"]);
    std::fs::create_dir(simulation.dir().join("site")).unwrap();
    let page = simulation.file("site/index.html", "<p>mine</p>");
    refused(&simulation, &simulation.sim(&["run", file, "--out", "site"]).await, &[page, "--out"]);
    assert_eq!(std::fs::read_to_string(simulation.dir().join(file)).unwrap(), CALM);
}

#[tokio::test]
async fn a_report_that_cannot_be_written_after_all_is_told_with_what_was_found() {
    let simulation = Simulation::default();
    let file = simulation.file("calm.toml", CALM);
    let words = ["run", file, "--out", "mine"];
    ended_with(0, &simulation.sim(&words).await);
    // The earlier report is one, but a page cannot take the place of a directory.
    let page = simulation.report_dir("mine").join("index.html");
    std::fs::remove_file(&page).unwrap();
    std::fs::create_dir(&page).unwrap();
    let output = simulation.sim(&words).await;
    ended_with(2, &output);
    assert!(output.stdout.contains("latency_p99_ms") && !output.stdout.contains("The report is in"), "{output:#?}");
    assert!(output.stderr.contains("cannot write the report to mine"), "{output:#?}");
}

#[tokio::test]
async fn a_sweep_without_a_temporary_directory_cannot_be_done() {
    let simulation = Simulation::default();
    let mut command = simulation.command(&["sweep", simulation.file("calm.toml", CALM), "--seeds", "1"]);
    let output = command.env("TMPDIR", "nowhere").output().await.unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("nowhere"), "{output:?}");
}

#[tokio::test]
async fn a_place_that_cannot_hold_the_report_is_told_before_the_run() {
    let simulation = Simulation::default();
    let file = simulation.file("calm.toml", CALM);
    let output = simulation.sim(&["run", file, "--out", "calm.toml/report"]).await;
    refused(&simulation, &output, &["calm.toml/report", "--out"]);
}

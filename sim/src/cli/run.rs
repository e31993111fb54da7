//! `sim run`: one scenario, one report. And `sim list`.

use std::{io, path::PathBuf};

use clap::{Args, FromArgMatches};

use super::{Failure, Verdict, engine, failure::print, seeds::seed, source::Chosen, watch};
use crate::scenario::{Scenario, shipped::shipped};

/// What to run, and what to leave.
#[derive(Debug, Clone, Args)]
pub struct RunArguments {
    #[command(flatten)]
    chosen: Chosen,
    /// Seeds everything; another seed is another story [default: the scenario's]
    #[arg(long, value_name = "N", value_parser = seed)]
    seed: Option<u64>,
    /// Where the report goes
    #[arg(long, value_name = "DIR", default_value = "sim-report")]
    out: PathBuf,
    /// Print one line of JSON instead of a table
    #[arg(long)]
    json: bool,
    /// Show no progress and no table; the exit code tells
    #[arg(long)]
    quiet: bool,
}

impl RunArguments {
    /// What runs when nothing was asked for: the demo, with every default.
    ///
    /// # Errors
    /// None, as long as every option has a default.
    pub fn demo() -> Result<Self, clap::Error> {
        let matches = Self::augment_args(clap::Command::new("sim")).try_get_matches_from(["sim"])?;
        Self::from_arg_matches(&matches)
    }
}

/// Carries out `sim run`.
///
/// # Errors
/// The scenario makes no sense, cannot be run, or its report cannot be written.
pub fn run(arguments: &RunArguments) -> Result<Verdict, Failure> {
    let RunArguments { chosen, seed, out, json, quiet } = arguments;
    let mut scenario = chosen.load()?;
    let no_place = |error: io::Error| {
        let out = out.display();
        Failure::NotDone(format!("cannot write the report to {out}: {error}; choose another place with --out"))
    };
    // Before the run: nobody wants to learn after an hour that there is no place for the report.
    engine::report::check_place(out, chosen.source.path()).map_err(no_place)?;
    scenario.seed = seed.unwrap_or(scenario.seed);
    let report = watch::run(scenario, *quiet)?;
    let written = engine::report::write(&report, out);
    // What was found is told even if there is no place left for the report.
    if *json {
        print(&engine::report::json_line(&report))?;
    } else if !quiet {
        print(&engine::report::table(&report, out))?;
    }
    written.map_err(no_place)?;
    if !json && !quiet {
        print(&format!("The report is in {}", out.join("index.html").display()))?;
    }
    Ok(report.passed().into())
}

/// Carries out `sim list`.
///
/// # Errors
/// Standard output cannot be written.
pub fn list() -> Result<Verdict, Failure> {
    let mut lines = Vec::new();
    for it in shipped() {
        let scenario = Scenario::parse(it.name, it.text, &[]).map_err(Failure::because)?;
        lines.push(format!("{:<16}{}", it.name, scenario.summary));
    }
    lines.push("\nRun one with: sim run NAME. What a file of your own can say: docs/SCENARIOS.md".into());
    print(&lines.join("\n"))?;
    Ok(Verdict::Passed)
}

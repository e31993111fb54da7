//! `sim replay`: the same scenario with the same seed again. If the histories differ, it says from when on. And `sim compare`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{Failure, Verdict, engine, failure::print, watch};
use crate::{report::Report, scenario::Scenario};

/// Entries of [`Report::trace`] in a virtual second.
const TRACE_PER_S: f64 = 10.0;

/// A report to replay.
#[derive(Debug, Clone, Args)]
pub struct ReplayArguments {
    /// The directory of a report
    dir: PathBuf,
    /// Show no progress
    #[arg(long)]
    quiet: bool,
}

/// Two reports.
#[derive(Debug, Clone, Args)]
pub struct CompareArguments {
    /// The directory of one report
    before: PathBuf,
    /// The directory of the other
    after: PathBuf,
}

/// Carries out `sim replay`.
///
/// # Errors
/// There is no report, its scenario is not understood any more, or it cannot be run.
pub fn replay(arguments: &ReplayArguments) -> Result<Verdict, Failure> {
    let before = read(&arguments.dir)?;
    let name = arguments.dir.join("report.json").display().to_string();
    let mut scenario =
        Scenario::parse(&format!("the scenario in {name}"), &before.scenario_toml, &[]).map_err(Failure::because)?;
    scenario.seed = before.seed;
    let after = watch::run(scenario, arguments.quiet)?;
    print(&told(&before, &after))?;
    Ok((before.trace_hash == after.trace_hash).into())
}

/// Carries out `sim compare`.
///
/// # Errors
/// There is no report in one of the directories.
pub fn compare(arguments: &CompareArguments) -> Result<Verdict, Failure> {
    let (before, after) = (read(&arguments.before)?, read(&arguments.after)?);
    print(&engine::report::compare(&before, &after))?;
    Ok(Verdict::Passed)
}

fn read(dir: &Path) -> Result<Report, Failure> {
    engine::report::read(dir).map_err(Failure::because)
}

/// What a replay showed, in words.
fn told(before: &Report, after: &Report) -> String {
    if before.trace_hash == after.trace_hash {
        return format!("The same: {} with seed {}, trace {}", before.scenario, before.seed, before.trace_hash);
    }
    let mut words = match parting(&before.trace, &after.trace) {
        Some(tenth) => {
            format!("They part: the first difference is at {:.1} virtual seconds", tenth as f64 / TRACE_PER_S)
        }
        None => "They part: only in the last tenth of a second, or in how they end".to_owned(),
    };
    words += &format!("\nbefore  {}\nnow     {}", before.trace_hash, after.trace_hash);
    if before.version != after.version {
        words += &format!(
            "\nThe report is of version {}, this program is {}: that may be the reason",
            before.version, after.version
        );
    }
    if !before.reproducible || !after.reproducible {
        words +=
            "\nOn this system, or where the report was made, two runs with one seed may differ; on Linux they do not";
    }
    words
}

/// The first tenth of a second at which two histories differ. One that ends earlier differs from there on.
fn parting(before: &[String], after: &[String]) -> Option<usize> {
    let differs = before.iter().zip(after).position(|(a, b)| a != b);
    differs.or_else(|| (before.len() != after.len()).then_some(before.len().min(after.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(trace_hash: &str, trace: &[&str], version: &str) -> Report {
        let trace: Vec<String> = trace.iter().map(|entry| (*entry).to_owned()).collect();
        let value = serde_json::json!({
            "scenario": "s", "summary": "", "scenario_toml": "", "seed": 7, "version": version, "reproducible": true,
            "trace_hash": trace_hash, "trace": trace, "virtual_s": 1.0, "real_s": 1.0, "hosts": 1, "checks": [],
            "breach": null, "figures": {}, "series": {}, "bytes_by_protocol": {}, "reach": [], "marks": [],
        });
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn the_same_history_is_called_the_same() {
        let words = told(&report("h", &["a", "b"], "1"), &report("h", &["a", "b"], "1"));
        assert!(words.starts_with("The same: s with seed 7"), "{words}");
    }

    #[test]
    fn histories_that_differ_are_told_from_when_on() {
        let before = report("h", &["a", "b", "c"], "1");
        let words = told(&before, &report("i", &["a", "x", "y"], "1"));
        assert!(words.contains("at 0.1 virtual seconds") && !words.contains("version"), "{words}");
        let words = told(&before, &report("i", &["a", "b"], "2"));
        assert!(
            words.contains("at 0.2 virtual seconds") && words.contains("of version 1, this program is 2"),
            "{words}"
        );
        assert!(told(&before, &report("i", &["a", "b", "c"], "1")).contains("how they end"));
    }
}

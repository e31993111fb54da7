//! A report for a terminal.

use std::{fmt::Write as _, path::Path};

use comfy_table::{CellAlignment, Table, presets};

use super::{
    Breach, FIGURES, Report,
    numbers::{bounds, found, plain, replay, tally, thousands, unit_of, verdict, with_unit},
};

/// The table: the checks, all figures, and at the end, where a terminal shows it, what broke and how the run went. The report is,
/// or will be, in the directory.
///
/// Ends with a newline. Strings of the scenario cannot control the terminal.
pub fn table(report: &Report, directory: &Path) -> String {
    let mut text = head(report);
    if !report.checks.is_empty() {
        let mut table = columns(&["check", "bounds", "found", ""], &[2]);
        for check in &report.checks {
            table.add_row([plain(&check.figure), bounds(check), found(check), verdict(check.passed).into()]);
        }
        text += &printed(&table);
    }
    let mut table = columns(&["figure", "value", "meaning"], &[1]);
    for (name, value, meaning) in figures(report) {
        table.add_row([plain(name), with_unit(value, unit_of(name)), meaning.into()]);
    }
    if table.row_count() > 0 {
        text += &printed(&table);
    }
    if let Some(breach) = &report.breach {
        text += &broken(breach, directory);
    }
    text + &tally(report) + "\n"
}

/// The figures that were measured, those with a known meaning first and in the order of [`FIGURES`].
pub(super) fn figures(report: &Report) -> impl Iterator<Item = (&str, f64, &'static str)> {
    let known = FIGURES.iter().filter_map(|name| Some((name.name, *report.figures.get(name.name)?, name.meaning)));
    let others = report.figures.iter().filter(|(name, _)| super::figure(name).is_none());
    known.chain(others.map(|(name, value)| (name.as_str(), *value, "")))
}

fn head(report: &Report) -> String {
    let verdict = if report.passed() { "passed" } else { "FAILED" };
    let trace = plain(report.trace_hash.get(..16).unwrap_or(&report.trace_hash));
    format!(
        "{} {verdict}: {}\nseed {}, {} hosts, {} virtual s in {} s, trace {trace}{}\n\n",
        plain(&report.scenario),
        plain(&report.summary),
        report.seed,
        thousands(report.hosts as f64, 0),
        thousands(report.virtual_s, 0),
        thousands(report.real_s, 1),
        if report.reproducible { "" } else { " (on this system, no two runs are the same)" },
    )
}

fn broken(breach: &Breach, directory: &Path) -> String {
    let mut text = String::new();
    if !breach.last_events.is_empty() {
        text += "the last events before it broke:\n";
    }
    // Writing to a string cannot fail.
    for event in &breach.last_events {
        let _ = writeln!(text, "  {}", plain(event));
    }
    let _ = writeln!(text, "\nBROKEN at {} virtual s: {}", thousands(breach.at_s, 3), plain(&breach.invariant));
    let _ = writeln!(text, "  {}\n  to see it again: {}", plain(&breach.detail), replay(directory));
    text
}

/// A table without lines, with these columns to the right.
pub(crate) fn columns(header: &[&str], right: &[usize]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(header);
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if right.contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// The table's lines and an empty one, without blanks at their ends.
pub(crate) fn printed(table: &Table) -> String {
    table.lines().map(|line| line.trim_end().to_owned() + "\n").chain(["\n".into()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn a_table_shows_checks_then_figures_then_the_breach_together_with_the_verdict() {
        let text = table(&sample(), Path::new("sim-report"));
        let wanted = [
            "partition-heal FAILED: Half of the hosts",
            "seed 42, 1,200 hosts, 600 virtual s in 12.5 s, trace 9f86d081884c7d65\n",
            "check            bounds            found\n",
            "≥ 99.99 %",
            "99.9985 %  pass\n",
            "≤ 300 ms",
            "1,412 ms  FAIL\n",
            "≤ 10.0 s",
            "not measured  FAIL\n",
            "figure ",
            "12,345  messages said and durable at their author\n",
            "700 KiB  ",
            "  412.4 s host 4 closes\n",
            "BROKEN at 412.500 virtual s: replicas that can talk converge\n",
            "  host 17 misses 3 messages of room lobby\n",
            "  to see it again: sim replay sim-report\n",
            "FAILED: an invariant broke, and 1 of 3 checks passed\n",
        ];
        let mut rest = text.as_str();
        for wanted in wanted {
            let at = rest.find(wanted).unwrap_or_else(|| panic!("{wanted:?} is missing, or too early, in\n{text}"));
            rest = &rest[at + wanted.len()..];
        }
        assert_eq!(rest, "");
    }

    #[test]
    fn a_run_in_which_all_is_well_says_passed() {
        let mut report = sample();
        report.breach = None;
        report.checks.truncate(1);
        let text = table(&report, Path::new("sim-report"));
        assert!(text.starts_with("partition-heal passed: "), "{text}");
        assert!(text.ends_with("\npassed: 1 of 1 checks passed\n"), "{text}");
        assert!(!text.contains("FAIL") && !text.contains("BROKEN"), "{text}");
    }

    #[test]
    fn a_figure_that_nobody_knows_is_shown_too() {
        let mut report = sample();
        report.figures.insert("a_new_one".into(), 3.0);
        assert!(
            table(&report, Path::new("sim-report"))
                .lines()
                .any(|line| line.starts_with("a_new_one ") && line.ends_with(" 3"))
        );
    }

    #[test]
    fn strings_cannot_control_the_terminal() {
        let mut report = sample();
        report.summary = "\u{1b}[2Jgone".into();
        report.scenario = "two\nlines".into();
        report.figures.insert("\u{7}bell".into(), 1.0);
        if let Some(breach) = &mut report.breach {
            breach.last_events.push("\r\u{9b}31m".into());
        }
        let text = table(&report, Path::new("sim-report"));
        assert!(text.chars().all(|letter| letter == '\n' || !letter.is_control()), "{text:?}");
    }
}

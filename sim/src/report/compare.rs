//! Two runs beside each other: did a change help?

use std::{collections::BTreeSet, fmt::Write as _};

use super::{
    Better, Outcome, Report, Unit,
    numbers::{bounds, plain, tally, thousands, unit_of, verdict, with_unit},
    table::{columns, figures, printed},
};

/// What is different between two runs, for a terminal: what makes them hard to compare, figures, checks, where their traces part.
pub fn compare(before: &Report, after: &Report) -> String {
    let mut text = header(before, after);
    let names: BTreeSet<&str> = before.figures.keys().chain(after.figures.keys()).map(String::as_str).collect();
    let known = figures(before).map(|(name, ..)| name);
    let others: Vec<&str> = names.iter().copied().filter(|name| !before.figures.contains_key(*name)).collect();
    let mut table = columns(&["figure", "before", "after", "change", ""], &[1, 2, 3]);
    for name in known.chain(others) {
        table.add_row(row(name, before.figures.get(name).copied(), after.figures.get(name).copied()));
    }
    text += &printed(&table);
    text += &changed_checks(before, after);
    text + &traces(before, after)
}

/// The virtual second up to which the traces of two runs are the same, to a tenth; `None` if they never part.
pub fn parting_s(one: &Report, other: &Report) -> Option<f64> {
    let same = one.trace.iter().zip(&other.trace).take_while(|(one, other)| one == other).count();
    let whole = same == one.trace.len() && same == other.trace.len() && one.trace_hash == other.trace_hash;
    (!whole).then_some(same as f64 / 10.0)
}

fn header(before: &Report, after: &Report) -> String {
    let mut text = String::new();
    for (word, report) in [("before", before), ("after", after)] {
        let name = plain(&report.scenario);
        let hosts = thousands(report.hosts as f64, 0);
        // Writing to a string cannot fail.
        let (seed, version) = (report.seed, plain(&report.version));
        let _ = writeln!(text, "{word:<7} {name}, seed {seed}, {hosts} hosts, {version}; {}", tally(report));
    }
    let notes = [
        (before.scenario != after.scenario, "these are different scenarios"),
        (
            before.scenario == after.scenario && !same_but_for_the_seed(before, after),
            "the scenario was changed in between",
        ),
        (before.seed != after.seed, "the seeds differ, so chance has a part in every difference"),
        (before.version != after.version, "the versions of the program differ"),
    ];
    for (_, note) in notes.iter().filter(|(holds, _)| *holds) {
        let _ = writeln!(text, "note    {note}");
    }
    text + "\n"
}

/// The seed stands in the scenario, in a line of its own before all tables.
fn same_but_for_the_seed(before: &Report, after: &Report) -> bool {
    let lines = |report: &'_ Report| -> Vec<String> {
        let lines = report.scenario_toml.lines().filter(|line| !line.starts_with("seed = "));
        lines.map(str::to_owned).collect()
    };
    lines(before) == lines(after)
}

fn row(name: &str, before: Option<f64>, after: Option<f64>) -> [String; 5] {
    let unit = unit_of(name);
    let shown = |value: Option<f64>| value.map_or_else(|| "not measured".into(), |value| with_unit(value, unit));
    let (change, word) = match (before, after) {
        (Some(before), Some(after)) => (change(before, after, unit), judged(name, before, after)),
        _ => (String::new(), ""),
    };
    [plain(name), shown(before), shown(after), change, word.into()]
}

/// The difference in percent; of shares, in points of percent, since 99.9 % is to 99.99 % not as 1 to 1.
fn change(before: f64, after: f64, unit: Unit) -> String {
    let signed = |value: f64, digits: usize| {
        let text = thousands(value, digits);
        if text.starts_with('-') { text } else { format!("+{text}") }
    };
    let difference = after - before;
    if difference == 0.0 {
        "=".into()
    } else if unit == Unit::Share {
        let digits = if difference.abs() < 0.001 { 4 } else { 1 };
        format!("{} points", signed(difference * 100.0, digits))
    } else if before == 0.0 {
        "from nothing".into()
    } else {
        format!("{} %", signed(difference / before.abs() * 100.0, 1))
    }
}

/// Whether it became better. What looks the same with its unit has changed too little to say so.
fn judged(name: &str, before: f64, after: f64) -> &'static str {
    let unit = unit_of(name);
    if with_unit(before, unit) == with_unit(after, unit) {
        return "";
    }
    let better = super::figure(name).map_or(Better::Neither, |name| name.better);
    match (better, after > before) {
        (Better::Neither, true) => "↑",
        (Better::Neither, false) => "↓",
        (Better::Higher, true) => "↑ better",
        (Better::Higher, false) => "↓ worse",
        (Better::Lower, true) => "↑ worse",
        (Better::Lower, false) => "↓ better",
    }
}

/// A check as one is named in a line.
fn told(check: &Outcome) -> String {
    format!("{} {}", plain(&check.figure), bounds(check))
}

fn changed_checks(before: &Report, after: &Report) -> String {
    let mut text = String::new();
    let same = |one: &Outcome, other: &Outcome| {
        (&one.figure, one.at_least, one.at_most) == (&other.figure, other.at_least, other.at_most)
    };
    for check in &after.checks {
        let old = before.checks.iter().find(|old| same(old, check));
        if old.is_some_and(|old| old.passed == check.passed) {
            continue;
        }
        let old = old.map_or("not checked", |old| verdict(old.passed));
        let _ = writeln!(text, "check {}: {old} before, {} after", told(check), verdict(check.passed));
    }
    for gone in before.checks.iter().filter(|old| !after.checks.iter().any(|check| same(old, check))) {
        let _ = writeln!(text, "check {}: {} before, not checked after", told(gone), verdict(gone.passed));
    }
    for (was, is) in [("before", (before, after)), ("after", (after, before))] {
        if let (Some(breach), None) = (&is.0.breach, &is.1.breach) {
            let _ = writeln!(text, "invariant broken only {was}: {}", plain(&breach.invariant));
        }
    }
    if text.is_empty() {
        return "no check changed its verdict\n".into();
    }
    text
}

fn traces(before: &Report, after: &Report) -> String {
    if !same_but_for_the_seed(before, after) || before.seed != after.seed {
        return String::new();
    }
    match parting_s(before, after) {
        None => "the traces are the same\n".into(),
        Some(at_s) => {
            format!("the traces are the same up to virtual second {at_s:.1}, and part in the tenth after it\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn line<'a>(text: &'a str, start: &str) -> &'a str {
        text.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("no line {start:?} in\n{text}"))
    }

    fn words(text: &str) -> Vec<&str> {
        text.split_whitespace().collect()
    }

    #[test]
    fn a_run_beside_itself_has_no_difference() {
        let text = compare(&sample(), &sample());
        assert!(text.contains("no check changed its verdict\nthe traces are the same\n"), "{text}");
        for word in ["better", "worse", "note", "%  ↑"] {
            assert!(!text.contains(word), "{word} in\n{text}");
        }
        assert_eq!(words(line(&text, "said")), ["said", "12,345", "12,345", "="]);
    }

    #[test]
    fn each_figure_says_whether_its_change_is_for_the_better() {
        let mut after = sample();
        after.figures.insert("delivered".into(), 0.999);
        after.figures.insert("latency_p50_ms".into(), 42.0);
        after.figures.insert("said".into(), 24_690.0);
        after.figures.insert("banned_honest".into(), 1.0);
        after.figures.remove("speed");
        let text = compare(&sample(), &after);
        assert_eq!(
            words(line(&text, "delivered")),
            ["delivered", "99.9985", "%", "99.9", "%", "-0.0985", "points", "↓", "worse"]
        );
        assert_eq!(
            words(line(&text, "latency_p50_ms")),
            ["latency_p50_ms", "84", "ms", "42", "ms", "-50.0", "%", "↓", "better"]
        );
        assert_eq!(words(line(&text, "said")), ["said", "12,345", "24,690", "+100.0", "%", "↑"]);
        assert_eq!(words(line(&text, "banned_honest")), ["banned_honest", "not", "measured", "1"]);
        assert_eq!(words(line(&text, "speed")), ["speed", "48", "not", "measured"]);
    }

    #[test]
    fn checks_and_invariants_that_changed_are_named() {
        let mut after = sample();
        after.breach = None;
        after.checks[1].passed = true;
        after.checks.push(Outcome { figure: "said".into(), at_least: Some(1.0), ..after.checks[0].clone() });
        let text = compare(&sample(), &after);
        assert!(text.contains("check latency_p99_ms ≤ 300 ms: FAIL before, pass after\n"), "{text}");
        assert!(text.contains("invariant broken only before: replicas that can talk converge\n"), "{text}");
        assert!(text.contains("check said ≥ 1: not checked before, pass after\n"), "{text}");
        assert!(!text.contains("check delivered"), "{text}");
        let back = compare(&after, &sample());
        assert!(back.contains("check said ≥ 1: pass before, not checked after\n"), "{back}");
    }

    #[test]
    fn a_run_that_failed_is_called_so_in_the_first_lines() {
        let mut after = sample();
        after.breach = None;
        after.checks.truncate(1);
        let text = compare(&sample(), &after);
        assert!(line(&text, "before ").ends_with("FAILED: an invariant broke, and 1 of 3 checks passed"), "{text}");
        assert!(line(&text, "after ").ends_with("passed: 1 of 1 checks passed"), "{text}");
    }

    #[test]
    fn what_depends_on_how_busy_the_machine_was_is_neither_better_nor_worse() {
        let mut after = sample();
        after.figures.insert("speed".into(), 10.0);
        let text = compare(&sample(), &after);
        assert_eq!(words(line(&text, "speed")), ["speed", "48", "10", "-79.2", "%", "↓"]);
    }

    #[test]
    fn another_seed_is_no_change_of_the_scenario() {
        let of_seed = |seed: u64| Report { scenario_toml: format!("seed = {seed}\nloss = 0.1\n"), seed, ..sample() };
        let text = compare(&of_seed(1), &of_seed(2));
        assert!(text.contains("the seeds differ") && !text.contains("was changed"), "{text}");
    }

    #[test]
    fn traces_part_in_the_first_tenth_that_differs() {
        let mut after = sample();
        after.trace_hash = "00".repeat(32);
        for tenth in &mut after.trace[1234..] {
            *tenth = "f".repeat(16);
        }
        assert_eq!(parting_s(&sample(), &after), Some(123.4));
        assert!(compare(&sample(), &after).contains("up to virtual second 123.4,"));
        after.trace = sample().trace;
        after.trace.truncate(5000);
        assert_eq!(parting_s(&sample(), &after), Some(500.0), "one run ended before the other");
        assert_eq!(parting_s(&sample(), &sample()), None);
    }

    #[test]
    fn what_makes_runs_hard_to_compare_is_noted() {
        let mut after = sample();
        after.seed = 43;
        after.version = "0.2.0".into();
        after.scenario_toml += "loss = 0.1\n";
        let text = compare(&sample(), &after);
        for note in ["the scenario was changed in between", "the seeds differ", "the versions of the program differ"] {
            assert!(text.contains(note), "{note} in\n{text}");
        }
        assert!(!text.contains("traces"), "two histories have nothing to part from:\n{text}");
    }
}

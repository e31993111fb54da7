//! What a sweep found: a line for each seed that is worth one, and how far each checked figure spread.

use std::collections::BTreeMap;

use super::source::Chosen;
use crate::report::{Outcome, Report, columns, found, printed, unit_of, with_unit};

/// Seeds up to which each has a line, whether it failed or not.
const MAX_LINES: usize = 20;

/// What one run of a sweep came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Its seed.
    pub seed: u64,
    checks: Vec<Outcome>,
    /// The invariant that broke, or why there is no report.
    trouble: Option<String>,
}

impl Run {
    /// What is to be remembered of a run: of its report, or of why there is none.
    pub fn new(seed: u64, result: Result<Report, String>) -> Self {
        match result {
            Err(reason) => Self { seed, checks: vec![], trouble: Some(format!("no report: {reason}")) },
            Ok(report) => {
                let breach = report.breach.map(|it| format!("{} (at {:.1} s): {}", it.invariant, it.at_s, it.detail));
                Self { seed, checks: report.checks, trouble: breach }
            }
        }
    }

    /// Whether every check passed and nothing broke.
    pub fn passed(&self) -> bool {
        self.trouble.is_none() && self.checks.iter().all(|check| check.passed)
    }

    fn failed_checks(&self) -> String {
        let failed = self.checks.iter().filter(|check| !check.passed);
        failed.map(|check| format!("{} was {}", check.figure, found(check))).collect::<Vec<_>>().join(", ")
    }
}

/// The whole, for people.
pub fn summary(chosen: &Chosen, runs: &[Run]) -> String {
    let failed: Vec<&Run> = runs.iter().filter(|run| !run.passed()).collect();
    let shown: Vec<&Run> = if runs.len() <= MAX_LINES { runs.iter().collect() } else { failed.clone() };
    let mut text = String::new();
    if !shown.is_empty() {
        text += &lines(&shown);
    }
    text += &spread(runs);
    text += &format!("{} of {} passed", runs.len() - failed.len(), runs.len());
    if let Some(first) = failed.first() {
        let words = chosen.words().iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
        text += &format!("\nTo see one that failed: sim run {words} --seed {}", first.seed);
    }
    text
}

fn lines(runs: &[&Run]) -> String {
    let mut table = columns(&["seed", "passed", "failed checks", "broken"], &[0]);
    for run in runs {
        let passed = if run.passed() { "yes" } else { "no" };
        let trouble = run.trouble.clone().unwrap_or_default();
        table.add_row([run.seed.to_string(), passed.to_owned(), run.failed_checks(), trouble]);
    }
    printed(&table)
}

/// The least, the middle and the most of each figure that was checked.
fn spread(runs: &[Run]) -> String {
    let mut figures: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for check in runs.iter().flat_map(|run| &run.checks) {
        figures.entry(&check.figure).or_default().extend(check.value);
    }
    figures.retain(|_, values| !values.is_empty());
    if figures.is_empty() {
        return String::new();
    }
    let mut table = columns(&["figure", "least", "middle", "most"], &[1, 2, 3]);
    for (figure, mut values) in figures {
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).map_or_else(String::new, |value| with_unit(*value, unit_of(figure)));
        table.add_row([figure.to_owned(), at(0), at(values.len() / 2), at(values.len() - 1)]);
    }
    printed(&table)
}

/// A word as a shell takes it for one.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,".contains(c);
    if word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(seed: u64, value: f64) -> Run {
        let check = Outcome {
            figure: "delivered".into(),
            at_least: Some(0.9),
            at_most: None,
            value: Some(value),
            passed: value >= 0.9,
        };
        Run { seed, checks: vec![check], trouble: None }
    }

    fn chosen() -> Chosen {
        Chosen { source: "mixed".parse().unwrap(), nodes: None, overrides: vec!["network.loss=0.1".parse().unwrap()] }
    }

    #[test]
    fn a_summary_names_the_seeds_that_failed_and_why() {
        let mut runs: Vec<Run> = (1..=30).map(|seed| run(seed, 1.0)).collect();
        runs[6] = run(7, 0.5);
        runs[8].trouble = Some("something lost".into());
        let text = summary(&chosen(), &runs);
        for words in
            ["delivered was 50 %", "something lost", "28 of 30 passed", "sim run mixed --set network.loss=0.1 --seed 7"]
        {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert_eq!(text.lines().filter(|line| line.contains(" no ")).count(), 2, "{text}");
        assert!(!text.lines().any(|line| line.ends_with(" yes")), "{text}");
    }

    #[test]
    fn a_short_sweep_shows_every_seed_and_how_figures_spread() {
        let text = summary(&chosen(), &[run(1, 0.9), run(2, 1.0), run(3, 0.95)]);
        assert_eq!(text.lines().filter(|line| line.ends_with(" yes")).count(), 3, "{text}");
        assert!(text.lines().all(|line| line == line.trim_end()), "{text:?}");
        let line = text.lines().find(|line| line.contains("delivered")).unwrap();
        assert_eq!(line.split_whitespace().collect::<Vec<_>>(), ["delivered", "90", "%", "95", "%", "100", "%"]);
    }

    #[test]
    fn words_are_quoted_for_the_shell_where_they_must_be() {
        assert_eq!(quoted("network.loss=0.1"), "network.loss=0.1");
        assert_eq!(quoted("name=it's"), r"'name=it'\''s'");
        assert_eq!(quoted("event=[]"), "'event=[]'");
    }
}

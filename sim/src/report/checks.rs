//! Whether a run's figures are what its scenario says they must be.

use std::collections::BTreeMap;

use super::Outcome;
use crate::scenario::Scenario;

/// Compares each check of the scenario with the run's figures, in the scenario's order.
///
/// A figure that is missing or not a number was not measured, and its check fails.
pub fn check(scenario: &Scenario, figures: &BTreeMap<String, f64>) -> Vec<Outcome> {
    let outcome = |check: &crate::scenario::Check| {
        let value = figures.get(&check.figure).copied().filter(|value| value.is_finite());
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

#[cfg(test)]
mod tests {
    use super::*;

    const SCENARIO: &str = r#"
        name = "t"
        summary = "t"
        duration_s = 60
        group = [{ name = "all", count = 2 }]
        [[check]]
        figure = "delivered"
        at_least = 0.99
        at_most = 1.0
    "#;

    fn outcome(figures: &[(&str, f64)]) -> Outcome {
        let scenario: Scenario = toml::from_str(SCENARIO).unwrap();
        let figures = figures.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        let [outcome] = <[Outcome; 1]>::try_from(check(&scenario, &figures)).unwrap();
        outcome
    }

    #[test]
    fn a_figure_on_its_bounds_passes() {
        assert!(outcome(&[("delivered", 0.99)]).passed);
        assert!(outcome(&[("delivered", 1.0)]).passed);
    }

    #[test]
    fn a_figure_beyond_a_bound_fails_and_says_what_it_was() {
        for value in [0.989_999, 1.000_001] {
            let outcome = outcome(&[("delivered", value)]);
            assert!(!outcome.passed);
            assert_eq!((outcome.value, outcome.at_least, outcome.at_most), (Some(value), Some(0.99), Some(1.0)));
        }
    }

    #[test]
    fn what_was_not_measured_fails() {
        for figures in [&[][..], &[("duplicates", 1.0)], &[("delivered", f64::NAN)], &[("delivered", f64::INFINITY)]] {
            let outcome = outcome(figures);
            assert!(!outcome.passed, "{figures:?}");
            assert_eq!(outcome.value, None);
        }
    }
}

//! Numbers and strings as people read them, in the table as on the page.

use std::path::Path;

use super::{Outcome, Report, Unit, figure};

/// What a figure of this name is counted in; unknown ones are just numbers.
pub(crate) fn unit_of(name: &str) -> Unit {
    figure(name).map_or(Unit::Count, |name| name.unit)
}

/// A value with its unit.
pub(crate) fn with_unit(value: f64, unit: Unit) -> String {
    if !value.is_finite() {
        return "not measured".into();
    }
    match unit {
        Unit::Share => percent(value),
        Unit::Milliseconds if value.abs() < 10.0 => format!("{} ms", thousands(value, 1)),
        Unit::Milliseconds => format!("{} ms", thousands(value, 0)),
        Unit::Seconds => format!("{} s", thousands(value, 1)),
        Unit::Bytes => bytes(value),
        Unit::Count => count(value),
    }
}

/// A share in percent. The nearer to all or nothing, the more digits, so that what is not quite all does not look like it.
fn percent(share: f64) -> String {
    let rest = share.min(1.0 - share);
    if rest <= 0.0 || rest >= 0.1 {
        let whole = ((share * 100.0).round() - share * 100.0).abs() < 1e-9;
        return format!("{:.*} %", if whole { 0 } else { 1 }, share * 100.0);
    }
    // Two digits of the rest, of which percent takes two places; at most eight, which tells one of ten billion.
    let digits = (-1.0 - rest.log10().floor()).clamp(1.0, 8.0) as usize;
    let text = format!("{:.digits$}", share * 100.0);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

fn bytes(value: f64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut scaled = value;
    let mut unit = 0;
    while scaled.abs() >= 1024.0 && unit + 1 < UNITS.len() {
        scaled /= 1024.0;
        unit += 1;
    }
    format!("{} {}", thousands(scaled, usize::from(unit > 0 && scaled.abs() < 100.0)), UNITS[unit])
}

/// A number: whole ones whole, small ones with two digits after the point.
fn count(value: f64) -> String {
    let whole = value.fract() == 0.0 || value.abs() >= 10_000.0;
    thousands(value, if whole { 0 } else { 2 })
}

/// A number with this many digits after the point and commas between thousands.
pub(super) fn thousands(value: f64, digits: usize) -> String {
    let text = format!("{:.digits$}", value.abs());
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::with_capacity(text.len() * 2);
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    // What rounds to nothing is not less than nothing.
    let negative = value < 0.0 && text.bytes().any(|byte| (b'1'..=b'9').contains(&byte));
    format!("{}{grouped}{rest}", if negative { "-" } else { "" })
}

/// What a check allows.
pub(super) fn bounds(check: &Outcome) -> String {
    let unit = unit_of(&check.figure);
    let at_least = check.at_least.map(|bound| format!("≥ {}", with_unit(bound, unit)));
    let at_most = check.at_most.map(|bound| format!("≤ {}", with_unit(bound, unit)));
    at_least.into_iter().chain(at_most).collect::<Vec<_>>().join(", ")
}

/// What a check found. Where rounding would make a failure look like its bound, every digit is shown.
pub(crate) fn found(check: &Outcome) -> String {
    let Some(value) = check.value else { return "not measured".into() };
    let unit = unit_of(&check.figure);
    let text = with_unit(value, unit);
    let looks_allowed = |bound: &f64| with_unit(*bound, unit) == text;
    if !check.passed && check.at_least.iter().chain(&check.at_most).any(looks_allowed) {
        return value.to_string();
    }
    text
}

/// "pass" or "FAIL".
pub(super) fn verdict(passed: bool) -> &'static str {
    if passed { "pass" } else { "FAIL" }
}

/// How the run went, in one line.
pub(super) fn tally(report: &Report) -> String {
    let verdict = if report.passed() { "passed" } else { "FAILED" };
    let broken = if report.breach.is_some() { "an invariant broke, and " } else { "" };
    let passed = report.checks.iter().filter(|check| check.passed).count();
    format!("{verdict}: {broken}{passed} of {} checks passed", report.checks.len())
}

/// A string from a file, for a terminal: control characters, which could move the cursor or change colours, show as dots.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '·' } else { letter }).collect()
}

/// At most so many characters, the last of which says when there were more.
pub(super) fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.into();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// The command that makes the run again.
pub(super) fn command(scenario: &str, seed: u64) -> String {
    format!("sim run {} --seed {seed}", quoted(scenario))
}

/// The command that makes exactly the run again whose report is there.
pub(super) fn replay(directory: &Path) -> String {
    format!("sim replay {}", quoted(&directory.to_string_lossy()))
}

/// A word for a shell, in quotes if it needs them.
fn quoted(word: &str) -> String {
    let safe = |letter: char| letter.is_ascii_alphanumeric() || "-_./".contains(letter);
    if !word.is_empty() && !word.starts_with('-') && word.chars().all(safe) {
        return word.into();
    }
    format!("'{}'", plain(word).replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn thousands_are_separated() {
        assert_eq!(thousands(1_234_567.0, 0), "1,234,567");
        assert_eq!(thousands(999.0, 0), "999");
        assert_eq!(thousands(-12_345.678, 1), "-12,345.7");
        assert_eq!(thousands(-0.01, 0), "0");
    }

    #[test]
    fn a_share_just_below_all_is_not_shown_as_all() {
        assert_eq!(with_unit(1.0, Unit::Share), "100 %");
        assert_eq!(with_unit(0.0, Unit::Share), "0 %");
        assert_eq!(with_unit(0.5, Unit::Share), "50 %");
        assert_eq!(with_unit(0.9999, Unit::Share), "99.99 %");
        assert_eq!(with_unit(0.999_985, Unit::Share), "99.9985 %");
        assert_eq!(with_unit(0.004_25, Unit::Share), "0.43 %");
    }

    #[test]
    fn each_unit_is_named() {
        assert_eq!(with_unit(4.25, Unit::Milliseconds), "4.2 ms");
        assert_eq!(with_unit(12_345.0, Unit::Milliseconds), "12,345 ms");
        assert_eq!(with_unit(605.0, Unit::Seconds), "605.0 s");
        assert_eq!(with_unit(680_000.0, Unit::Bytes), "664 KiB");
        assert_eq!(with_unit(2048.0, Unit::Bytes), "2.0 KiB");
        assert_eq!(with_unit(1.5, Unit::Count), "1.50");
        assert_eq!(with_unit(f64::NAN, Unit::Count), "not measured");
    }

    #[test]
    fn a_failure_next_to_its_bound_does_not_look_allowed() {
        let check = Outcome {
            figure: "latency_p99_ms".into(),
            at_least: None,
            at_most: Some(300.0),
            value: Some(300.2),
            passed: false,
        };
        assert_eq!((bounds(&check).as_str(), found(&check).as_str()), ("≤ 300 ms", "300.2"));
    }

    #[test]
    fn a_command_can_be_pasted_whatever_the_name() {
        assert_eq!(command("demo-100", 7), "sim run demo-100 --seed 7");
        assert_eq!(command("it's; rm -rf /", 7), r"sim run 'it'\''s; rm -rf /' --seed 7");
        assert_eq!(replay(Path::new("my reports/1")), "sim replay 'my reports/1'");
    }

    proptest! {
        #[test]
        fn without_its_commas_a_number_is_the_number(value in -1e12..1e12_f64, digits in 0..4_usize) {
            let text = thousands(value, digits).replace(',', "");
            prop_assert_eq!(text.parse::<f64>().unwrap(), format!("{value:.digits$}").parse::<f64>().unwrap());
        }

        #[test]
        fn a_share_of_a_million_is_never_rounded_to_all_or_nothing(hits in 1..1_000_000_u32) {
            let text = with_unit(f64::from(hits) / 1e6, Unit::Share);
            prop_assert!(text != "100 %" && text != "0 %", "{text}");
        }
    }
}

//! The page's tables: checks, figures, what happened, bytes by protocol, and who can reach whom.

use std::{cmp::Reverse, collections::BTreeMap};

use maud::{Markup, html};

use crate::report::{
    Report, Unit,
    numbers::{bounds, found, thousands, unit_of, verdict, with_unit},
    table,
};

/// Protocols that have a bar of their own; the rest is one bar. Hosts can make up protocols, and a page should end.
const MAX_BARS: usize = 20;

/// The style's class of a verdict.
pub(super) fn class(passed: bool) -> &'static str {
    if passed { "pass" } else { "fail" }
}

/// Every check, with its bounds and what was found.
pub(super) fn checks(report: &Report) -> Markup {
    html! {
        @if !report.checks.is_empty() {
            h2 { "Checks" }
            div class="scroll" { table {
                tr { th {} th { "check" } th class="number" { "must be" } th class="number" { "found" } }
                @for check in &report.checks {
                    tr {
                        td class=(class(check.passed)) { (verdict(check.passed)) }
                        td { (check.figure) }
                        td class="number" { (bounds(check)) }
                        td class="number" { (found(check)) }
                    }
                }
            } }
        }
    }
}

/// Every figure and what it means.
pub(super) fn figures(report: &Report) -> Markup {
    html! {
        @if !report.figures.is_empty() {
            h2 { "All figures" }
            div class="scroll" { table {
                @for (name, value, meaning) in table::figures(report) {
                    tr {
                        td { (name) }
                        td class="number" { (with_unit(value, unit_of(name))) }
                        td class="faint" { (meaning) }
                    }
                }
            } }
        }
    }
}

/// What happened, in order.
pub(super) fn marks(report: &Report) -> Markup {
    let mut marks: Vec<_> = report.marks.iter().collect();
    marks.sort_by(|one, other| one.at_s.total_cmp(&other.at_s));
    html! {
        @if !marks.is_empty() {
            h2 { "What happened" }
            div class="scroll" { table {
                @for mark in marks {
                    tr { td class="number" { (thousands(mark.at_s, 1)) " s" } td { (mark.text) } }
                }
            } }
        }
    }
}

/// Bytes by protocol as bars, the largest first.
pub(super) fn protocols(report: &Report) -> Markup {
    let mut bars: Vec<(&str, u64)> =
        report.bytes_by_protocol.iter().map(|(name, bytes)| (name.as_str(), *bytes)).collect();
    bars.sort_by_key(|(_, bytes)| Reverse(*bytes));
    let all: u64 = bars.iter().fold(0, |sum, (_, bytes)| sum.saturating_add(*bytes));
    if bars.len() > MAX_BARS {
        let others = bars.drain(MAX_BARS..).fold(0_u64, |sum, (_, bytes)| sum.saturating_add(bytes));
        bars.push(("all others", others));
    }
    let most = bars.iter().map(|(_, bytes)| *bytes).max().unwrap_or(0).max(1) as f64;
    let share = |bytes: u64| with_unit(bytes as f64 / all.max(1) as f64, Unit::Share);
    html! {
        @if !bars.is_empty() {
            h2 { "Bytes by protocol" }
            div class="scroll" { table class="bars" {
                @for (name, bytes) in bars {
                    tr {
                        td { (name) }
                        td class="number" { (with_unit(bytes as f64, Unit::Bytes)) }
                        td class="number" { (share(bytes)) }
                        td { div class="bar" style={ "width:" (format!("{:.1}", bytes as f64 / most * 100.0)) "%" } {} }
                    }
                }
            } }
        }
    }
}

/// Of each two groups, the share of pairs of hosts that were connected, where there is more than one group.
pub(super) fn reach(report: &Report) -> Markup {
    let mut groups: Vec<&str> = Vec::new();
    for group in report.reach.iter().flat_map(|reach| [reach.from.as_str(), reach.to.as_str()]) {
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    let pairs = report.reach.iter().filter(|reach| reach.connected.is_finite());
    let known: BTreeMap<_, _> =
        pairs.map(|reach| ((reach.from.as_str(), reach.to.as_str()), reach.connected)).collect();
    let connected = |from, to| known.get(&(from, to)).or_else(|| known.get(&(to, from))).copied();
    html! {
        @if groups.len() > 1 {
            h2 { "Who can reach whom" }
            p class="faint" { "Of the pairs of a host of each group, the share that was connected at the end." }
            div class="scroll" { table class="reach" {
                tr { th {} @for to in &groups { th { (to) } } }
                @for from in &groups {
                    tr {
                        th { (from) }
                        @for to in &groups { (cell(connected(*from, *to))) }
                    }
                }
            } }
        }
    }
}

fn cell(connected: Option<f64>) -> Markup {
    html! {
        @if let Some(share) = connected {
            td style={ "--share:" (format!("{:.3}", share.clamp(0.0, 1.0))) } { (with_unit(share, Unit::Share)) }
        } @else {
            td class="faint" { "–" }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Reach, sample};

    #[test]
    fn a_pair_of_groups_is_known_both_ways_and_an_unknown_one_is_a_dash() {
        let mut report = sample();
        let pair = |from: &str, to: &str| Reach { from: from.into(), to: to.into(), connected: 0.25 };
        report.reach = vec![pair("a", "b")];
        let matrix = reach(&report).into_string();
        assert_eq!(matrix.matches("25 %").count(), 2, "{matrix}");
        assert_eq!(matrix.matches('–').count(), 2, "{matrix}");
    }

    #[test]
    fn one_group_has_no_matrix() {
        let mut report = sample();
        report.reach.truncate(1);
        assert_eq!(reach(&report).into_string(), "");
    }

    #[test]
    fn protocols_beyond_the_largest_are_one_bar() {
        let mut report = sample();
        report.bytes_by_protocol = (0..1000).map(|index| (format!("/made/up/{index}"), 1000 - index)).collect();
        let bars = protocols(&report).into_string();
        assert_eq!(bars.matches("class=\"bar\"").count(), MAX_BARS + 1);
        assert!(bars.contains("/made/up/0<") && bars.contains("all others") && !bars.contains("/made/up/20<"));
    }
}

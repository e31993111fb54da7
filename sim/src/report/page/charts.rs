//! The page's charts over time.

use maud::{Markup, PreEscaped, html};

use crate::report::{Name, Report, Series, chart, series};

/// One chart: its heading, and its curves by the names in [`crate::report::SERIES`] and what each is called beside the other.
struct Plan {
    heading: &'static str,
    curves: &'static [(&'static str, &'static str)],
}

const fn plan(heading: &'static str, curves: &'static [(&'static str, &'static str)]) -> Plan {
    assert!(curves.len() <= chart::MAX_CURVES, "a chart has a colour for each curve");
    Plan { heading, curves }
}

/// All charts, in the order in which a reader asks: does it work, how fast, at what cost.
const PLANS: &[Plan] = &[
    plan("Delivered", &[("delivered", "")]),
    plan("Latency of messages", &[("latency_p50_ms", "p50"), ("latency_p99_ms", "p99")]),
    plan("Hosts that differ", &[("different", "")]),
    plan("Duplicates", &[("duplicates", "")]),
    plan("Hosts up", &[("hosts", "")]),
    plan("Connections of a host", &[("connections", "")]),
    plan("Sent by a host", &[("bytes_per_host_s", "")]),
    plan("Direct messages on their way", &[("undelivered", "")]),
    plan("Bytes of files that came", &[("file_came", "")]),
    plan("Files complete", &[("file_done", "")]),
    plan("Bytes of files given", &[("file_seeders_bytes_s", "seeders"), ("file_getters_bytes_s", "getters")]),
    plan("Lookups that found", &[("lookups_found", "")]),
    plan("Time of a lookup", &[("lookup_p50_ms", "")]),
];

/// Every chart of which the report has a point.
pub(super) fn charts(report: &Report) -> Markup {
    let figures: Vec<Markup> = PLANS.iter().filter_map(|plan| figure(plan, report)).collect();
    html! {
        @if !figures.is_empty() {
            h2 { "Over time" }
            p class="faint" { "From left to right: virtual time. Upright lines: what happened." }
            div class="charts" { @for figure in &figures { (figure) } }
        }
    }
}

fn figure(plan: &Plan, report: &Report) -> Option<Markup> {
    let empty = Series::default();
    let curves: Vec<&Series> = plan.curves.iter().map(|(name, _)| report.series.get(*name).unwrap_or(&empty)).collect();
    let names: Vec<&Name> = plan.curves.iter().filter_map(|(name, _)| series(name)).collect();
    let svg = chart::chart(&curves, names.first()?.unit, report.virtual_s, &report.marks)?;
    Some(html! {
        figure {
            figcaption {
                strong { (plan.heading) }
                @if plan.curves.len() > 1 {
                    @for (index, (_, called)) in plan.curves.iter().enumerate() {
                        " " span class={ "curve" (index) } { "– " (called) }
                    }
                } @else {
                    @for name in &names { small { (name.meaning) } }
                }
            }
            div role="img" aria-label=(plan.heading) { (PreEscaped(svg)) }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{SERIES, sample};

    #[test]
    fn every_series_has_its_place_in_one_chart_with_others_of_its_unit() {
        let mut planned: Vec<&str> = PLANS.iter().flat_map(|plan| plan.curves).map(|(name, _)| *name).collect();
        planned.sort_unstable();
        let mut known: Vec<&str> = SERIES.iter().map(|name| name.name).collect();
        known.sort_unstable();
        assert_eq!(planned, known);
        for plan in PLANS {
            let units: Vec<_> = plan.curves.iter().map(|(name, _)| series(name).unwrap().unit).collect();
            assert!(units.windows(2).all(|pair| pair[0] == pair[1]), "{}", plan.heading);
        }
    }

    #[test]
    fn a_series_without_points_has_no_chart() {
        let mut report = sample();
        report.series.insert("duplicates".into(), Series::default());
        report.series.remove("hosts");
        let page = charts(&report).into_string();
        assert!(!page.contains("Duplicates") && !page.contains("Hosts up") && page.contains("Delivered"));
    }
}

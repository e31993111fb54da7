//! A report as one HTML page: no script, nothing from elsewhere, so that it can be opened offline, mailed, and read in ten years.
//!
//! Everything that comes from a scenario or a host is escaped: by maud in the page, by plotters in charts.

mod charts;
mod tables;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{
    Breach, Report,
    numbers::{command, tally, thousands},
};
use crate::scenario::{Scenario, shipped};

/// The page.
pub fn page(report: &Report) -> String {
    let verdict = if report.passed() { "passed" } else { "FAILED" };
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (report.scenario) " " (verdict) }
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body {
                h1 { (report.scenario) ": " span class=(tables::class(report.passed())) { (verdict) } }
                p { (report.summary) }
                (run(report))
                @if let Some(breach) = &report.breach { (broken(breach)) }
                (tables::checks(report))
                (charts::charts(report))
                (tables::marks(report))
                (tables::protocols(report))
                (tables::reach(report))
                (tables::figures(report))
                (again(report))
            }
        }
    };
    page.into_string()
}

fn run(report: &Report) -> Markup {
    let speed = if report.real_s > 0.0 { thousands(report.virtual_s / report.real_s, 1) } else { "?".into() };
    html! {
        dl {
            div { dt { "verdict" } dd { (tally(report)) } }
            div { dt { "hosts" } dd { (thousands(report.hosts as f64, 0)) } }
            div { dt { "virtual time" } dd { (thousands(report.virtual_s, 1)) " s" } }
            div { dt { "real time" } dd { (thousands(report.real_s, 1)) " s" } }
            div { dt { "speed" } dd { (speed) " virtual s in a real s" } }
            div { dt { "seed" } dd { code { (report.seed) } } }
            div { dt { "version" } dd { (report.version) } }
            div class="wide" {
                dt { "trace" }
                dd {
                    code { (report.trace_hash) }
                    @if !report.reproducible { " (on the system that made this, no two runs are the same)" }
                }
            }
        }
    }
}

fn broken(breach: &Breach) -> Markup {
    html! {
        section class="breach" {
            h2 { span class="fail" { "Broken" } " at " (thousands(breach.at_s, 3)) " virtual s: " (breach.invariant) }
            p { (breach.detail) }
            @if !breach.last_events.is_empty() {
                p class="faint" { "The last events of the hosts concerned:" }
                pre { (breach.last_events.join("\n")) }
            }
        }
    }
}

fn again(report: &Report) -> Markup {
    html! {
        h2 { "To run it again" }
        @if is_as_shipped(report) {
            p { "It came with the program:" }
            pre { (command(&report.scenario, report.seed)) }
        }
        p { "Exactly this one, with all that was set on the command line, in the directory of this page:" }
        pre { "sim run scenario.toml\nsim replay ." }
        details {
            summary { "The scenario" }
            pre { (report.scenario_toml) }
        }
    }
}

/// Whether the scenario comes with the program, and nothing but the seed was changed in it.
fn is_as_shipped(report: &Report) -> bool {
    let as_shipped = |text| {
        let mut scenario = Scenario::parse(&report.scenario, text, &[]).ok()?;
        scenario.seed = report.seed;
        scenario.to_toml().ok()
    };
    let text = shipped::find(&report.scenario).and_then(|shipped| as_shipped(shipped.text));
    text.is_some_and(|text| text == report.scenario_toml)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Mark, Reach, Series, sample};

    /// The page as a document. What it writes is XML as well, but for elements that HTML never closes.
    fn parsed(page: &str) -> String {
        let mut xml = page.replace("<!DOCTYPE html>", "");
        for void in
            ["<meta charset=\"utf-8\">", "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"]
        {
            xml = xml.replace(void, "");
        }
        xml
    }

    #[test]
    fn the_page_is_well_formed_and_shows_everything() {
        let page = page(&sample());
        let xml = parsed(&page);
        let document = roxmltree::Document::parse(&xml).unwrap_or_else(|error| panic!("{error}"));
        let svgs = document.descendants().filter(|node| node.tag_name().name() == "svg").count();
        assert_eq!(svgs, 9, "a chart for each series, but the two percentiles of latency in one");
        for wanted in [
            "partition-heal",
            "FAILED",
            "FAILED: an invariant broke, and 1 of 3 checks passed",
            "replicas that can talk converge",
            "host 4 closes",
            "99.9985 %",
            "/meshsub/1.1.0",
            "sim run scenario.toml",
            "sim replay .",
            "messages said and durable",
            "phones",
            "a quarter of group homes loses power",
        ] {
            assert!(page.contains(wanted), "{wanted}");
        }
    }

    #[test]
    fn the_shipped_scenario_is_named_only_if_it_is_what_was_run() {
        let named = |report: &Report| page(report).contains("sim run partition-heal --seed 42");
        let mut report = sample();
        assert!(!named(&report), "another of that name");
        let text = shipped::find("partition-heal").unwrap().text;
        let mut scenario = Scenario::parse("partition-heal.toml", text, &[]).unwrap();
        scenario.seed = 42;
        report.scenario_toml = scenario.to_toml().unwrap();
        assert!(named(&report));
        scenario.network.loss = 0.3;
        report.scenario_toml = scenario.to_toml().unwrap();
        assert!(!named(&report), "it was changed");
    }

    #[test]
    fn nothing_is_fetched_from_elsewhere_and_nothing_runs() {
        let page = page(&sample()).replace("http://www.w3.org/2000/svg", "");
        for forbidden in ["<script", "<link", "<img", "http://", "https://", "url(", "@import"] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
    }

    #[test]
    fn hostile_strings_are_escaped_wherever_they_stand() {
        const HOSTILE: &str = "</pre></style></svg><script>alert('1')</script>\" onload=\"x";
        let mut report = sample();
        let hostile = || HOSTILE.to_owned();
        report.scenario = hostile();
        report.summary = hostile();
        report.scenario_toml = hostile();
        report.version = hostile();
        report.trace_hash = hostile();
        report.checks[0].figure = hostile();
        report.figures.insert(hostile(), 1.0);
        report.series.insert(hostile(), Series { points: vec![(1.0, 1.0)] });
        report.bytes_by_protocol.insert(hostile(), 1);
        report.reach.push(Reach { from: hostile(), to: hostile(), connected: f64::NAN });
        report.marks.push(Mark { at_s: 5.0, text: hostile() });
        if let Some(breach) = &mut report.breach {
            breach.invariant = hostile();
            breach.detail = hostile();
            breach.last_events = vec![hostile()];
        }
        let page = page(&report);
        assert!(!page.contains("<script") && !page.contains("onload=\""), "{page}");
        assert!(roxmltree::Document::parse(&parsed(&page)).is_ok());
    }

    #[test]
    fn a_report_with_nothing_in_it_is_a_page_too() {
        let page = page(&Report {
            scenario_toml: String::new(),
            virtual_s: 0.0,
            real_s: 0.0,
            checks: vec![],
            breach: None,
            figures: [].into(),
            series: [].into(),
            bytes_by_protocol: [].into(),
            reach: vec![],
            marks: vec![],
            ..sample()
        });
        assert!(roxmltree::Document::parse(&parsed(&page)).is_ok());
        assert!(!page.contains("<svg") && !page.contains("Over time"), "{page}");
    }

    /// For looking at it: `SAMPLE_PAGE=/tmp/page.html cargo test -p sim --lib report::page -- --include-ignored`.
    #[test]
    #[ignore = "writes a file"]
    fn the_sample_page_is_written_to_be_looked_at() {
        if let Some(path) = std::env::var_os("SAMPLE_PAGE") {
            std::fs::write(path, page(&sample())).unwrap();
        }
    }
}

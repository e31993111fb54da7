//! Checks the checks: that the figure exists, that it will be measured, and that it can be within the bounds.

use super::{Findings, Path};
use crate::{
    cores::MAX_PRESENCE_HOSTS,
    report::{FIGURES, Unit, figure},
    scenario::{Check, Group, Hostile, Level, Scenario, Sharing, What},
};

pub fn check(scenario: &Scenario, findings: &mut Findings) {
    for (index, it) in scenario.checks.iter().enumerate() {
        let at = Path::top("check").to(index);
        match figure(&it.figure) {
            None => {
                let known: Vec<&str> = FIGURES.iter().map(|figure| figure.name).collect();
                findings.reference(at.to("figure"), "figure", &it.figure, &known);
            }
            Some(_) => measured(scenario, it, &at, findings),
        }
        bounds(it, &at, findings);
    }
}

fn bounds(check: &Check, at: &Path, findings: &mut Findings) {
    if check.at_least.is_none() && check.at_most.is_none() {
        findings.say(at.clone(), "a check needs `at_least`, `at_most` or both");
    }
    let is_share = figure(&check.figure).is_some_and(|figure| figure.unit == Unit::Share);
    for (key, bound) in [("at_least", check.at_least), ("at_most", check.at_most)] {
        match bound {
            Some(bound) if !bound.is_finite() => {
                findings.say(at.to(key), "write a number; to have no bound, leave it out");
            }
            Some(bound) if is_share => findings.share(at.to(key), bound),
            Some(bound) if bound < 0.0 => findings.say(at.to(key), format!("no figure is less than 0; {bound} is")),
            _ => {}
        }
    }
    if let (Some(least), Some(most)) = (check.at_least, check.at_most)
        && least > most
    {
        findings.say(at.to("at_least"), format!("nothing is at least {least} and at most {most}; exchange them"));
    }
}

/// A figure that nothing in the scenario leads to would always fail.
fn measured(scenario: &Scenario, check: &Check, at: &Path, findings: &mut Findings) {
    let name = check.figure.as_str();
    let lacks = if name.starts_with("lookup") && scenario.workload.lookups.is_none() {
        "no lookups; add [workload.lookups]"
    } else if name == "heal_to_equal_s" && !scenario.events.iter().any(|event| event.what == What::Heal) {
        "nothing that heals; add an [[event]] with do = \"heal\""
    } else if name == "banned_hostile" && scenario.groups.iter().all(|group| group.hostile.is_none()) {
        "no hostile group; add `hostile` to one"
    } else if name.starts_with("direct") && scenario.workload.direct.is_empty() {
        "nobody who writes direct messages; add [[workload.direct]]"
    } else if name.starts_with("file") && scenario.workload.file.is_empty() {
        "no files; add [[workload.file]]"
    } else if name == "file_asked_of_liars" && !scenario.groups.iter().any(is_lying_seeder) {
        "nobody who lies about a file; add `hostile` with kind = \"lying-seeder\" to a group"
    } else if MEASURED_BY_BANDWIDTH.contains(&name) && !scenario.workload.file.iter().any(|it| is_limited(scenario, it))
    {
        "no bounds on how fast a file gets to all; set up_kbit_s and down_kbit_s of its groups"
    } else if name.starts_with("mailbox") && !scenario.groups.iter().any(|group| group.mailbox) {
        "no mailboxes; set mailbox = true in a group"
    } else if MEASURED_BY_TALK.contains(&name) && scenario.workload.chat.is_empty() {
        "nobody who talks; add [[workload.chat]]"
    } else if MEASURED_BY_TALK.contains(&name) && name != "delivered" && scenario.honest_hosts() < 2 {
        "nobody to talk to; add hosts"
    } else if name.starts_with("banned") && scenario.level == Level::Cores {
        "only cores, which keep nobody out; set level = \"nodes\""
    } else if name == "presence_error" && scenario.level == Level::Cores && scenario.hosts() > MAX_PRESENCE_HOSTS {
        "too many cores for presence, which runs among at most 1,000; have fewer"
    } else {
        return;
    };
    findings.say(at.to("figure"), format!("`{name}` cannot be measured: the scenario has {lacks}"));
}

fn is_lying_seeder(group: &Group) -> bool {
    matches!(group.hostile, Some(Hostile::LyingSeeder { .. }))
}

/// Whether the bandwidth of somebody says how fast a file can get to all at best.
fn is_limited(scenario: &Scenario, file: &Sharing) -> bool {
    let seeders = scenario.group(&file.seeders).is_some_and(|group| group.up_kbit_s > 0);
    seeders || file.over_s > 0 || scenario.group(&file.getters).is_some_and(|group| group.down_kbit_s > 0)
}

const MEASURED_BY_BANDWIDTH: &[&str] = &["file_best_s", "file_last_over_best"];

const MEASURED_BY_TALK: &[&str] =
    &["delivered", "delivered_live", "latency_p50_ms", "latency_p99_ms", "latency_p99_over_path_p99", "duplicates"];

//! Checks direct messages: who writes to whom, and how much.

use super::{Findings, Path, before_settling, hosts::names, limits::*};
use crate::scenario::{Direct, Group, Scenario};

pub fn check(scenario: &Scenario, findings: &mut Findings) {
    let at = Path::top("workload").to("direct");
    findings.within(at.clone(), scenario.workload.direct.len(), 0..=MAX_DIRECTS);
    for (index, it) in scenario.workload.direct.iter().enumerate() {
        direct(scenario, it, &at.to(index), findings);
    }
}

fn direct(scenario: &Scenario, direct: &Direct, at: &Path, findings: &mut Findings) {
    findings.within(at.to("bytes"), direct.bytes, MIN_DIRECT_BYTES..=MAX_DIRECT_BYTES);
    group(scenario, direct.by.as_ref(), at.to("by"), findings);
    group(scenario, direct.to.as_ref(), at.to("to"), findings);
    let by = hosts(scenario, direct.by.as_ref());
    findings.rate(at.to("rate_per_s"), direct.rate_per_s, MAX_DIRECT_PER_S / by.max(1) as f64);
    recipients(scenario, direct, at, findings);
    before_settling(scenario, at.to("from_s"), direct.from_s, findings);
    if let Some(until_s) = direct.until_s {
        before_settling(scenario, at.to("until_s"), until_s, findings);
        if until_s <= direct.from_s {
            let from_s = direct.from_s;
            let message = format!("writing ends at second {until_s}, before it begins at {from_s}; choose a later one");
            findings.say(at.to("until_s"), message);
        }
    }
}

/// Hosts that are named by a group, or by none.
fn hosts(scenario: &Scenario, name: Option<&String>) -> usize {
    match name {
        Some(name) => scenario.group(name).map_or(0, |group| group.count),
        None => scenario.honest_hosts(),
    }
}

fn group(scenario: &Scenario, name: Option<&String>, at: Path, findings: &mut Findings) {
    let Some(name) = name else { return };
    match scenario.group(name) {
        None => findings.reference(at, "group", name, &names(scenario)),
        Some(Group { hostile: Some(_), .. }) => {
            findings.say(at, format!("\"{name}\" is hostile and writes to nobody; name a group that is not"));
        }
        Some(_) => {}
    }
}

/// Whoever writes must have somebody to write to.
fn recipients(scenario: &Scenario, direct: &Direct, at: &Path, findings: &mut Findings) {
    let to = hosts(scenario, direct.to.as_ref());
    // Of those written to, the author itself may be one.
    let overlap = direct.by.is_none() || direct.to.is_none() || direct.by == direct.to;
    let others = if overlap { to.saturating_sub(1) } else { to };
    if others == 0 && to > 0 {
        findings.say(at.clone(), "there is nobody to write to; name another group, or have more hosts");
    } else if to > 0 && direct.friends > others {
        let message = format!("{} friends are more than the {others} hosts that there are; lower it", direct.friends);
        findings.say(at.to("friends"), message);
    }
}

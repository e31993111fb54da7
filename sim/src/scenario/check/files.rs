//! Checks files: who has them, who fetches them, and when.

use std::collections::BTreeSet;

use proto::blob::path::FileName;

use super::{Findings, Path, before_settling, hosts::names, limits::*};
use crate::scenario::{Group, Scenario, Sharing};

pub fn check(scenario: &Scenario, findings: &mut Findings) {
    let at = Path::top("workload").to("file");
    findings.within(at.clone(), scenario.workload.file.len(), 0..=MAX_FILES);
    let mut earlier = BTreeSet::new();
    for (index, it) in scenario.workload.file.iter().enumerate() {
        let at = at.to(index);
        findings.name(at.to("name"), &it.name, &mut earlier);
        if let Err(error) = it.name.parse::<FileName>() {
            findings.say(at.to("name"), error.to_string());
        }
        file(scenario, it, &at, findings);
    }
}

fn file(scenario: &Scenario, file: &Sharing, at: &Path, findings: &mut Findings) {
    findings.within(at.to("size_mib"), file.size_mib, 1..=MAX_FILE_MIB);
    group(scenario, &file.seeders, at.to("seeders"), "shares nothing that is right", findings);
    group(scenario, &file.getters, at.to("getters"), "fetches nothing", findings);
    if file.seeders == file.getters {
        findings.say(at.to("getters"), "they have it already; name another group than that of the seeders");
    }
    findings.share(at.to("by_root"), file.by_root);
    before_settling(scenario, at.to("at_s"), file.at_s.saturating_add(file.over_s), findings);
}

fn group(scenario: &Scenario, name: &str, at: Path, does_not: &str, findings: &mut Findings) {
    match scenario.group(name) {
        None => findings.reference(at, "group", name, &names(scenario)),
        Some(Group { hostile: Some(_), .. }) => {
            findings.say(at, format!("\"{name}\" is hostile and {does_not}; name a group that is not"));
        }
        Some(_) => {}
    }
}

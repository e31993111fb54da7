//! Checks groups: who joins through whom, how hosts come and go, and what is wrong with them.

use std::collections::BTreeSet;

use proto::channel::{LOBBY, RoomName};

use super::{Findings, Path, before_settling, limits::*};
use crate::scenario::{Churn, Clock, Disk, Distribution, Group, Hostile, Level, NatKind, Scenario};

pub fn check(scenario: &Scenario, findings: &mut Findings) {
    let at = Path::top("group");
    findings.within(at.clone(), scenario.groups.len(), 1..=MAX_GROUPS);
    let most = match scenario.level {
        Level::Nodes => MAX_HOSTS_NODES,
        Level::Cores => MAX_HOSTS_CORES,
    };
    if scenario.hosts() > most {
        let message = format!("there are {} hosts; at most {most} fit; lower count", scenario.hosts());
        findings.say(at.to(0).to("count"), message);
    }
    if !scenario.groups.iter().any(Group::can_be_joined_through) {
        let message = "nobody can be joined through: at least one group must be without `nat` and without `hostile`";
        findings.say(at.to(0), message);
    }
    let mut earlier = BTreeSet::new();
    for (index, group) in scenario.groups.iter().enumerate() {
        let at = at.to(index);
        findings.name(at.to("name"), &group.name, &mut earlier);
        if scenario.network.regions.contains(&group.name) {
            let message = format!("\"{}\" is a region already; a partition could mean either; rename one", group.name);
            findings.say(at.to("name"), message);
        }
        one(scenario, group, &at, findings);
    }
}

fn one(scenario: &Scenario, group: &Group, at: &Path, findings: &mut Findings) {
    findings.within(at.to("count"), group.count, 1..=MAX_HOSTS_CORES);
    if let Some(region) = &group.region {
        let known: Vec<&str> = scenario.network.regions.iter().map(String::as_str).collect();
        findings.reference(at.to("region"), "region", region, &known);
    }
    findings.within(at.to("up_kbit_s"), group.up_kbit_s, 0..=MAX_KBIT_S);
    findings.within(at.to("down_kbit_s"), group.down_kbit_s, 0..=MAX_KBIT_S);
    findings.within(at.to("loss"), group.loss, 0.0..=MAX_LOSS);
    findings.within(at.to("nat").to("expires_s"), group.nat.expires_s, 1..=MAX_EXPIRES_S);
    rooms(group, at, findings);
    bootstrap(scenario, group, at, findings);
    let last = group.arrive.from_s.saturating_add(group.arrive.over_s);
    before_settling(scenario, at.to("arrive"), last, findings);
    if let Some(it) = &group.churn {
        churn(scenario, it, &at.to("churn"), findings);
    }
    clock(&group.clock, &at.to("clock"), findings);
    disk(&group.disk, &at.to("disk"), findings);
    if group.mailbox && group.hostile.is_some() {
        let message = "hostile hosts keep nothing for others; leave it out, or set hostile.kind = \"lying-mailbox\"";
        findings.say(at.to("mailbox"), message);
    }
    if let Some(it) = &group.hostile {
        hostile(scenario, it, &at.to("hostile"), findings);
    }
}

fn rooms(group: &Group, at: &Path, findings: &mut Findings) {
    findings.within(at.to("rooms"), group.rooms.len(), 0..=MAX_ROOMS);
    let mut earlier = BTreeSet::new();
    for (index, room) in group.rooms.iter().enumerate() {
        let path = at.to("rooms").to(index);
        match room.parse::<RoomName>() {
            Err(error) => findings.say(path, error.to_string()),
            Ok(name) if name.as_str() == LOBBY => findings.say(path, "all are in the lobby anyway; leave it out"),
            Ok(name) if !earlier.insert(name.clone()) => findings.say(path, format!("\"{name}\" is there twice")),
            Ok(_) => {}
        }
    }
}

fn bootstrap(scenario: &Scenario, group: &Group, at: &Path, findings: &mut Findings) {
    let Some(name) = &group.bootstrap else { return };
    let path = at.to("bootstrap");
    match scenario.group(name) {
        None => findings.reference(path, "group", name, &names(scenario)),
        Some(through) if through.hostile.is_some() => {
            findings.say(path, format!("the hosts of \"{name}\" are hostile; name a group that is not"));
        }
        Some(through) if through.nat.kind != NatKind::None => {
            let message = format!("the hosts of \"{name}\" stand behind a NAT; name a group that can be reached");
            findings.say(path, message);
        }
        Some(_) => {}
    }
}

/// The names of all groups.
pub fn names(scenario: &Scenario) -> Vec<&str> {
    scenario.groups.iter().map(|group| group.name.as_str()).collect()
}

fn churn(scenario: &Scenario, churn: &Churn, at: &Path, findings: &mut Findings) {
    distribution(churn.session_s, &at.to("session_s"), findings);
    distribution(churn.gap_s, &at.to("gap_s"), findings);
    findings.share(at.to("crash"), churn.crash);
    findings.share(at.to("power_cut"), churn.power_cut);
    before_settling(scenario, at.to("from_s"), churn.from_s, findings);
}

fn distribution(it: Distribution, at: &Path, findings: &mut Findings) {
    let spans = MIN_SPAN_S..=MAX_SPAN_S;
    match it {
        Distribution::Fixed { s } => findings.within(at.to("s"), s, spans),
        Distribution::Exponential { mean_s } => findings.within(at.to("mean_s"), mean_s, spans),
        Distribution::Uniform { min_s, max_s } => {
            findings.within(at.to("max_s"), max_s, spans);
            if !(0.0..=max_s).contains(&min_s) {
                findings.say(at.to("min_s"), format!("{min_s} is out of bounds: from 0 to max_s, which is {max_s}"));
            }
        }
        Distribution::Weibull { scale_s, shape } => {
            findings.within(at.to("scale_s"), scale_s, spans);
            findings.within(at.to("shape"), shape, MIN_SHAPE..=MAX_SHAPE);
        }
    }
}

fn clock(clock: &Clock, at: &Path, findings: &mut Findings) {
    findings.within(at.to("skew_ms"), clock.skew_ms, 0..=MAX_CLOCK_MS);
    let most = MAX_CLOCK_MS as i64;
    findings.within(at.to("offset_ms"), clock.offset_ms, -most..=most);
    findings.within(at.to("drift_ppm"), clock.drift_ppm, 0..=MAX_DRIFT_PPM);
}

fn disk(disk: &Disk, at: &Path, findings: &mut Findings) {
    findings.within(at.to("sync_ms"), disk.sync_ms, 0..=MAX_SYNC_MS);
    findings.share(at.to("fail"), disk.fail);
}

fn hostile(scenario: &Scenario, hostile: &Hostile, at: &Path, findings: &mut Findings) {
    match hostile {
        Hostile::Spam { rate_per_s } | Hostile::BadSignatures { rate_per_s } | Hostile::Equivocate { rate_per_s } => {
            findings.rate(at.to("rate_per_s"), *rate_per_s, MAX_HOSTILE_PER_S);
        }
        Hostile::Eclipse { target, from_s } => {
            match scenario.group(target) {
                None => findings.reference(at.to("target"), "group", target, &names(scenario)),
                Some(group) if group.hostile.is_some() => {
                    findings.say(at.to("target"), format!("\"{target}\" is hostile itself; name a group that is not"));
                }
                Some(_) => {}
            }
            before_settling(scenario, at.to("from_s"), *from_s, findings);
        }
        Hostile::Withhold { from_s, rate_per_s } => {
            before_settling(scenario, at.to("from_s"), *from_s, findings);
            if *rate_per_s != 0.0 {
                findings.rate(at.to("rate_per_s"), *rate_per_s, MAX_HOSTILE_PER_S);
            }
        }
        Hostile::LyingMailbox { lie: _ } => {}
        Hostile::LyingSeeder { file, fault: _ } => {
            let known: Vec<&str> = scenario.workload.file.iter().map(|file| file.name.as_str()).collect();
            findings.reference(at.to("file"), "file", file, &known);
        }
        Hostile::SybilKey { room } => {
            if let Err(error) = room.parse::<RoomName>() {
                findings.say(at.to("room"), error.to_string());
            }
        }
    }
}

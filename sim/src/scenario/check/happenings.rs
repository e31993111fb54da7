//! Checks what happens: talk, lookups, and events at set times.

use std::collections::BTreeSet;

use proto::channel::{LOBBY, RoomName};

use super::{Findings, Path, before_settling, hosts::names, limits::*};
use crate::scenario::{Chat, Event, Group, Lookups, Scenario, What};

pub fn check(scenario: &Scenario, findings: &mut Findings) {
    let at = Path::top("workload");
    findings.within(at.to("chat"), scenario.workload.chat.len(), 0..=MAX_CHATS);
    for (index, it) in scenario.workload.chat.iter().enumerate() {
        chat(scenario, it, &at.to("chat").to(index), findings);
    }
    if let Some(it) = &scenario.workload.lookups {
        lookups(scenario, it, &at.to("lookups"), findings);
    }
    let at = Path::top("event");
    findings.within(at.clone(), scenario.events.len(), 0..=MAX_EVENTS);
    for (index, it) in scenario.events.iter().enumerate() {
        event(scenario, it, &at.to(index), findings);
    }
}

fn chat(scenario: &Scenario, chat: &Chat, at: &Path, findings: &mut Findings) {
    findings.rate(at.to("rate_per_s"), chat.rate_per_s, MAX_CHAT_PER_S);
    findings.within(at.to("bytes"), chat.bytes, 1..=MAX_CHAT_BYTES);
    match chat.room.parse::<RoomName>() {
        Err(error) => findings.say(at.to("room"), error.to_string()),
        Ok(room) => speakers(scenario, chat, &room, at, findings),
    }
    before_settling(scenario, at.to("from_s"), chat.from_s, findings);
    if let Some(until_s) = chat.until_s {
        before_settling(scenario, at.to("until_s"), until_s, findings);
        if until_s <= chat.from_s {
            let message =
                format!("talk ends at second {until_s}, before it begins at {}; choose a later one", chat.from_s);
            findings.say(at.to("until_s"), message);
        }
    }
}

/// Somebody must be in the room to talk there, and whoever talks must be in the room.
fn speakers(scenario: &Scenario, chat: &Chat, room: &RoomName, at: &Path, findings: &mut Findings) {
    let joins = |group: &Group| {
        room.as_str() == LOBBY || group.rooms.iter().any(|name| name.parse::<RoomName>().as_ref() == Ok(room))
    };
    let Some(name) = &chat.by else {
        if !scenario.groups.iter().any(|group| group.hostile.is_none() && joins(group)) {
            let message = format!("nobody is in the room \"{room}\"; add it to the `rooms` of a group");
            findings.say(at.to("room"), message);
        }
        return;
    };
    match scenario.group(name) {
        None => findings.reference(at.to("by"), "group", name, &names(scenario)),
        Some(group) if group.hostile.is_some() => {
            let message = format!("\"{name}\" is hostile and does not talk; name a group that is not");
            findings.say(at.to("by"), message);
        }
        Some(group) if !joins(group) => {
            let message = format!("\"{name}\" is not in the room \"{room}\"; add it to the `rooms` of the group");
            findings.say(at.to("by"), message);
        }
        Some(_) => {}
    }
}

fn lookups(scenario: &Scenario, lookups: &Lookups, at: &Path, findings: &mut Findings) {
    findings.within(at.to("keys"), lookups.keys, 1..=MAX_KEYS);
    findings.within(at.to("providers"), lookups.providers, 1..=scenario.honest_hosts().max(1));
    findings.rate(at.to("rate_per_s"), lookups.rate_per_s, MAX_LOOKUPS_PER_S);
    before_settling(scenario, at.to("from_s"), lookups.from_s, findings);
}

fn event(scenario: &Scenario, event: &Event, at: &Path, findings: &mut Findings) {
    before_settling(scenario, at.to("at_s"), event.at_s, findings);
    match &event.what {
        What::Partition { sides } => partition(scenario, sides, &at.to("sides"), findings),
        What::Heal => {
            let parts = |other: &Event| matches!(other.what, What::Partition { .. }) && other.at_s < event.at_s;
            if !scenario.events.iter().any(parts) {
                findings.say(at.to("at_s"), "there is nothing to heal: no partition comes before");
            }
        }
        What::Stop { group, share, .. } | What::Start { group, share } => {
            findings.reference(at.to("group"), "group", group, &names(scenario));
            findings.share(at.to("share"), *share);
        }
    }
}

fn partition(scenario: &Scenario, sides: &[Vec<String>], at: &Path, findings: &mut Findings) {
    if sides.len() < 2 {
        findings.say(at.clone(), "a partition has two sides at least: [[\"a\"], [\"b\", \"c\"]]");
    }
    let regions = scenario.network.regions.iter().map(String::as_str);
    let known: Vec<&str> = names(scenario).into_iter().chain(regions).collect();
    let mut earlier = BTreeSet::new();
    // Groups and regions that share hosts.
    let shares = |one: &str, other: &str| is_in(scenario, one, other) || is_in(scenario, other, one);
    for (index, side) in sides.iter().enumerate() {
        if side.is_empty() {
            findings.say(at.to(index), "nobody is on this side; name groups or regions, or leave it out");
        }
        for (place, name) in side.iter().enumerate() {
            findings.reference(at.to(index).to(place), "group or region", name, &known);
            if !earlier.insert(name) {
                findings.say(at.to(index).to(place), format!("\"{name}\" is there twice; nobody can be on two sides"));
            }
            if let Some(other) = sides[..index].iter().flatten().find(|other| shares(name, other)) {
                let message = format!("hosts of \"{name}\" are in \"{other}\", too; nobody can be on two sides");
                findings.say(at.to(index).to(place), message);
            }
        }
    }
}

/// Whether hosts of a group are in a region. Those of a group without one are spread over the regions in turn.
fn is_in(scenario: &Scenario, group: &str, region: &str) -> bool {
    let Some(group) = scenario.group(group) else { return false };
    match &group.region {
        Some(name) => name == region,
        None => scenario.network.regions.iter().take(group.count).any(|name| name == region),
    }
}

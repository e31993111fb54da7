//! What the product promises in bad company: small networks, each of which has a good part of hostile hosts.

mod inside;

use super::*;
use crate::{
    Sim, group,
    report::Report,
    scenario::{Chat, Group, Scenario},
};

const ROOM: &str = "gates";

fn hostile(count: usize, kind: Hostile) -> Group {
    Group { hostile: Some(kind), ..group("hostile", count) }
}

/// Everybody talks in the lobby. Nothing is compared at the end, since hostile authors do not stop writing.
fn run(honest: usize, bad: Group, change: impl FnOnce(&mut Scenario)) -> Report {
    let sim = Sim::new(1).nodes(honest).group(bad).chat(1.0).with(|scenario| scenario.invariants.converge_s = 0);
    sim.with(change).run_until(60).unwrap()
}

/// Fewer connections than there are hosts, so that whom one knows matters.
fn few_connections(scenario: &mut Scenario) {
    scenario.node.connections_low = 4;
    scenario.node.connections_high = 6;
}

fn figure(report: &Report, name: &str) -> f64 {
    *report.figures.get(name).unwrap_or_else(|| panic!("no {name} in {:?}", report.figures))
}

/// Everything said is shown to everybody in the end, and nobody honest is kept out.
fn assert_served(report: &Report) {
    assert!(figure(report, "said") >= 10.0 && report.breach.is_none(), "{report:?}");
    assert!(figure(report, "delivered") >= 0.999, "{:?}", report.figures);
    assert_eq!(figure(report, "banned_honest"), 0.0, "{:?}", report.figures);
}

fn assert_live(report: &Report) {
    assert!(figure(report, "delivered_live") >= 0.999, "{:?}", report.figures);
}

#[test]
fn a_room_full_of_spam_still_carries_what_others_say() {
    let report = run(6, hostile(2, Hostile::Spam { rate_per_s: 20.0 }), |_| ());
    assert_served(&report);
    assert_live(&report);
}

#[test]
fn forgers_are_kept_out_and_those_in_whose_name_they_forge_are_not() {
    let report = run(8, hostile(3, Hostile::BadSignatures { rate_per_s: 2.0 }), |_| ());
    assert_served(&report);
    assert_live(&report);
    assert!(figure(&report, "banned_hostile") >= 0.9, "{:?}", report.figures);
}

#[test]
fn authors_that_contradict_themselves_disturb_nobody_else() {
    let report = run(8, hostile(2, Hostile::Equivocate { rate_per_s: 0.5 }), |_| ());
    assert_served(&report);
    assert_live(&report);
}

#[test]
fn a_host_surrounded_by_an_eclipse_gets_what_is_said() {
    let eclipse = Hostile::Eclipse { target: "nodes".into(), from_s: 20 };
    let report = run(10, hostile(12, eclipse), few_connections);
    assert_served(&report);
    assert_live(&report);
}

#[test]
fn neighbours_that_withhold_keep_nothing_from_the_others() {
    for rate_per_s in [0.0, 0.2] {
        let report = run(10, hostile(10, Hostile::Withhold { from_s: 20, rate_per_s }), few_connections);
        assert_served(&report);
        assert_live(&report);
    }
}

#[test]
fn sybils_near_a_rooms_key_do_not_keep_its_members_from_what_is_said_there() {
    let members = Group { bootstrap: Some("nodes".into()), rooms: vec![ROOM.into()], ..group("members", 4) };
    let chat =
        Chat { room: ROOM.into(), rate_per_s: 1.0, bytes: 20, by: Some("members".into()), from_s: 25, until_s: None };
    let report = Sim::new(1)
        .nodes(10)
        .group(members)
        .group(hostile(8, Hostile::SybilKey { room: ROOM.into() }))
        .with(few_connections)
        .with(|scenario| scenario.workload.chat.push(chat))
        .run_until(80)
        .unwrap();
    assert_served(&report);
}

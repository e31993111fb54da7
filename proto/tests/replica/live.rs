//! Events as they are said: gossip, gaps, duplicates, and what happens when the store does not keep up.

use proto::{
    event::MAX_BODY_BYTES,
    log::{MAX_COMMITTING_BYTES, message::SyncRequest},
};

use crate::sim::Sim;

#[test]
fn what_one_says_all_see_in_the_same_order() {
    let mut sim = Sim::new(1, 5);
    sim.link_all();
    sim.run_for(1_000);
    for round in 0..10 {
        for node in 0..5 {
            sim.say(node, &format!("{node}:{round}"));
        }
        sim.run_for(20);
    }
    assert!(sim.run_until(500, Sim::converged), "live delivery needs no repair");
    assert_eq!(sim.sent("range"), 0);
    assert_eq!(sim.history(0).len(), 50);
    sim.assert_converged();
}

#[test]
fn what_was_said_together_travels_under_one_signature() {
    let mut sim = Sim::new(2, 2);
    sim.link_all();
    sim.run_for(1_000);
    sim.stall_store(0, true);
    sim.say_many(0, 100);
    sim.stall_store(0, false);
    assert!(sim.run_until(1_000, |sim| sim.history(1).len() == 100));
    sim.assert_converged();
}

#[test]
fn a_duplicate_emits_nothing_and_is_ignored() {
    let mut sim = Sim::new(3, 3);
    sim.net.duplicate_percent = 100;
    sim.link_all();
    sim.run_for(1_000);
    sim.say_many(0, 5);
    sim.run_for(1_000);
    // The simulation itself panics when something is emitted twice.
    sim.assert_converged();
}

#[test]
fn nothing_is_shown_or_served_before_it_is_durable() {
    let mut sim = Sim::new(4, 2);
    sim.link_all();
    sim.run_for(1_000);
    sim.stall_store(0, true);
    sim.say(0, "not yet");
    sim.run_for(60_000);
    assert!(sim.history(1).is_empty() && sim.nodes[0].shown.is_empty() && sim.nodes[0].published.is_empty());
    let want = proto::log::message::Want { author: sim.own_key(0).author, log: sim.own_key(0).log, from: 1, to: 9 };
    sim.ask(1, 0, SyncRequest::Range(vec![want]));
    sim.run_for(1_000);
    sim.stall_store(0, false);
    assert!(sim.run_until(1_000, |sim| sim.texts(1) == ["not yet"]));
    sim.assert_converged();
}

#[test]
fn what_a_crash_took_back_was_never_acknowledged() {
    let mut sim = Sim::new(5, 2);
    sim.link_all();
    sim.run_for(1_000);
    sim.say(0, "kept");
    sim.run_for(100);
    sim.stall_store(0, true);
    sim.say(0, "lost");
    sim.crash(0);
    sim.stall_store(0, false);
    sim.restart(0);
    sim.say(0, "said again");
    assert!(sim.run_until(5_000, |sim| sim.converged() && sim.history(1).len() == 2));
    assert_eq!(sim.texts(1), ["kept", "said again"]);
    sim.assert_converged();
}

#[test]
fn a_store_that_fails_loses_only_what_it_never_acknowledged() {
    let mut sim = Sim::new(6, 3);
    sim.link_all();
    sim.run_for(1_000);
    sim.stall_store(1, true);
    sim.say_many(0, 20);
    sim.say(1, "mine");
    sim.run_for(100);
    sim.fail_store(1);
    assert_eq!(sim.nodes[1].failed, [false]);
    sim.stall_store(1, false);
    assert!(sim.run_until(10_000, |sim| sim.converged() && sim.history(1).len() == 20));
    sim.say(1, "once more");
    assert!(sim.run_until(1_000, |sim| sim.converged() && sim.history(2).len() == 21));
    sim.assert_converged();
}

#[test]
fn publishing_is_refused_while_the_disk_is_far_behind() {
    let mut sim = Sim::new(7, 1);
    sim.stall_store(0, true);
    while sim.replica(0).load().committing_bytes < MAX_COMMITTING_BYTES {
        sim.say_bytes(0, vec![0; 50_000]);
    }
    assert!(sim.nodes[0].failed.is_empty());
    sim.say(0, "too much");
    assert_eq!(sim.nodes[0].failed, [true]);
    sim.stall_store(0, false);
    sim.run_for(1_000);
    sim.say(0, "room again");
    sim.run_for(100);
    assert_eq!(sim.nodes[0].failed, [true]);
    assert_eq!(sim.texts(0).last().map(String::as_str), Some("room again"));
}

#[test]
fn an_event_that_nobody_would_take_is_refused_before_it_is_signed() {
    let mut sim = Sim::new(8, 2);
    sim.link_all();
    sim.run_for(1_000);
    sim.say_bytes(0, vec![0; MAX_BODY_BYTES + 1]);
    sim.say_bytes(0, vec![0; MAX_BODY_BYTES]);
    sim.run_for(1_000);
    assert_eq!(sim.nodes[0].failed, [false]);
    assert_eq!(sim.history(1).len(), 1);
}

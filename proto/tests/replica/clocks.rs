//! Clocks that are wrong.

use proto::{
    event::{Body, Event, Run, SignedEvent},
    hlc::{MAX_ADVANCE_MS, Timestamp},
    ids::{EventId, LogId},
    log::message::Refusal,
};

use crate::sim::{Sim, channel, signer};

const MINUTE_MS: i64 = 60_000;

#[test]
fn what_is_too_far_ahead_is_refused_and_the_author_is_told() {
    let mut sim = Sim::new(40, 2);
    sim.nodes[0].skew_ms = 11 * MINUTE_MS;
    sim.link_all();
    sim.run_for(1_000);
    sim.say(0, "from the future");
    sim.run_for(1_000);
    assert!(sim.history(1).is_empty());
    let Refusal::TooFarAhead { ahead_ms } = sim.nodes[0].refusals[0].1;
    assert!(ahead_ms.abs_diff(11 * 60_000) < 1_000);
    sim.say(0, "again");
    sim.run_for(20_000);
    assert_eq!(sim.nodes[0].refusals.len(), 1, "it is told now and then, not each time");
}

#[test]
fn what_is_some_minutes_ahead_is_kept_and_shown_when_it_is_due() {
    let mut sim = Sim::new(41, 2);
    sim.nodes[0].skew_ms = 5 * MINUTE_MS;
    sim.link_all();
    sim.run_for(1_000);
    sim.say(0, "early");
    assert!(sim.run_until(1_000, |sim| sim.history(1).len() == 1));
    sim.run_for(3 * 60_000);
    assert!(sim.nodes[1].shown.is_empty());
    sim.run_for(2 * 60_000);
    sim.assert_converged();
}

#[test]
fn what_is_not_due_is_still_shown_when_due_after_a_restart() {
    let mut sim = Sim::new(42, 2);
    sim.nodes[0].skew_ms = 5 * MINUTE_MS;
    sim.link_all();
    sim.run_for(1_000);
    sim.say(0, "early");
    sim.run_for(1_000);
    sim.crash(1);
    sim.restart(1);
    assert!(sim.nodes[1].shown.is_empty());
    sim.run_for(3 * 60_000);
    assert!(sim.nodes[1].shown.is_empty());
    sim.run_for(2 * 60_000);
    sim.assert_converged();
}

#[test]
fn a_wrong_clock_does_not_drag_others_along() {
    let mut sim = Sim::new(43, 2);
    sim.nodes[0].skew_ms = 5 * MINUTE_MS;
    sim.link_all();
    sim.run_for(1_000);
    sim.say(0, "early");
    sim.run_for(1_000);
    sim.say(1, "in time");
    sim.run_for(1_000);
    assert_eq!(sim.texts(0), ["in time", "early"]);
    let own = sim.nodes[1].published[0].event.hlc;
    assert_eq!(own.ahead_ms(sim.now(1).wall_ms), 0);
}

#[test]
fn what_is_said_after_a_late_event_is_shown_comes_after_it() {
    let mut sim = Sim::new(44, 2);
    sim.nodes[0].skew_ms = 2 * MINUTE_MS;
    sim.link_all();
    sim.run_for(1_000);
    sim.say(0, "first");
    assert!(sim.run_until(120_000, |sim| !sim.nodes[1].shown.is_empty()));
    sim.say(1, "second");
    sim.run_for(1_000);
    assert_eq!(sim.texts(0), ["first", "second"]);
}

#[test]
fn once_a_wrong_clock_is_set_right_a_new_log_is_begun_and_taken_by_all() {
    for skew_ms in [3 * MINUTE_MS, 24 * 60 * MINUTE_MS] {
        for restart in [false, true] {
            let mut sim = Sim::new(45, 3);
            sim.link_all();
            sim.run_for(1_000);
            sim.say(0, "before");
            sim.run_for(1_000);
            sim.nodes[0].skew_ms = skew_ms;
            sim.say(0, "wrong");
            sim.run_for(1_000);
            sim.nodes[0].skew_ms = 0;
            if restart {
                sim.crash(0);
                sim.restart(0);
                sim.run_for(1_000);
            }
            sim.say(0, "right");
            sim.say(0, "and on");
            sim.run_for(1_000);
            for node in 1..3 {
                assert!(sim.texts(node).contains(&"right".into()) && sim.texts(node).contains(&"and on".into()));
                assert!(sim.nodes[node].shown.contains(&sim.nodes[0].published[2].id));
            }
            let logs: Vec<_> = sim.nodes[0].published.iter().map(|event| event.event.log).collect();
            assert!(logs[0] == logs[1] && logs[1] != logs[2] && logs[2] == logs[3]);
        }
    }
}

#[test]
fn a_clock_set_back_by_years_keeps_writing() {
    let mut sim = Sim::new(46, 2);
    sim.link_all();
    sim.run_for(1_000);
    sim.nodes[0].skew_ms = -10 * 365 * 24 * 60 * MINUTE_MS;
    sim.say(0, "old");
    sim.run_for(1_000);
    assert_eq!(sim.texts(1), ["old"]);
    sim.say(1, "new");
    sim.run_for(1_000);
    assert!(sim.texts(0).is_empty() || sim.texts(0) == ["old"], "too far ahead for a clock in the past");
    sim.nodes[0].skew_ms = 0;
    assert!(sim.run_until(40_000, Sim::converged));
    assert_eq!(sim.history(0).len(), 2);
}

#[test]
fn who_pushes_our_clock_to_its_limit_does_not_make_us_leave_our_log() {
    let mut sim = Sim::new(48, 2);
    sim.link_all();
    sim.run_for(1_000);
    sim.say(1, "before");
    sim.run_for(1_000);
    // Kept back until it is ahead by exactly what a clock follows, and then to the last counter.
    let hlc = Timestamp(((sim.now(1).wall_ms + MAX_ADVANCE_MS + 500) << 16) | 0xffff);
    let pusher = signer(9);
    let body = Body { kind: 1, bytes: Vec::new() };
    let event =
        Event { channel: channel(), author: pusher.author(), log: LogId(1), seq: 1, prev: EventId::NONE, hlc, body };
    sim.gossip(0, 1, Run::from_events(&[SignedEvent::create(&pusher, event)]).unwrap());
    assert!(sim.run_until(2_000, |sim| sim.nodes[1].shown.len() == 2));
    sim.say_many(1, 100);
    sim.run_for(120_000);
    sim.assert_converged();
    let own = sim.own_key(1).author;
    assert_eq!(sim.replica(0).shelf().iter().filter(|(key, _)| key.author == own).count(), 1);
}

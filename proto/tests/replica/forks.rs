//! Authors that write two histories, and copies of a store.

use proto::{
    event::Run,
    ids::{EventId, LogId},
    log::{
        Input, MAX_LOGS_PER_AUTHOR,
        message::{SyncRequest, SyncResponse, VectorEntry},
    },
};

use crate::sim::{Sim, signer};

/// Nodes 0 and 1 share an identity and a log, as after copying a data directory; the others are ordinary.
fn cloned(seed: u64, others: u64) -> Sim {
    let mut sim = Sim::new(seed, 0);
    for _ in 0..2 {
        sim.add(signer(1), LogId(7));
    }
    for number in 0..others {
        sim.add(signer(10 + number), LogId(7));
    }
    sim
}

/// All have frozen the one log, hold proof, and otherwise agree.
fn all_frozen(sim: &Sim) -> bool {
    let key = sim.own_key(0);
    sim.converged() && (0..sim.nodes.len()).all(|node| sim.nodes[node].store.has_evidence(&key))
}

#[test]
fn all_members_notice_a_fork_and_freeze_the_log_with_proof() {
    // How much each copy has written when they meet.
    for (first, second) in [(1, 1), (3, 3), (5, 2), (2, 5), (600, 1)] {
        let mut sim = cloned(80, 4);
        sim.say_many(0, first);
        for number in 0..second {
            sim.say(1, &format!("other {number}"));
        }
        sim.run_for(3_000);
        for (a, b) in [(0, 2), (2, 3), (3, 4), (4, 5), (5, 1)] {
            sim.link(a, b);
        }
        let all = sim.run_until(10_000, all_frozen);
        let proofs: Vec<bool> = (0..6).map(|node| sim.nodes[node].store.has_evidence(&sim.own_key(0))).collect();
        assert!(all, "{first} and {second}: {proofs:?} {}", sim.converged());
        for node in 0..6 {
            assert_eq!(sim.nodes[node].forks.len(), 1, "told once");
        }
        sim.run_for(60_000);
        sim.sent.clear();
        sim.run_for(120_000);
        assert_eq!(sim.requests(), sim.sent("compare"), "all is quiet again: {:?}", sim.sent);
    }
}

#[test]
fn after_a_fork_both_copies_go_on_in_logs_of_their_own() {
    let mut sim = cloned(81, 2);
    sim.say(0, "one");
    sim.say(1, "other");
    sim.run_for(100);
    sim.link_all();
    assert!(sim.run_until(60_000, all_frozen));
    for restart in [false, true] {
        if restart {
            for node in 0..2 {
                sim.crash(node);
                sim.restart(node);
            }
        }
        sim.say(0, "one again");
        sim.say(1, "other again");
        assert!(sim.run_until(60_000, Sim::converged));
    }
    assert_eq!(sim.replica(2).frozen_logs(), 1, "no further log is forked");
    let logs = |node: usize| sim.nodes[node].published[1..].iter().map(|event| event.event.log).collect::<Vec<_>>();
    assert_ne!(logs(0)[0], logs(1)[0]);
    assert_eq!(logs(0)[0], logs(0)[1], "a restart goes on in the same log");
    assert_eq!(sim.history(2).len(), 4 + 1);
}

#[test]
fn a_frozen_log_stays_frozen_after_a_restart() {
    let mut sim = cloned(82, 1);
    sim.say(0, "one");
    sim.say(1, "other");
    sim.run_for(100);
    sim.link_all();
    assert!(sim.run_until(60_000, all_frozen));
    sim.crash(2);
    sim.restart(2);
    sim.run_for(60_000);
    assert!(sim.nodes[2].forks.len() == 1 && sim.replica(2).frozen_logs() == 1);
}

#[test]
fn a_fork_against_what_the_disk_then_refuses_is_noticed_all_the_same() {
    let mut sim = cloned(83, 1);
    sim.say_many(0, 3);
    for number in 0..3 {
        sim.say(1, &format!("other {number}"));
    }
    sim.run_for(1_000);
    sim.link(0, 2);
    sim.stall_store(2, true);
    sim.run_for(1_000);
    sim.link(1, 2);
    sim.run_for(1_000);
    sim.fail_store(2);
    sim.stall_store(2, false);
    assert!(sim.run_until(120_000, all_frozen));
}

#[test]
fn an_old_backup_finds_its_log_longer_and_loses_nothing() {
    let mut sim = Sim::new(84, 3);
    sim.link_all();
    sim.run_for(1_000);
    sim.say_many(0, 700);
    sim.run_for(5_000);
    sim.crash(0);
    let key = sim.own_key(0);
    sim.nodes[0].store.truncate(&key, 100);
    sim.restart(0);
    assert!(sim.run_until(5_000, Sim::converged));
    assert_eq!(sim.nodes[0].longer, [key]);
    sim.say(0, "here again");
    sim.run_for(1_000);
    assert_eq!(sim.history(2).len(), 701);
    assert!(sim.nodes.iter().all(|node| node.forks.is_empty()));
    assert_ne!(sim.nodes[0].published.last().unwrap().event.log, key.log);
    // The same backup a second time, and something is said before the other log of the first time is known.
    sim.crash(0);
    sim.nodes[0].store.truncate(&key, 100);
    let second = sim.nodes[0].published.last().unwrap().event.log_key();
    sim.nodes[0].store.truncate(&second, 0);
    sim.nodes[0].store.forget_empty();
    sim.restart(0);
    assert!(sim.run_until(5_000, |sim| sim.nodes[0].longer.len() == 2));
    sim.say(0, "and again");
    assert!(sim.run_until(60_000, Sim::converged));
    assert!(sim.nodes.iter().all(|node| node.forks.is_empty()));
    assert_eq!(sim.history(2).len(), 702);
}

#[test]
fn runs_that_wait_are_forgotten_when_their_log_is_frozen() {
    let mut sim = cloned(85, 1);
    sim.say(0, "one");
    sim.say_many(1, 8);
    sim.run_for(100);
    sim.link(0, 2);
    sim.run_for(1_000);
    sim.link(1, 2);
    sim.net.loss_percent = 100;
    sim.say(1, "missed");
    sim.run_for(50);
    sim.net.loss_percent = 0;
    sim.say(1, "waits");
    assert!(sim.run_until(60_000, |sim| sim.replica(2).frozen_logs() == 1));
    assert_eq!(sim.replica(2).load().pending_bytes, 0);
}

#[test]
fn a_forked_log_is_no_way_past_the_limit_of_logs() {
    let mut sim = Sim::new(86, 1);
    let evidence = |log: u64| {
        let branch = |salt| crate::hostile::chain(903, log, 1_800_000_000_000, 1, salt);
        [1, 2].map(|salt| Run::from_events(&branch(salt)).unwrap()).to_vec()
    };
    let author = signer(903).author();
    let entries: Vec<_> = (0..200)
        .map(|log| VectorEntry { author, log: LogId(log), seq: 0, head: EventId::NONE, frozen: true })
        .collect();
    let claims = entries.clone();
    sim.add_hostile(Box::new(move |_, request| match request {
        SyncRequest::Compare(_) => Some(SyncResponse::Vector { entries: claims.clone(), more: false }),
        SyncRequest::Evidence(key) => Some(SyncResponse::Evidence(evidence(key.log.0))),
        _ => None,
    }));
    sim.link_all();
    sim.run_for(10_000);
    sim.input(0, Input::SyncNow);
    sim.run_for(10_000);
    assert_eq!(sim.replica(0).frozen_logs(), MAX_LOGS_PER_AUTHOR as u64);
}

//! What gossip did not bring: comparing and pulling.

use proto::{
    ids::LogId,
    log::{COMPARE_INTERVAL_MS, COMPARE_JITTER_MS, MAX_LOGS_PER_AUTHOR, message::SyncResponse},
};

use crate::sim::{Sim, signer};

#[test]
fn a_late_joiner_pulls_everything() {
    let mut sim = Sim::new(20, 2);
    sim.say_many(0, 1_234);
    sim.run_for(100);
    sim.link(0, 1);
    assert!(sim.run_until(2_000, Sim::converged));
    assert_eq!(sim.history(1).len(), 1_234);
    sim.assert_converged();
}

#[test]
fn one_comparison_repairs_both_directions() {
    let mut sim = Sim::new(21, 2);
    sim.link_all();
    sim.run_for(1_000);
    sim.net.loss_percent = 100;
    sim.say_many(0, 10);
    sim.say_many(1, 10);
    sim.run_for(50);
    sim.net.loss_percent = 0;
    sim.sent.clear();
    sim.input(0, proto::log::Input::SyncNow);
    assert!(sim.run_until(100, Sim::converged));
    assert_eq!((sim.sent("compare"), sim.sent("have"), sim.sent("range")), (1, 1, 2));
    // Each knows whom to thank, once what came is durable.
    let thanked = |sim: &Sim, node: usize| sim.nodes[node].brought_by.clone();
    assert_eq!((thanked(&sim, 0), thanked(&sim, 1)), (vec![sim.nodes[1].peer], vec![sim.nodes[0].peer]));
    sim.assert_converged();
}

#[test]
fn a_gap_in_live_events_is_closed_without_waiting_for_the_next_round() {
    let mut sim = Sim::new(22, 2);
    sim.link_all();
    sim.run_for(1_000);
    sim.net.loss_percent = 100;
    sim.say(0, "missed");
    sim.run_for(50);
    sim.net.loss_percent = 0;
    sim.say(0, "heard");
    assert!(sim.run_until(500, Sim::converged));
    assert_eq!(sim.texts(1), ["missed", "heard"]);
    assert_eq!(sim.delivered[&1], 1, "what waits is not fetched again");
    sim.assert_converged();
}

#[test]
fn two_partitions_joined_by_one_link_converge_through_it() {
    let mut sim = Sim::new(23, 8);
    sim.link_all();
    sim.split(|node| node < 4);
    sim.run_for(1_000);
    for node in 0..8 {
        sim.say_many(node, 25);
    }
    sim.run_for(60_000);
    sim.link(3, 4);
    assert!(sim.run_until(3_000, Sim::converged));
    assert_eq!(sim.history(0).len(), 200);
    sim.assert_converged();
}

#[test]
fn a_quiet_network_only_compares_now_and_then() {
    let mut sim = Sim::new(24, 6);
    sim.link_all();
    sim.say_many(0, 50);
    sim.run_for(120_000);
    sim.assert_converged();
    sim.sent.clear();
    sim.run_for(600_000);
    assert_eq!(sim.requests(), sim.sent("compare"));
    // Each of 6 nodes compares with one or two others every 24 to 36 s: chosen at random, and who was the last to bring something.
    assert!((180..=320).contains(&sim.sent("compare")), "{:?}", sim.sent);
}

#[test]
fn a_long_log_is_pulled_from_several_peers_and_nothing_twice() {
    let mut sim = Sim::new(25, 5);
    sim.link_all();
    sim.split(|node| node == 4);
    sim.run_for(1_000);
    sim.say_many(0, 5_000);
    assert!(sim.run_until(60_000, |sim| (0..4).all(|node| sim.nodes[node].store.seq(&sim.own_key(0)) == 5_000)));
    sim.delivered.clear();
    sim.served.clear();
    for node in 0..4 {
        sim.link(node, 4);
    }
    assert!(sim.run_until(5_000, Sim::converged));
    assert_eq!(sim.delivered[&4], 5_000);
    assert!(sim.served.values().filter(|count| **count >= 2).count() >= 3, "{:?}", sim.served);
    sim.assert_converged();
}

#[test]
fn two_thousand_logs_converge_over_several_pages() {
    let mut sim = Sim::new(26, 2);
    for number in 0..2_000 {
        let author = sim.add(signer(10_000 + number), LogId(1));
        sim.say(author, "one");
        sim.say(author, "two");
        sim.run_for(10);
        let (store, into) = (sim.nodes[author].store.clone(), number as usize % 2);
        sim.nodes[into].store.copy_from(&store);
        sim.nodes.pop();
    }
    for node in 0..2 {
        sim.crash(node);
        sim.restart(node);
    }
    sim.link(0, 1);
    assert!(sim.run_until(20_000, Sim::converged));
    assert_eq!(sim.history(0).len(), 4_000);
    sim.assert_converged();
}

#[test]
fn logs_beyond_the_limit_are_not_fetched_again_and_again() {
    let mut sim = Sim::new(27, 2);
    for number in 0..2 * MAX_LOGS_PER_AUTHOR as u64 {
        let author = sim.add(signer(9_000), LogId(number));
        sim.say(author, "one");
        sim.run_for(10);
        let (store, into) = (sim.nodes[author].store.clone(), number as usize % 2);
        sim.nodes[into].store.copy_from(&store);
        sim.nodes.pop();
    }
    for node in 0..2 {
        sim.crash(node);
        sim.restart(node);
    }
    sim.link(0, 1);
    sim.run_for(10_000);
    sim.say(0, "others go on");
    sim.run_for(1_000);
    assert_eq!(sim.texts(1).last().map(String::as_str), Some("others go on"));
    sim.sent.clear();
    sim.run_for(300_000);
    assert_eq!(sim.sent("range"), 0);
}

#[test]
fn live_events_do_not_slow_down_a_long_repair() {
    let mut sim = Sim::new(28, 2);
    sim.say_many(0, 20_000);
    assert!(sim.run_until(60_000, |sim| sim.nodes[0].store.queue.is_empty()));
    // A disk that takes its time would hide how fast is asked.
    sim.net.store_ms = (0, 0);
    sim.link(0, 1);
    let key = sim.own_key(0);
    for _ in 0..100 {
        sim.say(0, "meanwhile");
        sim.run_for(10);
    }
    assert_eq!(sim.nodes[1].store.seq(&key), 20_100, "40 requests of 10 ms each, 2 at a time");
}

#[test]
fn among_many_who_do_not_answer_or_lie_the_one_who_brings_something_is_compared_with_in_each_round() {
    let answers = [SyncResponse::Unavailable, SyncResponse::Same];
    for (answer, seed) in answers.into_iter().flat_map(|answer| (29..34).map(move |seed| (answer.clone(), seed))) {
        let mut sim = Sim::new(seed, 2);
        for _ in 0..30 {
            let answer = answer.clone();
            sim.add_hostile(Box::new(move |_, _| Some(answer.clone())));
        }
        sim.link_all();
        sim.run_for(1_000);
        sim.say(0, "heard by gossip");
        sim.say(1, "heard by gossip");
        sim.run_for(1_000);
        sim.net.loss_percent = 100;
        sim.say(0, "missed");
        sim.say(1, "missed");
        sim.run_for(50);
        sim.net.loss_percent = 0;
        assert!(sim.run_until(COMPARE_INTERVAL_MS + COMPARE_JITTER_MS + 1_000, Sim::converged), "{answer:?}");
        sim.assert_converged();
    }
}

//! Random schedules: whatever happens, once the network heals all members hold the same, and nothing acknowledged is lost.

use proptest::prelude::*;

use crate::sim::{Net, Sim};

#[derive(Debug, Clone)]
enum Action {
    Say { node: usize, count: usize, bytes: usize },
    Link(usize, usize),
    Cut(usize, usize),
    Split(u8),
    LinkAll,
    Crash(usize),
    Restart(usize),
    StoreFails(usize),
    StoreStalls(usize),
    StoreGoesOn(usize),
    SetClock(usize, i64),
    Wait(u64),
}

fn any_action() -> impl Strategy<Value = Action> {
    let node = || 0usize..8;
    prop_oneof![
        6 => (node(), 1usize..20, 0usize..2_000).prop_map(|(node, count, bytes)| Action::Say { node, count, bytes }),
        1 => (node(), 500usize..600).prop_map(|(node, count)| Action::Say { node, count, bytes: 10 }),
        1 => (node(), 30usize..60).prop_map(|(node, count)| Action::Say { node, count, bytes: 50_000 }),
        3 => (node(), node()).prop_map(|(a, b)| Action::Link(a, b)),
        2 => (node(), node()).prop_map(|(a, b)| Action::Cut(a, b)),
        2 => any::<u8>().prop_map(Action::Split),
        2 => Just(Action::LinkAll),
        2 => node().prop_map(Action::Crash),
        3 => node().prop_map(Action::Restart),
        1 => node().prop_map(Action::StoreFails),
        1 => node().prop_map(Action::StoreStalls),
        2 => node().prop_map(Action::StoreGoesOn),
        1 => (node(), -100_000i64..100_000).prop_map(|(node, ms)| Action::SetClock(node, ms)),
        6 => (0u64..3_000).prop_map(Action::Wait),
        1 => (20_000u64..60_000).prop_map(Action::Wait),
    ]
}

fn any_net() -> impl Strategy<Value = Net> {
    (0u64..50, 0u64..400, 0u32..40, 0u32..30, 0u64..100).prop_map(|(least, more, loss, duplicates, store)| Net {
        latency_ms: (least, least + more),
        loss_percent: loss,
        duplicate_percent: duplicates,
        store_ms: (0, store),
    })
}

fn perform(sim: &mut Sim, action: Action) {
    let count = sim.nodes.len();
    match action {
        Action::Say { node, count: events, bytes } => {
            for number in 0..events {
                sim.say_bytes(node % count, vec![number as u8; bytes]);
            }
        }
        Action::Link(a, b) => sim.link(a % count, b % count),
        Action::Cut(a, b) => sim.cut(a % count, b % count),
        Action::Split(mask) => sim.split(|node| mask >> (node % 8) & 1 == 1),
        Action::LinkAll => sim.link_all(),
        Action::Crash(node) => sim.crash(node % count),
        Action::Restart(node) => sim.restart(node % count),
        Action::StoreFails(node) => sim.fail_store(node % count),
        Action::StoreStalls(node) => sim.stall_store(node % count, true),
        Action::StoreGoesOn(node) => sim.stall_store(node % count, false),
        Action::SetClock(node, ms) => sim.nodes[node % count].skew_ms = ms,
        Action::Wait(ms) => sim.run_for(ms),
    }
}

fn mend(sim: &mut Sim) {
    for node in 0..sim.nodes.len() {
        sim.stall_store(node, false);
        sim.restart(node);
        sim.nodes[node].skew_ms = 0;
    }
    sim.net = Net::GOOD;
    sim.link_all();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn all_converge_and_nothing_acknowledged_is_lost(
        seed in any::<u64>(),
        count in 2usize..=8,
        net in any_net(),
        actions in prop::collection::vec(any_action(), 1..60),
    ) {
        let mut sim = Sim::new(seed, count);
        sim.net = net;
        sim.link_all();
        for action in actions {
            perform(&mut sim, action);
        }
        mend(&mut sim);
        prop_assert!(sim.run_until(180_000, Sim::converged), "the replicas converge");
        // What claims to be from the future becomes due.
        sim.run_for(240_000);
        sim.assert_converged();
        prop_assert!(sim.nodes.iter().all(|node| node.forks.is_empty()), "nobody forked");
        // A comparison may be under way at any moment, but not at all of them.
        let is_idle = |sim: &Sim, node: usize| {
            let load = sim.replica(node).load();
            (load.committing_bytes, load.deferred_bytes, load.questions) == (0, 0, 0)
        };
        prop_assert!(sim.run_until(1_000, |sim| (0..count).all(|node| is_idle(sim, node))), "nothing is left over");
        sim.sent.clear();
        sim.run_for(120_000);
        prop_assert_eq!(sim.requests(), sim.sent("compare"), "a converged network is quiet");
    }

    #[test]
    fn a_heavily_lossy_network_converges_while_it_is_lossy(
        seed in any::<u64>(),
        count in 2usize..=5,
        loss_percent in 10u32..40,
        says in prop::collection::vec((0usize..8, 1usize..30), 1..20),
    ) {
        let mut sim = Sim::new(seed, count);
        sim.net = Net { latency_ms: (1, 300), loss_percent, duplicate_percent: 10, store_ms: (0, 20) };
        sim.link_all();
        for (node, events) in says {
            sim.say_many(node % count, events);
            sim.run_for(500);
        }
        prop_assert!(sim.run_until(600_000, Sim::converged), "the replicas converge");
        sim.assert_converged();
    }
}

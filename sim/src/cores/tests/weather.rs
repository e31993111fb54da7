//! Short runs in random weather: whatever happens, no invariant breaks.

use super::*;
use crate::scenario::{
    Arrive, Chat, Churn, Clock, Disk, Distribution, Ending, Event, Group, Invariants, Level, Nat, Network,
    NodeSettings, What, Workload,
};

fn distribution() -> impl Strategy<Value = Distribution> {
    prop_oneof![
        (1.0..60.0).prop_map(|s| Distribution::Fixed { s }),
        (1.0..20.0, 20.0..60.0).prop_map(|(min_s, max_s)| Distribution::Uniform { min_s, max_s }),
        (1.0..60.0).prop_map(|mean_s| Distribution::Exponential { mean_s }),
        (1.0..60.0, 0.3..2.0).prop_map(|(scale_s, shape)| Distribution::Weibull { scale_s, shape }),
    ]
}

fn churn() -> impl Strategy<Value = Churn> {
    (distribution(), distribution(), 0.0..1.0, 0.0..1.0, 0u64..30)
        .prop_map(|(session_s, gap_s, crash, power_cut, from_s)| Churn { session_s, gap_s, crash, power_cut, from_s })
}

fn group(name: &'static str) -> impl Strategy<Value = Group> {
    let clock = (prop_oneof![Just(0), 0u64..200_000], -200_000i64..200_000, 0u64..200);
    let clock = clock.prop_map(|(skew_ms, offset_ms, drift_ppm)| Clock { skew_ms, offset_ms, drift_ppm });
    let disk = (0u64..50, prop_oneof![Just(0.0), 0.0..0.1]).prop_map(|(sync_ms, fail)| Disk { sync_ms, fail });
    (1usize..8, 0u64..20, prop::option::of(churn()), clock, disk, 0.0..0.05).prop_map(
        move |(count, over_s, churn, clock, disk, loss)| Group {
            name: name.into(),
            count,
            region: Some(name.into()),
            up_kbit_s: 0,
            down_kbit_s: 0,
            loss,
            nat: Nat::default(),
            rooms: Vec::new(),
            bootstrap: None,
            arrive: Arrive { from_s: 0, over_s },
            churn,
            clock,
            disk,
            mailbox: false,
            hostile: None,
        },
    )
}

fn event() -> impl Strategy<Value = Event> {
    let name = || prop_oneof![Just("east".to_owned()), Just("west".to_owned())];
    let how = prop_oneof![Just(Ending::Leave), Just(Ending::Kill), Just(Ending::PowerCut)];
    let what = prop_oneof![
        Just(parted()),
        Just(What::Heal),
        (name(), 0.0..1.0, how).prop_map(|(group, share, how)| What::Stop { group, share, how }),
        (name(), 0.0..1.0).prop_map(|(group, share)| What::Start { group, share }),
    ];
    (0u64..90, what).prop_map(|(at_s, what)| Event { at_s, what })
}

fn weather() -> impl Strategy<Value = Scenario> {
    let network = (1.0..100.0, 1.0..300.0, 0.0..1.0, 0.0..0.05).prop_map(|(near, far, jitter, loss)| Network {
        regions: vec!["east".into(), "west".into()],
        latency_ms: vec![vec![near, far], vec![far, near]],
        jitter,
        loss,
        queue_ms: 0,
    });
    let chat = (0.1..5.0, 1usize..500).prop_map(|(rate_per_s, bytes)| Chat {
        room: "lobby".into(),
        rate_per_s,
        bytes,
        by: None,
        from_s: 0,
        until_s: None,
    });
    (network, group("east"), group("west"), chat, prop::collection::vec(event(), 0..6)).prop_map(
        |(network, east, west, chat, events)| Scenario {
            node: NodeSettings::default(),
            name: "weather".into(),
            summary: "random".into(),
            level: Level::Cores,
            duration_s: 160,
            seed: 1,
            settle_s: 65,
            network,
            groups: vec![east, west],
            workload: Workload { chat: vec![chat], ..Workload::default() },
            events,
            invariants: Invariants::default(),
            checks: Vec::new(),
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn in_any_weather_the_invariants_hold(scenario in weather(), seed: u64) {
        let report = play(&scenario, seed);
        prop_assert!(report.breach.is_none(), "{:#?}\n{}", report.breach, report.scenario_toml);
    }
}

/// Runs, or as many as `SIM_WEATHER_RUNS` says.
fn cases() -> u32 {
    std::env::var("SIM_WEATHER_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(200)
}

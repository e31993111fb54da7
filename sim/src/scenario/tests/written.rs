//! Whatever a scenario says is read back when it was written, and no text makes reading panic.

use proptest::prelude::*;

use super::*;

fn a_distribution() -> impl Strategy<Value = Distribution> {
    let span = 1.0..1e6;
    prop_oneof![
        span.clone().prop_map(|s| Distribution::Fixed { s }),
        (0.0..1e3, 1e3..1e6).prop_map(|(min_s, max_s)| Distribution::Uniform { min_s, max_s }),
        span.clone().prop_map(|mean_s| Distribution::Exponential { mean_s }),
        (span, 0.2..20.0).prop_map(|(scale_s, shape)| Distribution::Weibull { scale_s, shape }),
    ]
}

fn a_churn() -> impl Strategy<Value = Churn> {
    (a_distribution(), a_distribution(), 0.0..=1.0, 0.0..=1.0, 0u64..60)
        .prop_map(|(session_s, gap_s, crash, power_cut, from_s)| Churn { session_s, gap_s, crash, power_cut, from_s })
}

fn a_nat() -> impl Strategy<Value = Nat> {
    let kinds = [
        NatKind::None,
        NatKind::FullCone,
        NatKind::AddressRestricted,
        NatKind::PortRestricted,
        NatKind::Symmetric,
        NatKind::Blocked,
    ];
    (prop::sample::select(kinds.to_vec()), 1u64..1000).prop_map(|(kind, expires_s)| Nat { kind, expires_s })
}

fn a_hostile() -> impl Strategy<Value = Hostile> {
    prop_oneof![
        (0.1..100.0).prop_map(|rate_per_s| Hostile::Spam { rate_per_s }),
        (0.1..100.0).prop_map(|rate_per_s| Hostile::BadSignatures { rate_per_s }),
        (0.1..100.0).prop_map(|rate_per_s| Hostile::Equivocate { rate_per_s }),
        (0u64..60).prop_map(|from_s| Hostile::Eclipse { target: "members".into(), from_s }),
        (0u64..60, 0.0..10.0).prop_map(|(from_s, rate_per_s)| Hostile::Withhold { from_s, rate_per_s }),
        "[a-z ]{0,8}x".prop_map(|room| Hostile::SybilKey { room }),
        prop::option::of(prop::sample::select(Lie::ALL.to_vec())).prop_map(|lie| Hostile::LyingMailbox { lie }),
        prop::option::of(prop::sample::select(Fault::ALL.to_vec()))
            .prop_map(|fault| Hostile::LyingSeeder { file: "film".into(), fault }),
    ]
}

fn an_event() -> impl Strategy<Value = Event> {
    let what = prop_oneof![
        Just(What::Partition { sides: vec![vec!["east".into()], vec!["west".into()]] }),
        (0.0..=1.0, prop::sample::select(vec![Ending::Leave, Ending::Kill, Ending::PowerCut]))
            .prop_map(|(share, how)| What::Stop { group: "guests".into(), share, how }),
        (0.0..=1.0).prop_map(|share| What::Start { group: "members".into(), share }),
    ];
    (0u64..200, what).prop_map(|(at_s, what)| Event { at_s, what })
}

prop_compose! {
    fn a_scenario()(
        seed in 0..=i64::MAX as u64,
        loss in 0.0..0.5,
        counts in (1usize..1000, 1usize..1000),
        churn in prop::option::of(a_churn()),
        nat in a_nat(),
        hostile in prop::option::of(a_hostile()),
        events in prop::collection::vec(an_event(), 0..5),
        clock in (0u64..1_000_000, -1_000_000i64..1_000_000, 0u64..1000),
        sync_ms in 0u64..1000,
        rooms in prop::collection::btree_set("[a-z]{1,3}x", 0..3),
        until_s in prop::option::of(100u64..200),
        lookups in prop::option::of(1usize..100),
        direct in prop::option::of((40usize..1000, 0usize..1000, prop::option::of(100u64..200))),
        mailbox in any::<bool>(),
        file in (1u64..100, 0u64..50, 0.0..=1.0),
    ) -> Scenario {
        let mut scenario = parse(SMALL, &["workload.chat.0.by=members"]).unwrap();
        scenario.seed = seed;
        scenario.network.loss = loss;
        scenario.groups[0].count = counts.0;
        scenario.groups[0].rooms = rooms.into_iter().collect();
        scenario.groups[0].clock = Clock { skew_ms: clock.0, offset_ms: clock.1, drift_ppm: clock.2 };
        scenario.groups[0].disk.sync_ms = sync_ms;
        scenario.groups[0].mailbox = mailbox;
        scenario.groups[1].count = counts.1;
        scenario.groups[1].churn = churn;
        scenario.groups[1].nat = nat;
        scenario.groups[1].hostile = hostile;
        scenario.events = events;
        scenario.workload.chat[0].until_s = until_s;
        scenario.workload.direct = direct.into_iter().map(|(bytes, friends, until_s)| Direct {
            rate_per_s: 0.01,
            bytes,
            by: Some("members".into()),
            to: None,
            friends: friends.min(counts.0 - 1),
            from_s: 9,
            until_s,
        }).collect();
        scenario.groups.push(crate::group("seeders", 1));
        scenario.workload.file = vec![Sharing {
            name: "film".into(),
            size_mib: file.0,
            seeders: "seeders".into(),
            getters: "members".into(),
            at_s: 100,
            over_s: file.1,
            by_root: file.2,
        }];
        scenario.workload.lookups = lookups.map(|keys| Lookups { keys, providers: 1, rate_per_s: 0.3, from_s: 60 });
        scenario
    }
}

proptest! {
    #[test]
    fn what_was_written_is_read_back(scenario in a_scenario()) {
        let text = scenario.to_toml().unwrap();
        match Scenario::parse("written.toml", &text, &[]) {
            Ok(read) => prop_assert_eq!(read, scenario),
            Err(error) => prop_assert!(false, "{error}\n{text}"),
        }
    }

    #[test]
    fn no_text_makes_reading_panic(text in "\\PC{0,200}") {
        if let Err(error) = Scenario::parse("x", &text, &[]) {
            prop_assert!(!error.to_string().is_empty());
        }
    }

    #[test]
    fn no_damage_to_a_scenario_makes_reading_panic(at in 0..SMALL.len(), length in 0usize..40, new in "[\\[\\]{}\"=.,a-z0-9\n-]{0,6}") {
        let end = (at + length).min(SMALL.len());
        let text = format!("{}{new}{}", &SMALL[..at], &SMALL[end..]);
        if let Err(error) = Scenario::parse("x", &text, &[]) {
            prop_assert!(error.to_string().starts_with("x:"), "{}", error);
        }
    }

    #[test]
    fn no_override_makes_reading_panic(key in "(group|network|event|workload|check)(\\.[a-z0-9]{1,7}){0,3}", value in "\\PC{1,20}") {
        if let Ok(change) = format!("{key}={value}").parse::<Override>() {
            let _ = Scenario::parse("x", SMALL, &[change]);
        }
    }
}

//! Tests that `docs/SCENARIOS.md` tells all that can be said in a scenario, and nothing else.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::*;
use crate::report::FIGURES;

const DOCUMENT: &str = include_str!("../../../docs/SCENARIOS.md");

/// Keys whose values are words of the language.
const WORDS: &[&str] = &["level", "kind", "do", "how", "lie", "fault"];

fn churn(session_s: Distribution) -> Option<Churn> {
    Some(Churn { session_s, gap_s: session_s, crash: 0.5, power_cut: 0.5, from_s: 1 })
}

/// Groups in which everything is said. Without `..`, so that a new field cannot be left out.
fn groups() -> Vec<Group> {
    let group = |nat, session_s, hostile| Group {
        name: "a".into(),
        count: 1,
        region: Some("here".into()),
        up_kbit_s: 1,
        down_kbit_s: 1,
        loss: 0.1,
        nat: Nat { kind: nat, expires_s: 1 },
        rooms: vec!["b".into()],
        bootstrap: Some("a".into()),
        arrive: Arrive { from_s: 1, over_s: 1 },
        churn: churn(session_s),
        clock: Clock { skew_ms: 1, offset_ms: 1, drift_ppm: 1 },
        disk: Disk { sync_ms: 1, fail: 0.1 },
        mailbox: true,
        hostile: Some(hostile),
    };
    let (text, rate_per_s) = (String::new, 1.0);
    let mut groups = vec![
        group(NatKind::None, Distribution::Fixed { s: 1.0 }, Hostile::Spam { rate_per_s }),
        group(
            NatKind::FullCone,
            Distribution::Uniform { min_s: 1.0, max_s: 1.0 },
            Hostile::BadSignatures { rate_per_s },
        ),
        group(
            NatKind::AddressRestricted,
            Distribution::Exponential { mean_s: 1.0 },
            Hostile::Equivocate { rate_per_s },
        ),
        group(
            NatKind::PortRestricted,
            Distribution::Weibull { scale_s: 1.0, shape: 1.0 },
            Hostile::Eclipse { target: text(), from_s: 1 },
        ),
        group(NatKind::Symmetric, Distribution::Fixed { s: 1.0 }, Hostile::Withhold { from_s: 1, rate_per_s: 0.5 }),
        group(NatKind::Blocked, Distribution::Fixed { s: 1.0 }, Hostile::SybilKey { room: text() }),
    ];
    let lying = |lie| group(NatKind::None, Distribution::Fixed { s: 1.0 }, Hostile::LyingMailbox { lie: Some(lie) });
    groups.extend(Lie::ALL.map(lying));
    let seeding = |fault| Hostile::LyingSeeder { file: text(), fault: Some(fault) };
    groups.extend(Fault::ALL.map(|fault| group(NatKind::None, Distribution::Fixed { s: 1.0 }, seeding(fault))));
    groups
}

fn events() -> Vec<Event> {
    let stop = |how| What::Stop { group: String::new(), share: 1.0, how };
    let whats = [
        What::Partition { sides: vec![vec![]] },
        What::Heal,
        stop(Ending::Leave),
        stop(Ending::Kill),
        stop(Ending::PowerCut),
        What::Start { group: String::new(), share: 1.0 },
    ];
    whats.into_iter().map(|what| Event { at_s: 1, what }).collect()
}

/// A scenario that says everything.
fn everything(level: Level) -> Scenario {
    let chat =
        Chat { room: String::new(), rate_per_s: 1.0, bytes: 1, by: Some("a".into()), from_s: 1, until_s: Some(2) };
    let direct = Direct {
        rate_per_s: 1.0,
        bytes: 1,
        by: Some("a".into()),
        to: Some("a".into()),
        friends: 1,
        from_s: 1,
        until_s: Some(2),
    };
    let file = Sharing {
        name: "a".into(),
        size_mib: 1,
        seeders: "a".into(),
        getters: "b".into(),
        at_s: 1,
        over_s: 1,
        by_root: 0.5,
    };
    let lookups = Lookups { keys: 1, providers: 1, rate_per_s: 1.0, from_s: 1 };
    Scenario {
        name: "a".into(),
        summary: "b".into(),
        level,
        duration_s: 1,
        seed: 1,
        settle_s: 1,
        network: Network { regions: vec![], latency_ms: vec![vec![]], jitter: 0.1, loss: 0.1, queue_ms: 1 },
        node: NodeSettings::default(),
        groups: groups(),
        workload: Workload { chat: vec![chat], direct: vec![direct], file: vec![file], lookups: Some(lookups) },
        events: events(),
        invariants: Invariants { converge_s: 1, deliver_s: 1 },
        checks: vec![Check { figure: "said".into(), at_least: Some(1.0), at_most: Some(1.0) }],
    }
}

/// The paths of all values in a table, and the words of the language among the values.
fn walk(table: &Table, path: &str, keys: &mut BTreeSet<String>, words: &mut BTreeSet<String>) {
    for (key, value) in table {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match value {
            Value::Table(inner) if path.starts_with("group.churn.") => {
                keys.insert(path);
                walk(inner, "distribution", keys, words);
            }
            Value::Table(inner) => walk(inner, &path, keys, words),
            Value::Array(list) if list.iter().any(Value::is_table) => {
                list.iter().filter_map(Value::as_table).for_each(|inner| walk(inner, &path, keys, words));
            }
            _ => {
                if let (true, Some(word)) = (WORDS.contains(&key.as_str()), value.as_str()) {
                    words.insert(word.to_owned());
                }
                keys.insert(path);
            }
        }
    }
}

/// What stands in backquotes in the first column of the document's tables.
fn rows() -> BTreeSet<String> {
    DOCUMENT
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(key, _)| key.to_owned())
        .collect()
}

#[test]
fn every_key_has_a_row_and_every_row_a_key() {
    let (mut keys, mut words) = (BTreeSet::new(), BTreeSet::new());
    for level in [Level::Nodes, Level::Cores] {
        let table: Table = toml::from_str(&everything(level).to_toml().unwrap()).unwrap();
        walk(&table, "", &mut keys, &mut words);
    }
    keys.insert("group.hostile".into());
    keys.extend(FIGURES.iter().map(|figure| figure.name.to_owned()));
    let rows = rows();
    assert_eq!(keys.difference(&rows).collect::<Vec<_>>(), Vec::<&String>::new(), "docs/SCENARIOS.md lacks these");
    assert_eq!(rows.difference(&keys).collect::<Vec<_>>(), Vec::<&String>::new(), "docs/SCENARIOS.md has too many");
    for word in words {
        assert!(DOCUMENT.contains(&format!("`\"{word}\"`")), "docs/SCENARIOS.md does not explain {word:?}");
    }
}

#[test]
fn the_example_is_a_scenario_that_makes_sense() {
    let example = DOCUMENT.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let scenario = Scenario::parse("docs/SCENARIOS.md", example, &[]).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((scenario.hosts(), scenario.events.len()), (67, 4));
}

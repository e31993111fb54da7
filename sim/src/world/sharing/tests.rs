//! Files in small runs.

use super::*;
use crate::{
    Sim, group,
    progress::Progress,
    report::Report,
    scenario::{Churn, Distribution, Ending, Fault, Group, Hostile, Scenario, What},
    world::{files::RIGHT, runtime::run_changed},
};

/// A file that the seeders have and the homes fetch.
fn sharing(by_root: f64, over_s: u64) -> Sharing {
    Sharing {
        name: "film".into(),
        size_mib: 2,
        seeders: "seeders".into(),
        getters: "homes".into(),
        at_s: 20,
        over_s,
        by_root,
    }
}

/// One seeder, and so many homes, all of bounded bandwidth.
fn sim(homes: usize, sharing: Sharing) -> Sim {
    let bounded = |group: Group| Group { up_kbit_s: 8_000, down_kbit_s: 40_000, ..group };
    let sim = Sim::new(1).nodes(2).group(bounded(group("seeders", 1))).group(bounded(group("homes", homes)));
    sim.with(|scenario| scenario.workload.file.push(sharing))
}

fn figure(report: &Report, name: &str) -> f64 {
    *report.figures.get(name).unwrap_or_else(|| panic!("no {name} in {:?}", report.figures))
}

#[track_caller]
fn assert_complete(report: &Report) {
    assert!(report.breach.is_none(), "{:?}", report.breach);
    assert_eq!(figure(report, "file_completed"), 1.0, "{:?}", report.figures);
}

/// Hosts that say that they have the film.
fn liars(count: usize, fault: Fault) -> Group {
    Group { hostile: Some(Hostile::LyingSeeder { file: "film".into(), fault: Some(fault) }), ..group("liars", count) }
}

#[test]
fn a_file_gets_to_all_who_want_it_by_its_link_and_by_its_root_and_is_counted() {
    let report = sim(5, sharing(0.4, 2)).run_until(90).unwrap();
    assert_complete(&report);
    assert_eq!(figure(&report, "file_wanted"), 5.0);
    let (seeders, getters) = (figure(&report, "file_bytes_seeders"), figure(&report, "file_bytes_getters"));
    assert!(seeders >= 2.0 * MIB as f64 && seeders + getters >= 10.0 * MIB as f64, "{:?}", report.figures);
    // 5 times 2 MiB through six times 8 Mbit/s.
    let best_s = figure(&report, "file_best_s");
    assert!((2.0..2.2).contains(&best_s), "{best_s}");
    let (last_s, over) = (figure(&report, "file_last_s"), figure(&report, "file_last_over_best"));
    assert!(last_s >= best_s && (over - last_s / best_s).abs() < 1e-9, "{last_s} over {best_s}");
    assert_eq!((figure(&report, "file_wrong"), report.figures.get("file_asked_of_liars")), (0.0, None));
    for (name, last) in [("file_came", 1.0), ("file_done", 5.0)] {
        assert_eq!(report.series[name].points.last().unwrap().1, last, "{name}");
    }
}

#[test]
fn a_file_is_fetched_by_hosts_that_crash_and_come_back() {
    let churn = Churn {
        session_s: Distribution::Uniform { min_s: 2.0, max_s: 8.0 },
        gap_s: Distribution::Fixed { s: 1.0 },
        crash: 0.8,
        power_cut: 0.5,
        from_s: 20,
    };
    let sim = sim(4, sharing(0.0, 5)).with(|scenario| scenario.groups[2].churn = Some(churn));
    let back = |group: &str| What::Start { group: group.into(), share: 1.0 };
    let stop = What::Stop { group: "seeders".into(), share: 1.0, how: Ending::PowerCut };
    let report = sim.at(22, stop).at(30, back("seeders")).at(60, back("homes")).run_until(150).unwrap();
    assert_complete(&report);
    assert!(figure(&report, "file_last_s") >= 10.0, "{:?}", report.figures);
}

#[test]
fn whatever_a_seeder_lies_all_who_want_the_file_get_it_and_soon_ask_the_liar_no_more() {
    for fault in Fault::ALL {
        let report = sim(3, sharing(0.0, 2)).group(liars(2, fault)).run_until(150).unwrap();
        assert_complete(&report);
        assert_eq!(figure(&report, "banned_honest"), 0.0, "{fault:?}");
        if fault != Fault::WrongHashes {
            let asked = figure(&report, "file_asked_of_liars");
            assert!((1.0..=24.0).contains(&asked), "{fault:?}: {asked}");
        }
        assert_eq!(figure(&report, "file_wrong") > 0.0, fault == Fault::WrongBytes, "{fault:?}");
    }
}

#[test]
fn a_wrong_byte_that_a_vault_takes_ends_the_run_and_tells_who_when_and_of_which_seed() {
    let mut made = None;
    let sim = sim(3, sharing(0.0, 2)).group(liars(2, Fault::WrongBytes));
    let sim = sim.with(|scenario: &mut Scenario| {
        scenario.duration_s = 150;
        made = Some(scenario.clone());
    });
    drop(sim);
    let change = |world: &mut World| {
        world.population.hosts.iter().filter_map(|host| host.shelves.as_ref()).for_each(Shelves::believe_all);
    };
    let report = run_changed(made.unwrap(), 5, Arc::new(Progress::default()), change).unwrap();
    let breach = report.breach.expect("wrong bytes were taken");
    assert_eq!((breach.invariant.as_str(), report.seed), (RIGHT, 5));
    assert!(breach.detail.starts_with("homes-") && breach.detail.contains("wrong bytes"), "{breach:?}");
    assert!((20.0..60.0).contains(&breach.at_s), "{breach:?}");
    assert!(breach.last_events.iter().any(|event| event.contains("began to fetch file 0")), "{breach:?}");
}

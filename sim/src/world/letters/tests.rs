//! Direct messages in small runs.

use super::*;
use crate::{
    Sim, group,
    report::Report,
    scenario::{Arrive, Ending, Group, Nat, NatKind, What},
};

fn direct(from_s: u64, until_s: u64) -> Direct {
    Direct {
        rate_per_s: 0.5,
        bytes: 60,
        by: Some("ada".into()),
        to: Some("bob".into()),
        friends: 0,
        from_s,
        until_s: Some(until_s),
    }
}

/// Ada writes to Bob, beside two nodes that are always there.
fn run(bob: Group, ada: Group, written: (u64, u64), change: impl FnOnce(Sim) -> Sim) -> Report {
    let sim = Sim::new(1).nodes(2).group(bob).group(ada);
    let sim = sim.with(|scenario| scenario.workload.direct.push(direct(written.0, written.1)));
    change(sim).run_until(140).unwrap()
}

fn figure(report: &Report, name: &str) -> f64 {
    *report.figures.get(name).unwrap_or_else(|| panic!("no {name} in {:?}", report.figures))
}

fn stop(group: &str, how: Ending) -> What {
    What::Stop { group: group.into(), share: 1.0, how }
}

#[test]
fn messages_between_two_who_are_never_up_together_arrive_by_a_mailbox() {
    let ada = Group { arrive: Arrive { from_s: 45, over_s: 0 }, ..group("ada", 1) };
    let report = run(group("bob", 1), ada, (50, 70), |sim| {
        sim.group(Group { mailbox: true, ..group("mailbox", 1) })
            .at(40, stop("bob", Ending::PowerCut))
            .at(80, stop("ada", Ending::Kill))
            .at(82, What::Start { group: "bob".into(), share: 1.0 })
    });
    assert!(report.breach.is_none() && figure(&report, "direct_written") >= 5.0, "{report:?}");
    for name in ["direct_delivered", "direct_apart", "direct_by_mailbox"] {
        assert_eq!(figure(&report, name), 1.0, "{name}");
    }
    assert_eq!(figure(&report, "direct_told"), 0.0, "nobody could tell her");
    assert_eq!(figure(&report, "mailbox_letters"), 1.0, "what arrived is discarded; a receipt waits for her");
}

#[test]
fn a_message_that_does_not_arrive_ends_the_run_once_nothing_was_in_its_way() {
    let behind = |name| Group { nat: Nat { kind: NatKind::Blocked, ..Nat::default() }, ..group(name, 1) };
    let report =
        run(behind("bob"), behind("ada"), (20, 60), |sim| sim.with(|scenario| scenario.invariants.deliver_s = 20));
    let breach = report.breach.expect("they cannot reach each other, and there is no mailbox");
    assert_eq!(breach.invariant, ARRIVES);
    assert!(
        breach.at_s >= 40.0 && breach.last_events.iter().any(|event| event.contains("wrote to bob-0")),
        "{breach:?}"
    );
}

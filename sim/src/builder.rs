//! The simulator as a library: a scenario put together in a few calls, for tests.

use std::sync::Arc;

use crate::{
    progress::{Progress, RunError},
    report::Report,
    scenario::{
        Arrive, Chat, Churn, Clock, Disk, Event, Group, Invariants, Level, Nat, Network, NodeSettings, Scenario, What,
        Workload,
    },
    world,
};

/// A run in the making.
///
/// ```no_run
/// use sim::{Sim, group, scenario::What};
///
/// # fn main() -> Result<(), sim::progress::RunError> {
/// let report = Sim::new(7)
///     .nodes(25)
///     .group(group("more", 25))
///     .chat(1.0)
///     .at(60, What::Partition { sides: vec![vec!["nodes".into()], vec!["more".into()]] })
///     .at(90, What::Heal)
///     .run_until(180)?;
/// assert!(report.passed(), "{report:?}");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Sim {
    seed: u64,
    scenario: Scenario,
}

impl Sim {
    /// A network without hosts, and a seed for everything.
    pub fn new(seed: u64) -> Self {
        let scenario = Scenario {
            name: "test".into(),
            summary: "put together by a test".into(),
            level: Level::Nodes,
            duration_s: 60,
            seed,
            settle_s: 30,
            network: Network::default(),
            node: NodeSettings::default(),
            groups: Vec::new(),
            workload: Workload::default(),
            events: Vec::new(),
            invariants: Invariants::default(),
            checks: Vec::new(),
        };
        Self { seed, scenario }
    }

    /// Adds the group `nodes`: so many hosts with public addresses, that come within the first ten seconds.
    pub fn nodes(self, count: usize) -> Self {
        self.group(group("nodes", count))
    }

    /// Adds a group.
    pub fn group(mut self, group: Group) -> Self {
        self.scenario.groups.push(group);
        self
    }

    /// The network between all hosts.
    pub fn network(mut self, network: Network) -> Self {
        self.scenario.network = network;
        self
    }

    /// Everybody comes and goes.
    pub fn churn(mut self, churn: &Churn) -> Self {
        self.scenario.groups.iter_mut().for_each(|group| group.churn = Some(churn.clone()));
        self
    }

    /// Everybody talks in the lobby: so many messages a second, over all hosts.
    pub fn chat(mut self, rate_per_s: f64) -> Self {
        let room = proto::channel::LOBBY.into();
        self.scenario.workload.chat.push(Chat { room, rate_per_s, bytes: 100, by: None, from_s: 15, until_s: None });
        self
    }

    /// Something happens after so many seconds.
    pub fn at(mut self, at_s: u64, what: What) -> Self {
        self.scenario.events.push(Event { at_s, what });
        self
    }

    /// Changes anything else of the scenario.
    pub fn with(mut self, change: impl FnOnce(&mut Scenario)) -> Self {
        change(&mut self.scenario);
        self
    }

    /// Runs for so many seconds of virtual time, the last thirty of which are for settling.
    ///
    /// # Errors
    /// [`RunError`]. A broken invariant is not an error; the report tells of it.
    pub fn run_until(mut self, end_s: u64) -> Result<Report, RunError> {
        self.scenario.duration_s = end_s;
        world::run(self.scenario, self.seed, Arc::new(Progress::default()))
    }
}

/// A group of hosts with public addresses and good manners, that come within the first ten seconds.
pub fn group(name: &str, count: usize) -> Group {
    Group {
        name: name.into(),
        count,
        region: None,
        up_kbit_s: 0,
        down_kbit_s: 0,
        loss: 0.0,
        nat: Nat::default(),
        rooms: Vec::new(),
        bootstrap: None,
        arrive: Arrive { from_s: 0, over_s: 10 },
        churn: None,
        clock: Clock::default(),
        disk: Disk::default(),
        mailbox: false,
        hostile: None,
    }
}

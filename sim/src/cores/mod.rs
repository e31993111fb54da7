//! The state machines of `proto` alone, over an ideal gossip graph: for very many hosts, and for very many runs.
//!
//! Each host is one [`proto::log::Replica`] of the lobby, and in rooms of up to [`MAX_PRESENCE_HOSTS`] a
//! [`proto::presence::Presence`], with a disk and a clock. All else is a model, chosen to be simple and fair:
//!
//! | of the product | here |
//! |---|---|
//! | swarm, Kademlia, dialing | a mesh that is always connected (`graph`) |
//! | gossipsub | a flood along its links, copies dropped by number, passed on when the machine accepts, as in the product |
//! | requests | messages between neighbours; one that is lost fails after [`REQUEST_TIMEOUT_US`] |
//! | pings | a peer that fell silent is noticed after [`SILENCE_US`] |
//! | store | what is durable anywhere, kept once (`store`), and a disk that makes batches durable (`disk`) |
//! | paths | latency, jitter and losses (`paths`); bandwidth is unlimited |
//! | signatures | made and checked, but each checked once in the run ([`crate::memo`]) |
//!
//! NATs, bandwidth, lookups and rooms other than the lobby are left out, which the report's marks say; scenarios with hostile
//! hosts are refused.
//!
//! # Invariants
//!
//! Each ends the run, with the last doings of the hosts concerned.
//!
//! | invariant | looked at |
//! |---|---|
//! | what was acknowledged is durable, and its author's disk holds it | when it is acknowledged, and at the end |
//! | a disk holds logs without holes, of which no two disks contradict each other | with each write |
//! | no event is shown twice to a user, and none that is not durable | each time |
//! | hosts that can talk hold the same, `converge_s` after anything last happened | ten times a second |
//! | what a machine has under way is within its bounds, and no timer fires for ever | after each input |
//! | a machine and its disk agree, and all that is held and due was shown | at the end |
//!
//! # Parts
//!
//! | module | what it holds or does |
//! |---|---|
//! | `queue`, `message` | what is planned, and what travels |
//! | `host`, `disk`, `store` | hosts and what they keep |
//! | `graph`, `paths` | who is connected, and how far away |
//! | `setup` | a world made of a scenario |
//! | `world` | everything, and how one thing after another happens |
//! | `machines` | a host's machines are fed, and what they want is done |
//! | `faults` | hosts come and go, the network falls apart and heals |
//! | `ledger`, `agreement`, `bounds` | what was said and shown, who holds the same, what must hold |
//! | `traffic`, `outcome` | what was sent, and the report |

mod agreement;
mod bits;
mod bounds;
mod disk;
mod error;
mod faults;
mod graph;
mod host;
mod ledger;
mod machines;
mod message;
mod outcome;
mod paths;
mod queue;
mod setup;
mod store;
#[cfg(test)]
mod tests;
mod traffic;
mod world;

use std::sync::Arc;

pub use error::SetupError;

use crate::{
    progress::{Progress, RunError},
    report::Report,
    scenario::Scenario,
};

/// Hosts at most: 20 GB of memory hold no more.
pub const MAX_HOSTS: usize = 1_000_000;

/// Hosts up to which presence runs. Each keeps a record of some 600 bytes of every other: 600 MB for this many.
pub const MAX_PRESENCE_HOSTS: usize = 1_000;

/// Microseconds until a question that nobody answers has failed: the product's request timeout.
pub const REQUEST_TIMEOUT_US: u64 = 10_000_000;

/// Microseconds of silence after which a peer is gone: what the product's pings take to find out.
pub const SILENCE_US: u64 = 35_000_000;

/// Microseconds after a heal within which hosts find those of the other sides again.
pub const REJOIN_US: u64 = 2_000_000;

/// Runs a scenario with the machines of `proto` alone, on this thread, and tells `progress` how far it has come.
///
/// A broken invariant ends the run and stands in the report.
///
/// # Errors
/// [`RunError::Setup`] when the scenario cannot be run at this level; it says what to change.
pub fn run(scenario: Scenario, seed: u64, progress: Arc<Progress>) -> Result<Report, RunError> {
    let clocks = outcome::Clocks::start();
    let unfit = |error: SetupError| RunError::Setup(error.to_string());
    let mut world = setup::world(&scenario, seed).map_err(unfit)?;
    world.run(&progress);
    world.check_the_end();
    outcome::report(world, &scenario, seed, &clocks).map_err(unfit)
}

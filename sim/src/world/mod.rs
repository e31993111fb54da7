//! The run itself: hosts that come and go, users that talk, a network that fails, and what must hold all the while.
//!
//! | file | what |
//! |---|---|
//! | `runtime` | the thread and the paused clock of a run |
//! | `engine` | the loop: takes the next action from the timetable and carries it out |
//! | `timetable`, `random` | what is going to happen when |
//! | `population` | who is up, starting and ending hosts |
//! | `host`, `clock`, `disk`, `tasks` | one host: what a node is built of |
//! | `shared`, `ledger`, `history` | what nodes report: said, shown, connected |
//! | `trace`, `gossip` | what is read off the wire: the hash of the run, copies of messages |
//! | `verify` | the invariants |
//! | `samples`, `outcome` | the report |
//!
//! | invariant | verified |
//! |---|---|
//! | what a node acknowledged is on its disk, whatever happened to it | whenever a host starts again, and at the end |
//! | no message is shown to a user twice | at every message |
//! | hosts of a room that can talk hold the same within [`crate::scenario::Invariants::converge_s`] of quiet | every second of quiet, and at the end |
//! | an honest node does not refuse its user for lack of room in a queue | at every message |
//!
//! A breach ends the run. Its report names the seed, the time, and what the hosts concerned did last.

mod clock;
mod disk;
mod engine;
mod gossip;
mod history;
mod host;
mod ledger;
mod outcome;
mod population;
mod random;
mod runtime;
mod samples;
mod shared;
mod tasks;
mod timetable;
mod trace;
mod verified;
mod verify;

use std::sync::{Mutex, atomic::AtomicU64};

pub use runtime::run;

/// How far a run is, for whoever waits for it. Written by the run, read by others at any time.
#[derive(Debug, Default)]
pub struct Progress {
    /// Milliseconds of virtual time that have passed.
    pub virtual_ms: AtomicU64,
    /// Milliseconds of virtual time in all.
    pub total_ms: AtomicU64,
    /// Hosts that are up.
    pub hosts_up: AtomicU64,
    /// Messages said.
    pub said: AtomicU64,
    /// Messages shown, over all hosts.
    pub shown: AtomicU64,
    /// What is going on, in a few words.
    pub phase: Mutex<String>,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A node could not be built as the scenario wants it.
    #[error("{host} could not start: {reason}; change the scenario")]
    Start {
        /// Which.
        host: String,
        /// Why.
        reason: String,
    },
    /// The system gave no thread or no runtime.
    #[error("the simulation could not begin: {0}; free some memory and try again")]
    System(#[from] std::io::Error),
    /// The simulator or a node in it panicked: a bug, and the seed shows it again.
    #[error("the simulation panicked: {0}; please report it with the scenario and the seed")]
    Panicked(String),
}

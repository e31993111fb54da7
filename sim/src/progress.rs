//! How far a run is, and why there may be no report of it: the same for whole nodes and for cores.

use std::sync::{Mutex, atomic::AtomicU64};

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
    /// A core could not be built as the scenario wants it.
    #[error("{0}")]
    Setup(String),
    /// The simulator or a node in it panicked: a bug, and the seed shows it again.
    #[error("the simulation panicked: {0}; please report it with the scenario and the seed")]
    Panicked(String),
}

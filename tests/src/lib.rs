//! What the tests of the whole product share: they start the real `node` program, talk to it as its users do (command line,
//! HTTP, WebSocket, terminal) and take away from it what users lose (its process, its network, its disk).
//!
//! | module | gives |
//! |---|---|
//! | [`binary`] | the programs `node` and `sim`, built with the profile of the tests |
//! | [`options`], [`node`] | one running node, its command line and its log |
//! | [`command`] | one command, run to its end |
//! | [`api`] | one node's HTTP API and WebSocket |
//! | [`feed`] | what a node reported, to be awaited |
//! | [`files`] | files that nodes share and fetch, and what is in them |
//! | [`wait`] | polling with a deadline, for states that nobody reports |
//! | [`process`] | nothing outlives the tests; memory and CPU time of a process |
//! | [`network`] | nodes on a network of their own that can be cut (Linux, root) |
//! | [`disk`] | small disks that run full (Linux, root) |
//! | [`terminal`] | a node on a terminal (tmux) |
//! | [`simulation`] | the program `sim`, run to its end in a directory of its own |
//! | [`attacker`] | a peer that breaks the rules |
//! | [`eavesdropper`] | a peer that keeps all it can hear |
//! | [`seeder`] | a peer that shares a file and does it wrong |
//! | [`postman`], [`liar`] | a peer that carries letters as no node would, and a mailbox that lies |
//!
//! A scenario that needs what the machine lacks prints a line that starts with `SKIPPED:` and passes.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "this crate is tests: a panic is how it reports a failure")]

pub mod api;
pub mod attacker;
pub mod binary;
pub mod command;
pub mod disk;
pub mod eavesdropper;
pub mod feed;
pub mod files;
pub mod liar;
pub mod network;
pub mod node;
pub mod options;
pub mod postman;
pub mod process;
pub mod seeder;
pub mod simulation;
pub mod terminal;
pub mod wait;

pub use api::Api;
pub use command::Output;
pub use feed::Feed;
pub use node::Node;
pub use options::NodeOptions;
pub use simulation::Simulation;
pub use wait::{connected_to, eventually, same_history, seconds};

/// Says that a scenario cannot run here, and why.
pub fn skip(scenario: &str, reason: &str) {
    eprintln!("SKIPPED: {scenario}: {reason}");
}

/// Installs what the scenarios need from the system, or tells why it cannot be had. Root on Linux only.
///
/// # Errors
/// One line that says what is missing.
pub fn require_root_and(programs: &[&str]) -> Result<(), String> {
    if !rustix::process::geteuid().is_root() {
        return Err("needs root".into());
    }
    require(programs)
}

/// Whether the programs are there.
///
/// # Errors
/// Names the first that is not.
pub fn require(programs: &[&str]) -> Result<(), String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = |program: &&&str| std::env::split_paths(&path).any(|dir| dir.join(program).is_file());
    match programs.iter().find(|program| !found(program)) {
        Some(missing) => Err(format!("'{missing}' is not installed")),
        None => Ok(()),
    }
}

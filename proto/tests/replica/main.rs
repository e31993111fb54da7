//! The log replica under a network that misbehaves: see [`sim`] for the network, and one module per subject.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

mod clocks;
mod forks;
mod hostile;
mod live;
mod repair;
mod runs;
mod schedules;
mod sim;
mod store;
mod verifier;

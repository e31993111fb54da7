//! The product from outside: every test starts real nodes and looks at them as a user does.
//!
//! `cargo test -p starling-tests --test it -- rooms` runs one module. Long runs are ignored by default:
//! `STARLING_SOAK_SECONDS=3600 cargo test -p starling-tests --test it -- --ignored --nocapture soak`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test reports a failure")]

mod bittorrent;
mod bootstrap_loss;
mod cli;
mod closed_network;
mod crash;
mod direct;
mod direct_cli;
mod disk;
mod faithful;
mod files;
mod hostile;
mod http;
mod mistakes;
mod partition;
mod presence;
mod private_rooms;
mod prompt;
mod rooms;
mod simulator;
mod simulator_mistakes;

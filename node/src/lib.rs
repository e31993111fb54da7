//! The Starling node: swarm, store, API and command line.

pub mod api;
pub mod cli;
pub mod clock;
pub mod config;
pub mod data_dir;
pub mod handle;
pub mod identity;
pub mod model;
pub mod secret_file;
pub mod store;
pub mod swarm;
pub mod transport;
pub mod view;

//! The Starling node: swarm, store, API and command line.

pub mod clock;
pub mod handle;
pub mod model;
pub mod store;
pub mod swarm;
pub mod view;

//! Scenarios: what a run is about.

mod model;

pub use model::*;

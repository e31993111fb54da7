//! Reports: what a run leaves behind.

mod model;
mod names;

pub use model::*;
pub use names::*;

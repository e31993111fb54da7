//! Scenarios: what a run is about. Files of TOML, described for people in `docs/SCENARIOS.md`.
//!
//! | file | what it is |
//! |---|---|
//! | `model`, `group`, `event` | what a scenario says, as plain data |
//! | `read` | from TOML, with overrides from the command line (`set`) |
//! | `tagged` | tables whose keys depend on their kind |
//! | `check` | what makes sense beyond the shape, and the bounds of everything |
//! | `error`, `wording` | what is wrong, in which line, and what to do |
//! | `scale` | the same with more or fewer hosts |
//! | `shipped` | the scenarios that come with the program |

mod check;
#[cfg(test)]
mod documented;
mod error;
mod event;
mod group;
mod model;
mod read;
mod scale;
mod set;
pub mod shipped;
mod tagged;
mod wording;

pub use check::limits;
pub use error::*;
pub use event::*;
pub use group::*;
pub use model::*;
pub use read::MAX_TEXT_BYTES;
pub use scale::ScaleError;
pub use set::{Override, OverrideError};
pub use wording::instead;

#[cfg(test)]
mod tests;

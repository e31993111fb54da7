//! Reports: what a run leaves behind.
//!
//! | module | what it does |
//! |---|---|
//! | `model` | the data |
//! | `names` | what each figure and series means |
//! | [`measure`] | recorders that a run fills |
//! | `checks` | compares figures with what the scenario wants |
//! | `store` | reports on disk, and as one line of JSON |
//! | `table` | for a terminal |
//! | `page` | one page for a browser, with charts by `chart` |
//! | `compare` | two runs beside each other |
//! | `numbers` | numbers as people read them |
//!
//! Everything but [`measure`] works on a finished [`Report`], and only [`write()`] and [`read()`] touch the disk.

mod chart;
mod checks;
mod compare;
pub mod measure;
mod model;
mod names;
mod numbers;
mod page;
#[cfg(test)]
mod sample;
mod store;
mod table;

pub use checks::check;
pub use compare::{compare, parting_s};
pub use model::*;
pub use names::*;
pub(crate) use numbers::{found, unit_of, with_unit};
pub use page::page;
#[cfg(test)]
pub(crate) use sample::sample;
pub use store::{FORMAT, MAX_REPORT_BYTES, ReadError, check_place, json_line, read, write};
pub use table::table;
pub(crate) use table::{columns, printed};

//! What runs scenarios and what reports them, for this program: the one place that says where they are.

pub use crate::{cores, progress, report, world};

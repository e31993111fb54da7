//! To be merged.
#![allow(missing_docs)]
pub fn run(
    _: crate::scenario::Scenario,
    _: u64,
    _: std::sync::Arc<crate::world::Progress>,
) -> Result<crate::report::Report, crate::world::RunError> {
    Err(crate::world::RunError::Panicked("not yet".into()))
}

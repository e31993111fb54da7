//! The thread of a run: its randomness comes from the seed, its clocks from a paused tokio.

use std::{any::Any, sync::Arc, thread};

use super::engine::World;
use crate::{
    progress::{Progress, RunError},
    report::Report,
    scenario::Scenario,
};

/// Bytes of stack: libp2p's futures nest deeply.
const STACK_BYTES: usize = 32 << 20;

/// Runs a scenario to its end, or to the first broken invariant, on a thread of its own.
///
/// # Errors
/// [`RunError`]. A failed check or a broken invariant is not an error; the report tells of it.
pub fn run(scenario: Scenario, seed: u64, progress: Arc<Progress>) -> Result<Report, RunError> {
    run_changed(scenario, seed, progress, |_| ())
}

/// The same in a world that is changed before anything happens in it.
pub(super) fn run_changed(
    scenario: Scenario,
    seed: u64,
    progress: Arc<Progress>,
    change: impl FnOnce(&mut World) + Send + 'static,
) -> Result<Report, RunError> {
    let body = move || {
        // Before the runtime: it draws a seed for the order in which `select!` polls.
        interpose::arm(seed);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
        let report = runtime.block_on(async {
            interpose::arm_clock();
            let mut world = World::new(scenario, seed, progress);
            change(&mut world);
            world.run().await
        });
        // Ten thousand nodes take a while to take apart, and nobody needs it.
        std::mem::forget(runtime);
        report
    };
    let thread = thread::Builder::new().name("simulation".into()).stack_size(STACK_BYTES).spawn(body)?;
    thread.join().unwrap_or_else(|panic| Err(RunError::Panicked(text_of(&*panic))))
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("without a message").to_owned()
}

//! Runs a scenario and draws its progress meanwhile: the run has a thread of its own, and this one looks on.

use std::{
    sync::{
        Arc,
        mpsc::{RecvTimeoutError, sync_channel},
    },
    thread,
    time::Duration,
};

use super::{
    Failure,
    engine::{cores, progress, world},
    progress::Bar,
};
use crate::{
    report::Report,
    scenario::{Level, Scenario},
};

/// How often the progress is drawn.
const DRAW_EVERY: Duration = Duration::from_millis(100);

/// Runs a scenario with its seed and draws its progress, unless `quiet`.
///
/// # Errors
/// The scenario could not be run at all. A run in which something failed is a report like any other.
pub fn run(scenario: Scenario, quiet: bool) -> Result<Report, Failure> {
    let seed = scenario.seed;
    let bar = Bar::new(&scenario.name, quiet);
    let progress = Arc::new(progress::Progress::default());
    let watched = Arc::clone(&progress);
    let (done, result) = sync_channel(1);
    let runner = thread::spawn(move || {
        let report = match scenario.level {
            Level::Nodes => world::run(scenario, seed, progress),
            Level::Cores => cores::run(scenario, seed, progress),
        };
        // The other end waits until this comes.
        let _ = done.send(report);
    });
    loop {
        match result.recv_timeout(DRAW_EVERY) {
            Err(RecvTimeoutError::Timeout) => bar.draw(&watched),
            Ok(report) => {
                bar.clear();
                let _ = runner.join();
                return report.map_err(|error| Failure::NotDone(error.to_string()));
            }
            Err(RecvTimeoutError::Disconnected) => {
                bar.clear();
                let message = "the run panicked, see above: a mistake in the program; the seed shows it again";
                return Err(Failure::NotDone(message.into()));
            }
        }
    }
}

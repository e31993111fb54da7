//! `sim sweep`: one scenario with many seeds, each in a process of its own, as many at once as there are cores.
//!
//! A process can make only one run that is the same each time (libp2p numbers connections for the whole process), so each run is
//! this program again, `sim run … --out` into a temporary directory, from which its report is read.

use std::{
    env, fs, io,
    num::NonZeroUsize,
    path::Path,
    process::{Output, Stdio},
    thread,
};

use clap::Args;
use futures::{StreamExt as _, stream};
use tokio::process::Command;

use super::{
    Failure, Verdict, engine,
    failure::print,
    progress::Bar,
    seeds::Seeds,
    source::Chosen,
    stop::Stop,
    summary::{Run, summary},
};

/// Characters of a child's last words that are shown: they stand in a table.
const MAX_LAST_WORDS: usize = 200;

/// What to run, and how often.
#[derive(Debug, Clone, Args)]
pub struct SweepArguments {
    #[command(flatten)]
    chosen: Chosen,
    /// The seeds: 7, 1..50 (both ends), or 1,5,9
    #[arg(long, value_name = "SEEDS")]
    seeds: Seeds,
    /// Runs at once [default: one for each core]
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Show no progress
    #[arg(long)]
    quiet: bool,
}

/// Carries out `sim sweep`.
///
/// # Errors
/// The scenario makes no sense, no process can be started, or it is told to stop: then the processes end, too.
pub fn sweep(arguments: &SweepArguments) -> Result<Verdict, Failure> {
    // Whatever is wrong with it is told once, and not by each run.
    let scenario = arguments.chosen.load()?;
    let seeds: Vec<u64> = arguments.seeds.0.iter().copied().collect();
    let cores = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let jobs = arguments.jobs.unwrap_or_else(cores).get().min(seeds.len());
    let cannot = |what: &str, error: io::Error| Failure::NotDone(format!("cannot {what}: {error}"));
    let program = env::current_exe().map_err(|error| cannot("find this program's own file", error))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| cannot("start processes", error))?;
    // It goes when the sweep is over, whatever ends it.
    let scratch = tempfile::Builder::new().prefix("sim-sweep-").tempdir();
    let scratch = scratch.map_err(|error| cannot("make a temporary directory", error))?;
    let bar = Bar::new(&scenario.name, arguments.quiet);
    let runs = runtime.block_on(async {
        let mut stop = Stop::listen().map_err(|error| cannot("listen for signals", error))?;
        let run = async |seed: u64| {
            let out = scratch.path().join(seed.to_string());
            let run = one(&program, &arguments.chosen, seed, &out).await;
            // Left behind, it goes with the rest at the end.
            let _ = fs::remove_dir_all(&out);
            run
        };
        tokio::select! {
            biased;
            () = stop.wait() => Err(Failure::Stopped),
            runs = all(&seeds, jobs, &bar, run) => Ok(runs),
        }
    });
    bar.clear();
    let runs = runs?;
    print(&summary(&arguments.chosen, &runs))?;
    Ok(runs.iter().all(Run::passed).into())
}

/// Runs all seeds, `jobs` at once. The results come in the order of the seeds.
async fn all(seeds: &[u64], jobs: usize, bar: &Bar, run: impl AsyncFn(u64) -> Run) -> Vec<Run> {
    let mut done = stream::iter(seeds).map(|seed| run(*seed)).buffer_unordered(jobs);
    let mut runs = Vec::with_capacity(seeds.len());
    bar.count(0, 0, seeds.len());
    while let Some(run) = done.next().await {
        runs.push(run);
        bar.count(runs.len(), runs.iter().filter(|run| !run.passed()).count(), seeds.len());
    }
    runs.sort_by_key(|run| run.seed);
    runs
}

/// One run in a process of its own, which ends with the future.
async fn one(program: &Path, chosen: &Chosen, seed: u64, out: &Path) -> Run {
    let mut command = Command::new(program);
    command.arg("run").arg("--quiet").arg("--seed").arg(seed.to_string()).arg("--out").arg(out).args(chosen.words());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let result = match command.output().await {
        Err(error) => Err(format!("cannot be started: {error}")),
        // A report that is there tells more than the exit code.
        Ok(output) => engine::report::read(out).map_err(|_| last_words(&output)),
    };
    Run::new(seed, result)
}

/// Why a process left no report.
fn last_words(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    let line = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
    let line: String = line.chars().filter(|c| !c.is_control()).take(MAX_LAST_WORDS).collect();
    if line.is_empty() { output.status.to_string() } else { format!("{}: {line}", output.status) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_seeds_however_many_run_at_once() {
        let seeds: Vec<u64> = (1..=40).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        for jobs in [1, 3, 40] {
            // The later a seed, the sooner it is done.
            let run = async |seed: u64| {
                tokio::time::sleep(Duration::from_secs(100 - seed)).await;
                Run::new(seed, Err("no report".into()))
            };
            let runs = runtime.block_on(all(&seeds, jobs, &Bar::new("test", true), run));
            assert_eq!(runs.iter().map(|run| run.seed).collect::<Vec<_>>(), seeds);
        }
    }
}

//! `sim sweep`: one scenario with many seeds, each in a process of its own, as many at once as there are cores.
//!
//! A process can make only one run that is the same each time (libp2p numbers connections for the whole process), so each run is
//! this program again, `sim run … --out` into a temporary directory, from which its report is read.

use std::{
    env, fs, io,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc::sync_channel,
    },
    thread,
};

use clap::Args;

use super::{
    Failure, Verdict, engine,
    failure::print,
    progress::Bar,
    seeds::Seeds,
    source::Chosen,
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
/// The scenario makes no sense, or no process can be started.
pub fn sweep(arguments: &SweepArguments) -> Result<Verdict, Failure> {
    // Whatever is wrong with it is told once, and not by each run.
    let scenario = arguments.chosen.load()?;
    let seeds: Vec<u64> = arguments.seeds.0.iter().copied().collect();
    let cores = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let jobs = arguments.jobs.unwrap_or_else(cores).get().min(seeds.len());
    let cannot = |what: &str, error: io::Error| Failure::Failed(format!("cannot {what}: {error}"));
    let scratch = Scratch::new().map_err(|error| cannot("make a temporary directory", error))?;
    let program = env::current_exe().map_err(|error| cannot("find this program's own file", error))?;
    let bar = Bar::new(&scenario.name, arguments.quiet);
    let runs = all(&seeds, jobs, &bar, |seed| {
        let out = scratch.0.join(seed.to_string());
        let run = one(&program, &arguments.chosen, seed, &out);
        // Left behind, it goes with the rest at the end.
        let _ = fs::remove_dir_all(&out);
        run
    });
    bar.clear();
    print(&summary(&arguments.chosen, &runs))?;
    Ok(runs.iter().all(Run::passed).into())
}

/// Runs all seeds, `jobs` at once. The results come in the order of the seeds.
fn all(seeds: &[u64], jobs: usize, bar: &Bar, run: impl Fn(u64) -> Run + Sync) -> Vec<Run> {
    let next = AtomicUsize::new(0);
    // Each worker waits with at most one result until it is taken.
    let (tell, told) = sync_channel(jobs);
    let mut runs = Vec::with_capacity(seeds.len());
    thread::scope(|scope| {
        for _ in 0..jobs {
            let (tell, next, run) = (tell.clone(), &next, &run);
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(seed) = seeds.get(index) else { break };
                    if tell.send((index, run(*seed))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(tell);
        bar.count(0, 0, seeds.len());
        for told in told {
            runs.push(told);
            bar.count(runs.len(), runs.iter().filter(|(_, run)| !run.passed()).count(), seeds.len());
        }
    });
    runs.sort_by_key(|(index, _)| *index);
    runs.into_iter().map(|(_, run)| run).collect()
}

/// One run in a process of its own.
fn one(program: &Path, chosen: &Chosen, seed: u64, out: &Path) -> Run {
    let mut command = Command::new(program);
    command.arg("run").arg("--quiet").arg("--seed").arg(seed.to_string()).arg("--out").arg(out).args(chosen.words());
    let output = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).output();
    let result = match output {
        Err(error) => Err(format!("cannot be started: {error}")),
        // A report that is there tells more than the exit code.
        Ok(output) => engine::report::read(out).map_err(|_| last_words(&output)),
    };
    Run::new(seed, result)
}

/// Why a process left no report.
fn last_words(output: &process::Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    let line = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
    let line: String = line.chars().filter(|c| !c.is_control()).take(MAX_LAST_WORDS).collect();
    if line.is_empty() { output.status.to_string() } else { format!("{}: {line}", output.status) }
}

/// A directory that goes when the sweep is over.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> io::Result<Self> {
        let path = env::temp_dir().join(format!("sim-sweep-{}", process::id()));
        fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed stays in the system's temporary directory, which is emptied at times.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_seeds_however_many_run_at_once() {
        let seeds: Vec<u64> = (1..=40).rev().collect();
        for jobs in [1, 3, 40] {
            let runs = all(&seeds, jobs, &Bar::new("test", true), |seed| Run::new(seed, Err("no report".into())));
            assert_eq!(runs.iter().map(|run| run.seed).collect::<Vec<_>>(), seeds);
        }
    }
}

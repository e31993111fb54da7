//! The program `sim`, run to its end in a directory of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;
use sim::report::Report;
use tempfile::TempDir;
use tokio::process::Command;

use crate::{
    binary::sim_binary,
    command::{Output, run_command_within},
    process,
};

/// A debug build needs some seconds for the runs of these tests; on a busy machine several times that.
pub const RUN_TIMEOUT: Duration = Duration::from_secs(300);

/// A directory in which `sim` is run, with the scenarios and reports of one test. It goes with the test.
pub struct Simulation(TempDir);

impl Default for Simulation {
    fn default() -> Self {
        Self(TempDir::with_prefix("starling-sim-").expect("a temporary directory"))
    }
}

impl Simulation {
    /// The directory.
    pub fn dir(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file into the directory and returns its name.
    pub fn file<'a>(&self, name: &'a str, text: &str) -> &'a str {
        fs::write(self.dir().join(name), text).expect("a file in a temporary directory");
        name
    }

    /// Runs `sim` with these words in the directory.
    ///
    /// # Panics
    /// When it does not end within [`RUN_TIMEOUT`].
    pub async fn sim(&self, words: &[&str]) -> Output {
        run_command_within(RUN_TIMEOUT, self.command(words), "").await
    }

    /// `sim` with these words, to be run in the directory.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(sim_binary());
        command.args(words).current_dir(self.dir()).env_remove("RUST_LOG").env_remove("RUST_BACKTRACE");
        command.kill_on_drop(true).process_group(process::group());
        command
    }

    /// Runs `sim run` with these words and `--json`, and returns the line.
    ///
    /// # Panics
    /// When the last line on standard output is no JSON.
    pub async fn run(&self, words: &[&str]) -> (Option<i32>, Value) {
        let output = self.sim(&[&["run", "--json"], words].concat()).await;
        let line = output.stdout.lines().last().unwrap_or_default();
        let value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {output:#?}"));
        (output.code, value)
    }

    /// The directory of a report.
    pub fn report_dir(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    /// A report that a run left in the directory.
    ///
    /// # Panics
    /// When there is none.
    pub fn report(&self, name: &str) -> Report {
        sim::report::read(&self.report_dir(name)).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Puts `change` of a report in its place, as an editor would.
    ///
    /// # Panics
    /// When there is none.
    pub fn edit_report(&self, name: &str, change: impl FnOnce(&mut Value)) {
        let path = self.report_dir(name).join("report.json");
        let text = fs::read_to_string(&path).expect("a report");
        let mut value = serde_json::from_str(&text).expect("a report is JSON");
        change(&mut value);
        fs::write(&path, value.to_string()).expect("a report can be written");
    }
}

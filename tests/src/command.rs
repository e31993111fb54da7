//! One command of the command line, run to its end.

use std::{process::Stdio, time::Duration};

use serde::de::DeserializeOwned;
use tokio::{io::AsyncWriteExt, process::Command};

use crate::{binary::node_binary, process};

/// A command of the command line answers within this time.
pub const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);

/// What a finished command left.
#[derive(Debug, Clone)]
pub struct Output {
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// What it wrote on standard output.
    pub stdout: String,
    /// What it wrote on standard error.
    pub stderr: String,
}

impl Output {
    /// Standard output as JSON, one value a line.
    ///
    /// # Panics
    /// When the command failed or a line is something else.
    pub fn json<T: DeserializeOwned>(&self) -> Vec<T> {
        assert_eq!(self.code, Some(0), "{self:#?}");
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
        self.stdout.lines().map(parse).collect()
    }
}

/// The program under test, in a network namespace or not, without anything of the caller's that would change what it does.
pub fn command_in(namespace: Option<&str>) -> Command {
    let mut command = match namespace {
        None => Command::new(node_binary()),
        Some(namespace) => {
            let mut command = Command::new("ip");
            command.args(["netns", "exec", namespace]).arg(node_binary());
            command
        }
    };
    command.env_remove("STARLING_DATA_DIR").env_remove("RUST_LOG").env_remove("RUST_BACKTRACE");
    command.kill_on_drop(true).process_group(process::group());
    command
}

/// Runs a command to its end.
///
/// # Panics
/// When it does not end within [`COMMAND_TIMEOUT`].
pub async fn run_command(command: Command, input: &str) -> Output {
    run_command_within(COMMAND_TIMEOUT, command, input).await
}

/// Runs a command to its end, which may take longer.
///
/// # Panics
/// When it does not end within `timeout`.
pub async fn run_command_within(timeout: Duration, mut command: Command, input: &str) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let shown = format!("{:?}", command.as_std());
    let mut child = command.spawn().expect("it can be run");
    let mut stdin = child.stdin.take().expect("stdin is a pipe");
    let run = async {
        // A command that reads no input may be gone already.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        child.wait_with_output().await.expect("it ends")
    };
    let output = tokio::time::timeout(timeout, run).await.unwrap_or_else(|_| panic!("did not end: {shown}"));
    Output {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

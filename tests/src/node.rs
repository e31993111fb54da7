//! One real node: its process, its data directory, its command line.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use node::model::{Member, Message, NodeEvent, Peer, Room, Status};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdout, Command},
    task::JoinHandle,
};

use crate::{
    api::Api,
    command::{Output, command_in, run_command},
    feed::Feed,
    options::NodeOptions,
};

/// A debug build on a busy machine may take this long to start; then something is wrong.
pub const START_TIMEOUT: Duration = Duration::from_secs(30);

/// A node says goodbye and writes what is left within this time.
pub const STOP_TIMEOUT: Duration = Duration::from_secs(15);

/// Lines of a node's log that a failing test prints.
const LOG_LINES_SHOWN: usize = 60;

/// The first line that a node writes with `--json`.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "event", rename = "ready")]
pub struct Ready {
    /// Its peer id.
    pub peer_id: String,
    /// Full multiaddrs.
    pub listen: Vec<String>,
    /// The URL of its HTTP API.
    pub api: String,
}

struct Running {
    child: Child,
    pid: u32,
    ready: Ready,
    reader: JoinHandle<()>,
}

/// A node, running or stopped. When a test fails, the end of its log is printed.
pub struct Node {
    options: NodeOptions,
    directory: PathBuf,
    _owned: Option<TempDir>,
    log: PathBuf,
    running: Option<Running>,
    last_ready: Option<Ready>,
    /// Everything it reported on standard output.
    pub feed: Feed,
}

impl Node {
    /// Starts a node and waits until it is ready.
    ///
    /// # Panics
    /// When it does not become ready; shows its log.
    pub async fn start(options: NodeOptions) -> Self {
        let name = options.name.clone();
        match Self::try_start(options).await {
            Ok(node) => node,
            Err(output) => panic!("the node '{name}' did not start: {output:#?}"),
        }
    }

    /// Starts a node, which may refuse.
    ///
    /// # Errors
    /// What it left when it ended before it was ready.
    pub async fn try_start(options: NodeOptions) -> Result<Self, Output> {
        let owned = TempDir::with_prefix("starling-node-").expect("a temporary directory");
        let directory = options.data_dir.clone().unwrap_or_else(|| owned.path().join("data"));
        let log = owned.path().join("log");
        let mut node = Self {
            options,
            directory,
            log,
            _owned: Some(owned),
            running: None,
            last_ready: None,
            feed: Feed::default(),
        };
        node.launch().await?;
        Ok(node)
    }

    async fn launch(&mut self) -> Result<(), Output> {
        assert!(self.running.is_none(), "{} is running", self.options.name);
        let log_before = fs::metadata(&self.log).map_or(0, |metadata| metadata.len());
        let log = File::options().create(true).append(true).open(&self.log).expect("the log file");
        let mut command = self.command();
        command.args(self.options.run_arguments()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().expect("the node can be run");
        let pid = child.id().expect("it was not awaited yet");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
        let mut first = String::new();
        let read = tokio::time::timeout(START_TIMEOUT, lines.read_line(&mut first)).await;
        let ready: Option<Ready> = serde_json::from_str(&first).ok();
        let Some(ready) = ready else {
            if read.is_err() {
                child.start_kill().expect("it can be killed");
            }
            let code = child.wait().await.expect("it ends").code();
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            let stderr = log.get(usize::try_from(log_before).expect("logs are small")..).unwrap_or(&log).to_owned();
            return Err(Output { code, stdout: first, stderr });
        };
        let reader = tokio::spawn(read_reports(lines, self.feed.clone()));
        self.last_ready = Some(ready.clone());
        self.running = Some(Running { child, pid, ready, reader });
        Ok(())
    }

    /// Starts it again on the same data, with the options it had.
    ///
    /// # Panics
    /// When it does not become ready.
    pub async fn restart(&mut self) {
        if let Err(output) = self.launch().await {
            panic!("the node '{}' did not start again: {output:#?}", self.options.name);
        }
    }

    /// Starts it again on the same data with other options, which it keeps.
    ///
    /// # Errors
    /// What it left when it ended before it was ready.
    pub async fn restart_with(&mut self, change: impl FnOnce(&mut NodeOptions)) -> Result<(), Output> {
        change(&mut self.options);
        self.launch().await
    }

    /// Listens where it does now after restarts, too, so that others find it there.
    pub fn stay(&mut self) {
        let without_peer = |address: &String| address.rsplit_once("/p2p/").map_or(address.clone(), |(at, _)| at.into());
        self.options.listen = self.addresses().iter().map(without_peer).collect();
    }

    /// Kills the process as `kill -9` does, and waits until all it had written was read.
    pub async fn kill(&mut self) {
        let mut running = self.running.take().expect("the node is running");
        running.child.kill().await.expect("it can be killed");
        running.reader.await.expect("the reader ends with the pipe");
    }

    /// Asks the process to end, as a service manager does, and returns its exit code.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn stop(&mut self) -> Option<i32> {
        self.signal(Signal::TERM);
        self.ended().await
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).expect("process ids are small")).expect("not 0");
        kill_process(pid, signal).expect("it can be signalled");
    }

    /// Waits for the end of the process.
    ///
    /// # Panics
    /// When it does not end within [`STOP_TIMEOUT`].
    pub async fn ended(&mut self) -> Option<i32> {
        let mut running = self.running.take().expect("the node is running");
        let ended = tokio::time::timeout(STOP_TIMEOUT, running.child.wait()).await;
        let status = ended.unwrap_or_else(|_| panic!("'{}' did not stop", self.options.name)).expect("it ends");
        running.reader.await.expect("the reader ends with the pipe");
        status.code()
    }

    fn running(&self) -> &Running {
        self.running.as_ref().unwrap_or_else(|| panic!("'{}' is not running", self.options.name))
    }

    fn ready(&self) -> &Ready {
        self.last_ready.as_ref().expect("it was started")
    }

    /// Its display name.
    pub fn name(&self) -> &str {
        &self.options.name
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.running().pid
    }

    /// Its peer id.
    pub fn peer_id(&self) -> &str {
        &self.ready().peer_id
    }

    /// The addresses it listens on, or listened on when it ran last.
    pub fn addresses(&self) -> &[String] {
        &self.ready().listen
    }

    /// The first of its addresses with `part` in it, such as `/tcp/`.
    pub fn address_with(&self, part: &str) -> String {
        let found = self.addresses().iter().find(|address| address.contains(part));
        found.unwrap_or_else(|| panic!("no {part} in {:?}", self.addresses())).clone()
    }

    /// Its data directory.
    pub fn data_dir(&self) -> &Path {
        &self.directory
    }

    /// What it logged so far, over all restarts.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Its HTTP API. Not for nodes in a network namespace, whose loopback is another.
    pub fn api(&self) -> Api {
        assert!(self.options.namespace.is_none(), "the API of a node in a namespace cannot be reached from outside");
        Api::open(&self.running().ready.api, &self.directory)
    }

    fn command(&self) -> Command {
        let mut command = command_in(self.options.namespace.as_deref());
        if !self.options.bare {
            command.env("STARLING_DATA_DIR", &self.directory);
        }
        command.envs(self.options.environment.iter().cloned());
        command
    }

    /// Runs a command of the command line against this node.
    pub async fn run(&self, arguments: &[&str]) -> Output {
        self.run_with_input(arguments, "").await
    }

    /// The same, with text on standard input.
    ///
    /// # Panics
    /// When it does not end within [`COMMAND_TIMEOUT`](crate::command::COMMAND_TIMEOUT).
    pub async fn run_with_input(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = self.command();
        command.args(arguments);
        run_command(command, input).await
    }

    /// Starts a command that goes on until it is dropped, with its standard output to read.
    pub fn follow(&self, arguments: &[&str]) -> (Child, BufReader<ChildStdout>) {
        let mut command = self.command();
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the node's command line can be run");
        let stdout = child.stdout.take().expect("stdout is a pipe");
        (child, BufReader::new(stdout))
    }

    /// `node say`: what it printed, the message that is now durable.
    ///
    /// # Errors
    /// What it left when it failed.
    pub async fn try_say(&self, room: &str, text: &str) -> Result<Message, Output> {
        let output = self.run(&["say", "--json", "--room", room, text]).await;
        if output.code == Some(0) { Ok(output.json().remove(0)) } else { Err(output) }
    }

    /// As [`Node::try_say`].
    ///
    /// # Panics
    /// When it failed.
    pub async fn say(&self, room: &str, text: &str) -> Message {
        self.try_say(room, text).await.unwrap_or_else(|output| panic!("{} could not say it: {output:#?}", self.name()))
    }

    /// `node history` with room for everything.
    pub async fn history(&self, room: &str) -> Vec<Message> {
        self.run(&["history", "--json", "--room", room, "--limit", "10000"]).await.json()
    }

    /// Ids of [`Node::history`].
    pub async fn history_ids(&self, room: &str) -> Vec<String> {
        self.history(room).await.into_iter().map(|message| message.id).collect()
    }

    /// The ids of a room's messages, by whichever way is cheaper.
    ///
    /// # Errors
    /// The answer, if it was not that.
    pub async fn poll_history_ids(&self, room: &str) -> Result<Vec<String>, String> {
        match self.options.namespace {
            None => self.api().history_ids(room).await,
            Some(_) => Ok(self.history_ids(room).await),
        }
    }

    /// `node who`.
    pub async fn who(&self, room: &str) -> Vec<Member> {
        self.run(&["who", "--json", "--room", room]).await.json()
    }

    /// `node status`.
    pub async fn status(&self) -> Status {
        self.run(&["status", "--json"]).await.json().remove(0)
    }

    /// `node peers`.
    pub async fn peers(&self) -> Vec<Peer> {
        self.run(&["peers", "--json"]).await.json()
    }

    /// `node rooms`.
    pub async fn rooms(&self) -> Vec<Room> {
        self.run(&["rooms", "--json"]).await.json()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let shown = &lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..];
            eprintln!("---- log of '{}', {} of {} lines:\n{}", self.name(), shown.len(), lines.len(), shown.join("\n"));
        }
    }
}

async fn read_reports(mut lines: BufReader<ChildStdout>, feed: Feed) {
    let mut line = String::new();
    loop {
        line.clear();
        match lines.read_line(&mut line).await {
            Ok(0) | Err(_) => return,
            // A line that a kill cut short is no report.
            Ok(_) if !line.ends_with('\n') => return,
            Ok(_) => {
                let event: NodeEvent =
                    serde_json::from_str(&line).unwrap_or_else(|error| panic!("not a report: {error} in {line:?}"));
                feed.push(event);
            }
        }
    }
}

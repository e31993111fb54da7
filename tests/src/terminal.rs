//! A program on a terminal, whose screen the test reads: tmux plays the terminal.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::atomic::{AtomicUsize, Ordering},
};

/// Sockets of the tests' terminals start so; then comes the process id.
const PREFIX: &str = "starling-test-";

/// A terminal of 100 columns and 30 lines with one program on it.
pub struct Terminal {
    socket: String,
}

impl Terminal {
    /// Starts `program` on a new terminal.
    ///
    /// # Panics
    /// When tmux fails; ask [`crate::require`] for it first.
    pub fn start(program: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        end_stale();
        static TERMINALS: AtomicUsize = AtomicUsize::new(0);
        let number = TERMINALS.fetch_add(1, Ordering::Relaxed);
        let terminal = Self { socket: format!("{PREFIX}{}-{number}", std::process::id()) };
        let mut words = vec!["exec".to_owned(), "env".to_owned()];
        words.extend(environment.iter().map(|(name, value)| quote(&format!("{name}={value}"))));
        words.push(quote(&program.display().to_string()));
        words.extend(arguments.iter().map(|argument| quote(argument)));
        let size = ["-x", "100", "-y", "30"];
        let start = ["-f", "/dev/null", "new-session", "-d"];
        terminal.tmux(&[&start[..], &size[..], &[&words.join(" ")]].concat());
        terminal
    }

    /// Types text, as keys.
    pub fn type_text(&self, text: &str) {
        self.tmux(&["send-keys", "-l", text]);
    }

    /// Presses a key by its tmux name, such as `Enter` or `C-d`.
    pub fn press(&self, key: &str) {
        self.tmux(&["send-keys", key]);
    }

    /// The screen's lines, without blanks at their ends, up to the last that is not empty.
    pub fn screen(&self) -> Vec<String> {
        let output = self.tmux(&["capture-pane", "-p"]);
        let text = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
        text.lines().map(|line| line.trim_end().to_owned()).collect()
    }

    /// Whether the program is still there.
    pub fn is_alive(&self) -> bool {
        self.run(&["has-session"]).status.success()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        tmux_at(&self.socket, arguments)
    }

    fn tmux(&self, arguments: &[&str]) -> Output {
        let output = self.run(arguments);
        assert!(output.status.success(), "tmux {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        end(&self.socket);
    }
}

fn tmux_at(socket: &str, arguments: &[&str]) -> Output {
    Command::new("tmux").args(["-L", socket]).args(arguments).output().expect("tmux can be run")
}

/// Ends terminals of test processes that were killed: a tmux server belongs to no process group of ours.
fn end_stale() {
    for entry in fs::read_dir(socket_directory()).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        if owner.is_some_and(|pid| fs::metadata(format!("/proc/{pid}")).is_err()) {
            end(&name);
        }
    }
}

fn socket_directory() -> PathBuf {
    format!("/tmp/tmux-{}", rustix::process::geteuid().as_raw()).into()
}

/// Ends a tmux server. The program may have ended, and tmux with it; the socket stays either way.
fn end(socket: &str) {
    tmux_at(socket, &["kill-server"]);
    let _ = fs::remove_file(socket_directory().join(socket));
}

fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{eventually, seconds};

    #[tokio::test]
    async fn what_is_typed_is_seen_and_the_end_is_noticed() {
        if let Err(reason) = crate::require(&["tmux", "cat"]) {
            return crate::skip("terminal", &reason);
        }
        let terminal = Terminal::start(Path::new("cat"), &[], &[("A", "it's")]);
        terminal.type_text("it's $HOME");
        terminal.press("Enter");
        eventually("cat repeats it", seconds(10), async || {
            let screen = terminal.screen();
            if screen == ["it's $HOME", "it's $HOME"] { Ok(()) } else { Err(screen.join("\n")) }
        })
        .await;
        terminal.press("C-d");
        eventually("it ends", seconds(10), async || if terminal.is_alive() { Err("alive") } else { Ok(()) }).await;
    }
}

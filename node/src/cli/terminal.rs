//! The terminal of a prompt: one thread edits lines, another prints above the line being edited.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use rustyline::{DefaultEditor, ExternalPrinter, error::ReadlineError};
use tokio::sync::mpsc;

use super::{Failure, entry::is_secret};

/// Texts waiting to be printed. A terminal that is stopped (Ctrl-S) for longer loses the rest, and is told how much.
const MAX_QUEUED_TEXTS: usize = 1_024;

/// Lines in the history of what was typed.
const MAX_HISTORY_LINES: usize = 1_000;

/// How long the last texts may take to be printed at the end.
const LAST_TEXTS_TIMEOUT: Duration = Duration::from_millis(500);

/// What the editor has to tell.
#[derive(Debug)]
pub enum Typed {
    /// A line.
    Line(String),
    /// Ctrl-D or Ctrl-C.
    End,
    /// The terminal cannot be read.
    Broken(String),
}

/// A terminal with a line editor.
pub struct Terminal {
    prompts: SyncSender<String>,
    lines: mpsc::Receiver<Typed>,
    texts: mpsc::Sender<String>,
    left_out: Arc<AtomicU64>,
    printer: JoinHandle<()>,
    // Puts the terminal back as it was, also when the editor is still reading.
    _modes: SavedModes,
}

impl Terminal {
    /// Takes the terminal. Lines typed before are remembered in `history_file`.
    ///
    /// # Errors
    /// [`Failure::Failed`] when there is no terminal.
    pub fn open(history_file: PathBuf) -> Result<Self, Failure> {
        let modes = SavedModes::save();
        let no_terminal = |error: ReadlineError| Failure::Failed(format!("cannot use the terminal: {error}"));
        let config = rustyline::Config::builder().max_history_size(MAX_HISTORY_LINES).map_err(no_terminal)?;
        let mut editor = DefaultEditor::with_config(config.build()).map_err(no_terminal)?;
        // There is none the first time.
        let _ = editor.load_history(&history_file);
        let above = editor.create_external_printer().ok();
        let (texts, queue) = mpsc::channel(MAX_QUEUED_TEXTS);
        let left_out = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&left_out);
        let printer = thread::spawn(move || print_all(above, queue, &count));
        let (prompts, next_prompt) = sync_channel(1);
        let (typed, lines) = mpsc::channel(1);
        thread::spawn(move || edit_all(editor, &history_file, &next_prompt, &typed));
        Ok(Self { prompts, lines, texts, left_out, printer, _modes: modes })
    }

    /// Lets the user type a line after `prompt`.
    pub fn prompt(&self, prompt: &str) {
        // The editor takes one prompt for each line it gave, so that there is room; without an editor `line` says so.
        let _ = self.prompts.try_send(prompt.into());
    }

    /// The line typed after the last prompt. May be dropped and called again.
    pub async fn line(&mut self) -> Typed {
        self.lines.recv().await.unwrap_or(Typed::End)
    }

    /// Prints text above the line being typed.
    pub fn print(&self, text: &str) {
        if self.texts.try_send(format!("{text}\n")).is_err() {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Prints what is waiting, and gives the terminal back.
    pub async fn close(self) {
        drop(self.texts);
        let printed = tokio::task::spawn_blocking(move || self.printer.join());
        // A terminal that is stopped must not keep the program.
        let _ = tokio::time::timeout(LAST_TEXTS_TIMEOUT, printed).await;
    }
}

fn print_all(mut above: Option<impl ExternalPrinter>, mut queue: mpsc::Receiver<String>, left_out: &AtomicU64) {
    let mut print = |text: String| match &mut above {
        Some(printer) => printer.print(text).is_ok(),
        None => {
            use std::io::Write;
            std::io::stdout().write_all(text.as_bytes()).is_ok()
        }
    };
    while let Some(text) = queue.blocking_recv() {
        let missing = left_out.swap(0, Ordering::Relaxed);
        if !print(text) || missing > 0 && !print(format!("! {missing} lines are left out here; /history has them\n")) {
            return;
        }
    }
}

fn edit_all(
    mut editor: DefaultEditor,
    history_file: &std::path::Path,
    prompts: &Receiver<String>,
    typed: &mpsc::Sender<Typed>,
) {
    while let Ok(prompt) = prompts.recv() {
        let answer = match editor.readline(&prompt) {
            Ok(line) => {
                // Remembering what was typed is a comfort; a full disk must not end the chat.
                if !is_secret(&line) && editor.add_history_entry(&line).unwrap_or(false) {
                    let _ = editor.append_history(history_file);
                }
                Typed::Line(line)
            }
            Err(ReadlineError::Eof | ReadlineError::Interrupted) => Typed::End,
            Err(error) => Typed::Broken(error.to_string()),
        };
        if typed.blocking_send(answer).is_err() {
            return;
        }
    }
}

/// The terminal's modes before the editor changed them. Dropping this brings them back: the editor itself does so only when
/// the user ends the line, and a node that is told to stop does not wait for that.
struct SavedModes {
    #[cfg(unix)]
    modes: Option<rustix::termios::Termios>,
}

impl SavedModes {
    /// Also turns the terminal's own echo off: the editor, which takes the modes from here as the normal ones, shows what is
    /// typed, and what is typed between two prompts must not stand in the way of what is printed then.
    fn save() -> Self {
        Self {
            #[cfg(unix)]
            modes: rustix::termios::tcgetattr(std::io::stdin()).ok().inspect(|modes| {
                let mut quiet = modes.clone();
                quiet.local_modes.remove(rustix::termios::LocalModes::ECHO);
                // With echo, a line printed at the wrong moment looks torn; nothing worse.
                let _ = rustix::termios::tcsetattr(std::io::stdin(), rustix::termios::OptionalActions::Now, &quiet);
            }),
        }
    }
}

impl Drop for SavedModes {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Some(modes) = &self.modes {
            use std::io::Write;
            // Nothing can be done for a terminal that is gone.
            let _ = rustix::termios::tcsetattr(std::io::stdin(), rustix::termios::OptionalActions::Now, modes);
            // Turns bracketed paste off, which the editor turned on.
            let _ = std::io::stdout().write_all(b"\x1b[?2004l\r");
            let _ = std::io::stdout().flush();
        }
    }
}

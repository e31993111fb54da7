//! Progress on standard error, for people who look at a terminal.

use std::io::{self, IsTerminal};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output::Output;

/// A heading, a bar, and lines below it, drawn in place. What is drawn must be safe for a terminal.
pub struct Bars {
    all: MultiProgress,
    head: ProgressBar,
    total: ProgressBar,
    lines: Vec<ProgressBar>,
}

impl Bars {
    /// Bars, if anybody could see them.
    pub fn new(out: Output) -> Option<Self> {
        let seen = !out.json && io::stderr().is_terminal();
        seen.then(|| Self::to(ProgressDrawTarget::stderr()))
    }

    fn to(target: ProgressDrawTarget) -> Self {
        let all = MultiProgress::with_draw_target(target);
        let head = all.add(line());
        let total = all.add(ProgressBar::new(1));
        if let Ok(style) = ProgressStyle::with_template("{bar:24} {wide_msg}") {
            total.set_style(style.progress_chars("#>-"));
        }
        Self { all, head, total, lines: Vec::new() }
    }

    /// Draws how much is done, and what there is to say about it.
    pub fn draw(&mut self, head: &str, (done, of): (u64, u64), text: String, lines: Vec<String>) {
        self.head.set_message(head.to_owned());
        self.total.set_length(of.max(1));
        self.total.set_position(done);
        self.total.set_message(text);
        self.lines(lines);
    }

    /// Draws lines alone.
    pub fn lines(&mut self, lines: Vec<String>) {
        while self.lines.len() > lines.len() {
            if let Some(line) = self.lines.pop() {
                line.finish_and_clear();
                self.all.remove(&line);
            }
        }
        while self.lines.len() < lines.len() {
            self.lines.push(self.all.add(line()));
        }
        for (bar, text) in self.lines.iter().zip(lines) {
            bar.set_message(text);
        }
    }

    /// Says something above the bars, which stays.
    pub fn say(&self, text: &str) {
        // What is said here is a comfort; nobody has to be reading it.
        let _ = self.all.println(text);
    }
}

impl Drop for Bars {
    /// Takes them off the screen.
    fn drop(&mut self) {
        // A terminal that is gone shows nothing anyway.
        let _ = self.all.clear();
    }
}

/// A line of text: as much of it as the terminal is wide.
fn line() -> ProgressBar {
    let line = ProgressBar::new(1);
    match ProgressStyle::with_template("{wide_msg}") {
        Ok(style) => line.with_style(style),
        Err(_) => line,
    }
}

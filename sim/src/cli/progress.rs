//! Progress on standard error, only if that is a terminal.

use std::sync::{PoisonError, atomic::Ordering};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::engine::progress::Progress;

/// A bar for one run, or for many.
pub struct Bar(ProgressBar);

impl Bar {
    /// A bar with a name before it. Hidden if `quiet`, and if nobody could see it.
    pub fn new(name: &str, quiet: bool) -> Self {
        let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{prefix} {elapsed_precise} {bar:12} {wide_msg}") {
            bar.set_style(style);
        }
        bar.set_prefix(name.to_owned());
        Self(bar)
    }

    /// Draws how far a run is.
    pub fn draw(&self, progress: &Progress) {
        let number = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let (now_ms, total_ms) = (number(&progress.virtual_ms), number(&progress.total_ms));
        let phase = progress.phase.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.0.set_message(format!(
            "{} of {} s, {} hosts up, {} said, {} shown{}{phase}",
            now_ms / 1000,
            total_ms / 1000,
            number(&progress.hosts_up),
            number(&progress.said),
            number(&progress.shown),
            if phase.is_empty() { "" } else { ", " },
        ));
        self.0.set_length(total_ms.max(1));
        self.0.set_position(now_ms.min(total_ms));
    }

    /// Draws how many runs of a sweep are done.
    pub fn count(&self, done: usize, failed: usize, all: usize) {
        self.0.set_length(all as u64);
        self.0.set_position(done as u64);
        self.0.set_message(format!("{done} of {all} done, {failed} failed"));
    }

    /// Takes the bar off the screen.
    pub fn clear(&self) {
        self.0.finish_and_clear();
    }
}

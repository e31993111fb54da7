//! How long a peer was served and gave nothing.

use crate::time::Now;

/// Milliseconds for which a peer was served since it last gave us anything, while it had what we want.
#[derive(Debug, Clone, Copy, Default)]
pub struct Debt {
    before_ms: u64,
    /// Since when it grows, if it does.
    since_ms: Option<u64>,
}

impl Debt {
    /// How long, until now.
    pub fn ms(&self, now: Now) -> u64 {
        let growing_ms = self.since_ms.map_or(0, |since| now.mono_ms.saturating_sub(since));
        self.before_ms.saturating_add(growing_ms)
    }

    /// It grows from now on, or stays as it is.
    pub fn grow(&mut self, now: Now, grows: bool) {
        *self = Self { before_ms: self.ms(now), since_ms: grows.then_some(now.mono_ms) };
    }

    /// It is nothing, and goes on growing if it did.
    pub fn clear(&mut self, now: Now) {
        *self = Self { before_ms: 0, since_ms: self.since_ms.map(|_| now.mono_ms) };
    }
}

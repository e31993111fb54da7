//! Time as the state machines see it: integers given by the caller.
//!
//! No machine in this crate reads a clock. Whoever drives one passes [`Now`], and asks for the next [`Deadline`].

/// One instant, read from two clocks at once.
///
/// Monotonic time orders and times things out; wall time goes into what peers see. They are never mixed: a user who sets
/// the wall clock back must not stop timeouts from firing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Now {
    /// Milliseconds since an arbitrary start; never goes back.
    pub mono_ms: u64,
    /// Milliseconds since the Unix epoch, as this machine's clock believes; may jump either way.
    pub wall_ms: u64,
}

impl Now {
    /// The deadline `delay_ms` milliseconds from now.
    pub fn after(self, delay_ms: u64) -> Deadline {
        Deadline(self.mono_ms.saturating_add(delay_ms))
    }

    /// Whether `deadline` has been reached.
    pub fn reached(self, deadline: Deadline) -> bool {
        self.mono_ms >= deadline.0
    }
}

/// A moment on the monotonic clock at which a machine wants `handle_timeout` to be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(
    /// Milliseconds on the scale of [`Now::mono_ms`].
    pub u64,
);

impl Deadline {
    /// The earlier of two optional deadlines.
    pub fn earliest(a: Option<Deadline>, b: Option<Deadline>) -> Option<Deadline> {
        match (a, b) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (one, None) | (None, one) => one,
        }
    }
}

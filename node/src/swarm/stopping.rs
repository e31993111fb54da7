//! How a node stops.
//!
//! | step | until |
//! |---|---|
//! | its goodbye travels, the store writes what is left | [`GOODBYE_MS`] have passed and the store is idle, or [`MAX_WRITE_MS`] |
//! | its connections close | none is left, or [`CLOSE_MS`]: a peer that is not told of the end notices it late |
//! | the last of that is sent | [`LINGER_MS`]: QUIC counts a connection as closed before the other side is told |
//! | stopped | |

use proto::time::{Deadline, Now};

use crate::handle::Answer;

/// Milliseconds that a goodbye is given to be sent.
const GOODBYE_MS: u64 = 250;

/// Milliseconds after which the store is no longer waited for.
const MAX_WRITE_MS: u64 = 10_000;

/// Milliseconds that connections are given to close.
const CLOSE_MS: u64 = 1_000;

/// Milliseconds that the last packets are given to leave.
const LINGER_MS: u64 = 100;

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Wait.
    Wait,
    /// Close all connections.
    Close,
    /// The end.
    Stopped,
}

/// A stop under way.
pub struct Stopping {
    answers: Vec<Answer<()>>,
    goodbye: Deadline,
    written: Deadline,
    closed: Option<Deadline>,
    /// When nothing is left to be sent.
    sent: Option<Deadline>,
}

impl Stopping {
    /// Begins.
    pub fn new(now: Now) -> Self {
        Self {
            answers: Vec::new(),
            goodbye: now.after(GOODBYE_MS),
            written: now.after(MAX_WRITE_MS),
            closed: None,
            sent: None,
        }
    }

    /// Somebody wants to know when it is over.
    pub fn tell(&mut self, answer: Answer<()>) {
        self.answers.push(answer);
    }

    /// The next step. `idle` says that the store has nothing to do, `connected` how many peers are.
    pub fn turn(&mut self, now: Now, idle: bool, connected: usize) -> Next {
        match self.closed {
            Some(closed) if connected == 0 || now.reached(closed) => {
                let sent = *self.sent.get_or_insert(now.after(LINGER_MS));
                if now.reached(sent) { Next::Stopped } else { Next::Wait }
            }
            Some(_) => Next::Wait,
            None if (now.reached(self.goodbye) && idle) || now.reached(self.written) => {
                self.closed = Some(now.after(CLOSE_MS));
                Next::Close
            }
            None => Next::Wait,
        }
    }

    /// When [`Stopping::turn`] is to be called.
    pub fn deadline(&self, idle: bool) -> Deadline {
        self.sent.or(self.closed).unwrap_or(if idle { self.goodbye } else { self.written })
    }

    /// It is over.
    pub fn finish(self) {
        for answer in self.answers {
            // The caller may have gone.
            let _ = answer.send(Ok(()));
        }
    }
}

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
            // Somebody may connect while the last packets leave; that holds up nothing.
            Some(closed) if self.sent.is_some() || connected == 0 || now.reached(closed) => {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(mono_ms: u64) -> Now {
        Now { mono_ms, wall_ms: mono_ms }
    }

    /// What is to be done at each deadline, with how many peers are connected then, until it is over.
    fn steps(idle: bool, connected: impl Fn(usize) -> usize) -> Vec<(u64, Next)> {
        let mut stopping = Stopping::new(at(0));
        let (mut steps, mut now) = (Vec::new(), at(0));
        while steps.len() < 10 && steps.last().is_none_or(|(_, next)| *next != Next::Stopped) {
            now = at(stopping.deadline(idle).0.max(now.mono_ms));
            steps.push((now.mono_ms, stopping.turn(now, idle, connected(steps.len()))));
        }
        steps
    }

    #[test]
    fn a_node_stops_soon_after_its_connections_are_closed_or_were_to_be() {
        let all_close = |step| usize::from(step == 0);
        let closed = [(GOODBYE_MS, Next::Close), (GOODBYE_MS + CLOSE_MS, Next::Wait)];
        let stopped = [(GOODBYE_MS + CLOSE_MS + LINGER_MS, Next::Stopped)];
        assert_eq!(steps(true, all_close), [&closed[..], &stopped].concat());
        assert_eq!(steps(true, |_| 1), [&closed[..], &stopped].concat());
        assert_eq!(steps(false, |_| 0)[0], (MAX_WRITE_MS, Next::Close));
    }

    #[test]
    fn whoever_connects_while_the_last_packets_leave_does_not_hold_up_the_end() {
        let mut stopping = Stopping::new(at(0));
        assert_eq!(stopping.turn(at(GOODBYE_MS), true, 1), Next::Close);
        assert_eq!(stopping.turn(at(GOODBYE_MS + 1), true, 0), Next::Wait);
        let sent = stopping.deadline(true);
        assert_eq!(sent, at(GOODBYE_MS + 1).after(LINGER_MS));
        // A turn at the deadline ends it: else the same deadline comes again and again.
        assert_eq!(stopping.turn(at(sent.0), true, 1), Next::Stopped);
    }
}

//! One transfer.

use super::{Pause, board::Board, swarm::Swarm};
use crate::{backoff::Backoff, time::Deadline};

/// Whether a transfer goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Blocks are asked for.
    Running,
    /// None is, until the user or whoever looks after the disk wants it.
    Paused(Pause),
    /// There is nothing to ask for.
    Finished,
}

/// One transfer.
#[derive(Debug)]
pub struct Transfer {
    /// Its blocks.
    pub board: Board,
    /// Who takes part.
    pub swarm: Swarm,
    /// Whether it goes on.
    pub state: State,
    /// Bytes asked for, or here and not durable yet.
    pub bytes: u64,
    /// When a block of it last became durable, or it began to go on.
    pub progressed_ms: u64,
    /// How often in a row it needed peers.
    pub need: Backoff,
    /// Before this, no peers are looked for again.
    pub need_again: Deadline,
}

impl Transfer {
    /// Whether blocks are asked for.
    pub fn is_running(&self) -> bool {
        self.state == State::Running
    }
}

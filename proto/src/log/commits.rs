//! What is on its way to the disk.

use std::collections::VecDeque;

use libp2p_identity::PeerId;

use super::{CommitId, MAX_COMMITTING_BYTES, pending::weight};
use crate::event::SignedEvent;

/// Where events came from.
#[derive(Debug, Clone, Copy)]
pub enum Origin {
    /// The user.
    Own {
        /// The user's token.
        token: u64,
    },
    /// A neighbour passed them on.
    Gossip {
        /// Which one.
        from: PeerId,
        /// The token that gossip's verdict wants.
        token: u64,
    },
    /// A peer answered our question with them.
    Repair {
        /// Which one.
        from: PeerId,
    },
    /// They were verified earlier and have waited for their predecessor: nobody is to blame for anything any more.
    Pending,
}

impl Origin {
    /// Who is to blame for what is wrong with them.
    pub fn peer(self) -> Option<PeerId> {
        match self {
            Self::Gossip { from, .. } | Self::Repair { from } => Some(from),
            Self::Own { .. } | Self::Pending => None,
        }
    }
}

/// A commit under way.
#[derive(Debug, Clone)]
pub struct Commit {
    id: CommitId,
    /// Consecutive events of one log.
    pub events: Vec<SignedEvent>,
    /// Where they came from.
    pub origin: Origin,
}

/// The commits under way, in the order in which they were handed to the store.
#[derive(Debug, Clone, Default)]
pub struct Commits {
    queue: VecDeque<Commit>,
    bytes: usize,
    next_id: u64,
}

impl Commits {
    /// Notes that events are handed to the store.
    pub fn push(&mut self, events: Vec<SignedEvent>, origin: Origin) -> CommitId {
        let id = CommitId(self.next_id);
        self.next_id += 1;
        self.bytes += weight(&events);
        self.queue.push_back(Commit { id, events, origin });
        id
    }

    /// Takes the oldest commit, if it is one of those up to `through`.
    pub fn pop_through(&mut self, through: CommitId) -> Option<Commit> {
        let commit = self.queue.pop_front_if(|commit| commit.id <= through)?;
        self.bytes -= weight(&commit.events);
        Some(commit)
    }

    /// Takes all of them: the store failed.
    pub fn take_all(&mut self) -> VecDeque<Commit> {
        self.bytes = 0;
        std::mem::take(&mut self.queue)
    }

    /// Bytes under way.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether no more may be taken in until the disk has caught up.
    pub fn is_full(&self) -> bool {
        self.bytes >= MAX_COMMITTING_BYTES
    }
}

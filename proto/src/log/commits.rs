//! What is on its way to the disk.

use libp2p_identity::PeerId;

use super::{CommitId, MAX_COMMITTING_BYTES, pending::weight};
use crate::{commits, event::SignedEvent};

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

/// Consecutive events of one log on their way to the disk.
#[derive(Debug, Clone)]
pub struct Commit {
    /// The events.
    pub events: Vec<SignedEvent>,
    /// Where they came from.
    pub origin: Origin,
}

/// The commits under way.
#[derive(Debug, Clone, Default)]
pub struct Commits(commits::Commits<Commit>);

impl Commits {
    /// Notes that events are handed to the store.
    pub fn push(&mut self, events: Vec<SignedEvent>, origin: Origin) -> CommitId {
        let bytes = weight(&events);
        self.0.push(Commit { events, origin }, bytes)
    }

    /// Takes the oldest commit, if it is one of those up to `through`.
    pub fn pop_through(&mut self, through: CommitId) -> Option<Commit> {
        self.0.pop_through(through)
    }

    /// Takes all of them: the store failed.
    pub fn take_all(&mut self) -> Vec<Commit> {
        self.0.take_all()
    }

    /// Bytes under way.
    pub fn bytes(&self) -> usize {
        self.0.bytes()
    }

    /// Whether no more may be taken in until the disk has caught up.
    pub fn is_full(&self) -> bool {
        self.bytes() >= MAX_COMMITTING_BYTES
    }
}

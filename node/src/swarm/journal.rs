//! What is on its way to the store.
//!
//! At most one batch is under way; what comes meanwhile gathers in the next one. So the store is never overloaded by the
//! swarm task, commits stay in order, and the busier the node, the more events share one fsync. What gathers is bounded by
//! the replicas ([`proto::log::MAX_COMMITTING_BYTES`] each).

use std::sync::Arc;

use proto::{
    channel::RoomName,
    direct::{inbox, keys, mailbox, outbox},
    event::SignedEvent,
    ids::ChannelId,
    log::CommitId,
    private,
};
use tokio::sync::oneshot;

use crate::{
    handle::{Answer, CallError},
    store::{Batch, Evidence, KnownPeer, Request, Store, StoreError, tables::EntryChange},
};

/// A commit of one of the machines of direct messages, or of private rooms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DirectCommit {
    /// Our keys.
    Keys(keys::CommitId),
    /// What came.
    Inbox(inbox::CommitId),
    /// What we wrote.
    Outbox(outbox::CommitId),
    /// What is kept for others.
    Mailbox(mailbox::CommitId),
    /// The next of the names that the user gave.
    Contact,
    /// A name under which somebody was seen. It will be seen again.
    Seen,
    /// Private rooms.
    Private(private::rooms::CommitId),
}

/// What waits for a batch to become durable.
#[derive(Debug, Default)]
struct Waiting {
    commits: Vec<(ChannelId, CommitId)>,
    direct: Vec<DirectCommit>,
    answers: Vec<Answer<()>>,
    evidence: Vec<Evidence>,
}

/// A batch was answered.
#[derive(Debug)]
pub struct Written {
    /// The commits in it, in order, and for a failure also those that had gathered behind it.
    pub commits: Vec<(ChannelId, CommitId)>,
    /// The same, of direct messages.
    pub direct: Vec<DirectCommit>,
    /// Whether it is durable.
    pub result: Result<(), StoreError>,
}

/// The queue to the store.
pub struct Journal {
    store: Arc<dyn Store>,
    next: Batch,
    next_waiting: Waiting,
    in_flight: Option<(Waiting, oneshot::Receiver<Result<(), StoreError>>)>,
    last_error: Option<StoreError>,
    /// Evidence that could not be written, for when the store takes writes again: without it nobody else can be convinced. One
    /// piece at most for each log.
    unwritten_evidence: Vec<Evidence>,
}

impl Journal {
    /// A queue to `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            next: Batch::default(),
            next_waiting: Waiting::default(),
            in_flight: None,
            last_error: None,
            unwritten_evidence: Vec::new(),
        }
    }

    /// Adds events of a channel.
    pub fn append(&mut self, channel: ChannelId, commit: CommitId, events: Vec<SignedEvent>) {
        self.next.events.extend(events);
        self.next_waiting.commits.push((channel, commit));
    }

    /// Adds a commit of direct messages.
    pub fn direct(&mut self, commit: DirectCommit, entries: Vec<EntryChange>) {
        self.next.entries.extend(entries);
        self.next_waiting.direct.push(commit);
    }

    /// Adds proof of a fork.
    pub fn evidence(&mut self, evidence: Evidence) {
        self.next.evidence.push(evidence);
    }

    /// Notes that a room was joined or left; `answer` is told when that is durable.
    pub fn room(&mut self, room: &RoomName, joined: bool, answer: Option<Answer<()>>) {
        self.next.rooms.push((room.to_string(), joined));
        self.next_waiting.answers.extend(answer);
    }

    /// Notes a peer to dial after a restart.
    pub fn remember(&mut self, peer: KnownPeer) {
        self.next.peers.retain(|known| known.peer != peer.peer);
        self.next.peers.push(peer);
    }

    /// Forgets such a peer.
    pub fn forget(&mut self, peer: Vec<u8>) {
        self.next.peers.retain(|known| known.peer != peer);
        self.next.forget_peers.push(peer);
    }

    /// What is wrong with the store; `None` when the last write went well.
    pub fn last_error(&self) -> Option<&StoreError> {
        self.last_error.as_ref()
    }

    /// Whether nothing is under way or waiting.
    pub fn is_idle(&self) -> bool {
        self.in_flight.is_none() && !self.has_next()
    }

    /// A commit may hold nothing: it is answered when all before it are durable.
    fn has_next(&self) -> bool {
        !(self.next.is_empty() && self.next_waiting.direct.is_empty())
    }

    /// Hands the gathered batch to the store, if the one before has been answered. Returns what failed at once.
    pub fn flush(&mut self) -> Option<Written> {
        if self.in_flight.is_some() || !self.has_next() {
            return None;
        }
        let (reply, receiver) = oneshot::channel();
        let batch = std::mem::take(&mut self.next);
        let mut waiting = std::mem::take(&mut self.next_waiting);
        waiting.evidence.clone_from(&batch.evidence);
        match self.store.submit(Request::Commit { batch, reply }) {
            Ok(()) => {
                self.in_flight = Some((waiting, receiver));
                None
            }
            Err(error) => Some(self.conclude(waiting, Err(error))),
        }
    }

    /// Waits for the batch under way; for ever when there is none. Cancel safe.
    pub async fn written(&mut self) -> Written {
        let Some((_, receiver)) = &mut self.in_flight else { return std::future::pending().await };
        let result = receiver.await.unwrap_or(Err(StoreError::Closed));
        let waiting = self.in_flight.take().map(|(waiting, _)| waiting).unwrap_or_default();
        self.conclude(waiting, result)
    }

    fn conclude(&mut self, mut waiting: Waiting, result: Result<(), StoreError>) -> Written {
        if result.is_err() {
            // Events that follow a lost one would leave a gap: what has gathered is lost with it, and repaired later.
            // So it is with direct messages, whose machines take back all that is not answered.
            self.next.events.clear();
            self.next.entries.clear();
            waiting.commits.append(&mut self.next_waiting.commits);
            waiting.direct.append(&mut self.next_waiting.direct);
            self.unwritten_evidence.append(&mut waiting.evidence);
        } else {
            self.next.evidence.append(&mut self.unwritten_evidence);
        }
        self.last_error = result.clone().err();
        for answer in waiting.answers {
            // Whoever asked may have gone.
            let _ = answer.send(result.clone().map_err(CallError::Store));
        }
        Written { commits: waiting.commits, direct: waiting.direct, result }
    }
}

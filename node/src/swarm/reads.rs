//! Reads from the store under way for the swarm task, which never waits for one.

use std::sync::Arc;

use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use proto::{
    direct::letter::{Envelope, EnvelopeId},
    event::{Run, SignedEvent},
    hlc::Timestamp,
    ids::{ChannelId, LogKey},
    log::message::Want,
};
use tokio::sync::oneshot;

use crate::{
    letters::records,
    store::{
        Evidence, Request, Store, StoreError,
        tables::{Entry, Select, Table},
    },
};

/// Reads under way. Peers that ask for more are answered "unavailable", and ask again later.
pub const MAX_READS: usize = 64;

/// Events that are not due yet, read back at a start. Later ones show in history when they are due.
const MAX_DEFERRED_READ: usize = 1_024;

/// What was read, and for whom.
#[derive(Debug)]
pub enum Read {
    /// Runs for a peer that asked.
    Runs {
        /// About which channel.
        channel: ChannelId,
        /// Its question.
        token: u64,
        /// The answer.
        result: Result<Vec<Run>, StoreError>,
    },
    /// Evidence for a peer that asked.
    Evidence {
        /// About which channel.
        channel: ChannelId,
        /// Its question.
        token: u64,
        /// The answer.
        result: Result<Option<Evidence>, StoreError>,
    },
    /// Our branch of a log that was found forked.
    OwnBranch {
        /// The channel.
        channel: ChannelId,
        /// The log.
        key: LogKey,
        /// The branch that contradicts it.
        theirs: Run,
        /// Ours.
        result: Result<Vec<Run>, StoreError>,
    },
    /// Letters for their recipient.
    Letters(Letters),
    /// Events that are not due yet.
    Deferred {
        /// The channel.
        channel: ChannelId,
        /// The events.
        result: Result<Vec<SignedEvent>, StoreError>,
    },
}

/// Letters that a mailbox keeps, for their recipient.
#[derive(Debug)]
pub struct Letters {
    /// The recipient's question.
    pub token: u64,
    /// Whether there are more after them.
    pub more: bool,
    /// Those that are still there.
    pub result: Result<Vec<Envelope>, StoreError>,
}

/// The reads.
pub struct Reads {
    store: Arc<dyn Store>,
    under_way: FuturesUnordered<BoxFuture<'static, Read>>,
}

impl Reads {
    /// Reads from `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, under_way: FuturesUnordered::new() }
    }

    /// Whether a peer's question can be taken on.
    pub fn has_room(&self) -> bool {
        self.under_way.len() < MAX_READS
    }

    /// Reads runs for a peer.
    pub fn runs(&mut self, channel: ChannelId, token: u64, wants: Vec<Want>) {
        self.read(|reply| Request::Runs { channel, wants, reply }, move |result| Read::Runs { channel, token, result });
    }

    /// Reads evidence for a peer.
    pub fn evidence(&mut self, channel: ChannelId, token: u64, key: LogKey) {
        self.read(
            |reply| Request::Evidence { channel, key, reply },
            move |result| Read::Evidence { channel, token, result },
        );
    }

    /// Reads our branch of a forked log at `seq`.
    pub fn own_branch(&mut self, channel: ChannelId, key: LogKey, seq: u64, theirs: Run) {
        let wants = vec![Want { author: key.author, log: key.log, from: seq, to: seq }];
        self.read(
            |reply| Request::Runs { channel, wants, reply },
            move |result| Read::OwnBranch { channel, key, theirs, result },
        );
    }

    /// Reads the events of a channel from a time on.
    pub fn deferred(&mut self, channel: ChannelId, from: Timestamp) {
        self.read(
            |reply| Request::After { channel, from, limit: MAX_DEFERRED_READ, reply },
            move |result| Read::Deferred { channel, result },
        );
    }

    /// Reads letters for their recipient.
    pub fn letters(&mut self, token: u64, ids: &[EnvelopeId], more: bool) {
        let keys = ids.iter().map(|id| id.0.to_vec()).collect();
        self.read(
            |reply| Request::Entries { table: Table::Mailbox, select: Select::Keys(keys), reply },
            move |result: Result<Vec<Entry>, StoreError>| {
                let decoded = result.and_then(|entries| {
                    entries.iter().map(|(_, bytes)| records::value(Table::Mailbox, bytes)).collect()
                });
                Read::Letters(Letters { token, more, result: decoded })
            },
        );
    }

    fn read<T: Send + 'static>(
        &mut self,
        request: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Request,
        done: impl FnOnce(Result<T, StoreError>) -> Read + Send + 'static,
    ) {
        let (reply, receiver) = oneshot::channel();
        let submitted = self.store.submit(request(reply));
        self.under_way.push(Box::pin(async move {
            done(match submitted {
                Ok(()) => receiver.await.unwrap_or(Err(StoreError::Closed)),
                Err(error) => Err(error),
            })
        }));
    }

    /// Waits for the next read to end; for ever when there is none. Cancel safe.
    pub async fn next(&mut self) -> Read {
        match self.under_way.next().await {
            Some(read) => read,
            None => std::future::pending().await,
        }
    }
}

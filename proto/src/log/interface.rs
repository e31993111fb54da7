//! What goes into a replica and what comes out of it.

use std::sync::Arc;

use libp2p_identity::PeerId;

use super::message::{Refusal, SyncRequest, SyncResponse, Want};
use crate::{
    channel::WritePolicy,
    event::{Body, Run, SignedEvent},
    ids::{ChannelId, LogId, LogKey},
    live::Verdict,
    offence::Offence,
    signature::{Signer, Verifier},
};

pub use crate::commits::CommitId;

/// What a replica is made of.
#[derive(Debug, Clone)]
pub struct Config {
    /// The channel.
    pub channel: ChannelId,
    /// Who may write in it.
    pub policy: WritePolicy,
    /// Signs our own events.
    pub signer: Signer,
    /// Says whether the signatures of others are good.
    pub verifier: Arc<dyn Verifier>,
    /// The store's own random number: our first log here.
    pub own_log: LogId,
    /// Seeds jitter and the choice of peers.
    pub seed: [u8; 32],
}

/// Names a request that this replica made, so that the answer finds its question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId(
    /// Counts up from 0 for each replica.
    pub u64,
);

/// What happens to a replica. Tokens are the driver's: the replica hands them back and does not look into them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A connected peer is in the channel.
    PeerUp(PeerId),
    /// It left the channel, or its last connection closed.
    PeerDown(PeerId),
    /// The user says something.
    Publish {
        /// Handed back in [`Output::Published`] or [`Output::PublishFailed`].
        token: u64,
        /// What.
        body: Body,
    },
    /// A run came by gossip.
    Gossip {
        /// The neighbour that passed it on.
        from: PeerId,
        /// Handed back in [`Output::Verdict`], once.
        token: u64,
        /// The run.
        run: Run,
    },
    /// A peer asks.
    Request {
        /// Who.
        from: PeerId,
        /// Handed back in [`Output::Respond`] or one of the `Serve…` outputs, once.
        token: u64,
        /// What.
        request: SyncRequest,
    },
    /// A peer answers.
    Response {
        /// Who.
        from: PeerId,
        /// Which question.
        request: RequestId,
        /// What.
        response: SyncResponse,
    },
    /// No answer will come: the connection broke, or it took too long.
    RequestFailed {
        /// Who was asked.
        from: PeerId,
        /// Which question.
        request: RequestId,
    },
    /// All commits up to this one would survive a power cut.
    Persisted {
        /// The last of them.
        through: CommitId,
    },
    /// The store did not take these commits, nor any after them.
    PersistFailed,
    /// The user wants a comparison with everybody now.
    SyncNow,
}

/// What a replica wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Make these events durable, in order, then say [`Input::Persisted`].
    Persist {
        /// Names it.
        commit: CommitId,
        /// Consecutive events of one log, the last one signed.
        events: Vec<SignedEvent>,
    },
    /// Publish on the channel's topic: our own events, durable by now.
    Gossip(Run),
    /// What gossip shall do with a message.
    Verdict {
        /// The token it came with.
        token: u64,
        /// The neighbour it came from.
        from: PeerId,
        /// What.
        verdict: Verdict,
    },
    /// A peer was the first to bring something, by gossip or in an answer; it is verified and durable.
    Brought {
        /// Whose.
        by: PeerId,
    },
    /// Ask a peer; answer with [`Input::Response`] or [`Input::RequestFailed`].
    Send {
        /// Whom.
        to: PeerId,
        /// Names the question.
        request: RequestId,
        /// What.
        message: SyncRequest,
    },
    /// Answer a peer.
    Respond {
        /// The question's token.
        token: u64,
        /// What.
        response: SyncResponse,
    },
    /// Answer a peer with [`SyncResponse::Runs`] from the store. The wants name durable events only.
    ServeRuns {
        /// The question's token.
        token: u64,
        /// What.
        wants: Vec<Want>,
    },
    /// Answer a peer with [`SyncResponse::Evidence`] from the store.
    ServeEvidence {
        /// The question's token.
        token: u64,
        /// Against which log.
        key: LogKey,
    },
    /// The user's event is durable.
    Published {
        /// The token it came with.
        token: u64,
        /// The event.
        event: SignedEvent,
    },
    /// The user's event was not taken; nothing of it was kept.
    PublishFailed {
        /// The token it came with.
        token: u64,
        /// Whether too much is on its way to the disk (try again). Else the store failed, or the body is larger than
        /// [`MAX_BODY_BYTES`](crate::event::MAX_BODY_BYTES), which the caller should have seen to.
        overloaded: bool,
    },
    /// Show the user this durable event.
    Emit(SignedEvent),
    /// The author of a log forked it. The log takes no more events.
    Fork(Fork),
    /// A peer refuses our events.
    RefusedByPeer {
        /// Who.
        peer: PeerId,
        /// Why.
        refusal: Refusal,
    },
    /// Our own log was found longer than we knew: this store is an old copy, or a copy of it is in use. A new log was begun.
    OwnLogFoundLonger {
        /// Which log.
        key: LogKey,
    },
    /// A peer broke the protocol.
    Penalise {
        /// Who.
        peer: PeerId,
        /// How.
        offence: Offence,
    },
}

/// Proof that a log is forked, to be kept. If the store fails, it is to be tried again until it is kept: without it this
/// member cannot convince others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fork {
    /// A run contradicts the durable event at `seq` in our store: keep our run from there, and this one.
    Noticed {
        /// Which log.
        key: LogKey,
        /// Where our event is.
        seq: u64,
        /// The run that contradicts it.
        theirs: Run,
    },
    /// A peer proved it with two runs: keep them.
    Proven {
        /// Which log.
        key: LogKey,
        /// The runs.
        runs: Vec<Run>,
    },
}

/// What a replica has under way and keeps for later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Load {
    /// Bytes handed to the store and not yet durable.
    pub committing_bytes: usize,
    /// Bytes of runs that wait for their predecessor.
    pub pending_bytes: usize,
    /// Bytes of durable events that are not due.
    pub deferred_bytes: usize,
    /// Requests to peers that are not answered yet.
    pub questions: usize,
}

//! One member's copy of a channel: the machine that the module above describes.

use std::collections::{BTreeMap, VecDeque};

use libp2p_identity::PeerId;
use rand::{RngExt, SeedableRng, seq::IteratorRandom};
use rand_chacha::ChaCha8Rng;

use super::{
    COMPARE_INTERVAL_MS, COMPARE_JITTER_MS, GAP_PATIENCE_MS, MAX_COMMITTING_BYTES, MAX_LEARNED, MAX_LIVE_RUN_BYTES,
    MAX_PENDING_BYTES, MAX_PENDING_LIVE_BYTES, RETRY_MS, SPREAD_DELAY_MS, SPREAD_INTERVAL_MS, SPREAD_PEERS,
    deferred::Deferred,
    message::{MAX_VECTOR_ENTRIES, MAX_WANTS, Refusal, SyncRequest, SyncResponse, VectorEntry, Want},
    pending::{Pending, weight},
    planner::{Planner, Question, RequestId},
    shelf::{Fit, Position, Shelf},
};
use crate::{
    channel::WritePolicy,
    event::{Body, Event, InvalidRun, MAX_BODY_BYTES, Run, SignedEvent, Signer},
    hlc::{Clock, MAX_ADVANCE_MS, MAX_AHEAD_MS, Timestamp},
    ids::{Author, ChannelId, LogId, LogKey, tagged_hash},
    live::Verdict,
    offence::Offence,
    time::{Deadline, Now},
};

/// Names a batch of events handed to the store; later ones have larger numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CommitId(
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
        /// [`MAX_BODY_BYTES`], which the caller should have seen to.
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

/// A commit under way.
#[derive(Debug, Clone)]
struct Commit {
    id: CommitId,
    events: Vec<SignedEvent>,
    origin: Origin,
}

/// Where events came from.
#[derive(Debug, Clone, Copy)]
enum Origin {
    /// The user.
    Own { token: u64 },
    /// A neighbour passed them on.
    Gossip { from: PeerId, token: u64 },
    /// A peer answered our question with them.
    Repair { from: PeerId },
    /// They were verified earlier and have waited for their predecessor: nobody is to blame for anything any more.
    Pending,
}

impl Origin {
    fn peer(self) -> Option<PeerId> {
        match self {
            Self::Gossip { from, .. } | Self::Repair { from } => Some(from),
            Self::Own { .. } | Self::Pending => None,
        }
    }
}

/// One member's copy of a channel.
#[derive(Debug)]
pub struct Replica {
    channel: ChannelId,
    policy: WritePolicy,
    signer: Signer,
    own_log: LogId,
    clock: Clock,
    shelf: Shelf,
    pending: Pending,
    deferred: Deferred,
    planner: Planner,
    commits: VecDeque<Commit>,
    committing_bytes: usize,
    next_commit: u64,
    next_round: Option<Deadline>,
    spread_at: Option<Deadline>,
    /// Before this, news is only collected.
    next_spread: Option<Deadline>,
    /// When gaps in live events are pulled.
    gaps_at: Option<Deadline>,
    rng: ChaCha8Rng,
    outputs: VecDeque<Output>,
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

/// What a replica is made of.
#[derive(Debug, Clone)]
pub struct Config {
    /// The channel.
    pub channel: ChannelId,
    /// Who may write in it.
    pub policy: WritePolicy,
    /// Signs our own events.
    pub signer: Signer,
    /// The store's own random number: our first log here.
    pub own_log: LogId,
    /// Seeds jitter and the choice of peers.
    pub seed: [u8; 32],
}

impl Replica {
    /// A replica that holds nothing yet.
    pub fn new(config: Config) -> Self {
        Self {
            channel: config.channel,
            policy: config.policy,
            signer: config.signer,
            own_log: config.own_log,
            clock: Clock::default(),
            shelf: Shelf::default(),
            pending: Pending::default(),
            deferred: Deferred::default(),
            planner: Planner::default(),
            commits: VecDeque::new(),
            committing_bytes: 0,
            next_commit: 0,
            next_round: None,
            spread_at: None,
            next_spread: None,
            gaps_at: None,
            rng: ChaCha8Rng::from_seed(config.seed),
            outputs: VecDeque::new(),
        }
    }

    /// Puts back a log that the store holds. To be called before anything else.
    pub fn restore(&mut self, now: Now, key: LogKey, position: Position, frozen: bool) {
        self.clock.observe(position.hlc, now.wall_ms);
        self.shelf.restore(key, position, frozen);
    }

    /// Puts back a stored event that is not due yet. To be called before anything else.
    pub fn restore_deferred(&mut self, now: Now, event: SignedEvent) {
        if Deferred::applies(event.event.hlc, now) && self.deferred.has_room() {
            self.deferred.insert(now, event);
        }
    }

    /// Durable events held.
    pub fn events(&self) -> u64 {
        self.shelf.durable_events()
    }

    /// Logs whose authors forked them.
    pub fn frozen_logs(&self) -> u64 {
        self.shelf.frozen_logs()
    }

    /// Connected members.
    pub fn peers(&self) -> impl Iterator<Item = &PeerId> {
        self.planner.peers()
    }

    /// What is under way and kept for later.
    pub fn load(&self) -> Load {
        Load {
            committing_bytes: self.committing_bytes,
            pending_bytes: self.pending.bytes(),
            deferred_bytes: self.deferred.bytes(),
            questions: self.planner.question_count(),
        }
    }

    /// How far each log is held.
    pub fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    /// Takes note of something that happened.
    pub fn handle(&mut self, now: Now, input: Input) {
        match input {
            Input::PeerUp(peer) => {
                self.planner.peer_up(now, peer);
                self.compare_due(now);
            }
            Input::PeerDown(peer) => self.planner.peer_down(&peer),
            Input::Publish { token, body } => self.publish(now, token, body),
            Input::Gossip { from, token, run } => self.gossip(now, from, token, run),
            Input::Request { from, token, request } => self.request(now, from, token, request),
            Input::Response { from, request, response } => self.response(now, from, request, response),
            Input::RequestFailed { from, request } => {
                if self.planner.answered(&from, request).is_some() {
                    self.planner.failed(now, &from);
                }
            }
            Input::Persisted { through } => self.persisted(now, through),
            Input::PersistFailed => self.persist_failed(now),
            Input::SyncNow => self.compare_with_all(now),
        }
        self.plan();
        if self.next_round.is_none() && self.planner.peer_count() > 0 {
            self.schedule_round(now);
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now) {
        for event in self.deferred.take_due(now) {
            self.clock.observe(event.event.hlc, now.wall_ms);
            self.outputs.push_back(Output::Emit(event));
        }
        if self.next_round.is_some_and(|at| now.reached(at)) {
            self.compare_with_some(now, 1);
            self.schedule_round(now);
            self.pending.next_round();
            self.planner.reconsider();
        }
        if self.spread_at.is_some_and(|at| now.reached(at)) {
            self.spread_at = None;
            self.next_spread = Some(now.after(SPREAD_INTERVAL_MS));
            self.compare_with_some(now, SPREAD_PEERS);
        }
        self.compare_due(now);
        if self.gaps_at.is_some_and(|at| now.reached(at)) {
            self.gaps_at = None;
            self.planner.pull_gaps();
        }
        self.plan();
    }

    /// The next thing to do, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Replica::handle_timeout`] is to be called.
    pub fn poll_timeout(&self) -> Option<Deadline> {
        let timers = [self.deferred.deadline(), self.next_round, self.spread_at, self.gaps_at, self.planner.deadline()];
        timers.into_iter().flatten().min()
    }

    // ---- writing

    fn publish(&mut self, now: Now, token: u64, body: Body) {
        let overloaded = self.committing_bytes >= MAX_COMMITTING_BYTES;
        if overloaded || body.bytes.len() > MAX_BODY_BYTES {
            // An event that nobody takes would be the end of our log.
            self.outputs.push_back(Output::PublishFailed { token, overloaded });
            return;
        }
        let key = self.own_log(now);
        let tip = self.shelf.log(&key).tip;
        let event = Event {
            channel: self.channel,
            author: key.author,
            log: key.log,
            seq: tip.seq + 1,
            prev: tip.id,
            hlc: self.stamp(now, tip.hlc),
            body,
        };
        let signed = SignedEvent::create(&self.signer, event);
        self.commit(vec![signed], Origin::Own { token });
    }

    /// A timestamp later than `tip`, which [`Replica::own_log`] made sure is no more than [`MAX_ADVANCE_MS`] ahead.
    fn stamp(&mut self, now: Now, tip: Timestamp) -> Timestamp {
        self.clock.observe(tip, now.wall_ms);
        let stamp = self.clock.tick(now.wall_ms);
        if stamp.ahead_ms(now.wall_ms) <= MAX_ADVANCE_MS {
            return stamp;
        }
        // The wall clock was far ahead and is no longer. Stamps that went on from there would be refused by everyone, so
        // the clock starts over from what it may still follow.
        self.clock = Clock::default();
        for (_, log) in self.shelf.iter() {
            self.clock.observe(log.tip.hlc, now.wall_ms);
        }
        self.clock.tick(now.wall_ms)
    }

    /// The log to write in. A log that is frozen, or whose last event a wrong clock put far ahead, is left for a new one:
    /// events after it would have to claim even later times, and nobody would take them.
    fn own_log(&mut self, now: Now) -> LogKey {
        loop {
            let key = LogKey { author: self.signer.author(), log: self.own_log };
            let log = self.shelf.log(&key);
            if !log.frozen && log.tip.hlc.ahead_ms(now.wall_ms) <= MAX_ADVANCE_MS {
                return key;
            }
            // Derived, not drawn, so that a restart finds the same log again.
            self.leave_own_log(&[]);
        }
    }

    /// Chooses another log to write in. It depends on where the old one ends, because copies of a store that have gone
    /// different ways must not meet again in the next log.
    fn leave_own_log(&mut self, salt: &[u8]) {
        let key = LogKey { author: self.signer.author(), log: self.own_log };
        let tip = self.shelf.log(&key).tip.id;
        let [a, b, c, d, e, f, g, h, ..] =
            tagged_hash("starling/next-log/1", &[&key.log.0.to_le_bytes(), &tip.0, salt]);
        self.own_log = LogId(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
    }

    // ---- taking in

    fn gossip(&mut self, now: Now, from: PeerId, token: u64, run: Run) {
        let origin = Origin::Gossip { from, token };
        if run.channel != self.channel {
            self.refuse(origin, Offence::NotAllowed);
        } else if self.committing_bytes >= MAX_COMMITTING_BYTES {
            self.verdict(origin, Verdict::Ignore);
        } else {
            self.take(now, run, origin);
        }
    }

    /// Verifies a run and finds its place. Every path answers the gossip it came by, if it did, at once or when durable.
    fn take(&mut self, now: Now, run: Run, origin: Origin) {
        let proof = run.clone();
        let events = match run.verify() {
            Ok(events) => events,
            Err(InvalidRun::Signature) => return self.refuse(origin, Offence::BadSignature),
            Err(InvalidRun::EventTooLarge(_) | InvalidRun::TooLarge(_)) => {
                return self.refuse(origin, Offence::Oversized);
            }
            Err(InvalidRun::Length(_) | InvalidRun::Seq | InvalidRun::Prev | InvalidRun::Time) => {
                return self.refuse(origin, Offence::BrokenLog);
            }
        };
        if !events.iter().all(|signed| self.policy.allows(&signed.event)) {
            return self.refuse(origin, Offence::NotAllowed);
        }
        let key = proof.log_key();
        if let Some(ahead_ms) = self.too_far_ahead(now, &events) {
            return self.refuse_future(now, key, ahead_ms, origin);
        }
        self.place(now, events, proof, origin);
        self.drain_pending(now, key);
    }

    fn place(&mut self, now: Now, events: Vec<SignedEvent>, proof: Run, origin: Origin) {
        let key = proof.log_key();
        match self.shelf.fit(events) {
            Fit::Extends(fresh) => {
                if !self.deferred.has_room() && fresh.iter().any(|event| Deferred::applies(event.event.hlc, now)) {
                    self.unlearn(origin, key);
                    return self.verdict(origin, Verdict::Ignore);
                }
                self.note_own_log(now, key);
                self.commit(fresh, origin);
            }
            Fit::Gap(events) => {
                let live = matches!(origin, Origin::Gossip { .. });
                let kept = self.pending.insert(events, if live { MAX_PENDING_LIVE_BYTES } else { MAX_PENDING_BYTES });
                if let Origin::Gossip { from, .. } = origin {
                    // Gossip often delivers out of order: the gap is given time to close by itself.
                    self.planner.note_gap(&from, key, proof.last_seq());
                    self.gaps_at.get_or_insert(now.after(GAP_PATIENCE_MS));
                } else if !kept {
                    // Else it would be asked for again at once.
                    self.unlearn(origin, key);
                }
                // Its signature is good; whether or not we keep it, others may lack less.
                self.verdict(origin, if kept { Verdict::Accept } else { Verdict::Ignore });
            }
            Fit::Fork => self.forked(now, key, proof, origin),
            // Whoever lacks the event before cannot notice, and passes it on in good faith: only the author is to blame.
            Fit::NotLater => match origin {
                Origin::Gossip { from, .. } if Author::from_peer_id(&from) != Some(key.author) => {
                    self.verdict(origin, Verdict::Ignore);
                }
                _ => self.refuse(origin, Offence::BrokenLog),
            },
            Fit::Known | Fit::Frozen => self.verdict(origin, Verdict::Ignore),
            Fit::TooManyLogs => {
                self.unlearn(origin, key);
                self.verdict(origin, Verdict::Ignore);
            }
        }
    }

    fn forked(&mut self, now: Now, key: LogKey, theirs: Run, origin: Origin) {
        let log = self.shelf.log(&key);
        if log.tip.seq > log.durable.seq {
            // Our own branch could still be taken back by the disk, and with it the proof: look again soon.
            self.unlearn(origin, key);
            if let Some(from) = origin.peer() {
                self.planner.want_compare(now, &from, RETRY_MS);
            }
            return self.verdict(origin, Verdict::Ignore);
        }
        self.freeze(now, Fork::Noticed { key, seq: log.tip.seq, theirs }, key);
        self.verdict(origin, Verdict::Accept);
    }

    fn drain_pending(&mut self, now: Now, key: LogKey) {
        while let Some(events) = self.pending.take(key, self.shelf.log(&key).tip.seq + 1) {
            // There is room now for others to wait.
            self.planner.reconsider();
            if let Some(run) = Run::from_events(&events) {
                self.place(now, events, run, Origin::Pending);
            }
        }
    }

    fn unlearn(&mut self, origin: Origin, key: LogKey) {
        if let Some(from) = origin.peer() {
            self.planner.unlearn(&from, &key);
        }
    }

    /// The peer may be honest and its clock, or ours, wrong: it is told, now and then, and gossip does not hold it against it.
    fn refuse_future(&mut self, now: Now, key: LogKey, ahead_ms: u64, origin: Origin) {
        self.unlearn(origin, key);
        if let Some(from) = origin.peer() {
            self.penalise(from, Offence::ClockAhead);
            if self.planner.may_tell(now, &from) {
                self.send(from, Question::Note, SyncRequest::Refused(Refusal::TooFarAhead { ahead_ms }));
            }
        }
        self.verdict(origin, Verdict::Ignore);
    }

    fn too_far_ahead(&self, now: Now, events: &[SignedEvent]) -> Option<u64> {
        // Times increase along a run, so the last is the worst.
        let ahead_ms = events.last()?.event.hlc.ahead_ms(now.wall_ms);
        (ahead_ms > MAX_AHEAD_MS).then_some(ahead_ms)
    }

    /// Our own log can only be extended by others when this store is a copy: go on in a new log.
    fn note_own_log(&mut self, now: Now, key: LogKey) {
        if key == (LogKey { author: self.signer.author(), log: self.own_log }) {
            // Drawn: the same old copy may be put back twice, and finds its log as long as the first time. After a restart
            // the log is no longer than what is held of it, and can be written in again.
            let salt: [u8; 32] = self.rng.random();
            self.leave_own_log(&[&salt[..], &now.wall_ms.to_le_bytes()].concat());
            self.outputs.push_back(Output::OwnLogFoundLonger { key });
        }
    }

    fn freeze(&mut self, now: Now, fork: Fork, key: LogKey) {
        if self.shelf.freeze(key) {
            self.pending.forget(key);
            self.spread(now);
            self.outputs.push_back(Output::Fork(fork));
        }
    }

    // ---- the store

    fn commit(&mut self, events: Vec<SignedEvent>, origin: Origin) {
        let Some(last) = events.last() else { return };
        self.shelf.advance(last.event.log_key(), Position::of(last));
        let id = CommitId(self.next_commit);
        self.next_commit += 1;
        self.committing_bytes += weight(&events);
        self.outputs.push_back(Output::Persist { commit: id, events: events.clone() });
        self.commits.push_back(Commit { id, events, origin });
    }

    fn persisted(&mut self, now: Now, through: CommitId) {
        let mut own: Vec<SignedEvent> = Vec::new();
        let mut repaired = false;
        while self.commits.front().is_some_and(|commit| commit.id <= through) {
            let Some(commit) = self.commits.pop_front() else { break };
            self.committing_bytes -= weight(&commit.events);
            if let Some(last) = commit.events.last() {
                self.shelf.settle(last.event.log_key(), Position::of(last));
            }
            for event in &commit.events {
                self.emit(now, event.clone());
            }
            self.verdict(commit.origin, Verdict::Accept);
            match commit.origin {
                Origin::Own { token } => {
                    for event in commit.events {
                        own.push(event.clone());
                        self.outputs.push_back(Output::Published { token, event });
                    }
                }
                Origin::Repair { .. } => repaired = true,
                Origin::Gossip { .. } | Origin::Pending => {}
            }
        }
        self.publish_live(&own);
        if repaired {
            self.spread(now);
        }
    }

    /// What gossip does not carry is news to other peers too: compares with some of them soon.
    fn spread(&mut self, now: Now) {
        let soon = now.after(SPREAD_DELAY_MS);
        let at = self.next_spread.map_or(soon, |next| next.max(soon));
        self.spread_at.get_or_insert(at);
    }

    /// Events that became durable together travel together: one message, one signature to check.
    fn publish_live(&mut self, own: &[SignedEvent]) {
        let mut rest = own;
        while !rest.is_empty() {
            let mut count = 1;
            while count < rest.len()
                && rest[count].event.prev == rest[count - 1].id
                && weight(&rest[..=count]) <= MAX_LIVE_RUN_BYTES
            {
                count += 1;
            }
            let (run, others) = rest.split_at(count);
            self.outputs.extend(Run::from_events(run).map(Output::Gossip));
            rest = others;
        }
    }

    fn emit(&mut self, now: Now, event: SignedEvent) {
        if Deferred::applies(event.event.hlc, now) {
            self.deferred.insert(now, event);
        } else {
            self.clock.observe(event.event.hlc, now.wall_ms);
            self.outputs.push_back(Output::Emit(event));
        }
    }

    fn persist_failed(&mut self, now: Now) {
        for commit in std::mem::take(&mut self.commits) {
            match commit.origin {
                Origin::Own { token } => {
                    self.outputs.push_back(Output::PublishFailed { token, overloaded: false });
                }
                Origin::Gossip { .. } => self.verdict(commit.origin, Verdict::Ignore),
                Origin::Repair { .. } | Origin::Pending => {}
            }
        }
        self.committing_bytes = 0;
        self.shelf.roll_back();
        self.pending.clear();
        let peers: Vec<PeerId> = self.planner.peers().copied().collect();
        for peer in peers {
            self.planner.failed(now, &peer);
        }
    }

    // ---- answering

    fn request(&mut self, now: Now, from: PeerId, token: u64, request: SyncRequest) {
        let response = match request {
            SyncRequest::Compare(hash) if hash == self.shelf.hash() => SyncResponse::Same,
            SyncRequest::Compare(_) => self.page(None),
            SyncRequest::Vector { after } => self.page(after),
            SyncRequest::Have(entries) => {
                if entries.len() > MAX_VECTOR_ENTRIES {
                    self.penalise(from, Offence::Malformed);
                } else {
                    self.planner_knows(now, from);
                    self.learn(from, &entries);
                }
                SyncResponse::Noted
            }
            SyncRequest::Range(wants) => {
                if wants.len() > MAX_WANTS {
                    self.penalise(from, Offence::Malformed);
                    SyncResponse::Unavailable
                } else {
                    let wants = wants.into_iter().filter_map(|want| self.clip(want)).collect();
                    return self.outputs.push_back(Output::ServeRuns { token, wants });
                }
            }
            SyncRequest::Evidence(key) => return self.outputs.push_back(Output::ServeEvidence { token, key }),
            SyncRequest::Refused(refusal) => {
                self.outputs.push_back(Output::RefusedByPeer { peer: from, refusal });
                SyncResponse::Noted
            }
        };
        self.outputs.push_back(Output::Respond { token, response });
    }

    /// A peer that asks about the channel is in it, whatever gossip has said so far.
    fn planner_knows(&mut self, now: Now, peer: PeerId) {
        if !self.planner.peers().any(|known| *known == peer) {
            self.planner.peer_up(now, peer);
            self.compare_due(now);
        }
    }

    fn page(&self, after: Option<LogKey>) -> SyncResponse {
        let (entries, more) = self.shelf.page(after);
        SyncResponse::Vector { entries, more }
    }

    /// What of a want is durable here: an event that a power cut could still take back must not be shown to anyone.
    fn clip(&self, want: Want) -> Option<Want> {
        let to = want.to.min(self.shelf.log(&want.key()).durable.seq);
        (want.from >= 1 && want.from <= to).then_some(Want { to, ..want })
    }

    // ---- asking

    fn response(&mut self, now: Now, from: PeerId, request: RequestId, response: SyncResponse) {
        let Some(question) = self.planner.answered(&from, request) else { return };
        match (question, response) {
            (Question::Note, SyncResponse::Noted) => {}
            (Question::Vector { after: None }, SyncResponse::Same) => self.planner.compared(&from),
            (Question::Vector { after }, SyncResponse::Vector { entries, more }) => {
                self.vector(now, from, after, entries, more);
            }
            (Question::Range(wants), SyncResponse::Runs(runs)) => self.runs(now, from, &wants, runs),
            (Question::Evidence(key), SyncResponse::Evidence(runs)) => {
                if !proves_fork(&runs, self.channel, key) {
                    // It may be that the peer's own store has not kept it yet.
                    self.planner.disbelieve(&from);
                } else if self.shelf.may_freeze(&key) {
                    self.freeze(now, Fork::Proven { key, runs }, key);
                }
            }
            (_, SyncResponse::Unavailable) => self.planner.failed(now, &from),
            (_, _) => {
                self.penalise(from, Offence::WrongAnswer);
                self.planner.failed(now, &from);
            }
        }
    }

    fn vector(&mut self, now: Now, from: PeerId, after: Option<LogKey>, entries: Vec<VectorEntry>, more: bool) {
        let sorted = entries.windows(2).all(|pair| pair[0].key() < pair[1].key());
        let follows = entries.first().is_none_or(|entry| after.is_none_or(|after| entry.key() > after));
        let last = entries.last().map(VectorEntry::key);
        if !sorted || !follows || entries.len() > MAX_VECTOR_ENTRIES || (more && last.is_none()) {
            self.penalise(from, Offence::WrongAnswer);
            self.planner.failed(now, &from);
            return;
        }
        self.learn(from, &entries);
        let mut lacking = self.lacked_by(after, if more { last } else { None }, &entries);
        // It would not remember more.
        lacking.truncate(MAX_LEARNED);
        for chunk in lacking.chunks(MAX_VECTOR_ENTRIES) {
            self.send(from, Question::Note, SyncRequest::Have(chunk.to_vec()));
        }
        match last {
            Some(_) if more && !self.planner.may_turn_page(&from) => {
                self.penalise(from, Offence::WrongAnswer);
                self.planner.failed(now, &from);
            }
            Some(last) if more => {
                self.send(from, Question::Vector { after: Some(last) }, SyncRequest::Vector { after: Some(last) });
            }
            _ => self.planner.compared(&from),
        }
    }

    fn learn(&mut self, peer: PeerId, entries: &[VectorEntry]) {
        for entry in entries {
            let key = entry.key();
            let log = self.shelf.log(&key);
            if log.frozen || !self.shelf.may_hold(&key) {
                continue;
            }
            if entry.frozen {
                self.planner.learn_frozen(&peer, key);
            } else if entry.seq > log.tip.seq {
                self.planner.learn(&peer, key, entry.seq);
            } else if entry.seq > 0 && entry.seq == log.tip.seq && entry.head != log.tip.id {
                self.planner.dispute(&peer, key);
            }
        }
    }

    /// What we hold and a peer's page, which covers the logs after `after` up to `until`, shows that it lacks.
    fn lacked_by(&self, after: Option<LogKey>, until: Option<LogKey>, entries: &[VectorEntry]) -> Vec<VectorEntry> {
        let theirs: BTreeMap<LogKey, &VectorEntry> = entries.iter().map(|entry| (entry.key(), entry)).collect();
        let mut lacking = Vec::new();
        let mut start = after;
        loop {
            let (page, more) = self.shelf.page(start);
            start = page.last().map(VectorEntry::key);
            for ours in page {
                if until.is_some_and(|until| ours.key() > until) {
                    return lacking;
                }
                let lacks = theirs
                    .get(&ours.key())
                    .is_none_or(|theirs| !theirs.frozen && (ours.frozen || ours.seq > theirs.seq));
                if lacks {
                    lacking.push(ours);
                }
            }
            if !more {
                return lacking;
            }
        }
    }

    fn runs(&mut self, now: Now, from: PeerId, wants: &[Want], runs: Vec<Run>) {
        let mut answered = vec![false; wants.len()];
        for run in runs {
            let fits = |want: &Want| want.key() == run.log_key() && want.from == run.first_seq;
            match wants.iter().position(fits) {
                Some(index) if run.channel == self.channel && !answered[index] => {
                    answered[index] = true;
                    self.take(now, run, Origin::Repair { from });
                }
                _ => self.penalise(from, Offence::WrongAnswer),
            }
        }
        // An answer has room for so much; one with nothing at all shows that the peer holds none of it.
        if !answered.contains(&true) {
            self.planner.nothing_came(&from, wants);
            for want in wants {
                self.planner.unlearn(&from, &want.key());
            }
        }
    }

    fn plan(&mut self) {
        while let Some((peer, key)) = self.planner.plan_evidence(&self.shelf) {
            self.send(peer, Question::Evidence(key), SyncRequest::Evidence(key));
        }
        while self.committing_bytes < MAX_COMMITTING_BYTES {
            let Some((peer, wants)) = self.planner.plan(&self.shelf, &self.pending) else { return };
            self.send(peer, Question::Range(wants.clone()), SyncRequest::Range(wants));
        }
    }

    fn compare_due(&mut self, now: Now) {
        for peer in self.planner.take_due(now) {
            let hash = self.shelf.hash();
            self.send(peer, Question::Vector { after: None }, SyncRequest::Compare(hash));
        }
    }

    fn compare_with_some(&mut self, now: Now, count: usize) {
        let chosen: Vec<PeerId> = self.planner.peers().copied().sample(&mut self.rng, count);
        for peer in chosen {
            self.planner.want_compare(now, &peer, 0);
        }
    }

    fn compare_with_all(&mut self, now: Now) {
        let all: Vec<PeerId> = self.planner.peers().copied().collect();
        for peer in all {
            self.planner.want_compare(now, &peer, 0);
        }
        self.compare_due(now);
    }

    fn schedule_round(&mut self, now: Now) {
        let jitter = self.rng.random_range(0..=2 * COMPARE_JITTER_MS);
        self.next_round = Some(now.after(COMPARE_INTERVAL_MS - COMPARE_JITTER_MS + jitter));
    }

    // ---- small change

    fn send(&mut self, to: PeerId, question: Question, message: SyncRequest) {
        let request = self.planner.ask(to, question);
        self.outputs.push_back(Output::Send { to, request, message });
    }

    fn verdict(&mut self, origin: Origin, verdict: Verdict) {
        if let Origin::Gossip { from, token } = origin {
            self.outputs.push_back(Output::Verdict { token, from, verdict });
        }
    }

    fn refuse(&mut self, origin: Origin, offence: Offence) {
        if let Some(peer) = origin.peer() {
            self.penalise(peer, offence);
        }
        if let Origin::Repair { from } = origin {
            // Else it would be asked the same again at once.
            self.planner.disbelieve(&from);
        }
        self.verdict(origin, Verdict::Reject);
    }

    fn penalise(&mut self, peer: PeerId, offence: Offence) {
        self.outputs.push_back(Output::Penalise { peer, offence });
    }
}

/// Whether two runs of a log, both truly its author's, say different things about one position.
fn proves_fork(runs: &[Run], channel: ChannelId, key: LogKey) -> bool {
    let [one, other] = runs else { return false };
    let ids = |run: &Run| -> Option<BTreeMap<u64, crate::ids::EventId>> {
        if run.channel != channel || run.log_key() != key {
            return None;
        }
        let before = (run.first_seq.checked_sub(1)?, run.prev);
        let events = run.clone().verify().ok()?;
        Some(std::iter::once(before).chain(events.iter().map(|event| (event.event.seq, event.id))).collect())
    };
    let (Some(one), Some(other)) = (ids(one), ids(other)) else { return false };
    one.iter().any(|(seq, id)| other.get(seq).is_some_and(|other| other != id))
}

//! One member's copy of a channel: the machine that the module above describes.
//!
//! It leads each event along its way, from one part to the next. Of its own it only keeps the order in which things happen.

use std::{collections::VecDeque, sync::Arc};

use libp2p_identity::PeerId;

use super::{
    CommitId, Config, Fork, Input, Load, MAX_PENDING_BYTES, MAX_PENDING_LIVE_BYTES, Output, RETRY_MS, answering,
    asking::{Asking, Brought},
    checking::{NotTaken, check},
    commits::{Commits, Origin},
    deferred::Deferred,
    message::{Refusal, SyncRequest},
    pending::Pending,
    shelf::{Fit, Position, Shelf},
    writer::{Writer, live_runs},
};
use crate::{
    channel::WritePolicy,
    event::{Body, MAX_BODY_BYTES, Run, SignedEvent},
    ids::{Author, ChannelId, LogKey},
    live::Verdict,
    offence::Offence,
    signature::Verifier,
    time::{Deadline, Now},
};

/// One member's copy of a channel.
#[derive(Debug)]
pub struct Replica {
    channel: ChannelId,
    policy: WritePolicy,
    verifier: Arc<dyn Verifier>,
    writer: Writer,
    shelf: Shelf,
    pending: Pending,
    deferred: Deferred,
    commits: Commits,
    asking: Asking,
    outputs: VecDeque<Output>,
}

impl Replica {
    /// A replica that holds nothing yet.
    pub fn new(config: Config) -> Self {
        Self {
            channel: config.channel,
            policy: config.policy,
            writer: Writer::new(config.channel, config.signer, config.own_log, config.seed),
            shelf: Shelf::default(),
            pending: Pending::default(),
            deferred: Deferred::default(),
            commits: Commits::default(),
            asking: Asking::new(config.channel, Arc::clone(&config.verifier), config.seed),
            verifier: config.verifier,
            outputs: VecDeque::new(),
        }
    }

    /// Puts back a log that the store holds. To be called before anything else.
    pub fn restore(&mut self, now: Now, key: LogKey, position: Position, frozen: bool) {
        self.writer.observe(now, position.hlc);
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
        self.asking.planner.peers()
    }

    /// What is under way and kept for later.
    pub fn load(&self) -> Load {
        Load {
            committing_bytes: self.commits.bytes(),
            pending_bytes: self.pending.bytes(),
            deferred_bytes: self.deferred.bytes(),
            questions: self.asking.planner.question_count(),
        }
    }

    /// How far each log is held.
    pub fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    /// Takes note of something that happened.
    pub fn handle(&mut self, now: Now, input: Input) {
        match input {
            Input::PeerUp(peer) => self.asking.peer_up(now, peer, &self.shelf, &mut self.outputs),
            Input::PeerDown(peer) => self.asking.planner.peer_down(&peer),
            Input::Publish { token, body } => self.publish(now, token, body),
            Input::Gossip { from, token, run } => self.gossip(now, from, token, run),
            Input::Request { from, token, request } => self.request(now, from, token, request),
            Input::Response { from, request, response } => {
                let brought = self.asking.response(now, from, request, response, &self.shelf, &mut self.outputs);
                self.take_brought(now, from, brought);
            }
            Input::RequestFailed { from, request } => self.asking.request_failed(now, from, request),
            Input::Persisted { through } => self.persisted(now, through),
            Input::PersistFailed => self.persist_failed(now),
            Input::SyncNow => self.asking.compare_with_all(now, &self.shelf, &mut self.outputs),
        }
        self.ask();
        self.asking.start_rounds(now);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now) {
        for event in self.deferred.take_due(now) {
            self.show(now, event);
        }
        if self.asking.begin_round(now) {
            self.pending.next_round();
        }
        self.asking.handle_timeout(now, &self.shelf, &mut self.outputs);
        self.ask();
    }

    /// The next thing to do, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Replica::handle_timeout`] is to be called.
    pub fn poll_timeout(&self) -> Option<Deadline> {
        Deadline::earliest(self.deferred.deadline(), self.asking.deadline())
    }

    fn ask(&mut self) {
        self.asking.ask_for_evidence(&self.shelf, &mut self.outputs);
        if !self.commits.is_full() {
            self.asking.ask_for_ranges(&self.shelf, &self.pending, &mut self.outputs);
        }
    }

    // ---- what comes in

    fn publish(&mut self, now: Now, token: u64, body: Body) {
        let overloaded = self.commits.is_full();
        if overloaded || body.bytes.len() > MAX_BODY_BYTES {
            // An event that nobody takes would be the end of our log.
            self.outputs.push_back(Output::PublishFailed { token, overloaded });
            return;
        }
        let signed = self.writer.write(now, &self.shelf, body);
        self.commit(vec![signed], Origin::Own { token });
    }

    fn gossip(&mut self, now: Now, from: PeerId, token: u64, run: Run) {
        let origin = Origin::Gossip { from, token };
        if run.channel != self.channel {
            self.refuse(origin, Offence::NotAllowed);
        } else if self.commits.is_full() {
            self.verdict(origin, Verdict::Ignore);
        } else {
            self.take(now, run, origin);
        }
    }

    fn request(&mut self, now: Now, from: PeerId, token: u64, request: SyncRequest) {
        if answering::is_oversized(&request) {
            self.penalise(from, Offence::Malformed);
        } else if let SyncRequest::Have(entries) = &request {
            self.asking.told(now, from, entries, &self.shelf, &mut self.outputs);
        } else if let SyncRequest::Refused(refusal) = request {
            self.outputs.push_back(Output::RefusedByPeer { peer: from, refusal });
        }
        self.outputs.push_back(answering::answer(&self.shelf, token, request));
    }

    fn take_brought(&mut self, now: Now, from: PeerId, brought: Brought) {
        match brought {
            Brought::Nothing => {}
            Brought::Runs(runs) => {
                for run in runs {
                    self.take(now, run, Origin::Repair { from });
                }
            }
            Brought::Evidence(key, runs) => {
                if self.shelf.may_freeze(&key) {
                    self.freeze(now, Fork::Proven { key, runs }, key);
                }
            }
        }
    }

    // ---- a run's way to its place

    /// Verifies a run and finds its place. Every path answers the gossip it came by, if it did, at once or when durable.
    fn take(&mut self, now: Now, run: Run, origin: Origin) {
        let key = run.log_key();
        let log = self.shelf.log(&key);
        if log.frozen || run.last_seq() < log.tip.seq {
            // Of no use even if it is genuine: not worth checking a signature.
            return self.verdict(origin, Verdict::Ignore);
        }
        let proof = run.clone();
        match check(now, &self.policy, &*self.verifier, run) {
            Ok(events) => {
                self.place(now, events, proof, origin);
                self.drain_pending(now, key);
            }
            Err(NotTaken::Wrong(offence)) => self.refuse(origin, offence),
            Err(NotTaken::TooFarAhead { ahead_ms }) => {
                // It is told, now and then, and gossip does not hold it against it.
                self.unlearn(origin, key);
                if let Some(from) = origin.peer() {
                    self.penalise(from, Offence::ClockAhead);
                    let refusal = Refusal::TooFarAhead { ahead_ms };
                    self.asking.tell_refused(now, from, refusal, &mut self.outputs);
                }
                self.verdict(origin, Verdict::Ignore);
            }
        }
    }

    fn place(&mut self, now: Now, events: Vec<SignedEvent>, proof: Run, origin: Origin) {
        let key = proof.log_key();
        match self.shelf.fit(events) {
            Fit::Extends(fresh) => {
                if !self.deferred.has_room() && fresh.iter().any(|event| Deferred::applies(event.event.hlc, now)) {
                    self.unlearn(origin, key);
                    return self.verdict(origin, Verdict::Ignore);
                }
                if self.writer.leave_if_extended(now, &self.shelf, key) {
                    self.outputs.push_back(Output::OwnLogFoundLonger { key });
                }
                self.commit(fresh, origin);
            }
            Fit::Gap(events) => {
                let live = matches!(origin, Origin::Gossip { .. });
                let kept = self.pending.insert(events, if live { MAX_PENDING_LIVE_BYTES } else { MAX_PENDING_BYTES });
                if let Origin::Gossip { from, .. } = origin {
                    // Gossip often delivers out of order.
                    self.asking.planner.note_gap(&from, key, proof.last_seq());
                    self.asking.schedule.gap_seen(now);
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

    fn drain_pending(&mut self, now: Now, key: LogKey) {
        while let Some(events) = self.pending.take(key, self.shelf.log(&key).tip.seq + 1) {
            // There is room now for others to wait.
            self.asking.planner.reconsider();
            if let Some(run) = Run::from_events(&events) {
                self.place(now, events, run, Origin::Pending);
            }
        }
    }

    fn forked(&mut self, now: Now, key: LogKey, theirs: Run, origin: Origin) {
        let log = self.shelf.log(&key);
        if log.tip.seq > log.durable.seq {
            // Our own branch could still be taken back by the disk, and with it the proof: look again soon.
            self.unlearn(origin, key);
            if let Some(from) = origin.peer() {
                self.asking.planner.want_compare(now, &from, RETRY_MS);
            }
            return self.verdict(origin, Verdict::Ignore);
        }
        self.freeze(now, Fork::Noticed { key, seq: log.tip.seq, theirs }, key);
        self.verdict(origin, Verdict::Accept);
    }

    fn freeze(&mut self, now: Now, fork: Fork, key: LogKey) {
        if self.shelf.freeze(key) {
            self.pending.forget(key);
            self.asking.schedule.spread_soon(now);
            self.outputs.push_back(Output::Fork(fork));
        }
    }

    // ---- to the disk and back

    fn commit(&mut self, events: Vec<SignedEvent>, origin: Origin) {
        let Some(last) = events.last() else { return };
        self.shelf.advance(last.event.log_key(), Position::of(last));
        let commit = self.commits.push(events.clone(), origin);
        self.outputs.push_back(Output::Persist { commit, events });
    }

    fn persisted(&mut self, now: Now, through: CommitId) {
        let mut own: Vec<SignedEvent> = Vec::new();
        while let Some(commit) = self.commits.pop_through(through) {
            if let Some(last) = commit.events.last() {
                self.shelf.settle(last.event.log_key(), Position::of(last));
            }
            for event in &commit.events {
                if Deferred::applies(event.event.hlc, now) {
                    self.deferred.insert(now, event.clone());
                } else {
                    self.show(now, event.clone());
                }
            }
            self.verdict(commit.origin, Verdict::Accept);
            match commit.origin {
                Origin::Own { token } => {
                    for event in commit.events {
                        own.push(event.clone());
                        self.outputs.push_back(Output::Published { token, event });
                    }
                }
                // What gossip does not carry is news to other peers too.
                Origin::Repair { from } => {
                    self.brought(from);
                    self.asking.schedule.spread_soon(now);
                }
                Origin::Gossip { from, .. } => self.brought(from),
                Origin::Pending => {}
            }
        }
        self.outputs.extend(live_runs(&own).into_iter().map(Output::Gossip));
    }

    fn brought(&mut self, by: PeerId) {
        self.asking.planner.brought_news(by);
        self.outputs.push_back(Output::Brought { by });
    }

    fn persist_failed(&mut self, now: Now) {
        for commit in self.commits.take_all() {
            match commit.origin {
                Origin::Own { token } => {
                    self.outputs.push_back(Output::PublishFailed { token, overloaded: false });
                }
                Origin::Gossip { .. } => self.verdict(commit.origin, Verdict::Ignore),
                Origin::Repair { .. } | Origin::Pending => {}
            }
        }
        self.shelf.roll_back();
        self.pending.clear();
        let peers: Vec<PeerId> = self.peers().copied().collect();
        for peer in peers {
            self.asking.planner.failed(now, &peer);
        }
    }

    fn show(&mut self, now: Now, event: SignedEvent) {
        self.writer.observe(now, event.event.hlc);
        self.outputs.push_back(Output::Emit(event));
    }

    // ---- what those who sent something hear

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
            self.asking.planner.disbelieve(&from);
        }
        self.verdict(origin, Verdict::Reject);
    }

    fn unlearn(&mut self, origin: Origin, key: LogKey) {
        if let Some(from) = origin.peer() {
            self.asking.planner.unlearn(&from, &key);
        }
    }

    fn penalise(&mut self, peer: PeerId, offence: Offence) {
        self.outputs.push_back(Output::Penalise { peer, offence });
    }
}

//! One room: its replica and its presence, and what is done with what they decide.

use std::collections::BTreeMap;

use libp2p::{
    PeerId,
    gossipsub::{IdentTopic, MessageId, PublishError},
};
use proto::{
    call::{Answer, Topic},
    channel::RoomName,
    chat::ChatMessage,
    event::Run,
    ids::ChannelId,
    live::{Live, Verdict},
    log::{
        self, Fork, Replica,
        message::{Refusal, SyncResponse},
    },
    presence::{self, Presence, PresenceRequest, PresenceResponse},
    time::{Deadline, Now},
    wire,
};

use super::{
    calls::{Asker, Outbound},
    context::{Cx, Effect},
    verdicts::{self, Verdicts},
};
use crate::{
    handle::{self, CallError},
    model::{Member, Message, NodeEvent},
    store::{Evidence, StoreError},
    view,
};

/// One room.
pub struct Room {
    name: RoomName,
    channel: ChannelId,
    topic: IdentTopic,
    joined: bool,
    replica: Replica,
    presence: Presence,
    /// Callers whose message is on its way to the disk.
    saying: BTreeMap<u64, handle::Answer<Message>>,
    verdicts: Verdicts,
    next_token: u64,
    /// Peers that refuse our events as too far in the future, and by how many milliseconds.
    refused_by: BTreeMap<PeerId, u64>,
    /// What went wrong when commits last failed.
    store_error: StoreError,
}

impl Room {
    /// A room that was not joined yet.
    pub fn new(name: RoomName, replica: Replica, presence: Presence) -> Self {
        let channel = name.channel();
        Self {
            topic: IdentTopic::new(channel.topic()),
            name,
            channel,
            joined: false,
            replica,
            presence,
            saying: BTreeMap::new(),
            verdicts: Verdicts::default(),
            next_token: 0,
            refused_by: BTreeMap::new(),
            store_error: StoreError::Closed,
        }
    }

    /// Its name.
    pub fn name(&self) -> &RoomName {
        &self.name
    }

    /// Its channel.
    pub fn channel(&self) -> ChannelId {
        self.channel
    }

    /// Its topic.
    pub fn topic(&self) -> &IdentTopic {
        &self.topic
    }

    /// Whether we are in it.
    pub fn is_joined(&self) -> bool {
        self.joined
    }

    /// Its log.
    pub fn replica(&self) -> &Replica {
        &self.replica
    }

    /// Members present, ourselves included.
    pub fn present(&self) -> usize {
        self.presence.count()
    }

    /// The largest number of milliseconds by which a peer finds our clock ahead, and how many peers do.
    pub fn refusals(&self) -> Option<(u64, usize)> {
        Some((*self.refused_by.values().max()?, self.refused_by.len()))
    }

    /// We come in.
    pub fn join(&mut self, cx: &mut Cx, profile: presence::Profile) {
        self.joined = true;
        self.presence.handle(cx.now, presence::Input::Join(profile));
        self.drain(cx);
        cx.report(NodeEvent::RoomJoined { room: self.name.to_string() });
    }

    /// We go: says goodbye.
    pub fn leave(&mut self, cx: &mut Cx) {
        self.joined = false;
        self.presence.handle(cx.now, presence::Input::Leave);
        self.drain(cx);
        cx.report(NodeEvent::RoomLeft { room: self.name.to_string() });
    }

    /// A connected peer is in the room.
    pub fn peer_up(&mut self, cx: &mut Cx, peer: PeerId) {
        self.replica.handle(cx.now, log::Input::PeerUp(peer));
        self.presence.handle(cx.now, presence::Input::PeerUp(peer));
        self.drain(cx);
    }

    /// It is not any more, or not connected.
    pub fn peer_down(&mut self, cx: &mut Cx, peer: PeerId) {
        self.refused_by.remove(&peer);
        self.replica.handle(cx.now, log::Input::PeerDown(peer));
        self.presence.handle(cx.now, presence::Input::PeerDown(peer));
        self.drain(cx);
    }

    /// Everyone who is here now, as shown to users, by name.
    pub fn members(&self, now: Now) -> Vec<Member> {
        let mut members: Vec<Member> =
            self.presence.members(now).iter().filter_map(|member| self.member(now, member)).collect();
        members.sort_by(|a, b| (&a.name, &a.peer_id).cmp(&(&b.name, &b.peer_id)));
        members
    }

    /// The user says something; `answer` is told when it is durable.
    pub fn say(&mut self, cx: &mut Cx, name: &str, text: &str, answer: handle::Answer<Message>) {
        let chat = match ChatMessage::new(name, text) {
            Ok(chat) => chat,
            Err(error) => {
                // The caller may have gone.
                let _ = answer.send(Err(CallError::InvalidChat(error)));
                return;
            }
        };
        let token = self.token();
        self.saying.insert(token, answer);
        self.replica.handle(cx.now, log::Input::Publish { token, body: chat.to_body() });
        self.drain(cx);
    }

    /// Compares with all peers now.
    pub fn sync(&mut self, cx: &mut Cx) {
        self.replica.handle(cx.now, log::Input::SyncNow);
        self.drain(cx);
    }

    /// A gossip message came on the room's topic.
    pub fn gossip(&mut self, cx: &mut Cx, from: PeerId, id: MessageId, live: Live) {
        if !self.verdicts.has_room() {
            return verdicts::decide(cx, &id, &from, Verdict::Ignore);
        }
        let token = self.token();
        self.verdicts.wait(token, id, from);
        match live {
            Live::Run(run) => self.replica.handle(cx.now, log::Input::Gossip { from, token, run }),
            Live::Presence(signed) => {
                self.presence.handle(cx.now, presence::Input::Announcement { from, signed, token });
            }
        }
        self.drain(cx);
    }

    /// A peer asks; the answer goes to `token`.
    pub fn asked(&mut self, cx: &mut Cx, from: PeerId, token: u64, topic: Topic) {
        match topic {
            Topic::Sync(request) => self.replica.handle(cx.now, log::Input::Request { from, token, request }),
            Topic::Presence(request) => {
                self.presence.handle(cx.now, presence::Input::Request { from, request, token });
            }
            Topic::Sealed(_) => cx.calls.answer(cx.behaviour, token, topic.unavailable()),
        }
        self.drain(cx);
    }

    /// A peer answered; `false` when the answer is of the wrong kind.
    pub fn answered(&mut self, cx: &mut Cx, from: PeerId, asker: Asker, answer: Answer) -> bool {
        match (asker, answer) {
            (Asker::Sync(request), Answer::Sync(response)) => {
                self.replica.handle(cx.now, log::Input::Response { from, request, response });
            }
            (Asker::Presence(id), Answer::Presence(response)) => {
                self.presence.handle(cx.now, presence::Input::Response { from, id, response });
            }
            _ => {
                self.unanswered(cx, from, asker);
                return false;
            }
        }
        self.drain(cx);
        true
    }

    /// A question came to nothing.
    pub fn unanswered(&mut self, cx: &mut Cx, from: PeerId, asker: Asker) {
        match asker {
            Asker::Sync(request) => self.replica.handle(cx.now, log::Input::RequestFailed { from, request }),
            Asker::Presence(id) => self.presence.handle(cx.now, presence::Input::RequestFailed { id }),
        }
        self.drain(cx);
    }

    /// The store answered for our commits up to `through`.
    pub fn written(&mut self, cx: &mut Cx, through: log::CommitId, result: &Result<(), StoreError>) {
        match result {
            Ok(()) => self.replica.handle(cx.now, log::Input::Persisted { through }),
            Err(error) => {
                self.store_error = error.clone();
                self.replica.handle(cx.now, log::Input::PersistFailed);
            }
        }
        self.drain(cx);
    }

    /// An event read back that is not due yet.
    pub fn deferred(&mut self, cx: &mut Cx, events: Vec<proto::event::SignedEvent>) {
        for event in events {
            self.replica.restore_deferred(cx.now, event);
        }
    }

    /// When [`Room::timeout`] is to be called.
    pub fn deadline(&self) -> Option<Deadline> {
        Deadline::earliest(self.replica.poll_timeout(), self.presence.poll_timeout())
    }

    /// Does what is due.
    pub fn timeout(&mut self, cx: &mut Cx) {
        if self.replica.poll_timeout().is_some_and(|at| cx.now.reached(at)) {
            self.replica.handle_timeout(cx.now);
        }
        if self.presence.poll_timeout().is_some_and(|at| cx.now.reached(at)) {
            self.presence.handle_timeout(cx.now);
        }
        self.drain(cx);
    }

    fn drain(&mut self, cx: &mut Cx) {
        while let Some(output) = self.replica.poll_output() {
            self.log_output(cx, output);
        }
        while let Some(output) = self.presence.poll_output() {
            self.presence_output(cx, output);
        }
    }

    fn log_output(&mut self, cx: &mut Cx, output: log::Output) {
        use log::Output;
        match output {
            Output::Persist { commit, events } => cx.journal.append(self.channel, commit, events),
            Output::Gossip(run) => self.publish(cx, &Live::Run(run)),
            Output::Verdict { token, from: _, verdict } => self.verdicts.decide(cx, token, verdict),
            Output::Brought { by } => cx.effects.push_back(Effect::Useful { peer: by }),
            Output::Send { to, request, message } => {
                self.ask(cx, to, Asker::Sync(request), Topic::Sync(message));
            }
            Output::Respond { token, response } => cx.calls.answer(cx.behaviour, token, Answer::Sync(response)),
            Output::ServeRuns { token, .. } | Output::ServeEvidence { token, .. } if !cx.reads.has_room() => {
                cx.calls.answer(cx.behaviour, token, Answer::Sync(SyncResponse::Unavailable));
            }
            Output::ServeRuns { token, wants } => cx.reads.runs(self.channel, token, wants),
            Output::ServeEvidence { token, key } => cx.reads.evidence(self.channel, token, key),
            Output::Published { token, event } => {
                if let (Some(answer), Some(message)) = (self.saying.remove(&token), view::message(&self.name, &event)) {
                    // The caller may have gone; the message is said all the same.
                    let _ = answer.send(Ok(message));
                }
            }
            Output::PublishFailed { token, overloaded } => {
                if let Some(answer) = self.saying.remove(&token) {
                    let error =
                        if overloaded { CallError::Overloaded } else { CallError::Store(self.store_error.clone()) };
                    // The caller may have gone.
                    let _ = answer.send(Err(error));
                }
            }
            Output::Emit(event) => {
                if let Some(message) = view::message(&self.name, &event) {
                    cx.report(NodeEvent::Message(message));
                }
            }
            Output::Fork(fork) => self.fork(cx, fork),
            Output::RefusedByPeer { peer, refusal: Refusal::TooFarAhead { ahead_ms } } => {
                // Once for each peer: whoever repeats it is not more right.
                if self.refused_by.insert(peer, ahead_ms).is_none() {
                    cx.warn(format!(
                        "{peer} does not take our messages: it finds our clock {} minutes ahead; check this machine's clock",
                        ahead_ms / 60_000
                    ));
                }
            }
            Output::OwnLogFoundLonger { .. } => cx.warn(format!(
                "a peer holds messages of ours in '{}' that this data directory lacks: it is an old copy, or a copy of it is in \
                 use elsewhere; going on in a new log",
                self.name
            )),
            Output::Penalise { peer, offence } => cx.penalise(peer, offence),
        }
    }

    fn presence_output(&mut self, cx: &mut Cx, output: presence::Output) {
        use presence::Output;
        match output {
            Output::Announce(signed) => self.publish(cx, &Live::Presence(signed)),
            Output::Send { to, id, request } => {
                let request: PresenceRequest = request;
                self.ask(cx, to, Asker::Presence(id), Topic::Presence(request));
            }
            Output::Respond { token, response } => {
                let response: PresenceResponse = response;
                cx.calls.answer(cx.behaviour, token, Answer::Presence(response));
            }
            Output::Verdict { token, verdict } => self.verdicts.decide(cx, token, verdict),
            Output::Joined(member) => {
                cx.effects.push_back(Effect::Appeared(member.author));
                if let Some(member) = self.member(cx.now, &member) {
                    cx.report(NodeEvent::Joined(member));
                }
            }
            Output::Changed(_) => {}
            Output::Left(member) => {
                if let Some(member) = self.member(cx.now, &member) {
                    cx.report(NodeEvent::Left(member));
                }
            }
            Output::Penalise { peer, offence } => cx.penalise(peer, offence),
        }
    }

    fn fork(&mut self, cx: &mut Cx, fork: Fork) {
        let key = match fork {
            Fork::Noticed { key, seq, theirs } => {
                cx.reads.own_branch(self.channel, key, seq, theirs);
                key
            }
            Fork::Proven { key, runs } => {
                cx.journal.evidence(Evidence { channel: self.channel, key, runs });
                key
            }
        };
        let author = key.author.peer_id().map_or_else(|| key.author.to_string(), |peer| peer.to_string());
        cx.warn(format!(
            "{author} wrote two different messages at one position in '{}' (a cloned data directory, or malice): nothing more \
             is taken of that log",
            self.name
        ));
    }

    fn publish(&mut self, cx: &mut Cx, live: &Live) {
        match cx.behaviour.gossip.publish(self.topic.clone(), wire::encode(live)) {
            // Nobody to hear it, or its queues are full: the event is durable, and repair carries it.
            Ok(_) | Err(PublishError::NoPeersSubscribedToTopic | PublishError::AllQueuesFull(_)) => {}
            Err(PublishError::Duplicate) => {}
            Err(error) => tracing::warn!("gossip did not take a message: {error}"),
        }
    }

    fn ask(&mut self, cx: &mut Cx, to: PeerId, asker: Asker, topic: Topic) {
        let outbound = Outbound { peer: to, channel: self.channel, asker };
        cx.calls.ask(cx.behaviour, outbound, topic);
    }

    fn member(&self, now: Now, info: &presence::MemberInfo) -> Option<Member> {
        Some(Member {
            room: self.name.to_string(),
            peer_id: info.author.peer_id()?.to_string(),
            name: info.profile.name.clone(),
            status: info.profile.status.clone(),
            is_self: info.is_self,
            last_heard_ms: now.mono_ms.saturating_sub(info.heard_ms),
        })
    }

    fn token(&mut self) -> u64 {
        self.next_token += 1;
        self.next_token
    }
}

/// The run that proves a fork beside our own.
pub fn evidence(channel: ChannelId, key: proto::ids::LogKey, ours: Vec<Run>, theirs: Run) -> Option<Evidence> {
    let ours = ours.into_iter().next()?;
    Some(Evidence { channel, key, runs: vec![ours, theirs] })
}

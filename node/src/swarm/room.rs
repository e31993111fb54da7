//! One room: its replica and its presence, and what is done with what they decide. Of a private room, this is one epoch.

use libp2p::{
    PeerId,
    gossipsub::{IdentTopic, MessageId},
};
use proto::{
    call::{Answer, Topic},
    channel::{LOBBY, RoomName},
    chat::ChatMessage,
    ids::{Author, ChannelId},
    live::{Live, Verdict},
    log::{
        self, Replica,
        message::{Refusal, SyncResponse},
    },
    presence::{self, Presence, PresenceRequest, PresenceResponse},
    private::rooms::Station,
    time::{Deadline, Now},
};

use super::{
    calls::{Asker, Outbound},
    context::{Cx, Effect},
    edge::Edge,
    forks,
    refusals::Refusals,
    saying::Saying,
    sealing::{NoAnswer, Sealing},
    verdicts::{self, Verdicts},
};
use crate::{
    handle::{self, CallError},
    model::{Member, Message, NodeEvent},
    store::StoreError,
    view,
};

/// One room.
pub struct Room {
    name: RoomName,
    edge: Edge,
    /// In which way we are in it, if we are.
    station: Option<Station>,
    replica: Replica,
    presence: Presence,
    saying: Saying,
    verdicts: Verdicts,
    refusals: Refusals,
}

impl Room {
    /// A room that was not joined yet.
    pub fn new(name: RoomName, channel: ChannelId, sealing: Sealing, replica: Replica, presence: Presence) -> Self {
        Self {
            name,
            edge: Edge::new(channel, sealing),
            station: None,
            replica,
            presence,
            saying: Saying::default(),
            verdicts: Verdicts::default(),
            refusals: Refusals::default(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &RoomName {
        &self.name
    }

    /// Its channel.
    pub fn channel(&self) -> ChannelId {
        self.edge.channel()
    }

    /// Its topic.
    pub fn topic(&self) -> &IdentTopic {
        self.edge.topic()
    }

    /// Whether we are in it, in whatever way.
    pub fn is_joined(&self) -> bool {
        self.station.is_some()
    }

    /// Whether we are in it so that users see it.
    pub fn is_shown(&self) -> bool {
        self.station == Some(Station::Member)
    }

    /// Whether only those who were invited can read it.
    pub fn is_private(&self) -> bool {
        self.edge.is_private()
    }

    /// Whether being in it says anything about a peer: everybody is in the lobby.
    pub fn is_selective(&self) -> bool {
        self.is_private() || self.name.as_str() != LOBBY
    }

    /// Whether a peer that is in it, as gossip says, is known to be let in.
    pub fn is_member(&self, peer: &PeerId) -> bool {
        self.edge.is_member(peer)
    }

    /// Connected members.
    pub fn peers(&self) -> impl Iterator<Item = &PeerId> {
        self.replica.peers().filter(|peer| self.is_member(peer))
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
        self.refusals.worst()
    }

    /// We come in, or are there in another way from now on.
    pub fn join(&mut self, cx: &mut Cx, station: Station, profile: presence::Profile) {
        self.station = Some(station);
        let input = match station {
            Station::Member => presence::Input::Join(profile),
            Station::Quiet => presence::Input::Leave,
        };
        self.presence.handle(cx.now, input);
        self.drain(cx);
    }

    /// We go: says goodbye.
    pub fn leave(&mut self, cx: &mut Cx) {
        self.station = None;
        self.presence.handle(cx.now, presence::Input::Leave);
        self.drain(cx);
    }

    /// A private room that was left is to be joined again, by this name.
    pub fn wake(&mut self, name: RoomName, sealing: Sealing) {
        self.name = name;
        self.edge.seal(sealing);
    }

    /// A private room's secret is to be gone.
    pub fn forget_secret(&mut self) {
        self.edge.seal(Sealing::Forgotten);
    }

    /// Whether it need not be kept in memory: its secret is gone, and nothing of it is on its way to the disk.
    pub fn is_over(&self) -> bool {
        self.edge.is_forgotten() && self.replica.load().committing_bytes == 0
    }

    /// A connected peer is in the room.
    pub fn peer_up(&mut self, cx: &mut Cx, peer: PeerId) {
        self.replica.handle(cx.now, log::Input::PeerUp(peer));
        self.presence.handle(cx.now, presence::Input::PeerUp(peer));
        self.drain(cx);
    }

    /// It is not any more, or not connected.
    pub fn peer_down(&mut self, cx: &mut Cx, peer: PeerId) {
        self.refusals.forget(&peer);
        self.edge.gone(&peer);
        self.replica.handle(cx.now, log::Input::PeerDown(peer));
        self.presence.handle(cx.now, presence::Input::PeerDown(peer));
        self.drain(cx);
    }

    /// Everyone who is here now, as shown to users, by name.
    pub fn members(&self, now: Now) -> Vec<Member> {
        let mut members: Vec<Member> =
            self.presence.members(now).iter().filter_map(|member| view::member(&self.name, now, member)).collect();
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
        let token = self.saying.wait(answer);
        self.replica.handle(cx.now, log::Input::Publish { token, body: chat.to_body() });
        self.drain(cx);
    }

    /// Compares with all peers now.
    pub fn sync(&mut self, cx: &mut Cx) {
        self.replica.handle(cx.now, log::Input::SyncNow);
        self.drain(cx);
    }

    /// A gossip message came on the room's topic.
    pub fn gossip(&mut self, cx: &mut Cx, from: PeerId, id: MessageId, frame: &[u8]) {
        let live = match self.edge.heard(frame) {
            Ok(live) => live,
            Err(offence) => {
                cx.penalise(from, offence);
                return verdicts::decide(cx, &id, &from, Verdict::Reject);
            }
        };
        if !self.verdicts.has_room() {
            return verdicts::decide(cx, &id, &from, Verdict::Ignore);
        }
        let token = self.verdicts.wait(id, from);
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
        let Some(topic) = self.edge.asked(cx, from, token, &topic) else { return };
        match topic {
            Topic::Sync(request) => self.replica.handle(cx.now, log::Input::Request { from, token, request }),
            Topic::Presence(request) => {
                self.presence.handle(cx.now, presence::Input::Request { from, request, token });
            }
            // Nothing sealed lies in something sealed.
            Topic::Sealed(_) => self.edge.answer(cx, token, topic.unavailable()),
        }
        self.drain(cx);
    }

    /// Answers a peer's question.
    pub fn answer(&mut self, cx: &mut Cx, token: u64, answer: Answer) {
        self.edge.answer(cx, token, answer);
    }

    /// A peer answered; `false` when the answer breaks the protocol.
    pub fn answered(&mut self, cx: &mut Cx, outbound: Outbound, answer: Answer) -> bool {
        let Outbound { peer: from, asker, .. } = outbound;
        let answer = match self.edge.answered(cx, &outbound, answer) {
            Ok(answer) => answer,
            Err(no_answer) => {
                self.unanswered(cx, from, asker);
                return matches!(no_answer, NoAnswer::Unavailable);
            }
        };
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
                self.saying.store_failed(error);
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
            Output::Persist { commit, events } => cx.journal.append(self.channel(), commit, events),
            Output::Gossip(run) => self.edge.publish(cx, &Live::Run(run)),
            Output::Verdict { token, from: _, verdict } => self.verdicts.decide(cx, token, verdict),
            Output::Brought { by } => cx.effects.push_back(Effect::Useful { peer: by }),
            Output::Send { to, request, message } => {
                self.edge.ask(cx, to, Asker::Sync(request), Topic::Sync(message));
            }
            Output::Respond { token, response } => self.edge.answer(cx, token, Answer::Sync(response)),
            Output::ServeRuns { token, .. } | Output::ServeEvidence { token, .. } if !cx.reads.has_room() => {
                self.edge.answer(cx, token, Answer::Sync(SyncResponse::Unavailable));
            }
            Output::ServeRuns { token, wants } => cx.reads.runs(self.channel(), token, wants),
            Output::ServeEvidence { token, key } => cx.reads.evidence(self.channel(), token, key),
            Output::Published { token, event } => self.saying.said(token, view::message(&self.name, &event)),
            Output::PublishFailed { token, overloaded } => self.saying.failed(token, overloaded),
            Output::Emit(event) => {
                self.seen(cx, event.event.author);
                if let Some(message) = view::message(&self.name, &event) {
                    cx.report(NodeEvent::Message(message));
                }
            }
            Output::Fork(fork) => forks::note(cx, &self.name, self.channel(), fork),
            Output::RefusedByPeer { peer, refusal: Refusal::TooFarAhead { ahead_ms } } => {
                self.refusals.note(cx, peer, ahead_ms);
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
            Output::Announce(signed) => self.edge.publish(cx, &Live::Presence(signed)),
            Output::Send { to, id, request } => {
                let request: PresenceRequest = request;
                self.edge.ask(cx, to, Asker::Presence(id), Topic::Presence(request));
            }
            Output::Respond { token, response } => {
                let response: PresenceResponse = response;
                self.edge.answer(cx, token, Answer::Presence(response));
            }
            Output::Verdict { token, verdict } => self.verdicts.decide(cx, token, verdict),
            Output::Joined(member) => {
                cx.effects.push_back(Effect::Appeared { who: member.author, name: member.profile.name.clone() });
                self.seen(cx, member.author);
                if let Some(member) = view::member(&self.name, cx.now, &member) {
                    cx.report(NodeEvent::Joined(member));
                }
            }
            Output::Changed(_) => {}
            Output::Left(member) => {
                if let Some(member) = view::member(&self.name, cx.now, &member) {
                    cx.report(NodeEvent::Left(member));
                }
            }
            Output::Penalise { peer, offence } => cx.penalise(peer, offence),
        }
    }

    /// Somebody is in a private room, or wrote there.
    fn seen(&self, cx: &mut Cx, who: Author) {
        if self.is_private() && self.is_shown() {
            cx.effects.push_back(Effect::Seen { channel: self.channel(), who });
        }
    }
}

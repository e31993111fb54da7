//! All rooms: joining and leaving, and finding the room that something is about.

use std::collections::BTreeMap;

use libp2p::{PeerId, gossipsub};
use proto::{
    call::{Answer, Question},
    channel::{LOBBY, RoomName},
    ids::ChannelId,
    live::Verdict,
    log::{CommitId, message::SyncResponse},
    offence::Offence,
    private::{
        Epoch,
        rooms::{self as private, Station},
    },
    time::Deadline,
};

use super::{
    behaviour::MAX_TOPICS_PER_PEER,
    calls::Outbound,
    context::{Cx, Effect},
    edge::{self, protect},
    journal::Written,
    making::Making,
    reads::Read,
    room::Room,
    sealing::Sealing,
    verdicts,
};
use crate::{
    handle::{self, CallError},
    model::{self, NodeEvent},
};

/// Open rooms that one node may be in. Peers keep track of a limited number of topics.
pub const MAX_ROOMS: usize = 256;

const _: () = assert!(MAX_ROOMS + private::MAX_ROOMS * (1 + private::MAX_PAST) <= MAX_TOPICS_PER_PEER);

/// All rooms that we are in, and open ones that were left since the start.
pub struct Rooms {
    rooms: BTreeMap<ChannelId, Room>,
    /// The current channels of the private rooms that we are in.
    private: BTreeMap<RoomName, ChannelId>,
    making: Making,
}

impl Rooms {
    /// No room joined.
    pub fn new(making: Making) -> Self {
        Self { rooms: BTreeMap::new(), private: BTreeMap::new(), making }
    }

    /// The rooms we are in, by name.
    pub fn joined(&self) -> Vec<&Room> {
        let mut joined: Vec<&Room> = self.rooms.values().filter(|room| room.is_shown()).collect();
        joined.sort_by(|a, b| a.name().cmp(b.name()));
        joined
    }

    /// Names of the rooms that a peer shares with us, as far as gossip says; of private ones, only if it has proved to be in them.
    pub fn shared_with(&self, cx_gossip: &super::behaviour::Gossip, peer: &PeerId) -> Vec<String> {
        let Some((_, topics)) = cx_gossip.all_peers().find(|(other, _)| *other == peer) else { return Vec::new() };
        let shares = |room: &&&Room| room.is_member(peer) && topics.iter().any(|topic| **topic == room.topic().hash());
        self.joined().iter().filter(shares).map(|room| room.name().to_string()).collect()
    }

    /// Rooms in memory.
    pub fn held(&self) -> usize {
        self.rooms.len()
    }

    /// Connected members of a room.
    pub fn peers_in(&self, channel: &ChannelId) -> usize {
        self.rooms.get(channel).map_or(0, |room| room.peers().count())
    }

    /// Events held of some channels, whether we are in them or not.
    pub fn events_in(&self, channels: &[ChannelId]) -> u64 {
        let events = |channel: &ChannelId| match self.rooms.get(channel) {
            Some(room) => room.replica().events(),
            None => self.making.dormant().events_of(channel),
        };
        channels.iter().map(events).sum()
    }

    /// Where what is said in a room of that name is said.
    pub fn channel(&self, name: &RoomName) -> ChannelId {
        self.private.get(name).copied().unwrap_or_else(|| name.channel())
    }

    /// Whether we are in an open room of that name.
    pub fn is_in_open(&self, name: &RoomName) -> bool {
        self.rooms.get(&name.channel()).is_some_and(Room::is_joined)
    }

    /// Events held, over all rooms of this run.
    pub fn events(&self) -> u64 {
        self.making.dormant().events() + self.rooms.values().map(|room| room.replica().events()).sum::<u64>()
    }

    /// Joins an open room. `answer`, if there is one, is told when that is durable.
    pub fn join(&mut self, cx: &mut Cx, name: RoomName, answer: Option<handle::Answer<()>>) {
        let channel = name.channel();
        let already = self.rooms.get(&channel).is_some_and(Room::is_joined);
        let joined = self.rooms.values().filter(|room| room.is_joined() && !room.is_private()).count();
        if !already && joined >= MAX_ROOMS {
            if let Some(answer) = answer {
                // The caller may have gone.
                let _ = answer.send(Err(CallError::TooManyRooms(joined)));
            }
            return;
        }
        cx.journal.room(&name, true, answer);
        if already {
            return;
        }
        if !self.rooms.contains_key(&channel) {
            let room = self.making.make(cx, name.clone(), channel, Sealing::Open);
            self.rooms.insert(channel, room);
        }
        self.come_in(cx, channel, Station::Member);
        cx.report(NodeEvent::RoomJoined { room: name.to_string() });
    }

    /// Is in the channel of a private room's epoch in this way from now on.
    pub fn join_private(&mut self, cx: &mut Cx, name: RoomName, epoch: Epoch, station: Station) {
        let channel = epoch.channel();
        match self.rooms.get_mut(&channel) {
            // Questions that are being answered are to be sealed as they were.
            Some(room) if room.is_joined() => {}
            Some(room) => room.wake(name.clone(), self.making.sealing(epoch)),
            None => {
                let sealing = self.making.sealing(epoch);
                let room = self.making.make(cx, name.clone(), channel, sealing);
                self.rooms.insert(channel, room);
            }
        }
        self.come_in(cx, channel, station);
        if station == Station::Member {
            self.private.insert(name, channel);
        }
    }

    /// Leaves the channel of a private room's epoch, and forgets its secret.
    pub fn leave_private(&mut self, cx: &mut Cx, channel: ChannelId) {
        self.private.retain(|_, current| *current != channel);
        self.go(cx, channel);
        if let Some(room) = self.rooms.get_mut(&channel) {
            room.forget_secret();
        }
        self.let_go(cx, channel);
    }

    /// Forgets a room that is over, but for how far its logs are held: whoever makes the epochs must not fill our memory with them.
    fn let_go(&mut self, cx: &mut Cx, channel: ChannelId) {
        if self.rooms.get(&channel).is_some_and(Room::is_over)
            && let Some(room) = self.rooms.remove(&channel)
        {
            cx.calls.forget(&channel);
            self.making.lay_by(&room);
        }
    }

    /// Is in a room that is open here, in this way from now on.
    fn come_in(&mut self, cx: &mut Cx, channel: ChannelId, station: Station) {
        let Some(room) = self.rooms.get_mut(&channel) else { return };
        let already = room.is_joined();
        if !already {
            edge::subscribe(cx, room);
        }
        room.join(cx, station, self.making.profile.clone());
        if already {
            return;
        }
        cx.effects.push_back(Effect::Joined { channel, everybody: !room.is_selective() });
        for peer in edge::subscribers(cx, room) {
            protect(cx, room, peer);
            room.peer_up(cx, peer);
        }
    }

    /// Leaves an open room.
    pub fn leave(&mut self, cx: &mut Cx, name: &RoomName, answer: handle::Answer<()>) {
        let channel = name.channel();
        if !self.rooms.get(&channel).is_some_and(Room::is_joined) {
            let _ = answer.send(Err(CallError::NotInRoom(name.clone())));
            return;
        }
        if name.as_str() == LOBBY {
            let _ = answer.send(Err(CallError::CannotLeaveLobby));
            return;
        }
        self.go(cx, channel);
        cx.journal.room(name, false, Some(answer));
        cx.report(NodeEvent::RoomLeft { room: name.to_string() });
    }

    /// Is in a channel no longer.
    fn go(&mut self, cx: &mut Cx, channel: ChannelId) {
        let Some(room) = self.rooms.get_mut(&channel).filter(|room| room.is_joined()) else { return };
        room.leave(cx);
        cx.effects.push_back(Effect::Left(channel));
        cx.behaviour.gossip.unsubscribe(room.topic());
        let peers: Vec<PeerId> = room.replica().peers().copied().collect();
        for peer in &peers {
            room.peer_down(cx, *peer);
        }
        for peer in peers {
            self.no_longer_shared(cx, peer);
        }
    }

    /// Says goodbye everywhere.
    pub fn close(&mut self, cx: &mut Cx) {
        for room in self.rooms.values_mut().filter(|room| room.is_joined()) {
            let is_shown = room.is_shown();
            room.leave(cx);
            if is_shown {
                cx.report(NodeEvent::RoomLeft { room: room.name().to_string() });
            }
        }
    }

    /// The user says something.
    pub fn say(&mut self, cx: &mut Cx, name: RoomName, text: &str, answer: handle::Answer<model::Message>) {
        let channel = self.channel(&name);
        match self.rooms.get_mut(&channel).filter(|room| room.is_shown()) {
            Some(room) => room.say(cx, &self.making.profile.name, text, answer),
            None => {
                let _ = answer.send(Err(CallError::NotInRoom(name)));
            }
        }
    }

    /// Compares all rooms with all peers now.
    pub fn sync(&mut self, cx: &mut Cx) {
        for room in self.rooms.values_mut().filter(|room| room.is_joined()) {
            room.sync(cx);
        }
    }

    /// Something came by gossip.
    pub fn gossip(&mut self, cx: &mut Cx, event: gossipsub::Event) {
        match event {
            gossipsub::Event::Message { propagation_source, message_id, message } => {
                self.message(cx, propagation_source, message_id, &message);
            }
            gossipsub::Event::Subscribed { peer_id, topic } => {
                if let Some(room) = self.room_of(&topic) {
                    protect(cx, room, peer_id);
                    room.peer_up(cx, peer_id);
                }
            }
            gossipsub::Event::Unsubscribed { peer_id, topic } => {
                if let Some(room) = self.room_of(&topic) {
                    room.peer_down(cx, peer_id);
                    self.no_longer_shared(cx, peer_id);
                }
            }
            // Its queue to a neighbour is full: what was dropped, repair brings.
            gossipsub::Event::SlowPeer { peer_id, .. } => tracing::debug!(%peer_id, "slow peer"),
            gossipsub::Event::GossipsubNotSupported { peer_id } => tracing::debug!(%peer_id, "peer without gossipsub"),
        }
    }

    fn message(&mut self, cx: &mut Cx, from: PeerId, id: gossipsub::MessageId, message: &gossipsub::Message) {
        match self.room_of(&message.topic) {
            Some(room) => room.gossip(cx, from, id, &message.data),
            None => verdicts::decide(cx, &id, &from, Verdict::Ignore),
        }
    }

    fn room_of(&mut self, topic: &gossipsub::TopicHash) -> Option<&mut Room> {
        let channel = ChannelId::from_topic(topic.as_str())?;
        self.rooms.get_mut(&channel).filter(|room| room.is_joined())
    }

    fn no_longer_shared(&self, cx: &mut Cx, peer: PeerId) {
        let in_it = |room: &Room| room.is_selective() && room.peers().any(|other| *other == peer);
        if !self.rooms.values().any(in_it) {
            cx.effects.push_back(Effect::NoRoomPeer { peer });
        }
    }

    /// The last connection to a peer closed.
    pub fn disconnected(&mut self, cx: &mut Cx, peer: PeerId) {
        for room in self.rooms.values_mut() {
            room.peer_down(cx, peer);
        }
    }

    /// A peer asks; `token` is the way back.
    pub fn asked(&mut self, cx: &mut Cx, from: PeerId, token: u64, question: Question) {
        match self.rooms.get_mut(&question.channel).filter(|room| room.is_joined()) {
            Some(room) => room.asked(cx, from, token, question.topic),
            None => cx.calls.answer(cx.behaviour, token, question.topic.unavailable()),
        }
    }

    /// A peer answered.
    pub fn answered(&mut self, cx: &mut Cx, outbound: Outbound, answer: Answer) {
        if let Some(room) = self.rooms.get_mut(&outbound.channel)
            && !room.answered(cx, outbound, answer)
        {
            cx.penalise(outbound.peer, Offence::WrongAnswer);
        }
    }

    /// A question came to nothing.
    pub fn unanswered(&mut self, cx: &mut Cx, outbound: Outbound) {
        if let Some(room) = self.rooms.get_mut(&outbound.channel) {
            room.unanswered(cx, outbound.peer, outbound.asker);
        }
    }

    /// The store answered.
    pub fn written(&mut self, cx: &mut Cx, written: &Written) {
        let mut last: BTreeMap<ChannelId, CommitId> = BTreeMap::new();
        for (channel, commit) in &written.commits {
            last.insert(*channel, *commit);
        }
        for (channel, through) in last {
            if let Some(room) = self.rooms.get_mut(&channel) {
                room.written(cx, through, &written.result);
            }
            self.let_go(cx, channel);
        }
    }

    /// The store was read.
    pub fn read(&mut self, cx: &mut Cx, read: Read) {
        match read {
            Read::Runs { channel, token, result } => {
                let response = result.map_or(SyncResponse::Unavailable, SyncResponse::Runs);
                self.respond(cx, channel, token, response);
            }
            Read::Evidence { channel, token, result } => {
                let runs = |evidence: Option<crate::store::Evidence>| evidence.map(|evidence| evidence.runs);
                let response = result.map_or(SyncResponse::Unavailable, |evidence| {
                    SyncResponse::Evidence(runs(evidence).unwrap_or_default())
                });
                self.respond(cx, channel, token, response);
            }
            Read::OwnBranch { channel, key, theirs, result } => {
                // An unreadable branch is no proof; the fork is noticed again after the next start.
                if let Some(ours) = result.unwrap_or_default().into_iter().next() {
                    cx.journal.evidence(crate::store::Evidence { channel, key, runs: vec![ours, theirs] });
                }
            }
            // Letters are no room's.
            Read::Letters(_) => {}
            Read::Deferred { channel, result } => {
                if let (Some(room), Ok(events)) = (self.rooms.get_mut(&channel), result) {
                    room.deferred(cx, events);
                }
            }
        }
    }

    /// What was read for a peer that asked about a channel.
    fn respond(&mut self, cx: &mut Cx, channel: ChannelId, token: u64, response: SyncResponse) {
        match self.rooms.get_mut(&channel) {
            Some(room) => room.answer(cx, token, Answer::Sync(response)),
            // It was private, and its secret is gone.
            None => cx.calls.answer(cx.behaviour, token, Answer::Sealed(Vec::new())),
        }
    }

    /// When [`Rooms::timeout`] is to be called.
    pub fn deadline(&self) -> Option<Deadline> {
        self.rooms.values().filter_map(Room::deadline).min()
    }

    /// Does what is due.
    pub fn timeout(&mut self, cx: &mut Cx) {
        for room in self.rooms.values_mut() {
            if room.deadline().is_some_and(|at| cx.now.reached(at)) {
                room.timeout(cx);
            }
        }
    }

    /// What the user should know.
    pub fn warnings(&self) -> Vec<String> {
        let worst = self.rooms.values().filter_map(Room::refusals).max();
        let clock = worst.map(|(ahead_ms, peers)| {
            format!(
                "{peers} peer(s) find this machine's clock {} minutes ahead and refuse our messages",
                ahead_ms / 60_000
            )
        });
        let frozen: u64 = self.rooms.values().map(|room| room.replica().frozen_logs()).sum();
        let forks = (frozen > 0).then(|| format!("{frozen} log(s) are frozen because their author forked them"));
        clock.into_iter().chain(forks).collect()
    }
}

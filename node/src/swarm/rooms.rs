//! All rooms: joining and leaving, and finding the room that something is about.

use std::{collections::BTreeMap, sync::Arc};

use libp2p::{PeerId, gossipsub};
use proto::{
    call::{Answer, Question},
    channel::{LOBBY, RoomName, WritePolicy},
    hlc::{MAX_ADVANCE_MS, Timestamp},
    ids::{ChannelId, LogId},
    live::{Live, MAX_FRAME_BYTES, Verdict},
    log::{CommitId, Config, Replica, shelf::Position},
    offence::Offence,
    presence::{Presence, Profile},
    signature::{Signer, Verifier},
    time::Deadline,
    wire::{self, DecodeError},
};
use rand::{Rng, rngs::StdRng};

use super::{
    behaviour::topic_scoring,
    calls::Outbound,
    context::{Cx, Effect},
    journal::Written,
    reads::Read,
    room::{self, Room},
    verdicts,
};
use crate::{
    handle::{self, CallError},
    model,
    store::Head,
};

/// Rooms that one node may be in. Peers keep track of a limited number of topics.
pub const MAX_ROOMS: usize = 256;

/// All rooms that were joined since the start.
pub struct Rooms {
    rooms: BTreeMap<ChannelId, Room>,
    /// Logs of channels that were not joined since the start.
    dormant: BTreeMap<ChannelId, Vec<Head>>,
    profile: Profile,
    signer: Signer,
    verifier: Arc<dyn Verifier>,
    own_log: LogId,
    rng: StdRng,
}

impl Rooms {
    /// No room joined; `heads` is what the store holds.
    pub fn new(
        heads: Vec<Head>,
        profile: Profile,
        signer: Signer,
        verifier: Arc<dyn Verifier>,
        own_log: LogId,
        rng: StdRng,
    ) -> Self {
        let mut dormant: BTreeMap<ChannelId, Vec<Head>> = BTreeMap::new();
        for head in heads {
            dormant.entry(head.channel).or_default().push(head);
        }
        Self { rooms: BTreeMap::new(), dormant, profile, signer, verifier, own_log, rng }
    }

    /// The rooms we are in, by name.
    pub fn joined(&self) -> Vec<&Room> {
        let mut joined: Vec<&Room> = self.rooms.values().filter(|room| room.is_joined()).collect();
        joined.sort_by(|a, b| a.name().cmp(b.name()));
        joined
    }

    /// Names of the rooms that a peer shares with us, as far as gossip says.
    pub fn shared_with(&self, cx_gossip: &super::behaviour::Gossip, peer: &PeerId) -> Vec<String> {
        let Some((_, topics)) = cx_gossip.all_peers().find(|(other, _)| *other == peer) else { return Vec::new() };
        let shares = |room: &&&Room| topics.iter().any(|topic| **topic == room.topic().hash());
        self.joined().iter().filter(shares).map(|room| room.name().to_string()).collect()
    }

    /// Connected members of a room.
    pub fn peers_in(&self, channel: &ChannelId) -> usize {
        self.rooms.get(channel).map_or(0, |room| room.replica().peers().count())
    }

    /// Events held, over all rooms of this run.
    pub fn events(&self) -> u64 {
        let dormant: u64 = self.dormant.values().flatten().map(|head| head.seq).sum();
        dormant + self.rooms.values().map(|room| room.replica().events()).sum::<u64>()
    }

    /// Joins a room. `answer`, if there is one, is told when that is durable.
    pub fn join(&mut self, cx: &mut Cx, name: RoomName, answer: Option<handle::Answer<()>>) {
        let channel = name.channel();
        let already = self.rooms.get(&channel).is_some_and(Room::is_joined);
        let joined = self.rooms.values().filter(|room| room.is_joined()).count();
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
            let room = self.open(cx, name);
            self.rooms.insert(channel, room);
        }
        let Some(room) = self.rooms.get_mut(&channel) else { return };
        if let Err(error) = cx.behaviour.gossip.subscribe(room.topic()) {
            cx.warn(format!("gossip does not take the room '{}': {error}", room.name()));
        }
        if let Err(error) = cx.behaviour.gossip.set_topic_params(room.topic().clone(), topic_scoring()) {
            cx.warn(format!("gossip does not score the room '{}': {error}", room.name()));
        }
        room.join(cx, self.profile.clone());
        cx.effects.push_back(Effect::Joined { channel, everybody: !is_selective(room) });
        let topic = room.topic().hash();
        let subscribed =
            |(peer, topics): (&PeerId, Vec<&gossipsub::TopicHash>)| topics.contains(&&topic).then_some(*peer);
        let mut present: Vec<PeerId> = cx.behaviour.gossip.all_peers().filter_map(subscribed).collect();
        // gossip keeps its peers in a hash map; what we do must not depend on its order.
        present.sort();
        for peer in present {
            protect(cx, room, peer);
            room.peer_up(cx, peer);
        }
    }

    fn open(&mut self, cx: &mut Cx, name: RoomName) -> Room {
        let channel = name.channel();
        let mut replica = Replica::new(Config {
            channel,
            policy: WritePolicy::Anyone,
            signer: self.signer.clone(),
            verifier: Arc::clone(&self.verifier),
            own_log: self.own_log,
            seed: self.seed(),
        });
        for head in self.dormant.remove(&channel).unwrap_or_default() {
            let position = Position { seq: head.seq, id: head.id, hlc: head.hlc };
            replica.restore(cx.now, head.key, position, head.frozen);
        }
        cx.reads.deferred(channel, Timestamp::from_ms(cx.now.wall_ms.saturating_add(MAX_ADVANCE_MS)));
        let presence = Presence::new(channel, self.signer.clone(), Arc::clone(&self.verifier), self.seed());
        Room::new(name, replica, presence)
    }

    fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        seed
    }

    /// Leaves a room.
    pub fn leave(&mut self, cx: &mut Cx, name: &RoomName, answer: handle::Answer<()>) {
        let Some(room) = self.rooms.get_mut(&name.channel()).filter(|room| room.is_joined()) else {
            let _ = answer.send(Err(CallError::NotInRoom(name.clone())));
            return;
        };
        if name.as_str() == LOBBY {
            let _ = answer.send(Err(CallError::CannotLeaveLobby));
            return;
        }
        room.leave(cx);
        cx.effects.push_back(Effect::Left(room.channel()));
        cx.behaviour.gossip.unsubscribe(room.topic());
        cx.journal.room(name, false, Some(answer));
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
            room.leave(cx);
        }
    }

    /// The user says something.
    pub fn say(&mut self, cx: &mut Cx, name: RoomName, text: &str, answer: handle::Answer<model::Message>) {
        match self.rooms.get_mut(&name.channel()).filter(|room| room.is_joined()) {
            Some(room) => room.say(cx, &self.profile.name, text, answer),
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
        let offence = match wire::decode::<Live, MAX_FRAME_BYTES>(&message.data) {
            Ok(live) => {
                match self.room_of(&message.topic) {
                    Some(room) => room.gossip(cx, from, id, live),
                    None => verdicts::decide(cx, &id, &from, Verdict::Ignore),
                }
                return;
            }
            Err(DecodeError::TooLong { .. }) => Offence::Oversized,
            Err(
                DecodeError::Truncated
                | DecodeError::Version(_)
                | DecodeError::Malformed(_)
                | DecodeError::NotCanonical,
            ) => Offence::Malformed,
        };
        cx.penalise(from, offence);
        verdicts::decide(cx, &id, &from, Verdict::Reject);
    }

    fn room_of(&mut self, topic: &gossipsub::TopicHash) -> Option<&mut Room> {
        let channel = ChannelId::from_topic(topic.as_str())?;
        self.rooms.get_mut(&channel).filter(|room| room.is_joined())
    }

    fn no_longer_shared(&self, cx: &mut Cx, peer: PeerId) {
        let in_it = |room: &Room| is_selective(room) && room.replica().peers().any(|other| *other == peer);
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
            && !room.answered(cx, outbound.peer, outbound.asker, answer)
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
        }
    }

    /// The store was read.
    pub fn read(&mut self, cx: &mut Cx, read: Read) {
        use proto::log::message::SyncResponse;
        match read {
            Read::Runs { token, result } => {
                let response = result.map_or(SyncResponse::Unavailable, SyncResponse::Runs);
                cx.calls.answer(cx.behaviour, token, Answer::Sync(response));
            }
            Read::Evidence { token, result } => {
                let runs = |evidence: Option<crate::store::Evidence>| evidence.map(|evidence| evidence.runs);
                let response = result.map_or(SyncResponse::Unavailable, |evidence| {
                    SyncResponse::Evidence(runs(evidence).unwrap_or_default())
                });
                cx.calls.answer(cx.behaviour, token, Answer::Sync(response));
            }
            Read::OwnBranch { channel, key, theirs, result } => {
                // An unreadable branch is no proof; the fork is noticed again after the next start.
                if let Some(evidence) = room::evidence(channel, key, result.unwrap_or_default(), theirs) {
                    cx.journal.evidence(evidence);
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

/// Whether being in a room says anything about a peer: everybody is in the lobby.
fn is_selective(room: &Room) -> bool {
    room.name().as_str() != proto::channel::LOBBY
}

/// A peer that shares one of our rooms is worth keeping.
fn protect(cx: &mut Cx, room: &Room, peer: PeerId) {
    if is_selective(room) {
        cx.effects.push_back(Effect::RoomPeer { peer });
    }
}

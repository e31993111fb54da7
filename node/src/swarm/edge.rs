//! Where a room meets the network: what it sends is sealed here, and what comes is opened.

use libp2p::{
    PeerId,
    gossipsub::{IdentTopic, PublishError, TopicHash},
};
use proto::{
    call::{Answer, Topic},
    ids::ChannelId,
    live::Live,
    offence::Offence,
};

use super::{
    behaviour::topic_scoring,
    calls::{Asker, Outbound},
    context::{Cx, Effect},
    room::Room,
    sealing::{Asked, NoAnswer, Sealing},
};

/// A channel on the network.
pub struct Edge {
    channel: ChannelId,
    topic: IdentTopic,
    sealing: Sealing,
}

impl Edge {
    /// Of a channel whose messages are sealed in this way.
    pub fn new(channel: ChannelId, sealing: Sealing) -> Self {
        Self { channel, topic: IdentTopic::new(channel.topic()), sealing }
    }

    /// The channel.
    pub fn channel(&self) -> ChannelId {
        self.channel
    }

    /// Its gossip topic.
    pub fn topic(&self) -> &IdentTopic {
        &self.topic
    }

    /// Whether it belongs to a private room.
    pub fn is_private(&self) -> bool {
        self.sealing.is_private()
    }

    /// Whether its secret is gone.
    pub fn is_forgotten(&self) -> bool {
        matches!(self.sealing, Sealing::Forgotten)
    }

    /// Whether a connected peer that is in it, as gossip says, is known to be let in.
    pub fn is_member(&self, peer: &PeerId) -> bool {
        self.sealing.is_member(peer)
    }

    /// What it is sealed with from now on.
    pub fn seal(&mut self, sealing: Sealing) {
        self.sealing = sealing;
    }

    /// A peer left it, or its last connection closed.
    pub fn gone(&mut self, peer: &PeerId) {
        self.sealing.gone(peer);
    }

    /// Gossips.
    pub fn publish(&mut self, cx: &mut Cx, live: &Live) {
        let Some(frame) = self.sealing.live(live) else { return };
        match cx.behaviour.gossip.publish(self.topic.clone(), frame) {
            // Nobody to hear it, or its queues are full: the event is durable, and repair carries it.
            Ok(_) | Err(PublishError::NoPeersSubscribedToTopic | PublishError::AllQueuesFull(_)) => {}
            Err(PublishError::Duplicate) => {}
            Err(error) => tracing::warn!("gossip did not take a message: {error}"),
        }
    }

    /// Reads a gossip message.
    ///
    /// # Errors
    /// What the neighbour that brought it did wrong.
    pub fn heard(&self, frame: &[u8]) -> Result<Live, Offence> {
        self.sealing.open_live(frame)
    }

    /// Asks a peer.
    pub fn ask(&mut self, cx: &mut Cx, to: PeerId, asker: Asker, topic: Topic) {
        let (topic, question) = self.sealing.question(&to, topic);
        let outbound = Outbound { peer: to, channel: self.channel, asker, question };
        cx.calls.ask(cx.behaviour, outbound, topic);
    }

    /// Reads an answer to a question of ours.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub fn answered(&mut self, cx: &mut Cx, outbound: &Outbound, answer: Answer) -> Result<Answer, NoAnswer> {
        let was_member = self.is_member(&outbound.peer);
        let answer = self.sealing.answered(outbound.peer, outbound.question, answer)?;
        self.note_proof(cx, outbound.peer, was_member);
        Ok(answer)
    }

    /// Reads a peer's question. One that is nobody's here is answered at once.
    pub fn asked(&mut self, cx: &mut Cx, from: PeerId, token: u64, topic: &Topic) -> Option<Topic> {
        let was_member = self.is_member(&from);
        match self.sealing.asked(from, token, topic) {
            Asked::Topic(topic) => {
                self.note_proof(cx, from, was_member);
                return Some(topic);
            }
            Asked::Stranger => {}
            Asked::Nonsense => cx.penalise(from, Offence::Malformed),
        }
        cx.calls.answer(cx.behaviour, token, topic.unavailable());
        None
    }

    /// Answers a peer's question.
    pub fn answer(&mut self, cx: &mut Cx, token: u64, answer: Answer) {
        let answer = self.sealing.answer(token, answer);
        cx.calls.answer(cx.behaviour, token, answer);
    }

    /// A peer has proved that it has the channel's secret, if it had not before: its connection is worth keeping.
    fn note_proof(&self, cx: &mut Cx, peer: PeerId, was_member: bool) {
        if !was_member && self.is_member(&peer) {
            cx.effects.push_back(Effect::RoomPeer { peer });
        }
    }
}

/// Tells gossip that we are in a room.
pub fn subscribe(cx: &mut Cx, room: &Room) {
    if let Err(error) = cx.behaviour.gossip.subscribe(room.topic()) {
        cx.warn(format!("gossip does not take the room '{}': {error}", room.name()));
    }
    if let Err(error) = cx.behaviour.gossip.set_topic_params(room.topic().clone(), topic_scoring()) {
        cx.warn(format!("gossip does not score the room '{}': {error}", room.name()));
    }
}

/// A peer that shares one of our rooms is worth keeping.
pub fn protect(cx: &mut Cx, room: &Room, peer: PeerId) {
    if room.is_selective() && room.is_member(&peer) {
        cx.effects.push_back(Effect::RoomPeer { peer });
    }
}

/// Connected peers that are in a room, as gossip says.
pub fn subscribers(cx: &Cx, room: &Room) -> Vec<PeerId> {
    let topic = room.topic().hash();
    let subscribed = |(peer, topics): (&PeerId, Vec<&TopicHash>)| topics.contains(&&topic).then_some(*peer);
    let mut present: Vec<PeerId> = cx.behaviour.gossip.all_peers().filter_map(subscribed).collect();
    // gossip keeps its peers in a hash map; what we do must not depend on its order.
    present.sort();
    present
}

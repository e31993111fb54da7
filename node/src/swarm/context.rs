//! What the swarm task lends to a capability while it handles one thing.

use std::collections::VecDeque;

use libp2p::{Multiaddr, PeerId};
use proto::{
    ids::{Author, ChannelId},
    offence::Offence,
    rate::{Rate, TokenBucket},
    time::Now,
};
use tokio::sync::broadcast;

use super::{behaviour::Behaviour, calls::Calls, journal::Journal, reads::Reads};
use crate::model::NodeEvent;

/// Something that one capability wants of another. Drained, in order, after each action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A peer broke the protocol: for the guard.
    Penalise {
        /// Who.
        peer: PeerId,
        /// How.
        offence: Offence,
    },
    /// We came into a room: for the rendezvous.
    Joined {
        /// Which.
        channel: ChannelId,
        /// Whether everybody is in it, so that whoever is connected is a member.
        everybody: bool,
    },
    /// We left a room.
    Left(ChannelId),
    /// A peer came into one of our rooms: its connection is worth keeping.
    RoomPeer {
        /// Who.
        peer: PeerId,
    },
    /// A peer is in none of our rooms any more.
    NoRoomPeer {
        /// Who.
        peer: PeerId,
    },
    /// A peer was the first to bring something that is kept: its connection is worth keeping.
    Useful {
        /// Who.
        peer: PeerId,
    },
    /// Somebody brought something valid that was not heard before.
    Heard,
    /// A peer is banned: for the connections.
    Banned {
        /// Who.
        peer: PeerId,
    },
    /// Somebody came into one of our rooms, and may be waited for: for direct messages.
    Appeared {
        /// Who.
        who: Author,
        /// The display name.
        name: String,
    },
    /// A peer is wanted: for whoever dials.
    Reach {
        /// Who.
        peer: PeerId,
        /// Where it was said to be, if anybody has said so.
        addresses: Vec<Multiaddr>,
    },
    /// A peer may have something of a share, and is dialed: for whoever dials.
    Dial {
        /// Who.
        peer: PeerId,
        /// Where it was said to be, if anybody has said so.
        addresses: Vec<Multiaddr>,
    },
    /// Blocks go from a peer to us, or to it, or no longer do: its connection is worth keeping.
    Transfers {
        /// Who.
        peer: PeerId,
        /// Whether.
        transfers: bool,
    },
    /// A lane to a peer is wanted: for whoever knows its connections.
    OpenLane {
        /// Who.
        peer: PeerId,
    },
    /// A room writes to somebody: for direct messages. Answered by [`Effect::LetterWritten`].
    Letter {
        /// The room's own.
        token: u64,
        /// To whom.
        to: Author,
        /// What.
        text: String,
    },
    /// What a room wrote is durable, or was not taken.
    LetterWritten {
        /// The room's own.
        token: u64,
        /// Whether it is durable.
        written: bool,
    },
    /// Somebody wrote to us: rooms look whether it is an invitation.
    LetterCame {
        /// Who.
        from: Author,
        /// What.
        text: String,
    },
    /// Somebody is in a private room, or wrote there: for whoever may have to tell it of a new key.
    Seen {
        /// The room's channel.
        channel: ChannelId,
        /// Who.
        who: Author,
    },
    /// The user was invited by somebody who may be reached there.
    JoinThrough(Multiaddr),
    /// A ban ended.
    Unbanned {
        /// Who.
        peer: PeerId,
    },
}

/// Gossip messages a second that this node passes on, over all rooms and neighbours. Half of what one neighbour may send us: so
/// no neighbour holds a flood against us which somebody else began. A busy room carries 1,000. What is not passed on is
/// still taken here, and repair brings it to others.
pub const FORWARDED: Rate = Rate::per_second(2_500, 5_000);

/// The lent parts. Nothing here is ever awaited.
pub struct Cx<'a> {
    /// The time at which the action is handled.
    pub now: Now,
    /// The libp2p protocols.
    pub behaviour: &'a mut Behaviour,
    /// The way to the disk.
    pub journal: &'a mut Journal,
    /// Questions under way.
    pub calls: &'a mut Calls,
    /// Reads under way.
    pub reads: &'a mut Reads,
    /// What may still be passed on.
    pub forwarding: &'a mut TokenBucket,
    /// Wishes to other capabilities.
    pub effects: &'a mut VecDeque<Effect>,
    /// Reports to users.
    pub reports: &'a broadcast::Sender<NodeEvent>,
}

impl Cx<'_> {
    /// Tells whoever listens.
    pub fn report(&self, event: NodeEvent) {
        // Without a subscriber there is nobody to tell.
        let _ = self.reports.send(event);
    }

    /// Tells the user and the log that something is wrong.
    pub fn warn(&self, text: String) {
        tracing::warn!("{text}");
        self.report(NodeEvent::Warning { text });
    }

    /// Holds an offence against a peer.
    pub fn penalise(&mut self, peer: PeerId, offence: Offence) {
        self.effects.push_back(Effect::Penalise { peer, offence });
    }
}

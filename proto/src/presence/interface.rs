//! What the machine is told and what it says.

use libp2p_identity::PeerId;

use super::message::{PresenceRequest, PresenceResponse, Profile, SignedAnnouncement};
#[cfg(doc)]
use crate::time::Now;
use crate::{ids::Author, live::Verdict, offence::Offence};

/// Something that concerns a room's presence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// We come into the room, or change how we are shown if we are there.
    Join(Profile),
    /// We leave it.
    Leave,
    /// A connected peer is in the room, and gossip can reach it.
    PeerUp(PeerId),
    /// It no longer is.
    PeerDown(PeerId),
    /// An announcement came by gossip on the room's topic.
    Announcement {
        /// From which neighbour.
        from: PeerId,
        /// The announcement.
        signed: SignedAnnouncement,
        /// Given back in [`Output::Verdict`].
        token: u64,
    },
    /// A peer asks.
    Request {
        /// Who.
        from: PeerId,
        /// What.
        request: PresenceRequest,
        /// Given back in [`Output::Respond`].
        token: u64,
    },
    /// A peer answers.
    Response {
        /// Who.
        from: PeerId,
        /// The id in [`Output::Send`].
        id: u64,
        /// What.
        response: PresenceResponse,
    },
    /// A question could not be asked, or was not answered.
    RequestFailed {
        /// The id in [`Output::Send`].
        id: u64,
    },
}

/// A member as shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberInfo {
    /// Who.
    pub author: Author,
    /// How to show it.
    pub profile: Profile,
    /// When its last announcement was heard, on the scale of [`Now::mono_ms`].
    pub heard_ms: u64,
    /// Whether this is us.
    pub is_self: bool,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Publish on the room's topic.
    Announce(SignedAnnouncement),
    /// Ask a peer, and answer with [`Input::Response`] or [`Input::RequestFailed`].
    Send {
        /// Whom.
        to: PeerId,
        /// Names the question in the answer.
        id: u64,
        /// What.
        request: PresenceRequest,
    },
    /// Answer a peer.
    Respond {
        /// From [`Input::Request`].
        token: u64,
        /// What.
        response: PresenceResponse,
    },
    /// Tell gossip what to do with an announcement. Comes once for every one.
    Verdict {
        /// From [`Input::Announcement`].
        token: u64,
        /// What to do.
        verdict: Verdict,
    },
    /// Somebody else came.
    Joined(MemberInfo),
    /// Somebody else has a new name or status.
    Changed(MemberInfo),
    /// Somebody else said goodbye or fell silent.
    Left(MemberInfo),
    /// A peer broke the protocol.
    Penalise {
        /// Who.
        peer: PeerId,
        /// How.
        offence: Offence,
    },
}

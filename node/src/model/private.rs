//! What users see of private rooms.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is private about a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PrivateRoom {
    /// How often its key was changed.
    pub epoch: u32,
    /// The peer id of who created it, and alone can change its key.
    pub owner: String,
    /// Whether that is this node.
    pub is_owner: bool,
}

/// An invitation to a private room. Whoever has the link can read along.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Invitation {
    /// What the room is called here.
    pub room: String,
    /// The link.
    pub link: String,
    /// How often the room's key was changed.
    pub epoch: u32,
}

/// A private room that was joined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JoinedRoom {
    /// What it is called here.
    pub room: String,
    /// How often its key was changed.
    pub epoch: u32,
}

/// A private room's new key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rotation {
    /// What the room is called here.
    pub room: String,
    /// The link, for those who are not told.
    pub link: String,
    /// How often its key was changed.
    pub epoch: u32,
    /// Peer ids of the members that are told of it, each by a direct message.
    pub told: Vec<String>,
}

impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Invitation(to {:?}, epoch {}, hidden)", self.room, self.epoch)
    }
}

impl fmt::Debug for Rotation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rotation(of {:?}, epoch {}, told {:?}, hidden)", self.room, self.epoch, self.told)
    }
}

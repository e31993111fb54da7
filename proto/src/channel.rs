//! Channels: where events go, who may read them and who may write.
//!
//! | kind | id | who reads | who writes | state here |
//! |---|---|---|---|---|
//! | open | SHA-256 of a tag and the room's name | whoever knows the name | the same | complete |
//! | private | derived from the secret of an invite link ([`crate::private`]) | who holds the link | the same | complete |
//! | managed | SHA-256 of the owner's signed description | who joins | members named by the owner | reserved |
//!
//! Peers meet in a channel through the gossip topic [`ChannelId::topic`]. The name of an open room never travels; its id
//! does, so a peer that does not know the name can only guess it.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use crate::{
    event::Event,
    ids::{ChannelId, tagged_hash},
};

/// Characters in a room's name: long enough for any title, short enough for one line of a terminal.
pub const MAX_ROOM_NAME_CHARS: usize = 64;

/// The room that every node joins.
pub const LOBBY: &str = "lobby";

/// A room's name in its one spelling: trimmed, NFKC, lowercase. "Lobby " and "lobby" are one room.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RoomName(String);

/// Text that cannot name a room. The user's to mend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RoomNameError {
    /// Nothing is left after trimming.
    #[error("a room's name cannot be empty")]
    Empty,
    /// More than [`MAX_ROOM_NAME_CHARS`].
    #[error("a room's name has at most {MAX_ROOM_NAME_CHARS} characters, this one has {0}")]
    TooLong(usize),
    /// A control character, such as a line break.
    #[error("a room's name cannot contain the control character {0:?}")]
    Control(char),
}

impl FromStr for RoomName {
    type Err = RoomNameError;

    fn from_str(text: &str) -> Result<Self, RoomNameError> {
        let name: String = text.trim().nfkc().flat_map(char::to_lowercase).nfkc().collect();
        let chars = name.chars().count();
        if chars == 0 {
            return Err(RoomNameError::Empty);
        }
        if chars > MAX_ROOM_NAME_CHARS {
            return Err(RoomNameError::TooLong(chars));
        }
        match name.chars().find(|c| c.is_control()) {
            Some(control) => Err(RoomNameError::Control(control)),
            None => Ok(Self(name)),
        }
    }
}

impl TryFrom<String> for RoomName {
    type Error = RoomNameError;
    fn try_from(text: String) -> Result<Self, RoomNameError> {
        text.parse()
    }
}

impl From<RoomName> for String {
    fn from(name: RoomName) -> String {
        name.0
    }
}

impl fmt::Display for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl RoomName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id of the open channel with this name.
    pub fn channel(&self) -> ChannelId {
        ChannelId(tagged_hash("starling/channel/open/1", &[self.0.as_bytes()]))
    }
}

impl ChannelId {
    /// The gossip topic on which the channel's events and presence travel.
    pub fn topic(&self) -> String {
        format!("starling/channel/1/{self}")
    }

    /// The channel of a gossip topic, or `None` for topics of other kinds.
    pub fn from_topic(topic: &str) -> Option<Self> {
        topic.strip_prefix("starling/channel/1/")?.parse().ok()
    }
}

/// Who may write in a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum WritePolicy {
    /// Everyone.
    Anyone,
}

impl WritePolicy {
    /// Whether `event` may stand in a channel with this policy.
    pub fn allows(&self, _event: &Event) -> bool {
        match self {
            Self::Anyone => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_the_same_are_one_room() {
        for text in ["lobby", " Lobby\t", "ＬＯＢＢＹ"] {
            assert_eq!(text.parse::<RoomName>().unwrap().channel(), LOBBY.parse::<RoomName>().unwrap().channel());
        }
    }

    #[test]
    fn a_name_that_cannot_be_a_room_says_why() {
        assert_eq!("  ".parse::<RoomName>(), Err(RoomNameError::Empty));
        assert_eq!("a\nb".parse::<RoomName>(), Err(RoomNameError::Control('\n')));
        assert_eq!("x".repeat(65).parse::<RoomName>(), Err(RoomNameError::TooLong(65)));
    }

    #[test]
    fn a_topic_leads_back_to_its_channel() {
        let channel = "gates".parse::<RoomName>().unwrap().channel();
        assert_eq!(ChannelId::from_topic(&channel.topic()), Some(channel));
        assert_eq!(ChannelId::from_topic("starling/other"), None);
    }
}

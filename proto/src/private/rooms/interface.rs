//! What goes into the machine and what comes out of it.

use std::{collections::BTreeSet, sync::Arc};

use super::{MAX_ROOMS, Record};
pub use crate::commits::CommitId;
use crate::{
    channel::RoomName,
    ids::{Author, ChannelId},
    private::{Epoch, Invite},
    signature::{Signer, Verifier},
};

/// What the machine is made of.
#[derive(Debug, Clone)]
pub struct Config {
    /// Signs the epochs of our own rooms.
    pub signer: Signer,
    /// Says whether the epochs of others are their owners'.
    pub verifier: Arc<dyn Verifier>,
    /// Secrets are made from it: different each time the program starts, and from nowhere but the system's random numbers.
    pub seed: [u8; 32],
}

/// Rooms' ids and records; `None` forgets a room.
pub type Changes = Vec<(ChannelId, Option<Record>)>;

/// Which members are told of a new secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whom {
    /// All that were seen, but these. Somebody who came under two identities is told under the other one.
    AllBut(BTreeSet<Author>),
    /// These of those that were seen.
    Only(BTreeSet<Author>),
}

impl Whom {
    /// Whether a member that was seen is told.
    pub fn is_told(&self, member: &Author) -> bool {
        match self {
            Self::AllBut(without) => !without.contains(member),
            Self::Only(only) => only.contains(member),
        }
    }
}

/// What happens. Tokens of the user's wishes are the driver's: each is handed back once, in [`Output::Done`] or [`Output::Refused`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The user makes a room.
    Create {
        /// The driver's.
        token: u64,
        /// What it is called.
        name: RoomName,
    },
    /// The user comes in by a link.
    Join {
        /// The driver's.
        token: u64,
        /// The link.
        invite: Box<Invite>,
        /// What the user wants to call the room; as the link says, if `None`.
        name: Option<RoomName>,
    },
    /// The user comes back into a room that was left.
    Return {
        /// The driver's.
        token: u64,
        /// The room.
        name: RoomName,
    },
    /// The user leaves a room.
    Leave {
        /// The driver's.
        token: u64,
        /// The room.
        name: RoomName,
    },
    /// The user makes a new secret.
    Rotate {
        /// The driver's.
        token: u64,
        /// The room.
        name: RoomName,
        /// Which members are told.
        whom: Whom,
    },
    /// A letter came whose text is an invitation, or it is among the last that came. Those that came first come first.
    Letter {
        /// Who wrote it, proven.
        from: Author,
        /// The invitation.
        invite: Box<Invite>,
    },
    /// Somebody is in a channel, or wrote there.
    Seen {
        /// The channel.
        channel: ChannelId,
        /// Who.
        who: Author,
    },
    /// What became of [`Output::Tell`].
    LetterWritten {
        /// Its token.
        token: u64,
        /// Whether the letter is durable. If not, it is tried again later.
        written: bool,
    },
    /// All commits up to this one would survive a power cut.
    Persisted {
        /// The last of them.
        through: CommitId,
    },
    /// The store did not take the commit that it has not answered yet.
    PersistFailed,
}

/// What somebody in a channel does there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Station {
    /// Talks, and is shown as present.
    Member,
    /// Keeps and gives what was said, of a past epoch.
    Quiet,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Make these records durable, all or none, each in the place of the room's one before, then say [`Input::Persisted`].
    Persist {
        /// Names it.
        commit: CommitId,
        /// What.
        changes: Changes,
    },
    /// Be in a channel in this way from now on.
    Open {
        /// What the room is called.
        name: RoomName,
        /// The channel's epoch.
        epoch: Box<Epoch>,
        /// The way.
        station: Station,
    },
    /// Be in that channel no longer, and forget its secret.
    Close(ChannelId),
    /// We are in a room: tell the user.
    Came(RoomName),
    /// We are in it no longer: tell the user.
    Went(RoomName),
    /// A room that we are in has a new secret: tell the user.
    Moved {
        /// The room.
        name: RoomName,
        /// The number of its epoch.
        number: u32,
    },
    /// Write somebody a letter whose text is this invitation's link, and answer with [`Input::LetterWritten`].
    Tell {
        /// Names it.
        token: u64,
        /// To whom.
        to: Author,
        /// The invitation, without addresses.
        invite: Box<Invite>,
    },
    /// A wish of the user came true.
    Done {
        /// The wish's.
        token: u64,
        /// How.
        done: Done,
    },
    /// It did not; nothing was changed.
    Refused {
        /// The wish's.
        token: u64,
        /// Why.
        why: Refused,
    },
}

/// What came of a wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// We are in the room that this invites to.
    Entered(Box<Invite>),
    /// We left.
    Left,
    /// There is a new secret.
    Rotated {
        /// The invitation to it, without addresses.
        invite: Box<Invite>,
        /// Who is told.
        told: BTreeSet<Author>,
    },
}

/// Why a wish did not come true. The user's to mend, but for [`Refused::Overloaded`] and [`Refused::NotStored`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Another room has that name here.
    #[error("you have another room called '{0}'; choose another name for this one")]
    NameTaken(RoomName),
    /// The user has this room under another name.
    #[error("you have this room already and call it '{0}'; if you left it, come back with: node join {0}")]
    KnownAs(RoomName),
    /// No private room of ours has that name.
    #[error("you have no private room called '{0}'; open ones need no invitation: node join {0}")]
    Unknown(RoomName),
    /// We are not in it.
    #[error("you left the room '{0}'; join it first")]
    NotInRoom(RoomName),
    /// Others make this room's secrets.
    #[error("only its owner, who created the room '{0}', can change its key")]
    NotOwner(RoomName),
    /// As many rooms as can be kept, none of which was left.
    #[error("you are in {MAX_ROOMS} private rooms, which is the most a node can be in; leave one first")]
    TooMany,
    /// As many secrets as can be numbered.
    #[error("the key of the room '{0}' was changed too often; create a new room")]
    TooOften(RoomName),
    /// The link's epoch is not its owner's.
    #[error("this invitation was not made by the room's owner; ask for another one")]
    Forged,
    /// The room has moved on.
    #[error("this invitation is older than the key that you have of the room '{0}'; nothing was changed")]
    Outdated(RoomName),
    /// Too much is to be done.
    #[error("too much is to be done; try again")]
    Overloaded,
    /// The store failed.
    #[error("the room could not be stored")]
    NotStored,
}

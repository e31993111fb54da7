//! What travels for presence: signed announcements, and the question for a list of them.

use serde::{Deserialize, Serialize};

use crate::{
    chat::{MAX_NAME_CHARS, check_name},
    ids::{Author, ChannelId},
    offence::Offence,
    signature::{Signature, Signer, Verifier, verify},
    wire,
};

/// Characters in a status: a line beside a name.
pub const MAX_STATUS_CHARS: usize = 64;

/// Bytes: the largest encoded [`SignedAnnouncement`]: two 32-byte names, two integers of up to 9 bytes, name and status at 4
/// bytes a character, the signature, kind and lengths.
pub const MAX_ANNOUNCEMENT_BYTES: usize = 64 + 18 + 4 * (MAX_NAME_CHARS + MAX_STATUS_CHARS) + 64 + 14;

/// Members in one page of a list: small enough to be verified between two other things (about 15 ms), and large enough that
/// most rooms take one page.
pub const MAX_PAGE_MEMBERS: usize = 256;

/// Bytes: the largest encoded [`PresenceRequest`].
pub const MAX_REQUEST_BYTES: usize = 64;

/// Bytes: the largest encoded [`PresenceResponse`]: a full page, each entry with its age.
pub const MAX_RESPONSE_BYTES: usize = MAX_PAGE_MEMBERS * (MAX_ANNOUNCEMENT_BYTES + 9) + 16;

const TAG: &str = "starling/presence/1";

/// How a member is shown: a display name and a status line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Display name, as [`check_name`] wants it. Anyone may use any name; the key is the identity.
    pub name: String,
    /// Free text, may be empty: at most [`MAX_STATUS_CHARS`] characters, no control characters.
    pub status: String,
}

/// A name or status that cannot be announced. The user's to mend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidProfile {
    /// Empty, too long, or with control characters.
    #[error("a name has 1 to {MAX_NAME_CHARS} characters and no control characters")]
    Name,
    /// Too long, or with control characters.
    #[error("a status has at most {MAX_STATUS_CHARS} characters and no control characters")]
    Status,
}

impl Profile {
    /// A checked profile.
    ///
    /// # Errors
    /// [`InvalidProfile`] says what to change.
    pub fn new(name: &str, status: &str) -> Result<Self, InvalidProfile> {
        let profile = Self { name: name.into(), status: status.into() };
        profile.check().map(|()| profile)
    }

    fn check(&self) -> Result<(), InvalidProfile> {
        check_name(&self.name).map_err(|_| InvalidProfile::Name)?;
        if self.status.chars().count() > MAX_STATUS_CHARS || self.status.chars().any(char::is_control) {
            return Err(InvalidProfile::Status);
        }
        Ok(())
    }
}

/// What a member announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// I have come.
    Hello,
    /// I am still here.
    Heartbeat,
    /// I am going.
    Goodbye,
}

/// A member's word about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// The room.
    pub channel: ChannelId,
    /// Who speaks.
    pub author: Author,
    /// When, milliseconds of the author's wall clock, and later than what the author announced before: the order of its
    /// announcements, over restarts too.
    pub sent_ms: u64,
    /// Milliseconds until the author will announce itself again, more or less.
    pub interval_ms: u64,
    /// What.
    pub kind: Kind,
    /// How to show the author.
    pub profile: Profile,
}

/// An announcement and its author's signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedAnnouncement {
    /// The announcement.
    pub announcement: Announcement,
    /// The author's signature over its encoding.
    pub signature: Signature,
}

impl SignedAnnouncement {
    /// Signs an announcement. Its `author` must be the signer's, or nobody will believe it.
    pub fn create(signer: &Signer, announcement: Announcement) -> Self {
        let signature = signer.sign(TAG, &wire::encode(&announcement));
        Self { announcement, signature }
    }

    /// Checks what can be checked without knowing the member, the signature by `verifier`.
    ///
    /// # Errors
    /// The [`Offence`] of whoever passed it on: a correct peer checks first.
    pub fn verify(&self, verifier: &dyn Verifier) -> Result<(), Offence> {
        self.announcement.profile.check().map_err(|_| Offence::Malformed)?;
        if !verify(verifier, &self.announcement.author, TAG, &wire::encode(&self.announcement), &self.signature) {
            return Err(Offence::BadSignature);
        }
        Ok(())
    }
}

/// An announcement as one peer repeats it to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// The member's latest announcement.
    pub signed: SignedAnnouncement,
    /// Milliseconds since the answering peer heard it.
    pub age_ms: u64,
}

/// A question about who is in a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PresenceRequest {
    /// The members you know to be present, those after this one.
    List {
        /// The last member of the page before.
        after: Option<Author>,
    },
}

/// The answer to a [`PresenceRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PresenceResponse {
    /// A page of members, the answering peer among them, sorted by author, at most [`MAX_PAGE_MEMBERS`].
    Members {
        /// The entries.
        members: Vec<Heard>,
        /// Whether a further page follows.
        more: bool,
    },
    /// The answering peer is not in that room, or does not answer more of this peer's questions now.
    Unavailable,
}

//! Chat: the body of a message in a room.

use serde::{Deserialize, Serialize};

use crate::{
    event::{Body, MAX_BODY_BYTES},
    wire::{self, DecodeError},
};

/// [`Body::kind`] of a chat message.
pub const KIND: u32 = 1;

/// Characters in a display name: what fits beside a message on one line.
pub const MAX_NAME_CHARS: usize = 32;

/// Bytes of text in one message: the largest event, less its header, the name (4 bytes a character) and lengths.
pub const MAX_TEXT_BYTES: usize = MAX_BODY_BYTES - 4 * MAX_NAME_CHARS - 16;

/// A message to a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatMessage {
    /// The author's display name when the message was written. Anyone may use any name; the author's key is the identity.
    pub name: String,
    /// What is said.
    pub text: String,
}

/// Text or a name that cannot be sent. The user's to mend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidChat {
    /// Nothing to say: no text, or only white space.
    #[error("the message is empty")]
    EmptyText,
    /// More than [`MAX_TEXT_BYTES`].
    #[error("the message has {0} bytes; at most {MAX_TEXT_BYTES} fit in one")]
    TextTooLong(usize),
    /// Empty, too long, or with control characters.
    #[error("a name has 1 to {MAX_NAME_CHARS} characters and no control characters")]
    Name,
}

impl ChatMessage {
    /// A checked message.
    ///
    /// # Errors
    /// [`InvalidChat`] says what to change.
    pub fn new(name: &str, text: &str) -> Result<Self, InvalidChat> {
        if text.trim().is_empty() {
            return Err(InvalidChat::EmptyText);
        }
        if text.len() > MAX_TEXT_BYTES {
            return Err(InvalidChat::TextTooLong(text.len()));
        }
        check_name(name)?;
        Ok(Self { name: name.into(), text: text.into() })
    }

    /// The event body that says this.
    pub fn to_body(&self) -> Body {
        Body { kind: KIND, bytes: wire::encode(self) }
    }

    /// Reads the body of a chat event; `None` when it is of another kind.
    ///
    /// # Errors
    /// [`DecodeError`] when it claims to be a chat message and is not one.
    pub fn from_body(body: &Body) -> Option<Result<Self, DecodeError>> {
        (body.kind == KIND).then(|| wire::decode::<Self, MAX_BODY_BYTES>(&body.bytes))
    }
}

/// Checks a display name.
///
/// # Errors
/// [`InvalidChat::Name`].
pub fn check_name(name: &str) -> Result<(), InvalidChat> {
    let chars = name.chars().count();
    if chars == 0 || chars > MAX_NAME_CHARS || name.chars().any(char::is_control) {
        return Err(InvalidChat::Name);
    }
    Ok(())
}

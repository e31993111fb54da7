//! The encoding of everything that peers exchange: bincode 2 through serde, behind one strict door.
//!
//! A frame is one version byte followed by the bincode encoding (`config::standard()`: little endian, variable-length
//! integers) of one value. Decoding is strict in four ways:
//!
//! | check | why |
//! |---|---|
//! | the frame is at most `LIMIT` bytes, and no length inside may ask for more | a length prefix must not allocate what was never sent |
//! | the version byte is [`VERSION`] | a later format must be told apart from damage |
//! | nothing follows the value | two spellings of one message would have two hashes |
//! | the value encodes back to the very same bytes | bincode accepts overlong integers; signatures and hashes must not |
//!
//! bincode 2.0.1 is feature-complete and unmaintained (RUSTSEC-2025-0141); this module is the only one that names it, so
//! that a successor has one place to go. `tests/golden.rs` pins the bytes of every message.

use serde::{Serialize, de::DeserializeOwned};

/// The version of the encoding, the first byte of every frame.
pub const VERSION: u8 = 1;

/// Why bytes from a peer could not be understood. The sender's fault, except for [`DecodeError::Truncated`]; never worth a
/// retry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The frame is longer than its kind allows.
    #[error("{len} bytes exceed the limit of {limit}")]
    TooLong {
        /// Bytes in the frame.
        len: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The frame ends before its value does, or is empty. On a stream this is what a broken connection looks like, so it is
    /// not necessarily the sender's fault.
    #[error("cut short")]
    Truncated,
    /// The frame starts with a version this program does not speak.
    #[error("unknown version {0}")]
    Version(u8),
    /// The bytes are not an encoding of the expected type.
    #[error("malformed: {0}")]
    Malformed(String),
    /// The value is followed by more bytes, or was encoded in a second, longer way.
    #[error("not the canonical encoding")]
    NotCanonical,
}

/// Encodes `value` as a frame.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    let mut frame = vec![VERSION];
    encode_into(value, &mut frame);
    frame
}

/// Appends the encoding of `value`, without a version byte, to `out`.
pub(crate) fn encode_into<T: Serialize>(value: &T, out: &mut Vec<u8>) {
    #[expect(
        clippy::expect_used,
        reason = "writing to a Vec cannot fail, and our types hold only what bincode encodes"
    )]
    bincode::serde::encode_into_std_write(value, out, bincode::config::standard())
        .expect("encoding to memory is infallible");
}

/// Decodes a frame of at most `LIMIT` bytes, strictly.
///
/// # Errors
/// [`DecodeError`] says which of the four checks failed.
pub fn decode<T: Serialize + DeserializeOwned, const LIMIT: usize>(frame: &[u8]) -> Result<T, DecodeError> {
    if frame.len() > LIMIT {
        return Err(DecodeError::TooLong { len: frame.len(), limit: LIMIT });
    }
    let (&version, rest) = frame.split_first().ok_or(DecodeError::Truncated)?;
    if version != VERSION {
        return Err(DecodeError::Version(version));
    }
    let config = bincode::config::standard().with_limit::<LIMIT>();
    let (value, used): (T, usize) =
        bincode::serde::decode_from_slice(rest, config).map_err(|error| DecodeError::Malformed(error.to_string()))?;
    if used != rest.len() || encode(&value) != frame {
        return Err(DecodeError::NotCanonical);
    }
    Ok(value)
}

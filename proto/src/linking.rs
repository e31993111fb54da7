//! Links: what people hand each other as text. A prefix tells the kind; then comes a frame of [`crate::wire`] with a check sum, in
//! base64url, so that a mistyped link is told from one of a newer program.

use data_encoding::BASE64URL_NOPAD;

use crate::ids::tagged_hash;

/// Addresses in a link: enough to get in though some are gone, few enough for a link that can be sent around.
pub const MAX_ADDRESSES: usize = 4;

/// Bytes of one such address, as text.
pub const MAX_ADDRESS_BYTES: usize = 256;

/// Bytes at the end that tell a mistyped link.
const CHECK_BYTES: usize = 4;

/// Why a text is not the link it should be. The user's to mend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Damage {
    /// It does not begin as such a link does.
    Prefix,
    /// A character is missing or wrong.
    Damaged,
}

/// The link with this prefix that holds `frame`; `tag` goes into its check sum.
pub(crate) fn to_text(prefix: &str, tag: &str, mut frame: Vec<u8>) -> String {
    let check = check(tag, &frame);
    frame.extend(check);
    format!("{prefix}{}", BASE64URL_NOPAD.encode(&frame))
}

/// The frame that a link holds, of at most about `limit` bytes.
pub(crate) fn from_text(prefix: &str, tag: &str, text: &str, limit: usize) -> Result<Vec<u8>, Damage> {
    let code = text.trim().strip_prefix(prefix).ok_or(Damage::Prefix)?;
    if code.len() > 2 * limit {
        return Err(Damage::Damaged);
    }
    let bytes = BASE64URL_NOPAD.decode(code.as_bytes()).map_err(|_| Damage::Damaged)?;
    match bytes.split_last_chunk::<CHECK_BYTES>() {
        Some((frame, end)) if *end == check(tag, frame) => Ok(frame.to_vec()),
        _ => Err(Damage::Damaged),
    }
}

/// Those of the addresses that a link has room for.
pub(crate) fn fitting(addresses: &[String]) -> Vec<String> {
    addresses.iter().filter(|address| address.len() <= MAX_ADDRESS_BYTES).take(MAX_ADDRESSES).cloned().collect()
}

/// Whether a link has room for these addresses.
pub(crate) fn fit(addresses: &[String]) -> bool {
    addresses.len() <= MAX_ADDRESSES && addresses.iter().all(|address| address.len() <= MAX_ADDRESS_BYTES)
}

fn check(tag: &str, frame: &[u8]) -> [u8; CHECK_BYTES] {
    let hash = tagged_hash(tag, &[frame]);
    let mut check = [0; CHECK_BYTES];
    check.copy_from_slice(&hash[..CHECK_BYTES]);
    check
}

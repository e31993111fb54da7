//! The recipient's keys: which one its card names, which ones still open what was sealed before, and when each is made and forgotten.
//!
//! A [`KeyRing`] makes a key at its first start, and a new one when the current is [`ROTATE_MS`] old or its user asks. A replaced key
//! is kept for [`KEEP_MS`] more and then forgotten. The [`SignedCard`] that names the current key is handed out only once that key and
//! the card's date would survive a power cut: what is sealed for a key must find it.
//!
//! | a key is | until | opens letters |
//! |---|---|---|
//! | committing | the store has it; if the store fails, it is made anew after [`RETRY_MS`] | no: no card names it |
//! | current | the next key is durable | yes |
//! | replaced | [`KEEP_MS`] have passed and the store has removed it | yes |
//!
//! All that is to be kept is one small record ([`Stored`]), written whole, one at a time: what is asked for meanwhile goes into the next.
//!
//! # Which time counts
//!
//! Ages are counted in the ring's own time, which never goes back. It goes on with the monotonic clock while the node runs; for the time
//! in which it was off or asleep it follows the wall clock, as far as that is later than ever before, and by at most [`MAX_LEAP_MS`]
//! in one leap. So a clock that is set back changes nothing, one that jumps ahead by years has the key replaced once and forgets none
//! before its time is half over, and one that jumps to and fro between two times counts once. After such a jump ahead only the time in
//! which the node runs counts, until the wall clock has caught up.
//!
//! | bound | value |
//! |---|---|
//! | keys | [`MAX_KEYS`] |
//! | keys made by hand | only while there are fewer than [`MAX_KEYS_BY_HAND`]; then refused ([`Output::NotRotated`]), as none may go early |

mod interface;
mod ring;

pub use interface::*;
pub use ring::KeyRing;

#[cfg(doc)]
use super::card::SignedCard;
use super::card::{KEEP_MS, ROTATE_MS};

/// Keys, the current one included. Each is about 64 bytes and is tried by its name, so that a few dozen cost nothing.
pub const MAX_KEYS: usize = 64;

/// Keys up to which the user can have more made: the rest is for those that are made because it is time.
pub const MAX_KEYS_BY_HAND: usize = MAX_KEYS - 4;

/// Milliseconds that one leap of the wall clock counts for, at most: enough to have the current key replaced, and only half of what has a
/// replaced one forgotten.
pub const MAX_LEAP_MS: u64 = ROTATE_MS;

/// Milliseconds by which a clock must have moved to be counted, so that nothing is lost or won by rounding.
pub const STEP_MS: u64 = 60_000;

/// Milliseconds between two looks at the wall clock: the monotonic one stands still while the machine sleeps.
pub const LOOK_MS: u64 = 3_600_000;

/// Milliseconds of the ring's time after which it is written even if nothing else changed.
pub const SAVE_MS: u64 = 24 * 3_600_000;

/// Milliseconds until the store is tried again after it failed.
pub const RETRY_MS: u64 = 60_000;

const _: () = assert!(KEEP_MS / ROTATE_MS < (MAX_KEYS - MAX_KEYS_BY_HAND) as u64);
const _: () = assert!(MAX_LEAP_MS * 2 <= KEEP_MS && SAVE_MS < MAX_LEAP_MS);

#[cfg(test)]
mod tests;

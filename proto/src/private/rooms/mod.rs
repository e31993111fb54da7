//! The private rooms that we have: which secrets of each, who is to be told of a new one, and when an old one is forgotten.
//!
//! Of each room one [`Record`] is kept. It changes by one commit at a time, and nothing is done before that is durable: no channel
//! is joined whose secret a power cut could take away, and nobody is told of a key that this node might not have tomorrow.
//!
//! | what happens | what comes of it |
//! |---|---|
//! | the user creates a room | a secret, the room's first epoch; we are its owner |
//! | the user joins by a link | its epoch; if we have the room, the later one of both |
//! | the owner rotates | a secret, the next epoch; those who stay are to be told, one letter each, until each letter is durable |
//! | a letter comes that is a link | if the owner of a room that we have wrote it, and its epoch is later: we move to it; nothing is opened of a room that was left |
//! | the user leaves | all its channels are left; the record stays, so that one can come back and read |
//!
//! **Past epochs** are kept for [`KEEP_MS`] after we moved on, at most [`MAX_PAST`] of each room: we stay in their channels quietly,
//! without being shown as present, so that what was said there reaches members who were away. Then the secret is forgotten; only the
//! channel's id stays, by which our own copy of its history is found. A wall clock that leaps far ahead while the program runs is not
//! believed; one that is far ahead when it starts is.
//!
//! **Members** are collected by the owner alone, for whom else would they be of use: whoever it sees in the room's current epoch.
//! Who has only ever been there while the owner was not, and said nothing, is unknown to it, and is not told of a rotation. A
//! second rotation that the owner's restored backup makes under a number that was used already is not followed by those who have the
//! first.
//!
//! | bound | value | when it is reached |
//! |---|---|---|
//! | [`MAX_ROOMS`] | 128 | a room that was left is forgotten, the one longest unchanged; if there is none, a further one is refused |
//! | [`MAX_PAST`] | 4 | the oldest is left early |
//! | [`MAX_OLDER`] | 64 | the oldest is no longer part of the room's history |
//! | [`MAX_MEMBERS`] | 256 | further ones are not noted: the owner has to send them the link |
//! | [`MAX_WISHES`] | 64 | refused; the user tries again |
//! | letters that wait | 1 for each room | the one with the highest number stays: only what was said in the epochs between is missed |
//! | moves that letters make | 1 for each room in [`MOVE_MS`] | the letter waits; the first is followed at once |
//! | [`MAX_TELLING`] | 16 | the next is told when one letter is durable |

mod interface;
mod letters;
mod machine;
mod notes;
#[cfg(test)]
mod properties;
mod record;
mod telling;
#[cfg(test)]
mod tests;
mod wishes;
#[cfg(test)]
mod world;

pub use interface::*;
pub use machine::PrivateRooms;
pub use record::{HeldEpoch, MAX_RECORD_BYTES, Record};

use crate::direct::card;

/// Private rooms that one node keeps, those that were left included. Each has up to [`MAX_PAST`] and one topics, of which peers
/// keep track of a limited number.
pub const MAX_ROOMS: usize = 128;

/// Past epochs of a room whose channels we stay in.
pub const MAX_PAST: usize = 4;

/// Epochs of a room, before those, whose history is still shown: 32 bytes each.
pub const MAX_OLDER: usize = 64;

/// Members of a room that its owner can tell of a new secret: one letter each.
pub const MAX_MEMBERS: usize = 256;

/// Wishes of the user that wait for the disk.
pub const MAX_WISHES: usize = 64;

/// Milliseconds from one move that a letter made until the next one in the same room. Each move is up to three changes of subscriptions
/// that all neighbours hear, who take too many of them for a flood; and nobody needs a new key more often.
pub const MOVE_MS: u64 = 60_000;

/// Letters to members that are not durable yet.
pub const MAX_TELLING: usize = 16;

/// Milliseconds that a past epoch is kept: as long as mailboxes keep the letter that tells somebody who is away of the next one.
pub const KEEP_MS: u64 = card::KEEP_MS;

/// Milliseconds after the store failed until what it did not take is tried again.
pub const RETRY_MS: u64 = 5_000;

/// Milliseconds after a letter was not taken until it is tried again: as many wait as may, and that does not change in a moment.
pub const TELL_AGAIN_MS: u64 = 60_000;

/// Milliseconds between two looks for past epochs whose time is over. They go by wall time, which may jump a little.
pub const LOOK_MS: u64 = 3_600_000;

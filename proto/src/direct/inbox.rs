//! The recipient's side: every letter stored once and shown once, whichever way and however often it comes.
//!
//! # The protocol in prose
//!
//! Envelopes come from a peer that waits for an answer, or out of a mailbox that keeps them until it is told that they have arrived. An
//! [`Inbox`] opens each, knows each text again by its author, stream and number, and hands the store what is new. Only what would
//! survive a power cut is acknowledged: the peer is told `Delivered`, the mailbox `Discard`. So a letter is with its sender, with a
//! mailbox or in the store at any time, and nobody forgets it before the next has it. What came by mailbox is also acknowledged to its author,
//! by a receipt: the mailbox does not know who that is.
//!
//! An author that writes two letters under one number has only the first of them read: the second is taken for a copy. Nobody but itself
//! loses anything by that.
//!
//! Keys are lent with each call and not owned: the ring has a record of its own in the store, and neither waits for the other's commits.
//!
//! # A letter's way
//!
//! | state | where | leaves it when |
//! |---|---|---|
//! | offered | with its sender or in its mailbox | it is opened and is new; else see below |
//! | committing | `commits`: part of its stream's tip | the store answers: durable; or fails: the tip goes back, the sender may try again and the mailbox has it still |
//! | durable | in the store, acknowledged | never |
//! | waiting | `order`: durable, but one before it in its stream is missing | that one comes, or [`GAP_PATIENCE_MS`] are over, or there is no room to wait |
//! | shown | with the user ([`Output::Show`]) | - |
//!
//! After a restart, whatever is durable counts as shown: the conversation is read from the store, where the letters are, and `Show`
//! says only what is new in it. So nothing about showing is stored, and nothing is shown twice.
//!
//! | what comes | a peer is answered | in a mailbox |
//! |---|---|---|
//! | a new text | `Delivered`, when it is durable | discarded, when it is durable |
//! | a known one | `Delivered`, at once or with the commit under way | discarded, the same, when it is durable that a receipt is owed |
//! | a receipt | `Delivered`, when what it says is durable with the outbox | discarded, the same |
//! | for somebody else; does not open, or breaks a rule | `Invalid`, and the peer is to blame | discarded |
//! | for a key that we do not have | `UnknownKey` with our card | discarded: no key will come back |
//! | from somebody blocked; a receipt from a stranger | `NotWanted` | discarded |
//! | beyond a bound of what is kept | `Full` | left |
//! | beyond a bound of how fast | `Unavailable` | left |
//!
//! # Receipts
//!
//! A stream owes a receipt ([`Stream::owed`]) from when a mailboxed text of it comes, or it is read, until the outbox has sent one. That
//! is stored with the stream, and taken back by a record of its own when the outbox says so ([`Input::ReceiptSent`]); what a process could
//! not send, the next one says again, which does no harm. The outbox has one receipt for each
//! author, so that of two streams of one author the second is said again after the first.
//!
//! Receipts of others are for the outbox to compare ([`Output::Receipt`]): not by their dates, since a clock may be set back, but by what they
//! say. They are acknowledged when that is durable ([`Input::ReceiptNoted`]), with all that came before about the same stream.
//!
//! # Strangers
//!
//! Whoever is not known ([`Input::Known`]: we wrote to them, or they are contacts) is a stranger. Names cost nothing, so all strangers
//! share [`STRANGERS`] and [`MAX_STRANGERS_LETTERS`]. A peer is known by its connection, before anything is opened. Of a mailboxed letter
//! the author is known only once it is open; there the rate holds for taking it, and how many are opened is for whoever collects them to
//! pace. Letters of known authors never wait for those of strangers. [`Input::Dismiss`] makes room: it forgets a stranger and what it
//! had delivered.
//!
//! # Bounds
//!
//! | what a peer can make grow | bound |
//! |---|---|
//! | streams of one author | [`MAX_STREAMS`] |
//! | gaps in one stream | [`MAX_STRETCHES`] |
//! | authors | those that the user knows or blocks, [`MAX_PEOPLE`]; strangers have at least one letter each |
//! | a stranger's letters; all strangers' | [`MAX_LETTERS_OF_STRANGER`]; [`MAX_STRANGERS_LETTERS`] |
//! | bytes under way to the store | [`MAX_COMMITTING_BYTES`] |
//! | copies that wait for one commit | [`MAX_COPIES`] |
//! | bytes of letters that wait for those before them | [`MAX_WAITING_BYTES`] |
//! | streams of ours with receipts that the outbox has yet to note | [`MAX_NOTING`] |

mod commits;
mod discards;
mod interface;
mod machine;
mod order;
mod people;
mod ranges;
mod receipts;
mod refusing;
mod telling;

pub use interface::*;
pub use machine::Inbox;
pub use ranges::Ranges;

#[cfg(doc)]
use super::letter::MAX_STRETCHES;
use crate::rate::Rate;

/// Milliseconds for which a letter is held back when one before it is missing: the order of a conversation is worth that much.
pub const GAP_PATIENCE_MS: u64 = 5_000;

/// Bytes of letters that are held back so. Beyond it the one that waits longest is shown.
pub const MAX_WAITING_BYTES: usize = 4 * 1024 * 1024;

/// Bytes of letters handed to the store and not yet durable. Beyond it none is taken.
pub const MAX_COMMITTING_BYTES: usize = 4 * 1024 * 1024;

/// Copies of a letter that wait for its commit: one for each mailbox and a few that its author sent again.
pub const MAX_COPIES: usize = 8;

/// Streams of one author: a new one is made with each new store, so honest authors have a handful.
pub const MAX_STREAMS: usize = 64;

/// People whom the user knows or blocks. Each costs about 200 bytes.
pub const MAX_PEOPLE: usize = 16_384;

/// Letters of all strangers in the store: what two people exchange in an eager first week many times over, and at most 240 MiB.
pub const MAX_STRANGERS_LETTERS: u64 = 10_000;

/// Letters of one of them: an eager first week, which leaves room for others.
pub const MAX_LETTERS_OF_STRANGER: u64 = 2_000;

/// How fast strangers' letters are opened or taken, all together: opening one costs about 0.2 ms, so that they take a fifth of a core.
/// Somebody whom the user does not know yet may well have a lot to say, and whoever sends what does not open is kept out.
pub const STRANGERS: Rate = Rate::per_second(1_000, 2_000);

/// Streams of ours about which receipts are on their way to the disk; of more, none is taken.
pub const MAX_NOTING: usize = 1_024;

/// Milliseconds for which a receipt waits, so that it speaks for many letters.
pub const RECEIPT_DELAY_MS: u64 = 2_000;

/// Milliseconds between two receipts for letters that a mailbox brings again and again.
pub const RECEIPT_AGAIN_MS: u64 = 60_000;

/// Milliseconds until a receipt is said again whose having been said could not be stored.
pub const RECEIPT_RETRY_MS: u64 = 60_000;

/// Milliseconds for which the names of arrived letters are collected for a mailbox.
pub const DISCARD_DELAY_MS: u64 = 1_000;

#[cfg(test)]
pub(super) mod tests;

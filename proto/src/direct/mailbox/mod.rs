//! A mailbox: a node that keeps sealed letters for recipients that are away.
//!
//! A recipient **registers** with its card. From then on the mailbox hands the card to whoever asks, lays a provider record so that
//! senders find it, and keeps for [`KEEP_MS`](super::card::KEEP_MS) every letter that anybody **deposits** for the recipient. Once
//! back, the recipient **collects** its letters page by page, oldest first, and **discards** those that it holds itself. The
//! mailbox reads none of them, and does not know who wrote them.
//!
//! | a recipient is | from | until | then |
//! |---|---|---|---|
//! | unknown | | it registers | letters for it are refused: `NotWanted` |
//! | registered | its card is durable here | it was silent for `KEEP_MS`; each registration starts that anew | letters for it are taken |
//! | lapsed | then | it registers again | its letters stay until they expire, and it may collect them |
//!
//! | a letter is | from | until |
//! |---|---|---|
//! | under way | it found room | the store has it: the depositor hears `Deposited`; or failed: `Unavailable` |
//! | kept | it is durable | its recipient discards it, or it was here for `KEEP_MS` |
//! | going | it is handed to the store to be dropped | the store has dropped it: the recipient hears `Noted`; or failed: it is kept again |
//!
//! **Durable first.** Each change goes to the store as a commit, and whoever waits for it is answered when the store has it, in the
//! order of the commits. An answer without a change of its own (a letter deposited twice) waits for all that is under way. When the
//! store fails, all commits under way are undone, the last one first, and those who waited hear `Unavailable`.
//!
//! **Prefixes.** A deposit may hold letters for several recipients. They are judged one by one, and the first that is not taken
//! ends it: `Deposited(n)` speaks of the first `n`. If `n` would be 0, the answer says why the first was not taken. A letter
//! that is here already counts as taken and costs nothing.
//!
//! **Time.** The mailbox has a clock of its own. It moves with the monotonic clock, and with the wall clock where that is ahead by
//! [`MAX_LEAP_MS`] or less, as after a night asleep; a wall clock that is further ahead, or behind, is not believed. After a restart it
//! goes on from the latest time in the store, again at most that far ahead. So no clock set wrong drops everything at once. What is not
//! believed makes letters stay longer, which the quotas bound. As this clock never goes back, letters expire in the order in which
//! they came.
//!
//! **Memory.** Letters are in the store; in memory is an index, with some 290 bytes for each of them: 58 MB for
//! [`MAX_LETTERS`]. Every question costs O(log n) for each letter that it names.
//!
//! | bound | value | when it is reached |
//! |---|---|---|
//! | [`MAX_RECIPIENTS`] registered | 10,000 | further ones are refused: `Full` |
//! | [`MAX_NEIGHBOURHOOD_RECIPIENTS`] of them from one neighbourhood | 1,000 | the same; those registered may renew |
//! | [`MAX_RECIPIENT_LETTERS`], [`MAX_RECIPIENT_BYTES`] for one recipient | 20,000, 128 MiB | `Full` |
//! | [`MAX_DEPOSITOR_LETTERS`], [`MAX_DEPOSITOR_BYTES`] from one depositor | 12,000, 64 MiB | `Full`, until some expire or are discarded |
//! | [`MAX_LETTERS`], [`MAX_BYTES`] in all | 200,000, 1 GiB | `Full` |
//! | [`ASKER_QUESTIONS`], [`DEPOSITOR_QUESTIONS`] | 10 and 20 a second | `Unavailable` |
//! | [`MAX_COMMITTING_BYTES`], [`MAX_COMMITS`] on their way to the store | 16 MiB, 1,024 | `Unavailable` |
//! | [`MAX_WAITING`] answers without a change of their own that wait for one commit | 64 | `Unavailable` |
//! | [`MAX_METERED`] askers, and depositors, whose rate is watched | 4,096 each | the longest silent is forgotten, and starts anew |
//! | [`MAX_EXPIRED`] letters dropped in one commit | 1,024 | the others follow in the next |
//!
//! Cards are asked for by nobody in particular, and cost no more than a look into memory: whoever drives this limits how often one peer
//! may ask.

mod commits;
mod index;
mod interface;
mod keeper;
mod meter;
mod registry;

pub use crate::clock::MAX_LEAP_MS;
pub use interface::{
    Change, CommitId, Config, Counters, Depositor, Input, Load, Output, Registration, Settings, Stored, StoredLetter,
};
pub use keeper::Keeper;

use crate::{clock, rate::Rate};

/// Recipients registered. Their cards are in memory: 40 MB if all were as large as cards may be.
pub const MAX_RECIPIENTS: usize = 10_000;

/// Recipients registered from one neighbourhood: names cost nothing, so that else whoever makes itself enough of them would close a
/// mailbox to everybody for as long as registrations last. A recipient counts where it registered last, if there was room for it
/// there, and else where it counted before.
pub const MAX_NEIGHBOURHOOD_RECIPIENTS: usize = 1_000;

/// Letters kept for one recipient: a busy month's. Nobody else's letters suffer when a recipient never comes back.
pub const MAX_RECIPIENT_LETTERS: u64 = 20_000;

/// Bytes of letters kept for one recipient: 6 KiB for each of as many letters as it can have, where most need one or two.
pub const MAX_RECIPIENT_BYTES: u64 = 128 * 1024 * 1024;

/// Letters kept from one depositor, which may be a whole neighbourhood: not enough to fill what one recipient has.
pub const MAX_DEPOSITOR_LETTERS: u64 = 12_000;

/// Bytes of letters kept from one depositor: half of what one recipient has.
pub const MAX_DEPOSITOR_BYTES: u64 = 64 * 1024 * 1024;

/// Letters kept in all: what fits into memory as an index.
pub const MAX_LETTERS: u64 = 200_000;

/// Bytes of letters kept in all: what a volunteer's disk can spare.
pub const MAX_BYTES: u64 = 1024 * 1024 * 1024;

/// Questions of one asker. The burst drains 10,000 letters at once: 40 pages, each collected and discarded.
pub const ASKER_QUESTIONS: Rate = Rate::per_second(10, 100);

/// Deposits of one depositor, behind which many people may be.
pub const DEPOSITOR_QUESTIONS: Rate = Rate::per_second(20, 200);

/// Bytes of letters on their way to the store: what a slow disk writes in a second or two.
pub const MAX_COMMITTING_BYTES: u64 = 16 * 1024 * 1024;

/// Commits on their way to the store.
pub const MAX_COMMITS: usize = 1_024;

/// Answers that wait for one commit.
pub const MAX_WAITING: usize = 64;

/// Askers, and depositors, whose rate is watched.
pub const MAX_METERED: usize = 4_096;

/// Letters and registrations that expire in one commit.
pub const MAX_EXPIRED: usize = 1_024;

/// Milliseconds after which a store that failed is asked again to drop what has expired.
pub const RETRY_MS: u64 = 60_000;

/// Milliseconds: how long the mailbox sleeps at most while it keeps anything, since the wall clock may have moved meanwhile.
pub const LOOK_MS: u64 = 3_600_000;

#[cfg(test)]
pub(super) mod tests;

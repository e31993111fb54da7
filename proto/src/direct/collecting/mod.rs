//! Collecting: how a recipient comes by the letters that mailboxes keep for it.
//!
//! One [`Collector`] serves one recipient. It registers with up to [`MAX_MAILBOXES`](super::card::MAX_MAILBOXES) mailboxes, collects
//! what they keep, and discards there what the inbox holds.
//!
//! | a mailbox is | from | until |
//! |---|---|---|
//! | spare | it was found | one is needed |
//! | on trial | then | it takes our registration: it is named; or refuses it, or [`TRIAL_MS`] pass: it is shunned |
//! | named | [`Output::Chosen`] names it, for the card | it is replaced or shunned |
//! | shunned | it was of no use | [`SHUN_TRIAL_MS`] after a trial, [`SHUN_MS`] after worse |
//!
//! **Named once it works.** A card should not send letters where nobody takes them. So a mailbox is registered with under the card as
//! it is, and named in the next. With that card, each is registered with anew; and again every [`RENEW_MS`].
//!
//! **Replaced by one that works.** A named mailbox that fails for [`FAILING_MS`] is replaced as soon as another took our
//! registration, and not before: when we are cut off ourselves, all fail, and none is to blame.
//!
//! **Rounds.** When a mailbox is connected, and every [`ROUND_MS`] or so from then on, a round begins: page by page, from the oldest letter
//! on. Each page begins after a cursor, the last letter of the page before; the cursor itself is discarded after all
//! others, since a mailbox that does not know it would begin anew. While the inbox has more than [`MAX_HELD`] letters of a round to see
//! to, no page is asked for. What it has no room for is left where it is, and the round goes on to what lies behind: anybody can fill what
//! an inbox keeps of strangers, and a contact's letters must still come. If there may be room before long, the next round begins after
//! [`AGAIN_MS`]. One question at a time is open with each mailbox; what is to be discarded gathers meanwhile. After a failure all waits,
//! longer each time, and then the round begins anew.
//!
//! **Lies.** A round is useless when an answer does not fit its question, when a page is too large, empty with more to come, repeats a
//! letter of the round or has one for somebody else, when the round does not end within [`MAX_ROUND_PAGES`], or when it brought nothing but
//! letters that were discarded here before. It ends at once, and after [`MAX_USELESS_ROUNDS`] in a row the mailbox is shunned. Whether
//! letters are junk says nothing about the mailbox: anybody may leave junk with an honest one. A mailbox that withholds letters cannot be
//! told from one that has none; there are others.
//!
//! | bound | value | when it is reached |
//! |---|---|---|
//! | [`MAX_SPARES`] | 16 | further ones are not remembered |
//! | [`MAX_SHUNNED`] | 64 | the one whose time ends first is forgiven |
//! | [`MAX_ROUND_PAGES`] in a round | 256 | the round is useless |
//! | [`MAX_HELD`] letters with the inbox | 1,024, and a page | pages wait, for [`ROUND_MS`] at most; then the round begins anew |
//! | [`MAX_TO_DISCARD`] to be discarded at each mailbox | 65,536 | further ones come again, and are discarded then |
//! | [`MAX_GONE`] remembered as discarded at each mailbox | 1,024 | the oldest is forgotten |

mod collector;
mod interface;
mod round;
mod spares;
mod station;

pub use collector::Collector;
pub use interface::{Config, Input, Output, RequestId};

use crate::backoff::Policy;

/// Milliseconds from one round to the next, give or take [`JITTER_PERCENT`]: letters come from mailboxes when a sender could not reach
/// us itself, so that this is how late they may be.
pub const ROUND_MS: u64 = 5 * 60_000;

/// Milliseconds from a round to the next when the inbox was too busy for some of its letters.
pub const AGAIN_MS: u64 = 10_000;

/// Per cent by which periods stray.
pub const JITTER_PERCENT: u64 = 10;

/// Milliseconds after which a registration is renewed, give or take [`JITTER_PERCENT`].
pub const RENEW_MS: u64 = 24 * 3_600_000;

/// Milliseconds within which a mailbox on trial must take our registration.
pub const TRIAL_MS: u64 = 2 * 60_000;

/// Milliseconds of failures alone after which a named mailbox is to be replaced.
pub const FAILING_MS: u64 = 24 * 3_600_000;

/// Milliseconds for which a mailbox that failed its trial is not tried again: it may be us who were cut off.
pub const SHUN_TRIAL_MS: u64 = 10 * 60_000;

/// Milliseconds for which a mailbox that refused us, was useless, or was replaced is not tried again.
pub const SHUN_MS: u64 = 24 * 3_600_000;

/// How long to wait after a mailbox failed.
pub const RETRY: Policy = Policy { first_ms: 5_000, cap_ms: 30 * 60_000, jitter_percent: 25 };

/// How long to wait from one search for mailboxes to the next.
pub const SEEK: Policy = Policy { first_ms: 30_000, cap_ms: 3_600_000, jitter_percent: 25 };

/// Mailboxes found and not needed now.
pub const MAX_SPARES: usize = 16;

/// Mailboxes not to be tried now.
pub const MAX_SHUNNED: usize = 64;

/// Pages of one round: more than a mailbox keeps for one recipient, by its letters or by their bytes.
pub const MAX_ROUND_PAGES: usize = 256;

/// Useless rounds in a row.
pub const MAX_USELESS_ROUNDS: u32 = 3;

/// Letters of a round that the inbox has not seen to.
pub const MAX_HELD: usize = 1_024;

/// Letters to be discarded at one mailbox: all of a round.
pub const MAX_TO_DISCARD: usize = 65_536;

/// Letters discarded at one mailbox of late.
pub const MAX_GONE: usize = 1_024;

#[cfg(test)]
mod tests;

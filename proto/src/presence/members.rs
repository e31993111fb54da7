//! The table of a room's members: who is present until when, and who has left how lately.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use crate::{
    ids::Author,
    rate::{Rate, TokenBucket},
    time::{Deadline, Now},
};

use super::message::{Heard, Kind, SignedAnnouncement};
use super::{CLOCK_STEP_MS, MAX_DEPARTED, MAX_INTERVAL_MS, MAX_MEMBERS, MAX_SKEW_MS, MIN_INTERVAL_MS, interval_ms};

/// Announcements taken from one member: far more than one makes, and a bound to what one key can have a room pass on.
const ANNOUNCEMENTS: Rate = Rate { tokens: 1, period_ms: 2_000, burst: 8 };

/// Milliseconds: how long after its last word a member's announcements are remembered. Those that are older than the last word
/// are by then so old that their date alone has them refused, even if our clock and its were apart as far as allowed.
const REMEMBER_MS: u64 = 2 * MAX_SKEW_MS;

/// What is known of one author.
pub(super) struct Record {
    pub latest: SignedAnnouncement,
    pub heard_ms: u64,
    present: bool,
    /// Whether it is known from a peer's list only, whose age for it may be a lie.
    hearsay: bool,
    /// When a present member times out, or a departed one is forgotten.
    deadline_ms: u64,
    budget: TokenBucket,
}

/// What an announcement changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    Joined,
    Profile,
    Nothing,
    Left,
}

/// Why an announcement was not taken, though it is genuine.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotTaken {
    /// Not newer than what is known, or of another time altogether.
    Stale,
    /// The author announces itself too often.
    TooOften,
    /// The table is full.
    Full,
}

/// How an announcement came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Via {
    /// By gossip, rather than in a peer's list.
    pub gossip: bool,
    /// From its author, over a connection that proves who is speaking.
    pub author: bool,
}

#[derive(Default)]
pub(super) struct Members {
    records: BTreeMap<Author, Record>,
    /// Deadlines of present members, soonest first.
    present: BTreeSet<(u64, Author)>,
    /// Deadlines of departed ones, soonest first.
    departed: BTreeSet<(u64, Author)>,
}

/// How long a member is believed to be there after it was heard: just under three of its intervals, so that one lost heartbeat
/// never matters, and a killed process is gone within 30 s in any room of up to 10.
pub(super) fn timeout_ms(claimed_interval_ms: u64) -> u64 {
    claimed_interval_ms.clamp(MIN_INTERVAL_MS, MAX_INTERVAL_MS) * 29 / 10
}

/// The longest interval that is believed in a room that has `present` members as we see it. Twice what we would announce:
/// others may see more of the room than we do.
fn believable_interval_ms(present: usize) -> u64 {
    interval_ms(present).saturating_mul(2)
}

impl Members {
    pub fn present_count(&self) -> usize {
        self.present.len()
    }

    pub fn is_present(&self, author: &Author) -> bool {
        self.records.get(author).is_some_and(|record| record.present)
    }

    pub fn present(&self) -> impl Iterator<Item = (&Author, &Record)> {
        self.records.iter().filter(|(_, record)| record.present)
    }

    /// Present members after `after`, in order.
    pub fn present_after(&self, after: Option<Author>) -> impl Iterator<Item = (&Author, &Record)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.records.range((from, Bound::Unbounded)).filter(|(_, record)| record.present)
    }

    pub fn next_deadline(&self) -> Option<Deadline> {
        let first = |set: &BTreeSet<(u64, Author)>| set.first().map(|(at_ms, _)| Deadline(*at_ms));
        Deadline::earliest(first(&self.present), first(&self.departed))
    }

    /// Whether an announcement could be news. Cheap; to be asked before its signature is checked.
    pub fn is_news(&self, now: Now, via: Via, signed: &SignedAnnouncement) -> bool {
        let sent_ms = signed.announcement.sent_ms;
        let in_order = self.records.get(&signed.announcement.author).is_none_or(|record| {
            let known_ms = record.latest.announcement.sent_ms;
            let confirms = record.hearsay && via.gossip && sent_ms == known_ms;
            let set_back = via.author && sent_ms.saturating_add(CLOCK_STEP_MS) < known_ms;
            sent_ms > known_ms || confirms || set_back
        });
        in_order && (via.author || sent_ms.abs_diff(now.wall_ms) <= MAX_SKEW_MS)
    }

    /// Takes a verified announcement. One that stands in a list of `listed` is believed to be of a room as large: else those
    /// that are read first would be taken for members of a small one.
    pub fn take(&mut self, now: Now, via: Via, heard: Heard, listed: usize) -> Result<Change, NotTaken> {
        if !self.is_news(now, via, &heard.signed) {
            return Err(NotTaken::Stale);
        }
        let announcement = &heard.signed.announcement;
        let author = announcement.author;
        let before = self.records.get(&author);
        let was_present = before.is_some_and(|record| record.present);
        let heard_ms = now.mono_ms.saturating_sub(heard.age_ms);
        let claimed_ms = heard_ms.saturating_add(timeout_ms(announcement.interval_ms));
        // We are a member, too.
        let believed_ms = announcement.interval_ms.min(believable_interval_ms(self.present.len().max(listed) + 1));
        // A newcomer does not know yet how large the room is whose list it reads: what is old news in a small room gets a
        // moment there, but no longer than it claims.
        let moment_ms = now.mono_ms.saturating_add(timeout_ms(MIN_INTERVAL_MS));
        let mut deadline_ms = heard_ms.saturating_add(timeout_ms(believed_ms)).max(moment_ms).min(claimed_ms);
        let goodbye = announcement.kind == Kind::Goodbye;
        if !goodbye && deadline_ms <= now.mono_ms {
            // Somebody's claim that it is old news must not make a member disappear.
            return Err(NotTaken::Stale);
        }
        if !goodbye && !was_present && self.present.len() >= MAX_MEMBERS {
            return Err(NotTaken::Full);
        }
        let mut budget = before.map_or_else(|| TokenBucket::new(ANNOUNCEMENTS, now), |record| record.budget);
        // A goodbye is never refused: it costs the one announcement that made its author present.
        if via.gossip && !budget.take(now, 1) && !goodbye {
            return Err(NotTaken::TooOften);
        }
        let change = match (was_present, !goodbye) {
            (false, true) => Change::Joined,
            (true, false) => Change::Left,
            (true, true) if before.is_some_and(|b| b.latest.announcement.profile != announcement.profile) => {
                Change::Profile
            }
            _ => Change::Nothing,
        };
        if goodbye {
            deadline_ms = now.mono_ms.saturating_add(REMEMBER_MS);
        } else if let Some(record) = before.filter(|record| record.present && !via.gossip) {
            deadline_ms = deadline_ms.max(record.deadline_ms);
        }
        let record =
            Record { latest: heard.signed, heard_ms, present: !goodbye, hearsay: !via.gossip, deadline_ms, budget };
        self.put(author, record);
        Ok(change)
    }

    fn put(&mut self, author: Author, record: Record) {
        if let Some(before) = self.records.remove(&author) {
            self.index(before.present).remove(&(before.deadline_ms, author));
        }
        self.index(record.present).insert((record.deadline_ms, author));
        self.records.insert(author, record);
        // Whoever left first is forgotten first.
        if self.departed.len() > MAX_DEPARTED
            && let Some((_, oldest)) = self.departed.pop_first()
        {
            self.records.remove(&oldest);
        }
    }

    fn index(&mut self, present: bool) -> &mut BTreeSet<(u64, Author)> {
        if present { &mut self.present } else { &mut self.departed }
    }

    /// Lets members time out and forgets those who left long ago. Returns who is no longer present, and
    /// when each was heard.
    pub fn expire(&mut self, now: Now) -> Vec<(SignedAnnouncement, u64)> {
        while let Some(&(at_ms, author)) = self.departed.first()
            && at_ms <= now.mono_ms
        {
            self.departed.pop_first();
            self.records.remove(&author);
        }
        let mut gone = Vec::new();
        while let Some(&(at_ms, author)) = self.present.first()
            && at_ms <= now.mono_ms
        {
            self.present.pop_first();
            if let Some(mut record) = self.records.remove(&author) {
                gone.push((record.latest.clone(), record.heard_ms));
                record.present = false;
                record.deadline_ms = now.mono_ms.saturating_add(REMEMBER_MS);
                self.put(author, record);
            }
        }
        gone
    }
}

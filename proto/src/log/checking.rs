//! What runs must satisfy before anything is done with them.

use std::collections::BTreeMap;

use crate::{
    channel::WritePolicy,
    event::{InvalidRun, Run, SignedEvent},
    hlc::MAX_AHEAD_MS,
    ids::{ChannelId, EventId, LogKey},
    offence::Offence,
    signature::Verifier,
    time::Now,
};

/// Why a run is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotTaken {
    /// Whoever sent it should have seen that it is wrong.
    Wrong(Offence),
    /// It claims a time that is more than [`MAX_AHEAD_MS`] ahead. The sender may be honest and its clock, or ours, wrong.
    TooFarAhead {
        /// Milliseconds ahead.
        ahead_ms: u64,
    },
}

/// The events of a run of our channel.
///
/// # Errors
/// When the run is wrong, its author may not write it, or it comes from too far in the future.
pub fn check(now: Now, policy: &WritePolicy, verifier: &dyn Verifier, run: Run) -> Result<Vec<SignedEvent>, NotTaken> {
    let events = run.verify(verifier).map_err(|invalid| {
        NotTaken::Wrong(match invalid {
            InvalidRun::Signature => Offence::BadSignature,
            InvalidRun::EventTooLarge(_) | InvalidRun::TooLarge(_) => Offence::Oversized,
            InvalidRun::Length(_) | InvalidRun::Seq | InvalidRun::Prev | InvalidRun::Time => Offence::BrokenLog,
        })
    })?;
    if !events.iter().all(|signed| policy.allows(&signed.event)) {
        return Err(NotTaken::Wrong(Offence::NotAllowed));
    }
    // Times increase along a run, so the last is the worst.
    let ahead_ms = events.last().map_or(0, |last| last.event.hlc.ahead_ms(now.wall_ms));
    if ahead_ms > MAX_AHEAD_MS { Err(NotTaken::TooFarAhead { ahead_ms }) } else { Ok(events) }
}

/// Whether two runs of a log, both truly its author's, say different things about one position.
pub fn proves_fork(verifier: &dyn Verifier, runs: &[Run], channel: ChannelId, key: LogKey) -> bool {
    let [one, other] = runs else { return false };
    let ids = |run: &Run| -> Option<BTreeMap<u64, EventId>> {
        if run.channel != channel || run.log_key() != key {
            return None;
        }
        let before = (run.first_seq.checked_sub(1)?, run.prev);
        let events = run.clone().verify(verifier).ok()?;
        Some(std::iter::once(before).chain(events.iter().map(|event| (event.event.seq, event.id))).collect())
    };
    let (Some(one), Some(other)) = (ids(one), ids(other)) else { return false };
    one.iter().any(|(seq, id)| other.get(seq).is_some_and(|other| other != id))
}

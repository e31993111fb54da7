//! What one peer is believed to hold beyond us.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    MAX_LEARNED, MAX_PENDING_LIVE_BYTES,
    message::{MAX_RESPONSE_EVENTS, MAX_WANTS, Want},
    pending::Pending,
    questions::Claimed,
    shelf::Shelf,
};
use crate::ids::LogKey;

/// How far a peer is believed to hold a log.
#[derive(Debug, Clone, Copy)]
struct Claim {
    seq: u64,
    /// It said so itself. Otherwise it passed on a later event, which it may have before the earlier ones as we do.
    said: bool,
}

/// Everything believed of one peer. Each of the collections holds [`MAX_LEARNED`] logs; what does not fit is left to the next
/// comparison.
#[derive(Debug, Clone, Default)]
pub struct Holdings {
    /// Logs of which it holds more than we do.
    ahead: BTreeMap<LogKey, Claim>,
    /// Logs of which it passed on live events that do not link yet, and up to where: pulled if the gap lasts.
    gaps: BTreeMap<LogKey, u64>,
    /// Logs on whose tip it disagrees with us.
    disputed: BTreeSet<LogKey>,
    /// Logs that it holds for forked and we do not.
    frozen: BTreeSet<LogKey>,
}

impl Holdings {
    /// The peer says it holds a log up to `seq`.
    pub fn learn(&mut self, key: LogKey, seq: u64) {
        self.claim(key, Claim { seq, said: true });
    }

    fn claim(&mut self, key: LogKey, claim: Claim) {
        if self.ahead.len() < MAX_LEARNED || self.ahead.contains_key(&key) {
            let known = self.ahead.entry(key).or_insert(claim);
            if claim.seq > known.seq {
                *known = claim;
            }
        }
    }

    /// The peer passed on the event at `seq` of a log, and earlier ones are missing here.
    pub fn note_gap(&mut self, key: LogKey, seq: u64) {
        if self.gaps.len() < MAX_LEARNED || self.gaps.contains_key(&key) {
            let known = self.gaps.entry(key).or_default();
            *known = seq.max(*known);
        }
    }

    /// The gaps noted so far are to be pulled.
    pub fn pull_gaps(&mut self) -> bool {
        let gaps = std::mem::take(&mut self.gaps);
        let any = !gaps.is_empty();
        for (key, seq) in gaps {
            self.claim(key, Claim { seq, said: false });
        }
        any
    }

    /// The peer says that a log is forked.
    pub fn learn_frozen(&mut self, key: LogKey) {
        if self.frozen.len() < MAX_LEARNED {
            self.frozen.insert(key);
        }
    }

    /// The peer disagrees about the tip of a log.
    pub fn dispute(&mut self, key: LogKey) {
        if self.disputed.len() < MAX_LEARNED {
            self.disputed.insert(key);
        }
    }

    /// Forgets what was believed of a log.
    pub fn unlearn(&mut self, key: &LogKey) {
        self.ahead.remove(key);
        self.disputed.remove(key);
    }

    /// Forgets all that the peer said.
    pub fn disbelieve(&mut self) {
        self.ahead.clear();
        self.disputed.clear();
        self.frozen.clear();
    }

    /// Whether the peer itself said that it holds some of this.
    pub fn said_any(&self, wants: &[Want]) -> bool {
        wants.iter().any(|want| self.ahead.get(&want.key()).is_some_and(|claim| claim.said))
    }

    /// Takes the next log that the peer holds for forked.
    pub fn pop_frozen(&mut self) -> Option<LogKey> {
        self.frozen.pop_first()
    }

    /// What to ask the peer for: stretches that are neither held, nor waiting, nor claimed; they are claimed then. Logs after
    /// `start` come first.
    pub fn wants(
        &mut self,
        shelf: &Shelf,
        pending: &Pending,
        claimed: &mut Claimed,
        start: Option<LogKey>,
    ) -> Vec<Want> {
        self.ahead.retain(|key, claim| {
            let log = shelf.log(key);
            !log.frozen && claim.seq > log.tip.seq
        });
        self.disputed.retain(|key| !shelf.log(key).frozen);
        let mut wants = Vec::new();
        let mut budget = MAX_RESPONSE_EVENTS as u64;
        while wants.len() < MAX_WANTS && budget > 0 {
            let Some(key) = self.disputed.pop_first() else { break };
            let seq = shelf.log(&key).tip.seq;
            wants.push(Want { author: key.author, log: key.log, from: seq.max(1), to: seq.max(1) });
            budget -= 1;
        }
        let after = self.ahead.iter().filter(|(key, _)| start.is_none_or(|start| **key > start));
        let before = self.ahead.iter().filter(|(key, _)| start.is_some_and(|start| **key <= start));
        for (key, claim) in after.chain(before) {
            if wants.len() >= MAX_WANTS || budget == 0 {
                break;
            }
            let next = shelf.log(key).tip.seq + 1;
            let mut covered: Vec<(u64, u64)> = pending.spans(*key).collect();
            covered.extend(claimed.get(key).into_iter().flatten());
            // What comes before its predecessor needs a place to wait.
            let may_wait = pending.bytes() < MAX_PENDING_LIVE_BYTES;
            let gap = first_gap(next, claim.seq, covered, budget).filter(|(from, _)| may_wait || *from == next);
            if let Some((from, to)) = gap {
                budget -= to - from + 1;
                claimed.entry(*key).or_default().push((from, to));
                wants.push(Want { author: key.author, log: key.log, from, to });
            }
        }
        wants
    }
}

/// The first stretch of `from..=to` that no span covers, at most `limit` long.
fn first_gap(mut from: u64, to: u64, mut covered: Vec<(u64, u64)>, limit: u64) -> Option<(u64, u64)> {
    covered.sort_unstable();
    let mut end = to;
    for (first, last) in covered {
        if first > from {
            end = end.min(first - 1);
            break;
        }
        from = from.max(last.checked_add(1)?);
    }
    (from <= end).then(|| (from, end.min(from.saturating_add(limit - 1))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_gap_lies_between_what_is_covered() {
        assert_eq!(first_gap(1, 10, vec![], 100), Some((1, 10)));
        assert_eq!(first_gap(1, 10, vec![], 4), Some((1, 4)));
        assert_eq!(first_gap(3, 10, vec![(1, 4), (7, 8)], 100), Some((5, 6)));
        assert_eq!(first_gap(3, 10, vec![(7, 8), (1, 6)], 100), Some((9, 10)));
        assert_eq!(first_gap(3, 10, vec![(1, 12)], 100), None);
        assert_eq!(first_gap(5, 4, vec![], 100), None);
    }
}

//! Whom to ask for what: what peers hold beyond us, and which questions are under way.
//!
//! Each connected member of the channel is in one of these states, as far as comparing goes; ranges are pulled beside it.
//!
//! | state | meaning | leaves it when |
//! |---|---|---|
//! | due | a comparison is wanted, at a time | the time comes: asks, becomes asking |
//! | asking | Compare, or a further page, is under way | equal or last page: idle; failed: due again after a backoff |
//! | idle | nothing wanted | the periodic round, a spread, or a reconnection makes it due |
//!
//! A stretch of a log is *claimed* by at most one request at a time, over all peers, so nothing is fetched twice at once.

use std::collections::{BTreeMap, BTreeSet};

use libp2p_identity::PeerId;

use super::{
    COMPARE_INTERVAL_MS, MAX_EVIDENCE_PER_PEER, MAX_LEARNED, MAX_LOGS, MAX_PENDING_LIVE_BYTES, MAX_RANGES_IN_FLIGHT,
    MAX_RANGES_PER_PEER, RETRY_MS,
    message::{MAX_RESPONSE_EVENTS, MAX_VECTOR_ENTRIES, MAX_WANTS, Want},
    pending::Pending,
    shelf::Shelf,
};
use crate::{
    ids::LogKey,
    time::{Deadline, Now},
};

/// Names a request that this replica made, so that the answer finds its question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId(
    /// Counts up from 0 for each replica.
    pub u64,
);

/// A question under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Compare, or the page of the vector after a log.
    Vector {
        /// After which log; `None` for the first page.
        after: Option<LogKey>,
    },
    /// Ranges.
    Range(Vec<Want>),
    /// Why is this log frozen?
    Evidence(LogKey),
    /// A message that needs no answer but "noted".
    Note,
}

/// How far a member is believed to hold a log.
#[derive(Debug, Clone, Copy)]
struct Claim {
    seq: u64,
    /// It said so itself. Otherwise it passed on a later event, which it may have before the earlier ones as we do.
    said: bool,
}

/// What is known of a connected member.
#[derive(Debug, Clone, Default)]
struct Peer {
    /// Logs of which it holds more than we do.
    ahead: BTreeMap<LogKey, Claim>,
    /// Logs of which it passed on live events that do not link yet, and up to where: pulled if the gap lasts.
    gaps: BTreeMap<LogKey, u64>,
    /// Logs on whose tip it disagrees with us.
    disputed: BTreeSet<LogKey>,
    /// Logs that it holds for forked and we do not.
    frozen: BTreeSet<LogKey>,
    ranges: usize,
    comparing: bool,
    /// Pages of its vector asked for in this comparison.
    pages: usize,
    compare_at: Option<Deadline>,
    failures: u32,
    told_at: Option<Deadline>,
}

/// The members and the questions to them.
#[derive(Debug, Clone, Default)]
pub struct Planner {
    peers: BTreeMap<PeerId, Peer>,
    questions: BTreeMap<RequestId, (PeerId, Question)>,
    next_request: u64,
    /// The last log asked for: the next plan starts after it, so that no log starves the others.
    cursor: Option<LogKey>,
    /// Whether anything changed since there was nothing to plan.
    changed: bool,
}

impl Planner {
    /// A member is connected: compare with it at once.
    pub fn peer_up(&mut self, now: Now, peer: PeerId) {
        let entry = self.peers.entry(peer).or_default();
        if !entry.comparing {
            entry.compare_at = Some(now.after(0));
        }
    }

    /// A member is gone, and its questions with it.
    pub fn peer_down(&mut self, peer: &PeerId) {
        self.peers.remove(peer);
        self.changed = true;
        self.questions.retain(|_, (asked, _)| asked != peer);
    }

    /// Connected members.
    pub fn peers(&self) -> impl Iterator<Item = &PeerId> {
        self.peers.keys()
    }

    /// Connected members.
    pub fn peer_count(&self) -> usize {
        self.peers.len()
    }

    /// Wants a comparison with a member, `delay_ms` from now at the latest.
    pub fn want_compare(&mut self, now: Now, peer: &PeerId, delay_ms: u64) {
        if let Some(entry) = self.peers.get_mut(peer).filter(|entry| !entry.comparing) {
            let at = now.after(delay_ms);
            entry.compare_at = Some(entry.compare_at.map_or(at, |before| before.min(at)));
        }
    }

    /// Members whose comparison is due; they count as asked from now on.
    pub fn take_due(&mut self, now: Now) -> Vec<PeerId> {
        let mut due = Vec::new();
        for (peer, entry) in &mut self.peers {
            if !entry.comparing && entry.compare_at.is_some_and(|at| now.reached(at)) {
                entry.compare_at = None;
                entry.comparing = true;
                entry.pages = 0;
                due.push(*peer);
            }
        }
        due
    }

    /// When the next comparison is due.
    pub fn deadline(&self) -> Option<Deadline> {
        self.peers.values().filter(|peer| !peer.comparing).filter_map(|peer| peer.compare_at).min()
    }

    /// A comparison came to its end.
    pub fn compared(&mut self, peer: &PeerId) {
        if let Some(entry) = self.peers.get_mut(peer) {
            entry.comparing = false;
            entry.failures = 0;
        }
    }

    /// Counts a further page of a member's vector; `false` when an honest member cannot have that many.
    pub fn may_turn_page(&mut self, peer: &PeerId) -> bool {
        let Some(entry) = self.peers.get_mut(peer) else { return false };
        entry.pages += 1;
        entry.pages <= MAX_LOGS.div_ceil(MAX_VECTOR_ENTRIES)
    }

    /// Whether a member may be told now that its events are refused: once in [`COMPARE_INTERVAL_MS`].
    pub fn may_tell(&mut self, now: Now, peer: &PeerId) -> bool {
        let Some(entry) = self.peers.get_mut(peer) else { return false };
        let may = entry.told_at.is_none_or(|at| now.reached(at));
        if may {
            entry.told_at = Some(now.after(COMPARE_INTERVAL_MS));
        }
        may
    }

    /// Notes that a member says it holds a log up to `seq`. When too much is noted, it is left to the next comparison.
    pub fn learn(&mut self, peer: &PeerId, key: LogKey, seq: u64) {
        self.claim(peer, key, Claim { seq, said: true });
    }

    fn claim(&mut self, peer: &PeerId, key: LogKey, claim: Claim) {
        let Some(entry) = self.peers.get_mut(peer) else { return };
        self.changed = true;
        if entry.ahead.len() < MAX_LEARNED || entry.ahead.contains_key(&key) {
            let known = entry.ahead.entry(key).or_insert(claim);
            if claim.seq > known.seq {
                *known = claim;
            }
        }
    }

    /// Notes that a member passed on the event at `seq` of a log, and earlier ones are missing here.
    pub fn note_gap(&mut self, peer: &PeerId, key: LogKey, seq: u64) {
        let Some(entry) = self.peers.get_mut(peer) else { return };
        if entry.gaps.len() < MAX_LEARNED || entry.gaps.contains_key(&key) {
            let known = entry.gaps.entry(key).or_default();
            *known = seq.max(*known);
        }
    }

    /// The gaps noted so far had their time to close: those that did not are to be pulled.
    pub fn pull_gaps(&mut self) {
        let peers: Vec<PeerId> = self.peers.keys().copied().collect();
        for peer in peers {
            let gaps = self.peers.get_mut(&peer).map(|entry| std::mem::take(&mut entry.gaps)).unwrap_or_default();
            for (key, seq) in gaps {
                self.claim(&peer, key, Claim { seq, said: false });
            }
        }
    }

    /// Notes that a member holds a log for forked.
    pub fn learn_frozen(&mut self, peer: &PeerId, key: LogKey) {
        let Some(entry) = self.peers.get_mut(peer) else { return };
        self.changed = true;
        if entry.frozen.len() < MAX_LEARNED {
            entry.frozen.insert(key);
        }
    }

    /// Notes that a member disagrees about the tip of a log.
    pub fn dispute(&mut self, peer: &PeerId, key: LogKey) {
        let Some(entry) = self.peers.get_mut(peer) else { return };
        self.changed = true;
        if entry.disputed.len() < MAX_LEARNED {
            entry.disputed.insert(key);
        }
    }

    /// Forgets what a member was believed to hold of a log: it did not deliver, or we cannot take it now.
    pub fn unlearn(&mut self, peer: &PeerId, key: &LogKey) {
        if let Some(entry) = self.peers.get_mut(peer) {
            entry.ahead.remove(key);
            entry.disputed.remove(key);
        }
    }

    /// A member did not deliver any of what was asked for. If it had said that it holds some of it, nothing else that it
    /// said is believed either, until the next comparison: else a liar could have us ask it for one thing after another.
    pub fn nothing_came(&mut self, peer: &PeerId, wants: &[Want]) {
        let Some(entry) = self.peers.get_mut(peer) else { return };
        if wants.iter().any(|want| entry.ahead.get(&want.key()).is_some_and(|claim| claim.said)) {
            self.disbelieve(peer);
        }
    }

    /// Forgets all that a member said it holds.
    pub fn disbelieve(&mut self, peer: &PeerId) {
        if let Some(entry) = self.peers.get_mut(peer) {
            entry.ahead.clear();
            entry.disputed.clear();
            entry.frozen.clear();
        }
    }

    /// Registers a question.
    pub fn ask(&mut self, peer: PeerId, question: Question) -> RequestId {
        let request = RequestId(self.next_request);
        self.next_request += 1;
        if let (Question::Range(_), Some(entry)) = (&question, self.peers.get_mut(&peer)) {
            entry.ranges += 1;
        }
        self.questions.insert(request, (peer, question));
        request
    }

    /// Takes back the question that an answer belongs to; `None` when `peer` was not asked it.
    pub fn answered(&mut self, peer: &PeerId, request: RequestId) -> Option<Question> {
        if self.questions.get(&request).is_none_or(|(asked, _)| asked != peer) {
            return None;
        }
        let (_, question) = self.questions.remove(&request)?;
        self.changed = true;
        if let (Question::Range(_), Some(entry)) = (&question, self.peers.get_mut(peer)) {
            entry.ranges = entry.ranges.saturating_sub(1);
        }
        Some(question)
    }

    /// A question came to nothing: what the member holds is unknown again, and it is compared with after a backoff.
    pub fn failed(&mut self, now: Now, peer: &PeerId) {
        if let Some(entry) = self.peers.get_mut(peer) {
            let wait = RETRY_MS.saturating_mul(1 << entry.failures.min(10)).min(COMPARE_INTERVAL_MS);
            entry.failures = entry.failures.saturating_add(1);
            // Beside a comparison that is still under way there is no second one.
            let asks =
                |(asked, question): &(PeerId, Question)| asked == peer && matches!(question, Question::Vector { .. });
            entry.comparing = self.questions.values().any(asks);
            entry.compare_at = Some(now.after(wait));
        }
        self.disbelieve(peer);
    }

    /// Questions under way.
    pub fn question_count(&self) -> usize {
        self.questions.len()
    }

    /// There may be something new to plan.
    pub fn reconsider(&mut self) {
        self.changed = true;
    }

    /// Range requests under way.
    pub fn ranges_in_flight(&self) -> usize {
        self.questions.values().filter(|(_, question)| matches!(question, Question::Range(_))).count()
    }

    /// The next log whose evidence to ask for, and whom.
    pub fn plan_evidence(&mut self, shelf: &Shelf) -> Option<(PeerId, LogKey)> {
        if !self.changed {
            return None;
        }
        let asked = |(peer, question): &(PeerId, Question)| match question {
            Question::Evidence(key) => Some((*peer, *key)),
            Question::Vector { .. } | Question::Range(_) | Question::Note => None,
        };
        let asked: Vec<(PeerId, LogKey)> = self.questions.values().filter_map(asked).collect();
        for (peer, entry) in &mut self.peers {
            if asked.iter().filter(|(asked, _)| asked == peer).count() >= MAX_EVIDENCE_PER_PEER {
                continue;
            }
            while let Some(key) = entry.frozen.pop_first() {
                if shelf.may_freeze(&key) && !asked.iter().any(|(_, asked)| *asked == key) {
                    return Some((*peer, key));
                }
            }
        }
        None
    }

    /// The next range request to make, if there is anything to ask and anybody free to answer.
    pub fn plan(&mut self, shelf: &Shelf, pending: &Pending) -> Option<(PeerId, Vec<Want>)> {
        if !self.changed || self.ranges_in_flight() >= MAX_RANGES_IN_FLIGHT {
            return None;
        }
        let mut claims = self.claims();
        let free = self.peers.iter().filter(|(_, entry)| entry.ranges < MAX_RANGES_PER_PEER);
        let mut free: Vec<(usize, PeerId)> = free.map(|(peer, entry)| (entry.ranges, *peer)).collect();
        // The least busy first, so that work spreads over all who have it.
        free.sort_unstable();
        for (_, peer) in free {
            let wants = self.wants_of(&peer, shelf, pending, &mut claims);
            if let Some(last) = wants.last() {
                self.cursor = Some(last.key());
                return Some((peer, wants));
            }
        }
        self.changed = false;
        None
    }

    /// Stretches asked for and not yet answered.
    fn claims(&self) -> BTreeMap<LogKey, Vec<(u64, u64)>> {
        let mut claims: BTreeMap<LogKey, Vec<(u64, u64)>> = BTreeMap::new();
        for (_, question) in self.questions.values() {
            if let Question::Range(wants) = question {
                for want in wants {
                    claims.entry(want.key()).or_default().push((want.from, want.to));
                }
            }
        }
        claims
    }

    fn wants_of(
        &mut self,
        peer: &PeerId,
        shelf: &Shelf,
        pending: &Pending,
        claims: &mut BTreeMap<LogKey, Vec<(u64, u64)>>,
    ) -> Vec<Want> {
        let Some(entry) = self.peers.get_mut(peer) else { return Vec::new() };
        entry.ahead.retain(|key, claim| {
            let log = shelf.log(key);
            !log.frozen && claim.seq > log.tip.seq
        });
        entry.disputed.retain(|key| !shelf.log(key).frozen);
        let mut wants = Vec::new();
        let mut budget = MAX_RESPONSE_EVENTS as u64;
        while wants.len() < MAX_WANTS && budget > 0 {
            let Some(key) = entry.disputed.pop_first() else { break };
            let seq = shelf.log(&key).tip.seq;
            wants.push(Want { author: key.author, log: key.log, from: seq.max(1), to: seq.max(1) });
            budget -= 1;
        }
        let start = self.cursor;
        let after = entry.ahead.iter().filter(|(key, _)| start.is_none_or(|start| **key > start));
        let before = entry.ahead.iter().filter(|(key, _)| start.is_some_and(|start| **key <= start));
        for (key, claim) in after.chain(before) {
            if wants.len() >= MAX_WANTS || budget == 0 {
                break;
            }
            let next = shelf.log(key).tip.seq + 1;
            let mut covered: Vec<(u64, u64)> = pending.spans(*key).collect();
            covered.extend(claims.get(key).into_iter().flatten());
            // What comes before its predecessor needs a place to wait.
            let may_wait = pending.bytes() < MAX_PENDING_LIVE_BYTES;
            let gap = first_gap(next, claim.seq, covered, budget).filter(|(from, _)| may_wait || *from == next);
            if let Some((from, to)) = gap {
                budget -= to - from + 1;
                claims.entry(*key).or_default().push((from, to));
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

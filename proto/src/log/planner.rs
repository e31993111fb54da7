//! Whom to ask for what: the peers, what they hold beyond us, and which questions are under way.
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

use std::collections::BTreeMap;

use libp2p_identity::PeerId;

use super::{
    COMPARE_INTERVAL_MS, MAX_BARREN_RANGES_IN_FLIGHT, MAX_EVIDENCE_PER_PEER, MAX_LOGS, MAX_RANGES_IN_FLIGHT,
    MAX_RANGES_PER_PEER, RETRY_MS, RequestId,
    holdings::Holdings,
    message::{MAX_VECTOR_ENTRIES, Want},
    pending::Pending,
    questions::{Question, Questions},
    shelf::Shelf,
};
use crate::{
    ids::LogKey,
    time::{Deadline, Now},
};

/// A connected member.
#[derive(Debug, Clone, Default)]
struct Peer {
    holdings: Holdings,
    comparing: bool,
    /// Pages of its vector asked for in this comparison.
    pages: usize,
    compare_at: Option<Deadline>,
    /// How many comparisons with anybody had begun when the last one with it did.
    compared_as: u64,
    failures: u32,
    /// Whether a question to it came to nothing since it last brought something.
    barren: bool,
    /// When it may be told again that its events are refused.
    tell_at: Option<Deadline>,
}

/// The members and the questions to them.
#[derive(Debug, Clone, Default)]
pub struct Planner {
    peers: BTreeMap<PeerId, Peer>,
    questions: Questions,
    /// Comparisons begun.
    comparisons: u64,
    /// Who was the last to bring something new.
    bringer: Option<PeerId>,
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
        self.questions.forget(peer);
    }

    /// Connected members.
    pub fn peers(&self) -> impl Iterator<Item = &PeerId> {
        self.peers.keys()
    }

    /// Connected members of whom no question has failed since they last were compared with, and how long ago that was: the smaller the
    /// number, the longer. The others are asked again after their backoff, whoever is chosen.
    pub fn answering(&self) -> impl Iterator<Item = (u64, &PeerId)> {
        let answering = self.peers.iter().filter(|(_, entry)| entry.failures == 0);
        answering.map(|(peer, entry)| (entry.compared_as, peer))
    }

    /// A member brought something that was new and is durable now.
    pub fn brought_news(&mut self, from: PeerId) {
        self.bringer = Some(from);
        if let Some(entry) = self.peers.get_mut(&from) {
            entry.barren = false;
        }
    }

    /// The member that was the last to bring something new, if it is still there.
    pub fn bringer(&self) -> Option<PeerId> {
        self.bringer.filter(|peer| self.knows(peer))
    }

    /// Whether a member is connected.
    pub fn knows(&self, peer: &PeerId) -> bool {
        self.peers.contains_key(peer)
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
                self.comparisons += 1;
                entry.compared_as = self.comparisons;
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
        let may = entry.tell_at.is_none_or(|at| now.reached(at));
        if may {
            entry.tell_at = Some(now.after(COMPARE_INTERVAL_MS));
        }
        may
    }

    /// Notes that a member says it holds a log up to `seq`.
    pub fn learn(&mut self, peer: &PeerId, key: LogKey, seq: u64) {
        self.note(peer, |holdings| holdings.learn(key, seq));
    }

    /// Notes that a member holds a log for forked.
    pub fn learn_frozen(&mut self, peer: &PeerId, key: LogKey) {
        self.note(peer, |holdings| holdings.learn_frozen(key));
    }

    /// Notes that a member disagrees about the tip of a log.
    pub fn dispute(&mut self, peer: &PeerId, key: LogKey) {
        self.note(peer, |holdings| holdings.dispute(key));
    }

    fn note(&mut self, peer: &PeerId, note: impl FnOnce(&mut Holdings)) {
        if let Some(entry) = self.peers.get_mut(peer) {
            note(&mut entry.holdings);
            self.changed = true;
        }
    }

    /// Notes that a member passed on the event at `seq` of a log, and earlier ones are missing here.
    pub fn note_gap(&mut self, peer: &PeerId, key: LogKey, seq: u64) {
        if let Some(entry) = self.peers.get_mut(peer) {
            entry.holdings.note_gap(key, seq);
        }
    }

    /// The gaps noted so far had their time to close: those that did not are to be pulled.
    pub fn pull_gaps(&mut self) {
        for entry in self.peers.values_mut() {
            self.changed |= entry.holdings.pull_gaps();
        }
    }

    /// Forgets what a member was believed to hold of a log: it did not deliver, or we cannot take it now.
    pub fn unlearn(&mut self, peer: &PeerId, key: &LogKey) {
        if let Some(entry) = self.peers.get_mut(peer) {
            entry.holdings.unlearn(key);
        }
    }

    /// A member did not deliver any of what was asked for. If it had said that it holds some of it, nothing else that it
    /// said is believed either, until the next comparison: else a liar could have us ask it for one thing after another.
    pub fn nothing_came(&mut self, peer: &PeerId, wants: &[Want]) {
        let Some(entry) = self.peers.get_mut(peer) else { return };
        if entry.holdings.said_any(wants) {
            entry.holdings.disbelieve();
            entry.barren = true;
        }
        for want in wants {
            entry.holdings.unlearn(&want.key());
        }
    }

    /// Forgets all that a member said it holds.
    pub fn disbelieve(&mut self, peer: &PeerId) {
        if let Some(entry) = self.peers.get_mut(peer) {
            entry.holdings.disbelieve();
        }
    }

    /// Registers a question.
    pub fn ask(&mut self, peer: PeerId, question: Question) -> RequestId {
        self.questions.ask(peer, question)
    }

    /// Takes back the question that an answer belongs to; `None` when `peer` was not asked it.
    pub fn answered(&mut self, peer: &PeerId, request: RequestId) -> Option<Question> {
        let question = self.questions.take(peer, request)?;
        self.changed = true;
        Some(question)
    }

    /// A question came to nothing: what the member holds is unknown again, and it is compared with after a backoff.
    pub fn failed(&mut self, now: Now, peer: &PeerId) {
        let Some(entry) = self.peers.get_mut(peer) else { return };
        let wait_ms = RETRY_MS.saturating_mul(1 << entry.failures.min(10)).min(COMPARE_INTERVAL_MS);
        entry.failures = entry.failures.saturating_add(1);
        entry.barren = true;
        // Beside a comparison that is still under way there is no second one.
        entry.comparing = self.questions.compares_with(peer);
        entry.compare_at = Some(now.after(wait_ms));
        entry.holdings.disbelieve();
    }

    /// Questions under way.
    pub fn question_count(&self) -> usize {
        self.questions.len()
    }

    /// There may be something new to plan.
    pub fn reconsider(&mut self) {
        self.changed = true;
    }

    /// The next log whose evidence to ask for, and whom.
    pub fn plan_evidence(&mut self, shelf: &Shelf) -> Option<(PeerId, LogKey)> {
        if !self.changed {
            return None;
        }
        let asked = self.questions.evidence();
        for (peer, entry) in &mut self.peers {
            if asked.iter().filter(|(asked, _)| asked == peer).count() >= MAX_EVIDENCE_PER_PEER {
                continue;
            }
            while let Some(key) = entry.holdings.pop_frozen() {
                if shelf.may_freeze(&key) && !asked.iter().any(|(_, asked)| *asked == key) {
                    return Some((*peer, key));
                }
            }
        }
        None
    }

    /// The next range request to make, if there is anything to ask and anybody free to answer.
    pub fn plan_ranges(&mut self, shelf: &Shelf, pending: &Pending) -> Option<(PeerId, Vec<Want>)> {
        if !self.changed {
            return None;
        }
        let busy = self.questions.ranges();
        if busy.values().sum::<usize>() >= MAX_RANGES_IN_FLIGHT {
            return None;
        }
        let mut claimed = self.questions.claimed();
        let is_barren = |peer: &PeerId| self.peers.get(peer).is_some_and(|entry| entry.barren);
        let barren_busy: usize = busy.iter().filter(|(peer, _)| is_barren(peer)).map(|(_, count)| count).sum();
        let load = |peer: &PeerId| busy.get(peer).copied().unwrap_or_default();
        let mut free: Vec<(bool, usize, PeerId)> =
            self.peers.iter().map(|(peer, entry)| (entry.barren, load(peer), *peer)).collect();
        free.retain(|(barren, load, _)| {
            *load < MAX_RANGES_PER_PEER && !(*barren && barren_busy >= MAX_BARREN_RANGES_IN_FLIGHT)
        });
        // The least busy first, so that work spreads over all who have it; but those that left a question open last.
        free.sort_unstable();
        for (.., peer) in free {
            let Some(entry) = self.peers.get_mut(&peer) else { continue };
            let wants = entry.holdings.wants(shelf, pending, &mut claimed, self.cursor);
            if let Some(last) = wants.last() {
                self.cursor = Some(last.key());
                return Some((peer, wants));
            }
        }
        self.changed = false;
        None
    }
}

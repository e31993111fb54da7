//! The side that asks: compares with peers, and pulls from them what is missing.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use libp2p_identity::PeerId;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    MAX_LEARNED, Output, RequestId, SPREAD_PEERS,
    checking::proves_fork,
    message::{MAX_VECTOR_ENTRIES, Refusal, SyncRequest, SyncResponse, VectorEntry, Want},
    pending::Pending,
    planner::Planner,
    questions::Question,
    schedule::Schedule,
    shelf::Shelf,
};
use crate::{
    event::Run,
    ids::{ChannelId, LogKey},
    offence::Offence,
    signature::Verifier,
    time::{Deadline, Now},
};

/// What an answer brought that is to be taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Brought {
    /// Nothing that concerns anybody else.
    Nothing,
    /// Runs that were asked for, not verified.
    Runs(Vec<Run>),
    /// Proof that a log is forked, verified.
    Evidence(LogKey, Vec<Run>),
}

/// Asks, and says so in the outputs that it is lent.
#[derive(Debug)]
pub struct Asking {
    channel: ChannelId,
    verifier: Arc<dyn Verifier>,
    /// Whom to ask for what.
    pub planner: Planner,
    /// When.
    pub schedule: Schedule,
    rng: ChaCha8Rng,
}

impl Asking {
    /// Knows no peers.
    pub fn new(channel: ChannelId, verifier: Arc<dyn Verifier>, seed: [u8; 32]) -> Self {
        Self {
            channel,
            verifier,
            planner: Planner::default(),
            schedule: Schedule::default(),
            rng: ChaCha8Rng::from_seed(seed),
        }
    }

    /// When something is due.
    pub fn deadline(&self) -> Option<Deadline> {
        Deadline::earliest(self.schedule.deadline(), self.planner.deadline())
    }

    /// A member is connected.
    pub fn peer_up(&mut self, now: Now, peer: PeerId, shelf: &Shelf, outputs: &mut VecDeque<Output>) {
        self.planner.peer_up(now, peer);
        self.compare_due(now, shelf, outputs);
    }

    /// Starts the periodic comparisons once there is somebody to compare with.
    pub fn start_rounds(&mut self, now: Now) {
        if self.planner.peers().next().is_some() {
            self.schedule.start_rounds(now, &mut self.rng);
        }
    }

    /// Begins a round when one is due, and says whether it was.
    pub fn begin_round(&mut self, now: Now) -> bool {
        let due = self.schedule.round_is_due(now);
        if due {
            self.compare_with_some(now, 1);
            self.schedule.begin_round(now, &mut self.rng);
            self.planner.reconsider();
        }
        due
    }

    /// Does what else is due.
    pub fn handle_timeout(&mut self, now: Now, shelf: &Shelf, outputs: &mut VecDeque<Output>) {
        if self.schedule.take_spread(now) {
            self.compare_with_some(now, SPREAD_PEERS);
        }
        self.compare_due(now, shelf, outputs);
        if self.schedule.take_gaps(now) {
            self.planner.pull_gaps();
        }
    }

    /// Compares with everybody.
    pub fn compare_with_all(&mut self, now: Now, shelf: &Shelf, outputs: &mut VecDeque<Output>) {
        let all: Vec<PeerId> = self.planner.peers().copied().collect();
        for peer in all {
            self.planner.want_compare(now, &peer, 0);
        }
        self.compare_due(now, shelf, outputs);
    }

    fn compare_with_some(&mut self, now: Now, count: usize) {
        // In turn, so that each is asked once before any is asked again.
        let mut turns: Vec<(u64, u64, PeerId)> =
            self.planner.answering().map(|(turn, peer)| (turn, self.rng.random(), *peer)).collect();
        turns.sort_unstable();
        // Of many who only say that they hold the same, and lie, the one who brings something does not.
        let chosen = turns.into_iter().take(count).map(|(.., peer)| peer).chain(self.planner.bringer());
        for peer in chosen.collect::<Vec<_>>() {
            self.planner.want_compare(now, &peer, 0);
        }
    }

    fn compare_due(&mut self, now: Now, shelf: &Shelf, outputs: &mut VecDeque<Output>) {
        for peer in self.planner.take_due(now) {
            self.send(peer, Question::Vector { after: None }, SyncRequest::Compare(shelf.hash()), outputs);
        }
    }

    /// Asks for evidence of forks that peers know of.
    pub fn ask_for_evidence(&mut self, shelf: &Shelf, outputs: &mut VecDeque<Output>) {
        while let Some((peer, key)) = self.planner.plan_evidence(shelf) {
            self.send(peer, Question::Evidence(key), SyncRequest::Evidence(key), outputs);
        }
    }

    /// Asks for as many ranges as may be under way.
    pub fn ask_for_ranges(&mut self, shelf: &Shelf, pending: &Pending, outputs: &mut VecDeque<Output>) {
        while let Some((peer, wants)) = self.planner.plan_ranges(shelf, pending) {
            self.send(peer, Question::Range(wants.clone()), SyncRequest::Range(wants), outputs);
        }
    }

    /// Tells a member that its events are refused, unless it was told a short while ago.
    pub fn tell_refused(&mut self, now: Now, peer: PeerId, refusal: Refusal, outputs: &mut VecDeque<Output>) {
        if self.planner.may_tell(now, &peer) {
            self.send(peer, Question::Note, SyncRequest::Refused(refusal), outputs);
        }
    }

    /// A member told us what it holds.
    pub fn told(
        &mut self,
        now: Now,
        peer: PeerId,
        entries: &[VectorEntry],
        shelf: &Shelf,
        outputs: &mut VecDeque<Output>,
    ) {
        // A peer that talks about the channel is in it, whatever gossip has said so far.
        if !self.planner.knows(&peer) {
            self.peer_up(now, peer, shelf, outputs);
        }
        self.learn(peer, entries, shelf);
    }

    /// No answer will come.
    pub fn request_failed(&mut self, now: Now, from: PeerId, request: RequestId) {
        if self.planner.answered(&from, request).is_some() {
            self.planner.failed(now, &from);
        }
    }

    /// A peer answers.
    pub fn response(
        &mut self,
        now: Now,
        from: PeerId,
        request: RequestId,
        response: SyncResponse,
        shelf: &Shelf,
        outputs: &mut VecDeque<Output>,
    ) -> Brought {
        let Some(question) = self.planner.answered(&from, request) else { return Brought::Nothing };
        match (question, response) {
            (Question::Note, SyncResponse::Noted) => {}
            (Question::Vector { after: None }, SyncResponse::Same) => self.planner.compared(&from),
            (Question::Vector { after }, SyncResponse::Vector { entries, more }) => {
                if !is_page_after(after, &entries, more) || (more && !self.planner.may_turn_page(&from)) {
                    self.wrong_answer(now, from, outputs);
                } else {
                    self.page(from, after, &entries, more, shelf, outputs);
                }
            }
            (Question::Range(wants), SyncResponse::Runs(runs)) => {
                return Brought::Runs(self.runs(from, &wants, runs, outputs));
            }
            (Question::Evidence(key), SyncResponse::Evidence(runs)) => {
                if proves_fork(&*self.verifier, &runs, self.channel, key) {
                    return Brought::Evidence(key, runs);
                }
                // It may be that the peer's own store has not kept it yet.
                self.planner.disbelieve(&from);
            }
            (_, SyncResponse::Unavailable) => self.planner.failed(now, &from),
            (_, _) => self.wrong_answer(now, from, outputs),
        }
        Brought::Nothing
    }

    /// Learns from a page of a peer's vector, tells the peer what it lacks, and turns to the next page.
    fn page(
        &mut self,
        from: PeerId,
        after: Option<LogKey>,
        entries: &[VectorEntry],
        more: bool,
        shelf: &Shelf,
        outputs: &mut VecDeque<Output>,
    ) {
        self.learn(from, entries, shelf);
        let next = entries.last().map(VectorEntry::key).filter(|_| more);
        let mut lacking = lacked_by(shelf, after, next, entries);
        // It would not remember more.
        lacking.truncate(MAX_LEARNED);
        for chunk in lacking.chunks(MAX_VECTOR_ENTRIES) {
            self.send(from, Question::Note, SyncRequest::Have(chunk.to_vec()), outputs);
        }
        if next.is_some() {
            self.send(from, Question::Vector { after: next }, SyncRequest::Vector { after: next }, outputs);
        } else {
            self.planner.compared(&from);
        }
    }

    fn learn(&mut self, peer: PeerId, entries: &[VectorEntry], shelf: &Shelf) {
        for entry in entries {
            let key = entry.key();
            let log = shelf.log(&key);
            if log.frozen || !shelf.may_hold(&key) {
                continue;
            }
            if entry.frozen {
                self.planner.learn_frozen(&peer, key);
            } else if entry.seq > log.tip.seq {
                self.planner.learn(&peer, key, entry.seq);
            } else if entry.seq > 0 && entry.seq == log.tip.seq && entry.head != log.tip.id {
                self.planner.dispute(&peer, key);
            }
        }
    }

    /// The runs of an answer that were asked for.
    fn runs(&mut self, from: PeerId, wants: &[Want], runs: Vec<Run>, outputs: &mut VecDeque<Output>) -> Vec<Run> {
        let mut answered = vec![false; wants.len()];
        let mut fitting = Vec::new();
        for run in runs {
            let fits = |want: &Want| want.key() == run.log_key() && want.from == run.first_seq;
            match wants.iter().position(fits) {
                Some(index) if run.channel == self.channel && !answered[index] => {
                    answered[index] = true;
                    fitting.push(run);
                }
                _ => outputs.push_back(Output::Penalise { peer: from, offence: Offence::WrongAnswer }),
            }
        }
        // An answer has room for so much; one with nothing at all shows that the peer holds none of it.
        if fitting.is_empty() {
            self.planner.nothing_came(&from, wants);
        }
        fitting
    }

    fn wrong_answer(&mut self, now: Now, from: PeerId, outputs: &mut VecDeque<Output>) {
        outputs.push_back(Output::Penalise { peer: from, offence: Offence::WrongAnswer });
        self.planner.failed(now, &from);
    }

    fn send(&mut self, to: PeerId, question: Question, message: SyncRequest, outputs: &mut VecDeque<Output>) {
        let request = self.planner.ask(to, question);
        outputs.push_back(Output::Send { to, request, message });
    }
}

/// Whether `entries` can be the page of a vector that follows the log `after`.
fn is_page_after(after: Option<LogKey>, entries: &[VectorEntry], more: bool) -> bool {
    let sorted = entries.windows(2).all(|pair| pair[0].key() < pair[1].key());
    let follows = entries.first().is_none_or(|entry| after.is_none_or(|after| entry.key() > after));
    sorted && follows && entries.len() <= MAX_VECTOR_ENTRIES && !(more && entries.is_empty())
}

/// What we hold and a peer's page, which covers the logs after `after` up to `until`, shows that it lacks.
fn lacked_by(shelf: &Shelf, after: Option<LogKey>, until: Option<LogKey>, entries: &[VectorEntry]) -> Vec<VectorEntry> {
    let theirs: BTreeMap<LogKey, &VectorEntry> = entries.iter().map(|entry| (entry.key(), entry)).collect();
    let lacks = |ours: &VectorEntry| {
        theirs.get(&ours.key()).is_none_or(|theirs| !theirs.frozen && (ours.frozen || ours.seq > theirs.seq))
    };
    let covered = |ours: &VectorEntry| until.is_none_or(|until| ours.key() <= until);
    shelf.entries(after).take_while(covered).filter(lacks).collect()
}

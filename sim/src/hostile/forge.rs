//! Lies about who said what: signatures that are wrong, and logs that say two things at once.

use std::collections::VecDeque;

use libp2p::PeerId;
use proto::{
    call::{Answer, Question, Topic},
    event::Run,
    ids::{Author, EventId, LogId},
    live::Live,
    log::message::{SyncRequest, SyncResponse, VectorEntry},
    signature::{Ed25519, Signature},
    time::Now,
};
use rand::seq::IteratorRandom;

use super::{
    author::{Log, Pace},
    peer::{Peer, Trick},
};

/// Milliseconds between two bursts.
const PERIOD_MS: u64 = 100;

/// Pairs that are remembered, to be told when asked. Older ones are told by those who heard of them.
const MAX_PAIRS: usize = 256;

/// Sends runs that nobody signed.
pub struct BadSignatures {
    log: Log,
    pace: Pace,
    sent: u64,
}

impl BadSignatures {
    /// At a rate.
    pub fn new(peer: &mut Peer, rate_per_s: f64) -> Self {
        Self { log: peer.new_log(), pace: Pace::new(rate_per_s), sent: 0 }
    }

    /// In turns a run whose signature is broken, and one in the name of a neighbour.
    fn forge(&mut self, peer: &mut Peer) -> Option<Run> {
        self.sent += 1;
        let mut run = self.log.write(peer.now().wall_ms, &[format!("forged {}", self.sent)])?;
        if self.sent.is_multiple_of(2) {
            let victim = peer.connected.iter().choose(&mut peer.rng)?;
            run.author = Author::from_peer_id(victim)?;
        } else {
            let mut bytes = run.signature.to_bytes();
            bytes[0] ^= 1;
            run.signature = Signature::from_bytes(bytes);
        }
        Some(run)
    }
}

impl Trick for BadSignatures {
    fn period_ms(&self) -> u64 {
        PERIOD_MS
    }

    fn act(&mut self, peer: &mut Peer) {
        for _ in 0..self.pace.due(PERIOD_MS) {
            if let Some(run) = self.forge(peer) {
                // Whether anybody hears it makes no difference.
                peer.publish(&Live::Run(run));
            }
        }
    }
}

/// Two runs at one place of a log: the first is told to one half of all peers, the second to the other.
struct Pair {
    log: LogId,
    told: [(Run, EventId); 2],
}

/// Writes two events at one place, a pair in a log of its own each time: of a log that is caught nothing more is taken.
pub struct Equivocate {
    pace: Pace,
    pairs: VecDeque<Pair>,
}

impl Equivocate {
    /// So many pairs a second.
    pub fn new(rate_per_s: f64) -> Self {
        Self { pace: Pace::new(rate_per_s), pairs: VecDeque::new() }
    }

    fn pair(&mut self, peer: &mut Peer) -> Option<()> {
        let (wall_ms, empty) = (peer.now().wall_ms, peer.new_log());
        let told = ["yes", "no"].map(|text| {
            let run = empty.clone().write(wall_ms, &[format!("I say {text}")])?;
            let id = run.clone().verify(&Ed25519).ok()?.last()?.id;
            Some((run, id))
        });
        let [Some(one), Some(other)] = told else { return None };
        for (side, (run, _)) in [&one, &other].into_iter().enumerate() {
            peer.publish_to(&Live::Run(run.clone()), |neighbour| side_of(neighbour) == side);
        }
        if self.pairs.len() >= MAX_PAIRS {
            self.pairs.pop_front();
        }
        self.pairs.push_back(Pair { log: one.0.log, told: [one, other] });
        Some(())
    }

    /// All logs, as one side is told of them.
    fn vector(&self, side: usize) -> Vec<VectorEntry> {
        let mut entries: Vec<VectorEntry> = self
            .pairs
            .iter()
            .map(|pair| {
                let (run, head) = &pair.told[side];
                VectorEntry { author: run.author, log: run.log, seq: 1, head: *head, frozen: false }
            })
            .collect();
        entries.sort_by_key(VectorEntry::key);
        entries
    }
}

/// Which half of all peers one belongs to.
fn side_of(peer: &PeerId) -> usize {
    usize::from(peer.to_bytes().last().is_some_and(|byte| byte & 1 == 1))
}

impl Trick for Equivocate {
    fn period_ms(&self) -> u64 {
        PERIOD_MS
    }

    fn act(&mut self, peer: &mut Peer) {
        for _ in 0..self.pace.due(PERIOD_MS) {
            if !peer.connected.is_empty() {
                // `None` when the texts are no messages, which they are.
                let _ = self.pair(peer);
            }
        }
    }

    fn answer(&self, _now: Now, from: PeerId, question: &Question) -> Option<Answer> {
        let side = side_of(&from);
        let told = |log: &LogId| self.pairs.iter().find(|pair| pair.log == *log).map(|pair| pair.told[side].0.clone());
        let answer = match &question.topic {
            Topic::Sync(SyncRequest::Compare(_) | SyncRequest::Vector { after: None }) => {
                SyncResponse::Vector { entries: self.vector(side), more: false }
            }
            Topic::Sync(SyncRequest::Range(wants)) => {
                SyncResponse::Runs(wants.iter().filter_map(|want| told(&want.log)).collect())
            }
            Topic::Sync(SyncRequest::Have(_) | SyncRequest::Refused(_)) => SyncResponse::Noted,
            // It knows nothing of any forks.
            _ => return Some(question.topic.unavailable()),
        };
        Some(Answer::Sync(answer))
    }
}

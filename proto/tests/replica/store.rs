//! A store in memory that forgets, on a crash, what it has not answered.

use std::collections::{BTreeMap, VecDeque};

use proto::{
    event::{MAX_HEADER_BYTES, Run, SignedEvent},
    hlc::MAX_ADVANCE_MS,
    ids::LogKey,
    log::{
        CommitId, Fork,
        message::{MAX_RESPONSE_EVENTS, MAX_RUNS_BYTES, Want},
        shelf::Position,
    },
};

/// Something on its way to the disk.
#[derive(Clone)]
pub enum Write {
    Events(CommitId, Vec<SignedEvent>),
    Evidence(Box<Fork>),
}

/// What is durable, and what is on its way there.
#[derive(Clone, Default)]
pub struct Store {
    logs: BTreeMap<LogKey, Vec<SignedEvent>>,
    evidence: BTreeMap<LogKey, Vec<Run>>,
    pub queue: VecDeque<Write>,
}

impl Store {
    /// Makes the oldest write durable; returns the commit to answer, if it was one.
    pub fn write_one(&mut self) -> Option<CommitId> {
        match self.queue.pop_front()? {
            Write::Events(commit, events) => {
                for event in &events {
                    self.append(event);
                }
                assert!(events.last().unwrap().signature.is_some(), "a commit ends with a signature");
                Some(commit)
            }
            Write::Evidence(fork) => {
                self.keep(*fork);
                None
            }
        }
    }

    fn keep(&mut self, fork: Fork) {
        let (key, runs) = match fork {
            Fork::Proven { key, runs } => (key, runs),
            Fork::Noticed { key, seq, theirs } => {
                let ours = self.run(Want { author: key.author, log: key.log, from: seq, to: seq }, &mut Budget::full());
                (key, vec![ours.expect("the contradicted event is durable"), theirs])
            }
        };
        self.evidence.insert(key, runs);
    }

    fn append(&mut self, event: &SignedEvent) {
        let log = self.logs.entry(event.event.log_key()).or_default();
        let (seq, prev) = log.last().map_or((0, proto::ids::EventId::NONE), |last| (last.event.seq, last.id));
        assert_eq!((event.event.seq, event.event.prev), (seq + 1, prev), "a log is stored without a gap");
        assert_eq!(event.event.id(), event.id);
        log.push(event.clone());
    }

    /// The disk refuses. Evidence is kept and tried again, as a driver must.
    pub fn fail(&mut self) {
        self.queue.retain(|write| matches!(write, Write::Evidence(_)));
    }

    pub fn crash(&mut self) {
        self.queue.clear();
    }

    pub fn seq(&self, key: &LogKey) -> u64 {
        self.logs.get(key).map_or(0, |log| log.len() as u64)
    }

    pub fn has_evidence(&self, key: &LogKey) -> bool {
        self.evidence.contains_key(key)
    }

    pub fn evidence(&self, key: &LogKey) -> Vec<Run> {
        self.evidence.get(key).cloned().unwrap_or_default()
    }

    pub fn heads(&self) -> impl Iterator<Item = (LogKey, Position, bool)> {
        self.logs.iter().map(|(key, log)| (*key, Position::of(log.last().unwrap()), self.evidence.contains_key(key)))
    }

    /// All events in the channel's order.
    pub fn history(&self) -> Vec<&SignedEvent> {
        let mut all: Vec<&SignedEvent> = self.logs.values().flatten().collect();
        all.sort_by_key(|event| event.event.order());
        all
    }

    pub fn not_due(&self, wall_ms: u64) -> Vec<SignedEvent> {
        let ahead = |event: &&&SignedEvent| event.event.hlc.ahead_ms(wall_ms) > MAX_ADVANCE_MS;
        self.history().iter().filter(ahead).map(|event| (*event).clone()).collect()
    }

    /// Forgets the newest events of a log: what an old backup lacks.
    pub fn truncate(&mut self, key: &LogKey, seq: usize) {
        self.logs.get_mut(key).unwrap().truncate(seq);
    }

    pub fn forget_empty(&mut self) {
        self.logs.retain(|_, log| !log.is_empty());
    }

    /// Takes over all logs of another store.
    pub fn copy_from(&mut self, other: &Store) {
        self.logs.extend(other.logs.clone());
    }

    pub fn runs(&self, wants: &[Want]) -> Vec<Run> {
        let mut budget = Budget::full();
        wants.iter().filter_map(|want| self.run(*want, &mut budget)).collect()
    }

    fn run(&self, want: Want, budget: &mut Budget) -> Option<Run> {
        let log = self.logs.get(&want.key())?;
        let from = usize::try_from(want.from.checked_sub(1)?).ok()?;
        let rest = log.get(from..)?;
        let (mut left, mut cut) = (*budget, None);
        for (index, event) in rest.iter().enumerate() {
            let Some(after) = left.minus(event) else { break };
            left = after;
            if event.signature.is_some() {
                cut = Some((index + 1, left));
                if event.event.seq >= want.to {
                    break;
                }
            }
        }
        let (count, left) = cut?;
        *budget = left;
        Run::from_events(&rest[..count])
    }
}

/// What an answer has room for.
#[derive(Clone, Copy)]
struct Budget {
    events: usize,
    bytes: usize,
}

impl Budget {
    fn full() -> Self {
        Self { events: MAX_RESPONSE_EVENTS, bytes: MAX_RUNS_BYTES }
    }

    fn minus(self, event: &SignedEvent) -> Option<Self> {
        Some(Self {
            events: self.events.checked_sub(1)?,
            bytes: self.bytes.checked_sub(event.event.body.bytes.len() + MAX_HEADER_BYTES)?,
        })
    }
}

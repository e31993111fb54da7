//! A network of replicas in one thread and virtual time: latency, loss, duplicates, reordering, partitions, crashes.
//!
//! While it runs it checks what must hold at every moment: nothing is shown to a peer that is not durable, nothing is
//! emitted twice in one run of a node, what is stored is a log without gaps, and everything that is bounded is in bounds.

mod checks;
mod network;

use std::collections::{BTreeMap, BTreeSet};

use proto::{
    Keypair, PeerId,
    channel::RoomName,
    event::{Body, Run, SignedEvent},
    ids::{ChannelId, EventId, LogId, LogKey},
    log::{
        Fork, Input, Replica, RequestId,
        message::{Refusal, SyncRequest, SyncResponse},
    },
    offence::Offence,
    signature::Signer,
    time::Now,
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::store::Store;

/// Wall-clock milliseconds when a simulation starts: clocks may be set years back without reaching 0.
const START_MS: u64 = 1_800_000_000_000;

/// Milliseconds until a request without an answer fails.
pub const REQUEST_TIMEOUT_MS: u64 = 10_000;

pub fn channel() -> ChannelId {
    "lobby".parse::<RoomName>().unwrap().channel()
}

pub fn signer(number: u64) -> Signer {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&number.to_le_bytes());
    Signer::new(Keypair::ed25519_from_bytes(seed).unwrap()).unwrap()
}

fn peer_id(index: usize) -> PeerId {
    signer(1_000_000 + index as u64).author().peer_id().unwrap()
}

/// Answers requests in place of a replica; `None` never answers.
pub type Hostile = Box<dyn FnMut(&mut ChaCha8Rng, &SyncRequest) -> Option<SyncResponse>>;

/// How messages fare.
#[derive(Debug, Clone, Copy)]
pub struct Net {
    pub latency_ms: (u64, u64),
    pub loss_percent: u32,
    pub duplicate_percent: u32,
    pub store_ms: (u64, u64),
}

impl Net {
    pub const GOOD: Net = Net { latency_ms: (1, 5), loss_percent: 0, duplicate_percent: 0, store_ms: (1, 3) };
}

/// One member.
pub struct Node {
    pub peer: PeerId,
    pub signer: Signer,
    pub log: LogId,
    pub replica: Option<Replica>,
    pub hostile: Option<Hostile>,
    pub store: Store,
    pub store_stalled: bool,
    pub skew_ms: i64,
    /// Shown to the user in this run.
    pub shown: BTreeSet<EventId>,
    /// Acknowledged to the user, ever.
    pub published: Vec<SignedEvent>,
    pub failed: Vec<bool>,
    pub forks: Vec<Fork>,
    pub refusals: Vec<(PeerId, Refusal)>,
    pub longer: Vec<LogKey>,
    pub brought_by: Vec<PeerId>,
    pub offences: Vec<(PeerId, Offence)>,
    run: u64,
    seen: BTreeSet<[u8; 64]>,
    ranges: BTreeMap<RequestId, PeerId>,
    store_free_at: u64,
}

/// Something that will happen.
enum Event {
    Input(Input),
    Request { from: usize, request: RequestId, message: SyncRequest },
    Gossip { from: usize, run: Run },
    StoreDone,
    Linked(usize),
    Unlinked(usize),
}

/// For whom an answer is, or what a gossip message was.
enum Token {
    Answer { to: usize, run: u64, request: RequestId },
    Gossip(Run),
}

pub struct Sim {
    pub now_ms: u64,
    pub net: Net,
    pub nodes: Vec<Node>,
    pub rng: ChaCha8Rng,
    /// Requests sent, by kind.
    pub sent: BTreeMap<&'static str, u64>,
    /// Events delivered in answers to range requests, by node.
    pub delivered: BTreeMap<usize, u64>,
    /// Answers with runs, by who gave them.
    pub served: BTreeMap<usize, u64>,
    links: BTreeSet<(usize, usize)>,
    queue: BTreeMap<(u64, u64), (usize, u64, Event)>,
    tokens: BTreeMap<u64, Token>,
    counter: u64,
}

impl Sim {
    pub fn new(seed: u64, count: usize) -> Self {
        let mut sim = Self {
            now_ms: 0,
            net: Net::GOOD,
            nodes: Vec::new(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            sent: BTreeMap::new(),
            delivered: BTreeMap::new(),
            served: BTreeMap::new(),
            links: BTreeSet::new(),
            queue: BTreeMap::new(),
            tokens: BTreeMap::new(),
            counter: 0,
        };
        for index in 0..count {
            sim.add(signer(index as u64), LogId(100 * index as u64 + 7));
        }
        sim
    }

    /// Adds a member that writes as `signer`, and starts it.
    pub fn add(&mut self, signer: Signer, log: LogId) -> usize {
        let index = self.nodes.len();
        self.nodes.push(Node {
            peer: peer_id(index),
            signer,
            log,
            replica: None,
            hostile: None,
            store: Store::default(),
            store_stalled: false,
            skew_ms: 0,
            shown: BTreeSet::new(),
            published: Vec::new(),
            failed: Vec::new(),
            forks: Vec::new(),
            refusals: Vec::new(),
            longer: Vec::new(),
            brought_by: Vec::new(),
            offences: Vec::new(),
            run: 0,
            seen: BTreeSet::new(),
            ranges: BTreeMap::new(),
            store_free_at: 0,
        });
        self.start(index);
        index
    }

    /// Adds a peer that runs no replica.
    pub fn add_hostile(&mut self, hostile: Hostile) -> usize {
        let index = self.add(signer(5_000 + self.nodes.len() as u64), LogId(1));
        self.nodes[index].replica = None;
        self.nodes[index].hostile = Some(hostile);
        index
    }

    // ---- what tests do

    pub fn link(&mut self, a: usize, b: usize) {
        if a != b && self.links.insert((a.min(b), a.max(b))) {
            self.after(1, a, Event::Linked(b));
            self.after(1, b, Event::Linked(a));
        }
    }

    pub fn cut(&mut self, a: usize, b: usize) {
        if self.links.remove(&(a.min(b), a.max(b))) {
            self.after(1, a, Event::Unlinked(b));
            self.after(1, b, Event::Unlinked(a));
        }
    }

    pub fn link_all(&mut self) {
        for a in 0..self.nodes.len() {
            for b in 0..a {
                self.link(a, b);
            }
        }
    }

    /// Cuts every link between a node for which `side` holds and one for which it does not.
    pub fn split(&mut self, side: impl Fn(usize) -> bool) {
        for (a, b) in self.links.clone() {
            if side(a) != side(b) {
                self.cut(a, b);
            }
        }
    }

    pub fn is_linked(&self, a: usize, b: usize) -> bool {
        self.links.contains(&(a.min(b), a.max(b)))
    }

    pub fn is_up(&self, node: usize) -> bool {
        self.nodes[node].replica.is_some()
    }

    pub fn say(&mut self, node: usize, text: &str) {
        self.say_bytes(node, text.as_bytes().to_vec());
    }

    pub fn say_bytes(&mut self, node: usize, bytes: Vec<u8>) {
        self.counter += 1;
        let token = self.counter;
        self.input(node, Input::Publish { token, body: Body { kind: 1, bytes } });
    }

    pub fn say_many(&mut self, node: usize, count: usize) {
        for number in 0..count {
            self.say(node, &format!("{number}"));
        }
    }

    /// Stops a node between two moments: what the store has not answered is lost.
    pub fn crash(&mut self, node: usize) {
        if self.nodes[node].replica.take().is_some() {
            self.nodes[node].run += 1;
            self.nodes[node].store.crash();
            for other in self.neighbours(node) {
                self.after(1, other, Event::Unlinked(node));
            }
        }
    }

    pub fn restart(&mut self, node: usize) {
        if self.nodes[node].replica.is_none() {
            self.start(node);
            for other in self.neighbours(node) {
                self.after(1, other, Event::Linked(node));
                self.after(1, node, Event::Linked(other));
            }
        }
    }

    pub fn fail_store(&mut self, node: usize) {
        if self.is_up(node) {
            self.nodes[node].store.fail();
            self.input(node, Input::PersistFailed);
        }
    }

    /// A stalled store answers nothing until it is let go.
    pub fn stall_store(&mut self, node: usize, stalled: bool) {
        self.nodes[node].store_stalled = stalled;
        if !stalled {
            for _ in 0..self.nodes[node].store.queue.len() {
                self.after(1, node, Event::StoreDone);
            }
        }
    }

    /// Makes a node ask another something, whether or not a replica would.
    pub fn ask(&mut self, from: usize, to: usize, message: SyncRequest) {
        self.counter += 1;
        let request = RequestId(u64::MAX - self.counter);
        self.after(1, to, Event::Request { from, request, message });
    }

    pub fn gossip(&mut self, from: usize, to: usize, run: Run) {
        self.after(1, to, Event::Gossip { from, run });
    }

    pub fn input(&mut self, node: usize, input: Input) {
        let now = self.now(node);
        if let Some(replica) = &mut self.nodes[node].replica {
            replica.handle(now, input);
        }
        self.drain(node);
    }

    pub fn run_for(&mut self, ms: u64) {
        let end = self.now_ms + ms;
        while self.step(end) {}
        self.now_ms = end;
    }

    /// Runs until `done`, for `ms` at most; says whether it came to be.
    pub fn run_until(&mut self, ms: u64, done: impl Fn(&Sim) -> bool) -> bool {
        let end = self.now_ms + ms;
        loop {
            if done(self) {
                return true;
            }
            let before = self.now_ms;
            while self.now_ms == before {
                if !self.step(end) {
                    self.now_ms = end;
                    return done(self);
                }
            }
        }
    }

    // ---- what tests look at

    pub fn replica(&self, node: usize) -> &Replica {
        self.nodes[node].replica.as_ref().expect("the node is up")
    }

    pub fn history(&self, node: usize) -> Vec<EventId> {
        self.nodes[node].store.history().iter().map(|event| event.id).collect()
    }

    pub fn texts(&self, node: usize) -> Vec<String> {
        let text = |event: &&SignedEvent| String::from_utf8_lossy(&event.event.body.bytes).into_owned();
        self.nodes[node].store.history().iter().map(text).collect()
    }

    pub fn own_key(&self, node: usize) -> LogKey {
        LogKey { author: self.nodes[node].signer.author(), log: self.nodes[node].log }
    }

    /// Whether all nodes that are up and honest hold the same and have nothing under way to the disk.
    pub fn converged(&self) -> bool {
        let honest = || self.nodes.iter().filter(|node| node.replica.is_some());
        let hash = |node: &Node| node.replica.as_ref().map(|replica| replica.shelf().hash());
        let Some(first) = honest().next() else { return true };
        let expected = hash(first);
        honest().all(|node| node.store.queue.is_empty() && hash(node) == expected)
    }

    pub fn requests(&self) -> u64 {
        self.sent.values().sum()
    }

    pub fn sent(&self, kind: &str) -> u64 {
        self.sent.get(kind).copied().unwrap_or(0)
    }

    /// What must hold once a network without forks has had time to repair itself.
    pub fn assert_converged(&self) {
        assert!(self.converged(), "the replicas differ");
        let up: Vec<usize> = (0..self.nodes.len()).filter(|node| self.is_up(*node)).collect();
        let expected = self.history(up[0]);
        for node in up {
            assert_eq!(self.history(node), expected, "node {node} has another history");
            let shown: BTreeSet<EventId> = expected.iter().copied().collect();
            assert!(self.nodes[node].shown == shown, "node {node} has not shown all it holds");
        }
        for node in &self.nodes {
            for event in &node.published {
                assert!(expected.contains(&event.id), "an acknowledged event is lost");
            }
        }
    }

    pub fn now(&self, node: usize) -> Now {
        let wall_ms = (START_MS + self.now_ms).saturating_add_signed(self.nodes[node].skew_ms);
        Now { mono_ms: self.now_ms, wall_ms }
    }
}

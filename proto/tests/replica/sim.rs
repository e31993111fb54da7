//! A network of replicas in one thread and virtual time: latency, loss, duplicates, reordering, partitions, crashes.
//!
//! While it runs it checks what must hold at every moment: nothing is shown to a peer that is not durable, nothing is
//! emitted twice in one run of a node, what is stored is a log without gaps, and everything that is bounded is in bounds.

use std::collections::{BTreeMap, BTreeSet};

use proto::{
    Keypair, PeerId,
    channel::{RoomName, WritePolicy},
    event::{Body, Run, SignedEvent, Signer},
    hlc::MAX_ADVANCE_MS,
    ids::{ChannelId, EventId, LogId, LogKey},
    live::Verdict,
    log::{
        Input, MAX_COMMITTING_BYTES, MAX_PENDING_BYTES, MAX_RANGES_IN_FLIGHT, MAX_RANGES_PER_PEER, Output, Replica,
        message::{MAX_RESPONSE_BYTES, Refusal, SyncRequest, SyncResponse, VectorEntry},
        planner::RequestId,
        replica::{Config, Fork},
    },
    offence::Offence,
    time::Now,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::store::{Store, Write};

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

    // ---- the machinery

    pub fn now(&self, node: usize) -> Now {
        let wall_ms = (START_MS + self.now_ms).saturating_add_signed(self.nodes[node].skew_ms);
        Now { mono_ms: self.now_ms, wall_ms }
    }

    fn neighbours(&self, node: usize) -> Vec<usize> {
        let other = |(a, b): &(usize, usize)| match node {
            n if n == *a => Some(*b),
            n if n == *b => Some(*a),
            _ => None,
        };
        self.links.iter().filter_map(other).collect()
    }

    fn start(&mut self, index: usize) {
        let seed: [u8; 32] = self.rng.random();
        let now = self.now(index);
        let node = &mut self.nodes[index];
        let mut replica = Replica::new(Config {
            channel: channel(),
            policy: WritePolicy::Anyone,
            signer: node.signer.clone(),
            own_log: node.log,
            seed,
        });
        for (key, position, frozen) in node.store.heads() {
            replica.restore(now, key, position, frozen);
        }
        let shown = |event: &&&SignedEvent| event.event.hlc.ahead_ms(now.wall_ms) <= MAX_ADVANCE_MS;
        node.shown = node.store.history().iter().filter(shown).map(|event| event.id).collect();
        for event in node.store.not_due(now.wall_ms) {
            replica.restore_deferred(now, event);
        }
        node.seen.clear();
        node.ranges.clear();
        node.store_free_at = 0;
        node.replica = Some(replica);
    }

    fn after(&mut self, delay_ms: u64, node: usize, event: Event) {
        self.counter += 1;
        let run = self.nodes[node].run;
        self.queue.insert((self.now_ms + delay_ms, self.counter), (node, run, event));
    }

    fn latency(&mut self) -> u64 {
        let (least, most) = self.net.latency_ms;
        self.rng.random_range(least..=most)
    }

    fn is_lost(&mut self) -> bool {
        self.rng.random_range(0..100) < self.net.loss_percent
    }

    fn step(&mut self, end_ms: u64) -> bool {
        let timer = |(index, node): (usize, &Node)| Some((node.replica.as_ref()?.poll_timeout()?.0, index));
        let timer = self.nodes.iter().enumerate().filter_map(timer).min();
        let event = self.queue.first_key_value().map(|((at, _), _)| *at);
        match (timer, event) {
            (Some((at, index)), next) if next.is_none_or(|next| at < next) && at <= end_ms => {
                self.now_ms = self.now_ms.max(at);
                let now = self.now(index);
                let replica = self.nodes[index].replica.as_mut().unwrap();
                replica.handle_timeout(now);
                assert!(replica.poll_timeout().is_none_or(|next| !now.reached(next)), "a timer fires for ever");
                self.drain(index);
                true
            }
            (_, Some(at)) if at <= end_ms => {
                self.now_ms = self.now_ms.max(at);
                let (_, (node, run, event)) = self.queue.pop_first().unwrap();
                if run == self.nodes[node].run {
                    self.happen(node, event);
                }
                true
            }
            _ => false,
        }
    }

    fn happen(&mut self, node: usize, event: Event) {
        match event {
            Event::Input(input) => {
                if let Input::Response { request, .. } | Input::RequestFailed { request, .. } = &input {
                    self.nodes[node].ranges.remove(request);
                }
                self.input(node, input);
            }
            Event::Linked(other) => {
                if self.is_linked(node, other) && (self.is_up(other) || self.nodes[other].hostile.is_some()) {
                    self.input(node, Input::PeerUp(self.nodes[other].peer));
                }
            }
            Event::Unlinked(other) => {
                let peer = self.nodes[other].peer;
                self.nodes[node].ranges.retain(|_, asked| *asked != peer);
                self.input(node, Input::PeerDown(peer));
            }
            Event::Request { from, request, message } => self.requested(node, from, request, message),
            Event::Gossip { from, run } => self.gossiped(node, from, run),
            Event::StoreDone => self.store_done(node),
        }
    }

    fn requested(&mut self, node: usize, from: usize, request: RequestId, message: SyncRequest) {
        if !self.is_linked(node, from) {
            return;
        }
        let run = self.nodes[from].run;
        if let Some(mut hostile) = self.nodes[node].hostile.take() {
            if let Some(response) = hostile(&mut self.rng, &message) {
                self.respond(node, from, run, request, response);
            } else {
                self.fail_later(from, node, request);
            }
            self.nodes[node].hostile = Some(hostile);
        } else {
            self.counter += 1;
            let token = self.counter;
            self.tokens.insert(token, Token::Answer { to: from, run, request });
            self.input(node, Input::Request { from: self.nodes[from].peer, token, request: message });
        }
    }

    fn gossiped(&mut self, node: usize, from: usize, run: Run) {
        if !self.is_linked(node, from) || !self.is_up(node) {
            return;
        }
        if !self.nodes[node].seen.insert(run.signature.to_bytes()) && self.net.duplicate_percent == 0 {
            return;
        }
        self.counter += 1;
        let token = self.counter;
        self.tokens.insert(token, Token::Gossip(run.clone()));
        self.input(node, Input::Gossip { from: self.nodes[from].peer, token, run });
    }

    fn store_done(&mut self, node: usize) {
        if self.nodes[node].store_stalled {
            return;
        }
        if let Some(through) = self.nodes[node].store.write_one() {
            self.input(node, Input::Persisted { through });
        }
    }

    fn index(&self, peer: &PeerId) -> usize {
        self.nodes.iter().position(|node| node.peer == *peer).unwrap()
    }

    fn fail_later(&mut self, node: usize, asked: usize, request: RequestId) {
        let from = self.nodes[asked].peer;
        self.after(REQUEST_TIMEOUT_MS, node, Event::Input(Input::RequestFailed { from, request }));
    }

    fn drain(&mut self, node: usize) {
        while let Some(output) = self.nodes[node].replica.as_mut().and_then(Replica::poll_output) {
            self.output(node, output);
        }
        self.check_bounds(node);
    }

    fn output(&mut self, node: usize, output: Output) {
        match output {
            Output::Persist { commit, events } => self.write(node, Write::Events(commit, events)),
            Output::Fork(fork) => {
                self.nodes[node].forks.push(fork.clone());
                self.write(node, Write::Evidence(fork));
            }
            Output::Gossip(run) => {
                assert!(
                    self.nodes[node].store.seq(&run.log_key()) >= run.last_seq(),
                    "published before it was durable"
                );
                self.nodes[node].seen.insert(run.signature.to_bytes());
                self.spread(node, None, &run);
            }
            Output::Verdict { token, from, verdict } => {
                let Some(Token::Gossip(run)) = self.tokens.remove(&token) else { panic!("a second verdict") };
                if verdict == Verdict::Accept {
                    self.spread(node, Some(self.index(&from)), &run);
                }
            }
            Output::Send { to, request, message } => self.send(node, to, request, message),
            Output::Respond { token, response } => self.answer(node, token, response),
            Output::ServeRuns { token, wants } => {
                for want in &wants {
                    assert!(want.to <= self.nodes[node].store.seq(&want.key()), "serves what is not durable");
                }
                let runs = self.nodes[node].store.runs(&wants);
                self.answer(node, token, SyncResponse::Runs(runs));
            }
            Output::ServeEvidence { token, key } => {
                let runs = self.nodes[node].store.evidence(&key);
                self.answer(node, token, SyncResponse::Evidence(runs));
            }
            Output::Published { event, .. } => self.nodes[node].published.push(event),
            Output::PublishFailed { overloaded, .. } => self.nodes[node].failed.push(overloaded),
            Output::Emit(event) => {
                let key = event.event.log_key();
                assert!(self.nodes[node].store.seq(&key) >= event.event.seq, "emitted before it was durable");
                assert!(self.nodes[node].shown.insert(event.id), "emitted twice");
            }
            Output::RefusedByPeer { peer, refusal } => self.nodes[node].refusals.push((peer, refusal)),
            Output::OwnLogFoundLonger { key } => self.nodes[node].longer.push(key),
            Output::Penalise { peer, offence } => self.nodes[node].offences.push((peer, offence)),
        }
    }

    fn write(&mut self, node: usize, write: Write) {
        self.nodes[node].store.queue.push_back(write);
        if !self.nodes[node].store_stalled {
            let (least, most) = self.net.store_ms;
            let at = (self.now_ms + self.rng.random_range(least..=most)).max(self.nodes[node].store_free_at);
            self.nodes[node].store_free_at = at;
            self.after(at - self.now_ms, node, Event::StoreDone);
        }
    }

    fn spread(&mut self, node: usize, except: Option<usize>, run: &Run) {
        for other in self.neighbours(node) {
            let copies = 1 + u32::from(self.rng.random_range(0..100) < self.net.duplicate_percent);
            for _ in 0..copies {
                if Some(other) != except && !self.is_lost() {
                    let latency = self.latency();
                    self.after(latency, other, Event::Gossip { from: node, run: run.clone() });
                }
            }
        }
    }

    fn send(&mut self, node: usize, to: PeerId, request: RequestId, message: SyncRequest) {
        self.check_durable(node, &message);
        *self.sent.entry(kind(&message)).or_default() += 1;
        if matches!(message, SyncRequest::Range(_)) {
            self.nodes[node].ranges.insert(request, to);
        }
        assert!(proto::wire::encode(&message).len() <= proto::log::message::MAX_REQUEST_BYTES);
        let other = self.index(&to);
        let reachable = self.is_linked(node, other) && (self.is_up(other) || self.nodes[other].hostile.is_some());
        if !reachable || self.is_lost() {
            return self.fail_later(node, other, request);
        }
        let latency = self.latency();
        self.after(latency, other, Event::Request { from: node, request, message });
        // Should the other side go down before it answers, this is how the asker notices; after an answer it does nothing.
        self.fail_later(node, other, request);
    }

    fn answer(&mut self, node: usize, token: u64, response: SyncResponse) {
        let Some(Token::Answer { to, run, request }) = self.tokens.remove(&token) else { panic!("a second answer") };
        if let SyncResponse::Vector { entries, .. } = &response {
            self.check_entries(node, entries);
        }
        if let SyncResponse::Runs(runs) = &response {
            *self.delivered.entry(to).or_default() += runs.iter().map(|run| run.entries.len() as u64).sum::<u64>();
            *self.served.entry(node).or_default() += 1;
        }
        assert!(proto::wire::encode(&response).len() <= MAX_RESPONSE_BYTES);
        self.respond(node, to, run, request, response);
    }

    fn respond(&mut self, node: usize, to: usize, run: u64, request: RequestId, response: SyncResponse) {
        if self.is_lost() || run != self.nodes[to].run || !self.is_linked(node, to) {
            return;
        }
        let latency = self.latency();
        let from = self.nodes[node].peer;
        self.after(latency, to, Event::Input(Input::Response { from, request, response }));
    }

    fn check_durable(&self, node: usize, message: &SyncRequest) {
        if let SyncRequest::Have(entries) = message {
            self.check_entries(node, entries);
        }
    }

    fn check_entries(&self, node: usize, entries: &[VectorEntry]) {
        for entry in entries {
            assert!(entry.seq <= self.nodes[node].store.seq(&entry.key()), "shows what is not durable");
        }
    }

    fn check_bounds(&self, node: usize) {
        let node = &self.nodes[node];
        let Some(replica) = &node.replica else { return };
        assert!(node.ranges.len() <= MAX_RANGES_IN_FLIGHT);
        let mut by_peer: BTreeMap<PeerId, usize> = BTreeMap::new();
        for peer in node.ranges.values() {
            *by_peer.entry(*peer).or_default() += 1;
        }
        assert!(by_peer.values().all(|count| *count <= MAX_RANGES_PER_PEER));
        let load = replica.load();
        assert!(load.pending_bytes <= MAX_PENDING_BYTES);
        // Answers to what was asked before the limit was reached, and what waited for them, may come on top.
        let above = MAX_PENDING_BYTES + MAX_RANGES_IN_FLIGHT * 2 * MAX_RESPONSE_BYTES;
        assert!(load.committing_bytes <= MAX_COMMITTING_BYTES + above);
        assert!(load.questions <= 256, "{} questions are under way", load.questions);
    }
}

fn kind(message: &SyncRequest) -> &'static str {
    match message {
        SyncRequest::Compare(_) => "compare",
        SyncRequest::Vector { .. } => "vector",
        SyncRequest::Have(_) => "have",
        SyncRequest::Range(_) => "range",
        SyncRequest::Evidence(_) => "evidence",
        SyncRequest::Refused(_) => "refused",
    }
}

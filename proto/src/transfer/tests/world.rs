//! Nodes that give each other files, honest or not, in a time of their own.

use std::collections::BTreeMap;

use libp2p_identity::PeerId;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::node::{Conduct, Node, Question, Sending, Way};
use crate::{
    testing::{at, cheap_peer},
    time::Now,
    transfer::{
        Blocks, Lengths, TransferId,
        download::{self, Failure, MAX_BYTES, MAX_REQUESTS, RequestId},
        upload::{self, MAX_QUEUED, MAX_SLOTS, Refusal, Token},
    },
};

/// Milliseconds to look at a block, and to store it.
const VERIFY_MS: u64 = 1;
const STORE_MS: u64 = 3;

#[derive(Debug, Clone)]
enum Message {
    Has(TransferId, Blocks),
    HasOne(TransferId, u32),
    Interested(TransferId, bool),
    Served(bool),
    Ask(RequestId, TransferId, u32),
    Cancel(RequestId),
    Data(RequestId, TransferId, u32, bool),
    Refused(RequestId, Failure),
}

#[derive(Debug, Clone)]
enum Event {
    Message { from: usize, to: usize, message: Message },
    Wake(usize),
    Sent { node: usize, token: Token, bytes: u32, took_ms: u64 },
    Looked { node: usize, from: usize, request: RequestId, transfer: TransferId, block: u32, right: bool },
    Stored { node: usize, transfer: TransferId, block: u32 },
    Arrived { from: usize, question: Question, bytes: u32, right: bool },
    Vanish(usize),
    SegmentOut(usize),
}

/// All of them.
pub struct World {
    pub now_ms: u64,
    pub nodes: Vec<Node>,
    shares: BTreeMap<TransferId, Lengths>,
    events: BTreeMap<(u64, u64), Event>,
    next_event: u64,
    next_token: u64,
    rng: ChaCha8Rng,
}

impl World {
    pub fn new(seed: u8) -> Self {
        Self {
            now_ms: 0,
            nodes: Vec::new(),
            shares: BTreeMap::new(),
            events: BTreeMap::new(),
            next_event: 0,
            next_token: 0,
            rng: ChaCha8Rng::from_seed([seed; 32]),
        }
    }

    fn now(&self) -> Now {
        at(self.now_ms)
    }

    pub fn share(&mut self, transfer: TransferId, lengths: Lengths) {
        self.shares.insert(transfer, lengths);
    }

    pub fn node(&mut self, way: Way, conduct: Conduct) -> usize {
        let id = self.nodes.len();
        let node = Node::new([self.rng.random(), self.rng.random()], way, conduct);
        self.nodes.push(node);
        if let Conduct::Vanishes(after_ms) = conduct {
            self.event(self.now_ms + after_ms, Event::Vanish(id));
        }
        id
    }

    /// A node has some blocks, and shares them.
    pub fn gives(&mut self, node: usize, transfer: TransferId, has: Blocks) {
        self.nodes[node].has.insert(transfer, has);
    }

    /// A node has some blocks, and wants all.
    pub fn gets(&mut self, node: usize, transfer: TransferId, has: Blocks) {
        let lengths = self.shares[&transfer].clone();
        let wanted = Blocks::all(lengths.count());
        self.gives(node, transfer, has.clone());
        self.download(node, download::Input::Add { transfer, lengths, have: has, wanted });
    }

    /// Two nodes are connected, and say what they have.
    pub fn connect(&mut self, a: usize, b: usize) {
        for (node, other) in [(a, b), (b, a)] {
            self.nodes[node].neighbours.insert(other);
            let shares: Vec<TransferId> = self.shares.keys().copied().collect();
            for transfer in shares {
                self.download(node, download::Input::PeerUp { transfer, peer: cheap_peer(other as u32) });
                if let Some(has) = self.nodes[node].has.get(&transfer) {
                    let claims = self.nodes[node].conduct == Conduct::Claims;
                    let has = if claims { Blocks::all(has.count()) } else { has.clone() };
                    self.send(node, other, Message::Has(transfer, has));
                }
            }
        }
    }

    pub fn connect_all(&mut self) {
        for a in 0..self.nodes.len() {
            (0..a).for_each(|b| self.connect(a, b));
        }
    }

    /// Bytes that all have sent.
    pub fn sent(&self) -> u64 {
        self.nodes.iter().flat_map(|node| &node.sent).map(|(_, bytes)| u64::from(*bytes)).sum()
    }

    /// Goes on until then, or until there is nothing to do.
    pub fn run(&mut self, until_ms: u64) {
        while let Some(entry) = self.events.first_entry().filter(|entry| entry.key().0 <= until_ms) {
            self.now_ms = entry.key().0;
            let event = entry.remove();
            self.happen(event);
        }
        self.now_ms = until_ms;
    }

    /// Goes on until a node has finished a transfer, and says when; or not, until then.
    pub fn run_to_end(&mut self, nodes: &[usize], transfer: TransferId, until_ms: u64) -> Option<u64> {
        while !nodes.iter().all(|node| self.nodes[*node].finished.contains_key(&transfer)) {
            if self.now_ms >= until_ms {
                return None;
            }
            self.run(self.now_ms + 1_000);
        }
        nodes.iter().map(|node| self.nodes[*node].finished[&transfer]).max()
    }

    fn event(&mut self, at_ms: u64, event: Event) {
        self.events.insert((at_ms, self.next_event), event);
        self.next_event += 1;
    }

    fn send(&mut self, from: usize, to: usize, message: Message) {
        let at_ms = self.now_ms + self.nodes[from].way.away_ms + self.nodes[to].way.away_ms;
        self.event(at_ms, Event::Message { from, to, message });
    }

    fn happen(&mut self, event: Event) {
        let now = self.now();
        match event {
            Event::Message { from, to, message } => {
                if !self.nodes[from].is_gone && !self.nodes[to].is_gone {
                    self.hear(from, to, message);
                }
            }
            Event::Wake(node) => {
                if self.nodes[node].wake_ms == Some(self.now_ms) {
                    self.nodes[node].wake_ms = None;
                    self.nodes[node].downloads.handle_timeout(now);
                    self.nodes[node].uploads.handle_timeout(now);
                    self.drain(node);
                }
            }
            Event::Sent { node, token, bytes, took_ms } => {
                self.upload(node, upload::Input::Served { token, bytes, took_ms });
            }
            Event::Looked { node, from, request, transfer, block, right } => {
                if !right {
                    self.download(node, download::Input::Wrong { request });
                    return;
                }
                self.download(node, download::Input::Verified { request });
                let bytes = self.shares[&transfer].len(block);
                *self.nodes[node].came.entry(transfer).or_default() += u64::from(bytes);
                self.upload(node, upload::Input::Got { peer: cheap_peer(from as u32), bytes });
                self.event(self.now_ms + STORE_MS, Event::Stored { node, transfer, block });
            }
            Event::Stored { node, transfer, block } => {
                let new = self.nodes[node].has.get_mut(&transfer).is_some_and(|has| has.insert(block));
                assert!(new, "{block} was got twice");
                self.download(node, download::Input::Stored { transfer, block });
                let neighbours: Vec<usize> = self.nodes[node].neighbours.iter().copied().collect();
                neighbours.into_iter().for_each(|other| self.send(node, other, Message::HasOne(transfer, block)));
            }
            Event::Arrived { from, question, bytes, right } => self.arrive(from, question, bytes, right),
            Event::Vanish(node) => self.vanish(node),
            Event::SegmentOut(node) => self.send_segment(node),
        }
    }

    fn vanish(&mut self, node: usize) {
        self.nodes[node].is_gone = true;
        for other in self.nodes[node].neighbours.clone() {
            self.nodes[other].neighbours.remove(&node);
            let peer = cheap_peer(node as u32);
            self.nodes[other].told.retain(|(who, _), _| *who != node);
            self.download(other, download::Input::PeerDown { peer });
            self.upload(other, upload::Input::PeerDown { peer });
        }
    }

    fn hear(&mut self, from: usize, to: usize, message: Message) {
        let peer = cheap_peer(from as u32);
        match message {
            Message::Has(transfer, blocks) => {
                self.nodes[to].told.insert((from, transfer), blocks.clone());
                self.download(to, download::Input::Has { transfer, peer, blocks });
            }
            Message::HasOne(transfer, block) => {
                if let Some(told) = self.nodes[to].told.get_mut(&(from, transfer)) {
                    told.insert(block);
                }
                self.download(to, download::Input::HasOne { transfer, peer, block });
            }
            Message::Interested(transfer, true) => self.upload(to, upload::Input::Interested { peer, transfer }),
            Message::Interested(transfer, false) => self.upload(to, upload::Input::NotInterested { peer, transfer }),
            Message::Served(true) => {
                self.nodes[to].choked_by.remove(&from);
                self.download(to, download::Input::Unchoked { peer });
            }
            Message::Served(false) => {
                self.nodes[to].choked_by.insert(from);
                self.download(to, download::Input::Choked { peer });
            }
            Message::Ask(request, transfer, block) => self.asked(from, to, request, transfer, block),
            Message::Cancel(request) => {
                if let Some(token) = self.nodes[to].tokens.get(&(from, request)).copied() {
                    if let Some(question) = self.nodes[to].questions.get_mut(&token) {
                        question.is_cancelled = true;
                    }
                    self.upload(to, upload::Input::Cancelled { token });
                }
            }
            Message::Data(request, transfer, block, right) => {
                if self.nodes[to].asked.remove(&request).is_some() {
                    let bytes = self.shares[&transfer].len(block);
                    self.download(to, download::Input::Received { request, bytes });
                    let looked = Event::Looked { node: to, from, request, transfer, block, right };
                    self.event(self.now_ms + VERIFY_MS, looked);
                }
            }
            Message::Refused(request, why) => {
                if let Some((_, transfer, block)) = self.nodes[to].asked.remove(&request) {
                    if let Some(told) = self.nodes[to].told.get_mut(&(from, transfer)).filter(|_| why == Failure::Lacks)
                    {
                        told.remove(block);
                    }
                    self.download(to, download::Input::Failed { request, why });
                }
            }
        }
    }

    fn asked(&mut self, from: usize, to: usize, request: RequestId, transfer: TransferId, block: u32) {
        let node = &self.nodes[to];
        match node.conduct {
            Conduct::Stalls | Conduct::Trickles => return,
            Conduct::Claims if !node.has[&transfer].contains(block) => {
                return self.send(to, from, Message::Refused(request, Failure::Lacks));
            }
            Conduct::Loses(percent) if self.rng.random_range(0..100) < percent => {
                return self.send(to, from, Message::Refused(request, Failure::Lost));
            }
            _ => {}
        }
        assert!(node.has[&transfer].contains(block), "asked for what it lacks");
        let token = Token(self.next_token);
        self.next_token += 1;
        let question = Question { from, request, transfer, block, is_cancelled: false };
        self.nodes[to].questions.insert(token, question);
        self.nodes[to].tokens.insert((from, request), token);
        let len = self.shares[&transfer].len(block);
        self.upload(to, upload::Input::Asked { peer: cheap_peer(from as u32), transfer, block, len, token });
    }

    pub fn download(&mut self, node: usize, input: download::Input) {
        self.nodes[node].downloads.handle(at(self.now_ms), input);
        self.drain(node);
    }

    pub fn upload(&mut self, node: usize, input: upload::Input) {
        self.nodes[node].uploads.handle(at(self.now_ms), input);
        self.drain(node);
    }

    fn drain(&mut self, node: usize) {
        if self.nodes[node].is_gone {
            return;
        }
        while let Some(output) = self.nodes[node].downloads.poll_output() {
            self.downloads_want(node, output);
        }
        while let Some(output) = self.nodes[node].uploads.poll_output() {
            self.uploads_want(node, output);
        }
        let load = self.nodes[node].downloads.load();
        assert!(load.bytes <= MAX_BYTES && load.requests <= MAX_REQUESTS, "{load:?}");
        let load = self.nodes[node].uploads.load();
        assert!(load.served <= MAX_SLOTS && load.queued <= MAX_QUEUED, "{load:?}");
        let this = &self.nodes[node];
        let due = [this.downloads.poll_timeout(), this.uploads.poll_timeout()].into_iter().flatten().min();
        if let Some(due) = due {
            let due_ms = due.0.max(self.now_ms + 1);
            if this.wake_ms.is_none_or(|wake_ms| due_ms < wake_ms || wake_ms <= self.now_ms) {
                self.nodes[node].wake_ms = Some(due_ms);
                self.event(due_ms, Event::Wake(node));
            }
        }
    }

    fn downloads_want(&mut self, node: usize, output: download::Output) {
        match output {
            download::Output::Ask { request, transfer, peer, block } => {
                let other = self.number(peer);
                let this = &mut self.nodes[node];
                assert!(this.neighbours.contains(&other), "asks one that is gone");
                assert!(!this.choked_by.contains(&other), "asks one that serves it nothing");
                assert!(!this.banned.contains_key(&(other, transfer)), "asks one that is banned");
                assert!(this.told[&(other, transfer)].contains(block), "asks for what the peer lacks");
                this.asked.insert(request, (other, transfer, block));
                self.send(node, other, Message::Ask(request, transfer, block));
            }
            download::Output::Cancel { request } => {
                if let Some((other, ..)) = self.nodes[node].asked.remove(&request) {
                    self.send(node, other, Message::Cancel(request));
                }
            }
            download::Output::Ban { transfer, peer, why } => {
                let other = self.number(peer);
                self.nodes[node].banned.insert((other, transfer), why);
            }
            download::Output::Want { transfer, peer, wanting } => {
                let other = self.number(peer);
                let wants = &mut self.nodes[node].wants;
                let changed = if wanting { wants.insert((other, transfer)) } else { wants.remove(&(other, transfer)) };
                assert!(changed, "says twice whether it wants anything");
                let wanting_any = wants.iter().any(|(who, _)| *who == other);
                self.send(node, other, Message::Interested(transfer, wanting));
                self.upload(node, upload::Input::Wanting { peer, wanting: wanting_any });
            }
            download::Output::Finished { transfer } => {
                assert!(self.nodes[node].has[&transfer].is_all());
                self.nodes[node].finished.insert(transfer, self.now_ms);
            }
            download::Output::NeedPeers { .. }
            | download::Output::Paused { .. }
            | download::Output::NotAdded { .. } => {}
        }
    }

    fn uploads_want(&mut self, node: usize, output: upload::Output) {
        match output {
            upload::Output::Choke { peer } => self.send(node, self.number(peer), Message::Served(false)),
            upload::Output::Unchoke { peer } => self.send(node, self.number(peer), Message::Served(true)),
            upload::Output::Serve { token } => self.serve(node, token),
            upload::Output::Refuse { token, why } => {
                if let Some(question) = self.nodes[node].questions.remove(&token) {
                    self.nodes[node].tokens.remove(&(question.from, question.request));
                    let why = if why == Refusal::Busy { Failure::Busy } else { Failure::Refused };
                    self.send(node, question.from, Message::Refused(question.request, why));
                }
            }
        }
    }

    /// A block goes out behind those before it on the same lane; the lanes of a node share its way.
    fn serve(&mut self, node: usize, token: Token) {
        let Some(question) = self.nodes[node].questions.remove(&token) else { return };
        self.nodes[node].tokens.remove(&(question.from, question.request));
        assert!(!question.is_cancelled, "serves what was cancelled");
        let len = self.shares[&question.transfer].len(question.block);
        let (now_ms, sender) = (self.now_ms, &mut self.nodes[node]);
        sender.sent.push((now_ms, len));
        let is_idle = sender.lanes.is_idle();
        sender.lanes.push(question.from, len, Sending { token, question, len, since_ms: now_ms });
        if is_idle {
            self.nodes[node].up_free_us = now_ms * 1_000;
            self.send_segment(node);
        }
    }

    /// The next segment goes out.
    fn send_segment(&mut self, node: usize) {
        let sender = &mut self.nodes[node];
        let Some((bytes, done)) = sender.lanes.next(u64::MAX) else { return };
        sender.up_free_us += bytes * 1_000 / sender.way.up;
        let out_ms = sender.up_free_us.div_ceil(1_000).max(self.now_ms);
        let right = sender.conduct != Conduct::Wrong;
        self.event(out_ms, Event::SegmentOut(node));
        if let Some(Sending { token, question, len, since_ms }) = done {
            let away_ms = self.nodes[node].way.away_ms + self.nodes[question.from].way.away_ms;
            let known_ms = out_ms + 2 * away_ms;
            self.event(known_ms, Event::Sent { node, token, bytes: len, took_ms: known_ms - since_ms });
            self.event(out_ms + away_ms, Event::Arrived { from: node, question, bytes: len, right });
        }
    }

    /// The last byte of a block arrives; those of others that arrived before are received first.
    fn arrive(&mut self, from: usize, question: Question, bytes: u32, right: bool) {
        let receiver = &mut self.nodes[question.from];
        let takes_us = u64::from(bytes) * 1_000 / receiver.way.down;
        receiver.down_free_us = (self.now_ms * 1_000).max(receiver.down_free_us + takes_us);
        let in_ms = receiver.down_free_us.div_ceil(1_000);
        let message = Message::Data(question.request, question.transfer, question.block, right);
        self.event(in_ms, Event::Message { from, to: question.from, message });
    }

    fn number(&self, peer: PeerId) -> usize {
        let bytes = peer.to_bytes();
        bytes[6..10].iter().fold(0, |number, byte| number << 8 | usize::from(*byte))
    }
}

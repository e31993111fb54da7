//! What makes the simulated network go: the queue of what will happen, and the drivers around the replicas.

use std::sync::Arc;

use proto::{
    PeerId,
    channel::WritePolicy,
    event::{Run, SignedEvent},
    hlc::MAX_ADVANCE_MS,
    live::Verdict,
    log::{
        Config, Input, Output, Replica, RequestId,
        message::{MAX_REQUEST_BYTES, MAX_RESPONSE_BYTES, SyncRequest, SyncResponse},
    },
    signature::Ed25519,
};
use rand::RngExt;

use super::{Event, Node, REQUEST_TIMEOUT_MS, Sim, Token, channel};
use crate::store::Write;

impl Sim {
    pub(super) fn neighbours(&self, node: usize) -> Vec<usize> {
        let other = |(a, b): &(usize, usize)| match node {
            n if n == *a => Some(*b),
            n if n == *b => Some(*a),
            _ => None,
        };
        self.links.iter().filter_map(other).collect()
    }

    pub(super) fn start(&mut self, index: usize) {
        let seed: [u8; 32] = self.rng.random();
        let now = self.now(index);
        let node = &mut self.nodes[index];
        let mut replica = Replica::new(Config {
            channel: channel(),
            policy: WritePolicy::Anyone,
            signer: node.signer.clone(),
            verifier: Arc::new(Ed25519),
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

    pub(super) fn after(&mut self, delay_ms: u64, node: usize, event: Event) {
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

    pub(super) fn step(&mut self, end_ms: u64) -> bool {
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

    pub(super) fn drain(&mut self, node: usize) {
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
                self.write(node, Write::Evidence(Box::new(fork)));
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
            Output::Brought { by } => self.nodes[node].brought_by.push(by),
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
        assert!(proto::wire::encode(&message).len() <= MAX_REQUEST_BYTES);
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

//! A host's machines are fed, and what they want is done.

use std::sync::Arc;

use proto::{
    PeerId,
    call::{Answer, Topic},
    live::{Live, Verdict},
    log::{self, message::SyncResponse},
    presence, wire,
};
use rand::RngExt;

use super::{
    REQUEST_TIMEOUT_US,
    disk::Batch,
    host::Did,
    message::{Answered, Asked, Asker, Message, Question, What},
    traffic::Kind,
    world::World,
};

impl World {
    // ---- what is fed

    /// Tells a host's log something, and does what comes of it.
    pub fn tell_log(&mut self, host: u32, input: log::Input) {
        let now_us = self.queue.now_us();
        let here = &mut self.hosts[host as usize];
        let now = here.now(now_us);
        if let Some(session) = &mut here.live {
            session.replica.handle(now, input);
            self.drain(host);
        }
    }

    /// Tells a host's presence something, and does what comes of it.
    pub fn tell_presence(&mut self, host: u32, input: presence::Input) {
        let now_us = self.queue.now_us();
        let here = &mut self.hosts[host as usize];
        let now = here.now(now_us);
        if let Some(presence) = here.live.as_mut().and_then(|session| session.presence.as_mut()) {
            presence.handle(now, input);
            self.drain(host);
        }
    }

    /// A gossip message comes.
    pub fn gossip(&mut self, host: u32, from: u32, message: &Arc<Message>) {
        if !self.is_reachable(host, from) || !self.mesh.is_open(host, from) {
            return;
        }
        let now_us = self.queue.now_us();
        let from_peer = self.hosts[from as usize].peer;
        let here = &mut self.hosts[host as usize];
        let now = here.now(now_us);
        let Some(session) = &mut here.live else { return };
        self.traffic.deliver(now_us, from, host, kind(&message.live), message.size);
        let first = session.is_first_copy(from, message);
        self.traffic.copy(now_us, first);
        if first {
            session.hear(now, (from, from_peer), message);
            self.drain(host);
        }
    }

    /// A question comes.
    pub fn asked(&mut self, host: u32, asked: Asked) {
        let Asked { asker, topic, size } = asked;
        let from = self.hosts[asker.host as usize].peer;
        let reachable = self.is_reachable(host, asker.host) && self.mesh.is_open(host, asker.host);
        let Some(session) = self.hosts[host as usize].live.as_mut().filter(|_| reachable) else {
            return self.lose(host, asker);
        };
        let token = session.token();
        session.asked.push((token, asker));
        self.traffic.deliver(self.queue.now_us(), asker.host, host, asked_kind(asker.question), size);
        match topic {
            Topic::Sync(request) => self.tell_log(host, log::Input::Request { from, token, request }),
            Topic::Presence(request) => self.tell_presence(host, presence::Input::Request { from, request, token }),
            // No room is private here.
            Topic::Sealed(_) => self.answer(host, token, topic.unavailable()),
        }
    }

    /// An answer comes.
    pub fn answered(&mut self, answered: Answered) {
        let Answered { from, asker, answer, size } = answered;
        let host = asker.host;
        if !self.is_reachable(host, from) || !self.mesh.is_open(host, from) {
            return self.lose(from, asker);
        }
        if self.hosts[host as usize].session != asker.session || self.note(host, Did::GotAnswer, from).is_none() {
            return;
        }
        self.traffic.deliver(self.queue.now_us(), from, host, asked_kind(asker.question), size);
        let peer = self.hosts[from as usize].peer;
        match (asker.question, answer) {
            (Question::Log(request), Answer::Sync(response)) => {
                self.tell_log(host, log::Input::Response { from: peer, request, response });
            }
            (Question::Presence(id), Answer::Presence(response)) => {
                self.tell_presence(host, presence::Input::Response { from: peer, id, response });
            }
            _ => self.broken("answers fit their questions", format!("host {from} mixed them up"), &[host, from]),
        }
    }

    /// A question or its answer is lost: the asker will find that out by waiting.
    fn lose(&mut self, by: u32, asker: Asker) {
        let at_us = asker.at_us.saturating_add(REQUEST_TIMEOUT_US);
        self.queue.at(at_us, asker.host, What::Unanswered { by, asker: Box::new(asker) });
    }

    /// No answer came in time.
    pub fn unanswered(&mut self, by: u32, asker: Asker) {
        let host = asker.host;
        if self.hosts[host as usize].session != asker.session || self.note(host, Did::GotNoAnswer, by).is_none() {
            return;
        }
        let from = self.hosts[by as usize].peer;
        match asker.question {
            Question::Log(request) => self.tell_log(host, log::Input::RequestFailed { from, request }),
            Question::Presence(id) => self.tell_presence(host, presence::Input::RequestFailed { id }),
        }
    }

    /// The disk has ended a batch: well, or not.
    pub fn written(&mut self, host: u32, session: u32) {
        let here = &mut self.hosts[host as usize];
        if here.session != session || here.live.is_none() {
            return;
        }
        let disk = self.scenario.groups[here.group].disk;
        if disk.fail > 0.0 && self.rng.random::<f64>() < disk.fail {
            here.disk.fail();
            self.note(host, Did::DiskFailed, 0);
            return self.tell_log(host, log::Input::PersistFailed);
        }
        let batch = here.disk.end();
        if here.disk.begin() {
            self.queue.after(disk.sync_ms.saturating_mul(1_000), host, What::Written { session });
        }
        let through = batch.last().map(|(commit, _)| *commit);
        self.keep(host, batch);
        if let Some(through) = through {
            self.tell_log(host, log::Input::Persisted { through });
        }
    }

    /// A batch is durable on a host's disk.
    pub fn keep(&mut self, host: u32, batch: Batch) {
        let now_us = self.queue.now_us();
        let here = &mut self.hosts[host as usize];
        let before = here.held.digest();
        for signed in batch.iter().flat_map(|(_, events)| events) {
            match self.library.keep(signed) {
                Ok(place) if here.held.add(place) => {
                    here.recent.note(now_us, Did::Stored, place.number);
                    self.agreement.added(now_us, host, place.log, place.seq);
                }
                Ok(place) => {
                    let detail = format!("host {host} wrote position {} after {}", place.seq, here.held.seq(place.log));
                    return self.broken("a disk holds logs without holes", detail, &[host]);
                }
                Err(contradiction) => {
                    let detail = format!("host {host}: {contradiction}");
                    return self.broken("no two disks contradict each other", detail, &[host]);
                }
            }
        }
        if here.live.is_some() {
            self.agreement.change(here.side, before, here.held.digest());
        }
    }

    /// A machine's time has come.
    pub fn timer(&mut self, host: u32, session: u32, at_us: u64) {
        let here = &mut self.hosts[host as usize];
        let now = here.now(at_us);
        let Some(live) = here.live.as_mut().filter(|live| here.session == session && live.timer_us == Some(at_us))
        else {
            return;
        };
        live.timer_us = None;
        if live.replica.poll_timeout().is_some_and(|at| now.reached(at)) {
            live.replica.handle_timeout(now);
            if live.replica.poll_timeout().is_some_and(|at| now.reached(at)) {
                return self.broken("no timer fires for ever", format!("the log of host {host}"), &[host]);
            }
        }
        if let Some(presence) = live.presence.as_mut().filter(|p| p.poll_timeout().is_some_and(|at| now.reached(at))) {
            presence.handle_timeout(now);
            if presence.poll_timeout().is_some_and(|at| now.reached(at)) {
                return self.broken("no timer fires for ever", format!("the presence of host {host}"), &[host]);
            }
        }
        self.drain(host);
    }

    // ---- what comes of it

    /// Does everything that a host's machines want.
    pub fn drain(&mut self, host: u32) {
        while let Some(output) = self.hosts[host as usize].live.as_mut().and_then(|live| live.replica.poll_output()) {
            self.log_output(host, output);
        }
        loop {
            let presence = self.hosts[host as usize].live.as_mut().and_then(|live| live.presence.as_mut());
            let Some(output) = presence.and_then(|presence| presence.poll_output()) else { break };
            self.presence_output(host, output);
        }
        self.check_bounds(host);
        self.plan_timer(host);
    }

    /// Plans the next timer of a host, unless an earlier one is planned, which will plan it.
    fn plan_timer(&mut self, host: u32) {
        let here = &mut self.hosts[host as usize];
        let Some(live) = &mut here.live else { return };
        let presence = live.presence.as_ref().and_then(|presence| presence.poll_timeout());
        let Some(deadline) = proto::time::Deadline::earliest(live.replica.poll_timeout(), presence) else { return };
        let at_us = deadline.0.saturating_mul(1_000).max(self.queue.now_us());
        if live.timer_us.is_none_or(|planned_us| at_us < planned_us) {
            live.timer_us = Some(at_us);
            self.queue.at(at_us, host, What::Timer { session: here.session });
        }
    }

    fn log_output(&mut self, host: u32, output: log::Output) {
        use log::Output;
        match output {
            Output::Persist { commit, events } => {
                let here = &mut self.hosts[host as usize];
                if here.disk.append(commit, events) {
                    let sync_ms = self.scenario.groups[here.group].disk.sync_ms;
                    let session = here.session;
                    self.queue.after(sync_ms.saturating_mul(1_000), host, What::Written { session });
                }
            }
            Output::Gossip(run) => self.publish(host, Live::Run(run)),
            Output::Verdict { token, verdict, .. } => self.decide(host, token, verdict),
            Output::Send { to, request, message } => {
                self.ask(host, to, Question::Log(request), Topic::Sync(message));
            }
            Output::Respond { token, response } => self.answer(host, token, Answer::Sync(response)),
            Output::ServeRuns { token, wants } => {
                let runs = self.library.runs(&self.hosts[host as usize].held, &wants);
                self.answer(host, token, Answer::Sync(SyncResponse::Runs(runs)));
            }
            Output::ServeEvidence { token, .. } => {
                self.answer(host, token, Answer::Sync(SyncResponse::Evidence(Vec::new())));
            }
            Output::Published { token, event } => self.published(host, token, &event),
            Output::PublishFailed { token, .. } => {
                if let Some(live) = &mut self.hosts[host as usize].live {
                    live.take_saying(token);
                }
                self.ledger.refused += 1;
            }
            Output::Emit(event) => self.show(host, &event),
            Output::Fork(_) => self.broken("no honest log forks", format!("host {host} found a fork"), &[host]),
            Output::OwnLogFoundLonger { .. } => {
                self.broken("a disk loses nothing durable", format!("host {host} found its own log longer"), &[host]);
            }
            // Clocks may be wrong, and then peers blame each other without consequences here.
            Output::Brought { .. } | Output::RefusedByPeer { .. } | Output::Penalise { .. } => {}
        }
    }

    fn presence_output(&mut self, host: u32, output: presence::Output) {
        use presence::Output;
        match output {
            Output::Announce(signed) => self.publish(host, Live::Presence(signed)),
            Output::Send { to, id, request } => self.ask(host, to, Question::Presence(id), Topic::Presence(request)),
            Output::Respond { token, response } => self.answer(host, token, Answer::Presence(response)),
            Output::Verdict { token, verdict } => self.decide(host, token, verdict),
            Output::Joined(_) | Output::Changed(_) | Output::Left(_) | Output::Penalise { .. } => {}
        }
    }

    // ---- gossip

    fn publish(&mut self, host: u32, live: Live) {
        let size = wire::encode(&live).len() as u32;
        let message = Arc::new(Message { number: self.traffic.number(), live, size });
        if let Some(session) = &mut self.hosts[host as usize].live {
            session.seen.insert(message.number);
        }
        self.flood(host, &message, &[]);
    }

    fn decide(&mut self, host: u32, token: u64, verdict: Verdict) {
        let waiting = self.hosts[host as usize].live.as_mut().and_then(|live| live.take_waiting(token));
        match waiting {
            None => self.broken("one verdict for each message", format!("host {host} gave a second one"), &[host]),
            Some(waiting) if verdict == Verdict::Accept => self.flood(host, &waiting.message, &waiting.heard_from),
            Some(_) => {}
        }
    }

    /// Passes a message on to all neighbours but those that have it.
    fn flood(&mut self, host: u32, message: &Arc<Message>, except: &[u32]) {
        let (now_us, place) = (self.queue.now_us(), self.hosts[host as usize].place);
        for link in self.mesh.links(host).iter().filter(|link| link.open && !except.contains(&link.peer)) {
            let delay_us = self.paths.delay_us(place, self.hosts[link.peer as usize].place);
            self.traffic.send(now_us, kind(&message.live), message.size);
            self.queue.after(delay_us, link.peer, What::Gossip { from: host, message: Arc::clone(message) });
        }
    }

    // ---- questions

    fn ask(&mut self, host: u32, to: PeerId, question: Question, topic: Topic) {
        let here = &self.hosts[host as usize];
        let asker = Asker { host, session: here.session, question, at_us: self.queue.now_us() };
        let found = self.mesh.links(host).iter().find(|link| self.hosts[link.peer as usize].peer == to);
        // When several links close at one instant, the machine hears of one after the other, and may still ask whom it has lost.
        let Some(peer) = found.map(|link| link.peer) else { return };
        self.note(host, Did::Asked, peer);
        let size = wire::encode(&topic).len() as u32;
        self.traffic.send(asker.at_us, asked_kind(question), size);
        let delay_us = self.delay_us(host, peer);
        self.queue.after(delay_us, peer, What::Asked(Box::new(Asked { asker, topic, size })));
    }

    fn answer(&mut self, host: u32, token: u64, answer: Answer) {
        let asker = self.hosts[host as usize].live.as_mut().and_then(|live| live.take_asked(token));
        let Some(asker) = asker else {
            return self.broken("one answer for each question", format!("host {host} gave a second one"), &[host]);
        };
        let size = wire::encode(&answer).len() as u32;
        self.traffic.send(self.queue.now_us(), asked_kind(asker.question), size);
        let delay_us = self.delay_us(host, asker.host);
        let answered = Box::new(Answered { from: host, asker, answer, size });
        self.queue.after(delay_us, asker.host, What::Answered(answered));
    }
}

fn kind(live: &Live) -> Kind {
    match live {
        Live::Run(_) => Kind::Events,
        Live::Presence(_) => Kind::Announcements,
    }
}

fn asked_kind(question: Question) -> Kind {
    match question {
        Question::Log(_) => Kind::Repair,
        Question::Presence(_) => Kind::Lists,
    }
}

//! Everything there is in a run, and how one thing after another happens.

use std::{
    ops::Range,
    sync::{Arc, PoisonError, atomic::Ordering},
    time::Duration,
};

use proto::{event::Body, ids::ChannelId, log};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{
    agreement::Agreement,
    graph::Mesh,
    host::{Did, Host, RECENT_EVENTS},
    ledger::Ledger,
    message::What,
    paths::Paths,
    queue::{Due, Queue},
    setup::until_next_us,
    store::Library,
    traffic::Traffic,
};
use crate::{
    memo::Memo,
    progress::Progress,
    report::{
        Breach, Mark,
        measure::{Buckets, Tally},
    },
    scenario::Scenario,
};

/// Microseconds between two looks at everything.
const TICK_US: u64 = 100_000;

/// Ticks from one point of the series over hosts to the next.
const TICKS_PER_POINT: u64 = 10;

/// Random hosts that are tried to find one that is up.
const TRIES: usize = 64;

/// Hosts of which a breach shows the last doings.
const SHOWN_HOSTS: usize = 4;

/// A run.
pub struct World {
    /// What it is about.
    pub scenario: Scenario,
    /// The lobby.
    pub channel: ChannelId,
    /// Whether presence runs.
    pub presence: bool,
    /// What each talk says.
    pub bodies: Vec<Body>,
    /// The hosts of each group.
    pub groups: Vec<Range<u32>>,
    /// When it ends, in microseconds.
    pub end_us: u64,
    /// When settling begins.
    pub settle_us: u64,
    /// Microseconds within which hosts that can talk must hold the same, once nothing happens any more.
    pub converge_us: Option<u64>,
    /// What is planned, and the time.
    pub queue: Queue<What>,
    /// Who is linked with whom.
    pub mesh: Mesh,
    /// How far they are apart.
    pub paths: Paths,
    /// The hosts.
    pub hosts: Vec<Host>,
    /// How many are up.
    pub up: usize,
    /// Everything that is stored.
    pub library: Library,
    /// What was said and shown.
    pub ledger: Ledger,
    /// Who holds the same.
    pub agreement: Agreement,
    /// What was sent.
    pub traffic: Traffic,
    /// Checks signatures.
    pub verifier: Arc<Memo>,
    /// For everything but paths and mesh.
    pub rng: ChaCha8Rng,
    /// Cuts so far, those that healed included.
    pub cuts: u32,
    /// What a reader should know.
    pub marks: Vec<Mark>,
    /// Hosts up, and hosts that differ, over time.
    pub series: [Buckets<Tally>; 2],
    /// The invariant that broke.
    pub breach: Option<Breach>,
}

impl World {
    /// Lets everything happen until the end, or until an invariant breaks.
    pub fn run(&mut self, progress: &Progress) {
        progress.total_ms.store(self.end_us / 1_000, Ordering::Relaxed);
        *progress.phase.lock().unwrap_or_else(PoisonError::into_inner) = "running".into();
        while let Some(due) = self.queue.next(self.end_us) {
            self.traffic.trace.advance(due.at_us);
            if matches!(due.what, What::Tick) {
                self.tell(progress);
            }
            self.happen(due);
            if self.breach.is_some() {
                return;
            }
        }
        self.traffic.trace.advance(self.end_us);
        self.tell(progress);
    }

    fn tell(&self, progress: &Progress) {
        progress.virtual_ms.store(self.queue.now_us() / 1_000, Ordering::Relaxed);
        progress.hosts_up.store(self.up as u64, Ordering::Relaxed);
        progress.said.store(self.ledger.count(), Ordering::Relaxed);
        progress.shown.store(self.ledger.shown, Ordering::Relaxed);
    }

    fn happen(&mut self, due: Due<What>) {
        let host = due.host;
        match due.what {
            What::Gossip { from, message } => self.gossip(host, from, &message),
            What::Timer { session } => self.timer(host, session, due.at_us),
            What::Written { session } => self.written(host, session),
            What::Asked(asked) => self.asked(host, *asked),
            What::Answered(answered) => self.answered(*answered),
            What::Unanswered { by, asker } => self.unanswered(by, *asker),
            What::Come => self.come(host),
            What::Go { session, how } if self.hosts[host as usize].session == session => self.go(host, how),
            What::Go { .. } => {}
            What::Noticed { session } => self.noticed(host, session),
            What::Mend => self.mend(host),
            What::Opened { peer, number } => self.opened(host, peer, number),
            What::Say { chat } => self.say(chat),
            What::Event { index } => self.event(index),
            What::Split { cut } => self.split(cut),
            What::Tick => self.tick(),
        }
    }

    fn tick(&mut self) {
        let now_us = self.queue.now_us();
        if (now_us / TICK_US).is_multiple_of(TICKS_PER_POINT) {
            let at = Duration::from_micros(now_us);
            self.series[0].at(at).add(self.up as f64);
            self.series[1].at(at).add(self.agreement.different() as f64);
            self.ledger.forget(now_us);
        }
        self.check_agreement();
        if self.queue.is_full() {
            self.broken("queues are bounded", "too much is planned for this machine's memory".into(), &[]);
        }
        self.queue.after(TICK_US, 0, What::Tick);
    }

    // ---- talk

    fn say(&mut self, chat: usize) {
        let now_us = self.queue.now_us();
        let Some(talk) = self.scenario.workload.chat.get(chat) else { return };
        let until_us = talk.until_s.map_or(self.settle_us, |s| s.saturating_mul(1_000_000)).min(self.settle_us);
        if now_us >= until_us {
            return;
        }
        let wait_us = until_next_us(&mut self.rng, talk.rate_per_s);
        self.queue.after(wait_us, 0, What::Say { chat });
        let group = talk.by.as_ref().and_then(|by| self.scenario.groups.iter().position(|group| group.name == *by));
        let among = group.map_or(0..self.hosts.len() as u32, |group| self.groups[group].clone());
        let Some(host) = self.anybody(among) else { return };
        let body = self.bodies[chat].clone();
        self.agreement.disturb(now_us);
        let Some(session) = self.note(host, Did::Said, 0) else { return };
        let token = session.token();
        session.saying.push((token, now_us));
        self.tell_log(host, log::Input::Publish { token, body });
    }

    /// A random host that is up; `None` when none was found.
    fn anybody(&mut self, among: Range<u32>) -> Option<u32> {
        if among.is_empty() {
            return None;
        }
        let found = (0..TRIES).map(|_| self.rng.random_range(among.clone()));
        found.into_iter().find(|host| self.hosts[*host as usize].live.is_some())
    }

    // ---- for all parts

    /// Notes a doing of a host, and returns what runs in it.
    pub fn note(&mut self, host: u32, did: Did, other: u32) -> Option<&mut super::host::Session> {
        let host = &mut self.hosts[host as usize];
        host.recent.note(self.queue.now_us(), did, other);
        host.live.as_deref_mut()
    }

    /// Microseconds that a message takes.
    pub fn delay_us(&mut self, from: u32, to: u32) -> u64 {
        self.paths.delay_us(self.hosts[from as usize].place, self.hosts[to as usize].place)
    }

    /// Whether messages pass between two hosts.
    pub fn is_reachable(&self, a: u32, b: u32) -> bool {
        self.hosts[a as usize].side == self.hosts[b as usize].side
    }

    /// Tells the report's reader something.
    pub fn mark(&mut self, text: String) {
        self.marks.push(Mark { at_s: self.queue.now_us() as f64 / 1e6, text });
    }

    /// An invariant is broken: the first one ends the run.
    pub fn broken(&mut self, invariant: &str, detail: String, hosts: &[u32]) {
        if self.breach.is_some() {
            return;
        }
        let last = self.marks.iter().skip(self.marks.len().saturating_sub(RECENT_EVENTS));
        let told = |mark: &Mark| ((mark.at_s * 1e6) as u64, format!("{:.6} s, {}", mark.at_s, mark.text));
        let mut lines: Vec<(u64, String)> = last.map(told).collect();
        for host in hosts.iter().take(SHOWN_HOSTS) {
            lines.extend(self.hosts[*host as usize].recent.lines(*host));
        }
        lines.sort_by_key(|(at_us, _)| *at_us);
        self.breach = Some(Breach {
            invariant: invariant.into(),
            detail,
            at_s: self.queue.now_us() as f64 / 1e6,
            last_events: lines.into_iter().map(|(_, line)| line).collect(),
        });
    }
}

//! Hosts come and go, the network falls apart and heals.
//!
//! | a host goes by | its peers notice |
//! |---|---|
//! | leaving, after a goodbye | after one way to its first neighbour |
//! | being killed | the same: its connections are reset |
//! | a power cut | after [`SILENCE_US`], or when it is back |
//!
//! When the network falls apart, links across stay until [`SILENCE_US`] have passed, and carry nothing. When it heals, hosts find
//! those of other sides again within [`REJOIN_US`].

use std::sync::Arc;

use proto::{log, presence};
use rand::{RngExt, seq::SliceRandom};

use super::{
    REJOIN_US, SILENCE_US,
    graph::Change,
    host::{Did, Start},
    message::What,
    world::World,
};
use crate::random::span_s;
use crate::scenario::{self, Churn, Distribution, Ending};

/// Microseconds that a session or a gap lasts at least: time must go on.
const LEAST_SPAN_US: u64 = 1_000;

/// One-way trips that a handshake takes.
const HANDSHAKE_TRIPS: u64 = 3;

impl World {
    // ---- hosts

    /// A host comes up, unless it is up, or was stopped for good.
    pub fn come(&mut self, host: u32) {
        let now_us = self.queue.now_us();
        let here = &mut self.hosts[host as usize];
        if here.live.is_some() || here.stopped {
            return;
        }
        let side = here.side;
        here.start(
            now_us,
            Start {
                channel: self.channel,
                library: &self.library,
                verifier: Arc::clone(&self.verifier) as _,
                presence: self.presence,
                seeds: [self.rng.random(), self.rng.random()],
            },
        );
        here.recent.note(now_us, Did::CameUp, 0);
        self.up += 1;
        self.agreement.come(side, here.held.digest());
        self.agreement.disturb(now_us);
        // Those who have not noticed that it was gone notice now.
        self.mesh.leave(host);
        self.mesh.join(host, side);
        self.rewire();
        if let Ok(profile) = presence::Profile::new(&format!("host {host}"), "") {
            self.tell_presence(host, presence::Input::Join(profile));
        }
        self.plan_end(host);
    }

    /// Plans the end of a session, where hosts come and go.
    fn plan_end(&mut self, host: u32) {
        let here = &self.hosts[host as usize];
        let Some(churn) = self.scenario.groups[here.group].churn.clone() else { return };
        let session = here.session;
        let ends_us = self.queue.now_us().saturating_add(self.draw_us(churn.session_s));
        let ends_us = ends_us.max(churn.from_s.saturating_mul(1_000_000));
        let how = self.draw_ending(&churn);
        if ends_us < self.settle_us {
            self.queue.at(ends_us, host, What::Go { session, how });
        }
    }

    fn draw_ending(&mut self, churn: &Churn) -> Ending {
        let (crash, power_cut) = (self.rng.random::<f64>() < churn.crash, self.rng.random::<f64>() < churn.power_cut);
        match (crash, power_cut) {
            (false, _) => Ending::Leave,
            (true, false) => Ending::Kill,
            (true, true) => Ending::PowerCut,
        }
    }

    fn draw_us(&mut self, distribution: Distribution) -> u64 {
        let s = span_s(&mut self.rng, &distribution);
        ((s.max(0.0) * 1e6) as u64).max(LEAST_SPAN_US)
    }

    /// A host goes, if it is up.
    pub fn go(&mut self, host: u32, how: Ending) {
        if how == Ending::Leave {
            self.tell_presence(host, presence::Input::Leave);
        }
        let now_us = self.queue.now_us();
        let here = &mut self.hosts[host as usize];
        let Some(live) = here.live.take() else { return };
        here.recent.note(now_us, Did::Went, 0);
        self.up -= 1;
        self.agreement.disturb(now_us);
        self.agreement.go(now_us, host, here.side, here.held.digest());
        self.ledger.go(now_us, host, live.up_us, &here.shown);
        let kept = match how {
            Ending::Leave => here.disk.close(),
            Ending::Kill => here.disk.kill(),
            Ending::PowerCut => {
                here.disk.fail();
                Vec::new()
            }
        };
        let (session, group) = (here.session, here.group);
        self.keep(host, kept);
        let neighbour = self.mesh.links(host).first().map_or(host, |link| link.peer);
        let notice_us = if how == Ending::PowerCut { SILENCE_US } else { self.delay_us(host, neighbour) };
        self.queue.after(notice_us, host, What::Noticed { session });
        if let Some(churn) = &self.scenario.groups[group].churn {
            let gap_s = churn.gap_s;
            let back_us = now_us.saturating_add(self.draw_us(gap_s));
            if back_us < self.settle_us {
                self.queue.at(back_us, host, What::Come);
            }
        }
    }

    /// Others notice that a host is gone.
    pub fn noticed(&mut self, host: u32, session: u32) {
        let here = &self.hosts[host as usize];
        if here.session == session && here.live.is_none() {
            self.mesh.leave(host);
            self.rewire();
        }
    }

    // ---- links

    /// A host makes sure that it has its links.
    pub fn mend(&mut self, host: u32) {
        self.mesh.mend(host);
        self.rewire();
    }

    /// A handshake is over.
    pub fn opened(&mut self, a: u32, b: u32, number: u64) {
        let up = [a, b].iter().all(|host| self.hosts[*host as usize].live.is_some());
        if !up || !self.mesh.open(a, b, number) {
            return;
        }
        for (host, other) in [(a, b), (b, a)] {
            self.note(host, Did::Linked, other);
            let peer = self.hosts[other as usize].peer;
            self.tell_log(host, log::Input::PeerUp(peer));
            self.tell_presence(host, presence::Input::PeerUp(peer));
        }
    }

    fn closed(&mut self, a: u32, b: u32) {
        for (host, other) in [(a, b), (b, a)] {
            self.note(host, Did::Unlinked, other);
            let peer = self.hosts[other as usize].peer;
            self.tell_log(host, log::Input::PeerDown(peer));
            self.tell_presence(host, presence::Input::PeerDown(peer));
        }
    }

    /// Does what the mesh has decided.
    fn rewire(&mut self) {
        for change in self.mesh.take_changes() {
            match change {
                Change::Open { a, b, number } => {
                    let trips_us = HANDSHAKE_TRIPS * self.delay_us(a, b);
                    self.queue.after(trips_us, a, What::Opened { peer: b, number });
                }
                Change::Close { a, b, open: true } => self.closed(a, b),
                Change::Close { open: false, .. } => {}
            }
        }
    }

    // ---- the timetable

    /// The scenario has something happen.
    pub fn event(&mut self, index: usize) {
        let Some(event) = self.scenario.events.get(index) else { return };
        match event.what.clone() {
            scenario::What::Partition { sides } => self.part(&sides),
            scenario::What::Heal => self.heal(),
            scenario::What::Stop { group, share, how } => self.stop(&group, share, how),
            scenario::What::Start { group, share } => self.start(&group, share),
        }
    }

    fn part(&mut self, sides: &[Vec<String>]) {
        self.mark(format!("the network falls into {} parts", sides.len()));
        self.cuts += 1;
        self.queue.after(SILENCE_US, 0, What::Split { cut: self.cuts });
        let regions = self.scenario.network.regions.clone();
        for host in 0..self.hosts.len() as u32 {
            let here = &self.hosts[host as usize];
            let group = &self.scenario.groups[here.group].name;
            let region = regions.get(usize::from(here.place.region));
            let on = |side: &Vec<String>| side.iter().any(|name| name == group || Some(name) == region);
            let side = sides.iter().position(on).unwrap_or(0);
            self.turn(host, u8::try_from(side).unwrap_or(u8::MAX));
        }
    }

    fn heal(&mut self) {
        self.mark("the network heals".into());
        self.cuts += 1;
        for host in 0..self.hosts.len() as u32 {
            self.turn(host, 0);
            let wait_us = self.rng.random_range(0..REJOIN_US);
            self.queue.after(wait_us, host, What::Mend);
        }
        let mut most = vec![0; self.library.logs()];
        let up = || self.hosts.iter().filter(|host| host.live.is_some());
        for (log, seq) in up().flat_map(|host| host.held.iter()) {
            most[log as usize] = seq.max(most[log as usize]);
        }
        let all: u32 = most.iter().sum();
        let missing = self.hosts.iter().map(|host| match host.live {
            Some(_) => all - host.held.iter().map(|(_, seq)| seq).sum::<u32>(),
            None => 0,
        });
        let missing = missing.collect();
        self.agreement.heal(self.queue.now_us(), most, missing);
    }

    fn turn(&mut self, host: u32, side: u8) {
        let now_us = self.queue.now_us();
        self.agreement.disturb(now_us);
        let here = &mut self.hosts[host as usize];
        let digest = here.held.digest();
        if here.live.is_some() {
            self.agreement.turn(here.side, side, digest);
        }
        here.side = side;
        self.mesh.turn(host, side);
    }

    /// Peers across a cut are found to be silent, if that cut still is.
    pub fn split(&mut self, cut: u32) {
        if cut != self.cuts {
            return;
        }
        self.agreement.disturb(self.queue.now_us());
        let hosts = 0..self.hosts.len() as u32;
        hosts.clone().for_each(|host| self.mesh.cut(host));
        hosts.for_each(|host| self.mesh.mend(host));
        self.rewire();
    }

    fn stop(&mut self, group: &str, share: f64, how: Ending) {
        let chosen = self.choose(group, share, true);
        self.mark(format!("{} hosts of {group} stop", chosen.len()));
        for host in chosen {
            self.hosts[host as usize].stopped = true;
            self.go(host, how);
        }
    }

    fn start(&mut self, group: &str, share: f64) {
        let chosen = self.choose(group, share, false);
        self.mark(format!("{} hosts of {group} come back", chosen.len()));
        for host in chosen {
            self.hosts[host as usize].stopped = false;
            self.come(host);
        }
    }

    /// A random share of a group's hosts that are up, or down.
    fn choose(&mut self, group: &str, share: f64, up: bool) -> Vec<u32> {
        let index = self.scenario.groups.iter().position(|other| other.name == group);
        let hosts = index.map_or(0..0, |index| self.groups[index].clone());
        let mut chosen: Vec<u32> = hosts.filter(|host| self.hosts[*host as usize].live.is_some() == up).collect();
        chosen.shuffle(&mut self.rng);
        chosen.truncate((chosen.len() as f64 * share).round() as usize);
        chosen
    }
}

//! What must hold: each time something is shown or acknowledged, after each input, and at the end.

use proto::{
    event::SignedEvent,
    log::{
        MAX_COMMITTING_BYTES, MAX_DEFERRED_BYTES, MAX_PENDING_BYTES, MAX_RANGES_IN_FLIGHT, message::MAX_RESPONSE_BYTES,
    },
};

use super::{
    host::{Did, is_due},
    world::World,
};

/// Bytes on their way to the disk at most: answers to what was asked before the limit was reached, and what waited for them, may
/// come on top of it.
const MAX_COMMITTING: usize = MAX_COMMITTING_BYTES + MAX_PENDING_BYTES + MAX_RANGES_IN_FLIGHT * 2 * MAX_RESPONSE_BYTES;

/// Bytes of events that wait to be due at most: all that was on its way to the disk may turn out to be early.
const MAX_DEFERRED: usize = MAX_DEFERRED_BYTES + MAX_COMMITTING;

/// Questions under way at most: a comparison, two ranges, two about evidence and some notes for each neighbour.
const MAX_QUESTIONS: usize = 256;

impl World {
    /// The user's message is durable, says the machine.
    pub fn published(&mut self, host: u32, token: u64, event: &SignedEvent) {
        let here = &mut self.hosts[host as usize];
        let said_us = here.live.as_mut().and_then(|live| live.take_saying(token));
        let place = self.library.find(event).filter(|place| here.held.seq(place.log) >= place.seq);
        let (Some(said_us), Some(place)) = (said_us, place) else {
            let detail = format!("host {host} acknowledged position {}, which its disk lacks", event.event.seq);
            return self.broken("what is acknowledged is durable", detail, &[host]);
        };
        self.agreement.disturb(self.queue.now_us());
        self.ledger.say(place.number, said_us, host, self.up.saturating_sub(1));
    }

    /// The machine shows an event to its user.
    pub fn show(&mut self, host: u32, event: &SignedEvent) {
        let now_us = self.queue.now_us();
        let here = &mut self.hosts[host as usize];
        let place = self.library.find(event).filter(|place| here.held.seq(place.log) >= place.seq);
        let Some(place) = place else {
            let detail = format!("host {host} showed position {} of a log", event.event.seq);
            return self.broken("nothing is shown that is not durable", detail, &[host]);
        };
        here.recent.note(now_us, Did::Showed, place.number);
        if !here.shown.insert(place.number) {
            let detail = format!("host {host} showed event {} again", place.number);
            return self.broken("no event is shown twice", detail, &[host]);
        }
        let up_us = here.live.as_ref().map_or(now_us, |live| live.up_us);
        self.ledger.show(place.number, now_us, host, up_us);
    }

    /// What a machine has under way is within its bounds.
    pub fn check_bounds(&mut self, host: u32) {
        let Some(live) = &self.hosts[host as usize].live else { return };
        let load = live.replica.load();
        let within = load.committing_bytes <= MAX_COMMITTING
            && load.pending_bytes <= MAX_PENDING_BYTES
            && load.deferred_bytes <= MAX_DEFERRED
            && load.questions <= MAX_QUESTIONS;
        if !within {
            self.broken("queues are bounded", format!("host {host}: {load:?}"), &[host]);
        }
    }

    /// Hosts that can talk hold the same, some time after anything last happened.
    pub fn check_agreement(&mut self) {
        let quiet_us = self.queue.now_us().saturating_sub(self.agreement.quiet_us());
        let different = self.agreement.different();
        if different == 0 || self.converge_us.is_none_or(|within_us| quiet_us < within_us) {
            return;
        }
        let differs = |host: &u32| {
            let here = &self.hosts[*host as usize];
            here.live.is_some() && self.agreement.most(here.side) != Some(here.held.digest())
        };
        let mut hosts: Vec<u32> = (0..self.hosts.len() as u32).filter(differs).take(3).collect();
        let neighbour = hosts.first().and_then(|host| self.mesh.links(*host).first()).map(|link| link.peer);
        hosts.extend(neighbour);
        let detail = format!(
            "{different} hosts differ from the rest {:.1} s after anything last happened, among them {:?}",
            quiet_us as f64 / 1e6,
            hosts.first()
        );
        self.broken("hosts that can talk hold the same", detail, &hosts);
    }

    /// What must hold once a run is over.
    pub fn check_the_end(&mut self) {
        let lost = self.ledger.iter().find_map(|(number, said)| {
            let place = self.library.place(number)?;
            (self.hosts[said.by as usize].held.seq(place.log) < place.seq).then_some((number, said.by))
        });
        if let Some((number, by)) = lost {
            let detail = format!("event {number} of host {by} is not on its disk");
            self.broken("nothing acknowledged is lost", detail, &[by]);
        }
        for host in 0..self.hosts.len() as u32 {
            self.check_host(host);
        }
    }

    /// A machine holds what its disk holds, and has shown all of it that is due.
    fn check_host(&mut self, host: u32) {
        let here = &self.hosts[host as usize];
        let Some(live) = &here.live else { return };
        let now = here.now(self.queue.now_us());
        let shelf = live.replica.shelf();
        let all: u64 = here.held.iter().map(|(_, seq)| u64::from(seq)).sum();
        let same = self.library.positions(&here.held).all(|(key, position)| shelf.log(&key).durable == position);
        let agree = same && shelf.durable_events() == all;
        let hidden = self.library.events(&here.held).find(|(number, signed)| {
            // One that has just become due waits for its timer.
            let late = proto::time::Now { wall_ms: now.wall_ms.saturating_sub(HIDDEN_MS), ..now };
            is_due(signed, late) && !here.shown.contains(*number)
        });
        let hidden = hidden.map(|(number, _)| number);
        // Between a write and the machine's word of it nothing else happens, so this holds at any instant.
        if !agree {
            self.broken("a machine and its disk agree", format!("host {host} forgot what it holds"), &[host]);
        } else if let Some(number) = hidden {
            self.broken("all that is held is shown", format!("host {host} did not show event {number}"), &[host]);
        }
    }
}

/// Milliseconds that an event may be due and not shown: clocks are looked at again every 5 s.
const HIDDEN_MS: u64 = 6_000;

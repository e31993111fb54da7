//! The whole network at one instant, and what happens in it by itself: packets are sent, cross the network, arrive.
//!
//! | event | at | then |
//! |---|---|---|
//! | send | the first attempt at once, others after a timeout | the sender's NAT and link; lost, or crosses |
//! | cross | after the path's latency | a partition, the receiver's NAT, power and link; lost, or arrives |
//! | arrive | after the receiver's link | whatever the packet is for |
//! | give up | after [`DIAL_TIMEOUT_US`] | a dial without an answer fails |
//!
//! Everything here takes the time as microseconds and knows no runtime. What processes do is in [`super::process`].

use std::task::Waker;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    Host, Link,
    address::MAX_HOSTS,
    connection::{Connections, DIALER, Key, LISTENER, Life},
    error::Error,
    host::HostState,
    link::wire_bytes,
    packet::{Load, Packet},
    queue::Queue,
    tap::Tap,
    traffic::{CONNECTION, Traffic},
    wire::{Fate, Wire},
};
use crate::scenario;

/// How long a dial waits for an answer: libp2p gives each attempt 10 s.
pub(super) const DIAL_TIMEOUT_US: u64 = 10_000_000;

/// The whole network.
pub(super) struct State {
    pub now_us: u64,
    pub hosts: Vec<HostState>,
    pub connections: Connections,
    pub wire: Wire,
    pub traffic: Traffic,
    pub tap: Option<Box<dyn Tap>>,
    /// Whom to wake once the network is unlocked.
    pub wakes: Vec<Waker>,
    queue: Queue<Event>,
    driver: Driver,
}

/// Who runs the network, and until when it sleeps.
#[derive(Default)]
struct Driver {
    waker: Option<Waker>,
    until_us: Option<u64>,
}

pub(super) enum Event {
    Send(Packet),
    Cross(Packet),
    Arrive(Packet),
    GiveUp(Key),
}

impl State {
    pub fn new(config: &scenario::Network, seed: u64) -> Self {
        Self {
            now_us: 0,
            hosts: Vec::new(),
            connections: Connections::default(),
            wire: Wire::new(config, ChaCha8Rng::seed_from_u64(seed)),
            traffic: Traffic::new(),
            tap: None,
            wakes: Vec::new(),
            queue: Queue::new(),
            driver: Driver::default(),
        }
    }

    /// Adds a host. One more than there are addresses for would have the address of the last.
    pub fn add(&mut self, link: &Link) -> Host {
        let host = Host((self.hosts.len() as u32).min(MAX_HOSTS - 1));
        self.hosts.push(HostState::new(host, link));
        host
    }

    pub fn host(&mut self, host: Host) -> Option<&mut HostState> {
        self.hosts.get_mut(host.0 as usize)
    }

    pub fn schedule(&mut self, at_us: u64, event: Event) {
        self.queue.push(at_us, event);
        if self.driver.until_us.is_none_or(|until_us| at_us < until_us) {
            self.wakes.extend(self.driver.waker.take());
        }
    }

    /// Lets everything happen that is due. Returns when the next thing is.
    pub fn run_until(&mut self, now_us: u64) -> Option<u64> {
        while let Some((at_us, event)) = self.queue.pop_due(now_us) {
            self.now_us = self.now_us.max(at_us);
            match event {
                Event::Send(packet) => self.send(packet),
                Event::Cross(packet) => self.cross(packet),
                Event::Arrive(packet) => self.arrive(packet),
                Event::GiveUp(key) => self.give_up(key),
            }
        }
        self.now_us = self.now_us.max(now_us);
        self.queue.next_at_us()
    }

    /// The driver sleeps until then, unless something earlier comes.
    pub fn sleep(&mut self, until_us: Option<u64>, waker: &Waker) {
        self.driver = Driver { waker: Some(waker.clone()), until_us };
    }

    /// Sends a packet, if there is still a reason to.
    pub fn send(&mut self, packet: Packet) {
        let Self { now_us, hosts, connections, wire, traffic, .. } = self;
        let Some(connection) = connections.get_mut(packet.connection) else { return };
        if !packet.is_wanted(connection) {
            return;
        }
        let bytes = packet.bytes(connection);
        let protocol = match packet.load.stream() {
            Some(stream) => connection.stream(stream).map_or(CONNECTION, |stream| stream.negotiation.protocol()),
            None => CONNECTION,
        };
        let to = connection.ends[packet.to].host.0 as usize;
        let end = &mut connection.ends[packet.from()];
        let from = end.host.0 as usize;
        let target = hosts[to].site;
        let host = &mut hosts[from];
        if !host.is_on {
            return;
        }
        let timeout_us = wire.timeout_us(host.site, target, packet.attempt);
        if let Some(nat) = &mut host.nat {
            match nat.outbound(*now_us, end.local_port, end.remote, &mut wire.random) {
                Some(visible) => end.visible = visible,
                None => return self.schedule(self.now_us + timeout_us, Event::Send(packet.again())),
            }
        }
        let sent_before = host.sent_bytes;
        let fate = wire.send(*now_us, host, target, bytes);
        traffic.count(protocol, (host.sent_bytes - sent_before) as usize);
        match fate {
            Fate::Arrives(at_us) => {
                end.last_arrival_us = end.last_arrival_us.max(at_us);
                let at_us = end.last_arrival_us;
                self.schedule(at_us, Event::Cross(packet));
            }
            Fate::Lost => self.schedule(self.now_us + timeout_us, Event::Send(packet.again())),
            Fate::Full => self.schedule(self.now_us + timeout_us, Event::Send(packet)),
        }
    }

    /// A packet comes to the receiver's side of the network.
    fn cross(&mut self, packet: Packet) {
        if !self.passes(packet) {
            return self.lose(packet);
        }
        let Some(connection) = self.connections.get(packet.connection) else { return };
        let bytes = packet.bytes(connection);
        let [from, to] = [packet.from(), packet.to].map(|side| connection.ends[side].host.0 as usize);
        let from_us = self.hosts[from].up.duration_us(wire_bytes(bytes));
        match self.wire.receive(self.now_us, from_us, &mut self.hosts[to], bytes) {
            Some(at_us) if at_us <= self.now_us => self.arrive(packet),
            Some(at_us) => self.schedule(at_us, Event::Arrive(packet)),
            None => {
                let timeout_us = self.wire.timeout_us(self.hosts[from].site, self.hosts[to].site, 0);
                self.schedule(self.now_us + timeout_us, Event::Send(packet));
            }
        }
    }

    /// Whether the network lets a packet through to its receiver.
    fn passes(&mut self, packet: Packet) -> bool {
        let Some(connection) = self.connections.get_mut(packet.connection) else { return false };
        let (from, to) = (&connection.ends[packet.from()], &connection.ends[packet.to]);
        let (source, target, receiver) = (from.visible, from.remote, to.host);
        if !self.wire.connects(from.host, receiver) {
            return false;
        }
        let host = &mut self.hosts[receiver.0 as usize];
        let opens = packet.load == Load::Dial;
        let port = match &mut host.nat {
            Some(nat) => nat.inbound(self.now_us, target.port(), source, opens),
            None => Some(target.port()),
        };
        let Some(port) = port.filter(|_| host.is_on) else { return false };
        let to = &mut connection.ends[packet.to];
        if to.life == Life::Unborn {
            to.local_port = port;
        }
        to.local_port == port
    }

    /// A packet is lost where something lets nothing pass.
    pub fn lose(&mut self, packet: Packet) {
        if !packet.load.is_reliable() {
            return;
        }
        let Some(connection) = self.connections.get(packet.connection) else { return };
        let [from, to] = [packet.from(), packet.to].map(|side| self.hosts[connection.ends[side].host.0 as usize].site);
        let timeout_us = self.wire.timeout_us(from, to, packet.attempt);
        self.schedule(self.now_us + timeout_us, Event::Send(packet.again()));
    }

    /// A dial that was not answered fails.
    fn give_up(&mut self, key: Key) {
        let is_dialing = |life| life == Life::Dialing;
        if self.connections.get(key).is_some_and(|connection| is_dialing(connection.ends[DIALER].life)) {
            self.end(key, DIALER, Error::TimedOut);
        }
    }

    /// Ends one end of a connection, without telling the other.
    pub fn end(&mut self, key: Key, side: usize, error: Error) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        connection.end(side, error, &mut self.wakes);
        let connections = &mut self.hosts[connection.ends[side].host.0 as usize].connections;
        if let Some(index) = connections.iter().position(|other| *other == key) {
            connections.swap_remove(index);
        }
    }

    /// Forgets a connection that nobody has to do with any more.
    pub fn forget(&mut self, key: Key) {
        if self.connections.get(key).is_some_and(|connection| connection.is_forgotten()) {
            self.connections.remove(key);
        }
    }

    /// The process of a host ends. The others are told if the machine is there to do so.
    pub fn stop(&mut self, host: Host, tell: bool) {
        let Some(state) = self.host(host) else { return };
        let untaken = state.end_process();
        for key in std::mem::take(&mut state.connections) {
            for side in [0, 1] {
                let Some(connection) = self.connections.get_mut(key) else { continue };
                if connection.ends[side].host != host || !connection.ends[side].life.is_live() {
                    continue;
                }
                self.end(key, side, Error::Gone);
                if tell {
                    self.send(Packet::new(key, 1 - side, Load::Reset));
                }
            }
        }
        for key in untaken {
            self.release_end(key, LISTENER);
        }
    }

    /// Nobody listens on a host any more. Connections that its process has not taken are closed.
    pub fn stop_listening(&mut self, host: Host) {
        let untaken = self.host(host).map(HostState::stop_listening).unwrap_or_default();
        for key in untaken {
            self.release_end(key, LISTENER);
        }
    }

    /// One-way latency of a random pair of hosts.
    pub fn sample_path_us(&self, random: &mut ChaCha8Rng) -> u64 {
        if self.hosts.len() < 2 {
            return 0;
        }
        let from = random.random_range(0..self.hosts.len());
        let to = (from + random.random_range(1..self.hosts.len())) % self.hosts.len();
        self.wire.sample_us(self.hosts[from].site, self.hosts[to].site, random)
    }
}

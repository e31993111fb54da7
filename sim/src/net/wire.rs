//! The paths between hosts: what becomes of a packet that a host sends.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{
    Host,
    host::{HostState, Site},
    link::{packets, timeout_us, wire_bytes},
    topology::Topology,
};
use crate::scenario;

/// All paths.
pub(super) struct Wire {
    topology: Topology,
    /// Share of packets lost on every path.
    loss: f64,
    queue_us: u64,
    /// The side of each host in a partition; hosts beyond its end are on the first. Empty if there is no partition.
    sides: Vec<usize>,
    pub random: ChaCha8Rng,
}

/// What becomes of a packet.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It comes to the other host's link at this time, in microseconds.
    Arrives(u64),
    /// It is lost on the path.
    Lost,
    /// It is lost before the sender's own link, which is full.
    Full,
}

impl Wire {
    pub fn new(config: &scenario::Network, random: ChaCha8Rng) -> Self {
        let queue_us = config.queue_ms.saturating_mul(1_000);
        Self { topology: Topology::new(config), loss: config.loss, queue_us, sides: Vec::new(), random }
    }

    /// Sends so many bytes of data from one host to the other.
    pub fn send(&mut self, now_us: u64, from: &mut HostState, to: Site, bytes: usize) -> Fate {
        let Some(sent_us) = from.up.pass_us(now_us, now_us, wire_bytes(bytes), self.queue_us) else {
            return Fate::Full;
        };
        from.sent_bytes += wire_bytes(bytes) as u64;
        let passes = (1.0 - self.loss) * (1.0 - from.site.loss) * (1.0 - to.loss);
        if passes < 1.0 && self.random.random::<f64>() >= passes.powi(packets(bytes) as i32) {
            return Fate::Lost;
        }
        Fate::Arrives(sent_us + self.topology.sample_us(from.site.region, to.region, &mut self.random))
    }

    /// When the last of the bytes that come to a host's link now have passed it; `None` if it is full. The first of them came
    /// as much earlier as the sender's link took for them.
    pub fn receive(&self, now_us: u64, from_duration_us: u64, to: &mut HostState, bytes: usize) -> Option<u64> {
        to.down.pass_us(now_us.saturating_sub(from_duration_us), now_us, wire_bytes(bytes), self.queue_us)
    }

    /// How long a sender waits before it sends again for the given time.
    pub fn timeout_us(&self, from: Site, to: Site, attempt: u8) -> u64 {
        timeout_us(self.topology.round_trip_us(from.region, to.region), attempt)
    }

    /// One way from one host to the other, once.
    pub fn sample_us(&self, from: Site, to: Site, random: &mut ChaCha8Rng) -> u64 {
        self.topology.sample_us(from.region, to.region, random)
    }

    /// Cuts the paths between sides. Hosts in none are on the first.
    pub fn partition(&mut self, sides: &[Vec<Host>]) {
        self.sides.clear();
        for (side, hosts) in sides.iter().enumerate() {
            for host in hosts {
                let index = host.0 as usize;
                if index >= self.sides.len() {
                    self.sides.resize(index + 1, 0);
                }
                self.sides[index] = side;
            }
        }
    }

    pub fn heal(&mut self) {
        self.sides.clear();
    }

    /// Whether anything passes between two hosts.
    pub fn connects(&self, one: Host, other: Host) -> bool {
        self.side(one) == self.side(other)
    }

    fn side(&self, host: Host) -> usize {
        self.sides.get(host.0 as usize).copied().unwrap_or(0)
    }
}

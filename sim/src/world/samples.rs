//! Figures over time, taken while a run goes on.

use std::collections::BTreeMap;

use super::{files::Tally, ledger::covers, population::Population, shared::Shared, trace::SharedTrace};
use crate::net::Network;

/// One second of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sample {
    /// When it was taken, in milliseconds.
    pub at_ms: u64,
    /// Honest hosts up.
    pub hosts: usize,
    /// Connected peers of a host, on average.
    pub connections: f64,
    /// Bytes sent since the sample before, over all hosts.
    pub bytes: u64,
    /// Gossip messages that reached a host for the first time, since the sample before.
    pub first_copies: u64,
    /// Further copies of them.
    pub further_copies: u64,
    /// Hosts whose room differs from what most of its hosts hold, over all rooms.
    pub different: usize,
    /// Direct messages that were acknowledged and have not arrived.
    pub undelivered: usize,
    /// What came and went of files, until then.
    pub files: Tally,
}

/// The samples of a run: one for each second of it.
#[derive(Default)]
pub struct Samples {
    /// In the order of time.
    pub taken: Vec<Sample>,
    bytes_before: u64,
}

/// Milliseconds that a host must have been up to be compared: before that it may not have met anybody.
const SETTLED_MS: u64 = 10_000;

impl Samples {
    /// Takes a sample.
    pub fn take(
        &mut self,
        now_ms: u64,
        population: &Population,
        network: &Network,
        shared: &Shared,
        trace: &SharedTrace,
    ) {
        let up: Vec<usize> = population.up().collect();
        let notes = shared.lock();
        let connected: usize = up.iter().map(|host| notes.connected[*host].len()).sum();
        let (undelivered, files) = (notes.mail.pending().len(), notes.files.tally());
        drop(notes);
        let (first_copies, further_copies) = trace.lock().copies.take();
        let bytes = network.bytes_sent();
        self.taken.push(Sample {
            at_ms: now_ms,
            hosts: up.len(),
            connections: connected as f64 / up.len().max(1) as f64,
            bytes: bytes - self.bytes_before,
            first_copies,
            further_copies,
            different: different(now_ms, population).len(),
            undelivered,
            files,
        });
        self.bytes_before = bytes;
    }
}

/// Hosts, up for a while, whose room differs from what most of its hosts hold: host and room.
pub fn different(now_ms: u64, population: &Population) -> Vec<(usize, usize)> {
    let mut all = Vec::new();
    for room in 0..population.rooms.len() {
        let channel = population.rooms[room].channel();
        let in_room = |host: &usize| {
            let host = &population.hosts[*host];
            host.rooms.contains(&room) && covers(&host.sessions, now_ms.saturating_sub(SETTLED_MS), now_ms)
        };
        let hosts: Vec<(usize, u64)> =
            population.up().filter(in_room).map(|host| (host, population.hosts[host].disk.digest(channel))).collect();
        let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
        for (_, digest) in &hosts {
            *counts.entry(*digest).or_default() += 1;
        }
        let Some((most, _)) = counts.into_iter().max_by_key(|(_, count)| *count) else { continue };
        all.extend(hosts.into_iter().filter(|(_, digest)| *digest != most).map(|(host, _)| (host, room)));
    }
    all
}

//! Who is there: all hosts, and starting and ending them.

use std::{collections::BTreeSet, sync::Arc};

use libp2p::{Multiaddr, PeerId};
use proto::{channel::RoomName, ids::Author, signature::Verifier};
use rand::{RngExt, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use tokio::time::Instant;

use super::{
    history::Deed,
    host::{Host, Life},
    ledger::Session,
    shared::Shared,
};
use crate::{
    hostile,
    net::{self, Link, Network},
    progress::RunError,
    scenario::{Ending, Group, Hostile, Scenario},
    truth::Truth,
};

/// Hosts of a group that newcomers join through: the share of it that publishes its addresses. At least [`MIN_WELL_KNOWN`].
const WELL_KNOWN_PERCENT: usize = 2;

/// See [`WELL_KNOWN_PERCENT`].
const MIN_WELL_KNOWN: usize = 3;

/// Addresses that a newcomer has been told.
const TOLD: usize = 3;

/// All hosts.
pub struct Population {
    /// The hosts, those of the first group first.
    pub hosts: Vec<Host>,
    /// The rooms of the scenario, the lobby first.
    pub rooms: Vec<RoomName>,
    /// The files of the scenario.
    pub truths: Vec<Arc<Truth>>,
    network: Network,
    scenario: Arc<Scenario>,
    verifier: Arc<dyn Verifier>,
    /// By group, its first host.
    first: Vec<usize>,
    rng: ChaCha8Rng,
}

impl Population {
    /// Hosts that are not started yet.
    pub fn new(
        scenario: Arc<Scenario>,
        network: Network,
        start: Instant,
        verifier: Arc<dyn Verifier>,
        seed: [u8; 32],
    ) -> Self {
        let mut rng = ChaCha8Rng::from_seed(seed);
        let rooms = rooms(&scenario);
        let (mut hosts, mut first) = (Vec::new(), Vec::new());
        for (index, group) in scenario.groups.iter().enumerate() {
            first.push(hosts.len());
            for number in 0..group.count {
                let link = link(&scenario, group, number);
                let (region, net) = (link.region, network.add(link));
                let in_room = |room: &RoomName| {
                    room.as_str() == proto::channel::LOBBY || group.rooms.iter().any(|name| name == room.as_str())
                };
                let joined = (0..rooms.len()).filter(|room| in_room(&rooms[*room])).collect();
                hosts.push(Host::new(index, group, region, net, joined, start, rng.random()));
            }
        }
        let hostile = hosts.iter().filter(|host| scenario.groups[host.group].hostile.is_some());
        let authors: Arc<BTreeSet<Author>> =
            Arc::new(hostile.filter_map(|host: &Host| Author::from_peer_id(&host.peer_id())).collect());
        hosts.iter_mut().for_each(|host| host.disk.leave_out(Arc::clone(&authors)));
        Self { hosts, rooms, truths: Vec::new(), network, scenario, verifier, first, rng }
    }

    /// The name of a host: its group's, and its number in it.
    pub fn name(&self, host: usize) -> String {
        format!("{}-{}", self.group(host).name, self.number(host))
    }

    /// The number of a host in its group, from 0.
    fn number(&self, host: usize) -> usize {
        host - self.first[self.hosts[host].group]
    }

    /// The group of a host.
    pub fn group(&self, host: usize) -> &Group {
        &self.scenario.groups[self.hosts[host].group]
    }

    /// Whether a host keeps to the protocol.
    pub fn is_honest(&self, host: usize) -> bool {
        self.group(host).hostile.is_none()
    }

    /// Hosts of a group, by name.
    pub fn of_group(&self, name: &str) -> Vec<usize> {
        (0..self.hosts.len()).filter(|host| self.group(*host).name == name).collect()
    }

    /// Hosts of some groups and regions, by name, as the network knows them.
    pub fn on_side(&self, names: &[String]) -> Vec<net::Host> {
        let region = |host: &Host| &self.scenario.network.regions[host.region];
        let named =
            |host: &&Host| names.contains(&self.scenario.groups[host.group].name) || names.contains(region(host));
        self.hosts.iter().filter(named).map(|host| host.net).collect()
    }

    /// Honest hosts that are up.
    pub fn up(&self) -> impl Iterator<Item = usize> {
        (0..self.hosts.len()).filter(|host| self.hosts[*host].is_up() && self.is_honest(*host))
    }

    /// Starts a host that is down. Returns whether it was.
    ///
    /// # Errors
    /// [`RunError::Start`].
    pub async fn start(&mut self, host: usize, shared: &Shared) -> Result<bool, RunError> {
        if !self.hosts[host].is_down() {
            return Ok(false);
        }
        let name = self.name(host);
        let bootstrap = self.bootstrap(host);
        let rooms: Vec<RoomName> = self.hosts[host].rooms.iter().map(|room| self.rooms[*room].clone()).collect();
        let now_ms = shared.now_ms();
        let failed = |reason: String| RunError::Start { host: name.clone(), reason };
        if let Some(kind) = self.group(host).hostile.clone() {
            let parts = hostile::Parts {
                kind,
                number: self.number(host),
                network: self.network.clone(),
                host: self.hosts[host].net,
                keypair: self.hosts[host].keypair.clone(),
                bootstrap,
                targets: self.targets(host),
                truth: self.claimed(host),
                asked: asked(shared, host),
                clock: Arc::new(self.hosts[host].clock),
                seed: self.rng.random(),
            };
            let tasks = super::tasks::Tasks::default();
            self.network.power_on(self.hosts[host].net);
            hostile::start(parts, Arc::new(tasks.clone())).map_err(|error| failed(error.to_string()))?;
            self.hosts[host].life = Some(Life { handle: None, tasks });
        } else {
            let (network, verifier) = (self.network.clone(), Arc::clone(&self.verifier));
            let tuning = self.scenario.node;
            let started = self.hosts[host].start(&network, &tuning, verifier, name.clone(), rooms.clone(), bootstrap);
            let handle = started.await.map_err(|error| failed(error.to_string()))?;
            if let Some(life) = &self.hosts[host].life {
                let watch = shared.clone().watch(host, handle, rooms, self.hosts[host].lives > 0);
                node::spawn::Spawn::spawn(&life.tasks, Box::pin(watch));
            }
        }
        let started = &mut self.hosts[host];
        started.lives += 1;
        started.sessions.push(Session { from_ms: now_ms, until_ms: None });
        let mut notes = shared.lock();
        notes.connected[host].clear();
        notes.ledger.history.note(host, now_ms, Deed::Started);
        Ok(true)
    }

    /// Ends a host that is up.
    pub fn stop(&mut self, host: usize, how: Ending, shared: &Shared) {
        if !self.hosts[host].is_up() {
            return;
        }
        let now_ms = shared.now_ms();
        let deed = match how {
            Ending::Leave => Deed::Leaving,
            Ending::Kill => Deed::Killed,
            Ending::PowerCut => Deed::PoweredOff,
        };
        shared.lock().ledger.history.note(host, now_ms, deed);
        if let Some(session) = self.hosts[host].sessions.last_mut() {
            session.until_ms = Some(now_ms);
        }
        let life = &self.hosts[host].life;
        let handle = life.as_ref().and_then(|life| life.handle.clone()).filter(|_| how == Ending::Leave);
        let Some(handle) = handle else {
            self.end(host, how, shared);
            return;
        };
        let number = self.hosts[host].lives;
        self.hosts[host].leaving = self.hosts[host].life.take();
        let shared = shared.clone();
        tokio::spawn(async move {
            // `Err` when it has stopped already.
            let _ = handle.shutdown().await;
            shared.lock().left.push((host, number));
        });
    }

    /// Takes down hosts whose nodes have left.
    pub fn collect(&mut self, shared: &Shared) {
        let left = std::mem::take(&mut shared.lock().left);
        for (host, life) in left {
            if self.hosts[host].leaving.is_some() && self.hosts[host].lives == life {
                self.end(host, Ending::Kill, shared);
            }
        }
    }

    fn end(&mut self, host: usize, how: Ending, shared: &Shared) {
        self.hosts[host].crash(&self.network, how);
        shared.lock().connected[host].clear();
    }

    /// Addresses that a newcomer has been told.
    fn bootstrap(&mut self, host: usize) -> Vec<Multiaddr> {
        let through = self.scenario.entry(self.group(host)).map(|group| group.name.clone());
        let of_group = through.map_or_else(Vec::new, |name| self.of_group(&name));
        let known = (of_group.len() * WELL_KNOWN_PERCENT / 100).max(MIN_WELL_KNOWN);
        let others: Vec<usize> = of_group.into_iter().take(known).filter(|other| *other != host).collect();
        let told: BTreeSet<usize> = others.sample(&mut self.rng, TOLD).copied().collect();
        told.into_iter().map(|other| self.hosts[other].address(&self.network)).collect()
    }

    /// The file that a hostile host says that it has.
    fn claimed(&self, host: usize) -> Option<Arc<Truth>> {
        let Some(Hostile::LyingSeeder { file, .. }) = &self.group(host).hostile else { return None };
        self.truths.iter().find(|truth| truth.name().as_str() == file).map(Arc::clone)
    }

    /// Addresses of the honest hosts that a hostile one may go for, its target first.
    fn targets(&self, host: usize) -> Vec<Multiaddr> {
        let wanted = match &self.group(host).hostile {
            Some(Hostile::Eclipse { target, .. }) => self.of_group(target).into_iter().take(1).collect(),
            _ => Vec::new(),
        };
        wanted.into_iter().map(|other| self.hosts[other].address(&self.network)).collect()
    }
}

/// Notes that somebody asks a hostile host for a block.
fn asked(shared: &Shared, host: usize) -> Arc<dyn Fn(PeerId) + Send + Sync> {
    let shared = shared.clone();
    Arc::new(move |asker| shared.asked_liar(host, asker))
}

/// All rooms that the scenario names, the lobby first.
fn rooms(scenario: &Scenario) -> Vec<RoomName> {
    let named = scenario.groups.iter().flat_map(|group| &group.rooms);
    let talked_in = scenario.workload.chat.iter().map(|chat| &chat.room);
    let others: BTreeSet<RoomName> = named
        .chain(talked_in)
        .filter_map(|name| name.parse().ok())
        .filter(|name: &RoomName| name.as_str() != proto::channel::LOBBY)
        .collect();
    proto::channel::LOBBY.parse().into_iter().chain(others).collect()
}

fn link(scenario: &Scenario, group: &Group, number: usize) -> Link {
    let regions = &scenario.network.regions;
    let region = group.region.as_ref().and_then(|name| regions.iter().position(|region| region == name));
    Link {
        region: region.unwrap_or(number % regions.len().max(1)),
        up_bits_s: group.up_kbit_s * 1_000,
        down_bits_s: group.down_kbit_s * 1_000,
        loss: group.loss,
        nat: group.nat,
    }
}

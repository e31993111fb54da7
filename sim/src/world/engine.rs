//! The loop of a run: waits for the next action of the timetable, and carries it out.

use std::{sync::Arc, sync::atomic::Ordering, time::Duration};

use proto::signature::Verifier;
use rand::{RngExt, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use tokio::time::Instant;

use super::{
    ledger::covers,
    letters::{LOAD_MS, Writers},
    population::Population,
    samples::Samples,
    shared::{Lookup, Shared, event_id},
    timetable::{Action, Timetable},
    trace::SharedTrace,
    verify::Verify,
};
use crate::{
    net::Network,
    progress::{Progress, RunError},
    random::{share_of, span_ms, until_next_ms},
    report::{Breach, Mark, Report},
    scenario::{Ending, Scenario, What},
};

/// Milliseconds of virtual time between two updates of the progress.
const PROGRESS_MS: u64 = 250;

/// Milliseconds of virtual time between two samples.
pub const SAMPLE_MS: u64 = 1_000;

/// Milliseconds after which a host that comes back while it is still leaving tries again.
const LEAVING_MS: u64 = 100;

/// Seconds over which the keys of lookups are provided, before the first lookup.
const PROVIDE_S: u64 = 60;

/// Everything of a run.
pub struct World {
    pub(super) scenario: Arc<Scenario>,
    pub(super) seed: u64,
    pub(super) network: Network,
    pub(super) population: Population,
    pub(super) shared: Shared,
    pub(super) trace: SharedTrace,
    pub(super) samples: Samples,
    pub(super) verify: Verify,
    pub(super) marks: Vec<Mark>,
    pub(super) breach: Option<Breach>,
    pub(super) healed_ms: Option<u64>,
    pub(super) began: Duration,
    /// By kind of direct messages.
    pub(super) writers: Vec<Writers>,
    /// By key, the hosts that provide it.
    providers: Vec<Vec<usize>>,
    pub(super) timetable: Timetable,
    progress: Arc<Progress>,
    start: Instant,
    pub(super) rng: ChaCha8Rng,
}

impl World {
    /// A world in which nothing has happened yet. Call inside the runtime of the run.
    pub fn new(scenario: Scenario, seed: u64, progress: Arc<Progress>) -> Self {
        let scenario = Arc::new(scenario);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let network = Network::new(&scenario.network, rng.random());
        let trace = SharedTrace::default();
        network.set_tap(Box::new(trace.clone()));
        tokio::spawn(network.clone().run());
        let start = Instant::now();
        let verifier: Arc<dyn Verifier> = Arc::new(crate::memo::Memo::default());
        let population = Population::new(Arc::clone(&scenario), network.clone(), start, verifier, rng.random());
        let names = (0..population.hosts.len()).map(|host| population.name(host)).collect();
        let peer_ids = population.hosts.iter().map(|host| host.peer_id().to_string()).collect();
        let mut world = Self {
            seed,
            network,
            shared: Shared::new(start, names, peer_ids),
            trace,
            samples: Samples::default(),
            verify: Verify::new(&scenario),
            marks: Vec::new(),
            breach: None,
            healed_ms: None,
            began: interpose::real_now(),
            writers: Vec::new(),
            providers: Vec::new(),
            timetable: Timetable::default(),
            progress,
            start,
            rng,
            population,
            scenario,
        };
        world.fill_timetable();
        world.prepare_letters();
        world.prepare_files();
        world
    }

    /// Runs to the end, or to the first broken invariant.
    ///
    /// # Errors
    /// [`RunError::Start`].
    pub async fn run(mut self) -> Result<Report, RunError> {
        let end_ms = self.scenario.duration_s * 1_000;
        self.progress.total_ms.store(end_ms, Ordering::Relaxed);
        while let Some(at_ms) = self.timetable.next_ms().filter(|at_ms| *at_ms <= end_ms) {
            tokio::time::sleep_until(self.start + Duration::from_millis(at_ms)).await;
            self.population.collect(&self.shared);
            while let Some(action) = self.timetable.pop(at_ms) {
                self.carry_out(at_ms, action).await?;
            }
            if self.breach.is_some() {
                break;
            }
        }
        if self.breach.is_none() {
            self.breach = self.at_the_end();
        }
        Ok(self.report().await)
    }

    /// Milliseconds at which settling begins.
    pub(super) fn settle_ms(&self) -> u64 {
        self.scenario.duration_s.saturating_sub(self.scenario.settle_s) * 1_000
    }

    fn fill_timetable(&mut self) {
        let mut host = 0;
        for group in &self.scenario.groups {
            for number in 0..group.count as u64 {
                let after_ms = number * group.arrive.over_s * 1_000 / group.count.max(1) as u64;
                self.timetable.add(group.arrive.from_s * 1_000 + after_ms, Action::Start(host));
                host += 1;
            }
        }
        for (index, event) in self.scenario.events.iter().enumerate() {
            self.timetable.add(event.at_s * 1_000, Action::Event(index));
        }
        for (index, chat) in self.scenario.workload.chat.iter().enumerate() {
            self.timetable.add(chat.from_s * 1_000, Action::Chat(index));
        }
        if let Some(lookups) = &self.scenario.workload.lookups {
            let from_ms = lookups.from_s.saturating_sub(PROVIDE_S) * 1_000;
            let span_ms = lookups.from_s * 1_000 - from_ms;
            for key in 0..lookups.keys {
                self.timetable.add(from_ms + span_ms * key as u64 / lookups.keys as u64, Action::Provide(key));
            }
            self.timetable.add(lookups.from_s * 1_000, Action::Lookup);
        }
        self.timetable.add(SAMPLE_MS, Action::Sample);
        self.timetable.add(0, Action::Progress);
    }

    async fn carry_out(&mut self, now_ms: u64, action: Action) -> Result<(), RunError> {
        match action {
            Action::Start(host) => self.start(now_ms, host).await?,
            Action::EndSession { host, life } => self.end_session(now_ms, host, life),
            Action::Event(index) => self.event(now_ms, index),
            Action::Chat(index) => self.chat(now_ms, index),
            Action::Write(index) => self.write(now_ms, index),
            Action::Fetch { host, file } => self.fetch(now_ms, host, file),
            Action::AskLoad => {
                self.timetable.add(now_ms + LOAD_MS, Action::AskLoad);
                self.ask_load();
            }
            Action::Provide(key) => self.provide(key),
            Action::Lookup => self.lookup(now_ms),
            Action::Sample => {
                self.timetable.add(now_ms + SAMPLE_MS, Action::Sample);
                self.samples.take(now_ms, &self.population, &self.network, &self.shared, &self.trace);
                // The first breach counts.
                self.breach = self.breach.take().or_else(|| self.verify_now(now_ms));
            }
            Action::Progress => {
                self.timetable.add(now_ms + PROGRESS_MS, Action::Progress);
                self.tell_progress(now_ms);
            }
        }
        Ok(())
    }

    async fn start(&mut self, now_ms: u64, host: usize) -> Result<(), RunError> {
        self.trace.lock().note(now_ms, "start", host as u64);
        let lost = self.lost_by(now_ms, host).or_else(|| self.letters_lost_by(now_ms, host));
        if let Some(breach) = lost.or_else(|| self.files_lost_by(now_ms, host)) {
            self.breach = Some(breach);
            return Ok(());
        }
        if !self.population.start(host, &self.shared).await? {
            if self.population.hosts[host].is_leaving() {
                self.timetable.add(now_ms + LEAVING_MS, Action::Start(host));
            }
            return Ok(());
        }
        self.verify.disturbed(now_ms);
        if let Some(churn) = &self.population.group(host).churn {
            let end_ms = now_ms.max(churn.from_s * 1_000) + span_ms(&mut self.rng, &churn.session_s);
            if end_ms < self.settle_ms() {
                let life = self.population.hosts[host].lives;
                self.timetable.add(end_ms, Action::EndSession { host, life });
            }
        }
        self.provide_again(host);
        self.share_again(now_ms, host);
        Ok(())
    }

    fn end_session(&mut self, now_ms: u64, host: usize, life: u32) {
        let Some(churn) = self.population.group(host).churn.clone() else { return };
        if !self.population.hosts[host].is_up() || self.population.hosts[host].lives != life {
            return;
        }
        let how = match (self.rng.random_bool(churn.crash), self.rng.random_bool(churn.power_cut)) {
            (false, _) => Ending::Leave,
            (true, false) => Ending::Kill,
            (true, true) => Ending::PowerCut,
        };
        self.stop(now_ms, host, how);
        let back_ms = now_ms + span_ms(&mut self.rng, &churn.gap_s);
        if back_ms < self.settle_ms() {
            self.timetable.add(back_ms, Action::Start(host));
        }
    }

    fn stop(&mut self, now_ms: u64, host: usize, how: Ending) {
        self.trace.lock().note(now_ms, "stop", host as u64);
        self.verify.disturbed(now_ms);
        self.population.stop(host, how, &self.shared);
    }

    fn event(&mut self, now_ms: u64, index: usize) {
        let what = self.scenario.events[index].what.clone();
        self.verify.disturbed(now_ms);
        let text = match what {
            What::Partition { sides } => {
                let parts: Vec<Vec<_>> = sides.iter().map(|names| self.population.on_side(names)).collect();
                self.network.partition(&parts);
                self.verify.part(now_ms, true);
                let named: Vec<String> = sides.iter().map(|side| side.join("+")).collect();
                format!("partition: {}", named.join(" | "))
            }
            What::Heal => {
                self.network.heal();
                self.verify.part(now_ms, false);
                self.healed_ms = Some(now_ms);
                "heal".into()
            }
            What::Stop { group, share, how } => {
                let up =
                    self.population.of_group(&group).into_iter().filter(|host| self.population.hosts[*host].is_up());
                let chosen = share_of(&mut self.rng, up.collect(), share);
                let text = format!("{} of {group} stop ({})", chosen.len(), ending(how));
                chosen.into_iter().for_each(|host| self.stop(now_ms, host, how));
                text
            }
            What::Start { group, share } => {
                let down =
                    self.population.of_group(&group).into_iter().filter(|host| self.population.hosts[*host].is_down());
                let chosen = share_of(&mut self.rng, down.collect(), share);
                let text = format!("{} of {group} start", chosen.len());
                chosen.into_iter().for_each(|host| self.timetable.add(now_ms, Action::Start(host)));
                text
            }
        };
        *self.progress.phase.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = text.clone();
        self.marks.push(Mark { at_s: now_ms as f64 / 1_000.0, text });
    }

    /// Somebody says something, and the time of the next message is drawn.
    fn chat(&mut self, now_ms: u64, index: usize) {
        let chat = &self.scenario.workload.chat[index];
        let until_ms = chat.until_s.map_or(self.settle_ms(), |until_s| until_s * 1_000);
        if now_ms >= until_ms {
            return;
        }
        self.timetable.add(now_ms + until_next_ms(&mut self.rng, chat.rate_per_s), Action::Chat(index));
        let Some(room) = self.population.rooms.iter().position(|room| room.as_str() == chat.room) else { return };
        let talks = |host: &usize| {
            let by = chat.by.as_ref().is_none_or(|group| self.population.group(*host).name == *group);
            by && self.population.hosts[*host].rooms.contains(&room)
        };
        let up: Vec<usize> = self.population.up().filter(talks).collect();
        let Some(&author) = up.choose(&mut self.rng) else { return };
        let Some(life) = &self.population.hosts[author].life else { return };
        let Some(handle) = life.handle.clone() else { return };
        let text = format!("{:<1$}", format!("{now_ms} ms"), chat.bytes).replace(' ', "·");
        self.verify.disturbed(now_ms);
        let (shared, name) = (self.shared.clone(), self.population.rooms[room].clone());
        let say = async move {
            let result = handle.say(name, text).await;
            let later_ms = shared.now_ms();
            let ledger = &mut shared.lock().ledger;
            match result {
                Ok(message) => {
                    if let Some(id) = event_id(&message.id) {
                        ledger.said(later_ms, id, room, author, now_ms);
                    }
                }
                Err(_) => ledger.refuse(later_ms, author),
            }
        };
        // With the node's own tasks: a user whose machine crashes learns nothing.
        node::spawn::Spawn::spawn(&life.tasks, Box::pin(say));
    }

    /// Some hosts provide a key.
    fn provide(&mut self, key: usize) {
        let Some(lookups) = self.scenario.workload.lookups else { return };
        let up: Vec<usize> = self.population.up().collect();
        let chosen: Vec<usize> = up.sample(&mut self.rng, lookups.providers).copied().collect();
        for host in &chosen {
            self.tell_provide(*host, key);
        }
        self.providers.push(chosen);
    }

    /// A host that was down provides anew what it has.
    fn provide_again(&mut self, host: usize) {
        for key in 0..self.providers.len() {
            if self.providers[key].contains(&host) {
                self.tell_provide(host, key);
            }
        }
    }

    fn tell_provide(&self, host: usize, key: usize) {
        let Some(life) = &self.population.hosts[host].life else { return };
        let Some(handle) = life.handle.clone() else { return };
        let provide = async move {
            // A node that has just come knows nobody to lay the record with.
            while handle.status().await.is_ok_and(|status| status.connected_peers == 0) {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            // `Err` when it stops, or provides too much already: then the lookup fails, and that is counted.
            let _ = handle.provide(key_bytes(key)).await;
        };
        node::spawn::Spawn::spawn(&life.tasks, Box::pin(provide));
    }

    /// Somebody looks for a key whose provider is up.
    fn lookup(&mut self, now_ms: u64) {
        let Some(lookups) = self.scenario.workload.lookups else { return };
        if now_ms >= self.settle_ms() {
            return;
        }
        self.timetable.add(now_ms + until_next_ms(&mut self.rng, lookups.rate_per_s), Action::Lookup);
        let since_ms = now_ms.saturating_sub(10_000);
        let settled = |host: &usize| covers(&self.population.hosts[*host].sessions, since_ms, now_ms);
        let up: Vec<usize> = self.population.up().filter(settled).collect();
        // Hosts come in the order of their numbers.
        let offered = |key: &usize| self.providers[*key].iter().any(|host| up.binary_search(host).is_ok());
        let Some(&seeker) = up.choose(&mut self.rng) else { return };
        let others = |key: &usize| !self.providers[*key].contains(&seeker) && offered(key);
        let keys: Vec<usize> = (0..self.providers.len()).filter(others).collect();
        let Some(&key) = keys.choose(&mut self.rng) else { return };
        let Some(life) = &self.population.hosts[seeker].life else { return };
        let Some(handle) = life.handle.clone() else { return };
        let shared = self.shared.clone();
        // Counted as failed until it has ended: one that never does has failed.
        let number = shared.lock().begin_lookup(now_ms);
        let look_up = async move {
            let Ok(found) = handle.find_providers(key_bytes(key), 1).await else { return };
            let took_ms = shared.now_ms() - now_ms;
            let found_any = !found.providers.is_empty();
            shared.lock().lookups[number] =
                Lookup { at_ms: now_ms, took_ms, requests: found.requests, found: found_any };
        };
        node::spawn::Spawn::spawn(&life.tasks, Box::pin(look_up));
    }

    fn tell_progress(&self, now_ms: u64) {
        let up = self.population.up().count() as u64;
        let notes = self.shared.lock();
        self.progress.virtual_ms.store(now_ms, Ordering::Relaxed);
        self.progress.hosts_up.store(up, Ordering::Relaxed);
        self.progress.said.store(notes.ledger.messages().len() as u64, Ordering::Relaxed);
        self.progress.shown.store(notes.ledger.count_shown(), Ordering::Relaxed);
    }
}

/// How a host stops, in words.
fn ending(how: Ending) -> &'static str {
    match how {
        Ending::Leave => "say goodbye",
        Ending::Kill => "are killed",
        Ending::PowerCut => "lose power",
    }
}

/// The key of a number.
fn key_bytes(key: usize) -> [u8; 32] {
    let mut bytes = [0xd7; 32];
    bytes[..8].copy_from_slice(&(key as u64).to_le_bytes());
    bytes
}

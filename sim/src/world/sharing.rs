//! Files in a run: some hosts have them, others fetch them, and the account of them is looked at.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
    time::Duration,
};

use libp2p::Multiaddr;
use node::{
    files::Symlinks,
    handle::{FetchRequest, Handle, ShareRequest, Target},
    spawn::Spawn,
};
use proto::blob::link::{Link, Wanted};
use rand::RngExt;

use super::{
    engine::World,
    files::{Crowd, Fetch, File, best_s},
    history,
    outcome::quantile,
    timetable::Action,
    vault::Shelves,
};
use crate::{hostile::LANES, report::Breach, scenario::Sharing, truth::Truth};

/// Bytes in a mebibyte.
const MIB: u64 = 1024 * 1024;

/// Seeders whose addresses stand in a link.
const MAX_LINKED: usize = 4;

/// Milliseconds between two looks of a user at whether its node knows anybody yet.
const LOOK_MS: u64 = 1_000;

impl World {
    /// Sees to it that files are there and are fetched, and that their account is kept.
    pub(super) fn prepare_files(&mut self) {
        let scenario = Arc::clone(&self.scenario);
        let mut touched = BTreeSet::new();
        for (number, sharing) in scenario.workload.file.iter().enumerate() {
            let seed: u64 = self.rng.random();
            // A checked scenario has such names.
            let Ok(name) = sharing.name.parse() else { continue };
            let truth = Arc::new(Truth::new(name, seed, sharing.size_mib * MIB));
            let seeders: BTreeSet<usize> = self.population.of_group(&sharing.seeders).into_iter().collect();
            let getters = self.population.of_group(&sharing.getters);
            for (place, host) in getters.iter().enumerate() {
                let after_ms = place as u64 * sharing.over_s * 1_000 / getters.len().max(1) as u64;
                let action = Action::Fetch { host: *host, file: number };
                self.timetable.add(sharing.at_s * 1_000 + after_ms, action);
            }
            touched.extend(seeders.iter().chain(&getters).copied());
            let getters = getters.into_iter().map(|host| (host, Fetch::default())).collect();
            self.shared.lock().files.add(File { truth: Arc::clone(&truth), seeders, getters });
            self.population.truths.push(truth);
        }
        for host in touched {
            let shared = self.shared.clone();
            let witness = Box::new(move |root, deed| shared.did(host, root, deed));
            let settings = self.population.group(host).disk;
            let shelves = Shelves::new(self.population.truths.clone(), settings, self.rng.random(), witness);
            self.population.hosts[host].shelves = Some(shelves);
        }
    }

    /// The user of a host that has just come shares what is to be shared, and asks again for what it wanted and does not have.
    pub(super) fn share_again(&self, now_ms: u64, host: usize) {
        if self.scenario.workload.file.is_empty() || !self.population.is_honest(host) {
            return;
        }
        let notes = self.shared.lock();
        let files: Vec<(usize, &File)> = notes.files.all().iter().enumerate().collect();
        let wanted = |file: &File| {
            file.getters.get(&host).is_some_and(|fetch| fetch.asked_ms.is_some() && fetch.done_ms.is_none())
        };
        let fetched: Vec<usize> = files.iter().filter(|(_, file)| wanted(file)).map(|(number, _)| *number).collect();
        let shared = files.iter().filter(|(_, file)| file.seeders.contains(&host));
        let shared: Vec<Arc<Truth>> = shared.map(|(_, file)| Arc::clone(&file.truth)).collect();
        drop(notes);
        shared.into_iter().for_each(|truth| self.share(host, &truth));
        fetched.into_iter().for_each(|file| self.fetch(now_ms, host, file));
    }

    fn share(&self, host: usize, truth: &Truth) {
        let is_held = self.population.hosts[host].shelves.as_ref().is_some_and(|shelves| shelves.holds(truth.root()));
        let Some(life) = self.population.hosts[host].life.as_ref().filter(|_| !is_held) else { return };
        let Some(handle) = life.handle.clone() else { return };
        let path = truth.path();
        let share = async move {
            // A node that has just come knows nobody to lay the record with.
            knows_somebody(&handle).await;
            let request = ShareRequest { path, name: None, copy: false, symlinks: Symlinks::Refuse };
            // `Err` when it stops.
            let _ = handle.share(request).await;
        };
        life.tasks.spawn(Box::pin(share));
    }

    /// A user asks for a file.
    pub(super) fn fetch(&self, now_ms: u64, host: usize, file: usize) {
        let notes = &mut *self.shared.lock();
        notes.files.asked(now_ms, host, file);
        // One who is away asks when it is back.
        let Some(life) = &self.population.hosts[host].life else { return };
        let Some(handle) = life.handle.clone() else { return };
        notes.ledger.history.note(host, now_ms, history::Deed::Fetches(file as u32));
        let wanted = self.wanted(host, &notes.files.all()[file], &self.scenario.workload.file[file]);
        let fetch = async move {
            knows_somebody(&handle).await;
            let target = Target::Into(Path::new("/fetched").to_owned());
            // `Err` when it stops. Whatever else is in its way shows in the figures.
            let _ = handle.fetch(FetchRequest { wanted, target, select: Vec::new(), peers: Vec::new() }).await;
        };
        life.tasks.spawn(Box::pin(fetch));
    }

    /// What the user of a host was handed: the link, or the root alone.
    fn wanted(&self, host: usize, file: &File, sharing: &Sharing) -> Wanted {
        let content = file.truth.outline().content();
        let place = file.getters.range(..host).count();
        let by_root = |count: usize| (count as f64 * sharing.by_root).floor();
        // So many of the first n, whatever n is.
        if by_root(place + 1) > by_root(place) {
            return Wanted::Root(content.id());
        }
        let address = |seeder: &usize| -> Multiaddr { self.population.hosts[*seeder].address(&self.network) };
        let addresses = file.seeders.iter().take(MAX_LINKED).map(|seeder| address(seeder).to_string()).collect();
        Wanted::Link(Link { content, name: file.truth.name().clone(), addresses })
    }

    // ---- what must hold

    /// What is wrong with files, if anything is.
    pub(super) fn files_now(&self) -> Option<Breach> {
        let fault = self.shared.lock().files.take_fault()?;
        Some(self.breach(fault.at_ms, fault.invariant, fault.detail, &fault.hosts))
    }

    /// What a host's disk no longer holds of files that were complete.
    pub(super) fn files_lost_by(&self, now_ms: u64, host: usize) -> Option<Breach> {
        let shelves = self.population.hosts[host].shelves.as_ref()?;
        self.shared.lock().files.found(now_ms, host, |root| shelves.holds(root));
        self.files_now()
    }

    // ---- figures

    /// How well files got to those who wanted them.
    pub(super) fn files(&self, figures: &mut BTreeMap<String, f64>) {
        let notes = self.shared.lock();
        let files = notes.files.all();
        if files.is_empty() {
            return;
        }
        let mut put = |name: &str, value: f64| {
            figures.insert(name.into(), value);
        };
        let fetches: Vec<&Fetch> = files.iter().flat_map(|file| file.getters.values()).collect();
        let tally = notes.files.tally();
        put("file_wanted", fetches.len() as f64);
        put("file_completed", tally.done as f64 / fetches.len().max(1) as f64);
        let took = fetches.iter().filter_map(|fetch| Some(fetch.done_ms?.saturating_sub(fetch.asked_ms?)));
        let mut took: Vec<u64> = took.collect();
        took.sort_unstable();
        if let Some(half) = quantile(&took, 0.5) {
            put("file_p50_s", half as f64 / 1_000.0);
        }
        put("file_bytes_seeders", tally.by_seeders as f64);
        put("file_bytes_getters", tally.by_getters as f64);
        if tally.kept > 0 {
            let lanes = self.network.bytes_by_protocol().get(LANES.as_ref()).copied().unwrap_or(0);
            put("file_overhead", (lanes as f64 / tally.kept as f64 - 1.0).max(0.0));
        }
        if tally.right_blocks + tally.wrong_blocks > 0 {
            put("file_wrong", tally.wrong_blocks as f64 / (tally.right_blocks + tally.wrong_blocks) as f64);
        }
        let asked = notes.asked_of_liars.values();
        if asked.len() > 0 {
            put("file_asked_of_liars", asked.copied().max().unwrap_or(0) as f64);
        }
        let last: Option<Vec<f64>> = files.iter().map(last_s).collect();
        let best: Vec<Option<f64>> = files.iter().map(|file| best_s(&self.crowd(file))).collect();
        let most = |of: &[f64]| of.iter().copied().reduce(f64::max);
        if let Some(best) = most(&best.iter().flatten().copied().collect::<Vec<_>>()) {
            put("file_best_s", best);
        }
        if let Some(last) = last {
            most(&last).into_iter().for_each(|last| put("file_last_s", last));
            let over = last.iter().zip(&best).filter_map(|(last, best)| Some(last / (*best)?));
            most(&over.collect::<Vec<_>>()).into_iter().for_each(|over| put("file_last_over_best", over));
        }
    }

    fn crowd(&self, file: &File) -> Crowd {
        let link = |host: usize| {
            let group = self.population.group(host);
            (group.up_kbit_s * 1_000, group.down_kbit_s * 1_000)
        };
        let first_ms = file.getters.values().filter_map(|fetch| fetch.asked_ms).min().unwrap_or(0);
        let late_ms = |fetch: &Fetch| fetch.asked_ms.unwrap_or(first_ms) - first_ms;
        let getters = file.getters.iter().map(|(host, fetch)| (link(*host).0, link(*host).1, late_ms(fetch)));
        Crowd {
            bytes: file.truth.outline().layout().size(),
            seeders_up: file.seeders.iter().map(|host| link(*host).0).collect(),
            getters: getters.collect(),
        }
    }
}

/// Seconds from when the first asked for a file until the last had it; `None` if one never had.
fn last_s(file: &File) -> Option<f64> {
    let first_ms = file.getters.values().filter_map(|fetch| fetch.asked_ms).min()?;
    let done: Option<Vec<u64>> = file.getters.values().map(|fetch| fetch.done_ms).collect();
    Some((done?.into_iter().max()? - first_ms) as f64 / 1_000.0)
}

/// Waits until a node is connected with somebody.
async fn knows_somebody(handle: &Handle) {
    while handle.status().await.is_ok_and(|status| status.connected_peers == 0) {
        tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
    }
}

#[cfg(test)]
mod tests;

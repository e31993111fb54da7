//! The report of a run, made when it is over.

use std::{collections::BTreeMap, time::Duration};

use rand::{SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;

use super::{
    engine::{SAMPLE_MS, World},
    files::Tally,
    ledger::{LIVE_MS, Message, covers},
    shared::Lookup,
};
use crate::{
    process::peak_memory_bytes,
    report::{self, Reach, Report, Series},
};

/// Points of a series at most: what a chart can show.
const MAX_POINTS: u64 = 120;

/// Random pairs of hosts whose path is measured.
const PATHS: usize = 20_000;

/// Hosts whose view of the lobby is compared with the truth.
const VIEWS: usize = 20;

/// Hosts that are asked whom they keep out.
const JUDGES: usize = 200;

impl World {
    /// Everything that is known of the run.
    pub(super) async fn report(mut self) -> Report {
        let virtual_s = self.shared.now_ms() as f64 / 1_000.0;
        let real_s = (interpose::real_now() - self.began).as_secs_f64();
        let cpu = interpose::thread_cpu();
        let (trace_hash, trace) = self.trace.lock().finish();
        let mut figures = BTreeMap::new();
        let mut series = self.sampled();
        self.delivery(&mut figures, &mut series);
        self.lookups(&mut figures, &mut series);
        self.cost(&mut figures, virtual_s, real_s, cpu);
        self.presence(&mut figures).await;
        self.bans(&mut figures).await;
        self.letters(&mut figures).await;
        self.files(&mut figures);
        Report {
            scenario: self.scenario.name.clone(),
            summary: self.scenario.summary.clone(),
            scenario_toml: self.scenario.to_toml().unwrap_or_default(),
            seed: self.seed,
            version: env!("CARGO_PKG_VERSION").into(),
            reproducible: interpose::IS_REPRODUCIBLE,
            trace_hash,
            trace,
            virtual_s,
            real_s,
            hosts: self.population.hosts.len(),
            checks: report::check(&self.scenario, &figures),
            breach: self.breach.take(),
            figures,
            series,
            bytes_by_protocol: self.network.bytes_by_protocol(),
            reach: self.reach(),
            marks: std::mem::take(&mut self.marks),
        }
    }

    /// Milliseconds between two points of a series.
    fn step_ms(&self) -> u64 {
        (self.scenario.duration_s * 1_000 / MAX_POINTS).max(SAMPLE_MS)
    }

    /// Series made of the samples.
    fn sampled(&self) -> BTreeMap<String, Series> {
        let step_ms = self.step_ms();
        let mut series: BTreeMap<String, Series> = BTreeMap::new();
        let wanted_bytes = Some(self.shared.lock().files.wanted_bytes()).filter(|bytes| *bytes > 0);
        let mut files_before = Tally::default();
        let mut add = |name: &str, at_s: f64, value: f64| {
            series.entry(name.into()).or_default().points.push((at_s, value));
        };
        for span in self.samples.taken.chunk_by(|a, b| a.at_ms / step_ms == b.at_ms / step_ms) {
            let Some(last) = span.last() else { continue };
            let at_s = last.at_ms as f64 / 1_000.0;
            let sum = |of: fn(&super::samples::Sample) -> u64| span.iter().map(of).sum::<u64>() as f64;
            let seconds = (span.len() as u64 * SAMPLE_MS) as f64 / 1_000.0;
            add("hosts", at_s, last.hosts as f64);
            add("connections", at_s, last.connections);
            add("different", at_s, last.different as f64);
            if !self.scenario.workload.direct.is_empty() {
                add("undelivered", at_s, last.undelivered as f64);
            }
            if let Some(wanted_bytes) = wanted_bytes {
                add("file_came", at_s, last.files.kept as f64 / wanted_bytes as f64);
                add("file_done", at_s, last.files.done as f64);
                let before = std::mem::replace(&mut files_before, last.files);
                let rate = |now: u64, before: u64| (now - before) as f64 / seconds;
                add("file_seeders_bytes_s", at_s, rate(last.files.by_seeders, before.by_seeders));
                add("file_getters_bytes_s", at_s, rate(last.files.by_getters, before.by_getters));
            }
            add("bytes_per_host_s", at_s, sum(|sample| sample.bytes) / seconds / last.hosts.max(1) as f64);
            let first = sum(|sample| sample.first_copies);
            if first > 0.0 {
                add("duplicates", at_s, sum(|sample| sample.further_copies) / first);
            }
        }
        series
    }

    /// How well messages were delivered.
    fn delivery(&self, figures: &mut BTreeMap<String, f64>, series: &mut BTreeMap<String, Series>) {
        let notes = self.shared.lock();
        let messages = notes.ledger.messages();
        let mut put = |name: &str, value: f64| {
            figures.insert(name.into(), value);
        };
        put("said", messages.len() as f64);
        put("refused", notes.ledger.refused() as f64);
        let (held, owed) = messages.iter().map(|message| self.held(message)).fold((0, 0), add);
        if owed > 0 {
            put("delivered", held as f64 / owed as f64);
        }
        let mut all: Vec<u64> = Vec::new();
        let (mut live, mut expected) = (0, 0);
        let step_ms = self.step_ms();
        let mut ordered: Vec<&Message> = messages.iter().collect();
        ordered.sort_by_key(|message| message.said_ms);
        for span in ordered.chunk_by(|a, b| a.said_ms / step_ms == b.said_ms / step_ms) {
            let at_s = (span[0].said_ms / step_ms * step_ms) as f64 / 1_000.0;
            let (mut latencies, mut shown, mut of) = (Vec::new(), 0, 0);
            for message in span {
                for latency in self.live(message) {
                    of += 1;
                    shown += usize::from(latency.is_some_and(|ms| ms <= LIVE_MS));
                    latencies.extend(latency);
                }
            }
            let mut point = |name: &str, value: f64| series.entry(name.into()).or_default().points.push((at_s, value));
            if of > 0 {
                point("delivered", f64::from(shown as u32) / f64::from(of as u32));
            }
            latencies.sort_unstable();
            if let (Some(half), Some(most)) = (quantile(&latencies, 0.5), quantile(&latencies, 0.99)) {
                point("latency_p50_ms", half as f64);
                point("latency_p99_ms", most as f64);
            }
            live += shown;
            expected += of;
            all.extend(latencies);
        }
        all.sort_unstable();
        if expected > 0 {
            put("delivered_live", live as f64 / f64::from(expected));
        }
        let (path_half, path_most) = self.paths();
        put("path_p50_ms", path_half);
        put("path_p99_ms", path_most);
        if let (Some(half), Some(most)) = (quantile(&all, 0.5), quantile(&all, 0.99)) {
            put("latency_p50_ms", half as f64);
            put("latency_p99_ms", most as f64);
            put("latency_p99_over_path_p99", most as f64 / path_most);
        }
        if let Some(heal_ms) = self.healed_ms.and_then(|healed_ms| self.heal_to_equal_ms(messages, healed_ms)) {
            put("heal_to_equal_s", heal_ms as f64 / 1_000.0);
        }
        let first: u64 = self.samples.taken.iter().map(|sample| sample.first_copies).sum();
        let further: u64 = self.samples.taken.iter().map(|sample| sample.further_copies).sum();
        if first > 0 {
            put("duplicates", further as f64 / first as f64);
        }
    }

    /// Whether a message is owed to anybody at the end. One whose author is gone and that nobody else ever saw is not: it waits on its
    /// author's disk.
    fn is_owed(&self, message: &Message) -> bool {
        let mut others = (0..self.population.hosts.len()).filter(|host| *host != message.author);
        self.population.hosts[message.author].is_up() || others.any(|host| message.latency_ms(host).is_some())
    }

    /// Of the hosts that a message is owed to at the end: how many were shown it, and how many there are.
    fn held(&self, message: &Message) -> (usize, usize) {
        if !self.is_owed(message) {
            return (0, 0);
        }
        let owed = self.population.up().filter(|host| self.population.hosts[*host].rooms.contains(&message.room));
        let shown = |held: (usize, usize), host| (held.0 + usize::from(message.latency_ms(host).is_some()), held.1 + 1);
        owed.fold((0, 0), shown)
    }

    /// The latencies of a message at the hosts that were up from well before it until well after; `None` where it was not shown.
    fn live<'a>(&'a self, message: &'a Message) -> impl Iterator<Item = Option<u64>> + 'a {
        let hosts = self.population.hosts.iter().enumerate();
        let (from_ms, until_ms) = (message.said_ms.saturating_sub(LIVE_MS), message.said_ms + LIVE_MS);
        let there = move |(index, host): &(usize, &super::host::Host)| {
            *index != message.author
                && self.population.is_honest(*index)
                && host.rooms.contains(&message.room)
                && covers(&host.sessions, from_ms, until_ms)
        };
        hosts.filter(there).map(|(index, _)| message.latency_ms(index))
    }

    /// From a heal until the last message said before it was shown to the last host that has been up since; `None` if one never was.
    fn heal_to_equal_ms(&self, messages: &[Message], healed_ms: u64) -> Option<u64> {
        let end_ms = self.shared.now_ms();
        let mut last_ms = healed_ms;
        for message in messages.iter().filter(|message| message.said_ms < healed_ms && self.is_owed(message)) {
            for host in self.population.up() {
                let host_of = &self.population.hosts[host];
                if host != message.author
                    && host_of.rooms.contains(&message.room)
                    && covers(&host_of.sessions, healed_ms, end_ms)
                {
                    last_ms = last_ms.max(message.said_ms + message.latency_ms(host)?);
                }
            }
        }
        Some(last_ms - healed_ms)
    }

    fn paths(&self) -> (f64, f64) {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut paths: Vec<f64> = (0..PATHS).map(|_| self.network.sample_path_ms(&mut rng)).collect();
        paths.sort_by(f64::total_cmp);
        (paths[PATHS / 2], paths[PATHS * 99 / 100])
    }

    fn lookups(&self, figures: &mut BTreeMap<String, f64>, series: &mut BTreeMap<String, Series>) {
        let mut lookups: Vec<Lookup> = self.shared.lock().lookups.clone();
        if lookups.is_empty() {
            return;
        }
        lookups.sort_by_key(|lookup| lookup.at_ms);
        let found = |of: &[Lookup]| of.iter().filter(|lookup| lookup.found).count() as f64 / of.len() as f64;
        let times = |of: &[Lookup]| {
            let mut times: Vec<u64> = of.iter().filter(|lookup| lookup.found).map(|lookup| lookup.took_ms).collect();
            times.sort_unstable();
            times
        };
        let mut put = |name: &str, value: f64| {
            figures.insert(name.into(), value);
        };
        put("lookups", lookups.len() as f64);
        put("lookups_found", found(&lookups));
        put("lookup_requests", lookups.iter().map(|lookup| lookup.requests).sum::<u64>() as f64 / lookups.len() as f64);
        let all = times(&lookups);
        if let (Some(half), Some(most)) = (quantile(&all, 0.5), quantile(&all, 0.99)) {
            put("lookup_p50_ms", half as f64);
            put("lookup_p99_ms", most as f64);
        }
        let step_ms = self.step_ms();
        for span in lookups.chunk_by(|a, b| a.at_ms / step_ms == b.at_ms / step_ms) {
            let at_s = span[0].at_ms as f64 / 1_000.0;
            let mut point = |name: &str, value: f64| series.entry(name.into()).or_default().points.push((at_s, value));
            point("lookups_found", found(span));
            if let Some(half) = quantile(&times(span), 0.5) {
                point("lookup_p50_ms", half as f64);
            }
        }
    }

    fn cost(&self, figures: &mut BTreeMap<String, f64>, virtual_s: f64, real_s: f64, cpu: Duration) {
        let hosts = self.population.hosts.len() as f64;
        let mut put = |name: &str, value: f64| {
            figures.insert(name.into(), value);
        };
        if let Some(last) = self.samples.taken.last() {
            put("connections", last.connections);
        }
        put("bytes_per_host_s", self.network.bytes_sent() as f64 / hosts / virtual_s);
        put("cpu_per_host_us_s", cpu.as_secs_f64() * 1e6 / hosts / virtual_s);
        put("speed", virtual_s / real_s);
        if let Some(bytes) = peak_memory_bytes() {
            put("memory_per_host", bytes / hosts);
        }
    }

    /// How far some hosts' views of the lobby are from the truth.
    async fn presence(&mut self, figures: &mut BTreeMap<String, f64>) {
        let up: Vec<usize> = self.population.up().collect();
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let viewers: Vec<usize> = up.sample(&mut rng, VIEWS).copied().collect();
        let truth: std::collections::BTreeSet<String> =
            up.iter().map(|host| self.population.hosts[*host].peer_id().to_string()).collect();
        let hostile = (0..self.population.hosts.len()).filter(|host| !self.population.is_honest(*host));
        let hostile: std::collections::BTreeSet<String> =
            hostile.map(|host| self.population.hosts[host].peer_id().to_string()).collect();
        let (mut wrong, mut of) = (0, 0);
        for viewer in viewers {
            let Some(handle) = self.population.hosts[viewer].life.as_ref().and_then(|life| life.handle.clone()) else {
                continue;
            };
            let Ok(members) = handle.who(self.population.rooms[0].clone()).await else { continue };
            let seen =
                members.into_iter().map(|member| member.peer_id).filter(|peer| !hostile.contains(peer)).collect();
            wrong += truth.symmetric_difference(&seen).count();
            of += truth.len();
        }
        if of > 0 {
            figures.insert("presence_error".into(), wrong as f64 / of as f64);
        }
    }

    /// Whom honest hosts keep out.
    async fn bans(&mut self, figures: &mut BTreeMap<String, f64>) {
        let hostile = (0..self.population.hosts.len()).filter(|host| !self.population.is_honest(*host)).count();
        let mut banned = std::collections::BTreeSet::new();
        let judges: Vec<usize> = self.population.up().take(JUDGES).collect();
        for judge in judges {
            let Some(handle) = self.population.hosts[judge].life.as_ref().and_then(|life| life.handle.clone()) else {
                continue;
            };
            let Ok(peers) = handle.peers().await else { continue };
            banned.extend(peers.into_iter().filter(|peer| peer.banned.is_some()).map(|peer| peer.peer_id));
        }
        let kept_out = |honest: bool| {
            let of_kind = (0..self.population.hosts.len()).filter(|host| self.population.is_honest(*host) == honest);
            of_kind.filter(|host| banned.contains(&self.population.hosts[*host].peer_id().to_string())).count() as f64
        };
        figures.insert("banned_honest".into(), kept_out(true));
        if hostile > 0 {
            figures.insert("banned_hostile".into(), kept_out(false) / hostile as f64);
        }
    }

    fn reach(&self) -> Vec<Reach> {
        let notes = self.shared.lock();
        let mut pairs: BTreeMap<(usize, usize), (usize, usize)> = BTreeMap::new();
        let up: Vec<usize> = self.population.up().collect();
        for &from in &up {
            for &to in up.iter().filter(|to| **to != from) {
                let pair =
                    pairs.entry((self.population.hosts[from].group, self.population.hosts[to].group)).or_default();
                pair.0 += usize::from(notes.connected[from].contains(&(to as u32)));
                pair.1 += 1;
            }
        }
        let name = |group: usize| self.scenario.groups[group].name.clone();
        let share = |((from, to), (connected, of)): ((usize, usize), (usize, usize))| Reach {
            from: name(from),
            to: name(to),
            connected: connected as f64 / of as f64,
        };
        pairs.into_iter().map(share).collect()
    }
}

fn add(a: (usize, usize), b: (usize, usize)) -> (usize, usize) {
    (a.0 + b.0, a.1 + b.1)
}

/// The value below which a share of sorted values lies.
pub(super) fn quantile(sorted: &[u64], share: f64) -> Option<u64> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get((last as f64 * share).ceil() as usize).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Sim, group,
        scenario::{Check, What},
    };

    #[test]
    fn a_quantile_is_a_value_of_the_list() {
        let values: Vec<u64> = (1..=100).collect();
        assert_eq!(
            [quantile(&values, 0.0), quantile(&values, 0.5), quantile(&values, 0.99)],
            [Some(1), Some(51), Some(100)]
        );
        assert_eq!(quantile(&[], 0.5), None);
    }

    /// Two groups that cannot talk from second 15 to 40, and what came of a check of how soon they are equal then.
    fn healed(converge_s: u64, end_s: u64) -> Report {
        let sides = vec![vec!["nodes".into()], vec!["others".into()]];
        let check = Check { figure: "heal_to_equal_s".into(), at_least: None, at_most: Some(60.0) };
        let sim = Sim::new(1).nodes(3).group(group("others", 3)).chat(1.0);
        let sim = sim.at(15, What::Partition { sides }).at(40, What::Heal).with(|scenario| {
            scenario.workload.chat[0].until_s = Some(35);
            // Far apart: a second is not enough for a question and its answer.
            scenario.network.latency_ms = vec![vec![600.0]];
            scenario.invariants.converge_s = converge_s;
            scenario.checks.push(check);
        });
        sim.run_until(end_s).unwrap()
    }

    #[test]
    fn hosts_that_never_become_equal_after_a_heal_have_no_time_for_it_and_fail_its_check() {
        let ended_by_a_breach = healed(1, 120);
        assert!(ended_by_a_breach.breach.is_some());
        for report in [ended_by_a_breach, healed(0, 40)] {
            assert_eq!(report.figures.get("heal_to_equal_s"), None);
            assert_eq!((report.checks[0].value, report.checks[0].passed), (None, false));
        }
        let in_time = healed(30, 120);
        assert!(in_time.passed() && in_time.checks[0].value.is_some(), "{:?}", in_time.checks);
    }
}

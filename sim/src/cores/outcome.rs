//! The report of a run.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use proto::ids::Author;
use rand::RngExt;

use super::{error::SetupError, world::World};
use crate::{
    process::peak_memory_bytes,
    report::{
        Report, Series, check,
        measure::{Buckets, Histogram, Tally},
    },
    scenario::Scenario,
};

/// Pairs of hosts whose path is measured.
const PATHS: usize = 10_000;

/// Real time and processor time at the start of a run.
pub struct Clocks {
    real: Duration,
    processor: Duration,
}

impl Clocks {
    /// Reads them.
    pub fn start() -> Self {
        Self { real: interpose::real_now(), processor: interpose::thread_cpu() }
    }
}

/// What a run leaves.
///
/// # Errors
/// When the scenario cannot be written as TOML.
pub fn report(mut world: World, scenario: &Scenario, seed: u64, clocks: &Clocks) -> Result<Report, SetupError> {
    let virtual_s = world.queue.now_us().min(world.end_us) as f64 / 1e6;
    let virtual_s = if world.breach.is_some() { virtual_s } else { world.end_us as f64 / 1e6 };
    let mut figures = BTreeMap::new();
    messages(&world, &mut figures);
    paths(&mut world, &mut figures);
    hosts(&world, virtual_s, &mut figures);
    let real_s = interpose::real_now().saturating_sub(clocks.real).as_secs_f64();
    let processor_s = interpose::thread_cpu().saturating_sub(clocks.processor).as_secs_f64();
    cost(world.hosts.len(), virtual_s, real_s, processor_s, &mut figures);
    let series = series(&world, virtual_s);
    let bytes_by_protocol = world.traffic.by_protocol();
    let (trace_hash, trace) = world.traffic.trace.finish();
    Ok(Report {
        scenario: scenario.name.clone(),
        summary: scenario.summary.clone(),
        scenario_toml: scenario.to_toml()?,
        seed,
        version: env!("CARGO_PKG_VERSION").into(),
        reproducible: true,
        trace_hash,
        trace,
        virtual_s,
        real_s,
        hosts: world.hosts.len(),
        checks: check(scenario, &figures),
        breach: world.breach,
        figures,
        series,
        bytes_by_protocol,
        reach: Vec::new(),
        marks: world.marks,
    })
}

fn put(figures: &mut BTreeMap<String, f64>, name: &str, value: Option<f64>) {
    if let Some(value) = value.filter(|value| value.is_finite()) {
        figures.insert(name.into(), value);
    }
}

fn messages(world: &World, figures: &mut BTreeMap<String, f64>) {
    let ledger = &world.ledger;
    put(figures, "said", Some(ledger.count() as f64));
    put(figures, "refused", Some(ledger.refused as f64));
    let up = || world.hosts.iter().filter(|host| host.live.is_some());
    let shown: u64 = up().map(|host| ledger.shown_of(&host.shown)).sum();
    put(figures, "delivered", Some(shown as f64 / (ledger.count() as f64 * up().count() as f64)));
    put(figures, "delivered_live", ledger.live().0);
    put(figures, "latency_p50_ms", ledger.latency().0.quantile_ms(0.5));
    put(figures, "latency_p99_ms", ledger.latency().0.quantile_ms(0.99));
    put(figures, "duplicates", world.traffic.duplicates().0);
    put(figures, "heal_to_equal_s", world.agreement.heal_to_equal_us().map(|us| us as f64 / 1e6));
}

/// The paths between random hosts, jitter and losses included.
fn paths(world: &mut World, figures: &mut BTreeMap<String, f64>) {
    let hosts = world.hosts.len() as u32;
    if hosts < 2 {
        return;
    }
    let mut histogram = Histogram::default();
    for _ in 0..PATHS {
        let from = world.rng.random_range(0..hosts);
        let to = (from + world.rng.random_range(1..hosts)) % hosts;
        histogram.record(Duration::from_micros(world.delay_us(from, to)));
    }
    put(figures, "path_p50_ms", histogram.quantile_ms(0.5));
    let p99 = histogram.quantile_ms(0.99);
    put(figures, "path_p99_ms", p99);
    let ratio = figures.get("latency_p99_ms").zip(p99).map(|(latency, path)| latency / path);
    put(figures, "latency_p99_over_path_p99", ratio);
}

fn hosts(world: &World, virtual_s: f64, figures: &mut BTreeMap<String, f64>) {
    let up: Vec<u32> =
        (0..world.hosts.len() as u32).filter(|host| world.hosts[*host as usize].live.is_some()).collect();
    let links: usize = up.iter().map(|host| world.mesh.links(*host).iter().filter(|link| link.open).count()).sum();
    put(figures, "connections", Some(links as f64 / up.len() as f64));
    let sent = world.traffic.sent().0 as f64;
    put(figures, "bytes_per_host_s", Some(sent / virtual_s / world.hosts.len() as f64));
    put(figures, "presence_error", presence_error(world, &up));
}

/// Of pairs of hosts, who is shown wrongly, or not shown.
fn presence_error(world: &World, up: &[u32]) -> Option<f64> {
    let there: BTreeSet<Author> = up.iter().map(|host| world.hosts[*host as usize].signer.author()).collect();
    let mut wrong = Tally::default();
    for host in up {
        let here = &world.hosts[*host as usize];
        let presence = here.live.as_ref()?.presence.as_ref()?;
        let members = presence.members(here.now(world.queue.now_us()));
        let shown: BTreeSet<Author> = members.iter().map(|member| member.author).collect();
        wrong.add(there.symmetric_difference(&shown).count() as f64);
    }
    Some(wrong.sum / (up.len() as f64 * (up.len() as f64 - 1.0)))
}

fn cost(hosts: usize, virtual_s: f64, real_s: f64, processor_s: f64, figures: &mut BTreeMap<String, f64>) {
    put(figures, "memory_per_host", peak_memory_bytes().map(|bytes| bytes / hosts as f64));
    put(figures, "speed", Some(virtual_s / real_s));
    put(figures, "cpu_per_host_us_s", Some(processor_s * 1e6 / hosts as f64 / virtual_s));
}

fn series(world: &World, virtual_s: f64) -> BTreeMap<String, Series> {
    let hosts = world.hosts.len() as f64;
    let latencies = world.ledger.latency().1;
    let means = |buckets: &Buckets<Tally>| buckets.series(Tally::mean);
    let mut bytes = world.traffic.sent().1.rates_per_s(Duration::from_secs_f64(virtual_s));
    bytes.points.iter_mut().for_each(|(_, value)| *value /= hosts);
    let all = [
        ("delivered", means(&world.ledger.live().1)),
        ("latency_p50_ms", latencies.series(|span| span.quantile_ms(0.5))),
        ("latency_p99_ms", latencies.series(|span| span.quantile_ms(0.99))),
        ("duplicates", means(world.traffic.duplicates().1)),
        ("hosts", means(&world.series[0])),
        ("different", means(&world.series[1])),
        ("bytes_per_host_s", bytes),
    ];
    all.into_iter().map(|(name, series)| (name.to_owned(), series)).collect()
}

//! A world made of a scenario.

use std::sync::Arc;

use proto::{
    Keypair,
    channel::{LOBBY, RoomName},
    chat::ChatMessage,
    event::Body,
    hlc::MAX_AHEAD_MS,
    ids::{ChannelId, LogId},
    log::COMPARE_INTERVAL_MS,
    signature::Signer,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    MAX_HOSTS, MAX_PRESENCE_HOSTS,
    bits::Bits,
    disk::Disk,
    error::SetupError,
    graph::Mesh,
    host::{Clock, Host, Recent},
    ledger::Ledger,
    message::What,
    paths::{Paths, Place},
    queue::Queue,
    store::Held,
    traffic::Traffic,
    world::World,
};
use crate::{
    random::wait_s,
    report::Mark,
    report::measure::Buckets,
    scenario::{Group, NatKind, Scenario},
};

/// The world of a scenario, with everything planned that the scenario sets a time for.
///
/// # Errors
/// When the scenario cannot be run at this level.
pub fn world(scenario: &Scenario, seed: u64) -> Result<World, SetupError> {
    check(scenario)?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let end_us = scenario.duration_s.saturating_mul(1_000_000);
    let mut hosts = Vec::with_capacity(scenario.hosts());
    let mut groups = Vec::with_capacity(scenario.groups.len());
    for (index, group) in scenario.groups.iter().enumerate() {
        let first = hosts.len() as u32;
        for number in 0..group.count {
            hosts.push(host(index, group, Paths::place(&scenario.network, group, number)?, &mut rng)?);
        }
        groups.push(first..hosts.len() as u32);
    }
    let mut world = World {
        channel: lobby()?,
        presence: hosts.len() <= MAX_PRESENCE_HOSTS,
        bodies: bodies(scenario)?,
        groups,
        end_us,
        settle_us: end_us.saturating_sub(scenario.settle_s.saturating_mul(1_000_000)),
        converge_us: converge_us(scenario, &hosts, end_us),
        queue: Queue::default(),
        mesh: Mesh::new(hosts.len(), rng.random()),
        paths: Paths::new(&scenario.network, rng.random())?,
        hosts,
        up: 0,
        library: Default::default(),
        ledger: Ledger::default(),
        agreement: Default::default(),
        traffic: Traffic::default(),
        verifier: Arc::default(),
        rng,
        cuts: 0,
        marks: left_out(scenario),
        series: [Buckets::default(), Buckets::default()],
        breach: None,
        scenario: scenario.clone(),
    };
    plan(&mut world);
    Ok(world)
}

/// Refuses what this level cannot do, and names that lead nowhere.
fn check(scenario: &Scenario) -> Result<(), SetupError> {
    if scenario.hosts() > MAX_HOSTS {
        return Err(SetupError::Hosts(scenario.hosts()));
    }
    if scenario.groups.iter().any(|group| group.hostile.is_some()) {
        return Err(SetupError::Unsupported { what: "hostile hosts" });
    }
    let named = scenario.workload.chat.iter().filter_map(|chat| chat.by.as_ref());
    let counts = scenario.counts();
    match named.into_iter().find(|name| !counts.contains_key(name.as_str())) {
        Some(group) => Err(SetupError::Group { group: group.clone() }),
        None => Ok(()),
    }
}

fn host(index: usize, group: &Group, place: Place, rng: &mut ChaCha8Rng) -> Result<Host, SetupError> {
    let mut secret: [u8; 32] = rng.random();
    let unusable = SetupError::Unsupported { what: "keys other than Ed25519" };
    let keypair = Keypair::ed25519_from_bytes(&mut secret).ok();
    let signer = keypair.and_then(Signer::new).ok_or(unusable)?;
    let peer = signer.author().peer_id().ok_or(SetupError::Unsupported { what: "keys other than Ed25519" })?;
    let either_way = |rng: &mut ChaCha8Rng, most: u64| {
        let most = i64::try_from(most).unwrap_or(i64::MAX / 4);
        rng.random_range(-most..=most)
    };
    let clock = Clock {
        ahead_ms: group.clock.offset_ms.saturating_add(either_way(rng, group.clock.skew_ms)),
        drift_ppm: either_way(rng, group.clock.drift_ppm),
    };
    Ok(Host {
        signer,
        peer,
        own_log: LogId(rng.random()),
        group: index,
        place,
        side: 0,
        clock,
        disk: Disk::default(),
        held: Held::default(),
        shown: Bits::default(),
        session: 0,
        stopped: false,
        live: None,
        recent: Recent::default(),
    })
}

fn lobby() -> Result<ChannelId, SetupError> {
    let name: Result<RoomName, _> = LOBBY.parse();
    name.map(|name| name.channel()).map_err(|_| SetupError::Unsupported { what: "room of that name" })
}

fn bodies(scenario: &Scenario) -> Result<Vec<Body>, SetupError> {
    let body = |bytes: usize| Ok(ChatMessage::new("somebody", &"x".repeat(bytes.max(1)))?.to_body());
    scenario.workload.chat.iter().map(|chat| body(chat.bytes)).collect()
}

/// Microseconds within which hosts must agree. Where clocks are further apart than anyone accepts, what the fastest says is
/// taken later by as much.
fn converge_us(scenario: &Scenario, hosts: &[Host], end_us: u64) -> Option<u64> {
    let within_ms = scenario.quiet_s()?.saturating_mul(1_000);
    let clocks = hosts.iter().map(|host| host.now(end_us).wall_ms);
    let (least, most) = clocks.fold((u64::MAX, 0), |(least, most), ms| (least.min(ms), most.max(ms)));
    let beyond_ms = most.saturating_sub(least).saturating_sub(MAX_AHEAD_MS);
    let extra_ms = if beyond_ms > 0 { beyond_ms + 2 * COMPARE_INTERVAL_MS } else { 0 };
    Some((within_ms + extra_ms).saturating_mul(1_000))
}

/// What the scenario has and this level has not.
fn left_out(scenario: &Scenario) -> Vec<Mark> {
    let groups = || scenario.groups.iter();
    let left_out = [
        (scenario.hosts() > MAX_PRESENCE_HOSTS, "presence: there are too many hosts for it"),
        (scenario.workload.chat.iter().any(|chat| chat.room != LOBBY), "talk in other rooms than the lobby"),
        (scenario.workload.lookups.is_some(), "lookups"),
        (groups().any(|group| group.nat.kind != NatKind::None), "NATs"),
        (groups().any(|group| group.up_kbit_s > 0 || group.down_kbit_s > 0), "bandwidth"),
    ];
    let mark = |(_, what): (bool, &str)| Mark { at_s: 0.0, text: format!("left out: {what}") };
    left_out.into_iter().filter(|(applies, _)| *applies).map(mark).collect()
}

/// Microseconds until the next of events that come at random at a rate.
pub fn until_next_us(rng: &mut ChaCha8Rng, rate_per_s: f64) -> u64 {
    (wait_s(rng, rate_per_s) * 1e6) as u64
}

/// Plans arrivals, talk and the timetable.
fn plan(world: &mut World) {
    let scenario = world.scenario.clone();
    for (index, event) in scenario.events.iter().enumerate() {
        world.queue.at(event.at_s.saturating_mul(1_000_000), 0, What::Event { index });
    }
    for (group, hosts) in scenario.groups.iter().zip(world.groups.clone()) {
        let micros = |s: u64| s.saturating_mul(1_000_000);
        let (from_us, over_us) = (micros(group.arrive.from_s), micros(group.arrive.over_s));
        let count = u64::from(hosts.end - hosts.start).max(1);
        for (number, host) in hosts.enumerate() {
            let wait_us = over_us / count * number as u64;
            world.queue.at(from_us.saturating_add(wait_us), host, What::Come);
        }
    }
    for (chat, talk) in scenario.workload.chat.iter().enumerate() {
        if talk.room == LOBBY && talk.rate_per_s > 0.0 {
            let from_us = talk.from_s.saturating_mul(1_000_000);
            let wait_us = until_next_us(&mut world.rng, talk.rate_per_s);
            world.queue.at(from_us.saturating_add(wait_us), 0, What::Say { chat });
        }
    }
    world.queue.at(0, 0, What::Tick);
}

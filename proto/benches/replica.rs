//! How fast runs are verified, logs are pulled and events are encoded, without network and disk.

use std::{collections::VecDeque, hint::black_box, sync::Arc};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use proto::{
    Keypair, PeerId,
    channel::WritePolicy,
    event::{Body, Event, MAX_EVENT_BYTES, MAX_RUN_EVENTS, Run, SignedEvent},
    hlc::Timestamp,
    ids::{Author, ChannelId, EventId, LogId, LogKey},
    log::{
        Config, Input, Output, Replica,
        message::{MAX_RESPONSE_EVENTS, SyncResponse, Want},
        shelf::{Position, Shelf},
    },
    signature::{Ed25519, Signer},
    time::Now,
    wire,
};

const EVENTS: usize = 100_000;
const BODY_BYTES: usize = 200;
const NOW: Now = Now { mono_ms: 0, wall_ms: 1_800_000_000_000 };

fn channel() -> ChannelId {
    ChannelId([1; 32])
}

fn signer(number: u8) -> Signer {
    let key = Keypair::ed25519_from_bytes([number; 32]).ok();
    match key.and_then(Signer::new) {
        Some(signer) => signer,
        None => unreachable!("any 32 bytes are an Ed25519 secret key"),
    }
}

/// A log of which every `signed_every`-th event and the last keep their signatures.
fn log(count: usize, signed_every: usize) -> Vec<SignedEvent> {
    let signer = signer(1);
    let mut events: Vec<SignedEvent> = Vec::with_capacity(count);
    for index in 0..count {
        let event = Event {
            channel: channel(),
            author: signer.author(),
            log: LogId(7),
            seq: index as u64 + 1,
            prev: events.last().map_or(EventId::NONE, |before| before.id),
            hlc: Timestamp::from_ms(1_700_000_000_000 + index as u64),
            body: Body { kind: 1, bytes: vec![7; BODY_BYTES] },
        };
        if (index + 1) % signed_every == 0 || index + 1 == count {
            events.push(SignedEvent::create(&signer, event));
        } else {
            events.push(SignedEvent { id: event.id(), event, signature: None });
        }
    }
    events
}

fn verify(c: &mut Criterion) {
    let mut group = c.benchmark_group("verify");
    group.throughput(Throughput::Elements(MAX_RUN_EVENTS as u64));
    let events = log(MAX_RUN_EVENTS, 1);
    let one: Vec<Run> = Run::from_events(&events).into_iter().collect();
    let many: Vec<Run> = events.chunks(1).filter_map(Run::from_events).collect();
    for (name, runs) in [("one run of 500", one), ("500 runs of one", many)] {
        let verify_all = |runs: Vec<Run>| runs.into_iter().filter_map(|run| run.verify(&Ed25519).ok()).count();
        group.bench_function(name, |b| b.iter_batched(|| runs.clone(), verify_all, BatchSize::LargeInput));
    }
    group.finish();
}

fn replica(number: u8) -> Replica {
    Replica::new(Config {
        channel: channel(),
        policy: WritePolicy::Anyone,
        signer: signer(number),
        verifier: Arc::new(Ed25519),
        own_log: LogId(u64::from(number)),
        seed: [number; 32],
    })
}

/// Has one replica pull all `events` from another, with stores and a network that take no time. Returns what it emitted.
fn sync(events: &[SignedEvent], holder: &mut Replica, asker: &mut Replica, peers: [PeerId; 2]) -> usize {
    let [holder_peer, asker_peer] = peers;
    let mut emitted = 0;
    let mut requests = VecDeque::new();
    asker.handle(NOW, Input::PeerUp(holder_peer));
    loop {
        while let Some(output) = asker.poll_output() {
            match output {
                Output::Persist { commit, .. } => asker.handle(NOW, Input::Persisted { through: commit }),
                Output::Send { request, message, .. } => requests.push_back((request, message)),
                Output::Emit(event) => {
                    black_box(event);
                    emitted += 1;
                }
                _ => {}
            }
        }
        let Some((request, message)) = requests.pop_front() else { return emitted };
        holder.handle(NOW, Input::Request { from: asker_peer, token: 0, request: message });
        while let Some(output) = holder.poll_output() {
            let response = match output {
                Output::Respond { response, .. } => response,
                Output::ServeRuns { wants, .. } => {
                    SyncResponse::Runs(wants.iter().filter_map(|w| serve(events, w)).collect())
                }
                _ => continue,
            };
            asker.handle(NOW, Input::Response { from: holder_peer, request, response });
        }
    }
}

fn serve(events: &[SignedEvent], want: &Want) -> Option<Run> {
    let from = want.from as usize - 1;
    let to = (want.to as usize).min(from + MAX_RESPONSE_EVENTS).min(events.len());
    Run::from_events(&events[from..to])
}

fn pull(c: &mut Criterion) {
    let mut group = c.benchmark_group("pull");
    group.sample_size(10).throughput(Throughput::Elements(EVENTS as u64));
    let events = log(EVENTS, 100);
    let peers = [signer(2), signer(3)].map(|signer| signer.author().peer_id().unwrap_or_else(PeerId::random));
    group.bench_function("100,000 events of 200 bytes", |b| {
        let fresh = || {
            let mut holder = replica(2);
            if let Some(last) = events.last() {
                holder.restore(NOW, last.event.log_key(), Position::of(last), false);
            }
            (holder, replica(3))
        };
        let pull_all = |(mut holder, mut asker): (Replica, Replica)| {
            assert_eq!(sync(&events, &mut holder, &mut asker, peers), EVENTS);
        };
        b.iter_batched(fresh, pull_all, BatchSize::PerIteration);
    });
    group.finish();
}

fn encode(c: &mut Criterion) {
    let mut group = c.benchmark_group("wire");
    group.throughput(Throughput::Elements(1));
    let event = log(1, 1).remove(0).event;
    let frame = wire::encode(&event);
    group.bench_function("encode an event of 200 bytes", |b| b.iter(|| wire::encode(black_box(&event))));
    group.bench_function("decode an event of 200 bytes", |b| {
        b.iter(|| wire::decode::<Event, MAX_EVENT_BYTES>(black_box(&frame)));
    });
    group.finish();
}

fn vectors(c: &mut Criterion) {
    let mut group = c.benchmark_group("vector");
    for logs in [100u64, 65_536] {
        let mut replica = replica(2);
        for number in 0..logs {
            let mut author = [0; 32];
            author[..8].copy_from_slice(&number.to_le_bytes());
            let key = LogKey { author: Author(author), log: LogId(number) };
            let position = Position { seq: 9, id: EventId([3; 32]), hlc: Timestamp(1) };
            replica.restore(NOW, key, position, false);
        }
        group.bench_function(format!("hash of {logs} logs after a change"), |b| {
            let fresh = || replica.shelf().clone();
            let hash = |mut shelf: Shelf| {
                let key = LogKey { author: Author([0xff; 32]), log: LogId(0) };
                shelf.restore(key, Position { seq: 1, id: EventId([3; 32]), hlc: Timestamp(1) }, false);
                shelf.hash()
            };
            b.iter_batched(fresh, hash, BatchSize::LargeInput);
        });
    }
    group.finish();
}

criterion_group!(benches, verify, pull, encode, vectors);
criterion_main!(benches);

//! The store on disk: durable commits, a page of history, opening.
//!
//! `cargo bench -p starling-node --bench store`. Uses the temporary directory (`TMPDIR`), which should be on a real disk.

#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on should stop")]

use std::{hint::black_box, path::Path};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use node::store::{
    Batch, Before, Reply, Request, Store, StoreError,
    sled::{Opened, Options, SledStore},
};
use proto::{
    event::{Body, Event, SignedEvent},
    hlc::Timestamp,
    ids::{Author, ChannelId, EventId, LogId},
    signature::Signature,
};
use tokio::sync::oneshot;

const ROOM: ChannelId = ChannelId([7; 32]);
const BODY_BYTES: usize = 200;
/// Authors whose messages interleave.
const AUTHORS: u8 = 20;

/// Writes the events of one log, of which every one or the last of a batch is signed.
struct Pen {
    author: u8,
    seq: u64,
    prev: EventId,
    hlc: u64,
}

impl Pen {
    fn new(author: u8) -> Self {
        Self { author, seq: 0, prev: EventId::NONE, hlc: u64::from(author) }
    }

    fn write(&mut self, is_signed: bool) -> SignedEvent {
        self.seq += 1;
        self.hlc += u64::from(AUTHORS);
        let event = Event {
            channel: ROOM,
            author: Author([self.author; 32]),
            log: LogId(u64::from(self.author)),
            seq: self.seq,
            prev: self.prev,
            hlc: Timestamp(self.hlc),
            body: Body { kind: 1, bytes: vec![b'x'; BODY_BYTES] },
        };
        let id = event.id();
        self.prev = id;
        SignedEvent { id, event, signature: is_signed.then(|| Signature::from_bytes([9; 64])) }
    }

    fn batch(&mut self, count: usize) -> Batch {
        Batch { events: (1..=count).map(|n| self.write(n == count)).collect(), ..Batch::default() }
    }
}

fn submit<T>(store: &SledStore, request: impl FnOnce(Reply<T>) -> Request) -> oneshot::Receiver<Result<T, StoreError>> {
    let (reply, answer) = oneshot::channel();
    store.submit(request(reply)).unwrap();
    answer
}

fn ask<T>(store: &SledStore, request: impl FnOnce(Reply<T>) -> Request) -> T {
    submit(store, request).blocking_recv().unwrap().unwrap()
}

fn open(directory: &Path) -> Opened {
    SledStore::open(directory, Options::new(1)).unwrap()
}

/// Fills a store with `count` events in batches of 500, taking turns among the authors.
fn fill(directory: &Path, count: usize) {
    let store = open(directory).store;
    let mut pens: Vec<Pen> = (0..AUTHORS).map(Pen::new).collect();
    for number in 0..count / 500 {
        let batch = pens[number % usize::from(AUTHORS)].batch(500);
        ask(&store, |reply| Request::Commit { batch, reply });
    }
    ask(&store, |reply| Request::Close { reply });
}

fn commits(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("durable commits");
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store")).store;
    let mut pen = Pen::new(1);
    group.throughput(Throughput::Elements(1));
    group.bench_function("one by one", |bencher| {
        bencher.iter_batched(
            || pen.batch(1),
            |batch| ask(&store, |reply| Request::Commit { batch, reply }),
            BatchSize::PerIteration,
        );
    });
    group.throughput(Throughput::Elements(100));
    group.bench_function("100 at once", |bencher| {
        bencher.iter_batched(
            || (0..100).map(|_| pen.batch(1)).collect::<Vec<_>>(),
            |batches| {
                let commits = batches.into_iter().map(|batch| submit(&store, |reply| Request::Commit { batch, reply }));
                let answers: Vec<_> = commits.collect();
                answers.into_iter().for_each(|answer| answer.blocking_recv().unwrap().unwrap());
            },
            BatchSize::PerIteration,
        );
    });
    group.throughput(Throughput::Elements(500));
    group.bench_function("a batch of 500", |bencher| {
        bencher.iter_batched(
            || pen.batch(500),
            |batch| ask(&store, |reply| Request::Commit { batch, reply }),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn reads(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    fill(&path, 100_000);
    let mut group = criterion.benchmark_group("100,000 events");
    group.sample_size(20);
    group.bench_function("open and close", |bencher| {
        bencher.iter(|| ask(&open(&path).store, |reply| Request::Close { reply }));
    });
    let store = open(&path).store;
    let page =
        |before| ask(&store, |reply| Request::History { channels: vec![ROOM], before, limit: 50, reply }).unwrap();
    let newest = page(Before::Time(Timestamp(u64::MAX)));
    let middle = page(Before::Time(Timestamp(newest[0].event.hlc.0 / 2)))[0].id;
    group.bench_function("the newest 50", |bencher| {
        bencher.iter(|| black_box(page(Before::Time(Timestamp(u64::MAX)))));
    });
    group.bench_function("50 before an event", |bencher| bencher.iter(|| black_box(page(Before::Event(middle)))));
    group.finish();
}

criterion_group!(benches, commits, reads);
criterion_main!(benches);

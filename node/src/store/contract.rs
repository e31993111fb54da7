//! What every store must do, asked of each of them, and the tools that the tests of stores share.

use proptest::prelude::*;
use proto::{
    event::{Body, Event, MAX_BODY_BYTES, MAX_RUN_EVENTS, Run, SignedEvent},
    hlc::Timestamp,
    ids::{Author, ChannelId, EventId, LogId, LogKey},
    log::message::{MAX_RUNS_BYTES, Want},
    signature::Signature,
    wire,
};
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::{
    Batch, Before, Evidence, KnownPeer, MAX_KNOWN_PEERS, MAX_PEER_ID_BYTES, MAX_ROOM_BYTES, Reply, Request, Snapshot,
    Store, StoreError,
    memory::MemoryStore,
    sled::{Options, SledStore},
    tables::{EntryChange, MAX_PAGE_BYTES, MAX_VALUE_BYTES, Select, Table},
};

/// Asks and waits.
pub(super) fn ask<T>(store: &dyn Store, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, StoreError> {
    let (reply, answer) = oneshot::channel();
    store.submit(request(reply))?;
    answer.blocking_recv().expect("every request is answered")
}

pub(super) fn commit(store: &dyn Store, batch: Batch) -> Result<(), StoreError> {
    ask(store, |reply| Request::Commit { batch, reply })
}

pub(super) fn history(store: &dyn Store, channel: ChannelId, before: Before, limit: usize) -> Option<Vec<SignedEvent>> {
    history_of(store, vec![channel], before, limit)
}

fn history_of(store: &dyn Store, channels: Vec<ChannelId>, before: Before, limit: usize) -> Option<Vec<SignedEvent>> {
    ask(store, |reply| Request::History { channels, before, limit, reply }).unwrap()
}

pub(super) fn all(store: &dyn Store, channel: ChannelId) -> Vec<SignedEvent> {
    history(store, channel, END, usize::MAX).unwrap()
}

fn after(store: &dyn Store, channel: ChannelId, from: Timestamp, limit: usize) -> Vec<SignedEvent> {
    ask(store, |reply| Request::After { channel, from, limit, reply }).unwrap()
}

fn runs(store: &dyn Store, channel: ChannelId, wants: Vec<Want>) -> Vec<Run> {
    ask(store, |reply| Request::Runs { channel, wants, reply }).unwrap()
}

pub(super) fn close(store: &dyn Store) {
    ask(store, |reply| Request::Close { reply }).unwrap();
}

pub(super) fn events(events: Vec<SignedEvent>) -> Batch {
    Batch { events, ..Batch::default() }
}

pub(super) const ROOM: ChannelId = ChannelId([7; 32]);
pub(super) const END: Before = Before::Time(Timestamp(u64::MAX));

/// Writes the events of one log. Its signatures are not real; stores do not look.
#[derive(Debug, Clone)]
pub(super) struct Pen {
    pub channel: ChannelId,
    pub key: LogKey,
    pub seq: u64,
    prev: EventId,
    pub hlc: u64,
}

impl Pen {
    pub(super) fn new(channel: ChannelId, author: u8) -> Self {
        let key = LogKey { author: Author([author; 32]), log: LogId(u64::from(author) << 40) };
        Self { channel, key, seq: 0, prev: EventId::NONE, hlc: 0 }
    }

    pub(super) fn write(&mut self, ahead: u64, bytes: usize, is_signed: bool) -> SignedEvent {
        self.seq += 1;
        self.hlc += ahead.max(1);
        let event = Event {
            channel: self.channel,
            author: self.key.author,
            log: self.key.log,
            seq: self.seq,
            prev: self.prev,
            hlc: Timestamp(self.hlc),
            body: Body { kind: 1, bytes: vec![self.seq as u8; bytes] },
        };
        let id = event.id();
        self.prev = id;
        SignedEvent { id, event, signature: is_signed.then(|| Signature::from_bytes([self.seq as u8; 64])) }
    }

    /// `count` events of which every `stride`th and the last are signed.
    pub(super) fn write_many(&mut self, count: usize, bytes: usize, stride: usize) -> Vec<SignedEvent> {
        (1..=count).map(|n| self.write(10, bytes, n % stride == 0 || n == count)).collect()
    }

    fn want(&self, from: u64, to: u64) -> Want {
        Want { author: self.key.author, log: self.key.log, from, to }
    }
}

/// A store that can be opened again.
trait Backend: Default {
    fn open(&mut self) -> (Box<dyn Store>, Snapshot);
}

struct Memory(MemoryStore);

impl Default for Memory {
    fn default() -> Self {
        Self(MemoryStore::new(LogId(77)))
    }
}

impl Backend for Memory {
    fn open(&mut self) -> (Box<dyn Store>, Snapshot) {
        self.0 = self.0.reopen();
        (Box::new(self.0.clone()), self.0.snapshot())
    }
}

struct Sled(TempDir);

impl Default for Sled {
    fn default() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
}

impl Backend for Sled {
    fn open(&mut self) -> (Box<dyn Store>, Snapshot) {
        let opened = SledStore::open(&self.0.path().join("store"), Options::new(77)).unwrap();
        assert_eq!(opened.set_aside, None);
        (Box::new(opened.store), opened.snapshot)
    }
}

fn a_new_store_is_empty<B: Backend>() {
    let mut backend = B::default();
    let (store, snapshot) = backend.open();
    assert_eq!(snapshot, Snapshot { log: Some(LogId(77)), ..Snapshot::default() });
    assert_eq!(history(&*store, ROOM, END, 10), Some(vec![]));
    assert_eq!(after(&*store, ROOM, Timestamp(0), 10), vec![]);
    assert_eq!(history(&*store, ROOM, Before::Event(EventId([1; 32])), 10), None);
}

fn history_pages_backwards_over_several_logs_without_a_gap<B: Backend>() {
    let mut backend = B::default();
    let (store, _) = backend.open();
    let mut written = Vec::new();
    for author in 1..=5u8 {
        let mut pen = Pen::new(ROOM, author);
        pen.hlc = u64::from(author) * 300;
        let batch = pen.write_many(60 + usize::from(author), 100, 7);
        written.extend(batch.clone());
        commit(&*store, events(batch)).unwrap();
    }
    commit(&*store, events(Pen::new(ChannelId([8; 32]), 1).write_many(5, 10, 1))).unwrap();
    written.sort_by_key(|signed| signed.event.order());
    let (mut before, mut paged) = (END, Vec::new());
    while let Some(page) = history(&*store, ROOM, before, 17).filter(|page| !page.is_empty()) {
        before = Before::Event(page[0].id);
        paged.splice(0..0, page);
    }
    assert_eq!(paged, written);
    assert_eq!(history(&*store, ChannelId([8; 32]), Before::Event(written[9].id), 10), None, "of another channel");
    for at in [0, 1, 1000, 1200, 5000] {
        let (old, new): (Vec<_>, Vec<_>) = written.iter().cloned().partition(|signed| signed.event.hlc.0 < at);
        assert_eq!(history(&*store, ROOM, Before::Time(Timestamp(at)), usize::MAX), Some(old));
        assert_eq!(after(&*store, ROOM, Timestamp(at), usize::MAX), new);
        assert_eq!(after(&*store, ROOM, Timestamp(at), 3), new[..new.len().min(3)]);
    }
}

fn history_of_several_channels_is_one_story<B: Backend>() {
    let mut backend = B::default();
    let (store, _) = backend.open();
    let channels: Vec<ChannelId> = (7..10).map(|n| ChannelId([n; 32])).collect();
    let mut written = Vec::new();
    for (n, channel) in channels.iter().enumerate() {
        for author in 1..=2u8 {
            let mut pen = Pen::new(*channel, author);
            pen.hlc = n as u64 * 400 + u64::from(author);
            let batch = pen.write_many(40, 100, 7);
            written.extend(batch.clone());
            commit(&*store, events(batch)).unwrap();
        }
    }
    written.sort_by_key(|signed| signed.event.order());
    let (mut before, mut paged) = (END, Vec::new());
    while let Some(page) = history_of(&*store, channels.clone(), before, 17).filter(|page| !page.is_empty()) {
        before = Before::Event(page[0].id);
        paged.splice(0..0, page);
    }
    assert_eq!(paged, written);
    let (last, first) = (written[written.len() - 1].id, written[0].id);
    assert_eq!(history_of(&*store, vec![channels[0]], Before::Event(last), 10), None, "of another channel");
    assert_eq!(history_of(&*store, vec![channels[0]], Before::Event(first), 10), Some(vec![]));
    assert_eq!(history_of(&*store, vec![], END, 10), Some(vec![]));
}

fn runs_start_where_asked_end_at_a_signature_and_verify_their_chain<B: Backend>() {
    let mut backend = B::default();
    let (store, _) = backend.open();
    let (mut pen, mut other) = (Pen::new(ROOM, 1), Pen::new(ROOM, 2));
    let log = pen.write_many(40, 50, 10);
    commit(&*store, events([log.clone(), other.write_many(3, 9, 3)].concat())).unwrap();
    let answer =
        runs(&*store, ROOM, vec![other.want(2, 2), pen.want(5, 12), pen.want(41, 50), pen.want(7, 6), pen.want(0, 3)]);
    assert_eq!(
        answer.iter().map(|run| (run.author.0[0], run.first_seq, run.last_seq())).collect::<Vec<_>>(),
        [(2, 2, 3), (1, 5, 20)]
    );
    assert_eq!(answer[1], Run::from_events(&log[4..20]).unwrap());
    assert_eq!(runs(&*store, ChannelId([9; 32]), vec![pen.want(1, 5)]), vec![]);
    assert_eq!(runs(&*store, ROOM, vec![pen.want(1, u64::MAX)])[0].last_seq(), 40);
}

fn runs_keep_to_the_limits_of_an_answer<B: Backend>() {
    let mut backend = B::default();
    let (store, _) = backend.open();
    let (mut small, mut large) = (Pen::new(ROOM, 1), Pen::new(ROOM, 2));
    for _ in 0..3 {
        commit(&*store, events(small.write_many(MAX_RUN_EVENTS, 9, MAX_RUN_EVENTS))).unwrap();
    }
    commit(&*store, events(large.write_many(40, MAX_BODY_BYTES, 4))).unwrap();
    let answer = runs(&*store, ROOM, vec![small.want(301, 1500), large.want(1, 40)]);
    assert_eq!(answer[0].entries.len(), 200, "to the next signature, for the one after is too far");
    let bytes: usize = answer.iter().map(|run| wire::encode(run).len()).sum();
    assert!(answer.len() == 2 && answer[1].entries.len() == 12 && bytes <= MAX_RUNS_BYTES, "{bytes}");
    assert_eq!(runs(&*store, ROOM, vec![small.want(1, 500), large.want(1, 4)]).len(), 1, "the first takes all events");
}

fn a_batch_that_does_not_fit_is_rejected_whole<B: Backend>() {
    let mut backend = B::default();
    let (store, _) = backend.open();
    let mut pen = Pen::new(ROOM, 1);
    commit(&*store, events(pen.write_many(2, 9, 2))).unwrap();
    let good = pen.clone();
    let next = || good.clone().write_many(3, 9, 3);
    let mut wrong: Vec<Vec<SignedEvent>> = vec![next(), next(), next(), next(), next(), next()];
    wrong[0].remove(0);
    wrong[1].swap(0, 1);
    wrong[2][2].signature = None;
    wrong[3][1].id = EventId([9; 32]);
    (wrong[4][0].event.prev, wrong[4][0].id) = (EventId([1; 32]), {
        let mut e = wrong[4][0].event.clone();
        e.prev = EventId([1; 32]);
        e.id()
    });
    wrong[5] = {
        let mut late = good.clone();
        late.hlc = 1;
        late.write_many(1, 9, 1)
    };
    wrong.push(good.clone().write_many(MAX_RUN_EVENTS + 1, 9, MAX_RUN_EVENTS + 1));
    wrong.push(good.clone().write_many(17, MAX_BODY_BYTES, 17));
    wrong.push(good.clone().write_many(1, MAX_BODY_BYTES + 1, 1));
    for (number, wrong) in wrong.into_iter().enumerate() {
        let batch = Batch { events: wrong, rooms: vec![("no".into(), true)], ..Batch::default() };
        assert!(matches!(commit(&*store, batch), Err(StoreError::Rejected(_))), "batch {number}");
    }
    commit(&*store, events(next())).unwrap();
    assert_eq!(all(&*store, ROOM).len(), 5);
    close(&*store);
    let (_, snapshot) = backend.open();
    assert_eq!((snapshot.rooms.len(), snapshot.heads[0].seq), (0, 5));
}

fn rooms_peers_and_evidence_are_kept<B: Backend>() {
    let mut backend = B::default();
    let (store, _) = backend.open();
    let mut pen = Pen::new(ROOM, 1);
    let fork = Pen::new(ROOM, 1).write_many(500, 1800, 500);
    let evidence = Evidence { channel: ROOM, key: pen.key, runs: vec![Run::from_events(&fork).unwrap(); 2] };
    let later = Evidence { runs: vec![], ..evidence.clone() };
    let peer = |name: u8, seen| KnownPeer { peer: vec![name], addresses: vec!["/a".into()], last_seen_ms: seen };
    let batch = Batch {
        events: pen.write_many(1, 9, 1),
        evidence: vec![evidence.clone(), later],
        rooms: vec![("b".into(), true), ("a".into(), true), ("c".into(), true), ("b".into(), false)],
        peers: vec![peer(1, 10), peer(2, 30), peer(3, 20)],
        ..Batch::default()
    };
    commit(&*store, batch).unwrap();
    commit(&*store, Batch { peers: vec![peer(1, 40)], forget_peers: vec![vec![3]], ..Batch::default() }).unwrap();
    let proof = |store: &dyn Store, key| ask(store, |reply| Request::Evidence { channel: ROOM, key, reply });
    assert_eq!(proof(&*store, pen.key), Ok(Some(evidence.clone())));
    assert_eq!(proof(&*store, Pen::new(ROOM, 2).key), Ok(None));
    close(&*store);
    let (store, snapshot) = backend.open();
    assert_eq!((snapshot.rooms, snapshot.peers), (vec!["a".into(), "c".into()], vec![peer(1, 40), peer(2, 30)]));
    assert!(snapshot.heads[0].frozen);
    assert_eq!(proof(&*store, pen.key), Ok(Some(evidence)));
}

fn names_and_proofs_beyond_their_limits_are_rejected<B: Backend>() {
    let mut backend = B::default();
    let (store, _) = backend.open();
    let mut pen = Pen::new(ROOM, 1);
    let run = Run::from_events(&pen.write_many(15, MAX_BODY_BYTES, 15)).unwrap();
    let peer = KnownPeer { peer: vec![1; MAX_PEER_ID_BYTES + 1], addresses: vec![], last_seen_ms: 1 };
    for batch in [
        Batch { rooms: vec![("x".repeat(MAX_ROOM_BYTES + 1), true)], ..Batch::default() },
        Batch { peers: vec![peer], ..Batch::default() },
        Batch { evidence: vec![Evidence { channel: ROOM, key: pen.key, runs: vec![run; 3] }], ..Batch::default() },
    ] {
        assert!(matches!(commit(&*store, batch), Err(StoreError::Rejected(_))));
    }
}

fn the_peers_seen_last_are_kept<B: Backend>() {
    let mut backend = B::default();
    let (store, _) = backend.open();
    let peer = |n: u64| KnownPeer { peer: n.to_be_bytes().into(), addresses: vec!["x".repeat(999)], last_seen_ms: n };
    let peers: Vec<_> = (0..MAX_KNOWN_PEERS as u64 + 100).map(peer).collect();
    commit(&*store, Batch { peers, ..Batch::default() }).unwrap();
    close(&*store);
    let seen: Vec<_> = backend.open().1.peers.into_iter().map(|p| (p.last_seen_ms, p.addresses.len())).collect();
    assert_eq!(seen, (100..MAX_KNOWN_PEERS as u64 + 100).rev().map(|n| (n, 0)).collect::<Vec<_>>());
}

fn a_closed_store_takes_nothing_more_and_a_reopened_one_goes_on<B: Backend>() {
    let mut backend = B::default();
    let (store, first) = backend.open();
    let mut pen = Pen::new(ROOM, 1);
    commit(&*store, events(pen.write_many(3, 9, 1))).unwrap();
    close(&*store);
    assert_eq!(commit(&*store, Batch::default()), Err(StoreError::Closed));
    let read = ask(&*store, |reply| Request::After { channel: ROOM, from: Timestamp(0), limit: 1, reply });
    assert_eq!(read, Err(StoreError::Closed));
    let (store, snapshot) = backend.open();
    assert_eq!((snapshot.log, snapshot.heads.len(), snapshot.heads[0].seq), (first.log, 1, 3));
    commit(&*store, events(pen.write_many(3, 9, 1))).unwrap();
    assert_eq!(all(&*store, ROOM).len(), 6);
}

fn entries_of_tables_are_kept_replaced_and_removed<B: Backend>() {
    let mut backend = B::default();
    let (store, _) = backend.open();
    let key = |n: u64| n.to_be_bytes().to_vec();
    let change = |n: u64, value: Option<Vec<u8>>| EntryChange { table: Table::Letters, key: key(n), value };
    let put = |entries| commit(&*store, Batch { entries, ..Batch::default() });
    let long = vec![7; MAX_VALUE_BYTES];
    put((0..100).map(|n| change(n, Some(vec![n as u8; 1 + n as usize * 100]))).collect()).unwrap();
    put(vec![change(3, Some(long.clone())), change(4, None), change(5, Some(long)), change(5, Some(vec![5]))]).unwrap();
    put(vec![change(3, Some(vec![8; 4_096])), change(200, None)]).unwrap();
    close(&*store);
    let (store, _) = backend.open();
    let page = |prefix: &[u8], after: Option<u64>, limit| {
        let select = Select::Page { prefix: prefix.to_vec(), after: after.map(key), limit };
        ask(&*store, |reply| Request::Entries { table: Table::Letters, select, reply }).unwrap()
    };
    let all = page(&[], None, usize::MAX);
    assert_eq!(all.len(), 99);
    assert!(all.is_sorted() && all.iter().all(|(key, _)| key.len() == 8));
    assert_eq!(all[3], (key(3), vec![8; 4_096]));
    assert_eq!(all[4], (key(5), vec![5]));
    assert_eq!(all[98].1.len(), 9_901);
    assert_eq!(page(&[], Some(3), 2), all[4..6]);
    assert_eq!(page(&key(7)[..7], Some(97), 10), all[97..]);
    assert_eq!(page(&[1], None, 10), []);
    let select = Select::Keys(vec![key(50), key(4), key(3)]);
    let some = ask(&*store, |reply| Request::Entries { table: Table::Letters, select, reply }).unwrap();
    assert_eq!(some, [all[49].clone(), all[3].clone()]);
    let select = Select::Keys(vec![key(50)]);
    assert_eq!(ask(&*store, |reply| Request::Entries { table: Table::Keys, select, reply }).unwrap(), []);
}

fn a_page_of_entries_keeps_to_its_limits<B: Backend>() {
    let mut backend = B::default();
    let (store, _) = backend.open();
    let change = |n: u64| EntryChange { table: Table::Keys, key: n.to_be_bytes().into(), value: Some(vec![1; 60_000]) };
    commit(&*store, Batch { entries: (0..30).map(change).collect(), ..Batch::default() }).unwrap();
    let select = Select::Page { prefix: Vec::new(), after: None, limit: usize::MAX };
    let page = ask(&*store, |reply| Request::Entries { table: Table::Keys, select, reply }).unwrap();
    assert_eq!(page.len(), MAX_PAGE_BYTES / 60_000);
}

fn entries_that_do_not_fit_their_table_are_rejected<B: Backend>() {
    let mut backend = B::default();
    let (store, _) = backend.open();
    let wrong =
        [(vec![1; 7], Some(vec![1])), (vec![1; 8], Some(vec![])), (vec![1; 8], Some(vec![1; MAX_VALUE_BYTES + 1]))];
    for (key, value) in wrong {
        let entries = vec![EntryChange { table: Table::Letters, key, value }];
        let batch = Batch { entries, rooms: vec![("no".into(), true)], ..Batch::default() };
        assert!(matches!(commit(&*store, batch), Err(StoreError::Rejected(_))));
    }
    close(&*store);
    assert!(backend.open().1.rooms.is_empty());
}

macro_rules! contract {
    ($backend:ty, $module:ident: $($test:ident)*) => {
        mod $module {
            use super::*;
            $(#[test] fn $test() { super::$test::<$backend>(); })*
        }
    };
    ($($test:ident)*) => {
        contract!(Memory, memory: $($test)*);
        contract!(Sled, sled: $($test)*);
    };
}
contract! {
    a_new_store_is_empty
    history_pages_backwards_over_several_logs_without_a_gap
    history_of_several_channels_is_one_story
    runs_start_where_asked_end_at_a_signature_and_verify_their_chain
    runs_keep_to_the_limits_of_an_answer
    a_batch_that_does_not_fit_is_rejected_whole
    rooms_peers_and_evidence_are_kept
    names_and_proofs_beyond_their_limits_are_rejected
    the_peers_seen_last_are_kept
    a_closed_store_takes_nothing_more_and_a_reopened_one_goes_on
    entries_of_tables_are_kept_replaced_and_removed
    a_page_of_entries_keeps_to_its_limits
    entries_that_do_not_fit_their_table_are_rejected
}

#[derive(Debug, Clone)]
enum Step {
    Write(Vec<(usize, usize, usize, usize)>),
    Room(u8, bool),
    Freeze(usize),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let bytes = prop_oneof![8 => 0usize..300, 2 => 3500usize..5000, 1 => Just(MAX_BODY_BYTES)];
    let write = (0usize..6, prop_oneof![6 => 1usize..4, 2 => 1usize..80], bytes, 1usize..20);
    prop_oneof![
        12 => prop::collection::vec(write, 1..4).prop_map(Step::Write),
        1 => (0u8..3, any::<bool>()).prop_map(|(room, joined)| Step::Room(room, joined)),
        1 => (0usize..6).prop_map(Step::Freeze),
        1 => Just(Step::Reopen),
    ]
}

fn compare(left: &dyn Store, right: &dyn Store, pens: &[Pen], pick: u64) -> Result<(), TestCaseError> {
    for channel in [ROOM, ChannelId([8; 32])] {
        let whole = all(left, channel);
        prop_assert_eq!(&all(right, channel), &whole);
        if whole.is_empty() {
            continue;
        }
        let picked = &whole[pick as usize % whole.len()];
        for before in [Before::Event(picked.id), Before::Time(picked.event.hlc), Before::Event(EventId([0; 32]))] {
            let limit = pick as usize % 13;
            prop_assert_eq!(history(left, channel, before, limit), history(right, channel, before, limit));
        }
        let (both, end) = (vec![ROOM, ChannelId([8; 32])], Before::Event(picked.id));
        prop_assert_eq!(history_of(left, both.clone(), end, 20), history_of(right, both, end, 20));
        let from = picked.event.hlc;
        prop_assert_eq!(after(left, channel, from, 20), after(right, channel, from, 20));
        let wants: Vec<Want> = pens.iter().map(|pen| pen.want(1 + pick % (pen.seq + 1), pen.seq)).collect();
        prop_assert_eq!(runs(left, channel, wants.clone()), runs(right, channel, wants));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_store_on_disk_equals_one_in_memory_whatever_is_done_to_them(
        steps in prop::collection::vec(step(), 1..60), pick in any::<u64>(),
    ) {
        let (mut disk, mut model) = (Sled::default(), Memory::default());
        let (mut left, _) = disk.open();
        let (mut right, _) = model.open();
        let mut pens: Vec<Pen> = (0..6).map(|n| {
            Pen::new(if n < 4 { ROOM } else { ChannelId([8; 32]) }, n % 4 + 1)
        }).collect();
        for step in steps {
            let mut batch = Batch::default();
            match step {
                Step::Write(writes) => for (pen, count, bytes, stride) in writes {
                    // A run between two signatures must fit an answer.
                    let stride = stride.min(15);
                    batch.events.extend(pens[pen].write_many(count, bytes, stride));
                },
                Step::Room(room, joined) => batch.rooms.push((format!("room {room}"), joined)),
                Step::Freeze(pen) => {
                    let (channel, key) = (pens[pen].channel, pens[pen].key);
                    batch.evidence.push(Evidence { channel, key, runs: Vec::new() });
                }
                Step::Reopen => {
                    close(&*left);
                    close(&*right);
                    let (reopened, snapshot) = disk.open();
                    let (reopened_model, expected) = model.open();
                    (left, right) = (reopened, reopened_model);
                    prop_assert_eq!(snapshot, expected);
                    compare(&*left, &*right, &pens, pick)?;
                }
            }
            prop_assert_eq!(commit(&*left, batch.clone()), Ok(()));
            prop_assert_eq!(commit(&*right, batch), Ok(()));
        }
        compare(&*left, &*right, &pens, pick)?;
    }
}

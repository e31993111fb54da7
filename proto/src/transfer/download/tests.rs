//! Downloads by themselves.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::testing::{at, cheap_peer as peer};

const FILE: TransferId = TransferId(1);
const FULL: u32 = MAX_BLOCK_BYTES;

/// Downloads, and what they asked for and nobody answered.
struct Getter {
    downloads: Downloads,
    now_ms: u64,
    asked: Vec<(RequestId, u32, u32)>,
    other: Vec<Output>,
}

impl Getter {
    fn new() -> Self {
        Self { downloads: Downloads::new([5; 32]), now_ms: 0, asked: Vec::new(), other: Vec::new() }
    }

    /// One of a file of so many blocks, and so many peers that have all.
    fn of(count: u32, peers: u32) -> Self {
        let mut getter = Self::new();
        getter.add(FILE, count, Blocks::none(count));
        (0..peers).for_each(|n| getter.seeder(n, count));
        getter
    }

    fn add(&mut self, transfer: TransferId, count: u32, have: Blocks) {
        let (lengths, wanted) = (Lengths::new(count, FULL, Vec::new()), Blocks::all(count));
        self.input(Input::Add { transfer, lengths, have, wanted });
    }

    fn seeder(&mut self, n: u32, count: u32) {
        self.input(Input::PeerUp { transfer: FILE, peer: peer(n) });
        self.input(Input::Has { transfer: FILE, peer: peer(n), blocks: Blocks::all(count) });
    }

    fn input(&mut self, input: Input) {
        self.downloads.handle(at(self.now_ms), input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.downloads.poll_output() {
            match output {
                Output::Ask { request, peer, block, .. } => self.asked.push((request, number(peer), block)),
                Output::Cancel { request } => {
                    let before = self.asked.len();
                    self.asked.retain(|(other, ..)| *other != request);
                    assert_eq!(self.asked.len() + 1, before, "cancels what is not open");
                    self.other.push(output);
                }
                other => self.other.push(other),
            }
        }
    }

    /// Does what is due until then.
    fn run(&mut self, until_ms: u64) {
        while let Some(due) = self.downloads.poll_timeout().filter(|due| due.0 <= until_ms) {
            self.now_ms = self.now_ms.max(due.0);
            self.downloads.handle_timeout(at(self.now_ms));
            self.drain();
        }
        self.now_ms = until_ms;
    }

    fn of_peer(&self, n: u32) -> Vec<(RequestId, u32, u32)> {
        self.asked.iter().copied().filter(|(_, who, _)| *who == n).collect()
    }

    fn take(&mut self, request: RequestId) -> u32 {
        let at = self.asked.iter().position(|(other, ..)| *other == request).unwrap();
        self.asked.remove(at).2
    }

    fn receive(&mut self, request: RequestId) -> u32 {
        let block = self.take(request);
        self.input(Input::Received { request, bytes: FULL });
        block
    }

    /// A block comes, is right, and is stored.
    fn get(&mut self, request: RequestId) {
        let block = self.receive(request);
        self.input(Input::Verified { request });
        self.input(Input::Stored { transfer: FILE, block });
    }

    fn fail(&mut self, request: RequestId, why: Failure) {
        self.take(request);
        self.input(Input::Failed { request, why });
    }

    fn said(&self, output: &Output) -> bool {
        self.other.contains(output)
    }
}

fn number(peer: PeerId) -> u32 {
    let bytes = peer.to_bytes();
    u32::from_be_bytes([bytes[6], bytes[7], bytes[8], bytes[9]])
}

fn ban(n: u32, why: Misdeed) -> Output {
    Output::Ban { transfer: FILE, peer: peer(n), why }
}

#[test]
fn a_late_block_is_asked_of_another_and_the_loser_is_told_to_stop() {
    let mut getter = Getter::of(1, 1);
    let [(first, 0, block)] = getter.asked[..] else { panic!("{:?}", getter.asked) };
    getter.seeder(1, 1);
    getter.run(window::PATIENCE_FIRST_MS - 1);
    assert_eq!(getter.asked.len(), 1);
    getter.run(window::PATIENCE_FIRST_MS);
    let (second, ..) = getter.of_peer(1)[0];
    assert_eq!(getter.asked, [(first, 0, block), (second, 1, block)]);
    getter.get(second);
    assert!(getter.asked.is_empty() && getter.said(&Output::Cancel { request: first }));
    assert!(getter.said(&Output::Finished { transfer: FILE }));
    assert_eq!(getter.downloads.load(), Load { requests: 0, bytes: 0 });
}

#[test]
fn a_silent_peer_keeps_one_question_and_a_late_block_makes_up_for_it() {
    let mut getter = Getter::of(10, 1);
    assert_eq!(getter.asked.len(), 2);
    let (first, ..) = getter.asked[0];
    getter.run(window::PATIENCE_FIRST_MS);
    assert_eq!(getter.asked.iter().map(|(request, ..)| *request).collect::<Vec<_>>(), [first]);
    getter.get(first);
    assert_eq!(getter.asked.len(), 2);
}

#[test]
fn a_question_that_stays_late_is_given_up_and_asked_again_after_a_rest() {
    let mut getter = Getter::of(1, 1);
    let (first, ..) = getter.asked[0];
    getter.run(window::PATIENCE_FIRST_MS + GIVE_UP_MS);
    assert!(getter.asked.is_empty() && getter.said(&Output::Cancel { request: first }));
    getter.run(window::PATIENCE_FIRST_MS + GIVE_UP_MS + 2 * REST.first_ms);
    assert_eq!(getter.asked.len(), 1);
}

#[test]
fn a_wrong_byte_or_length_bans_for_as_long_as_there_is_the_transfer() {
    for is_short in [false, true] {
        let mut getter = Getter::of(20, 2);
        let (request, ..) = getter.of_peer(0)[0];
        if is_short {
            getter.take(request);
            getter.input(Input::Received { request, bytes: FULL - 1 });
        } else {
            getter.receive(request);
            getter.input(Input::Wrong { request });
        }
        assert!(getter.said(&ban(0, Misdeed::WrongByte)));
        assert!(getter.of_peer(0).is_empty());
        getter.input(Input::PeerDown { peer: peer(0) });
        getter.seeder(0, 20);
        assert!(getter.of_peer(0).is_empty());
        while let Some((request, ..)) = getter.of_peer(1).first().copied() {
            getter.get(request);
        }
        assert!(getter.said(&Output::Finished { transfer: FILE }));
        // Another transfer, or the same one anew, knows nothing of it.
        getter.input(Input::Remove { transfer: FILE });
        getter.add(FILE, 20, Blocks::none(20));
        getter.seeder(0, 20);
        assert!(!getter.of_peer(0).is_empty());
    }
}

#[test]
fn a_peer_that_lacks_what_it_said_it_had_is_believed_until_it_was_so_too_often() {
    let mut getter = Getter::of(100, 1);
    let mut lacked = Vec::new();
    for _ in 0..MAX_LIES {
        assert!(!getter.said(&ban(0, Misdeed::Lies)));
        let (request, _, block) = getter.asked[0];
        getter.fail(request, Failure::Lacks);
        lacked.push(block);
        assert!(getter.asked.iter().all(|(.., block)| !lacked.contains(block)));
    }
    assert!(getter.said(&ban(0, Misdeed::Lies)) && getter.asked.is_empty());
}

#[test]
fn a_block_that_a_peer_lacked_may_come_to_be_there() {
    let mut getter = Getter::of(1, 1);
    getter.fail(getter.asked[0].0, Failure::Lacks);
    assert!(getter.asked.is_empty());
    getter.input(Input::HasOne { transfer: FILE, peer: peer(0), block: 0 });
    assert_eq!(getter.asked.len(), 1);
}

#[test]
fn a_full_disk_pauses_a_transfer_and_what_was_not_stored_is_got_again() {
    let mut getter = Getter::of(3, 1);
    let (request, ..) = getter.asked[0];
    let block = getter.receive(request);
    getter.input(Input::Verified { request });
    getter.input(Input::NotStored { transfer: FILE, block });
    assert!(getter.said(&Output::Paused { transfer: FILE, why: Pause::Disk }));
    assert!(getter.asked.is_empty());
    assert_eq!(getter.downloads.load(), Load { requests: 0, bytes: 0 });
    getter.run(NO_PROGRESS_MS * 2);
    getter.input(Input::Resume { transfer: FILE });
    while let Some((request, ..)) = getter.asked.first().copied() {
        getter.get(request);
    }
    assert!(getter.said(&Output::Finished { transfer: FILE }));
}

#[test]
fn a_restart_goes_on_with_what_is_there_and_only_what_is_wanted_is_asked_for() {
    let mut getter = Getter::new();
    let lengths = Lengths::new(100, FULL, Vec::new());
    let (have, wanted) = (Blocks::of(100, 0..50), Blocks::of(100, 40..60));
    getter.input(Input::Add { transfer: FILE, lengths, have, wanted });
    getter.seeder(0, 100);
    let mut got = Vec::new();
    while let Some((request, _, block)) = getter.asked.first().copied() {
        got.push(block);
        getter.get(request);
    }
    got.sort_unstable();
    assert_eq!(got, (50..60).collect::<Vec<_>>());
    assert!(getter.said(&Output::Finished { transfer: FILE }));
    getter.input(Input::Remove { transfer: FILE });
    getter.other.clear();
    getter.add(FILE, 3, Blocks::all(3));
    assert_eq!(getter.other, [Output::Finished { transfer: FILE }]);
}

#[test]
fn a_peer_that_refuses_or_is_busy_rests_and_one_that_chokes_is_not_asked_until_it_says_so() {
    for why in [Failure::Refused, Failure::Busy, Failure::Lost] {
        let mut getter = Getter::of(50, 1);
        while let Some((request, ..)) = getter.asked.first().copied() {
            getter.fail(request, why);
        }
        getter.run(REST.first_ms / 2);
        assert!(getter.asked.is_empty());
        getter.run(2 * REST.first_ms);
        assert!(!getter.asked.is_empty(), "{why:?}");
        getter.input(Input::Choked { peer: peer(0) });
        let (request, ..) = getter.asked[0];
        // What was asked before is still welcome.
        getter.get(request);
        while let Some((request, ..)) = getter.asked.first().copied() {
            getter.fail(request, Failure::Refused);
        }
        getter.run(10 * REST.cap_ms);
        assert!(getter.asked.is_empty());
        getter.input(Input::Unchoked { peer: peer(0) });
        assert!(!getter.asked.is_empty());
    }
}

#[test]
fn at_the_end_a_block_that_is_slow_is_asked_of_others_that_are_free_but_not_of_more_than_a_few() {
    let mut getter = Getter::of(8, 1);
    let (slow, _, block) = getter.asked[0];
    (1..=5).for_each(|n| getter.seeder(n, 8));
    // Each of the others is known to take 100 ms.
    while let Some((request, ..)) = getter.asked.iter().copied().find(|(.., asked)| *asked != block) {
        getter.run(getter.now_ms + 100);
        getter.get(request);
    }
    getter.run(getter.now_ms + 2_000);
    let copies: Vec<u32> = getter.asked.iter().map(|(_, who, _)| *who).collect();
    assert_eq!(copies.len(), MAX_COPIES, "{copies:?}");
    assert!(getter.asked.iter().all(|(.., asked)| *asked == block));
    let (winner, ..) = getter.asked[1];
    getter.get(winner);
    assert!(getter.asked.is_empty() && getter.said(&Output::Cancel { request: slow }));
    assert!(getter.said(&Output::Finished { transfer: FILE }));
}

#[test]
fn no_more_is_under_way_than_the_bound_however_many_peers_there_are_and_however_slow_the_disk() {
    let mut getter = Getter::of(1_000, 200);
    let mut in_hand = Vec::new();
    for _ in 0..400 {
        assert!(getter.downloads.load().bytes <= MAX_BYTES);
        let Some((request, ..)) = getter.asked.first().copied() else { break };
        in_hand.push(getter.receive(request));
        getter.input(Input::Verified { request });
    }
    assert_eq!(in_hand.len() as u64, MAX_BYTES / u64::from(FULL));
    assert!(getter.asked.is_empty());
    getter.input(Input::Stored { transfer: FILE, block: in_hand[0] });
    assert_eq!(getter.asked.len(), 1);
}

#[test]
fn peers_are_looked_for_ever_more_rarely_while_there_are_few_and_soon_when_the_last_left() {
    let needs =
        |getter: &Getter| getter.other.iter().filter(|output| matches!(output, Output::NeedPeers { .. })).count();
    let mut getter = Getter::of(10, 0);
    getter.run(3_600_000);
    assert!((10..=24).contains(&needs(&getter)), "{}", needs(&getter));
    getter.seeder(0, 10);
    getter.other.clear();
    getter.input(Input::PeerDown { peer: peer(0) });
    getter.run(getter.now_ms + NEED.first_ms);
    assert_eq!(needs(&getter), 1);
}

#[test]
fn peers_are_told_once_whether_we_want_anything_of_them() {
    let want = |wanting| Output::Want { transfer: FILE, peer: peer(0), wanting };
    let mut getter = Getter::of(1, 1);
    assert!(getter.said(&want(true)));
    getter.other.clear();
    getter.input(Input::Pause { transfer: FILE });
    assert!(getter.said(&want(false)));
    getter.input(Input::Resume { transfer: FILE });
    let (request, ..) = getter.asked[0];
    getter.receive(request);
    getter.other.clear();
    getter.input(Input::Verified { request });
    assert_eq!(getter.other, [want(false)]);
}

#[test]
fn too_many_transfers_or_too_long_blocks_are_not_added() {
    let mut getter = Getter::new();
    let long = Lengths::new(2, FULL, vec![(1, FULL + 1)]);
    getter.input(Input::Add { transfer: FILE, lengths: long, have: Blocks::none(2), wanted: Blocks::all(2) });
    assert_eq!(getter.other, [Output::NotAdded { transfer: FILE }]);
    (0..=MAX_TRANSFERS as u64).for_each(|n| getter.add(TransferId(n), 1, Blocks::none(1)));
    assert_eq!(getter.other.last(), Some(&Output::NotAdded { transfer: TransferId(MAX_TRANSFERS as u64) }));
}

#[test]
fn ten_gigabytes_from_two_hundred_peers_of_which_most_have_half() {
    let count = 40_960;
    let mut getter = Getter::new();
    getter.add(FILE, count, Blocks::none(count));
    for n in 0..200 {
        getter.input(Input::PeerUp { transfer: FILE, peer: peer(n) });
        let has =
            if n < 3 { Blocks::all(count) } else { Blocks::of(count, (0..count).filter(|block| (block ^ n) % 2 == 0)) };
        getter.input(Input::Has { transfer: FILE, peer: peer(n), blocks: has });
    }
    let mut queue: VecDeque<RequestId> = VecDeque::new();
    loop {
        queue.extend(
            getter
                .asked
                .iter()
                .map(|(request, ..)| *request)
                .filter(|request| !queue.contains(request))
                .collect::<Vec<_>>(),
        );
        let Some(request) = queue.pop_front() else { break };
        if getter.asked.iter().any(|(other, ..)| *other == request) {
            getter.get(request);
        }
    }
    assert!(getter.said(&Output::Finished { transfer: FILE }));
}

/// What a peer was last heard to have, and whether it serves us.
#[derive(Default)]
struct Known {
    has: BTreeMap<u64, Blocks>,
    choking: bool,
}

proptest! {
    #[test]
    fn whatever_happens_only_what_may_be_asked_is_asked_and_nothing_remains_in_the_end(
        steps in prop::collection::vec((0u8..22, 0u32..6, 0u64..3, 0u32..20, 0u64..4_000), 1..400),
    ) {
        let mut downloads = Downloads::new([9; 32]);
        let mut now_ms = 0;
        let mut peers: BTreeMap<u32, Known> = BTreeMap::new();
        let mut banned = BTreeSet::new();
        let mut asked: BTreeMap<RequestId, (u64, u32, u32)> = BTreeMap::new();
        let mut received: BTreeMap<RequestId, (u64, u32)> = BTreeMap::new();
        let mut verified: BTreeSet<(u64, u32)> = BTreeSet::new();
        let count = 20;
        for (step, n, id, block, wait_ms) in steps {
            let (transfer, who) = (TransferId(id), peer(n));
            let first = asked.first_key_value().map(|(request, what)| (*request, *what));
            let input = match step {
                0 => Input::Add {
                    transfer, lengths: Lengths::new(count, 1_000, vec![(3, FULL)]), have: Blocks::none(count), wanted: Blocks::all(count),
                },
                1 if wait_ms > 3_000 => {
                    peers.values_mut().for_each(|known| _ = known.has.remove(&id));
                    banned.retain(|(_, of)| *of != id);
                    verified.retain(|(of, _)| *of != id);
                    received.retain(|_, (of, _)| *of != id);
                    Input::Remove { transfer }
                }
                2 => Input::Pause { transfer },
                3 => Input::Resume { transfer },
                4 | 5 => Input::PeerUp { transfer, peer: who },
                6 if wait_ms > 2_000 => { peers.remove(&n); Input::PeerDown { peer: who } }
                7 | 8 => {
                    let blocks = Blocks::of(count, (0..count).filter(|other| (other * 7 + block) % 3 != 0 || block == 0));
                    peers.entry(n).or_default().has.insert(id, blocks.clone());
                    Input::Has { transfer, peer: who, blocks }
                }
                9 => {
                    peers.entry(n).or_default().has.entry(id).or_insert(Blocks::none(count)).insert(block);
                    Input::HasOne { transfer, peer: who, block }
                }
                10 => { peers.entry(n).or_default().choking = true; Input::Choked { peer: who } }
                11 | 12 => { peers.entry(n).or_default().choking = false; Input::Unchoked { peer: who } }
                13 => Input::Limit { transfer: (n > 2).then_some(transfer), rate: (n > 1).then_some(wait_ms * 100) },
                14 | 15 if !verified.is_empty() => {
                    let (id, block) = verified.pop_first().unwrap();
                    let transfer = TransferId(id);
                    if step == 14 { Input::Stored { transfer, block } } else { Input::NotStored { transfer, block } }
                }
                16 | 17 if !received.is_empty() => {
                    let (request, what) = received.pop_first().unwrap();
                    if step == 17 && wait_ms < 1_000 { Input::Wrong { request } } else { verified.insert(what); Input::Verified { request } }
                }
                18 if let Some((request, (id, n, block))) = first => {
                    asked.remove(&request);
                    let whys = [Failure::Refused, Failure::Busy, Failure::Lost, Failure::Lacks];
                    let why = whys[wait_ms as usize % 4];
                    if why == Failure::Lacks && let Some(has) = peers.get_mut(&n).and_then(|known| known.has.get_mut(&id)) {
                        has.remove(block);
                    }
                    Input::Failed { request, why }
                }
                _ if let Some((request, (id, _, block))) = first => {
                    asked.remove(&request);
                    received.insert(request, (id, block));
                    Input::Received { request, bytes: if block == 3 { FULL } else { 1_000 } }
                }
                _ => Input::Resume { transfer },
            };
            downloads.handle(at(now_ms), input);
            for is_later in [false, true] {
                if is_later {
                    now_ms += wait_ms;
                    downloads.handle_timeout(at(now_ms));
                    prop_assert!(downloads.poll_timeout().is_none_or(|due| due.0 > now_ms));
                }
                while let Some(output) = downloads.poll_output() {
                    match output {
                        Output::Ask { request, transfer: TransferId(id), peer, block } => {
                            let known = &peers[&number(peer)];
                            prop_assert!(!known.choking && known.has[&id].contains(block));
                            prop_assert!(!banned.contains(&(number(peer), id)));
                            prop_assert!(!verified.contains(&(id, block)) && !received.values().any(|here| *here == (id, block)));
                            asked.insert(request, (id, number(peer), block));
                        }
                        Output::Cancel { request } => prop_assert!(asked.remove(&request).is_some()),
                        Output::Ban { transfer: TransferId(id), peer, .. } => _ = banned.insert((number(peer), id)),
                        _ => {}
                    }
                }
                let load = downloads.load();
                prop_assert_eq!(load.requests, asked.len() + received.len());
                let open = asked.values().map(|(_, _, block)| *block);
                let here = received.values().chain(&verified).map(|(_, block)| *block);
                let bytes: u64 = open.chain(here).map(|block| if block == 3 { u64::from(FULL) } else { 1_000 }).sum();
                prop_assert_eq!(load.bytes, bytes);
            }
        }
        (0..3).for_each(|id| downloads.handle(at(now_ms), Input::Remove { transfer: TransferId(id) }));
        prop_assert_eq!(downloads.load(), Load { requests: 0, bytes: 0 });
        prop_assert!(downloads.links.is_empty() && downloads.turns.first().is_none() && downloads.capped.is_empty());
    }
}

//! Uploads by themselves.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{
    testing::{at, cheap_peer as peer},
    transfer::{MAX_BLOCK_BYTES, tests::lanes::Lanes},
};

const BLOCK: u32 = MAX_BLOCK_BYTES;
const FILE: TransferId = TransferId(1);

/// Milliseconds after which the stations look whether anything happened.
const STEP_MS: u64 = 4;

/// Questions that each peer has open.
const OPEN: usize = 64;

/// Uploads whose peers ask without end, and share a way of so many bytes a millisecond.
struct Station {
    uploads: Uploads,
    now_ms: u64,
    rate: u64,
    next_token: u64,
    asked: BTreeMap<Token, (u32, u32)>,
    /// When each block began.
    sending: Lanes<(u64, Token)>,
    spare: u64,
    /// Who asks, for how long blocks, of which transfer.
    asking: BTreeMap<u32, (u32, TransferId)>,
    open: BTreeMap<u32, usize>,
    choked: BTreeSet<u32>,
    /// Bytes that each got, and when.
    got: Vec<(u64, u32, u32)>,
}

impl Station {
    fn new(rate: u64) -> Self {
        Self {
            uploads: Uploads::new([3; 32]),
            now_ms: 0,
            rate,
            next_token: 0,
            asked: BTreeMap::new(),
            sending: Lanes::default(),
            spare: 0,
            asking: BTreeMap::new(),
            open: BTreeMap::new(),
            choked: BTreeSet::new(),
            got: Vec::new(),
        }
    }

    fn asks(&mut self, n: u32, len: u32, transfer: TransferId) {
        self.asking.insert(n, (len, transfer));
        self.input(Input::Interested { peer: peer(n), transfer });
    }

    fn input(&mut self, input: Input) {
        self.uploads.handle(at(self.now_ms), input);
        while let Some(output) = self.uploads.poll_output() {
            match output {
                Output::Choke { peer } => assert!(self.choked.insert(number(peer)), "told twice"),
                Output::Unchoke { peer } => _ = self.choked.remove(&number(peer)),
                Output::Serve { token } => {
                    let (n, len) = self.asked[&token];
                    self.sending.push(n as usize, len, (self.now_ms, token));
                }
                Output::Refuse { token, .. } => {
                    let (n, _) = self.asked.remove(&token).unwrap();
                    *self.open.get_mut(&n).unwrap() -= 1;
                }
            }
        }
        assert!(self.uploads.load().served <= MAX_SLOTS && self.uploads.load().queued <= MAX_QUEUED);
    }

    fn run(&mut self, until_ms: u64) {
        while self.now_ms < until_ms {
            self.now_ms += STEP_MS;
            self.send();
            if self.uploads.poll_timeout().is_some_and(|due| due.0 <= self.now_ms) {
                self.uploads.handle_timeout(at(self.now_ms));
                self.input(Input::Wanting { peer: peer(u32::MAX), wanting: false });
            }
            for (n, (len, transfer)) in self.asking.clone() {
                while !self.choked.contains(&n) && *self.open.entry(n).or_default() < OPEN {
                    let token = Token(self.next_token);
                    self.next_token += 1;
                    self.asked.insert(token, (n, len));
                    *self.open.get_mut(&n).unwrap() += 1;
                    self.input(Input::Asked { peer: peer(n), transfer, block: 0, len, token });
                }
            }
        }
    }

    /// A step's bytes go out.
    fn send(&mut self) {
        self.spare += self.rate * STEP_MS;
        while self.spare > 0 {
            let Some((bytes, done)) = self.sending.next(self.spare) else { break };
            self.spare -= bytes;
            if let Some((began_ms, token)) = done {
                let (n, len) = self.asked.remove(&token).unwrap();
                *self.open.get_mut(&n).unwrap() -= 1;
                self.got.push((began_ms, n, len));
                self.input(Input::Served { token, bytes: len, took_ms: self.now_ms - began_ms });
            }
        }
        self.spare = if self.sending.is_idle() { 0 } else { self.spare };
    }

    /// Bytes that one got since then.
    fn since(&self, since_ms: u64, n: u32) -> u64 {
        self.got.iter().filter(|(at_ms, who, _)| *at_ms >= since_ms && *who == n).map(|(.., len)| u64::from(*len)).sum()
    }

    fn served(&self) -> Vec<u32> {
        self.asking.keys().copied().filter(|n| !self.choked.contains(n)).collect()
    }
}

fn number(peer: PeerId) -> u32 {
    let bytes = peer.to_bytes();
    u32::from_be_bytes([bytes[6], bytes[7], bytes[8], bytes[9]])
}

#[test]
fn those_who_are_served_are_known_by_name() {
    let mut station = Station::new(1_000);
    for n in 0..20 {
        station.asks(n, BLOCK, FILE);
    }
    let served = |station: &Station| station.uploads.served_peers().clone();
    let first = served(&station);
    assert_eq!((first.len(), station.uploads.load().served), (MIN_SLOTS, MIN_SLOTS));
    let gone = *first.first().unwrap();
    station.input(Input::PeerDown { peer: gone });
    assert!(!served(&station).contains(&gone) && served(&station).len() == MIN_SLOTS);
    for n in 0..20 {
        station.input(Input::NotInterested { peer: peer(n), transfer: FILE });
    }
    assert_eq!(served(&station), BTreeSet::new());
}

#[test]
fn while_nothing_competes_nobody_is_choked() {
    let mut station = Station::new(10_000);
    (0..MIN_SLOTS as u32).for_each(|n| station.asks(n, BLOCK, FILE));
    station.run(120_000);
    assert_eq!(station.served().len(), MIN_SLOTS);
    assert_eq!(station.uploads.poll_timeout(), None);
}

#[test]
fn peers_that_are_served_get_the_same_whatever_the_length_of_their_blocks() {
    let mut station = Station::new(10_000);
    (0..4).for_each(|n| station.asks(n, BLOCK >> n, FILE));
    station.run(30_000);
    let got: Vec<u64> = (0..4).map(|n| station.since(0, n)).collect();
    let (most, least) = (got.iter().max().unwrap(), got.iter().min().unwrap());
    assert!(least * 5 > most * 4, "{got:?}");
}

#[test]
fn who_gives_gets() {
    let mut station = Station::new(1_000);
    (0..20).for_each(|n| station.asks(n, BLOCK, FILE));
    for second in 0..120 {
        (0..3).for_each(|n| station.input(Input::Got { peer: peer(n), bytes: 1_000 * (n + 1) }));
        station.run(second * 1_000);
    }
    assert!((0..3).all(|n| !station.choked.contains(&n)), "{:?}", station.choked);
    assert_eq!(station.served().len(), MIN_SLOTS);
    let givers = (0..3).map(|n| station.since(20_000, n)).min().unwrap();
    let others = (3..20).map(|n| station.since(20_000, n)).max().unwrap();
    assert!(givers > others, "{givers} {others}");
}

#[test]
fn all_who_only_take_are_served_in_turn() {
    let mut station = Station::new(10_000);
    (0..24).for_each(|n| station.asks(n, BLOCK, FILE));
    station.rate = 1_000;
    station.run(1_800_000);
    let got: Vec<u64> = (0..24).map(|n| station.since(0, n)).collect();
    let average = got.iter().sum::<u64>() / 24;
    assert!(got.iter().all(|got| *got > average / 2), "{average}: {got:?}");
}

#[test]
fn a_newcomer_among_those_who_give_is_served_before_long() {
    let mut station = Station::new(10_000);
    (0..12).for_each(|n| station.asks(n, BLOCK, FILE));
    for second in 0..240 {
        (0..12).for_each(|n| station.input(Input::Got { peer: peer(n), bytes: 100_000 }));
        if second == 60 {
            station.asks(12, BLOCK, FILE);
        }
        station.run(second * 1_000);
    }
    assert!(station.since(0, 12) > 0);
}

#[test]
fn one_that_takes_and_has_what_we_want_and_gives_nothing_loses_its_slot() {
    let mut station = Station::new(1_000);
    station.asks(0, BLOCK, FILE);
    station.input(Input::Wanting { peer: peer(0), wanting: true });
    (1..10).for_each(|n| station.asks(n, BLOCK, FILE));
    station.run(4 * SNUB_MS);
    assert!(station.choked.contains(&0));
    station.run(FORGIVE_MS);
    assert_eq!(station.since(4 * SNUB_MS, 0), 0);
    // While the others are few enough, it is served nevertheless.
    (1..7).for_each(|n| {
        station.asking.remove(&n);
        station.input(Input::NotInterested { peer: peer(n), transfer: FILE });
    });
    assert!(!station.choked.contains(&0));
}

#[test]
fn one_that_only_takes_gets_less_than_half_of_what_those_get_who_have_nothing_to_give() {
    let mut station = Station::new(2_100);
    (0..20).for_each(|n| station.asks(n, BLOCK, FILE));
    station.input(Input::Wanting { peer: peer(19), wanting: true });
    for second in 0..3_600 {
        (0..10).for_each(|n| station.input(Input::Got { peer: peer(n), bytes: 100_000 }));
        station.run(second * 1_000);
    }
    let others = (10..19).map(|n| station.since(0, n)).sum::<u64>() / 9;
    assert!(station.since(0, 19) < others / 2, "{} {others}", station.since(0, 19));
}

#[test]
fn a_newcomer_is_three_times_as_likely_to_be_drawn() {
    let mut peers: BTreeMap<PeerId, Peer> = (0..4).map(|n| (peer(n), Peer::new())).collect();
    for known in peers.values_mut().skip(1) {
        known.stand(at(0), Standing::Regular(0));
        known.stand(at(0), Standing::Choked);
    }
    let mut rng = ChaCha8Rng::from_seed([1; 32]);
    let drawn = (0..1_000).filter(|_| choosing::by_chance(at(0), peers.iter(), &mut rng) == Some(peer(0))).count();
    assert!((450..550).contains(&drawn), "{drawn}");
}

#[test]
fn a_limit_holds_over_any_ten_seconds() {
    for (mib, other) in [(1, None), (10, None), (10, Some(2))] {
        let mut station = Station::new(100_000);
        let rate = mib * 1024 * 1024;
        station.input(Input::Limit { transfer: None, rate: Some(rate) });
        let second = TransferId(2);
        station.input(Input::Limit { transfer: Some(second), rate: other.map(|mib| mib * 1024 * 1024) });
        (0..4).for_each(|n| station.asks(n, BLOCK, if n < 2 { FILE } else { second }));
        station.run(60_000);
        let within = |from_ms: u64, whom: &dyn Fn(u32) -> bool| -> u64 {
            let sent =
                station.got.iter().filter(|(at_ms, n, _)| (from_ms..from_ms + 10_000).contains(at_ms) && whom(*n));
            sent.map(|(.., len)| u64::from(*len)).sum()
        };
        for from_ms in (0..48_000).step_by(500) {
            let all = within(from_ms, &|_| true);
            assert!(all.abs_diff(10 * rate) <= 10 * rate / 20, "{all} of {} from {from_ms}", 10 * rate);
            if let Some(mib) = other {
                let (limit, of_second) = (mib * 10 * 1024 * 1024, within(from_ms, &|n| n >= 2));
                assert!(of_second.abs_diff(limit) <= limit / 20, "{of_second} of {limit} from {from_ms}");
            }
        }
    }
}

#[test]
fn too_many_questions_of_a_peer_are_refused_as_busy_and_cancelled_ones_are_not_served() {
    let mut uploads = Uploads::new([0; 32]);
    uploads.handle(at(0), Input::Limit { transfer: None, rate: Some(0) });
    let ask = |uploads: &mut Uploads, token| {
        uploads
            .handle(at(0), Input::Asked { peer: peer(1), transfer: FILE, block: 0, len: BLOCK, token: Token(token) });
    };
    (0..=MAX_QUEUED_EACH as u64).for_each(|token| ask(&mut uploads, token));
    let outputs: Vec<Output> = std::iter::from_fn(|| uploads.poll_output()).collect();
    let busy = Output::Refuse { token: Token(MAX_QUEUED_EACH as u64), why: Refusal::Busy };
    assert_eq!(outputs, [Output::Unchoke { peer: peer(1) }, busy]);
    (1..MAX_QUEUED_EACH as u64).for_each(|token| uploads.handle(at(0), Input::Cancelled { token: Token(token) }));
    uploads.handle(at(0), Input::Limit { transfer: None, rate: None });
    assert_eq!(uploads.poll_output(), Some(Output::Serve { token: Token(0) }));
    assert_eq!(uploads.poll_output(), None);
}

#[test]
fn a_transfer_that_is_gone_is_refused_and_others_go_on() {
    let mut uploads = Uploads::new([0; 32]);
    uploads.handle(at(0), Input::Limit { transfer: None, rate: Some(0) });
    for (token, transfer) in [(1, FILE), (2, TransferId(2))] {
        let token = Token(token);
        uploads.handle(at(0), Input::Asked { peer: peer(1), transfer, block: 0, len: BLOCK, token });
    }
    uploads.handle(at(0), Input::Gone { transfer: FILE });
    uploads.handle(at(0), Input::Limit { transfer: None, rate: None });
    let outputs: Vec<Output> = std::iter::from_fn(|| uploads.poll_output()).collect();
    assert_eq!(
        outputs[1..],
        [Output::Refuse { token: Token(1), why: Refusal::Gone }, Output::Serve { token: Token(2) }]
    );
}

proptest! {
    #[test]
    fn every_question_is_answered_once_and_only_those_who_were_not_told_otherwise_are_served(
        steps in prop::collection::vec((0u8..10, 0u32..14, 0u64..4, 0u64..20_000), 1..300),
    ) {
        let (mut uploads, mut now_ms, mut next) = (Uploads::new([1; 32]), 0, 0);
        let (mut open, mut serving, mut choked) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        for (step, n, transfer, wait_ms) in steps {
            let (id, transfer) = (peer(n), TransferId(transfer));
            let token = Token(next);
            let input = match step {
                0 => Input::NotInterested { peer: id, transfer },
                1 => Input::Interested { peer: id, transfer },
                2 => Input::Got { peer: id, bytes: 5_000 },
                3 => Input::Wanting { peer: id, wanting: wait_ms % 2 == 0 },
                4 => { open.retain(|_, who| *who != n); serving.retain(|_, who| *who != n); choked.remove(&n); Input::PeerDown { peer: id } }
                5 => Input::Limit { transfer: (n % 2 == 0).then_some(transfer), rate: (wait_ms % 3 != 0).then_some(wait_ms * 100) },
                6 if !serving.is_empty() => {
                    let (token, _): (Token, u32) = serving.pop_first().unwrap();
                    Input::Served { token, bytes: BLOCK, took_ms: wait_ms }
                }
                7 if !open.is_empty() => { let (token, _): (Token, u32) = open.pop_first().unwrap(); Input::Cancelled { token } }
                _ => { next += 1; open.insert(token, n); Input::Asked { peer: id, transfer, block: 0, len: BLOCK, token } }
            };
            uploads.handle(at(now_ms), input);
            now_ms += wait_ms;
            uploads.handle_timeout(at(now_ms));
            while let Some(output) = uploads.poll_output() {
                match output {
                    Output::Choke { peer } => prop_assert!(choked.insert(number(peer))),
                    Output::Unchoke { peer } => _ = choked.remove(&number(peer)),
                    Output::Refuse { token, .. } => prop_assert!(open.remove(&token).is_some()),
                    Output::Serve { token } => {
                        let n = open.remove(&token);
                        prop_assert!(n.is_some_and(|n| !choked.contains(&n)));
                        serving.extend(n.map(|n| (token, n)));
                    }
                }
            }
            let load = uploads.load();
            prop_assert!(load.served <= MAX_SLOTS && load.queued == open.len() && load.serving == serving.len(), "{load:?}");
            prop_assert!(uploads.poll_timeout().is_none_or(|due| due.0 > now_ms));
        }
    }
}

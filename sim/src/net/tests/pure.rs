//! The network without a runtime: time is a number.

use std::{
    net::SocketAddrV4,
    sync::mpsc,
    task::{Context, Poll, Waker},
};

use rand::{RngExt, SeedableRng};

use super::*;
use crate::net::{
    connection::{DIALER, LISTENER, Life},
    process::Hold,
};

const SECOND_US: u64 = 1_000_000;

/// A network whose hosts are up and listen.
pub(super) fn network(config: &scenario::Network, seed: u64, links: &[Link]) -> State {
    let mut state = State::new(config, seed);
    for link in links {
        let host = state.add(link);
        let host = state.host(host).unwrap();
        (host.is_on, host.is_listening, host.peer) = (true, true, Some(PeerId::random()));
    }
    state
}

fn dial(state: &mut State, from: u32, to: SocketAddrV4) -> Hold {
    let process = state.hosts[from as usize].process;
    state.dial((Host(from), process, PeerId::random()), to, true).unwrap()
}

/// Whether both ends are open.
fn is_open(state: &State, hold: Hold) -> bool {
    state.connections.get(hold.key).is_some_and(|c| c.ends.iter().all(|end| end.life == Life::Open))
}

fn public(host: u32) -> SocketAddrV4 {
    SocketAddrV4::new(address::public_ip(Host(host)), PORT)
}

/// Dials a public host from two others; how it sees them.
fn seen_by_third(state: &mut State) -> [SocketAddrV4; 2] {
    let holds = [1, 2].map(|host| dial(state, host, public(0)));
    state.run_until(state.now_us + SECOND_US);
    holds.map(|hold| state.connections.get(hold.key).unwrap().ends[LISTENER].remote)
}

const KINDS: [NatKind; 6] = [
    NatKind::None,
    NatKind::FullCone,
    NatKind::AddressRestricted,
    NatKind::PortRestricted,
    NatKind::Symmetric,
    NatKind::Blocked,
];

#[test]
fn a_plain_dial_gets_through_only_where_nothing_filters() {
    for from in KINDS {
        for to in KINDS {
            let mut state = network(&config(), 1, &[link(), behind(from), behind(to)]);
            let [_, target] = seen_by_third(&mut state);
            let hold = dial(&mut state, 1, target);
            state.run_until(state.now_us + 9 * SECOND_US);
            let expected = matches!(to, NatKind::None | NatKind::FullCone);
            assert_eq!(is_open(&state, hold), expected, "{from:?} dials {to:?}");
            state.run_until(state.now_us + 2 * SECOND_US);
            assert_eq!(state.connections.get(hold.key).unwrap().ends[DIALER].life == Life::Open, expected);
        }
    }
}

#[test]
fn two_nats_are_punched_by_dials_at_the_same_time_unless_neither_side_can_know_the_others_port() {
    use NatKind::{AddressRestricted, Blocked, FullCone, None, PortRestricted, Symmetric};
    for one in KINDS {
        for other in KINDS {
            let mut state = network(&config(), 1, &[link(), behind(one), behind(other)]);
            let [one_seen, other_seen] = seen_by_third(&mut state);
            let holds = [dial(&mut state, 1, other_seen), dial(&mut state, 2, one_seen)];
            state.run_until(state.now_us + 9 * SECOND_US);
            let expected = match (one, other) {
                (None | FullCone | AddressRestricted, _) | (_, None | FullCone | AddressRestricted) => true,
                (PortRestricted, PortRestricted) => true,
                (PortRestricted | Symmetric | Blocked, _) => false,
            };
            assert_eq!(holds.iter().any(|hold| is_open(&state, *hold)), expected, "{one:?} and {other:?}");
        }
    }
}

#[test]
fn nothing_comes_in_to_a_blocked_host_even_from_whom_it_talks_to() {
    let mut state = network(&config(), 1, &[link(), behind(NatKind::Blocked), behind(NatKind::PortRestricted)]);
    let seen = seen_by_third(&mut state);
    let [blocked, restricted] = seen.map(|address| dial(&mut state, 0, address));
    state.run_until(state.now_us + 9 * SECOND_US);
    assert!(!is_open(&state, blocked));
    assert!(is_open(&state, restricted));
}

/// Talks on random streams between random hosts on a bad network; every packet that arrives, as text.
fn deliveries(seed: u64) -> Vec<String> {
    struct Recorder(mpsc::SyncSender<String>);
    impl Tap for Recorder {
        fn delivered(&mut self, delivery: &Delivery<'_>) {
            self.0.send(format!("{delivery:?}")).unwrap();
        }
    }
    let config = scenario::Network { loss: 0.1, jitter: 0.5, ..config() };
    let links: Vec<Link> =
        (0..12).map(|index| Link { up_bits_s: 2_000_000, ..behind(KINDS[index % KINDS.len()]) }).collect();
    let mut state = network(&config, seed, &links);
    let (sender, receiver) = mpsc::sync_channel(100_000);
    state.tap = Some(Box::new(Recorder(sender)));
    // What is done is the same for every seed: only the network differs.
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let cx = Context::from_waker(Waker::noop());
    let mut streams = Vec::new();
    for step in 0..2_000_u64 {
        state.run_until(step * 10_000);
        if step % 20 == 0 {
            let from = random.random_range(0..12);
            streams.push((dial(&mut state, from, public(6 * random.random_range(0..2))), None));
        }
        let index = random.random_range(0..streams.len());
        let (hold, stream) = &mut streams[index];
        if let (None, true) = (&stream, is_open(&state, *hold)) {
            let Poll::Ready(Ok(number)) = state.poll_open(*hold, &cx) else { panic!() };
            *stream = Some(number);
        }
        if let Some(stream) = *stream {
            let bytes = vec![step as u8; random.random_range(1..5_000)];
            let _ = state.poll_write(*hold, stream, &bytes, &cx);
            let _ = state.flush(*hold, stream);
        }
        match step {
            500 => state.wire.partition(&[vec![], vec![Host(0), Host(3)]]),
            900 => state.wire.heal(),
            1_200 => state.stop(Host(6), true),
            _ => {}
        }
    }
    state.run_until(60 * SECOND_US);
    receiver.try_iter().collect()
}

#[test]
fn the_same_packets_arrive_for_the_same_seed_and_others_for_another() {
    let first = deliveries(7);
    assert!(first.len() > 1_000, "{}", first.len());
    assert!(first == deliveries(7));
    assert!(first != deliveries(8));
}

#[test]
fn a_connection_and_a_stream_are_small() {
    use crate::net::connection::{Connection, StreamState};
    assert!(size_of::<Connection>() <= 400, "{}", size_of::<Connection>());
    assert!(size_of::<StreamState>() <= 500, "{}", size_of::<StreamState>());
}

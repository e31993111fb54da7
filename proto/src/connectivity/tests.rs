//! The manager by itself, and in a world where peers come and go.

use proptest::prelude::*;
use rand::RngExt;

use super::*;
use crate::testing::{at, cheap_peer as peer};

fn address(n: u32) -> String {
    format!("/ip4/10.0.0.1/tcp/{n}")
}

fn manager() -> Connectivity {
    Connectivity::new(peer(0), Settings { low: 12, high: 100, max: 200 }, [7; 32], at(0))
}

fn drain(machine: &mut Connectivity) -> Vec<Output> {
    std::iter::from_fn(|| machine.poll_output()).collect()
}

fn discovered(n: u32, source: Source) -> Input {
    Input::Discovered { peer: peer(n), addresses: vec![address(n)], source }
}

fn connected(n: u32, outbound: bool) -> Input {
    Input::Connected { peer: peer(n), address: address(n), outbound }
}

fn dialed(outputs: &[Output]) -> Vec<Target> {
    let dial = |output: &Output| if let Output::Dial { target, .. } = output { Some(target.clone()) } else { None };
    outputs.iter().filter_map(dial).collect()
}

/// Runs the machine by its own deadlines until `until_ms` and returns what it did when.
fn run(machine: &mut Connectivity, from_ms: u64, until_ms: u64) -> Vec<(u64, Output)> {
    let mut all: Vec<(u64, Output)> = drain(machine).into_iter().map(|output| (from_ms, output)).collect();
    let mut now_ms = from_ms;
    while let Some(Deadline(at_ms)) = machine.poll_timeout().filter(|deadline| deadline.0 <= until_ms) {
        assert!(at_ms > now_ms, "waits for the past: {at_ms} after {now_ms}");
        now_ms = at_ms;
        machine.handle_timeout(at(now_ms));
        all.extend(drain(machine).into_iter().map(|output| (now_ms, output)));
    }
    all
}

/// Whom it disconnected.
fn closed(outputs: Vec<(u64, Output)>) -> impl Iterator<Item = PeerId> {
    outputs.into_iter().filter_map(|(_, output)| if let Output::Disconnect(peer) = output { Some(peer) } else { None })
}

#[test]
fn a_restart_dials_the_peers_last_seen_first_while_the_bootstrap_is_dead() {
    let mut machine = manager();
    for n in 1..=40 {
        let addresses = vec![address(n)];
        machine.handle(at(0), Input::Remembered { peer: peer(n), addresses, last_seen_ms: u64::from(n) });
        // The later ones were not known yet when the first dials went out.
        if n == 1 {
            drain(&mut machine);
            machine.handle(at(0), Input::Bootstrap("/dns/gone.example/tcp/1".into()));
        }
    }
    drain(&mut machine);
    machine.handle(
        at(0),
        Input::DialFailed { target: Target::Address("/dns/gone.example/tcp/1".into()), permanent: false },
    );
    (1..=12).for_each(|n| machine.handle(at(0), Input::DialFailed { target: Target::Peer(peer(n)), permanent: false }));
    drain(&mut machine);
    machine.handle_timeout(at(400));
    let targets = dialed(&drain(&mut machine));
    assert_eq!(targets[..3], [40, 39, 38].map(|n| Target::Peer(peer(n))));
}

#[test]
fn a_bootstrap_address_without_a_peer_id_is_dialed_and_recognised_and_dialed_again_when_lost() {
    let mut machine = manager();
    machine.handle(at(0), Input::Bootstrap(address(1)));
    assert_eq!(dialed(&drain(&mut machine)), [Target::Address(address(1))]);
    let address_1 = format!("{}/p2p/{}", address(1), peer(1));
    machine.handle(at(5), Input::Connected { peer: peer(1), address: address_1, outbound: true });
    assert_eq!(dialed(&run(&mut machine, 5, 60_000).into_iter().map(|(_, o)| o).collect::<Vec<_>>()), []);
    machine.handle(at(60_000), Input::Disconnected { peer: peer(1), silent: true });
    let again = run(&mut machine, 60_000, 61_000);
    assert!(again.iter().any(|(_, output)| matches!(output, Output::Dial { .. })), "{again:?}");
}

#[test]
fn a_lost_room_peer_is_dialed_within_five_seconds_of_any_moment_of_a_partition_of_minutes() {
    let mut machine = manager();
    for n in 1..=ROOM_PLACES as u32 {
        machine.handle(at(0), connected(n, n % 2 == 0));
        machine
            .handle(at(0), Input::Discovered { peer: peer(n), addresses: vec![address(n)], source: Source::Identify });
        machine.handle(at(0), Input::Protect { peer: peer(n), reason: Reason::Room });
    }
    (1..=ROOM_PLACES as u32)
        .for_each(|n| machine.handle(at(60_000), Input::Disconnected { peer: peer(n), silent: true }));
    let mut last: BTreeMap<Target, u64> = BTreeMap::new();
    let mut dials = Vec::new();
    let mut now_ms = 60_000;
    while now_ms < 60_000 + 300_000 {
        for (at_ms, output) in run(&mut machine, now_ms, now_ms + 100) {
            if let Output::Dial { target, .. } = output {
                last.insert(target.clone(), at_ms);
                dials.push(at_ms);
                machine.handle(at(now_ms + 100), Input::DialFailed { target, permanent: false });
            }
        }
        now_ms += 100;
        if now_ms > 70_000 {
            assert_eq!(last.len(), ROOM_PLACES);
            let oldest = last.values().min().unwrap();
            assert!(now_ms - oldest <= 6_000, "{} ms without a dial", now_ms - oldest);
        }
    }
    let most = (DIALS.burst + DIALS.tokens) as usize;
    assert!(dials.windows(most + 1).all(|window| window[most] - window[0] >= 1_000), "too many dials in a second");
}

/// Room peers, one of them the bootstrap, of which one goes.
fn lost(others: u32, gone: u32, silent: bool) -> Vec<Target> {
    let mut machine = manager();
    machine.handle(at(0), discovered(1, Source::Bootstrap));
    for n in 1..=others + 1 {
        machine.handle(at(0), connected(n, true));
        machine.handle(at(0), discovered(n, Source::Identify));
        machine.handle(at(0), Input::Protect { peer: peer(n), reason: Reason::Room });
    }
    drain(&mut machine);
    machine.handle(at(60_000), Input::Disconnected { peer: peer(gone), silent });
    let after = run(&mut machine, 60_000, 60_000 + TRIMMED_MS / 2);
    dialed(&after.into_iter().map(|(_, output)| output).collect::<Vec<_>>())
}

#[test]
fn a_peer_that_closes_the_connection_is_let_go_while_there_are_enough_others() {
    for gone in [1, 5] {
        assert_eq!(lost(12, gone, false), []);
        assert!(lost(12, gone, true).contains(&Target::Peer(peer(gone))), "it only fell silent");
        assert!(lost(11, gone, false).contains(&Target::Peer(peer(gone))), "too few are left");
    }
}

#[test]
fn a_crowd_is_moved_on_soon_so_that_the_next_find_a_place() {
    let mut machine = manager();
    (1..=160).for_each(|n| machine.handle(at(0), connected(n, false)));
    drain(&mut machine);
    let moved = run(&mut machine, 0, PRESSED_GRACE_MS);
    let closed = moved.iter().filter(|(_, output)| matches!(output, Output::Disconnect(_))).count();
    assert_eq!(closed, 60);
}

#[test]
fn a_peer_that_hangs_up_at_once_is_dialed_less_and_less_often() {
    let cases = [(discovered(1, Source::Mdns), 10..25), (Input::Bootstrap(address(1)), 100..250)];
    for (input, expected) in cases {
        let mut machine = manager();
        machine.handle(at(0), input);
        let mut dials = 0;
        let mut now_ms = 0;
        while now_ms < 600_000 {
            for (_, output) in run(&mut machine, now_ms, now_ms + 50) {
                if matches!(output, Output::Dial { .. }) {
                    dials += 1;
                    machine.handle(at(now_ms + 50), connected(1, true));
                    machine.handle(at(now_ms + 50), Input::Disconnected { peer: peer(1), silent: false });
                }
            }
            now_ms += 50;
        }
        assert!(expected.contains(&dials), "{dials}");
    }
}

#[test]
fn too_many_connections_are_trimmed_after_their_grace_but_never_the_oldest_nor_those_that_brought_something_last() {
    let mut machine = manager();
    machine.handle(at(0), discovered(200, Source::Bootstrap));
    for n in 1..=105 {
        machine.handle(at(u64::from(n)), connected(n, false));
    }
    machine.handle(at(106), connected(200, true));
    machine.handle(at(106), Input::Protect { peer: peer(105), reason: Reason::Relay });
    machine.handle(at(106), Input::Protect { peer: peer(104), reason: Reason::Room });
    (60..=80).for_each(|n| machine.useful(at(200), &peer(n)));
    let mut trimmed = BTreeSet::new();
    for (at_ms, output) in run(&mut machine, 200, 60_000) {
        if let Output::Disconnect(peer) = output {
            assert!(at_ms >= GRACE_MS);
            trimmed.insert(peer);
        }
    }
    assert_eq!(trimmed.len(), 6);
    let kept = (1..=24).chain(60..=80).chain([104, 105, 200]);
    assert!(kept.map(peer).all(|peer| !trimmed.contains(&peer)));
}

#[test]
fn of_those_that_have_no_place_most_go_from_the_neighbourhood_where_most_are() {
    let mut machine = manager();
    let from = |n: u32, address: String| Input::Connected { peer: peer(n), address, outbound: false };
    for n in 1..=110 {
        // A hundred and ten from one place, and forty from forty.
        machine.handle(at(u64::from(n)), from(n, format!("/ip4/10.0.{n}.1/tcp/1")));
    }
    (201..=240).for_each(|n| machine.handle(at(1_000), from(n, format!("/ip6/2001:{n}::1/udp/1/quic-v1"))));
    let trimmed: BTreeSet<PeerId> = closed(run(&mut machine, 1_000, 60_000)).collect();
    assert_eq!(trimmed.len(), 50);
    assert!((201..=240).all(|n| !trimmed.contains(&peer(n))));
}

#[test]
fn whoever_was_trimmed_is_not_let_in_again_for_a_while_unless_there_is_room() {
    let mut machine = manager();
    (1..=101).for_each(|n| machine.handle(at(0), connected(n, false)));
    let trimmed = run(&mut machine, 0, GRACE_MS);
    let gone = closed(trimmed).next().expect("one too many");
    machine.handle(at(GRACE_MS), Input::Disconnected { peer: gone, silent: false });
    drain(&mut machine);
    let again = Input::Connected { peer: gone, address: address(1), outbound: false };
    machine.handle(at(GRACE_MS + 1), again.clone());
    assert_eq!(drain(&mut machine), [Output::Disconnect(gone)]);
    machine.handle(at(GRACE_MS + 2), connected(300, false));
    assert!(!drain(&mut machine).contains(&Output::Disconnect(peer(300))), "others are let in");
    for n in [1, 2, 3].into_iter().filter(|n| peer(*n) != gone) {
        machine.handle(at(GRACE_MS + 3), Input::Disconnected { peer: peer(n), silent: false });
    }
    drain(&mut machine);
    machine.handle(at(GRACE_MS + 4), again);
    assert!(!drain(&mut machine).contains(&Output::Disconnect(gone)), "there is room");
}

#[test]
fn what_we_dialed_without_needing_it_is_closed_by_us_and_what_others_dialed_is_left_to_them() {
    // With few that dialed us, we need as many as the low mark says; with many, only the minimum.
    for (inbound, left) in [(0, 12), (2, 10), (30, MIN_OUTBOUND)] {
        let mut machine = manager();
        (1..=20).for_each(|n| machine.handle(at(u64::from(n)), connected(n, true)));
        (101..=100 + inbound).for_each(|n| machine.handle(at(20), connected(n, false)));
        (1..=20).skip(20 - left).for_each(|n| machine.useful(at(GRACE_MS), &peer(n)));
        machine.heard(at(GRACE_MS));
        let trimmed: BTreeSet<PeerId> = run(&mut machine, 20, GRACE_MS + DEAF_MS - 1)
            .into_iter()
            .filter_map(|(at_ms, output)| {
                assert!(at_ms >= GRACE_MS || !matches!(output, Output::Disconnect(_)));
                if let Output::Disconnect(peer) = output { Some(peer) } else { None }
            })
            .collect();
        assert_eq!(trimmed.len(), 20 - left, "{inbound}");
        // The oldest half of the minimum stays, and of the others those go first that brought nothing.
        let half = MIN_OUTBOUND as u32 / 2;
        assert!((1..=half).all(|n| !trimmed.contains(&peer(n))), "{inbound}");
        assert!((half + 1..=20 - left as u32).all(|n| trimmed.contains(&peer(n))), "{inbound}");
    }
}

#[test]
fn attackers_who_were_there_first_and_never_close_anything_do_not_keep_newcomers_out() {
    // Honest peers come one by one and bring something now and then; each place is taken by then.
    let mut machine = manager();
    (1..=100).for_each(|n| machine.handle(at(0), connected(n, false)));
    (1..=100).for_each(|n| machine.useful(at(0), &peer(n)));
    let mut trimmed = BTreeSet::new();
    for second in 0..90 {
        let ms = 1_000 * second;
        if second < 20 {
            machine.handle(at(ms), connected(201 + second as u32, false));
        }
        (201..=220).filter(|n| n % 10 == second as u32 % 10).for_each(|n| machine.useful(at(ms), &peer(n)));
        for peer in closed(run(&mut machine, ms, ms + 1_000)) {
            trimmed.insert(peer);
        }
    }
    assert_eq!(trimmed.len(), 20);
    assert!((201..=220).all(|n| !trimmed.contains(&peer(n))));
}

#[test]
fn attackers_who_talk_all_the_time_do_not_push_out_all_others() {
    let mut machine = manager();
    (1..=100).for_each(|n| machine.handle(at(0), connected(n, false)));
    (201..=208).for_each(|n| machine.handle(at(10), connected(n, true)));
    let mut trimmed = BTreeSet::new();
    for second in 1..200 {
        let ms = 1_000 * second;
        if second <= 100 {
            machine.handle(at(ms), connected(300 + second as u32, false));
        }
        (301..=400).for_each(|n| machine.useful(at(ms), &peer(n)));
        machine.heard(at(ms));
        for peer in closed(run(&mut machine, ms, ms + 1_000)) {
            trimmed.insert(peer);
            machine.handle(at(ms + 1_000), Input::Disconnected { peer, silent: false });
        }
    }
    let quiet = (1..=100).filter(|n| !trimmed.contains(&peer(*n))).count();
    assert!(quiet >= 23, "only {quiet} of those that were there before");
    assert!((201..=208).all(|n| !trimmed.contains(&peer(n))), "what we dialed stays");
}

#[test]
fn of_peers_that_never_brought_anything_neither_the_oldest_nor_the_newest_are_safe() {
    let mut machine = manager();
    (1..=100).for_each(|n| machine.handle(at(0), connected(n, false)));
    (101..=200).for_each(|n| machine.handle(at(1_000), connected(n, false)));
    let trimmed: BTreeSet<PeerId> = closed(run(&mut machine, 1_000, 60_000)).collect();
    let old = (1..=100).filter(|n| trimmed.contains(&peer(*n))).count();
    assert!((15..=60).contains(&old), "{old} of {}", trimmed.len());
}

#[test]
fn a_node_that_hears_nothing_replaces_the_peers_that_it_dialed_one_by_one() {
    for is_deaf in [true, false] {
        let mut machine = manager();
        (1..=8).for_each(|n| machine.handle(at(u64::from(n)), connected(n, true)));
        (101..=110).for_each(|n| machine.handle(at(8), connected(n, false)));
        let mut gone = Vec::new();
        for second in 0..200 {
            if !is_deaf && second % 20 == 0 {
                machine.heard(at(second * 1_000));
            }
            let end_ms = (second + 1) * 1_000;
            for peer in closed(run(&mut machine, second * 1_000, end_ms)) {
                gone.push(peer);
                machine.handle(at(end_ms), Input::Disconnected { peer, silent: false });
                let next = 200 + u32::try_from(gone.len()).unwrap();
                machine.handle(at(end_ms), connected(next, true));
            }
        }
        let expected: Vec<PeerId> = if is_deaf { [1, 2, 3, 4, 5, 6].map(peer).into() } else { vec![] };
        assert_eq!(gone, expected);
    }
}

#[test]
fn whatever_is_heard_one_of_those_that_we_dialed_makes_place_for_another_every_five_minutes() {
    let mut machine = manager();
    (1..=8).for_each(|n| machine.handle(at(u64::from(n)), connected(n, true)));
    (5..=7).for_each(|n| machine.useful(at(1_000), &peer(n)));
    let mut gone = Vec::new();
    for second in 1..=ROTATE_MS / 1_000 {
        machine.heard(at(second * 1_000));
        for peer in closed(run(&mut machine, second * 1_000, (second + 1) * 1_000)) {
            gone.push(peer);
        }
    }
    // Not one of the oldest four, and not one that brought something.
    assert_eq!(gone, [peer(8)]);
}

#[test]
fn a_crowd_that_was_there_before_does_not_push_out_the_oldest_peers_that_we_dialed() {
    let mut machine = manager();
    (1..=110).for_each(|n| machine.handle(at(0), connected(n, false)));
    // Newer than the crowd, which makes them the first to go; and each newer than the one before.
    (201..=210).for_each(|n| machine.handle(at(u64::from(n)), connected(n, true)));
    for n in (1..=110).filter(|n| n % 2 == 0) {
        machine.handle(at(300), Input::Protect { peer: peer(n), reason: Reason::Room });
    }
    machine.heard(at(GRACE_MS));
    let trimmed: BTreeSet<PeerId> = closed(run(&mut machine, 300, GRACE_MS + DEAF_MS - 1)).collect();
    assert_eq!(trimmed.len(), 20);
    let gone: Vec<u32> = (201..=210).filter(|n| trimmed.contains(&peer(*n))).collect();
    assert_eq!(gone, [209, 210]);
}

#[test]
fn room_peers_are_trimmed_when_there_is_nobody_else_and_relays_never() {
    let mut machine = manager();
    for n in 1..=150 {
        machine.handle(at(0), connected(n, false));
        let reason = if n <= 120 { Reason::Relay } else { Reason::Room };
        machine.handle(at(0), Input::Protect { peer: peer(n), reason });
    }
    let outputs = run(&mut machine, 0, 3_000_000);
    let trimmed = outputs.iter().filter(|(_, output)| matches!(output, Output::Disconnect(_))).count();
    assert_eq!(trimmed, 30);
}

#[test]
fn more_than_the_maximum_are_turned_away_at_once_unless_they_are_the_bootstrap() {
    let mut machine = manager();
    machine.handle(at(0), discovered(500, Source::Bootstrap));
    (1..=200).for_each(|n| machine.handle(at(0), connected(n, false)));
    drain(&mut machine);
    machine.handle(at(0), connected(201, false));
    assert_eq!(drain(&mut machine), [Output::Disconnect(peer(201))]);
    machine.handle(at(0), connected(500, true));
    assert!(!drain(&mut machine).contains(&Output::Disconnect(peer(500))));
}

#[test]
fn a_crowd_that_fills_every_place_does_not_keep_us_from_the_few_peers_that_we_dial() {
    let mut machine = manager();
    (1..=200).for_each(|n| machine.handle(at(0), connected(n, false)));
    drain(&mut machine);
    for n in 201..=208 {
        machine.handle(at(0), connected(n, true));
        assert!(!drain(&mut machine).contains(&Output::Disconnect(peer(n))), "{n}");
    }
    for (n, outbound) in [(209, true), (210, false)] {
        machine.handle(at(0), connected(n, outbound));
        assert_eq!(drain(&mut machine), [Output::Disconnect(peer(n))]);
    }
    // The place of one that is lost is free again.
    machine.handle(at(0), Input::Disconnected { peer: peer(201), silent: true });
    machine.handle(at(0), connected(211, true));
    assert!(!drain(&mut machine).contains(&Output::Disconnect(peer(211))));
}

#[test]
fn a_banned_peer_is_disconnected_not_dialed_and_let_in_again_later() {
    let mut machine = manager();
    machine.handle(at(0), discovered(1, Source::Bootstrap));
    machine.handle(at(0), connected(1, true));
    machine.handle(at(0), Input::Ban(peer(1)));
    assert!(drain(&mut machine).contains(&Output::Disconnect(peer(1))));
    machine.handle(at(0), Input::Disconnected { peer: peer(1), silent: true });
    let later = run(&mut machine, 0, 3_600_000);
    assert!(later.iter().all(|(_, output)| !matches!(output, Output::Dial { .. })));
    machine.handle(at(3_600_000), connected(1, false));
    assert!(drain(&mut machine).contains(&Output::Disconnect(peer(1))));
    machine.handle(at(3_600_000), Input::Unban(peer(1)));
    let later = run(&mut machine, 3_600_000, 3_600_000 + TRIMMED_MS + 1_000);
    assert!(later.iter().any(|(_, output)| matches!(output, Output::Dial { .. })));
}

#[test]
fn thousands_of_invented_peers_do_not_crowd_out_those_that_were_reached() {
    let mut machine = manager();
    for n in 1..=50 {
        machine.handle(at(0), connected(n, true));
        machine.handle(at(1), Input::Disconnected { peer: peer(n), silent: true });
    }
    for n in 1_000..4_000 {
        machine.handle(at(2), discovered(n, if n % 2 == 0 { Source::Kademlia } else { Source::Identify }));
        if n % 3 == 0 {
            machine.handle(at(2), connected(n, false));
            machine.handle(at(3), Input::Disconnected { peer: peer(n), silent: true });
        }
    }
    assert!(machine.known_peers() <= 50 + 2 * MAX_UNTRIED_PER_SOURCE + MAX_INBOUND, "{}", machine.known_peers());
    assert!((1..=50).all(|n| machine.addresses(&peer(n)) == [address(n)]));
}

#[test]
fn addresses_that_others_invent_do_not_crowd_out_the_one_that_works() {
    let mut machine = manager();
    machine.handle(at(0), connected(1, true));
    let identify: Vec<String> = (10..14).map(address).collect();
    machine.handle(at(0), Input::Discovered { peer: peer(1), addresses: identify, source: Source::Identify });
    for n in 0..1_000 {
        machine.handle(at(0), discovered_at(1, 20_000 + n));
    }
    let huge = "x".repeat(MAX_ADDRESS_BYTES + 1);
    machine.handle(at(0), Input::Discovered { peer: peer(1), addresses: vec![huge.clone()], source: Source::Identify });
    let known = machine.addresses(&peer(1));
    assert_eq!(known.len(), MAX_ADDRESSES - 4, "the peer's own list was replaced by an empty one: {known:?}");
    assert_eq!(known[0], address(1));
    assert!(!known.contains(&huge));
}

fn discovered_at(n: u32, port: u32) -> Input {
    Input::Discovered { peer: peer(n), addresses: vec![address(port)], source: Source::Kademlia }
}

#[test]
fn peers_that_never_answer_are_forgotten_and_known_ones_only_after_a_fortnight() {
    let mut machine = manager();
    machine.handle(at(0), discovered(1, Source::Kademlia));
    let addresses = vec![address(2)];
    machine.handle(at(0), Input::Remembered { peer: peer(2), addresses, last_seen_ms: at(0).wall_ms });
    let mut forgotten = None;
    let mut now_ms = 0;
    while forgotten.is_none() {
        let outputs = drain(&mut machine);
        if outputs.is_empty() {
            now_ms = machine.poll_timeout().unwrap().0;
            machine.handle_timeout(at(now_ms));
        }
        for output in outputs {
            match output {
                Output::Dial { target, .. } => {
                    machine.handle(at(now_ms), Input::DialFailed { target, permanent: false })
                }
                Output::Forget(peer) => forgotten = Some(peer),
                _ => {}
            }
        }
        if now_ms > 600_000 {
            assert!(machine.addresses(&peer(1)).is_empty());
        }
    }
    assert_eq!(forgotten, Some(peer(2)));
    assert!(now_ms > KNOWN_MS);
}

#[test]
fn more_peers_are_asked_for_while_there_are_few_and_less_and_less_often() {
    let mut machine = manager();
    assert_eq!(run(&mut machine, 0, 60_000).len(), 0);
    machine.handle(at(60_000), connected(1, true));
    let asked = run(&mut machine, 60_000, 60_000 + 3_600_000);
    let asked: Vec<u64> =
        asked.iter().filter(|(_, output)| *output == Output::WantPeers).map(|(at_ms, _)| *at_ms).collect();
    assert!((8..=15).contains(&asked.len()), "{asked:?}");
    assert!(asked[0] == 70_000, "the first peer tells of others unasked: {asked:?}");
}

/// Peers that can be reached or not, and dials that take their time.
struct World {
    machine: Connectivity,
    rng: ChaCha8Rng,
    now_ms: u64,
    reachable: BTreeSet<u32>,
    linked: BTreeSet<u32>,
    /// When which dial ends.
    dialing: BTreeMap<(u64, u64), Target>,
    dials: VecDeque<u64>,
    serial: u64,
}

impl World {
    fn input(&mut self, input: Input) {
        self.machine.handle(at(self.now_ms), input);
        self.carry();
    }

    fn carry(&mut self) {
        for output in drain(&mut self.machine) {
            match output {
                Output::Dial { target, addresses } => {
                    assert!(!addresses.is_empty());
                    self.serial += 1;
                    let ends_ms = self.now_ms + self.rng.random_range(1..10_000u64);
                    self.dialing.insert((ends_ms, self.serial), target);
                    self.dials.push_back(self.now_ms);
                    while self.dials.front().is_some_and(|at_ms| at_ms + 1_000 <= self.now_ms) {
                        self.dials.pop_front();
                    }
                    assert!(self.dials.len() as u64 <= DIALS.burst + DIALS.tokens, "too many dials in a second");
                    assert!(self.dialing.len() <= MAX_PENDING_DIALS);
                }
                Output::Disconnect(gone) => {
                    let n = self.linked.iter().copied().find(|n| peer(*n) == gone);
                    if let Some(n) = n {
                        self.linked.remove(&n);
                        self.machine.handle(at(self.now_ms), Input::Disconnected { peer: gone, silent: true });
                    }
                }
                _ => {}
            }
        }
        assert!(self.linked.len() <= Settings::default().max);
    }

    fn run(&mut self, until_ms: u64) {
        loop {
            let timer = self.machine.poll_timeout().map_or(u64::MAX, |deadline| deadline.0);
            let dial = self.dialing.keys().next().copied();
            let next_ms = timer.min(dial.map_or(u64::MAX, |key| key.0));
            if next_ms > until_ms {
                self.now_ms = until_ms;
                return;
            }
            assert!(next_ms >= self.now_ms);
            self.now_ms = next_ms;
            match dial.filter(|key| key.0 == next_ms) {
                Some(key) => self.end_dial(key),
                None => {
                    self.machine.handle_timeout(at(next_ms));
                    self.carry();
                }
            }
        }
    }

    fn end_dial(&mut self, key: (u64, u64)) {
        let Some(target) = self.dialing.remove(&key) else { return };
        let n = match &target {
            Target::Peer(wanted) => (0..64).find(|n| peer(*n) == *wanted),
            Target::Address(text) => (0..64).find(|n| address(*n) == *text),
        };
        match n.filter(|n| self.reachable.contains(n)) {
            Some(n) => {
                self.linked.insert(n);
                self.input(connected(n, true));
            }
            None => self.input(Input::DialFailed { target, permanent: false }),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_happens_a_reachable_bootstrap_is_found_again_and_dials_stay_bounded(
        seed: [u8; 32],
        steps in prop::collection::vec((0u8..9, 1u32..60, 0u64..30_000), 1..120),
        named: bool,
    ) {
        let machine = Connectivity::new(peer(0), Settings::default(), seed, at(0));
        let mut world = World {
            machine, rng: ChaCha8Rng::from_seed(seed), now_ms: 0, reachable: BTreeSet::new(), linked: BTreeSet::new(),
            dialing: BTreeMap::new(), dials: VecDeque::new(), serial: 0,
        };
        world.input(if named { discovered(60, Source::Bootstrap) } else { Input::Bootstrap(address(60)) });
        for (what, n, wait_ms) in steps {
            // Peer 60 is the bootstrap, which comes and goes as others do but is never banned.
            let any = if wait_ms % 7 == 0 { 60 } else { n };
            match what {
                0 => world.input(discovered(n, Source::Kademlia)),
                1 => world.input(discovered(n, Source::Mdns)),
                2 => _ = world.reachable.insert(any),
                3 => {
                    world.reachable.remove(&any);
                    if world.linked.remove(&any) {
                        world.input(Input::Disconnected { peer: peer(any), silent: true });
                    }
                }
                4 => {
                    world.linked.insert(n);
                    world.input(connected(n, false));
                }
                5 => world.input(Input::Protect { peer: peer(n), reason: Reason::Room }),
                6 => world.input(Input::Unprotect { peer: peer(n), reason: Reason::Room }),
                7 => world.input(Input::Ban(peer(n))),
                _ => world.input(Input::Unban(peer(n))),
            }
            world.run(world.now_ms + wait_ms);
        }
        world.reachable.insert(60);
        // A dial under way may have to fail first, and the longest wait is 56 s.
        world.run(world.now_ms + 10_000 + 57_000 + 10_000);
        prop_assert!(world.linked.contains(&60));
    }
}

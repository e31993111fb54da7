//! Who takes part, without a network.

use libp2p::identity::Keypair;

use super::*;

const SHARE: TransferId = TransferId(1);

fn at(mono_ms: u64) -> Now {
    Now { mono_ms, wall_ms: mono_ms }
}

fn peer(number: u16) -> PeerId {
    let mut seed = [0; 32];
    seed[..2].copy_from_slice(&number.to_be_bytes());
    Keypair::ed25519_from_bytes(seed).unwrap().public().to_peer_id()
}

fn around(key: u64) -> Circle {
    let mut circle = Circle::new(key);
    circle.open(SHARE);
    circle
}

fn address(port: u16) -> Multiaddr {
    format!("/ip4/192.0.2.1/tcp/{port}").parse().unwrap()
}

fn dialed(approaches: Vec<Approach>) -> BTreeSet<PeerId> {
    approaches
        .into_iter()
        .map(|approach| match approach {
            Approach::Ask(peer) | Approach::Dial(peer, _) => peer,
        })
        .collect()
}

#[test]
fn whom_the_user_names_is_approached_first_however_many_others_are_named_before_and_where_the_user_says() {
    let mut circle = around(1);
    for number in 0..1_000 {
        circle.candidate(at(0), SHARE, peer(number), (vec![address(number)], Word::Hearsay));
    }
    let named = peer(2_000);
    circle.candidate(at(0), SHARE, named, ((0..100).map(address).collect(), Word::Hearsay));
    circle.candidate(at(0), SHARE, named, (vec![address(4_001)], Word::User));
    let first = circle.approach(at(0), SHARE).remove(0);
    assert!(matches!(first, Approach::Dial(peer, addresses) if peer == named && addresses[0] == address(4_001)));
}

#[test]
fn members_that_give_nothing_keep_nobody_from_being_looked_for() {
    let mut circle = around(1);
    for number in 0..200 {
        circle.connected(at(0), peer(number));
        circle.candidate(at(0), SHARE, peer(number), (Vec::new(), Word::Hearsay));
        circle.met(at(0), SHARE, peer(number));
    }
    let seeder = peer(500);
    circle.connected(at(0), seeder);
    circle.candidate(at(0), SHARE, seeder, (Vec::new(), Word::Hearsay));
    assert_eq!(circle.approach(at(0), SHARE), [Approach::Ask(seeder)]);
    for number in 0..ENOUGH_MEMBERS as u16 {
        circle.gives(SHARE, peer(number));
    }
    circle.not_met(at(0), SHARE, seeder);
    assert!(circle.approach(at(2 * REST_MS), SHARE).is_empty(), "there are enough");
}

#[test]
fn who_does_not_answer_or_closes_the_connection_is_asked_again_soon_and_then_ever_more_rarely() {
    let mut circle = around(1);
    circle.connected(at(0), peer(1));
    circle.candidate(at(0), SHARE, peer(1), (Vec::new(), Word::Hearsay));
    let mut asked = Vec::new();
    for second in 0..1_000 {
        if !circle.approach(at(second * 1_000), SHARE).is_empty() {
            circle.not_met(at(second * 1_000), SHARE, peer(1));
            asked.push(second);
        }
    }
    assert!(asked[..4].iter().zip([0, 2, 5, 11]).all(|(asked, most)| *asked <= most), "{asked:?}");
    assert!(asked.len() <= 24 && asked.windows(2).all(|pair| pair[1] - pair[0] <= 96), "{asked:?}");
    // One that took part counts as new; if it closes the connection, it is not dialed again at once.
    circle.met(at(2_000_000), SHARE, peer(1));
    circle.disconnected(at(2_000_000), peer(1));
    assert!(circle.approach(at(2_000_000), SHARE).is_empty());
    assert_eq!(dialed(circle.approach(at(2_000_000 + 2 * REST_MS), SHARE)).len(), 1);
}

#[test]
fn who_cannot_be_reached_is_tried_more_and_more_rarely_and_then_forgotten() {
    let mut circle = around(1);
    circle.candidate(at(0), SHARE, peer(1), (vec![address(1)], Word::Hearsay));
    let tried =
        |circle: &mut Circle| (0..3_600).filter(|s| !dialed(circle.approach(at(s * 1_000), SHARE)).is_empty()).count();
    assert_eq!(tried(&mut circle), MAX_FAILURES as usize);
    assert!(circle.shares[&SHARE].candidates.is_empty());
}

/// Whom a node dials first, of sixty.
fn first(key: u64) -> BTreeSet<PeerId> {
    let mut circle = around(key);
    (0..60).for_each(|number| circle.candidate(at(5), SHARE, peer(number), (Vec::new(), Word::Hearsay)));
    let dialed = circle.approach(at(5), SHARE).into_iter().map(|approach| match approach {
        Approach::Dial(peer, _) => peer,
        Approach::Ask(peer) => panic!("{peer} is not connected"),
    });
    dialed.collect()
}

#[test]
fn each_node_approaches_others_in_an_order_of_its_own() {
    let firsts: BTreeSet<BTreeSet<PeerId>> = (0..8).map(first).collect();
    assert_eq!(firsts.len(), 8);
    assert!(firsts.iter().all(|first| first.len() == MAX_APPROACHED));
    let common = firsts.iter().cloned().reduce(|all, first| &all & &first).unwrap();
    assert!(common.len() <= 2, "{common:?}");
    assert_eq!(first(3), first(3));
}

#[test]
fn what_the_user_said_of_a_peer_outlives_that_it_took_part_and_went() {
    let mut circle = around(1);
    let named = peer(1);
    circle.candidate(at(0), SHARE, named, (vec![address(1)], Word::User));
    for went in [1_000, 10_000, 20_000] {
        circle.connected(at(went), named);
        assert_eq!(circle.approach(at(went), SHARE), [Approach::Ask(named)]);
        if went == 1_000 {
            circle.met(at(went), SHARE, named);
        }
        if went == 10_000 {
            circle.met(at(went), SHARE, named);
            circle.ask_again(at(went), SHARE);
        }
        circle.disconnected(at(went), named);
    }
    for number in 10..10 + 2 * MAX_CANDIDATES as u16 {
        circle.candidate(at(30_000), SHARE, peer(number), (Vec::new(), Word::Hearsay));
    }
    let first = circle.approach(at(30_000), SHARE).remove(0);
    assert_eq!(first, Approach::Dial(named, vec![address(1)]));
}

#[test]
fn around_a_share_that_is_gone_there_is_nobody() {
    let mut circle = around(1);
    circle.forget(SHARE);
    circle.candidate(at(0), SHARE, peer(1), (Vec::new(), Word::User));
    circle.ban(SHARE, peer(2));
    assert!(circle.shares.is_empty());
}

#[test]
fn no_more_are_approached_than_there_is_room_for() {
    let mut circle = around(1);
    for number in 0..60 {
        circle.connected(at(5), peer(number));
        circle.candidate(at(5), SHARE, peer(number), (Vec::new(), Word::Hearsay));
    }
    let mut asked = 0;
    while let approaches @ [_, ..] = circle.approach(at(5), SHARE).as_slice() {
        asked += approaches.len();
    }
    assert_eq!(asked, ENOUGH_MEMBERS);
}

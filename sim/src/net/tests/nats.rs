//! Processes behind NATs, over time.

use super::*;

/// The port of an address.
fn port(address: &Multiaddr) -> u16 {
    address::socket_of(address).unwrap().port()
}

#[tokio::test(start_paused = true)]
async fn a_host_behind_a_nat_is_seen_by_its_public_address() {
    let network = start(&config());
    let mut a = Process::new(&network, behind(NatKind::PortRestricted));
    let mut b = Process::new(&network, link());
    assert!(network.listen_address(a.host).to_string().starts_with("/ip4/10."));
    assert_eq!(port(&network.public_address(a.host)), PORT);
    let dial = a.dial(network.public_address(b.host));
    let (dialed, (_accepted, seen)) = futures::join!(dial, b.accept());
    dialed.unwrap();
    assert_eq!(seen, network.public_address(a.host));
    assert_ne!(port(&seen), PORT);
}

#[tokio::test(start_paused = true)]
async fn a_symmetric_nat_shows_every_remote_another_port() {
    let network = start(&config());
    let mut a = Process::new(&network, behind(NatKind::Symmetric));
    let (mut b, mut c) = (Process::new(&network, link()), Process::new(&network, link()));
    let mut ports = Vec::new();
    for process in [&mut b, &mut c] {
        let dial = a.dial(network.public_address(process.host));
        let (dialed, (_accepted, seen)) = futures::join!(dial, process.accept());
        dialed.unwrap();
        ports.push(port(&seen));
    }
    assert_ne!(ports[0], ports[1]);
    assert_eq!(port(&network.public_address(a.host)), PORT);
}

#[tokio::test(start_paused = true)]
async fn private_addresses_and_unknown_ones_are_silent_to_others() {
    let network = start(&config());
    let a = Process::new(&network, behind(NatKind::FullCone));
    let mut b = Process::new(&network, behind(NatKind::FullCone));
    for address in [network.listen_address(a.host), "/ip4/99.0.0.1/udp/4001/quic-v1".parse().unwrap()] {
        let start = Instant::now();
        assert!(b.dial(address).await.is_err());
        assert_eq!(ms(start), 10_000);
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_through_a_nat_is_deaf_until_its_host_speaks_again() {
    let network = start(&config());
    let mut a = Process::new(&network, behind(NatKind::PortRestricted));
    let mut b = Process::new(&network, link());
    let dial = a.dial(network.public_address(b.host));
    let (dialed, (mut accepted, seen)) = futures::join!(dial, b.accept());
    let (_, mut dialed) = dialed.unwrap();
    let (mut inside, mut outside) = stream(&mut dialed, &mut accepted).await;
    // Traffic in either direction keeps the mapping.
    for round in 0..4 {
        tokio::time::sleep(Duration::from_secs(50)).await;
        if round % 2 == 0 {
            say(&mut inside, b"x").await;
            hear(&mut outside, 1).await;
        } else {
            say(&mut outside, b"x").await;
            hear(&mut inside, 1).await;
        }
    }
    assert_eq!(network.public_address(a.host), seen);
    tokio::time::sleep(Duration::from_secs(70)).await;
    say(&mut outside, b"anybody?").await;
    assert!(waits(Duration::from_secs(100), inside.read(&mut [0])).await);
    say(&mut inside, b"me").await;
    assert_eq!(hear(&mut outside, 2).await, b"me");
    assert_ne!(network.public_address(a.host), seen);
    let start = Instant::now();
    assert_eq!(hear(&mut inside, 8).await, b"anybody?");
    assert!(ms(start) <= 5_000 + LATENCY_MS);
}

#[tokio::test(start_paused = true)]
async fn a_fresh_port_is_another_address_to_the_outside() {
    let network = start(&config());
    let mut a = Process::new(&network, behind(NatKind::FullCone));
    let mut b = Process::new(&network, link());
    let address = network.public_address(b.host);
    let mut seen = Vec::new();
    for port_use in [PortUse::Reuse, PortUse::New, PortUse::Reuse] {
        let dial = a.transport.dial(address.clone(), DialOpts { role: Endpoint::Dialer, port_use }).unwrap();
        let (dialed, (_accepted, from)) = futures::join!(dial, b.accept());
        dialed.unwrap();
        seen.push(from);
    }
    assert!(seen[0] == seen[2] && seen[0] != seen[1], "{seen:?}");
    // Nobody listens at the fresh one.
    let (fresh, start) = (seen[1].clone(), Instant::now());
    assert!(b.dial(fresh).await.is_err());
    assert_eq!(ms(start), 2 * LATENCY_MS);
}

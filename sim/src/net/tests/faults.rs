//! Processes that die, machines that lose power, networks that fall apart.

use std::io::ErrorKind;

use super::*;

const LONG: Duration = Duration::from_secs(120);

#[tokio::test(start_paused = true)]
async fn a_killed_host_resets_its_connections_and_refuses_dials() {
    let network = start(&config());
    let (mut a, mut b) = (Process::new(&network, link()), Process::new(&network, link()));
    let (mut dialed, mut accepted) = connect(&network, &mut a, &mut b).await;
    let (mut reads, _writes) = stream(&mut dialed, &mut accepted).await;
    let start = Instant::now();
    network.kill(b.host);
    let error = reads.read(&mut [0]).await.unwrap_err();
    assert_eq!((error.kind(), ms(start)), (ErrorKind::ConnectionReset, LATENCY_MS));
    assert!(incoming(&mut dialed).await.is_err());
    let start = Instant::now();
    let address = network.public_address(b.host);
    assert!(a.dial(address.clone()).await.is_err());
    assert_eq!(ms(start), 2 * LATENCY_MS);
    let mut again = Process::boot(&network, b.host);
    drop((b, accepted));
    connect(&network, &mut a, &mut again).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_process_still_does_has_no_effect() {
    let network = start(&config());
    let (mut a, mut b) = (Process::new(&network, link()), Process::new(&network, link()));
    let address = network.public_address(a.host);
    network.kill(b.host);
    let mut again = Process::boot(&network, b.host);
    assert!(b.dial(address).await.is_err());
    assert!(b.transport.listen_on(ListenerId::next(), network.listen_address(b.host)).is_err());
    drop(b);
    connect(&network, &mut a, &mut again).await;
}

#[tokio::test(start_paused = true)]
async fn a_machine_without_power_is_silent_and_later_resets_what_it_forgot() {
    let network = start(&config());
    let (mut a, mut b) = (Process::new(&network, link()), Process::new(&network, link()));
    let (mut dialed, mut accepted) = connect(&network, &mut a, &mut b).await;
    let (mut one, other) = stream(&mut dialed, &mut accepted).await;
    network.power_off(b.host);
    drop((other, accepted));
    say(&mut one, b"are you there").await;
    assert!(waits(LONG, one.read(&mut [0])).await);
    assert!(waits(LONG, incoming(&mut dialed)).await);
    let start = Instant::now();
    assert!(a.dial(network.public_address(b.host)).await.is_err());
    assert_eq!(ms(start), 10_000);
    network.power_on(b.host);
    assert_eq!(one.read(&mut [0]).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test(start_paused = true)]
async fn a_goodbye_arrives_before_the_end_of_the_connection() {
    let network = start(&scenario::Network { jitter: 3.0, ..config() });
    let (mut a, mut b) = (Process::new(&network, link()), Process::new(&network, link()));
    for _ in 0..30 {
        let (mut dialed, mut accepted) = connect(&network, &mut a, &mut b).await;
        let (mut one, mut other) = stream(&mut dialed, &mut accepted).await;
        say(&mut one, b"goodbye").await;
        drop((one, dialed));
        assert!(incoming(&mut accepted).await.err().unwrap().to_string().contains("closed"));
        let mut heard = [0; 7];
        assert_eq!(other.read(&mut heard).await.unwrap(), 7);
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_survives_a_partition_and_dials_time_out_in_it() {
    let network = start(&config());
    let (mut a, mut b) = (Process::new(&network, link()), Process::new(&network, link()));
    let mut c = Process::new(&network, link());
    let (mut dialed, mut accepted) = connect(&network, &mut a, &mut b).await;
    let (mut one, mut other) = stream(&mut dialed, &mut accepted).await;
    say(&mut one, b"caught on the way, ").await;
    network.partition(&[vec![], vec![b.host]]);
    say(&mut one, b"said in vain").await;
    assert!(waits(LONG, other.read(&mut [0])).await);
    let address = network.public_address(b.host);
    assert!(a.dial(address).await.is_err());
    connect(&network, &mut a, &mut c).await;
    network.heal();
    let start = Instant::now();
    assert_eq!(hear(&mut other, 31).await, b"caught on the way, said in vain");
    assert!(ms(start) <= 5_000 + 2 * LATENCY_MS);
    say(&mut other, b"back").await;
    assert_eq!(hear(&mut one, 4).await, b"back");
}

#[tokio::test(start_paused = true)]
async fn an_end_that_missed_the_close_in_a_partition_learns_of_it_when_it_speaks() {
    let network = start(&config());
    let (mut a, mut b) = (Process::new(&network, link()), Process::new(&network, link()));
    let (mut dialed, mut accepted) = connect(&network, &mut a, &mut b).await;
    let (one, mut other) = stream(&mut dialed, &mut accepted).await;
    network.partition(&[vec![a.host], vec![b.host]]);
    drop((one, dialed));
    assert!(waits(LONG, incoming(&mut accepted)).await);
    network.heal();
    assert!(waits(LONG, incoming(&mut accepted)).await);
    say(&mut other, b"hello?").await;
    assert!(incoming(&mut accepted).await.err().unwrap().to_string().contains("reset"));
}

#[tokio::test(start_paused = true)]
async fn connections_are_forgotten_when_both_processes_have_let_them_go() {
    let network = start(&config());
    let (mut a, mut b) = (Process::new(&network, link()), Process::new(&network, link()));
    let nobody: Multiaddr = "/ip4/99.1.2.1/udp/4001/quic-v1".parse().unwrap();
    for round in 0..20 {
        let (mut dialed, mut accepted) = connect(&network, &mut a, &mut b).await;
        let streams = stream(&mut dialed, &mut accepted).await;
        if round % 2 == 0 {
            drop(accepted);
            assert!(incoming(&mut dialed).await.is_err());
        }
        drop(streams);
        drop(a.dial(nobody.clone()));
        assert!(waits(Duration::from_secs(1), a.dial(nobody.clone())).await);
    }
    tokio::time::sleep(LONG).await;
    let state = network.lock();
    assert!(state.connections.is_empty());
    assert!(state.hosts.iter().all(|host| host.connections.is_empty()));
}

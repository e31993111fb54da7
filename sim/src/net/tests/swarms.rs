//! Real swarms over the network.

use std::{collections::BTreeMap, sync::mpsc};

use futures::StreamExt;
use libp2p::{
    Swarm, identity, ping,
    swarm::{Config, SwarmEvent},
};

use super::*;

fn swarm(network: &Network, host: Host) -> Swarm<ping::Behaviour> {
    network.power_on(host);
    let peer_id = identity::Keypair::ed25519_from_bytes([host.0 as u8 + 1; 32]).unwrap().public().to_peer_id();
    let ping = ping::Behaviour::new(ping::Config::new().with_interval(Duration::from_secs(5)));
    let config = Config::with_tokio_executor().with_idle_connection_timeout(Duration::from_secs(3_600));
    let mut swarm = Swarm::new(network.transport(host, peer_id), ping, peer_id, config);
    swarm.listen_on(network.listen_address(host)).unwrap();
    swarm
}

/// Lets a swarm run; what it tells of goes to a channel.
fn spawn(mut swarm: Swarm<ping::Behaviour>) -> mpsc::Receiver<SwarmEvent<ping::Event>> {
    let (sender, receiver) = mpsc::sync_channel(10_000);
    tokio::spawn(async move {
        while let Some(event) = swarm.next().await {
            sender.send(event).unwrap();
        }
    });
    receiver
}

#[tokio::test(start_paused = true)]
async fn swarms_ping_each_other_in_one_round_trip_and_notice_silence() {
    let network = start(&config());
    let (a, b) = (network.add(link()), network.add(link()));
    let b_swarm = swarm(&network, b);
    let address = network.public_address(b).with_p2p(*b_swarm.local_peer_id()).unwrap();
    let mut a_swarm = swarm(&network, a);
    a_swarm.dial(address).unwrap();
    let (from_a, from_b) = (spawn(a_swarm), spawn(b_swarm));
    tokio::time::sleep(Duration::from_secs(60)).await;
    for receiver in [&from_a, &from_b] {
        let events: Vec<_> = receiver.try_iter().collect();
        assert!(events.iter().any(|event| matches!(event, SwarmEvent::NewListenAddr { .. })));
        let pings: Vec<Duration> = events
            .iter()
            .filter_map(|event| match event {
                SwarmEvent::Behaviour(ping::Event { result: Ok(time), .. }) => Some(*time),
                _ => None,
            })
            .collect();
        assert!(pings.len() >= 10, "{events:?}");
    }
    let by_protocol = network.bytes_by_protocol();
    assert!(by_protocol["/ipfs/ping/1.0.0"] > 2_000 && by_protocol["connection"] > 2_000, "{by_protocol:?}");
    assert_eq!(by_protocol.values().sum::<u64>(), network.bytes_sent());
    assert_eq!(network.bytes_sent_by(a) + network.bytes_sent_by(b), network.bytes_sent());
    network.power_off(b);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let fails =
        |event: &SwarmEvent<ping::Event>| matches!(event, SwarmEvent::Behaviour(event) if event.result.is_err());
    assert!(from_a.try_iter().any(|event| fails(&event)));
}

#[tokio::test(start_paused = true)]
async fn a_swarm_hears_at_once_when_the_process_at_the_other_end_is_killed() {
    let network = start(&config());
    let (a, b) = (network.add(link()), network.add(link()));
    let b_swarm = swarm(&network, b);
    let mut a_swarm = swarm(&network, a);
    a_swarm.dial(network.public_address(b)).unwrap();
    let (from_a, _from_b) = (spawn(a_swarm), spawn(b_swarm));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let closed = || from_a.try_iter().any(|event| matches!(event, SwarmEvent::ConnectionClosed { .. }));
    assert!(!closed());
    network.kill(b);
    tokio::time::sleep(Duration::from_millis(LATENCY_MS + 2)).await;
    assert!(closed());
}

/// Keeps what it sees.
struct Recorder(mpsc::SyncSender<String>);

impl Tap for Recorder {
    fn delivered(&mut self, delivery: &Delivery<'_>) {
        self.0.send(format!("{delivery:?}")).unwrap();
    }
}

/// Twelve swarms on a bad network for a minute; all that arrived, and bytes by protocol.
fn run(seed: u64) -> (Vec<String>, BTreeMap<String, u64>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let config = scenario::Network { loss: 0.05, jitter: 0.3, ..config() };
        let network = Network::new(&config, seed);
        tokio::spawn(network.clone().run());
        let (sender, receiver) = mpsc::sync_channel(100_000);
        network.set_tap(Box::new(Recorder(sender)));
        let hosts: Vec<Host> = (0..12).map(|_| network.add(Link { up_bits_s: 1_000_000, ..link() })).collect();
        for host in &hosts {
            let mut swarm = swarm(&network, *host);
            for step in [1, 5] {
                swarm.dial(network.public_address(hosts[(host.0 as usize + step) % 12])).unwrap();
            }
            tokio::spawn(async move { while swarm.next().await.is_some() {} });
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
        (receiver.try_iter().collect(), network.bytes_by_protocol())
    })
}

#[test]
fn every_packet_is_shown_to_the_tap_with_its_protocol() {
    let (deliveries, by_protocol) = run(7);
    assert!(deliveries.len() > 1_000);
    assert!(deliveries.iter().any(|line| line.contains("kind: Open, protocol: Some(\"/ipfs/ping/1.0.0\")")));
    assert!(by_protocol["/ipfs/ping/1.0.0"] > 50_000, "{by_protocol:?}");
}

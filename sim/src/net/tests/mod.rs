//! The network driven the way libp2p drives it, in virtual time.

mod faults;
mod links;
mod nats;
mod pure;
mod swarms;

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    time::Duration,
};

use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::{
    Multiaddr, PeerId, Transport,
    core::{
        Endpoint,
        muxing::{StreamMuxer, StreamMuxerBox, SubstreamBox},
        transport::{Boxed, DialOpts, ListenerId, PortUse, TransportEvent},
    },
};
use tokio::time::Instant;

use super::*;
use crate::scenario::{Nat, NatKind};

/// One way, between all hosts of these tests.
const LATENCY_MS: u64 = 30;

pub(super) fn config() -> scenario::Network {
    scenario::Network { latency_ms: vec![vec![LATENCY_MS as f64]], jitter: 0.0, ..scenario::Network::default() }
}

pub(super) fn link() -> Link {
    Link { region: 0, up_bits_s: 0, down_bits_s: 0, loss: 0.0, nat: Nat::default() }
}

pub(super) fn behind(kind: NatKind) -> Link {
    Link { nat: Nat { kind, expires_s: 60 }, ..link() }
}

/// A network that runs.
fn start(config: &scenario::Network) -> Network {
    let network = Network::new(config, 1);
    tokio::spawn(network.clone().run());
    network
}

/// A process on a host, without a swarm.
struct Process {
    host: Host,
    transport: Boxed<(PeerId, StreamMuxerBox)>,
}

impl Process {
    /// Boots a host that listens.
    fn boot(network: &Network, host: Host) -> Self {
        network.power_on(host);
        let mut transport = network.transport(host, PeerId::random());
        transport.listen_on(ListenerId::next(), network.listen_address(host)).unwrap();
        Self { host, transport }
    }

    fn new(network: &Network, link: Link) -> Self {
        Self::boot(network, network.add(link))
    }

    fn dial(&mut self, address: Multiaddr) -> impl Future<Output = std::io::Result<(PeerId, StreamMuxerBox)>> + use<> {
        let options = DialOpts { role: Endpoint::Dialer, port_use: PortUse::Reuse };
        self.transport.dial(address, options).unwrap()
    }

    /// The next connection, and the address from which it came.
    async fn accept(&mut self) -> (StreamMuxerBox, Multiaddr) {
        loop {
            let event = poll_fn(|cx| Pin::new(&mut self.transport).poll(cx)).await;
            if let TransportEvent::Incoming { upgrade, send_back_addr, .. } = event {
                return (upgrade.await.unwrap().1, send_back_addr);
            }
        }
    }
}

/// Connects two processes: the dialer's end, the listener's end.
async fn connect(network: &Network, from: &mut Process, to: &mut Process) -> (StreamMuxerBox, StreamMuxerBox) {
    let dial = from.dial(network.public_address(to.host));
    let (dialed, accepted) = futures::join!(dial, to.accept());
    (dialed.unwrap().1, accepted.0)
}

async fn open(muxer: &mut StreamMuxerBox) -> SubstreamBox {
    poll_fn(|cx| Pin::new(&mut *muxer).poll_outbound(cx)).await.unwrap()
}

async fn incoming(muxer: &mut StreamMuxerBox) -> std::io::Result<SubstreamBox> {
    poll_fn(|cx| Pin::new(&mut *muxer).poll_inbound(cx)).await
}

/// A stream between two connected ends, with one byte said on it.
async fn stream(one: &mut StreamMuxerBox, other: &mut StreamMuxerBox) -> (SubstreamBox, SubstreamBox) {
    let mut opened = open(one).await;
    opened.write_all(b"!").await.unwrap();
    opened.flush().await.unwrap();
    let mut taken = incoming(other).await.unwrap();
    taken.read_exact(&mut [0]).await.unwrap();
    (opened, taken)
}

async fn say(stream: &mut SubstreamBox, bytes: &[u8]) {
    stream.write_all(bytes).await.unwrap();
    stream.flush().await.unwrap();
}

async fn hear(stream: &mut SubstreamBox, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    stream.read_exact(&mut bytes).await.unwrap();
    bytes
}

/// Whether a future is still not ready after a time.
async fn waits(duration: Duration, future: impl Future) -> bool {
    tokio::time::timeout(duration, future).await.is_err()
}

fn ms(since: Instant) -> u64 {
    since.elapsed().as_millis() as u64
}

//! The simulated network, and a libp2p transport over it.
//!
//! Hosts have links, places and perhaps NATs; processes on them listen, dial, and talk in streams. A connection is like one of QUIC:
//! authenticated by construction, with streams of its own, so that neither Noise nor yamux runs on top. All is one state behind
//! one handle, [`Network`]; it does nothing by itself until [`Network::run`] is polled, on a runtime whose clock is paused.
//!
//! | module | what it is |
//! |---|---|
//! | `state`, `arrival`, `process` | the whole network at one instant: what happens by itself, where packets arrive, by processes |
//! | `queue` | what is still to come |
//! | `wire`, `topology`, `link`, `nat`, `address` | the paths between hosts |
//! | `host`, `connection`, `flow`, `packet` | hosts; connections and streams; one direction of a stream; what is sent |
//! | `traffic`, [`tap`](Tap) | what is counted, and who looks on |
//! | `driver`, `transport`, `muxer`, `stream` | the same for tokio and libp2p |
//!
//! What happens to packets:
//!
//! | | effect |
//! |---|---|
//! | latency and jitter | each arrives later; those of one connection in one direction stay in order |
//! | bandwidth | each waits until those before it have passed the sender's link, and then the receiver's |
//! | loss, a full link | sent again later; only the stream it belongs to waits for it |
//! | partition, no power, a NAT that lets nothing in | sent again, ever later, until it passes or an end gives up |
//! | a process that is gone on a machine that is up | answered with a reset |
//!
//! Nothing ends a silent connection here: that is for the ping protocol, as it is over TCP.
//!
//! Tokio's timers know whole milliseconds: things happen at the first one after their time, in the order of their times. One tick
//! is thus the shortest latency.

mod address;
mod arrival;
mod connection;
mod driver;
mod error;
mod flow;
mod host;
mod link;
mod muxer;
mod nat;
mod packet;
mod process;
mod queue;
mod state;
mod stream;
mod tap;
#[cfg(test)]
mod tests;
mod topology;
mod traffic;
mod transport;
mod wire;

use std::{
    collections::BTreeMap,
    net::SocketAddrV4,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use libp2p::{
    Multiaddr, PeerId,
    core::{muxing::StreamMuxerBox, transport::Boxed},
};
use rand_chacha::ChaCha8Rng;
use tokio::time::Instant;

use self::{address::PORT, state::State};
pub use self::{
    error::Error,
    tap::{Delivery, Kind, Tap},
    transport::HostTransports,
};
use crate::scenario;

/// A host: its index in the order in which hosts were added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host(
    /// Counted from 0.
    pub u32,
);

/// How a host is connected to the network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Link {
    /// The index of its region.
    pub region: usize,
    /// Upload in bits a second; 0 is unlimited.
    pub up_bits_s: u64,
    /// Download in bits a second; 0 is unlimited.
    pub down_bits_s: u64,
    /// Share of packets lost on this link in each direction, besides the network's.
    pub loss: f64,
    /// What stands between the host and the others.
    pub nat: scenario::Nat,
}

/// A handle of the network; clones are of the same one.
#[derive(Clone)]
pub struct Network {
    shared: Arc<Shared>,
}

struct Shared {
    start: Instant,
    /// Never contended: all of a simulation runs on one thread. libp2p asks for types that could be sent to others.
    state: Mutex<State>,
}

impl Network {
    /// A network without hosts, whose time begins now. To be made inside the runtime that runs it. The configuration is taken to be
    /// valid: latencies between regions that it lacks are 0.
    pub fn new(config: &scenario::Network, seed: u64) -> Self {
        Self { shared: Arc::new(Shared { start: Instant::now(), state: Mutex::new(State::new(config, seed)) }) }
    }

    /// Adds a host, without power.
    pub fn add(&self, link: Link) -> Host {
        self.with(|state| state.add(&link))
    }

    /// What a node on this host listens on. Behind a NAT it is a private address.
    pub fn listen_address(&self, host: Host) -> Multiaddr {
        let ip = self.with(|state| state.host(host).map(|state| state.own_ip()));
        address::multiaddr(SocketAddrV4::new(ip.unwrap_or(address::public_ip(host)), PORT))
    }

    /// What others see of this host. Behind a NAT, the port is the one that its mapping has now, if there is one for all remotes;
    /// until then the port on which the host listens, at which the NAT lets nothing in.
    pub fn public_address(&self, host: Host) -> Multiaddr {
        let port = self.with(|state| {
            let now_us = state.now_us;
            state.host(host)?.nat.as_ref()?.mapped(now_us, PORT)
        });
        address::multiaddr(SocketAddrV4::new(address::public_ip(host), port.unwrap_or(PORT)))
    }

    /// The transports of the process that begins on this host now: new ones for each boot, after [`Self::power_on`].
    pub fn transports(&self, host: Host) -> HostTransports {
        HostTransports { network: self.clone(), host }
    }

    /// A transport for the process that begins on this host now, known by `peer_id`: a new one for each boot, after
    /// [`Self::power_on`].
    pub fn transport(&self, host: Host, peer_id: PeerId) -> Boxed<(PeerId, StreamMuxerBox)> {
        transport::new(self.clone(), host, peer_id)
    }

    /// The process of this host is gone, before it could say a word: call this first, then drop what it was. Its listener is gone, and its
    /// connections are reset at their other ends. The machine stays up, and refuses dials.
    pub fn kill(&self, host: Host) {
        self.with(|state| state.stop(host, true));
    }

    /// The machine loses power: call this first, then drop what the process was. Nobody is told, and nothing answers.
    pub fn power_off(&self, host: Host) {
        self.with(|state| {
            state.stop(host, false);
            if let Some(state) = state.host(host) {
                state.is_on = false;
            }
        });
    }

    /// The machine has power: to be called before each boot. Packets for processes that are gone are answered with a reset.
    pub fn power_on(&self, host: Host) {
        self.with(|state| {
            if let Some(state) = state.host(host) {
                state.is_on = true;
            }
        });
    }

    /// Lets nothing pass between hosts of different sides any more, in place of any earlier partition. Hosts on no side are on
    /// the first.
    pub fn partition(&self, sides: &[Vec<Host>]) {
        self.with(|state| state.wire.partition(sides));
    }

    /// Lets everything pass again.
    pub fn heal(&self) {
        self.with(|state| state.wire.heal());
    }

    /// Milliseconds that a packet takes from a random host to another, with jitter, without bandwidth and loss.
    pub fn sample_path_ms(&self, rng: &mut ChaCha8Rng) -> f64 {
        self.with(|state| state.sample_path_us(rng)) as f64 / 1_000.0
    }

    /// Bytes that all hosts have sent, with what each packet has besides its data.
    pub fn bytes_sent(&self) -> u64 {
        self.with(|state| state.traffic.total_bytes())
    }

    /// Bytes that one host has sent.
    pub fn bytes_sent_by(&self, host: Host) -> u64 {
        self.with(|state| state.host(host).map_or(0, |state| state.sent_bytes))
    }

    /// Bytes that all hosts have sent, by the protocol of the stream. `connection` is what connections themselves take,
    /// `negotiation` what was sent before a protocol was proposed, `other` what libp2p's negotiation did not begin with.
    pub fn bytes_by_protocol(&self) -> BTreeMap<String, u64> {
        self.with(|state| state.traffic.by_protocol())
    }

    /// Shows all packets that arrive from now on to a tap, in place of any earlier one.
    pub fn set_tap(&self, tap: Box<dyn Tap>) {
        self.with(|state| state.tap = Some(tap));
    }

    /// Lets everything happen at its time. Never ends; to be run as a task, and aborted at the end.
    pub async fn run(self) {
        driver::drive(self).await;
    }

    /// Does something to the state as it is now. Whoever waits for what it did is woken when the state is free again.
    fn with<R>(&self, act: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.lock();
        state.now_us = state.now_us.max(self.now_us());
        let result = act(&mut state);
        if !state.wakes.is_empty() {
            let wakes = std::mem::take(&mut state.wakes);
            drop(state);
            wakes.into_iter().for_each(|waker| waker.wake());
        }
        result
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_us(&self) -> u64 {
        self.shared.start.elapsed().as_micros() as u64
    }

    fn instant(&self, at_us: u64) -> Instant {
        self.shared.start + Duration::from_micros(at_us)
    }
}

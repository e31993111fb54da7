//! The network as a libp2p transport, for one process on one host.
//!
//! | address | to listen | to dial |
//! |---|---|---|
//! | `/ip4/`the host's own`/udp/4001/quic-v1` | yes | |
//! | `/ip4/0.0.0.0/udp/0/quic-v1` | the same | |
//! | `/ip4/…/udp/…/quic-v1`, with or without `/p2p/…` | | yes |
//! | any other | not supported | not supported |

use std::{
    collections::VecDeque,
    future::{Future, Ready, ready},
    net::SocketAddrV4,
    pin::Pin,
    task::{Context, Poll},
};

use libp2p::{
    Multiaddr, PeerId,
    core::{
        muxing::StreamMuxerBox,
        transport::{Boxed, DialOpts, ListenerId, PortUse, Transport, TransportError, TransportEvent},
    },
    identity::Keypair,
};
use node::transport::Transports;

use super::{
    Host, Network,
    address::{self, PORT},
    error::Error,
    muxer::Muxer,
    process::Hold,
};

/// A transport for the process that runs on a host now. It is known by `peer_id` to those whom it dials, and, if it listens, to those
/// who dial it.
pub(super) fn new(network: Network, host: Host, peer_id: PeerId) -> Boxed<(PeerId, StreamMuxerBox)> {
    let process = network.with(|state| state.host(host).map(|state| state.process)).unwrap_or_default();
    let endpoint = Endpoint { network, host, process, peer_id, listener: None, events: VecDeque::new() };
    endpoint.map(|(peer_id, muxer), _| (peer_id, StreamMuxerBox::new(muxer))).boxed()
}

struct Endpoint {
    network: Network,
    host: Host,
    process: u32,
    peer_id: PeerId,
    listener: Option<(ListenerId, Multiaddr)>,
    /// At most the beginning and the end of each listener that was made since the last poll.
    events: VecDeque<TransportEvent<Accepted, Error>>,
}

/// A connection that was taken.
type Accepted = Ready<Result<(PeerId, Muxer), Error>>;

impl Transport for Endpoint {
    type Output = (PeerId, Muxer);
    type Error = Error;
    type ListenerUpgrade = Accepted;
    type Dial = Dial;

    fn listen_on(&mut self, listener_id: ListenerId, address: Multiaddr) -> Result<(), TransportError<Error>> {
        let (host, process) = (self.host, self.process);
        let own = self.network.with(|state| state.runs(host, process).then(|| state.host(host).map(|s| s.own_ip())));
        let own = own.flatten().ok_or(TransportError::Other(Error::Gone))?;
        let is_own = |socket: &SocketAddrV4| {
            (*socket.ip() == own || socket.ip().is_unspecified()) && [0, PORT].contains(&socket.port())
        };
        if address::socket_of(&address).filter(is_own).is_none() {
            return Err(TransportError::MultiaddrNotSupported(address));
        }
        if self.listener.is_some() {
            return Err(TransportError::Other(Error::AlreadyListening));
        }
        self.network.with(|state| {
            let state = state.host(host)?;
            state.is_listening = true;
            state.peer = Some(self.peer_id);
            Some(())
        });
        let listen_addr = address::multiaddr(SocketAddrV4::new(own, PORT));
        self.listener = Some((listener_id, listen_addr.clone()));
        self.events.push_back(TransportEvent::NewAddress { listener_id, listen_addr });
        Ok(())
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        let Some((listener_id, listen_addr)) = self.listener.take_if(|(own, _)| *own == id) else { return false };
        self.stop_listening();
        self.events.push_back(TransportEvent::AddressExpired { listener_id, listen_addr });
        self.events.push_back(TransportEvent::ListenerClosed { listener_id, reason: Ok(()) });
        true
    }

    /// Both roles dial alike: to punch a hole, both hosts dial, and each dial opens its NAT for the other's.
    fn dial(&mut self, address: Multiaddr, options: DialOpts) -> Result<Dial, TransportError<Error>> {
        let remote = address::socket_of(&address).filter(|remote| remote.port() != 0 && !remote.ip().is_unspecified());
        let remote = remote.ok_or(TransportError::MultiaddrNotSupported(address))?;
        let stage = Stage::Planned { remote, reuse: options.port_use == PortUse::Reuse };
        Ok(Dial { network: self.network.clone(), dialer: (self.host, self.process, self.peer_id), stage })
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<TransportEvent<Accepted, Error>> {
        if let Some(event) = self.events.pop_front() {
            return Poll::Ready(event);
        }
        let (host, process) = (self.host, self.process);
        let Some((listener_id, _)) = self.listener else { return Poll::Pending };
        let incoming = self.network.with(|state| state.runs(host, process).then(|| state.poll_accept(host, cx)));
        let Some((hold, peer, [local, remote])) = incoming.flatten() else { return Poll::Pending };
        Poll::Ready(TransportEvent::Incoming {
            listener_id,
            upgrade: ready(Ok((peer, Muxer::new(self.network.clone(), hold)))),
            local_addr: address::multiaddr(local),
            send_back_addr: address::multiaddr(remote),
        })
    }
}

impl Endpoint {
    fn stop_listening(&self) {
        let (host, process) = (self.host, self.process);
        self.network.with(|state| {
            if state.runs(host, process) {
                state.stop_listening(host);
            }
        });
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        if self.listener.is_some() {
            self.stop_listening();
        }
    }
}

/// The transports of the process that runs on a host now.
pub struct HostTransports {
    pub(super) network: Network,
    pub(super) host: Host,
}

impl Transports for HostTransports {
    fn transport(&self, keypair: &Keypair) -> Result<Boxed<(PeerId, StreamMuxerBox)>, node::transport::TransportError> {
        Ok(self.network.transport(self.host, keypair.public().to_peer_id()))
    }
}

/// A dial. It begins when it is first polled; dropping it gives it up.
pub(super) struct Dial {
    network: Network,
    dialer: (Host, u32, PeerId),
    stage: Stage,
}

enum Stage {
    Planned { remote: SocketAddrV4, reuse: bool },
    Begun(Hold),
    Done,
}

impl Future for Dial {
    type Output = Result<(PeerId, Muxer), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Stage::Planned { remote, reuse } = self.stage {
            let dialer = self.dialer;
            let hold = self.network.with(|state| state.dial(dialer, remote, reuse))?;
            self.stage = Stage::Begun(hold);
        }
        let Stage::Begun(hold) = self.stage else { return Poll::Pending };
        let peer = std::task::ready!(self.network.with(|state| state.poll_dial(hold, cx)))?;
        self.stage = Stage::Done;
        Poll::Ready(Ok((peer, Muxer::new(self.network.clone(), hold))))
    }
}

impl Drop for Dial {
    fn drop(&mut self) {
        if let Stage::Begun(hold) = self.stage {
            self.network.with(|state| state.release_end(hold.key, hold.side));
        }
    }
}

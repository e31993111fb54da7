//! How connections are made: which addresses this node understands, and the stack beneath every stream.
//!
//! | address | stack | in a closed network |
//! |---|---|---|
//! | `/ip4/…/tcp/…` | TCP, Noise, yamux | a pre-shared key below Noise |
//! | `/ip4/…/tcp/…/ws` (and `/tls/ws`, to dial) | TCP, WebSocket, Noise, yamux | a pre-shared key below Noise |
//! | `/ip4/…/udp/…/quic-v1` | QUIC (TLS 1.3) | not possible: QUIC has no place for the key |
//!
//! `/ip6`, `/dns`, `/dns4`, `/dns6` stand where `/ip4` does; names can only be dialed. The pre-shared key is libp2p's private
//! network protocol (<https://github.com/libp2p/specs/blob/master/pnet/Private-Networks-PSK-V1.md>).

mod address;

use std::{fmt, io, time::Duration};

pub use address::{AddressError, DialAddress, ListenAddress, default_listen};
use futures::{AsyncRead, AsyncWrite};
use libp2p::{
    PeerId, Transport, core,
    core::{
        muxing::StreamMuxerBox,
        transport::{Boxed, dummy::DummyTransport},
        upgrade::Version,
    },
    dns,
    identity::Keypair,
    noise,
    pnet::{PnetConfig, PreSharedKey},
    quic, tcp, websocket, yamux,
};

/// From the first byte to an authenticated, multiplexed connection. A slow path needs a few round trips of a second; a peer
/// that takes longer holds a place that others need.
const UPGRADE_TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no transport.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The key cannot be used for Noise.
    #[error("the identity key cannot secure connections: {0}")]
    Noise(#[from] noise::Error),
}

/// Makes connections: for the node itself, and for identities that it uses once, so that nobody can tell whose they are.
pub trait Transports: Send + Sync + 'static {
    /// A transport whose connections are made in the name of `keypair`. Those made before stay as they are.
    ///
    /// # Errors
    /// [`TransportError`].
    fn transport(&self, keypair: &Keypair) -> Result<Boxed<(PeerId, StreamMuxerBox)>, TransportError>;
}

/// Connections over the machine's own network: [`network_transport`].
#[derive(Debug, Clone, Copy, Default)]
pub struct NetworkTransports {
    /// The key of a closed network.
    pub network_key: Option<PreSharedKey>,
}

impl Transports for NetworkTransports {
    fn transport(&self, keypair: &Keypair) -> Result<Boxed<(PeerId, StreamMuxerBox)>, TransportError> {
        network_transport(keypair, self.network_key)
    }
}

/// Connections inside one process: [`memory_transport`].
#[derive(Debug, Clone, Copy, Default)]
pub struct MemoryTransports;

impl Transports for MemoryTransports {
    fn transport(&self, keypair: &Keypair) -> Result<Boxed<(PeerId, StreamMuxerBox)>, TransportError> {
        memory_transport(keypair)
    }
}

/// Connections over TCP, WebSocket and QUIC; with a key, over TCP and WebSocket among its holders only.
///
/// # Errors
/// [`TransportError`].
pub fn network_transport(
    keypair: &Keypair,
    network_key: Option<PreSharedKey>,
) -> Result<Boxed<(PeerId, StreamMuxerBox)>, TransportError> {
    build(keypair, network_key, UPGRADE_TIMEOUT)
}

fn build(
    keypair: &Keypair,
    network_key: Option<PreSharedKey>,
    timeout: Duration,
) -> Result<Boxed<(PeerId, StreamMuxerBox)>, TransportError> {
    let tcp = || tcp::tokio::Transport::new(tcp::Config::new().nodelay(true));
    // A name inside a WebSocket address must reach the WebSocket layer for TLS, so that names are resolved beneath it.
    let web = websocket::Config::new(with_names(tcp().boxed()));
    let (web, plain) = match network_key {
        None => {
            let web = secure(web.map_err(NotConnected::new), keypair, timeout)?.map_err(explain).boxed();
            (web, secure(tcp().map_err(NotConnected::new), keypair, timeout)?.map_err(explain).boxed())
        }
        Some(key) => {
            let web = web.and_then(move |socket, _| PnetConfig::new(key).handshake(socket));
            let plain = tcp().and_then(move |socket, _| PnetConfig::new(key).handshake(socket));
            (secure(web, keypair, timeout)?, secure(plain, keypair, timeout)?)
        }
    };
    let streams = web.or_transport(plain).map(|either, _| either.into_inner()).boxed();
    if network_key.is_some() {
        return Ok(with_names(streams));
    }
    let quic = quic::tokio::Transport::new(quic::Config::new(keypair))
        .map(|(peer, connection), _| (peer, StreamMuxerBox::new(connection)));
    Ok(with_names(streams.or_transport(quic).map(|either, _| either.into_inner()).boxed()))
}

/// Connections inside one process, under `/memory/…` addresses, for simulation and tests.
///
/// # Errors
/// [`TransportError`].
pub fn memory_transport(keypair: &Keypair) -> Result<Boxed<(PeerId, StreamMuxerBox)>, TransportError> {
    secure(core::transport::MemoryTransport::new(), keypair, UPGRADE_TIMEOUT)
}

fn secure<T>(
    transport: T,
    keypair: &Keypair,
    timeout: Duration,
) -> Result<Boxed<(PeerId, StreamMuxerBox)>, TransportError>
where
    T: Transport + Send + Unpin + 'static,
    T::Output: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    T::Error: Send + Sync + 'static,
    T::Dial: Send + 'static,
    T::ListenerUpgrade: Send + 'static,
{
    Ok(transport
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(keypair)?)
        .multiplex(yamux::Config::default())
        .timeout(timeout)
        .boxed())
}

/// Lets a transport dial names. On a machine whose resolver configuration cannot be read, it dials addresses only: asking
/// some public resolver instead would be a server that nobody chose.
fn with_names<O: Send + Unpin + 'static>(transport: Boxed<O>) -> Boxed<O> {
    if let Err(error) = dns::tokio::Transport::system(DummyTransport::<()>::new()) {
        tracing::warn!("names in addresses cannot be resolved on this machine: {error}");
        return transport;
    }
    match dns::tokio::Transport::system(transport) {
        Ok(transport) => transport.boxed(),
        Err(_) => DummyTransport::new().boxed(),
    }
}

/// An error from before there was a connection, such as a refused one.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct NotConnected(#[source] BeforeConnection);

/// What was wrong then. In a layer of its own, since some of libp2p's errors hide the outermost layer of what they hold.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct BeforeConnection(Box<dyn std::error::Error + Send + Sync>);

impl NotConnected {
    fn new(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self(BeforeConnection(Box::new(error)))
    }
}

/// A connection that ended while the two sides made themselves known, with the usual reason. From this side, the pre-shared
/// key of the other looks like noise on the line.
#[derive(thiserror::Error)]
#[error("{0} (if its network is closed, this node needs the network key: --network-key)")]
struct NotUnderstood(String);

// The swarm's errors show the errors inside them in this form.
impl fmt::Debug for NotUnderstood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Says what may be behind an error, unless the connection was never made.
fn explain(error: io::Error) -> io::Error {
    let mut cause: &(dyn std::error::Error + 'static) = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    // With nothing beneath it, the error is that of a timeout, which most often means that nobody is there.
    if cause.is::<BeforeConnection>() || cause.is::<io::Error>() {
        return error;
    }
    io::Error::other(NotUnderstood(cause.to_string()))
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;
    use libp2p::{Multiaddr, Swarm, ping, swarm::SwarmEvent};

    use super::*;

    type TestSwarm = Swarm<ping::Behaviour>;

    fn swarm(key: Option<PreSharedKey>) -> TestSwarm {
        let keypair = Keypair::generate_ed25519();
        // A node without the key may wait for an answer that never makes sense.
        let transport = build(&keypair, key, Duration::from_secs(2)).unwrap();
        let config = libp2p::swarm::Config::with_tokio_executor();
        Swarm::new(transport, ping::Behaviour::default(), keypair.public().to_peer_id(), config)
    }

    /// Listens with one key, dials with the other, and tells how that went for the one that dials.
    async fn connect(listen: &str, keys: [Option<PreSharedKey>; 2]) -> Result<(), String> {
        let [mut server, mut client] = keys.map(swarm);
        server.listen_on(listen.parse().unwrap()).unwrap();
        let mut established = 0;
        loop {
            let event = tokio::select! {
                event = server.select_next_some() => event,
                event = client.select_next_some() => event,
            };
            match event {
                SwarmEvent::NewListenAddr { address, .. } => client.dial(address).unwrap(),
                SwarmEvent::ConnectionEstablished { .. } => established += 1,
                SwarmEvent::Behaviour(ping::Event { result: Ok(_), .. }) if established == 2 => return Ok(()),
                SwarmEvent::OutgoingConnectionError { error, .. } => return Err(format!("{error:?}")),
                SwarmEvent::ConnectionClosed { cause, .. } => return Err(format!("{cause:?}")),
                _ => {}
            }
        }
    }

    #[tokio::test]
    async fn nodes_connect_over_every_transport() {
        for listen in ["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/tcp/0/ws", "/ip4/127.0.0.1/udp/0/quic-v1"] {
            assert_eq!(connect(listen, [None, None]).await, Ok(()), "{listen}");
        }
    }

    #[tokio::test]
    async fn only_holders_of_the_network_key_connect() {
        let (key, other) = (PreSharedKey::new([1; 32]), PreSharedKey::new([2; 32]));
        for listen in ["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/tcp/0/ws"] {
            assert_eq!(connect(listen, [Some(key), Some(key)]).await, Ok(()), "{listen}");
            let strangers = [[Some(key), Some(other)], [Some(key), None], [None, Some(key)]];
            let outcomes = futures::future::join_all(strangers.map(|keys| connect(listen, keys))).await;
            assert!(outcomes.iter().all(Result::is_err), "{listen} {outcomes:?}");
        }
    }

    #[tokio::test]
    async fn a_stranger_to_a_closed_network_is_told_what_may_be_missing_and_a_refused_one_is_not() {
        let key = PreSharedKey::new([1; 32]);
        let error = connect("/ip4/127.0.0.1/tcp/0", [Some(key), None]).await.unwrap_err();
        assert!(error.contains("--network-key"), "{error}");
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut client = swarm(None);
        client.dial(format!("/ip4/127.0.0.1/tcp/{}", closed.port()).parse::<Multiaddr>().unwrap()).unwrap();
        let error = loop {
            if let SwarmEvent::OutgoingConnectionError { error, .. } = client.select_next_some().await {
                break format!("{error:?}");
            }
        };
        assert!(error.contains("refused") && !error.contains("--network-key"), "{error}");
    }
}

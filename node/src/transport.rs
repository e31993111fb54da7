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

use std::{fmt, io, str::FromStr, time::Duration};

use futures::{AsyncRead, AsyncWrite};
use libp2p::{
    Multiaddr, PeerId, Transport, core,
    core::{
        muxing::StreamMuxerBox,
        transport::{Boxed, dummy::DummyTransport},
        upgrade::Version,
    },
    dns,
    identity::Keypair,
    multiaddr::{self, Protocol},
    noise,
    pnet::{PnetConfig, PreSharedKey},
    quic, tcp, websocket, yamux,
};
use serde::Deserialize;

/// From the first byte to an authenticated, multiplexed connection. A slow path needs a few round trips of a second; a peer
/// that takes longer holds a place that others need.
const UPGRADE_TIMEOUT: Duration = Duration::from_secs(10);

/// What a node listens on when nothing is asked for: any free port, TCP and QUIC.
const DEFAULT_LISTEN: [(&str, bool); 2] = [("/ip4/0.0.0.0", false), ("/ip6/::", true)];

/// Text that is no address for this node. The user's to mend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// A part that multiaddrs do not have.
    #[error("'{part}' in '{text}' is not a part of any multiaddr; {EXAMPLE}")]
    UnknownPart {
        /// Which.
        part: String,
        /// The whole text.
        text: String,
    },
    /// A part whose value is missing or wrong.
    #[error("'{text}' is not a multiaddr ({reason}); {EXAMPLE}")]
    Malformed {
        /// The whole text.
        text: String,
        /// Why.
        reason: String,
    },
    /// A multiaddr with a part that this node cannot use there.
    #[error("'{part}' in '{text}' is not supported here; {EXAMPLE}")]
    Unsupported {
        /// Which.
        part: String,
        /// The whole text.
        text: String,
    },
    /// A multiaddr that ends too early.
    #[error("'{text}' is not a whole address: it names no port to connect to; {EXAMPLE}")]
    Incomplete {
        /// The whole text.
        text: String,
    },
}

const EXAMPLE: &str = "addresses look like /ip4/192.0.2.1/tcp/4001 or /ip4/192.0.2.1/udp/4001/quic-v1";

/// The address of another node.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct DialAddress(
    /// The checked address.
    pub Multiaddr,
);

/// An address to listen on.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ListenAddress(
    /// The checked address.
    pub Multiaddr,
);

impl ListenAddress {
    /// Whether it is a QUIC address, on which a closed network is impossible.
    pub fn is_quic(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Protocol::QuicV1))
    }
}

impl FromStr for DialAddress {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        parse(text, true).map(Self)
    }
}

impl FromStr for ListenAddress {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        parse(text, false).map(Self)
    }
}

impl TryFrom<String> for DialAddress {
    type Error = AddressError;
    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl TryFrom<String> for ListenAddress {
    type Error = AddressError;
    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

fn parse(text: &str, dial: bool) -> Result<Multiaddr, AddressError> {
    let text = text.trim();
    let malformed = |reason: String| AddressError::Malformed { text: text.into(), reason };
    let address: Multiaddr = text.parse().map_err(|error| match error {
        multiaddr::Error::UnknownProtocolString(part) => AddressError::UnknownPart { part, text: text.into() },
        multiaddr::Error::InvalidMultiaddr => malformed("it has to start with '/'".into()),
        multiaddr::Error::InvalidProtocolString => malformed("a part lacks its value".into()),
        other => malformed(other.to_string()),
    })?;
    check(&address, dial).map_err(|part| match part {
        Some(part) => AddressError::Unsupported { part: part.tag().into(), text: text.into() },
        None => AddressError::Incomplete { text: text.into() },
    })?;
    Ok(address)
}

/// Checks that an address is one of the shapes in the module's table; the error is the first part that does not fit, or
/// nothing when parts are missing.
fn check(address: &Multiaddr, dial: bool) -> Result<(), Option<Protocol<'_>>> {
    let mut parts = address.iter().peekable();
    match parts.next() {
        Some(Protocol::Ip4(_) | Protocol::Ip6(_)) => {}
        Some(Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_)) if dial => {}
        Some(Protocol::Dnsaddr(_)) if dial => {
            parts.next_if(|part| matches!(part, Protocol::P2p(_)));
            return parts.next().map_or(Ok(()), |part| Err(Some(part)));
        }
        other => return Err(other),
    }
    match parts.next() {
        Some(Protocol::Tcp(_)) => {
            if dial {
                parts.next_if(|part| matches!(part, Protocol::Tls));
            }
            parts.next_if(|part| matches!(part, Protocol::Ws(_)) || dial && matches!(part, Protocol::Wss(_)));
        }
        Some(Protocol::Udp(_)) => match parts.next() {
            Some(Protocol::QuicV1) => {}
            other => return Err(other),
        },
        other => return Err(other),
    }
    if dial {
        parts.next_if(|part| matches!(part, Protocol::P2p(_)));
    }
    parts.next().map_or(Ok(()), |part| Err(Some(part)))
}

/// What to listen on by default: any free port, over TCP and (unless the network is closed) QUIC, on IPv4 and, where the
/// machine has it, IPv6.
pub fn default_listen(closed_network: bool) -> Vec<Multiaddr> {
    let has_ipv6 = std::net::TcpListener::bind("[::]:0").is_ok();
    let mut addresses = Vec::new();
    for (host, needs_ipv6) in DEFAULT_LISTEN {
        if needs_ipv6 && !has_ipv6 {
            continue;
        }
        let host: Multiaddr = match host.parse() {
            Ok(host) => host,
            Err(_) => continue,
        };
        if !closed_network {
            addresses.push(host.clone().with(Protocol::Udp(0)).with(Protocol::QuicV1));
        }
        addresses.push(host.with(Protocol::Tcp(0)));
    }
    addresses
}

/// Why there is no transport.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The key cannot be used for Noise.
    #[error("the identity key cannot secure connections: {0}")]
    Noise(#[from] noise::Error),
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
            let web = secure(web, keypair, timeout)?.map_err(explain).boxed();
            (web, secure(tcp(), keypair, timeout)?.map_err(explain).boxed())
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

/// A connection that ended while the two sides made themselves known, with the usual reason. From this side, the pre-shared
/// key of the other looks like noise on the line.
#[derive(thiserror::Error)]
#[error("{0} (if its network is closed, --network-key is needed)")]
struct NotUnderstood(String);

// The swarm's errors show the errors inside them in this form.
impl fmt::Debug for NotUnderstood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Says what may be behind an error, unless the connection was never made.
fn explain(error: io::Error) -> io::Error {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let mut cause: &(dyn std::error::Error + 'static) = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let was_connected = cause
        .downcast_ref::<io::Error>()
        .is_none_or(|error| matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof));
    if was_connected { io::Error::other(NotUnderstood(cause.to_string())) } else { error }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;
    use libp2p::{Swarm, ping, swarm::SwarmEvent};

    use super::*;

    #[test]
    fn every_shape_of_the_table_can_be_dialed() {
        for text in [
            "/ip4/192.0.2.1/tcp/4001",
            "/ip6/::1/tcp/4001/ws",
            "/dns/example.org/tcp/443/tls/ws",
            "/dns4/example.org/tcp/443/wss",
            "/ip4/192.0.2.1/udp/4001/quic-v1",
            "/dnsaddr/example.org",
        ] {
            let with_peer = format!("{text}/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN");
            for text in [text, &with_peer] {
                assert!(text.parse::<DialAddress>().is_ok(), "{text}");
            }
        }
    }

    #[test]
    fn an_unknown_part_is_named() {
        let error = "/ip4/192.0.2.1/tpc/4001".parse::<DialAddress>().unwrap_err();
        assert!(matches!(&error, AddressError::UnknownPart { part, .. } if part == "tpc"), "{error}");
        assert!(error.to_string().contains("'tpc'") && error.to_string().contains("/tcp/4001"));
    }

    #[test]
    fn what_cannot_be_used_is_told_apart_from_what_is_missing() {
        let part = |text: &str| match text.parse::<DialAddress>() {
            Err(AddressError::Unsupported { part, .. }) => part,
            other => format!("{other:?}"),
        };
        assert_eq!(part("/ip4/192.0.2.1/sctp/1"), "sctp");
        assert_eq!(part("/ip4/192.0.2.1/udp/1/quic"), "quic");
        assert_eq!(part("/ip4/192.0.2.1/tcp/1/ws/ws"), "ws");
        assert_eq!(part("/memory/1"), "memory");
        assert!(matches!("".parse::<DialAddress>(), Err(AddressError::Incomplete { .. })));
        assert!(matches!("/ip4/192.0.2.1".parse::<DialAddress>(), Err(AddressError::Incomplete { .. })));
        assert!(matches!("/ip4/192.0.2.1/udp/1".parse::<DialAddress>(), Err(AddressError::Incomplete { .. })));
        for text in ["192.0.2.1:4001", "/ip4/192.0.2.300/tcp/1", "/ip4/192.0.2.1/tcp"] {
            assert!(matches!(text.parse::<DialAddress>(), Err(AddressError::Malformed { .. })), "{text:?}");
        }
        assert!("/dns/example.org/tcp/1".parse::<ListenAddress>().is_err());
        assert!("/ip4/0.0.0.0/tcp/1/wss".parse::<ListenAddress>().is_err());
    }

    #[test]
    fn a_closed_network_has_no_quic_by_default() {
        let quic = |closed| {
            default_listen(closed).into_iter().filter(|address| ListenAddress(address.clone()).is_quic()).count()
        };
        assert_eq!(quic(true), 0);
        assert!(quic(false) >= 1);
        assert!(!default_listen(true).is_empty());
    }

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

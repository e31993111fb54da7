//! Addresses, checked when they are read: what this node cannot dial or listen on is the user's mistake, and is named.

use std::str::FromStr;

use libp2p::{
    Multiaddr,
    multiaddr::{self, Protocol},
};
use serde::Deserialize;

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

#[cfg(test)]
mod tests {
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
}

//! Addresses of hosts: which IP address a host has, and which host an IP address belongs to.
//!
//! | | without NAT | behind a NAT |
//! |---|---|---|
//! | public | 32.b.c.1 | 32.b.c.1, the NAT's |
//! | its own | the same | 10.b.c.2, which means nothing to others |
//!
//! Hosts that were added one after the other lie in different /16 networks, since nodes may distrust neighbours.

use std::net::{Ipv4Addr, SocketAddrV4};

use libp2p::{Multiaddr, multiaddr::Protocol};

use super::Host;

/// The port on which every host listens.
pub(super) const PORT: u16 = 4_001;
/// The first byte of the first public address.
const PUBLIC: u32 = 32;
/// How many hosts there can be: above that, public addresses would be multicast ones.
pub(super) const MAX_HOSTS: u32 = (224 - PUBLIC) << 16;

/// The public address of a host or of its NAT.
pub(super) fn public_ip(host: Host) -> Ipv4Addr {
    let [_, high, middle, low] = host.0.to_be_bytes();
    Ipv4Addr::new((PUBLIC as u8).wrapping_add(high), low, middle, 1)
}

/// The address of a host in the network behind its NAT.
pub(super) fn private_ip(host: Host) -> Ipv4Addr {
    let [_, _, middle, low] = host.0.to_be_bytes();
    Ipv4Addr::new(10, low, middle, 2)
}

/// The host whose public address this is, if it has that form. Whether there is such a host is another matter.
pub(super) fn host_of(ip: Ipv4Addr) -> Option<Host> {
    let [first, low, middle, last] = ip.octets();
    let high = u32::from(first).checked_sub(PUBLIC)?;
    let host = (high << 16) | (u32::from(middle) << 8) | u32::from(low);
    (last == 1 && host < MAX_HOSTS).then_some(Host(host))
}

/// What stands in an address of the form `/ip4/…/udp/…/quic-v1`, with or without `/p2p/…`.
pub(super) fn socket_of(address: &Multiaddr) -> Option<SocketAddrV4> {
    let mut parts = address.iter();
    let (Protocol::Ip4(ip), Protocol::Udp(port), Protocol::QuicV1) = (parts.next()?, parts.next()?, parts.next()?)
    else {
        return None;
    };
    match (parts.next(), parts.next()) {
        (None | Some(Protocol::P2p(_)), None) => Some(SocketAddrV4::new(ip, port)),
        _ => None,
    }
}

/// The address of a socket.
pub(super) fn multiaddr(socket: SocketAddrV4) -> Multiaddr {
    Multiaddr::empty().with(Protocol::Ip4(*socket.ip())).with(Protocol::Udp(socket.port())).with(Protocol::QuicV1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_is_found_by_its_public_address() {
        for host in [0, 1, 255, 256, 70_000, MAX_HOSTS - 1].map(Host) {
            assert_eq!(host_of(public_ip(host)), Some(host));
            assert!(!public_ip(host).is_multicast());
        }
        assert_eq!(host_of(Ipv4Addr::new(10, 0, 0, 2)), None);
        assert_eq!(host_of(Ipv4Addr::new(32, 0, 0, 2)), None);
        assert_eq!(host_of(Ipv4Addr::new(230, 0, 0, 1)), None);
    }

    #[test]
    fn only_quic_addresses_are_understood() {
        let socket = SocketAddrV4::new(Ipv4Addr::new(32, 1, 0, 1), PORT);
        assert_eq!(socket_of(&multiaddr(socket)), Some(socket));
        let peer = "/ip4/32.1.0.1/udp/4001/quic-v1/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";
        assert_eq!(socket_of(&peer.parse().unwrap()), Some(socket));
        for other in ["/ip4/32.1.0.1/tcp/4001", "/ip4/32.1.0.1/udp/4001", "/ip6/::1/udp/1/quic-v1", "/memory/1"] {
            assert_eq!(socket_of(&other.parse().unwrap()), None, "{other}");
        }
        let circuit = format!("{peer}/p2p-circuit");
        assert_eq!(socket_of(&circuit.parse().unwrap()), None);
    }
}

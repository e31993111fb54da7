//! Network address translators, by RFC 4787: which public port stands for what (mapping), and who may use it from outside
//! (filtering).
//!
//! | kind | a mapping for each | lets in |
//! |---|---|---|
//! | full cone | port of the host | everybody |
//! | address-restricted | port of the host | addresses that it was used for |
//! | port-restricted | port of the host | addresses and ports that it was used for |
//! | symmetric | port of the host and remote address and port | that address and port |
//! | blocked | connection | that connection |
//!
//! A mapping, and the permission of each remote, end some time after the last packet in either direction (every packet is
//! acknowledged, so that it counts as one outwards). What is sent later makes a new mapping with another port; connections go on
//! over it, as QUIC does (RFC 9000, section 9). Ports are random: nothing can be concluded from the host's own.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddrV4},
};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::scenario::NatKind;

/// Public ports that are given out.
const PORTS: std::ops::Range<u16> = 20_000..60_000;
/// Mappings at a time. Whoever needs one more is not served until one has ended.
const MAX_MAPPINGS: usize = 8_192;
/// Remotes that one mapping remembers. Another one takes the place of whoever was silent for the longest.
const MAX_CONTACTS: usize = 4_096;

/// One translator, with one host behind it.
pub(super) struct Translator {
    kind: NatKind,
    expires_us: u64,
    ip: Ipv4Addr,
    /// By public port.
    mappings: BTreeMap<u16, Mapping>,
    /// The public port of each flow.
    ports: BTreeMap<Flow, u16>,
}

/// What a mapping is for: a port of the host, and the remote if each has its own.
type Flow = (u16, Option<SocketAddrV4>);

struct Mapping {
    flow: Flow,
    used_us: u64,
    /// When each remote was last sent to or heard of.
    contacts: BTreeMap<SocketAddrV4, u64>,
}

impl Translator {
    pub fn new(kind: NatKind, expires_s: u64, ip: Ipv4Addr) -> Self {
        let expires_us = expires_s.saturating_mul(1_000_000);
        Self { kind, expires_us, ip, mappings: BTreeMap::new(), ports: BTreeMap::new() }
    }

    /// Whether each connection needs a port of its own on the host, so that it gets a mapping of its own.
    pub fn is_per_connection(&self) -> bool {
        self.kind == NatKind::Blocked
    }

    /// The public port that stands for a port of the host now, if it is the same for all remotes.
    pub fn mapped(&self, now_us: u64, local_port: u16) -> Option<u16> {
        let port = *self.ports.get(&(local_port, None))?;
        self.mappings.get(&port).filter(|mapping| self.is_live(now_us, mapping.used_us)).map(|_| port)
    }

    /// The address that a remote sees when it is sent to. `None` if all mappings are taken.
    pub fn outbound(
        &mut self,
        now_us: u64,
        local_port: u16,
        remote: SocketAddrV4,
        random: &mut ChaCha8Rng,
    ) -> Option<SocketAddrV4> {
        let flow = match self.kind {
            NatKind::Symmetric | NatKind::Blocked => (local_port, Some(remote)),
            _ => (local_port, None),
        };
        let port = match self.ports.get(&flow).copied() {
            Some(port) if self.mappings.get(&port).is_some_and(|mapping| self.is_live(now_us, mapping.used_us)) => port,
            _ => self.map(now_us, flow, random)?,
        };
        let mapping = self.mappings.get_mut(&port)?;
        mapping.used_us = now_us;
        // Whom a full cone was used for makes no difference to it.
        if self.kind != NatKind::FullCone {
            mapping.meet(now_us, remote);
        }
        Some(SocketAddrV4::new(self.ip, port))
    }

    /// The port of the host for which a packet to a public port is, if it is let in. `opens` is whether it asks for a
    /// connection.
    pub fn inbound(&mut self, now_us: u64, port: u16, source: SocketAddrV4, opens: bool) -> Option<u16> {
        let expires_us = self.expires_us;
        let is_live = |used_us: &u64| now_us.saturating_sub(*used_us) <= expires_us;
        let mapping = self.mappings.get_mut(&port).filter(|mapping| is_live(&mapping.used_us))?;
        let admitted = match self.kind {
            NatKind::None | NatKind::FullCone => true,
            NatKind::AddressRestricted => {
                let all = SocketAddrV4::new(*source.ip(), 0)..=SocketAddrV4::new(*source.ip(), u16::MAX);
                mapping.contacts.range(all).any(|(_, used_us)| is_live(used_us))
            }
            NatKind::PortRestricted | NatKind::Symmetric => mapping.contacts.get(&source).is_some_and(is_live),
            NatKind::Blocked => !opens && mapping.contacts.get(&source).is_some_and(is_live),
        };
        if !admitted {
            return None;
        }
        mapping.used_us = now_us;
        if let Some(used_us) = mapping.contacts.get_mut(&source) {
            *used_us = now_us;
        }
        Some(mapping.flow.0)
    }

    fn is_live(&self, now_us: u64, used_us: u64) -> bool {
        now_us.saturating_sub(used_us) <= self.expires_us
    }

    /// Gives a flow a public port that no other has.
    fn map(&mut self, now_us: u64, flow: Flow, random: &mut ChaCha8Rng) -> Option<u16> {
        if let Some(port) = self.ports.remove(&flow) {
            self.mappings.remove(&port);
        }
        if self.mappings.len() >= MAX_MAPPINGS {
            let expires_us = self.expires_us;
            self.mappings.retain(|_, mapping| now_us.saturating_sub(mapping.used_us) <= expires_us);
            self.ports.retain(|_, port| self.mappings.contains_key(port));
        }
        if self.mappings.len() >= MAX_MAPPINGS {
            return None;
        }
        let port = loop {
            let port = random.random_range(PORTS);
            if !self.mappings.contains_key(&port) {
                break port;
            }
        };
        self.ports.insert(flow, port);
        self.mappings.insert(port, Mapping { flow, used_us: now_us, contacts: BTreeMap::new() });
        Some(port)
    }
}

impl Mapping {
    fn meet(&mut self, now_us: u64, remote: SocketAddrV4) {
        if let Some(used_us) = self.contacts.get_mut(&remote) {
            *used_us = now_us;
            return;
        }
        if self.contacts.len() >= MAX_CONTACTS
            && let Some(oldest) = self.contacts.iter().min_by_key(|(_, used_us)| **used_us).map(|(remote, _)| *remote)
        {
            self.contacts.remove(&oldest);
        }
        self.contacts.insert(remote, now_us);
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    const SECOND_US: u64 = 1_000_000;

    fn remote(last: u8, port: u16) -> SocketAddrV4 {
        SocketAddrV4::new(Ipv4Addr::new(32, 9, 9, last), port)
    }

    fn translator(kind: NatKind) -> (Translator, ChaCha8Rng) {
        (Translator::new(kind, 120, Ipv4Addr::new(32, 0, 0, 1)), ChaCha8Rng::seed_from_u64(1))
    }

    #[test]
    fn each_kind_lets_in_whom_it_should() {
        use NatKind::{AddressRestricted, Blocked, FullCone, PortRestricted, Symmetric};
        for (kind, expected) in [
            (FullCone, [true, true, true]),
            (AddressRestricted, [true, true, false]),
            (PortRestricted, [true, false, false]),
            (Symmetric, [true, false, false]),
            (Blocked, [true, false, false]),
        ] {
            let (mut nat, mut random) = translator(kind);
            let visible = nat.outbound(0, 4_001, remote(1, 80), &mut random).unwrap();
            let sources = [remote(1, 80), remote(1, 81), remote(2, 80)];
            let mut admits = |opens| sources.map(|source| nat.inbound(1, visible.port(), source, opens) == Some(4_001));
            assert_eq!(admits(false), expected, "{kind:?}");
            assert_eq!(admits(true), if kind == Blocked { [false; 3] } else { expected }, "{kind:?}");
            assert_eq!(nat.inbound(1, visible.port() ^ 1, remote(1, 80), false), None);
        }
    }

    #[test]
    fn only_kinds_with_endpoint_independent_mapping_keep_the_port_for_another_remote() {
        for (kind, same) in [(NatKind::PortRestricted, true), (NatKind::Symmetric, false)] {
            let (mut nat, mut random) = translator(kind);
            let visible = [1, 2].map(|last| nat.outbound(0, 4_001, remote(last, 80), &mut random));
            assert_eq!(visible[0] == visible[1], same);
            assert_eq!(nat.outbound(0, 4_001, remote(1, 80), &mut random), visible[0]);
            assert_ne!(nat.outbound(0, 4_002, remote(1, 80), &mut random), visible[0]);
        }
    }

    #[test]
    fn mappings_and_permissions_end_without_traffic() {
        let (mut nat, mut random) = translator(NatKind::PortRestricted);
        let visible = nat.outbound(0, 4_001, remote(1, 80), &mut random).unwrap();
        nat.outbound(100 * SECOND_US, 4_001, remote(2, 80), &mut random);
        let port = visible.port();
        assert_eq!(nat.inbound(121 * SECOND_US, port, remote(1, 80), false), None);
        assert_eq!(nat.inbound(220 * SECOND_US, port, remote(2, 80), false), Some(4_001));
        assert_eq!(nat.mapped(340 * SECOND_US, 4_001), Some(port));
        assert_eq!(nat.mapped(341 * SECOND_US, 4_001), None);
        assert_eq!(nat.inbound(341 * SECOND_US, port, remote(2, 80), false), None);
        let renewed = nat.outbound(341 * SECOND_US, 4_001, remote(2, 80), &mut random).unwrap();
        assert_ne!(renewed.port(), port);
    }

    #[test]
    fn a_full_table_serves_nobody_new_until_mappings_have_ended() {
        let (mut nat, mut random) = translator(NatKind::Symmetric);
        for port in 0..MAX_MAPPINGS as u16 {
            assert!(nat.outbound(0, 4_001, remote(1, port), &mut random).is_some());
        }
        assert_eq!(nat.outbound(SECOND_US, 4_001, remote(2, 1), &mut random), None);
        assert!(nat.outbound(SECOND_US, 4_001, remote(1, 1), &mut random).is_some());
        assert!(nat.outbound(121 * SECOND_US, 4_001, remote(2, 1), &mut random).is_some());
        assert_eq!((nat.mappings.len(), nat.ports.len()), (2, 2));
    }

    #[test]
    fn a_mapping_remembers_only_so_many_remotes() {
        let (mut nat, mut random) = translator(NatKind::PortRestricted);
        let mut visible = None;
        for number in 0..=MAX_CONTACTS as u16 {
            visible = nat.outbound(u64::from(number), 4_001, remote(1, number), &mut random);
        }
        let port = visible.unwrap().port();
        assert_eq!(nat.inbound(5_000, port, remote(1, 0), false), None);
        assert_eq!(nat.inbound(5_000, port, remote(1, 1), false), Some(4_001));
    }
}

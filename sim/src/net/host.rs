//! A host and the program that runs on it, as the network knows them.

use std::{collections::VecDeque, net::Ipv4Addr, task::Waker};

use libp2p::PeerId;

use super::{
    Host, Link,
    address::{self, PORT},
    connection::Key,
    link::Pipe,
    nat::Translator,
};
use crate::scenario::NatKind;

/// Connections that wait for a busy process to take them. Further dials are not answered until it has.
pub(super) const MAX_BACKLOG: usize = 1_024;
/// Where the ports begin that a host gives to connections that do not use the port on which it listens.
const FIRST_PORT: u16 = 49_152;

/// A host.
pub(super) struct HostState {
    pub site: Site,
    pub up: Pipe,
    pub down: Pipe,
    pub nat: Option<Box<Translator>>,
    /// Whether the machine has power.
    pub is_on: bool,
    /// How many processes have ended here: whatever belongs to an earlier one has no effect.
    pub process: u32,
    /// Who the process is.
    pub peer: Option<PeerId>,
    pub is_listening: bool,
    /// New connections that the process has not taken.
    pub incoming: VecDeque<Key>,
    /// The transport, waiting for connections.
    pub waker: Option<Waker>,
    /// Connections with a live end here.
    pub connections: Vec<Key>,
    pub sent_bytes: u64,
    next_port: u16,
}

/// Where a host is, and how good its link.
#[derive(Clone, Copy)]
pub(super) struct Site {
    pub host: Host,
    pub region: usize,
    pub loss: f64,
}

impl HostState {
    pub fn new(host: Host, link: &Link) -> Self {
        let translator = || Translator::new(link.nat.kind, link.nat.expires_s, address::public_ip(host));
        Self {
            site: Site { host, region: link.region, loss: link.loss },
            up: Pipe::new(link.up_bits_s),
            down: Pipe::new(link.down_bits_s),
            nat: (link.nat.kind != NatKind::None).then(|| Box::new(translator())),
            is_on: false,
            process: 0,
            peer: None,
            is_listening: false,
            incoming: VecDeque::new(),
            waker: None,
            connections: Vec::new(),
            sent_bytes: 0,
            next_port: FIRST_PORT,
        }
    }

    /// The address that the host itself knows: a private one behind a NAT.
    pub fn own_ip(&self) -> Ipv4Addr {
        let ip = if self.nat.is_some() { address::private_ip } else { address::public_ip };
        ip(self.site.host)
    }

    /// The port from which a connection is dialed: the one on which the host listens if it may be used again, as that is the
    /// one that NATs map for others, else a fresh one.
    pub fn dial_port(&mut self, reuse: bool) -> u16 {
        if reuse && self.is_listening && self.nat.as_ref().is_none_or(|nat| !nat.is_per_connection()) {
            return PORT;
        }
        let port = self.next_port;
        self.next_port = port.checked_add(1).unwrap_or(FIRST_PORT);
        port
    }

    /// The process ends: its listener is gone, and nothing that it still holds has any effect. Returns the connections that it
    /// had not taken.
    pub fn end_process(&mut self) -> VecDeque<Key> {
        self.process = self.process.wrapping_add(1);
        self.waker = None;
        self.stop_listening()
    }

    /// The listener is gone. Returns the connections that the process had not taken.
    pub fn stop_listening(&mut self) -> VecDeque<Key> {
        self.is_listening = false;
        std::mem::take(&mut self.incoming)
    }
}

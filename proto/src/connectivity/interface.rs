//! What the machine is told and what it says. Multiaddrs are text here; whoever drives the machine has checked them.

use libp2p_identity::PeerId;

/// Who named a peer's address. The order is that of trust: an address named by a better source is dialed first and kept longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The user.
    Bootstrap,
    /// The peer itself, over a connection.
    Identify,
    /// The local network.
    Mdns,
    /// The store: it was connected before.
    Remembered,
    /// Other peers.
    Kademlia,
}

/// Why a connection is worth keeping. [`Reason::User`] lasts until it is taken back, the others end with the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// It relays for us, or we for it.
    Relay,
    /// The user wants it.
    User,
    /// We exchange direct messages with it, or it keeps ours.
    Direct,
    /// It gives us blocks of files, or we serve it some.
    Transfer,
    /// The peer shares a room with us. The weakest: in a large room that is true of everyone.
    Room,
}

/// What is dialed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// A known peer.
    Peer(PeerId),
    /// Whoever answers at a bootstrap address that names no peer.
    Address(String),
}

/// Something that concerns connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The user names an address to join through, without a peer id. With one, it is [`Input::Discovered`].
    Bootstrap(String),
    /// The store knows a peer.
    Remembered {
        /// Who.
        peer: PeerId,
        /// Where.
        addresses: Vec<String>,
        /// When it was last connected, wall-clock milliseconds.
        last_seen_ms: u64,
    },
    /// A peer's addresses were learned.
    Discovered {
        /// Who.
        peer: PeerId,
        /// Where.
        addresses: Vec<String>,
        /// From whom.
        source: Source,
    },
    /// A connection was made. To be told of every one, not only of the first to a peer.
    Connected {
        /// Who.
        peer: PeerId,
        /// The remote address; of an outbound connection, as it was dialed.
        address: String,
        /// Whether we dialed.
        outbound: bool,
    },
    /// The last connection to a peer ended.
    Disconnected {
        /// Who.
        peer: PeerId,
        /// Whether it fell silent, rather than closing the connection: something lies between us, and may go away again.
        silent: bool,
    },
    /// A dial came to nothing.
    DialFailed {
        /// What was dialed.
        target: Target,
        /// Whether trying again is no use: another peer answered, or no transport takes the addresses.
        permanent: bool,
    },
    /// A peer is worth keeping.
    Protect {
        /// Who.
        peer: PeerId,
        /// Why.
        reason: Reason,
    },
    /// It no longer is, for this reason.
    Unprotect {
        /// Who.
        peer: PeerId,
        /// Why it was.
        reason: Reason,
    },
    /// A peer is to be kept out.
    Ban(PeerId),
    /// It may come back.
    Unban(PeerId),
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Dial; answered by [`Input::Connected`] or [`Input::DialFailed`].
    Dial {
        /// Whom.
        target: Target,
        /// Where, best first.
        addresses: Vec<String>,
    },
    /// Close all connections to a peer.
    Disconnect(PeerId),
    /// Write down a peer, or write it down anew.
    Remember {
        /// Who.
        peer: PeerId,
        /// Where, best first.
        addresses: Vec<String>,
        /// Wall-clock milliseconds when it was connected.
        last_seen_ms: u64,
    },
    /// Strike a peer from the store.
    Forget(PeerId),
    /// Look for more peers.
    WantPeers,
}

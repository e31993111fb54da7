//! What goes into the reservations and what comes out of them.

use libp2p_identity::PeerId;

/// On whose word a peer is a relay: the best comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Word {
    /// The user named it.
    User,
    /// It says so itself, over a connection with us.
    Its,
    /// Somebody else says so: Kademlia, or what was remembered.
    Hearsay,
}

/// Why a reservation did not come about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// It has no room for another.
    Full,
    /// It does not let us.
    Refused,
    /// It cannot be reached.
    Unreachable,
    /// It is no relay.
    NotOne,
}

/// What happens to reservations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// Others cannot reach us directly, as far as we know; or they can.
    Wanted {
        /// Whether reservations are wanted.
        wanted: bool,
    },
    /// A peer is a relay.
    Found {
        /// Which.
        relay: PeerId,
        /// Who says so.
        word: Word,
        /// Where on the internet it is ([`crate::connectivity::neighbourhood`]).
        neighbourhood: u64,
    },
    /// It is one no more, as it says itself.
    NotOne {
        /// Which.
        relay: PeerId,
    },
    /// It gave us a reservation.
    Accepted {
        /// Which.
        relay: PeerId,
    },
    /// It did not.
    Failed {
        /// Which.
        relay: PeerId,
        /// Why.
        why: Failure,
    },
    /// A reservation that was held ended: the connection broke, or it was not renewed.
    Lost {
        /// Whose.
        relay: PeerId,
    },
}

/// What reservations want done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Connect to a relay, and ask it for a reservation.
    Reserve {
        /// Which.
        relay: PeerId,
    },
    /// Ask for it no more, or give it back.
    LetGo {
        /// Whose.
        relay: PeerId,
    },
    /// Others reach us through it from now on: tell them.
    Held {
        /// Through whom.
        relay: PeerId,
    },
    /// Not any more.
    NotHeld {
        /// Through whom.
        relay: PeerId,
    },
    /// Look for relays, and say [`Input::Found`].
    FindRelays,
}

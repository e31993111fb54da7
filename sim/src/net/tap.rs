//! Whoever wants to see every packet that arrives: the trace's hash, and tests.

use super::Host;

/// Sees every packet that arrives.
pub trait Tap: Send {
    /// Called for each, in order, while the network is locked: it must not call the network.
    fn delivered(&mut self, delivery: &Delivery<'_>);
}

/// A packet that arrived.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    /// Microseconds of virtual time since the network began.
    pub at_us: u64,
    /// Who sent it.
    pub from: Host,
    /// Who got it.
    pub to: Host,
    /// The number of the connection, counted over the whole network from 1.
    pub connection: u64,
    /// The number of the stream, counted in its connection from 1; 0 if it is about the connection.
    pub stream: u64,
    /// What it is.
    pub kind: Kind,
    /// What is spoken on the stream, once it is known.
    pub protocol: Option<&'a str>,
    /// The data.
    pub bytes: &'a [u8],
}

/// What a packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Asks for a connection.
    Dial,
    /// Gives it.
    Accept,
    /// Says that nobody listens.
    Refuse,
    /// The first data of a stream, from the one who opened it.
    Open,
    /// More data of a stream.
    Data,
    /// The last of a stream in this direction, with or without data.
    End,
    /// Says that no more of a stream will be read.
    Stop,
    /// Says that much of a stream was read, so that more may come.
    Credit,
    /// Ends a connection on purpose.
    Close,
    /// Says that a connection does not exist (any more).
    Reset,
}

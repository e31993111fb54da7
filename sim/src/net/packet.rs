//! What hosts send to each other.

use super::{
    connection::{Connection, DIALER, Key, LISTENER, Life},
    flow::Segment,
    tap::Kind,
};

/// Bytes of a dial: QUIC fills the first packet up (RFC 9000, section 14.1).
const DIAL_BYTES: usize = 1_200;
/// Bytes of the answer: the listener's share of a TLS handshake, with its certificate.
const ACCEPT_BYTES: usize = 1_500;
/// Bytes of what says one thing about a connection or a stream.
const NOTICE_BYTES: usize = 16;

/// One packet, or several that carry the bytes of one segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Packet {
    pub connection: Key,
    /// The end to which it goes.
    pub to: usize,
    pub load: Load,
    /// How often it was lost.
    pub attempt: u8,
}

/// What it carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Load {
    Dial,
    Accept,
    Refuse,
    Close,
    Reset,
    Segment { stream: u32, number: u32 },
    Credit { stream: u32, bytes: u32 },
    Stop { stream: u32 },
}

impl Packet {
    pub fn new(connection: Key, to: usize, load: Load) -> Self {
        Self { connection, to, load, attempt: 0 }
    }

    /// The end that sends it.
    pub fn from(&self) -> usize {
        1 - self.to
    }

    /// The next attempt.
    pub fn again(self) -> Self {
        Self { attempt: self.attempt.saturating_add(1), ..self }
    }

    /// Whether there is still a reason to send it.
    pub fn is_wanted(&self, connection: &Connection) -> bool {
        let life = connection.ends[self.from()].life;
        match self.load {
            Load::Dial => life == Life::Dialing,
            Load::Accept => life == Life::Open,
            Load::Refuse | Load::Close | Load::Reset => true,
            Load::Segment { .. } => life == Life::Open && self.segment(connection).is_some(),
            Load::Credit { stream, .. } | Load::Stop { stream } => {
                life == Life::Open && connection.stream(stream).is_some()
            }
        }
    }

    /// How many bytes of data it carries.
    pub fn bytes(&self, connection: &Connection) -> usize {
        match self.load {
            Load::Dial => DIAL_BYTES,
            Load::Accept => ACCEPT_BYTES,
            Load::Segment { .. } => self.segment(connection).map_or(0, |segment| segment.bytes.len()),
            _ => NOTICE_BYTES,
        }
    }

    /// The segment that it carries, unless that has arrived.
    fn segment<'a>(&self, connection: &'a Connection) -> Option<&'a Segment> {
        let Load::Segment { stream, number } = self.load else { return None };
        connection.stream(stream)?.flows[self.from()].segment(number)
    }
}

impl Load {
    /// Whether it is sent until it arrives. What is said about a connection that the sender has forgotten is said once.
    pub fn is_reliable(self) -> bool {
        !matches!(self, Self::Refuse | Self::Close | Self::Reset)
    }

    /// The stream that it is about.
    pub fn stream(self) -> Option<u32> {
        match self {
            Self::Segment { stream, .. } | Self::Credit { stream, .. } | Self::Stop { stream } => Some(stream),
            _ => None,
        }
    }

    /// What it is called, if it is no data.
    pub fn notice(self) -> Option<Kind> {
        match self {
            Self::Dial => Some(Kind::Dial),
            Self::Accept => Some(Kind::Accept),
            Self::Refuse => Some(Kind::Refuse),
            Self::Close => Some(Kind::Close),
            Self::Reset => Some(Kind::Reset),
            Self::Credit { .. } => Some(Kind::Credit),
            Self::Stop { .. } => Some(Kind::Stop),
            Self::Segment { .. } => None,
        }
    }
}

impl Key {
    /// The first packet of a connection.
    pub fn dial(self) -> Packet {
        Packet::new(self, LISTENER, Load::Dial)
    }

    /// The answer to it.
    pub fn answer(self, load: Load) -> Packet {
        Packet::new(self, DIALER, load)
    }
}

//! Connections and their streams: what both ends know, in one place.
//!
//! | an end is | from | until |
//! |---|---|---|
//! | unborn | the other dials | the dial arrives; the dialer's own end skips this |
//! | dialing | its process dials | the answer comes, or the dial's time is up |
//! | open | the answer, or for the listener the dial, has come | either process ends it, or goes |
//! | over | | nobody holds the connection or a stream of it any more; then it is forgotten |

use std::{collections::VecDeque, net::SocketAddrV4, task::Waker};

use libp2p::PeerId;

use super::{Host, error::Error, flow::Flow, traffic::Negotiation};

/// The end of a connection that dialed.
pub(super) const DIALER: usize = 0;
/// The end of a connection that was dialed.
pub(super) const LISTENER: usize = 1;
/// Streams that each end may have opened at a time, as libp2p's QUIC transport has it. The next one waits until one is gone.
pub(super) const MAX_STREAMS: usize = 256;

/// Names a connection for as long as it is remembered, and nothing afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    index: u32,
    generation: u32,
}

/// Both ends of a connection.
pub(super) struct Connection {
    /// Counted over the whole network.
    pub number: u64,
    /// Who dialed: the identity that the other end sees.
    pub dialer: PeerId,
    pub ends: [End; 2],
    /// By number.
    #[expect(clippy::vec_box, reason = "streams come and go at any place, and the room for four more would be 2 KiB")]
    streams: Vec<Box<StreamState>>,
    next_stream: u32,
}

/// One end of a connection.
pub(super) struct End {
    pub host: Host,
    /// The host's port, before any NAT.
    pub local_port: u16,
    /// The address that others see.
    pub visible: SocketAddrV4,
    /// Where packets go.
    pub remote: SocketAddrV4,
    pub life: Life,
    /// The connection's and its streams' handles that this end's process holds.
    pub handles: u32,
    /// When the latest of the packets that it sent arrives: a path does not change their order.
    pub last_arrival_us: u64,
    /// Streams that the other end opened and that the process has not taken.
    pub incoming: VecDeque<u32>,
    /// Who waits for a stream, for the dial's answer, or for the end.
    pub waker: Option<Waker>,
}

/// What an end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    Unborn,
    Dialing,
    Open,
    Over(Error),
}

/// A stream.
pub(super) struct StreamState {
    /// Counted in its connection.
    pub number: u32,
    pub opener: usize,
    /// By the end that writes.
    pub flows: [Flow; 2],
    pub negotiation: Negotiation,
    /// Which ends' processes have let it go.
    pub released: [bool; 2],
}

impl Life {
    /// Whether its process still uses the end.
    pub fn is_live(self) -> bool {
        matches!(self, Self::Dialing | Self::Open)
    }
}

impl End {
    pub fn new(host: Host, local_port: u16, visible: SocketAddrV4, remote: SocketAddrV4, life: Life) -> Self {
        Self {
            host,
            local_port,
            visible,
            remote,
            life,
            handles: 0,
            last_arrival_us: 0,
            incoming: VecDeque::new(),
            waker: None,
        }
    }

    /// Why nothing more can be done with this end, if that is so.
    pub fn check(&self) -> Result<(), Error> {
        match self.life {
            Life::Over(error) => Err(error),
            _ => Ok(()),
        }
    }
}

impl Connection {
    /// Opens a stream, unless that end has opened too many already.
    pub fn open(&mut self, side: usize) -> Option<u32> {
        if self.streams.iter().filter(|stream| stream.opener == side).count() >= MAX_STREAMS {
            return None;
        }
        self.next_stream += 1;
        let number = self.next_stream;
        let (flows, negotiation) = (Default::default(), Negotiation::new());
        self.streams.push(Box::new(StreamState { number, opener: side, flows, negotiation, released: [false; 2] }));
        self.ends[side].handles += 1;
        Some(number)
    }

    /// A stream by its number.
    pub fn stream(&self, number: u32) -> Option<&StreamState> {
        let index = self.streams.binary_search_by_key(&number, |stream| stream.number).ok()?;
        self.streams.get(index).map(|stream| &**stream)
    }

    /// A stream by its number.
    pub fn stream_mut(&mut self, number: u32) -> Option<&mut StreamState> {
        let index = self.streams.binary_search_by_key(&number, |stream| stream.number).ok()?;
        self.streams.get_mut(index).map(|stream| &mut **stream)
    }

    /// Forgets a stream if both ends have let it go. Whoever waited for room for another is woken.
    pub fn retire(&mut self, number: u32, wakes: &mut Vec<Waker>) {
        let Ok(index) = self.streams.binary_search_by_key(&number, |stream| stream.number) else { return };
        if self.streams[index].released == [true; 2] {
            let opener = self.streams.remove(index).opener;
            wakes.extend(self.ends[opener].waker.take());
        }
    }

    /// Ends one end, and wakes all of its process that waits.
    pub fn end(&mut self, side: usize, error: Error, wakes: &mut Vec<Waker>) {
        let end = &mut self.ends[side];
        if !end.life.is_live() {
            return;
        }
        end.life = Life::Over(error);
        wakes.extend(end.waker.take());
        for stream in &mut self.streams {
            wakes.extend(stream.flows[side].writer.take());
            wakes.extend(stream.flows[1 - side].reader.take());
        }
    }

    /// Whether no process has to do with it any more.
    pub fn is_forgotten(&self) -> bool {
        self.ends.iter().all(|end| end.handles == 0 && !end.life.is_live())
    }
}

/// All connections of the network.
#[derive(Default)]
pub(super) struct Connections {
    slots: Vec<Slot>,
    free: Vec<u32>,
    count: u64,
}

struct Slot {
    generation: u32,
    connection: Option<Box<Connection>>,
}

impl Connections {
    pub fn add(&mut self, ends: [End; 2], dialer: PeerId) -> Key {
        self.count += 1;
        let connection =
            Some(Box::new(Connection { number: self.count, dialer, ends, streams: Vec::new(), next_stream: 0 }));
        if let Some(index) = self.free.pop()
            && let Some(slot) = self.slots.get_mut(index as usize)
        {
            slot.connection = connection;
            return Key { index, generation: slot.generation };
        }
        self.slots.push(Slot { generation: 0, connection });
        Key { index: self.slots.len() as u32 - 1, generation: 0 }
    }

    pub fn get(&self, key: Key) -> Option<&Connection> {
        let slot = self.slots.get(key.index as usize).filter(|slot| slot.generation == key.generation)?;
        slot.connection.as_deref()
    }

    pub fn get_mut(&mut self, key: Key) -> Option<&mut Connection> {
        let slot = self.slots.get_mut(key.index as usize).filter(|slot| slot.generation == key.generation)?;
        slot.connection.as_deref_mut()
    }

    /// Whether none is remembered.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.slots.iter().all(|slot| slot.connection.is_none())
    }

    pub fn remove(&mut self, key: Key) {
        if let Some(slot) = self.slots.get_mut(key.index as usize).filter(|slot| slot.generation == key.generation) {
            slot.connection = None;
            slot.generation = slot.generation.wrapping_add(1);
            self.free.push(key.index);
        }
    }
}

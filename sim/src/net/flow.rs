//! One direction of a stream: bytes that one host writes and the other reads, complete and in order, whatever the network does.
//!
//! | bytes are | until | where |
//! |---|---|---|
//! | pending | the writer flushes, or there are [`SEGMENT_BYTES`] | one buffer |
//! | in flight, as segments | they and all before them have arrived | where the writer put them: nothing is copied |
//! | unread | the reader takes them | the same segments |
//!
//! All of them together are at most [`WINDOW_BYTES`]; then the writer waits until it hears that half of that was read, as in QUIC
//! (RFC 9000, section 4).

use std::{collections::VecDeque, task::Waker};

/// The most bytes that are written and not known to be read. A stream over a path of 100 ms there and back thus carries
/// 2.5 MB/s; libp2p's yamux starts with the same.
pub(super) const WINDOW_BYTES: usize = 256 * 1024;
/// The most bytes that are sent as one event. Larger ones would make slow links pass them in lumps.
pub(super) const SEGMENT_BYTES: usize = 16 * 1024;

/// One direction of a stream.
#[derive(Default)]
pub(super) struct Flow {
    pending: Vec<u8>,
    in_flight: VecDeque<Segment>,
    /// The number of the first segment in flight.
    first: u32,
    unread: VecDeque<Vec<u8>>,
    /// How much of the first unread segment was read.
    offset: usize,
    /// Bytes that the writer wrote and does not know to be read.
    outstanding: usize,
    /// Bytes that were read and that the writer was not told of.
    uncredited: usize,
    /// Who waits for room.
    pub writer: Option<Waker>,
    /// Who waits for bytes.
    pub reader: Option<Waker>,
    /// The writer has said that there is no more.
    pub finished: bool,
    /// The reader has heard that there is no more.
    pub ended: bool,
    /// The writer has heard that nobody reads.
    pub stopped: bool,
    /// Nobody reads.
    pub abandoned: bool,
}

/// Bytes that travel together.
pub(super) struct Segment {
    pub bytes: Vec<u8>,
    /// Nothing follows.
    pub last: bool,
    arrived: bool,
}

/// What came of reading.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// So many bytes.
    Bytes(usize),
    /// There are none now.
    Empty,
    /// There are no more.
    End,
}

impl Flow {
    /// Takes as many bytes as there is room for.
    pub fn write(&mut self, bytes: &[u8]) -> usize {
        let room = (WINDOW_BYTES - self.outstanding.min(WINDOW_BYTES)).min(SEGMENT_BYTES - self.pending.len());
        let taken = &bytes[..room.min(bytes.len())];
        if self.pending.is_empty() {
            // Most messages are written at once: exactly their room is allocated.
            self.pending = taken.to_vec();
        } else {
            self.pending.extend_from_slice(taken);
        }
        self.outstanding += taken.len();
        taken.len()
    }

    /// Whether what is pending should go out though nobody flushed.
    pub fn is_full(&self) -> bool {
        self.pending.len() >= SEGMENT_BYTES || self.outstanding >= WINDOW_BYTES
    }

    /// Makes a segment of what is pending, if anything is, and returns its number.
    pub fn flush(&mut self) -> Option<u32> {
        (!self.pending.is_empty()).then(|| self.push(false))
    }

    /// Makes the last segment, unless that was done, and returns its number.
    pub fn finish(&mut self) -> Option<u32> {
        if self.finished {
            return None;
        }
        self.finished = true;
        Some(self.push(true))
    }

    fn push(&mut self, last: bool) -> u32 {
        self.in_flight.push_back(Segment { bytes: std::mem::take(&mut self.pending), last, arrived: false });
        self.first.wrapping_add(self.in_flight.len() as u32 - 1)
    }

    /// A segment that has not arrived.
    pub fn segment(&self, number: u32) -> Option<&Segment> {
        self.in_flight.get(number.wrapping_sub(self.first) as usize).filter(|segment| !segment.arrived)
    }

    /// Notes that a segment has arrived. Those that nothing precedes any more can then be [released](Self::release).
    pub fn arrive(&mut self, number: u32) {
        if let Some(segment) = self.in_flight.get_mut(number.wrapping_sub(self.first) as usize) {
            segment.arrived = true;
        }
    }

    /// The next segment in order, if it has arrived, with its number. It is to be given to [`Self::receive`].
    pub fn release(&mut self) -> Option<(u32, Segment)> {
        self.in_flight.front().filter(|segment| segment.arrived)?;
        let number = self.first;
        self.first = number.wrapping_add(1);
        self.in_flight.pop_front().map(|segment| (number, segment))
    }

    /// Lets the reader have a segment.
    pub fn receive(&mut self, segment: Segment) {
        self.ended |= segment.last;
        if !self.abandoned && !segment.bytes.is_empty() {
            self.unread.push_back(segment.bytes);
        }
    }

    /// Reads as much as there is and as fits.
    pub fn read(&mut self, buffer: &mut [u8]) -> Read {
        let mut read = 0;
        while read < buffer.len() {
            let Some(bytes) = self.unread.front() else { break };
            let part = &bytes[self.offset..];
            let count = part.len().min(buffer.len() - read);
            buffer[read..read + count].copy_from_slice(&part[..count]);
            read += count;
            self.offset += count;
            if self.offset == bytes.len() {
                self.unread.pop_front();
                self.offset = 0;
            }
        }
        if self.unread.is_empty() {
            self.unread = VecDeque::new();
        }
        self.uncredited += read;
        match read {
            0 if self.ended && self.unread.is_empty() => Read::End,
            0 if !buffer.is_empty() => Read::Empty,
            _ => Read::Bytes(read),
        }
    }

    /// How many bytes the writer should be told were read, if that is due.
    pub fn credit(&mut self) -> Option<u32> {
        let due = self.uncredited >= WINDOW_BYTES / 2 && !self.ended;
        due.then(|| std::mem::take(&mut self.uncredited) as u32)
    }

    /// The writer hears that so many bytes were read.
    pub fn credited(&mut self, bytes: u32) {
        self.outstanding = self.outstanding.saturating_sub(bytes as usize);
    }

    /// Nobody will read any more: what waits is forgotten. Returns whether the writer should be told.
    pub fn abandon(&mut self) -> bool {
        self.abandoned = true;
        self.unread = VecDeque::new();
        !self.ended && !self.finished
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deliver(flow: &mut Flow, number: u32) {
        flow.arrive(number);
        while let Some((_, segment)) = flow.release() {
            flow.receive(segment);
        }
    }

    #[test]
    fn segments_are_read_in_order_whatever_order_they_arrive_in() {
        let mut flow = Flow::default();
        let mut numbers = Vec::new();
        for bytes in [b"ab", b"cd", b"ef"] {
            assert_eq!(flow.write(bytes), 2);
            numbers.extend(flow.flush());
        }
        numbers.extend(flow.finish());
        let mut buffer = [0; 4];
        deliver(&mut flow, numbers[1]);
        deliver(&mut flow, numbers[3]);
        assert_eq!(flow.read(&mut buffer), Read::Empty);
        assert!(flow.segment(numbers[1]).is_none() && flow.segment(numbers[0]).is_some());
        deliver(&mut flow, numbers[0]);
        assert_eq!((flow.read(&mut buffer), &buffer), (Read::Bytes(4), b"abcd"));
        assert_eq!(flow.read(&mut buffer), Read::Empty);
        deliver(&mut flow, numbers[2]);
        assert_eq!((flow.read(&mut buffer), &buffer[..2]), (Read::Bytes(2), &b"ef"[..]));
        assert_eq!(flow.read(&mut buffer), Read::End);
    }

    #[test]
    fn a_writer_gets_no_further_than_the_window_until_half_of_it_was_read() {
        let mut flow = Flow::default();
        let (mut written, mut numbers) = (0, Vec::new());
        loop {
            match flow.write(&[1; 10_000]) {
                0 if flow.flush().map(|number| numbers.push(number)).is_none() => break,
                count => written += count,
            }
            if flow.is_full() {
                numbers.extend(flow.flush());
            }
        }
        assert_eq!(written, WINDOW_BYTES);
        numbers.into_iter().for_each(|number| deliver(&mut flow, number));
        let mut buffer = vec![0; WINDOW_BYTES / 2 - 1];
        flow.read(&mut buffer);
        assert_eq!(flow.credit(), None);
        flow.read(&mut buffer[..1]);
        let credit = flow.credit().unwrap();
        assert_eq!(credit as usize, WINDOW_BYTES / 2);
        assert_eq!(flow.write(b"x"), 0);
        flow.credited(credit);
        assert_eq!(flow.write(b"x"), 1);
    }
}

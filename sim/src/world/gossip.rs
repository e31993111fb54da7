//! Counts the copies of gossip messages on the wire, by reading it: how often a host got each one.
//!
//! gossipsub frames are protocol-buffer messages behind a length, in which field 2 holds the messages published
//! (<https://github.com/libp2p/specs/tree/master/pubsub>). Frames may be cut anywhere, so that a stream's beginning of a frame is kept
//! until the rest comes.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use crate::net::Host;

/// Streams of this protocol, in any version.
pub const PROTOCOL: &str = "/meshsub/";

/// Bytes of a frame that are kept until it is complete; above what a node accepts. A longer one ends the counting on its stream.
const MAX_FRAME_BYTES: usize = 1 << 20;

/// Messages whose receivers are remembered: those published within some minutes. Older ones make room, all at once.
const MAX_REMEMBERED: usize = 200_000;

/// One direction of a stream.
type Direction = (u64, u64, Host);

/// The count.
#[derive(Default)]
pub struct Copies {
    /// Beginnings of frames. Never iterated.
    partial: HashMap<Direction, Vec<u8>>,
    /// By hash of a message, one bit for each host that has it. Never iterated.
    receivers: HashMap<u64, Vec<u64>>,
    first: u64,
    further: u64,
}

impl Copies {
    /// Bytes of a gossip stream reached a host.
    pub fn delivered(&mut self, connection: u64, stream: u64, to: Host, bytes: &[u8]) {
        let direction = (connection, stream, to);
        let Some(mut before) = self.partial.remove(&direction) else {
            let rest = self.frames(to, bytes);
            return self.keep(direction, rest.to_vec());
        };
        before.extend_from_slice(bytes);
        let rest = self.frames(to, &before).to_vec();
        self.keep(direction, rest);
    }

    /// First copies and further ones since this was last asked.
    pub fn take(&mut self) -> (u64, u64) {
        (std::mem::take(&mut self.first), std::mem::take(&mut self.further))
    }

    fn keep(&mut self, direction: Direction, rest: Vec<u8>) {
        if !rest.is_empty() && rest.len() <= MAX_FRAME_BYTES {
            self.partial.insert(direction, rest);
        }
    }

    /// Counts all complete frames, and returns what is left.
    fn frames<'a>(&mut self, to: Host, mut bytes: &'a [u8]) -> &'a [u8] {
        while let Some((frame, rest)) = delimited(bytes) {
            self.frame(to, frame);
            bytes = rest;
        }
        bytes
    }

    fn frame(&mut self, to: Host, mut frame: &[u8]) {
        const LENGTH_DELIMITED: u64 = 2;
        const PUBLISH: u64 = 2;
        // gossipsub's own fields are all length-delimited; at anything else there is nothing more to be read.
        while let Some((tag, rest)) = varint(frame).filter(|(tag, _)| tag & 7 == LENGTH_DELIMITED) {
            let Some((field, rest)) = delimited(rest) else { return };
            if tag >> 3 == PUBLISH {
                self.count(to, field);
            }
            frame = rest;
        }
    }

    fn count(&mut self, to: Host, message: &[u8]) {
        let mut hasher = DefaultHasher::new();
        message.hash(&mut hasher);
        if self.receivers.len() >= MAX_REMEMBERED {
            self.receivers.clear();
        }
        let receivers = self.receivers.entry(hasher.finish()).or_default();
        let (word, bit) = (to.0 as usize / 64, to.0 % 64);
        if receivers.len() <= word {
            receivers.resize(word + 1, 0);
        }
        if receivers[word] & (1 << bit) == 0 {
            receivers[word] |= 1 << bit;
            self.first += 1;
        } else {
            self.further += 1;
        }
    }
}

/// A number in protocol buffers' variable length, and what follows.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (index, byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (7 * index).min(63);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[index + 1..]));
        }
    }
    None
}

/// Bytes behind their length, and what follows.
fn delimited(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = varint(bytes)?;
    rest.split_at_checked(usize::try_from(length).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame with messages published, and something else before them.
    fn frame(messages: &[&[u8]]) -> Vec<u8> {
        let mut body = vec![0x0a, 2, 9, 9];
        for message in messages {
            body.extend([0x12, message.len() as u8]);
            body.extend(*message);
        }
        let mut frame = vec![body.len() as u8];
        frame.extend(body);
        frame
    }

    #[test]
    fn further_copies_are_told_from_first_ones_for_each_host() {
        let mut copies = Copies::default();
        copies.delivered(1, 0, Host(70), &frame(&[b"one", b"two"]));
        copies.delivered(2, 0, Host(70), &frame(&[b"two"]));
        copies.delivered(3, 0, Host(5), &frame(&[b"two"]));
        assert_eq!(copies.take(), (3, 1));
        assert_eq!(copies.take(), (0, 0));
    }

    #[test]
    fn frames_cut_anywhere_are_counted_once() {
        let mut bytes = frame(&[b"one", b"two"]);
        bytes.extend(frame(&[b"three"]));
        for cut in 0..bytes.len() {
            let mut copies = Copies::default();
            copies.delivered(1, 0, Host(0), &bytes[..cut]);
            copies.delivered(1, 0, Host(0), &bytes[cut..]);
            assert_eq!(copies.take(), (3, 0), "cut at {cut}");
        }
    }
}

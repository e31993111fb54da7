//! How many bytes were sent, and for which protocol.
//!
//! Streams do not say what is spoken on them, but libp2p agrees on it in the open: whoever opened the stream proposes a protocol in
//! a line of text (multistream-select), the other repeats it or says `na`, after which another may be proposed. What is proposed
//! is counted for from then on, as libp2p often sends the first data along with the proposal.

use std::collections::BTreeMap;

/// A protocol in [`Traffic`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Protocol(u16);

/// Before a protocol is proposed.
pub(super) const NEGOTIATION: Protocol = Protocol(0);
/// Setting up and ending connections.
pub(super) const CONNECTION: Protocol = Protocol(1);
/// Streams on which something else than a proposal was said first, and protocols above [`MAX_PROTOCOLS`].
const OTHER: Protocol = Protocol(2);
/// Protocols that are counted for. Hostile hosts might invent any number.
const MAX_PROTOCOLS: usize = 256;
/// The longest name that is kept, well above any in use; streams with longer ones are counted as other.
const MAX_NAME_BYTES: usize = 140;

/// Bytes by protocol.
pub(super) struct Traffic {
    names: Vec<String>,
    ids: BTreeMap<String, Protocol>,
    bytes: Vec<u64>,
    total_bytes: u64,
}

impl Traffic {
    pub fn new() -> Self {
        let names = ["negotiation", "connection", "other"].map(String::from).to_vec();
        Self { bytes: vec![0; names.len()], names, ids: BTreeMap::new(), total_bytes: 0 }
    }

    pub fn count(&mut self, protocol: Protocol, bytes: usize) {
        self.total_bytes += bytes as u64;
        if let Some(sum) = self.bytes.get_mut(usize::from(protocol.0)) {
            *sum += bytes as u64;
        }
    }

    /// The name, if one is known.
    pub fn name(&self, protocol: Protocol) -> Option<&str> {
        if protocol.0 <= OTHER.0 { None } else { self.names.get(usize::from(protocol.0)).map(String::as_str) }
    }

    pub fn total_bytes(&self) -> u64 {
        self.total_bytes
    }

    pub fn by_protocol(&self) -> BTreeMap<String, u64> {
        let counted = self.names.iter().cloned().zip(self.bytes.iter().copied());
        counted.filter(|(_, bytes)| *bytes > 0).collect()
    }

    fn id(&mut self, name: &str) -> Protocol {
        if let Some(id) = self.ids.get(name) {
            return *id;
        }
        if self.names.len() >= MAX_PROTOCOLS || name.len() > MAX_NAME_BYTES {
            return OTHER;
        }
        let id = Protocol(self.names.len() as u16);
        self.names.push(name.into());
        self.bytes.push(0);
        self.ids.insert(name.into(), id);
        id
    }
}

/// What two hosts agree on at the beginning of a stream.
#[derive(Debug, Clone, Copy)]
pub(super) struct Negotiation {
    protocol: Protocol,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// A proposal is to come.
    Open,
    /// A proposal was made and not answered.
    Proposed,
    /// A proposal was taken, or something else is spoken.
    Settled,
}

impl Negotiation {
    pub fn new() -> Self {
        Self { protocol: NEGOTIATION, stage: Stage::Open }
    }

    /// The latest proposal.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Looks at what is sent, by the one who opened the stream or by the other.
    pub fn hear(&mut self, opener: bool, bytes: &[u8], traffic: &mut Traffic) {
        match (self.stage, opener) {
            (Stage::Open, true) => self.hear_proposal(bytes, traffic),
            (Stage::Proposed, false) => self.hear_answer(bytes),
            _ => {}
        }
    }

    fn hear_proposal(&mut self, bytes: &[u8], traffic: &mut Traffic) {
        let mut lines = Lines(bytes);
        match lines.find(|line| !line.starts_with("/multistream/")) {
            Some(name) if name.starts_with('/') => {
                self.protocol = traffic.id(name);
                self.stage = Stage::Proposed;
            }
            Some(_) => {}
            // Nothing but a header, or no lines at all.
            None if lines.0.is_empty() => {}
            None => {
                self.protocol = OTHER;
                self.stage = Stage::Settled;
            }
        }
    }

    fn hear_answer(&mut self, bytes: &[u8]) {
        match Lines(bytes).find(|line| !line.starts_with("/multistream/")) {
            Some("na") => self.stage = Stage::Open,
            Some(_) => self.stage = Stage::Settled,
            None => {}
        }
    }
}

/// Lines of multistream-select: a length of one or two bytes, the text, a line feed. libp2p sends whole ones.
struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let (bytes, rest) = match *self.0 {
            [low, ref rest @ ..] if low < 0x80 => (usize::from(low), rest),
            [low, high, ref rest @ ..] if high < 0x80 => (usize::from(low & 0x7f) | (usize::from(high) << 7), rest),
            _ => return None,
        };
        let (line, rest) = rest.split_at_checked(bytes)?;
        let text = std::str::from_utf8(line.strip_suffix(b"\n")?).ok()?;
        self.0 = rest;
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(lines: &[&str]) -> Vec<u8> {
        lines.iter().flat_map(|line| [&[line.len() as u8 + 1], line.as_bytes(), b"\n"].concat()).collect()
    }

    #[test]
    fn the_protocol_is_known_from_a_proposal_with_data_in_one_write() {
        let (mut traffic, mut negotiation) = (Traffic::new(), Negotiation::new());
        let mut bytes = lines(&["/multistream/1.0.0", "/ping"]);
        bytes.extend([7; 32]);
        negotiation.hear(true, &bytes, &mut traffic);
        assert_eq!(traffic.name(negotiation.protocol()), Some("/ping"));
        negotiation.hear(false, &lines(&["/multistream/1.0.0", "/ping"]), &mut traffic);
        negotiation.hear(true, &lines(&["/not/a/proposal"]), &mut traffic);
        assert_eq!(traffic.name(negotiation.protocol()), Some("/ping"));
    }

    #[test]
    fn a_second_proposal_counts_only_after_the_first_was_refused() {
        let (mut traffic, mut negotiation) = (Traffic::new(), Negotiation::new());
        negotiation.hear(true, &lines(&["/multistream/1.0.0"]), &mut traffic);
        assert_eq!(negotiation.protocol(), NEGOTIATION);
        negotiation.hear(true, &lines(&["/new"]), &mut traffic);
        negotiation.hear(false, &lines(&["/multistream/1.0.0"]), &mut traffic);
        negotiation.hear(true, &lines(&["/data"]), &mut traffic);
        assert_eq!(traffic.name(negotiation.protocol()), Some("/new"));
        negotiation.hear(false, &lines(&["na"]), &mut traffic);
        negotiation.hear(true, &lines(&["/old"]), &mut traffic);
        assert_eq!(traffic.name(negotiation.protocol()), Some("/old"));
    }

    #[test]
    fn what_is_no_proposal_is_counted_as_other() {
        let (mut traffic, mut negotiation) = (Traffic::new(), Negotiation::new());
        negotiation.hear(true, &[0xff; 100], &mut traffic);
        traffic.count(negotiation.protocol(), 100);
        assert_eq!(traffic.by_protocol(), BTreeMap::from([("other".into(), 100)]));
        assert_eq!(traffic.total_bytes(), 100);
    }

    #[test]
    fn invented_protocols_do_not_fill_memory() {
        let mut traffic = Traffic::new();
        for number in 0..10 * MAX_PROTOCOLS {
            traffic.id(&format!("/{number}"));
        }
        assert_eq!(traffic.names.len(), MAX_PROTOCOLS);
        assert_eq!(traffic.id("/one-more"), OTHER);
        assert_eq!(traffic.id("/0"), Protocol(3));
    }
}

//! What was sent and delivered, counted.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    report::measure::{Buckets, Tally},
    trace::Trace,
};

/// Kinds of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Events, by gossip.
    Events,
    /// Announcements, by gossip.
    Announcements,
    /// Questions about logs and their answers.
    Repair,
    /// Questions about presence and their answers.
    Lists,
}

impl Kind {
    const ALL: [Kind; 4] = [Kind::Events, Kind::Announcements, Kind::Repair, Kind::Lists];

    fn name(self) -> &'static str {
        match self {
            Self::Events => "gossip: events",
            Self::Announcements => "gossip: presence",
            Self::Repair => "repair",
            Self::Lists => "presence lists",
        }
    }
}

/// Everything that was sent and delivered.
#[derive(Debug, Default)]
pub struct Traffic {
    /// The hash over the deliveries.
    pub trace: Trace,
    bytes: [u64; 4],
    sent: Buckets<Tally>,
    duplicates: Tally,
    copies: Buckets<Tally>,
    messages: u32,
}

impl Traffic {
    /// A number for a new gossip message.
    pub fn number(&mut self) -> u32 {
        self.messages += 1;
        self.messages - 1
    }

    /// Something is sent.
    pub fn send(&mut self, now_us: u64, kind: Kind, size: u32) {
        self.bytes[kind as usize] += u64::from(size);
        self.sent.at(Duration::from_micros(now_us)).add(f64::from(size));
    }

    /// Something comes.
    pub fn deliver(&mut self, at_us: u64, from: u32, to: u32, kind: Kind, size: u32) {
        let mut record = [0; 21];
        record[..8].copy_from_slice(&at_us.to_le_bytes());
        record[8..12].copy_from_slice(&from.to_le_bytes());
        record[12..16].copy_from_slice(&to.to_le_bytes());
        record[16..20].copy_from_slice(&size.to_le_bytes());
        record[20] = kind as u8;
        self.trace.add(at_us, &record);
    }

    /// A copy of a gossip message came: the first at its host, or a further one.
    pub fn copy(&mut self, now_us: u64, first: bool) {
        // The mean of copies beyond the first is their number by that of the first ones.
        for tally in [&mut self.duplicates, self.copies.at(Duration::from_micros(now_us))] {
            tally.count += u64::from(first);
            tally.sum += f64::from(u8::from(!first));
        }
    }

    /// Bytes by kind.
    pub fn by_protocol(&self) -> BTreeMap<String, u64> {
        Kind::ALL.iter().map(|kind| (kind.name().to_owned(), self.bytes[*kind as usize])).collect()
    }

    /// Bytes sent in all, and by span of time.
    pub fn sent(&self) -> (u64, &Buckets<Tally>) {
        (self.bytes.iter().sum(), &self.sent)
    }

    /// Copies besides the first, on average: in all, and by span of time.
    pub fn duplicates(&self) -> (Option<f64>, &Buckets<Tally>) {
        (self.duplicates.mean(), &self.copies)
    }
}

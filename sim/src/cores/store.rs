//! What all hosts store, kept once.
//!
//! Durable events never change, and honest authors write one history. So a single [`Library`] keeps every event that is durable at
//! anybody's, and a host's own disk, [`Held`], is how far it holds each log. A contradiction between two disks would be a fork of
//! an honest log: [`Library::keep`] tells.
//!
//! One simplification: whoever serves events from here serves each with the signature that its author made, while a real store
//! has only the last one of each run that it was sent.

use std::collections::BTreeMap;

use proto::{
    event::{MAX_HEADER_BYTES, Run, SignedEvent},
    ids::LogKey,
    log::{
        message::{MAX_RESPONSE_EVENTS, MAX_RUNS_BYTES, Want},
        shelf::Position,
    },
};

/// Every event that is durable anywhere. Events and logs are numbered from 0 as they come.
#[derive(Debug, Default)]
pub struct Library {
    keys: BTreeMap<LogKey, u32>,
    logs: Vec<Vec<u32>>,
    events: Vec<SignedEvent>,
}

/// Where an event stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its log's number.
    pub log: u32,
    /// Its position there, from 1.
    pub seq: u32,
    /// Its own number.
    pub number: u32,
}

/// Two disks disagree, or one has a hole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// Another event stands at its place.
    #[error("another event stands at position {0} of that log")]
    Fork(u64),
    /// The event before it is durable nowhere.
    #[error("position {0} of that log was written before the one before it")]
    Hole(u64),
}

impl Library {
    /// Keeps an event that became durable.
    ///
    /// # Errors
    /// When that cannot be.
    pub fn keep(&mut self, signed: &SignedEvent) -> Result<Place, Contradiction> {
        let seq = signed.event.seq;
        let log = *self.keys.entry(signed.event.log_key()).or_insert(self.logs.len() as u32);
        if self.logs.len() <= log as usize {
            self.logs.push(Vec::new());
        }
        let events = &mut self.logs[log as usize];
        let index = seq.checked_sub(1).ok_or(Contradiction::Hole(seq))? as usize;
        let number = match events.get(index) {
            Some(number) if self.events[*number as usize].id != signed.id => return Err(Contradiction::Fork(seq)),
            Some(number) => *number,
            None if index > events.len() => return Err(Contradiction::Hole(seq)),
            None => {
                let number = self.events.len() as u32;
                events.push(number);
                self.events.push(signed.clone());
                number
            }
        };
        Ok(Place { log, seq: seq as u32, number })
    }

    /// Where an event stands; `None` when it is durable nowhere.
    pub fn find(&self, signed: &SignedEvent) -> Option<Place> {
        let log = *self.keys.get(&signed.event.log_key())?;
        let index = usize::try_from(signed.event.seq.checked_sub(1)?).ok()?;
        let number = *self.logs[log as usize].get(index)?;
        Some(Place { log, seq: signed.event.seq as u32, number })
    }

    /// The event at a position of a log.
    pub fn event(&self, log: u32, seq: u32) -> Option<(u32, &SignedEvent)> {
        let number = *self.logs.get(log as usize)?.get(seq.checked_sub(1)? as usize)?;
        Some((number, &self.events[number as usize]))
    }

    /// Where the event with a number stands.
    pub fn place(&self, number: u32) -> Option<Place> {
        self.find(self.events.get(number as usize)?)
    }

    /// How many logs there are.
    pub fn logs(&self) -> usize {
        self.logs.len()
    }

    /// Every log that a disk holds, and how far.
    pub fn positions(&self, held: &Held) -> impl Iterator<Item = (LogKey, Position)> {
        held.logs.iter().filter_map(|(log, seq)| {
            let (_, last) = self.event(*log, *seq)?;
            Some((last.event.log_key(), Position::of(last)))
        })
    }

    /// Every event that a disk holds, with its number, newest of each log first.
    pub fn events<'a>(&'a self, held: &'a Held) -> impl Iterator<Item = (u32, &'a SignedEvent)> {
        held.logs.iter().flat_map(|(log, seq)| (1..=*seq).rev().filter_map(|seq| self.event(*log, seq)))
    }

    /// The answer to a question for ranges, from one disk.
    pub fn runs(&self, held: &Held, wants: &[Want]) -> Vec<Run> {
        let (mut events_left, mut bytes_left) = (MAX_RESPONSE_EVENTS, MAX_RUNS_BYTES);
        let mut runs = Vec::new();
        for want in wants {
            let Some(log) = self.keys.get(&want.key()) else { continue };
            let to = want.to.min(u64::from(held.seq(*log)));
            let mut events = Vec::new();
            for seq in want.from..=to {
                let Some((_, signed)) = self.event(*log, seq as u32) else { break };
                let bytes = signed.event.body.bytes.len() + MAX_HEADER_BYTES;
                if events_left == 0 || bytes > bytes_left {
                    break;
                }
                (events_left, bytes_left) = (events_left - 1, bytes_left - bytes);
                events.push(signed.clone());
            }
            runs.extend(Run::from_events(&events));
        }
        runs
    }
}

/// What one disk holds: of each log everything up to a position.
#[derive(Debug, Clone, Default)]
pub struct Held {
    /// Log and position, sorted by log.
    logs: Vec<(u32, u32)>,
    digest: u64,
}

impl Held {
    /// How far a log is held; 0 when nothing of it is.
    pub fn seq(&self, log: u32) -> u32 {
        self.logs.binary_search_by_key(&log, |(log, _)| *log).map_or(0, |index| self.logs[index].1)
    }

    /// Adds the next event of a log; `false` when it is not the next.
    pub fn add(&mut self, place: Place) -> bool {
        let next = match self.logs.binary_search_by_key(&place.log, |(log, _)| *log) {
            Ok(index) => &mut self.logs[index].1,
            Err(index) => {
                self.logs.insert(index, (place.log, 0));
                &mut self.logs[index].1
            }
        };
        if *next + 1 != place.seq {
            return false;
        }
        *next = place.seq;
        self.digest = self.digest.wrapping_add(mix(u64::from(place.number)));
        true
    }

    /// Equal for disks that hold the same, and for no others that will be seen.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// All logs and how far they are held.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u32)> {
        self.logs.iter().copied()
    }
}

/// Spreads a number over 64 bits (SplitMix64, Steele et al. 2014), so that sums of different sets differ.
fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use proto::{
        Keypair,
        event::{Body, Event},
        hlc::Timestamp,
        ids::{ChannelId, EventId, LogId},
        signature::{Ed25519, Signer},
    };

    use super::*;

    fn chain(count: u64, text: u8) -> Vec<SignedEvent> {
        let signer = Signer::new(Keypair::ed25519_from_bytes([1; 32]).unwrap()).unwrap();
        let mut events: Vec<SignedEvent> = Vec::new();
        for seq in 1..=count {
            let event = Event {
                channel: ChannelId([1; 32]),
                author: signer.author(),
                log: LogId(7),
                seq,
                prev: events.last().map_or(EventId::NONE, |event| event.id),
                hlc: Timestamp::from_ms(seq),
                body: Body { kind: 1, bytes: vec![text; 8] },
            };
            events.push(SignedEvent::create(&signer, event));
        }
        events
    }

    #[test]
    fn two_disks_that_hold_the_same_are_equal_and_serve_only_what_they_hold() {
        let (mut library, mut one, mut other) = (Library::default(), Held::default(), Held::default());
        let events = chain(5, 1);
        let places: Vec<Place> = events.iter().map(|event| library.keep(event).unwrap()).collect();
        assert_eq!(library.keep(&events[2]), Ok(places[2]));
        assert!(places.iter().all(|place| one.add(*place)));
        assert!(other.add(places[0]) && other.add(places[1]) && !other.add(places[3]));
        assert_ne!(one.digest(), other.digest());
        let key = events[0].event.log_key();
        let want = Want { author: key.author, log: key.log, from: 2, to: 9 };
        let served = |held: &Held| -> Vec<SignedEvent> {
            library.runs(held, &[want]).into_iter().flat_map(|run| run.verify(&Ed25519).unwrap()).collect()
        };
        let ids = |events: &[SignedEvent]| events.iter().map(|event| event.id).collect::<Vec<_>>();
        assert_eq!(ids(&served(&one)), ids(&events[1..]));
        assert_eq!(ids(&served(&other)), ids(&events[1..2]));
        assert!(places[2..].iter().all(|place| other.add(*place)));
        assert_eq!(one.digest(), other.digest());
        assert_eq!(library.positions(&one).map(|(_, position)| position.seq).collect::<Vec<_>>(), [5]);
    }

    #[test]
    fn a_fork_and_a_hole_are_found() {
        let mut library = Library::default();
        let (events, others) = (chain(3, 1), chain(2, 2));
        assert_eq!(library.keep(&events[1]), Err(Contradiction::Hole(2)));
        library.keep(&events[0]).unwrap();
        assert_eq!(library.keep(&others[0]), Err(Contradiction::Fork(1)));
        assert_eq!(library.keep(&events[2]), Err(Contradiction::Hole(3)));
    }
}

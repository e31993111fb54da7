//! The book of peers: where they can be reached, how far they are to be trusted with a place in it, and when to dial them.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{Ipv4Addr, Ipv6Addr},
};

use libp2p_identity::PeerId;

use crate::backoff::Backoff;

use super::{MAX_ADDRESS_BYTES, MAX_ADDRESSES, MAX_INBOUND, MAX_PROVEN, MAX_UNTRIED_PER_SOURCE, Reason, Source};

/// Addresses of one report that are looked at.
const MAX_REPORTED: usize = 2 * MAX_ADDRESSES;

/// How well a peer is known. The order is that of worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Grade {
    /// Somebody named it.
    Untried,
    /// It connected to us.
    Inbound,
    /// We reached it.
    Proven,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Address {
    text: String,
    source: Source,
    /// Whether we reached the peer there; these come first and are never crowded out.
    proven: bool,
}

/// A connection to a peer, or several.
#[derive(Debug, Clone, Copy)]
pub(super) struct Link {
    pub since_ms: u64,
    pub outbound: bool,
    pub neighbourhood: Neighbourhood,
    /// When it last brought something new.
    pub useful_ms: Option<u64>,
    /// Whether we asked for it to be closed.
    pub closing: bool,
}

/// Where on the internet an address lies: addresses that one party is likely to hold many of share one. 0 is anywhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Neighbourhood(pub(super) u64);

impl Neighbourhood {
    /// Of a multiaddr: the first 16 bits of an IPv4 address, the first 32 of an IPv6 address.
    pub fn of(address: &str) -> Self {
        let mut parts = address.split('/').skip(1);
        let number = match (parts.next(), parts.next()) {
            (Some("ip4"), Some(ip)) => ip.parse().map(|ip: Ipv4Addr| 1 << 32 | u64::from(ip.to_bits() >> 16)).ok(),
            (Some("ip6"), Some(ip)) => ip.parse().map(|ip: Ipv6Addr| 2 << 32 | (ip.to_bits() >> 96) as u64).ok(),
            _ => None,
        };
        Self(number.unwrap_or_default())
    }
}

/// One peer.
#[derive(Debug)]
pub(super) struct Entry {
    addresses: Vec<Address>,
    /// Who named it first.
    source: Source,
    pub grade: Grade,
    pub bootstrap: bool,
    /// Wall clock: when it was last connected.
    pub last_seen_ms: u64,
    pub link: Option<Link>,
    pub protection: BTreeSet<Reason>,
    /// When its protection last ended.
    pub unprotected_ms: Option<u64>,
    /// Until when it is dialed for its own sake, being one we lost.
    pub favoured_until_ms: u64,
    /// Until when it is dialed in quick succession.
    pub fast_until_ms: u64,
    pub backoff: Backoff,
    pub next_dial_ms: u64,
    /// Until when it is not let in again unless there is room.
    pub kept_out_until_ms: u64,
    /// Until when a dial may be under way.
    pub dialing_until_ms: Option<u64>,
    /// Whether the store has it.
    pub remembered: bool,
}

impl Entry {
    fn new(source: Source, grade: Grade) -> Self {
        Self {
            addresses: Vec::new(),
            source,
            grade,
            bootstrap: source == Source::Bootstrap,
            last_seen_ms: 0,
            link: None,
            protection: BTreeSet::new(),
            unprotected_ms: None,
            favoured_until_ms: 0,
            fast_until_ms: 0,
            backoff: Backoff::default(),
            next_dial_ms: 0,
            kept_out_until_ms: 0,
            dialing_until_ms: None,
            remembered: false,
        }
    }

    /// Addresses, best first.
    pub fn addresses(&self) -> Vec<String> {
        self.addresses.iter().map(|address| address.text.clone()).collect()
    }

    pub fn has_address(&self) -> bool {
        !self.addresses.is_empty()
    }

    pub fn is_favoured(&self, mono_ms: u64) -> bool {
        !self.protection.is_empty() || self.favoured_until_ms > mono_ms
    }

    /// Whether it is protected as a room peer or not at all.
    pub fn is_room_peer_at_most(&self) -> bool {
        self.protection.iter().all(|reason| *reason == Reason::Room)
    }

    /// Whether nothing but its place in the book would be lost with it.
    fn is_idle(&self) -> bool {
        self.link.is_none() && self.dialing_until_ms.is_none() && !self.bootstrap && self.protection.is_empty()
    }

    /// Takes reported addresses and says whether anything changed.
    pub fn report(&mut self, reported: &[String], source: Source) -> bool {
        let before = self.addresses.clone();
        let fits = |text: &&String| !text.is_empty() && text.len() <= MAX_ADDRESS_BYTES;
        let reported: Vec<&String> = reported.iter().filter(fits).take(MAX_REPORTED).collect();
        if source == Source::Identify {
            // The peer's own list, over a connection that proves who speaks: it replaces its list of before.
            self.addresses.retain(|known| known.proven || known.source != source || reported.contains(&&known.text));
        }
        for text in reported {
            match self.addresses.iter_mut().find(|known| known.text == *text) {
                Some(known) => known.source = known.source.min(source),
                None => self.addresses.insert(0, Address { text: text.clone(), source, proven: false }),
            }
        }
        self.sort();
        self.addresses != before
    }

    /// Notes that the peer was reached at an address.
    pub fn prove(&mut self, text: &str) {
        if text.len() > MAX_ADDRESS_BYTES {
            return;
        }
        let source = match self.addresses.iter().position(|known| known.text == text) {
            Some(place) => self.addresses.remove(place).source,
            None => Source::Kademlia,
        };
        self.addresses.insert(0, Address { text: text.into(), source, proven: true });
        self.sort();
    }

    /// Best first, the newest first among equals; what is over the limit goes.
    fn sort(&mut self) {
        self.addresses.sort_by_key(|address| (!address.proven, address.source));
        self.addresses.truncate(MAX_ADDRESSES);
    }
}

/// All peers known.
#[derive(Default)]
pub(super) struct Book {
    pub entries: BTreeMap<PeerId, Entry>,
}

impl Book {
    /// The entry of a peer that somebody named, made if there is room for it; and a remembered peer that had to go for it.
    pub fn named(&mut self, peer: PeerId, source: Source, grade: Grade) -> (Option<&mut Entry>, Option<PeerId>) {
        let mut evicted = None;
        if !self.entries.contains_key(&peer) {
            let bootstraps = self.entries.values().filter(|entry| entry.bootstrap).count();
            let has_room = match source {
                Source::Bootstrap => bootstraps < super::MAX_BOOTSTRAPS,
                _ => self.make_room(source, grade, &mut evicted),
            };
            if !has_room {
                return (None, None);
            }
            self.entries.insert(peer, Entry::new(source, grade));
        }
        (self.entries.get_mut(&peer), evicted)
    }

    /// The entry of a peer that is connected, at least of this grade; and a remembered peer that had to go for it. There is always room: the
    /// number of connections is bounded.
    pub fn connected(&mut self, peer: PeerId, grade: Grade) -> (&mut Entry, Option<PeerId>) {
        let mut evicted = None;
        if self.entries.get(&peer).is_none_or(|entry| entry.grade < grade) {
            self.make_room(Source::Identify, grade, &mut evicted);
        }
        let entry = self.entries.entry(peer).or_insert_with(|| Entry::new(Source::Identify, grade));
        entry.grade = entry.grade.max(grade);
        (entry, evicted)
    }

    /// Whether there is room for one more entry of a kind, if need be after one that is worth less is gone.
    fn make_room(&mut self, source: Source, grade: Grade, evicted: &mut Option<PeerId>) -> bool {
        let same_kind = |entry: &Entry| {
            entry.grade == grade && !entry.bootstrap && (grade > Grade::Untried || entry.source == source)
        };
        let limit = match grade {
            Grade::Untried => MAX_UNTRIED_PER_SOURCE,
            Grade::Inbound => MAX_INBOUND,
            Grade::Proven => MAX_PROVEN,
        };
        let kind = self.entries.iter().filter(|(_, entry)| same_kind(entry));
        if kind.clone().count() < limit {
            return true;
        }
        let idle = kind.filter(|(_, entry)| entry.is_idle());
        // Of those never tried none is worth less than another, until a dial has failed.
        let worst = if grade == Grade::Untried {
            idle.filter(|(_, entry)| entry.backoff.failures() > 0).max_by_key(|(_, entry)| entry.backoff.failures())
        } else {
            idle.min_by_key(|(_, entry)| (entry.favoured_until_ms, entry.last_seen_ms))
        };
        let Some((&worst, _)) = worst else { return false };
        let remembered = self.entries.remove(&worst).is_some_and(|entry| entry.remembered);
        *evicted = remembered.then_some(worst);
        true
    }

    pub fn links(&self) -> impl Iterator<Item = (&PeerId, &Entry, Link)> {
        self.entries.iter().filter_map(|(peer, entry)| Some((peer, entry, entry.link?)))
    }
}

//! Whom to dial next, and what becomes of dials that fail.

use libp2p_identity::PeerId;

use crate::{
    backoff::Policy,
    time::{Deadline, Now},
};

use super::book::{Entry, Grade};
use super::{
    Connectivity, DIAL_LOST_MS, FAST_MS, FAST_WAITS, KNOWN_FAILURES, KNOWN_MS, MAX_PENDING_DIALS, MIN_OUTBOUND, Output,
    TRIMMED_MS, Target, UNTRIED_FAILURES, WAITS, WANT_PEERS_WAITS,
};

/// What peers and addresses are dialed for, the most pressing first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Purpose {
    /// To reach a bootstrap peer.
    Bootstrap,
    /// To have a favoured peer back.
    Favour,
    /// To have enough connections.
    Number,
}

/// What dials depend on besides the peer itself.
struct Census {
    links: usize,
    outbound: usize,
    protected: usize,
    pending: usize,
}

/// How long to wait between dials of a peer.
pub(super) fn waits(entry: &Entry, now: Now, isolated: bool) -> Policy {
    let lately = entry.fast_until_ms > now.mono_ms;
    if (entry.bootstrap && (lately || isolated)) || (entry.is_favoured(now.mono_ms) && lately) {
        FAST_WAITS
    } else {
        WAITS
    }
}

/// An address without the peer id at its end.
fn without_peer(address: &str) -> &str {
    match address.rsplit_once("/p2p/") {
        Some((front, id)) if !id.contains('/') => front,
        _ => address,
    }
}

impl Connectivity {
    /// Dials what is due, and says when something more will be.
    pub(super) fn dial(&mut self, now: Now) -> Option<Deadline> {
        let mut census = self.census();
        let mut due = self.candidates(now, &census);
        due.sort_unstable();
        for (purpose, _, target) in due {
            if census.pending >= MAX_PENDING_DIALS {
                break;
            }
            if !self.is_wanted(purpose, &census) {
                continue;
            }
            if !self.dials.take(now, 1) {
                break;
            }
            census.pending += 1;
            self.start_dial(now, target);
        }
        self.next_dial(now)
    }

    fn start_dial(&mut self, now: Now, target: Target) {
        let until_ms = Some(now.mono_ms.saturating_add(DIAL_LOST_MS));
        let addresses = match &target {
            Target::Peer(peer) => self.book.entries.get_mut(peer).map_or_else(Vec::new, |entry| {
                entry.dialing_until_ms = until_ms;
                entry.addresses()
            }),
            Target::Address(address) => {
                if let Some(unnamed) = self.unnamed.get_mut(address) {
                    unnamed.dialing_until_ms = until_ms;
                }
                vec![address.clone()]
            }
        };
        self.outputs.push_back(Output::Dial { target, addresses });
    }

    fn census(&self) -> Census {
        let dialing = self.book.entries.values().filter(|entry| entry.dialing_until_ms.is_some()).count();
        let unnamed = self.unnamed.values().filter(|unnamed| unnamed.dialing_until_ms.is_some()).count();
        let mut census = Census { links: 0, outbound: 0, protected: 0, pending: dialing + unnamed };
        for (_, entry, link) in self.book.links().filter(|(.., link)| !link.closing) {
            census.links += 1;
            census.outbound += usize::from(link.outbound);
            census.protected += usize::from(!entry.protection.is_empty());
        }
        census
    }

    fn is_wanted(&self, purpose: Purpose, census: &Census) -> bool {
        match purpose {
            Purpose::Bootstrap => true,
            Purpose::Favour => census.protected + census.pending < self.settings.high,
            Purpose::Number => {
                census.links + census.pending < self.settings.low || census.outbound + census.pending < MIN_OUTBOUND
            }
        }
    }

    /// What a peer would be dialed for, if it were time.
    fn purpose(&self, now: Now, peer: &PeerId, entry: &Entry) -> Option<Purpose> {
        let possible = entry.link.is_none()
            && entry.dialing_until_ms.is_none()
            && entry.has_address()
            && !self.banned.contains(peer);
        if !possible {
            return None;
        }
        Some(match (entry.bootstrap, entry.is_favoured(now.mono_ms)) {
            (true, _) => Purpose::Bootstrap,
            (false, true) => Purpose::Favour,
            (false, false) => Purpose::Number,
        })
    }

    /// What may be dialed now, with the order within its purpose: the longest due first, or the best known first.
    fn candidates(&self, now: Now, census: &Census) -> Vec<(Purpose, (u64, u64, u64), Target)> {
        let unnamed = self.unnamed.iter().filter(|(_, unnamed)| unnamed.next_dial_ms <= now.mono_ms);
        let unnamed = unnamed.filter(|(address, _)| self.may_dial_unnamed(address));
        let mut due: Vec<_> = unnamed
            .map(|(address, unnamed)| {
                (Purpose::Bootstrap, (unnamed.next_dial_ms, 0, 0), Target::Address(address.clone()))
            })
            .collect();
        for (peer, entry) in self.book.entries.iter().filter(|(_, entry)| entry.next_dial_ms <= now.mono_ms) {
            let Some(purpose) = self.purpose(now, peer, entry).filter(|purpose| self.is_wanted(*purpose, census))
            else {
                continue;
            };
            let worth = match entry.grade {
                Grade::Proven => 0,
                Grade::Inbound => 1,
                Grade::Untried => 2,
            };
            let order = match purpose {
                Purpose::Number => (worth, u64::MAX - entry.last_seen_ms, entry.next_dial_ms),
                _ => (entry.next_dial_ms, 0, 0),
            };
            due.push((purpose, order, Target::Peer(*peer)));
        }
        due
    }

    /// When a dial is due that is not yet, or one under way is given up.
    fn next_dial(&self, now: Now) -> Option<Deadline> {
        let census = self.census();
        let blocked = census.pending >= MAX_PENDING_DIALS;
        let token = self.dials.ready_at(now, 1).map_or(u64::MAX, |deadline| deadline.0);
        // What is due already waits for a token; while too many dials are under way, for one of them to end.
        let at = |next_ms: u64| (!blocked).then_some(next_ms.max(token).max(now.mono_ms + 1));
        let peers = self.book.entries.iter().filter_map(|(peer, entry)| match entry.dialing_until_ms {
            Some(until_ms) => Some(until_ms),
            None => {
                let purpose = self.purpose(now, peer, entry)?;
                self.is_wanted(purpose, &census).then(|| at(entry.next_dial_ms)).flatten()
            }
        });
        let unnamed = self.unnamed.iter().filter_map(|(address, unnamed)| match unnamed.dialing_until_ms {
            Some(until_ms) => Some(until_ms),
            None => self.may_dial_unnamed(address).then(|| at(unnamed.next_dial_ms)).flatten(),
        });
        peers.chain(unnamed).min().map(Deadline)
    }

    /// Whether whoever is at a bootstrap address is neither connected, nor being dialed, nor banned.
    fn may_dial_unnamed(&self, address: &str) -> bool {
        self.unnamed.get(address).is_some_and(|unnamed| {
            let peer = unnamed.peer.and_then(|peer| self.book.entries.get(&peer));
            let busy = peer.is_some_and(|entry| entry.link.is_some() || entry.dialing_until_ms.is_some());
            let banned = unnamed.peer.is_some_and(|peer| self.banned.contains(&peer));
            unnamed.dialing_until_ms.is_none() && !busy && !banned
        })
    }

    /// Whether a peer answered at a bootstrap address that names none.
    pub(super) fn is_unnamed_bootstrap(&self, peer: &PeerId) -> bool {
        self.unnamed.values().any(|unnamed| unnamed.peer == Some(*peer))
    }

    /// Whether a peer may be let go of when there are others: neither a bootstrap peer nor protected, but perhaps as a room peer.
    pub(super) fn is_replaceable(&self, peer: &PeerId, entry: &Entry) -> bool {
        !entry.bootstrap && entry.is_room_peer_at_most() && !self.is_unnamed_bootstrap(peer)
    }

    /// Notes who answered at a bootstrap address.
    pub(super) fn match_unnamed(&mut self, peer: PeerId, address: &str) {
        for (known, unnamed) in &mut self.unnamed {
            if without_peer(known) == without_peer(address) {
                unnamed.peer = Some(peer);
                unnamed.dialing_until_ms = None;
            }
        }
    }

    pub(super) fn lost_unnamed(&mut self, now: Now, peer: PeerId, let_go: bool) {
        for unnamed in self.unnamed.values_mut().filter(|unnamed| unnamed.peer == Some(peer)) {
            let wait_ms = if let_go {
                TRIMMED_MS
            } else {
                unnamed.fast_until_ms = now.mono_ms.saturating_add(FAST_MS);
                unnamed.backoff.fail(FAST_WAITS, &mut self.rng)
            };
            unnamed.next_dial_ms = now.mono_ms.saturating_add(wait_ms);
        }
    }

    pub(super) fn dial_failed(&mut self, now: Now, target: Target, permanent: bool) {
        let isolated = self.book.links().next().is_none();
        match target {
            Target::Address(address) => {
                if let Some(unnamed) = self.unnamed.get_mut(&address) {
                    let fast = isolated || unnamed.fast_until_ms > now.mono_ms;
                    let policy = if fast && !permanent { FAST_WAITS } else { WAITS };
                    unnamed.dialing_until_ms = None;
                    unnamed.next_dial_ms = now.mono_ms.saturating_add(unnamed.backoff.fail(policy, &mut self.rng));
                }
            }
            Target::Peer(peer) => {
                let Some(entry) = self.book.entries.get_mut(&peer) else { return };
                entry.dialing_until_ms = None;
                if entry.link.is_some() {
                    return;
                }
                let policy = waits(entry, now, isolated);
                entry.next_dial_ms = now.mono_ms.saturating_add(entry.backoff.fail(policy, &mut self.rng));
                if is_hopeless(entry, now, permanent) {
                    let remembered = entry.remembered;
                    self.book.entries.remove(&peer);
                    self.outputs.extend(remembered.then_some(Output::Forget(peer)));
                }
            }
        }
    }

    /// Counts dials as failed that nobody ever answered.
    pub(super) fn fail_lost_dials(&mut self, now: Now) {
        let lost = |until_ms: Option<u64>| until_ms.is_some_and(|until_ms| until_ms <= now.mono_ms);
        let peers = self.book.entries.iter().filter(|(_, entry)| lost(entry.dialing_until_ms));
        let unnamed = self.unnamed.iter().filter(|(_, unnamed)| lost(unnamed.dialing_until_ms));
        let targets: Vec<Target> = peers
            .map(|(peer, _)| Target::Peer(*peer))
            .chain(unnamed.map(|(address, _)| Target::Address(address.clone())))
            .collect();
        targets.into_iter().for_each(|target| self.dial_failed(now, target, false));
    }

    /// Asks for more peers when there are too few connections and nobody left to dial.
    pub(super) fn want_more(&mut self, now: Now) -> Option<Deadline> {
        let census = self.census();
        // With nobody connected there is nobody to ask.
        if census.links == 0 || !self.is_wanted(Purpose::Number, &census) {
            return None;
        }
        if self.want_peers_ms <= now.mono_ms {
            self.outputs.push_back(Output::WantPeers);
            let wait_ms = self.want_peers.fail(WANT_PEERS_WAITS, &mut self.rng);
            self.want_peers_ms = now.mono_ms.saturating_add(wait_ms);
        }
        Some(Deadline(self.want_peers_ms))
    }
}

fn is_hopeless(entry: &Entry, now: Now, permanent: bool) -> bool {
    if entry.bootstrap || entry.is_favoured(now.mono_ms) {
        return false;
    }
    let failures = entry.backoff.failures();
    let unseen_ms = now.wall_ms.saturating_sub(entry.last_seen_ms);
    match entry.grade {
        Grade::Untried => permanent || failures >= UNTRIED_FAILURES,
        Grade::Inbound | Grade::Proven => permanent || (failures >= KNOWN_FAILURES && unseen_ms > KNOWN_MS),
    }
}

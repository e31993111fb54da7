//! The connection manager: whom to dial, whom to disconnect, whom to remember.
//!
//! libp2p neither trims connections nor brings lost ones back. This machine does both, for all transports at once.
//!
//! | connected peers | what happens |
//! |---|---|
//! | fewer than [`Settings::low`], or fewer than [`MIN_OUTBOUND`] that we dialed | known peers are dialed, those last connected first; when none is left, more are asked for |
//! | in between | only what was lost is dialed: bootstrap peers, and favoured ones |
//! | more that we dialed than are needed for these two numbers | the idlest strangers of them are disconnected, after [`GRACE_MS`] |
//! | more than [`Settings::high`] | some are disconnected, and not let in again for [`TRIMMED_MS`] while there are as many; those that are not yet [`GRACE_MS`] old ([`PRESSED_GRACE_MS`] in a crowd) are neither counted nor touched |
//! | [`MIN_OUTBOUND`] that we dialed | one makes place for another: the oldest after [`DEAF_MS`] without news from anybody, else every [`ROTATE_MS`] the one that was silent for longest |
//! | [`Settings::max`] | further ones are disconnected at once, unless protected, or among the first [`MIN_OUTBOUND`] that we dialed |
//!
//! | peer | dialed when | waits between dials | given up |
//! |---|---|---|---|
//! | bootstrap | not connected | 0.75 s, doubling to 4 s for half an hour after it was lost or while there is no other connection, else to 45 s | never |
//! | favoured: protected, or lost while it was, or fallen silent | not connected | the same | after a day it is like others; after half an hour, if it was protected as a room peer or not at all |
//! | others | there are too few connections | 0.75 s, doubling to 45 s | never reached: after 5 failures; else after 8 failures, when not seen for 14 days |
//!
//! A peer that closes a connection while we have enough others, and that only shared a room with us or nothing, is let go: it had too many. If it
//! fell silent instead, it is favoured: when a network falls into parts, each may be large enough to live, and nobody would
//! look for the other.
//!
//! Waits vary by ±25 %. A peer's failures are forgotten once a connection, whoever made it, has held for [`STABLE_MS`]; a
//! peer that accepts and hangs up is thus not dialed in a frenzy. Dials are bounded in number ([`MAX_PENDING_DIALS`]) and in rate
//! ([`DIALS`]), over all peers.
//!
//! Peers that merely share a room with us are trimmed when there is no other way to get below the mark; relays, the user's choice and
//! bootstrap peers never. `trim` tells how the rest of the places are shared out.
//!
//! Hostile peers may name any number of others, or connect under any number of names. So the book has a share for each kind
//! of entry, and none can crowd out another: peers never connected, for each source; peers that only ever connected to us;
//! peers that we have reached. The same holds for a peer's addresses: those where we reached it come first, then by source.
//!
//! | bound | value | when it is reached |
//! |---|---|---|
//! | peers never tried, for each source | [`MAX_UNTRIED_PER_SOURCE`] | replaces the one that failed most often; if none has failed, is not noted |
//! | peers that only connected to us | [`MAX_INBOUND`] | replaces the one not seen for longest |
//! | peers reached | [`MAX_PROVEN`] | replaces the one not seen for longest |
//! | bootstrap addresses, and bootstrap peers | [`MAX_BOOTSTRAPS`] | further ones are ignored |
//! | addresses of a peer | [`MAX_ADDRESSES`] | the worst goes |
//! | bans | [`MAX_BANNED`] | the peer is disconnected, but may return |

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use libp2p_identity::PeerId;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::{
    backoff::{Backoff, Policy},
    rate::{Rate, TokenBucket},
    time::{Deadline, Now},
};

mod book;
mod deaf;
mod dial;
mod interface;
/// Where on the internet an address lies, as a number that is the same after a restart: addresses that one party is likely to hold
/// many of share one.
pub fn neighbourhood(address: &str) -> u64 {
    Neighbourhood::of(address).0
}

#[cfg(test)]
mod tests;
mod trim;

use book::{Book, Grade, Link, Neighbourhood};
pub use interface::*;

/// Connections that we made ourselves, at least: whoever connects to us in numbers must not be all that we see of the network.
pub const MIN_OUTBOUND: usize = 8;

/// Milliseconds without anything new from anybody, where members of a room say all the time that they are there, after which a
/// peer that we dialed makes place for another.
pub const DEAF_MS: u64 = 30_000;

/// Milliseconds after which one peer that we dialed makes place for another, whatever is heard.
pub const ROTATE_MS: u64 = 300_000;

/// Peers that are held dearer because they share a room with us, which anybody can say: twice as many as gossip wants in a room.
pub const ROOM_PLACES: usize = 12;

/// Milliseconds that a new connection is safe from trimming: enough to identify, join rooms and be grafted into a mesh.
pub const GRACE_MS: u64 = 30_000;

/// The same while more than three quarters of [`Settings::max`] are connected: a crowd has come, and each of it shall have been here
/// long enough to be told of others.
pub const PRESSED_GRACE_MS: u64 = 5_000;

/// Milliseconds after which a connection counts as good, and its peer's failures are forgotten.
pub const STABLE_MS: u64 = 10_000;

/// Milliseconds before a peer that was trimmed is dialed again, or one that closed the connection while we had enough others.
pub const TRIMMED_MS: u64 = 600_000;

/// Dials under way at a time. Each may hang until its transport gives up, and a partition makes all of them hang.
pub const MAX_PENDING_DIALS: usize = 32;

/// Dials a second, over all peers.
pub const DIALS: Rate = Rate::per_second(10, 10);

/// Milliseconds after which a dial that was never answered is counted as failed.
pub const DIAL_LOST_MS: u64 = 30_000;

/// Milliseconds for which a peer that was lost while protected is dialed for its own sake.
pub const FAVOUR_MS: u64 = 24 * 3_600_000;

/// Milliseconds for which a lost bootstrap or favoured peer is dialed in quick succession, so that links are back within
/// seconds of the end of a partition.
pub const FAST_MS: u64 = 30 * 60_000;

/// Milliseconds between the end of a protection and the loss of the connection that may be one event seen twice.
pub const PROTECTION_LAG_MS: u64 = 60_000;

/// Failures after which a peer that was never reached is given up.
pub const UNTRIED_FAILURES: u32 = 5;

/// Failures after which a peer that was reached once may be given up, ...
pub const KNOWN_FAILURES: u32 = 8;

/// ... if it was last seen this many milliseconds ago.
pub const KNOWN_MS: u64 = 14 * 24 * 3_600_000;

/// Milliseconds between two notes that a connected peer is still there, so that the store knows who was there when we crash.
pub const REFRESH_MS: u64 = 3_600_000;

/// Peers never connected that one source may put into the book.
pub const MAX_UNTRIED_PER_SOURCE: usize = 200;

/// Peers in the book that connected to us and that we never reached.
pub const MAX_INBOUND: usize = 200;

/// Peers in the book that we have reached.
pub const MAX_PROVEN: usize = 300;

/// Bootstrap peers, and as many bootstrap addresses.
pub const MAX_BOOTSTRAPS: usize = 32;

/// Addresses of one peer.
pub const MAX_ADDRESSES: usize = 8;

/// Bytes of one address, as text. A relayed address with two peer ids and a certificate hash takes about 250.
pub const MAX_ADDRESS_BYTES: usize = 320;

/// Peers kept out.
pub const MAX_BANNED: usize = 4_096;

const WAITS: Policy = Policy { first_ms: 750, cap_ms: 45_000, jitter_percent: 25 };
const FAST_WAITS: Policy = Policy { cap_ms: 4_000, ..WAITS };
const WANT_PEERS_WAITS: Policy = Policy { first_ms: 10_000, cap_ms: 600_000, jitter_percent: 25 };

/// Water marks, in connected peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Below this, known peers are dialed.
    pub low: usize,
    /// Above this, connections are trimmed.
    pub high: usize,
    /// More than this are not held for a moment, but for protected ones and the first [`MIN_OUTBOUND`] that we dialed.
    /// Leaves room for those in their time of grace.
    pub max: usize,
}

impl Default for Settings {
    /// 10: twice gossip's mesh. 48: where all dial [`MIN_OUTBOUND`], a node has twice as many, and those that are known to all
    /// have some places more. 128: a crowd in its time of grace.
    fn default() -> Self {
        Self { low: 10, high: 48, max: 128 }
    }
}

/// A bootstrap address without a peer id.
#[derive(Debug, Default)]
struct Unnamed {
    /// Who answered there last.
    peer: Option<PeerId>,
    backoff: Backoff,
    fast_until_ms: u64,
    next_dial_ms: u64,
    dialing_until_ms: Option<u64>,
}

/// The connection manager.
pub struct Connectivity {
    own: PeerId,
    settings: Settings,
    rng: ChaCha8Rng,
    book: Book,
    unnamed: BTreeMap<String, Unnamed>,
    banned: BTreeSet<PeerId>,
    dials: TokenBucket,
    want_peers: Backoff,
    want_peers_ms: u64,
    refresh_ms: u64,
    /// When anybody last brought anything valid that was not heard before.
    heard_ms: u64,
    next: Option<Deadline>,
    outputs: VecDeque<Output>,
}

impl Connectivity {
    /// A manager for the node `own`, which it never dials.
    pub fn new(own: PeerId, settings: Settings, seed: [u8; 32], now: Now) -> Self {
        Self {
            own,
            settings,
            rng: ChaCha8Rng::from_seed(seed),
            book: Book::default(),
            unnamed: BTreeMap::new(),
            banned: BTreeSet::new(),
            dials: TokenBucket::new(DIALS, now),
            want_peers: Backoff::default(),
            want_peers_ms: 0,
            refresh_ms: now.mono_ms.saturating_add(REFRESH_MS),
            heard_ms: 0,
            next: None,
            outputs: VecDeque::new(),
        }
    }

    /// Takes note of something.
    pub fn handle(&mut self, now: Now, input: Input) {
        match input {
            Input::Bootstrap(address) => self.bootstrap(now, address),
            Input::Remembered { peer, addresses, last_seen_ms } => self.remembered(peer, &addresses, last_seen_ms),
            Input::Discovered { peer, addresses, source } => self.discovered(now, peer, &addresses, source),
            Input::Connected { peer, address, outbound } => self.connected(now, peer, &address, outbound),
            Input::Disconnected { peer, silent } => self.disconnected(now, peer, silent),
            Input::DialFailed { target, permanent } => self.dial_failed(now, target, permanent),
            Input::Protect { peer, reason } => {
                if let Some(entry) = self.book.entries.get_mut(&peer) {
                    entry.protection.insert(reason);
                }
            }
            Input::Unprotect { peer, reason } => {
                if let Some(entry) = self.book.entries.get_mut(&peer)
                    && entry.protection.remove(&reason)
                    && entry.protection.is_empty()
                {
                    entry.unprotected_ms = Some(now.mono_ms);
                }
            }
            Input::Ban(peer) => self.ban(peer),
            Input::Unban(peer) => _ = self.banned.remove(&peer),
        }
        self.handle_timeout(now);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now) {
        self.fail_lost_dials(now);
        self.refresh(now);
        let trimming = self.trim(now);
        let replacing = self.replace_outbound(now);
        let dialing = self.dial(now);
        let wanting = self.want_more(now);
        let refresh = self.book.links().next().map(|_| Deadline(self.refresh_ms));
        self.next = [trimming, replacing, dialing, wanting, refresh].into_iter().flatten().min();
    }

    /// The next thing to do, in order; call until `None` after every `handle` and `handle_timeout`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call `handle_timeout`: a dial, a trim or a note is due.
    pub fn poll_timeout(&self) -> Option<Deadline> {
        self.next
    }

    /// Peers in the book, connected or not.
    pub fn known_peers(&self) -> usize {
        self.book.entries.len()
    }

    /// The addresses of a known peer, best first.
    pub fn addresses(&self, peer: &PeerId) -> Vec<String> {
        self.book.entries.get(peer).map(book::Entry::addresses).unwrap_or_default()
    }

    /// All known peers, sorted by id, and whether each is connected.
    pub fn peers(&self) -> impl Iterator<Item = (PeerId, bool)> {
        self.book.entries.iter().map(|(peer, entry)| (*peer, entry.link.is_some()))
    }

    fn bootstrap(&mut self, now: Now, address: String) {
        let fits = !address.is_empty() && address.len() <= MAX_ADDRESS_BYTES && self.unnamed.len() < MAX_BOOTSTRAPS;
        if fits {
            let fast_until_ms = now.mono_ms.saturating_add(FAST_MS);
            self.unnamed.entry(address).or_insert(Unnamed { fast_until_ms, ..Unnamed::default() });
        }
    }

    fn remembered(&mut self, peer: PeerId, addresses: &[String], last_seen_ms: u64) {
        if peer == self.own {
            return;
        }
        let (entry, evicted) = self.book.named(peer, Source::Remembered, Grade::Proven);
        if let Some(entry) = entry {
            entry.report(addresses, Source::Remembered);
            entry.grade = Grade::Proven;
            entry.last_seen_ms = entry.last_seen_ms.max(last_seen_ms);
            entry.remembered = true;
        }
        self.outputs.extend(evicted.map(Output::Forget));
    }

    fn discovered(&mut self, now: Now, peer: PeerId, addresses: &[String], source: Source) {
        if peer == self.own {
            return;
        }
        let (Some(entry), _) = self.book.named(peer, source, Grade::Untried) else { return };
        let changed = entry.report(addresses, source);
        if source == Source::Bootstrap {
            entry.bootstrap = true;
            entry.fast_until_ms = now.mono_ms.saturating_add(FAST_MS);
        }
        if source == Source::Mdns {
            // It has just spoken on the local network: it is there now, however often it was not.
            entry.next_dial_ms = entry.next_dial_ms.min(now.mono_ms.saturating_add(WAITS.first_ms));
        }
        if changed && entry.link.is_some() {
            self.remember(now, peer);
        }
    }

    /// A peer was the first to bring something that is kept. Cheap: called for each message.
    pub fn useful(&mut self, now: Now, peer: &PeerId) {
        if let Some(link) = self.book.entries.get_mut(peer).and_then(|entry| entry.link.as_mut()) {
            link.useful_ms = Some(now.mono_ms);
        }
    }

    fn connected(&mut self, now: Now, peer: PeerId, address: &str, outbound: bool) {
        if outbound {
            self.match_unnamed(peer, address);
        }
        let protected = self.is_unnamed_bootstrap(&peer)
            || self.book.entries.get(&peer).is_some_and(|entry| entry.bootstrap || !entry.protection.is_empty());
        let new = self.book.entries.get(&peer).is_none_or(|entry| entry.link.is_none());
        // A crowd that fills every place must not keep us from the peers that we choose.
        let needed = outbound && self.outbound_links() < MIN_OUTBOUND;
        let open = self.book.links().filter(|(.., link)| !link.closing).count();
        let kept_out_until_ms = self.book.entries.get(&peer).map_or(0, |entry| entry.kept_out_until_ms);
        let again = !outbound && kept_out_until_ms > now.mono_ms && open >= self.settings.high;
        let full = new && !protected && !needed && (again || self.book.links().count() >= self.settings.max);
        if full || peer == self.own || self.banned.contains(&peer) {
            self.outputs.push_back(Output::Disconnect(peer));
            if let Some(entry) = self.book.entries.get_mut(&peer) {
                entry.dialing_until_ms = None;
                entry.next_dial_ms = now.mono_ms.saturating_add(TRIMMED_MS);
            }
            return;
        }
        let grade = if outbound { Grade::Proven } else { Grade::Inbound };
        let (entry, evicted) = self.book.connected(peer, grade);
        if outbound {
            entry.prove(address);
        }
        entry.dialing_until_ms = None;
        entry.last_seen_ms = now.wall_ms;
        let fresh = Link {
            since_ms: now.mono_ms,
            outbound,
            neighbourhood: Neighbourhood::of(address),
            useful_ms: None,
            closing: false,
        };
        let link = entry.link.get_or_insert(fresh);
        link.outbound |= outbound;
        self.outputs.extend(evicted.map(Output::Forget));
        if new && self.book.links().count() == 1 {
            // The first one tells of others unasked.
            self.want_peers_ms = self.want_peers_ms.max(now.mono_ms.saturating_add(WANT_PEERS_WAITS.first_ms));
        }
        self.remember(now, peer);
    }

    fn disconnected(&mut self, now: Now, peer: PeerId, silent: bool) {
        let left = self.book.links().filter(|(other, .., link)| **other != peer && !link.closing).count();
        let (isolated, enough) = (left == 0, left >= self.settings.low);
        let Some(entry) = self.book.entries.get_mut(&peer) else { return };
        let Some(link) = entry.link.take() else { return };
        let lag = |ended_ms: u64| now.mono_ms.saturating_sub(ended_ms) <= PROTECTION_LAG_MS;
        let was_protected = !entry.protection.is_empty() || entry.unprotected_ms.is_some_and(lag);
        // A peer that merely shares a room is as good as others that do, and whoever closed the connection had too many. Only what
        // lies between us is worth fighting: the room may have fallen into parts.
        let room_only = entry.is_room_peer_at_most();
        let let_go = enough && !silent && room_only;
        entry.protection.retain(|reason| *reason == Reason::User);
        entry.unprotected_ms = None;
        if !let_go {
            entry.fast_until_ms = now.mono_ms.saturating_add(FAST_MS);
        }
        entry.last_seen_ms = now.wall_ms;
        let stable = now.mono_ms.saturating_sub(link.since_ms) >= STABLE_MS;
        if stable {
            entry.backoff.reset();
            for unnamed in self.unnamed.values_mut().filter(|unnamed| unnamed.peer == Some(peer)) {
                unnamed.backoff.reset();
            }
        }
        if (was_protected || (silent && stable)) && !link.closing && !let_go {
            let favour_ms = if room_only { FAST_MS } else { FAVOUR_MS };
            entry.favoured_until_ms = now.mono_ms.saturating_add(favour_ms);
        }
        let wait_ms = if link.closing || let_go {
            TRIMMED_MS
        } else {
            let policy = dial::waits(entry, now, isolated);
            entry.backoff.fail(policy, &mut self.rng)
        };
        entry.next_dial_ms = now.mono_ms.saturating_add(wait_ms);
        self.lost_unnamed(now, peer, let_go);
        // Whoever connects and hangs up must not have us ask around all the time.
        if stable {
            self.want_peers.reset();
            self.want_peers_ms = self.want_peers_ms.min(now.mono_ms.saturating_add(WANT_PEERS_WAITS.first_ms));
        }
        self.remember(now, peer);
    }

    /// Connections that we made ourselves and mean to keep.
    fn outbound_links(&self) -> usize {
        self.book.links().filter(|(.., link)| link.outbound && !link.closing).count()
    }

    fn ban(&mut self, peer: PeerId) {
        if self.banned.len() < MAX_BANNED {
            self.banned.insert(peer);
        }
        self.close(peer);
    }

    /// Has a peer disconnected, unless that is under way.
    fn close(&mut self, peer: PeerId) {
        if let Some(link) = self.book.entries.get_mut(&peer).and_then(|entry| entry.link.as_mut())
            && !link.closing
        {
            link.closing = true;
            self.outputs.push_back(Output::Disconnect(peer));
        }
    }

    /// Whoever comes again and again must not have a better lot than those who stay away when they are told to.
    fn keep_out_for_a_while(&mut self, now: Now, peer: &PeerId) {
        if let Some(entry) = self.book.entries.get_mut(peer) {
            entry.kept_out_until_ms = now.mono_ms.saturating_add(TRIMMED_MS);
        }
    }

    /// Has a peer written down as seen now, if anybody could dial it.
    fn remember(&mut self, now: Now, peer: PeerId) {
        if let Some(entry) = self.book.entries.get_mut(&peer).filter(|entry| entry.has_address()) {
            entry.remembered = true;
            entry.last_seen_ms = now.wall_ms;
            let addresses = entry.addresses();
            self.outputs.push_back(Output::Remember { peer, addresses, last_seen_ms: now.wall_ms });
        }
    }

    fn refresh(&mut self, now: Now) {
        if self.refresh_ms <= now.mono_ms {
            self.refresh_ms = now.mono_ms.saturating_add(REFRESH_MS);
            let connected: Vec<PeerId> = self.book.links().map(|(peer, ..)| *peer).collect();
            connected.into_iter().for_each(|peer| self.remember(now, peer));
        }
    }
}

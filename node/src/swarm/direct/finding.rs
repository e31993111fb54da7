//! Finding cards and mailboxes in Kademlia.
//!
//! A mailbox provides a key made of each recipient that is registered with it, and one that all mailboxes share. To find a card, some of
//! those that provide its owner's key are asked for it; whoever is asked may lie, but cannot forge a card.
//!
//! | step | question | to |
//! |---|---|---|
//! | 1 | who provides the key? | Kademlia |
//! | 2 | where are they? | Kademlia, for at most [`MAX_ASKED`] of them, chosen by lot |
//! | 3 | for a card: what is it? | each of them, anonymously |
//!
//! A mailbox that does not answer where the card says may have moved: its place is looked up, and tried the next time.

use std::collections::{BTreeSet, HashMap, VecDeque};

use libp2p::{
    PeerId,
    kad::{self, GetProvidersOk, ProgressStep, QueryId, QueryResult, RecordKey},
};
use proto::{
    direct::{
        card::{MAX_ADDRESS_BYTES, MAX_MAILBOX_ADDRESSES, Mailbox},
        finding::{card_key, mailboxes_key},
    },
    ids::Author,
    time::{Deadline, Now},
};
use rand::{rngs::StdRng, seq::SliceRandom};

use super::super::lookups::Key;

type Kademlia = kad::Behaviour<kad::store::MemoryStore>;

/// Searches under way. Further ones are not begun; whoever wanted them asks again.
pub const MAX_SEARCHES: usize = 16;

/// Providers of one key that are looked up and asked.
pub const MAX_ASKED: usize = 4;

/// Peers that were found elsewhere and are remembered.
const MAX_MOVED: usize = 64;

/// Milliseconds after the first peer is connected until mailboxes are looked for: it has to tell of others first.
const SEEK_AFTER_MS: u64 = 1_000;

/// Providers of one key that are remembered while it is searched.
const MAX_PROVIDERS: usize = 256;

/// What is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// The card of this author.
    Card(Author),
    /// Mailboxes.
    Mailboxes,
    /// Where this peer is now.
    Place(PeerId),
}

/// Whom to ask for a card, or a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What was searched.
    pub wanted: Wanted,
    /// Who may have it, and where.
    pub node: Mailbox,
}

/// The searches under way.
pub struct Finding {
    /// Never iterated in an order that matters.
    searches: HashMap<QueryId, (Wanted, BTreeSet<PeerId>)>,
    lookups: HashMap<QueryId, (Wanted, PeerId)>,
    rng: StdRng,
    /// Where peers were found that were not where they should be, the latest at the end.
    moved: VecDeque<(PeerId, Vec<String>)>,
    wants_mailboxes: bool,
    /// From when on mailboxes are looked for; nobody was ever connected if it is not set.
    seek: Option<Deadline>,
}

impl Finding {
    /// None yet.
    pub fn new(rng: StdRng) -> Self {
        Self {
            searches: HashMap::new(),
            lookups: HashMap::new(),
            rng,
            moved: VecDeque::new(),
            wants_mailboxes: false,
            seek: None,
        }
    }

    /// Somebody is connected.
    pub fn connected(&mut self, now: Now) {
        self.seek.get_or_insert(now.after(SEEK_AFTER_MS));
    }

    /// Looks for mailboxes as soon as that makes sense.
    pub fn want_mailboxes(&mut self) {
        self.wants_mailboxes = true;
    }

    /// When [`Finding::turn`] is to be called.
    pub fn deadline(&self) -> Option<Deadline> {
        self.seek.filter(|_| self.wants_mailboxes)
    }

    /// Looks for mailboxes if it is time.
    pub fn turn(&mut self, now: Now, kad: &mut Kademlia) {
        if self.deadline().is_some_and(|at| now.reached(at)) {
            self.wants_mailboxes = false;
            self.search(kad, Wanted::Mailboxes);
        }
    }

    /// Begins a search, unless there are too many.
    pub fn search(&mut self, kad: &mut Kademlia, wanted: Wanted) {
        match wanted {
            Wanted::Place(peer) => {
                if self.lookups.len() < MAX_SEARCHES * MAX_ASKED {
                    self.lookups.insert(kad.get_closest_peers(peer), (wanted, peer));
                }
            }
            Wanted::Card(_) | Wanted::Mailboxes if self.searches.len() >= MAX_SEARCHES => {}
            Wanted::Card(author) => self.providers(kad, wanted, card_key(&author)),
            Wanted::Mailboxes => self.providers(kad, wanted, mailboxes_key()),
        }
    }

    fn providers(&mut self, kad: &mut Kademlia, wanted: Wanted, key: Key) {
        self.searches.insert(kad.get_providers(RecordKey::new(&key)), (wanted, BTreeSet::new()));
    }

    /// A query of Kademlia made progress. `known` says where a peer was known to be before: Kademlia names only addresses that came with
    /// answers, and not those in its table.
    pub fn progressed(
        &mut self,
        own: PeerId,
        kad: &mut Kademlia,
        id: QueryId,
        result: &QueryResult,
        step: &ProgressStep,
        known: impl Fn(&PeerId) -> Vec<String>,
    ) -> Option<Found> {
        match result {
            QueryResult::GetProviders(result) => {
                let (_, found) = self.searches.get_mut(&id)?;
                if let Ok(GetProvidersOk::FoundProviders { providers, .. }) = result {
                    let room = MAX_PROVIDERS.saturating_sub(found.len());
                    found.extend(providers.iter().filter(|peer| **peer != own).take(room));
                }
                if step.last {
                    let (wanted, found) = self.searches.remove(&id)?;
                    self.look_up(kad, wanted, found);
                }
                None
            }
            QueryResult::GetClosestPeers(result) => {
                let (wanted, peer) = self.lookups.remove(&id)?;
                let peers = result.as_ref().map(|closest| closest.peers.as_slice()).unwrap_or_default();
                let told = peers.iter().filter(|found| found.peer_id == peer).flat_map(|found| &found.addrs);
                let mut addresses: Vec<String> = Vec::new();
                for address in known(&peer).into_iter().chain(told.map(ToString::to_string)) {
                    if address.len() <= MAX_ADDRESS_BYTES && !addresses.contains(&address) {
                        addresses.push(address);
                    }
                }
                addresses.truncate(MAX_MAILBOX_ADDRESSES);
                Some(Found { wanted, node: Mailbox { peer: peer.to_bytes(), addresses } })
            }
            _ => None,
        }
    }

    /// A peer was found elsewhere.
    pub fn found_at(&mut self, node: Mailbox) {
        let Ok(peer) = PeerId::from_bytes(&node.peer) else { return };
        self.moved.retain(|(other, _)| *other != peer);
        self.moved.push_back((peer, node.addresses));
        if self.moved.len() > MAX_MOVED {
            self.moved.pop_front();
        }
    }

    /// A mailbox with the addresses where it may be now before those where it was.
    pub fn with_places(&self, mut node: Mailbox) -> Mailbox {
        let found = self.moved.iter().find(|(peer, _)| peer.to_bytes() == node.peer);
        let mut addresses = found.map(|(_, addresses)| addresses.clone()).unwrap_or_default();
        node.addresses.retain(|address| !addresses.contains(address));
        addresses.append(&mut node.addresses);
        node.addresses = addresses;
        node
    }

    fn look_up(&mut self, kad: &mut Kademlia, wanted: Wanted, found: BTreeSet<PeerId>) {
        let mut found: Vec<PeerId> = found.into_iter().collect();
        // Whoever has made itself a key with a low number must not be first everywhere.
        found.shuffle(&mut self.rng);
        for peer in found.into_iter().take(MAX_ASKED) {
            self.lookups.insert(kad.get_closest_peers(peer), (wanted, peer));
        }
    }
}

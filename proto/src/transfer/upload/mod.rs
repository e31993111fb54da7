//! Uploads: which peers' questions are answered, in which order, and how fast.
//!
//! Few peers are served at a time, because a way that is shared by all is quick for none. A peer that is served is *unchoked*; the
//! others are told that they are *choked*, and their questions are refused. How many slots there are follows what they bring ([`slots`]).
//! While no more peers than that are interested, nobody is
//! choked. Otherwise (Cohen 2003, "Incentives Build Robustness in BitTorrent"; Legout, Urvoy-Keller and Michiardi 2006, "Rarest First
//! and Choke Algorithms Are Enough") it is decided every [`CHOKE_MS`] anew:
//!
//! | slots | are given to |
//! |---|---|
//! | three of four | first those who gave us most in the last 20 s, in whatever transfer. Then, and so to all if we want nothing: those served already, the last one first; those who wait, the one that waited longest first; and last those who were served for [`ROTATE_MS`] |
//! | one of [`OPTIMISTIC_OF`], and those that the others left | one by chance, for [`OPTIMISTIC_MS`] each: so newcomers, who have nothing to give yet and are [`NEWCOMER_WEIGHT`] times as likely, come to have something; and we find peers that give more |
//!
//! A peer that has what we want, that we served for [`SNUB_MS`] and that gave nothing all the while *snubs* us. It loses its slot, which
//! is given by chance, and gets another only if nobody else wants it, until it gives, or was without for [`FORGIVE_MS`]. A slot that
//! becomes free is given by chance at once; so is one whose peer asked for nothing for [`IDLE_MS`], because it asked others for all that
//! we have.
//!
//! | a peer is | when | its questions |
//! |---|---|---|
//! | choked | it was told so, or was told nothing yet and there is no slot for it | are refused |
//! | served on its merits | it was chosen, or nothing competes | wait in line |
//! | served by chance | it was drawn | wait in line |
//!
//! **Order.** The peers that are served take turns, so that all that ask get the same number of bytes, whatever their blocks' lengths
//! and however many questions they have in line. What is on its way to each follows its bandwidth and its
//! delay, as what is asked does ([`super::window`]), but for a block less. So nearly all that waits waits here, where it holds up nobody
//! and can be taken back.
//!
//! **Limits** are token buckets, counted in bytes of blocks when a block begins to be served: over any time, no more than the limit and one block
//! go out. A question of a transfer whose limit holds it up is passed by those behind it.
//!
//! | bound | value | when it is reached |
//! |---|---|---|
//! | [`MAX_SLOTS`] served | 32 | others are choked |
//! | [`MAX_QUEUED_EACH`] questions of a peer in line | 128 | further ones are refused as busy |
//! | [`MAX_QUEUED`] in all | 4,096 | the same |
//! | [`MAX_WINDOW`](super::window::MAX_WINDOW) being answered, for one peer, and as many questions as may be in line | 8 MiB, 128 | they wait in line |
//! | [`MAX_PEERS`] known | 1,024 | others are refused as busy, and not served |
//! | [`MAX_INTERESTS`] of a peer | 1,024 | further ones are not noted |
//!
//! Each [`Input::Asked`] is answered by one [`Output::Serve`] or [`Output::Refuse`], unless it is cancelled or its peer is gone before.

mod choosing;
mod debt;
mod interface;
mod peer;
mod serving;
pub mod slots;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use libp2p_identity::PeerId;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

pub use interface::*;

use super::{ByteRate, TransferId, limits::Limits, turns::Turns};
use crate::time::{Deadline, Now};
use peer::{Peer, Question, Standing};
use slots::Slots;

/// Peers served at a time while others wait, at least: as in BitTorrent's first client.
pub const MIN_SLOTS: usize = 4;

/// And at most: together they keep a gigabit busy if each takes four megabytes a second.
pub const MAX_SLOTS: usize = 32;

/// Of so many slots, one is given by chance: as there.
pub const OPTIMISTIC_OF: usize = 4;

/// Milliseconds for which a slot may be idle while others wait: time to ask for a block after one was told, however far away one is.
pub const IDLE_MS: u64 = 1_000;

/// Milliseconds between two decisions about who is served: a connection needs this long to become as fast as it can.
pub const CHOKE_MS: u64 = 10_000;

/// Milliseconds for which a slot is given by chance: a newcomer needs this long to get a block and give it on.
pub const OPTIMISTIC_MS: u64 = 30_000;

/// Milliseconds after which one who gives us nothing makes place for those who wait.
pub const ROTATE_MS: u64 = 60_000;

/// Milliseconds for which a peer that has what we want is served without giving anything, at once or in parts, before it loses its slot.
pub const SNUB_MS: u64 = 60_000;

/// Milliseconds without a slot after which that is forgiven: it may have had nobody to give to, or too many.
pub const FORGIVE_MS: u64 = 600_000;

/// How much more likely a peer that was never served gets a slot by chance, as in BitTorrent's first client.
pub const NEWCOMER_WEIGHT: u32 = 3;

/// Questions of one peer in line: a window of short blocks.
pub const MAX_QUEUED_EACH: usize = 128;

/// Questions in line in all: those of all who are served.
pub const MAX_QUEUED: usize = MAX_SLOTS * MAX_QUEUED_EACH;

/// Peers that are known: many times those that are ever connected.
pub const MAX_PEERS: usize = 1_024;

/// Transfers in which a peer is interested.
pub const MAX_INTERESTS: usize = 1_024;

const _: () = assert!(OPTIMISTIC_OF <= MIN_SLOTS);

/// All uploads of a node.
pub struct Uploads {
    rng: ChaCha8Rng,
    peers: BTreeMap<PeerId, Peer>,
    /// Those who are interested and not served.
    waiting: BTreeSet<PeerId>,
    /// Those who are served.
    served: BTreeSet<PeerId>,
    slots: Slots,
    /// Who asked what.
    tokens: BTreeMap<Token, PeerId>,
    queued: usize,
    turns: Turns<PeerId>,
    limits: Limits,
    /// When a limit allows the next block.
    allowed: Option<Deadline>,
    /// When it is next decided who is served, if anybody waits.
    round: Deadline,
    outputs: VecDeque<Output>,
}

impl Uploads {
    /// None yet.
    pub fn new(seed: [u8; 32]) -> Self {
        Self {
            rng: ChaCha8Rng::from_seed(seed),
            peers: BTreeMap::new(),
            waiting: BTreeSet::new(),
            served: BTreeSet::new(),
            slots: Slots::default(),
            tokens: BTreeMap::new(),
            queued: 0,
            turns: Turns::default(),
            limits: Limits::default(),
            allowed: None,
            round: Deadline(0),
            outputs: VecDeque::new(),
        }
    }

    /// Takes note of something.
    pub fn handle(&mut self, now: Now, input: Input) {
        match input {
            Input::Interested { peer, transfer } => self.interested(now, peer, transfer),
            Input::NotInterested { peer, transfer } => self.not_interested(now, peer, transfer),
            Input::Wanting { peer, wanting } => {
                if let Some(known) = self.peer(peer) {
                    known.want(now, wanting);
                }
            }
            Input::Asked { peer, transfer, block: _, len, token } => {
                self.asked(now, peer, Question { token, transfer, len });
            }
            Input::Cancelled { token } => self.cancelled(token),
            Input::Served { token, bytes, took_ms } => self.served(now, token, bytes, took_ms),
            Input::Got { peer, bytes } => {
                if let Some(known) = self.peer(peer) {
                    known.gave(now, bytes);
                }
            }
            Input::PeerDown { peer } => self.peer_down(peer),
            Input::Gone { transfer } => self.gone(now, transfer),
            Input::Limit { transfer, rate } => self.limit(now, transfer, rate),
        }
        self.handle_timeout(now);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now) {
        self.fill_slots(now);
        if !self.waiting.is_empty() && now.reached(self.round) {
            self.round = now.after(CHOKE_MS);
            self.slots.round(now);
            let chosen = choosing::choose(now, self.slots.count(), &self.peers, &mut self.rng);
            self.rearrange(now, &chosen);
        }
        self.pass_on_idle_slots(now);
        self.serve_all(now);
    }

    /// The next thing to do, in order; call until `None` after every `handle` and `handle_timeout`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call `handle_timeout`.
    pub fn poll_timeout(&self) -> Option<Deadline> {
        if self.waiting.is_empty() {
            return self.allowed;
        }
        let idle = self.served_now().filter_map(Peer::idle_at).min();
        Deadline::earliest(Deadline::earliest(Some(self.round), idle), self.allowed)
    }

    /// Those who are served now.
    pub fn served_peers(&self) -> &BTreeSet<PeerId> {
        &self.served
    }

    /// What is under way.
    pub fn load(&self) -> Load {
        Load {
            peers: self.peers.len(),
            served: self.served.len(),
            queued: self.queued,
            serving: self.peers.values().map(Peer::serving_count).sum(),
        }
    }

    fn peer(&mut self, id: PeerId) -> Option<&mut Peer> {
        if self.peers.len() >= MAX_PEERS && !self.peers.contains_key(&id) {
            return None;
        }
        Some(self.peers.entry(id).or_insert_with(Peer::new))
    }

    fn served_now(&self) -> impl Iterator<Item = &Peer> {
        self.served.iter().filter_map(|id| self.peers.get(id))
    }

    fn limit(&mut self, now: Now, transfer: Option<TransferId>, rate: ByteRate) {
        self.limits.set(now, transfer, rate);
    }

    // ---- who is served

    fn interested(&mut self, now: Now, id: PeerId, transfer: TransferId) {
        let Some(peer) = self.peer(id) else { return };
        peer.interest(transfer, true);
        if peer.is_served() {
            return;
        }
        if self.waiting.is_empty() && now.reached(self.round) {
            self.round = now.after(CHOKE_MS);
            self.slots.begin(now);
        }
        self.waiting.insert(id);
        self.fill_slots(now);
        self.tell(id);
    }

    fn not_interested(&mut self, now: Now, id: PeerId, transfer: TransferId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.interest(transfer, false);
        self.refuse(id, Refusal::Choked, |question| question.transfer == transfer);
        if self.peers.get(&id).is_some_and(|peer| !peer.is_interested()) {
            self.waiting.remove(&id);
            self.stand(now, id, Standing::Choked);
        }
    }

    /// Gives free slots to those who wait.
    fn fill_slots(&mut self, now: Now) {
        while self.served.len() < self.slots.count() && self.serve_by_chance(now) {}
    }

    /// Gives a slot to one of those who wait, if any do.
    fn serve_by_chance(&mut self, now: Now) -> bool {
        let waiting = self.waiting.iter().filter_map(|id| self.peers.get_key_value(id));
        let Some(id) = choosing::by_chance(now, waiting, &mut self.rng) else { return false };
        self.stand(now, id, Standing::Optimistic(now.mono_ms));
        self.tell(id);
        true
    }

    /// Gives the slots that are idle to others who wait.
    fn pass_on_idle_slots(&mut self, now: Now) {
        let is_idle = |peer: &Peer| peer.idle_at().is_some_and(|at| now.reached(at));
        let idle: Vec<PeerId> =
            self.served.iter().copied().filter(|id| self.peers.get(id).is_some_and(is_idle)).collect();
        // Those who lose theirs wait as well, but not for these.
        let mut others = self.waiting.len();
        for id in idle {
            if others > 0 && self.serve_by_chance(now) {
                others -= 1;
                self.stand(now, id, Standing::Choked);
                self.tell(id);
            } else if let Some(peer) = self.peers.get_mut(&id) {
                peer.keeps_slot(now);
            }
        }
    }

    fn rearrange(&mut self, now: Now, chosen: &BTreeMap<PeerId, bool>) {
        let served: Vec<PeerId> = self.peers.iter().filter(|(_, peer)| peer.is_served()).map(|(id, _)| *id).collect();
        for id in served.into_iter().filter(|id| !chosen.contains_key(id)) {
            self.stand(now, id, Standing::Choked);
            self.tell(id);
        }
        for (id, by_merit) in chosen {
            let before = self.peers.get(id).map(|peer| peer.standing);
            let standing = match (before, by_merit) {
                (Some(Standing::Regular(since)), true) => Standing::Regular(since),
                (Some(Standing::Optimistic(since)), true) => Standing::Regular(since),
                (Some(standing @ Standing::Optimistic(_)), false) => standing,
                (_, true) => Standing::Regular(now.mono_ms),
                (_, false) => Standing::Optimistic(now.mono_ms),
            };
            self.stand(now, *id, standing);
            self.tell(*id);
        }
    }

    fn stand(&mut self, now: Now, id: PeerId, standing: Standing) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.stand(now, standing);
        self.served.remove(&id);
        if peer.is_served() {
            self.served.insert(id);
            self.waiting.remove(&id);
            return;
        }
        if peer.is_interested() {
            self.waiting.insert(id);
        }
        self.refuse(id, Refusal::Choked, |_| true);
    }

    /// Tells a peer whether it is served, unless it knows.
    fn tell(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let served = peer.is_served();
        if peer.told.replace(served) != Some(served) {
            self.outputs.push_back(if served { Output::Unchoke { peer: id } } else { Output::Choke { peer: id } });
        }
    }

    fn peer_down(&mut self, id: PeerId) {
        let Some(peer) = self.peers.remove(&id) else { return };
        self.served.remove(&id);
        self.queued -= peer.queue.len();
        self.waiting.remove(&id);
        self.turns.forget(id);
        for token in peer.queue.iter().map(|question| question.token).chain(peer.serving()) {
            self.tokens.remove(&token);
        }
    }

    fn gone(&mut self, now: Now, transfer: TransferId) {
        let peers: Vec<PeerId> = self.peers.keys().copied().collect();
        for id in peers {
            self.refuse(id, Refusal::Gone, |question| question.transfer == transfer);
            self.not_interested(now, id, transfer);
        }
        self.limits.set(now, Some(transfer), None);
    }
}

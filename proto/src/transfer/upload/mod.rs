//! Uploads: which peers' questions are answered, in which order, and how fast.
//!
//! Few peers are served at a time, because a way that is shared by all is quick for none. A peer that is served is *unchoked*; the
//! others are told that they are *choked*, and their questions are refused. While no more than [`SLOTS`] peers are interested, nobody is
//! choked. Otherwise (Cohen 2003, "Incentives Build Robustness in BitTorrent"; Legout, Urvoy-Keller and Michiardi 2006, "Rarest First
//! and Choke Algorithms Are Enough") it is decided every [`CHOKE_MS`] anew:
//!
//! | slots | are given to |
//! |---|---|
//! | all but [`OPTIMISTIC_SLOTS`] | first those who gave us most in the last 20 s, in whatever transfer. Then, and so to all if we want nothing: those served already, who take fastest first; those who wait, the one that waited longest first; and last those who were served for [`ROTATE_MS`] |
//! | [`OPTIMISTIC_SLOTS`], and those that the others left | one by chance, for [`OPTIMISTIC_MS`] each: so newcomers, who have nothing to give yet and are [`NEWCOMER_WEIGHT`] times as likely, come to have something; and we find peers that give more |
//!
//! A peer that has what we want, that we served for [`SNUB_MS`] and that gave nothing all the while *snubs* us. It loses its slot, which
//! is given by chance, and gets another only if nobody else wants it, until it gives, or was without for [`FORGIVE_MS`]. A slot that becomes free is given by chance at once.
//!
//! | a peer is | when | its questions |
//! |---|---|---|
//! | choked | it was told so, or was told nothing yet and there is no slot for it | are refused |
//! | served on its merits | it was chosen, or nothing competes | wait in line |
//! | served by chance | it was drawn | wait in line |
//!
//! **Order.** The peers that are served take turns, so that all that ask get the same number of bytes, whatever their blocks' lengths
//! and however many questions they have in line. Each is sent a few blocks at a time: four if it takes them within [`QUICK_MS`], fewer
//! the longer they take, but always one; so the way is never idle, little waits in it, and one that does not read holds up nobody.
//!
//! **Limits** are token buckets, counted in bytes of blocks when a block begins to be served: over any time, no more than the limit and one block
//! go out. A question of a transfer whose limit holds it up is passed by those behind it.
//!
//! | bound | value | when it is reached |
//! |---|---|---|
//! | [`SLOTS`] served | 8 | others are choked |
//! | [`MAX_QUEUED_EACH`] questions of a peer in line | 128 | further ones are refused as busy |
//! | [`MAX_QUEUED`] in all | 1,024 | the same |
//! | [`MAX_SERVING_EACH`] being answered, for one peer | 32, and four blocks of full length | they wait in line |
//! | [`MAX_PEERS`] known | 1,024 | others are refused as busy, and not served |
//! | [`MAX_INTERESTS`] of a peer | 1,024 | further ones are not noted |
//!
//! Each [`Input::Asked`] is answered by one [`Output::Serve`] or [`Output::Refuse`], unless it is cancelled or its peer is gone before.

mod choosing;
mod debt;
mod interface;
mod peer;
mod serving;
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

/// Peers served at a time while others wait: twice as many as in BitTorrent's first client, whose users had 128 kbit/s to give.
pub const SLOTS: usize = 8;

/// Of these, those that are given by chance: a quarter, as there.
pub const OPTIMISTIC_SLOTS: usize = 2;

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
pub const MAX_QUEUED: usize = SLOTS * MAX_QUEUED_EACH;

/// Blocks on their way to one peer at a time, however short.
pub const MAX_SERVING_EACH: usize = 32;

/// Milliseconds for a block within which a peer gets four at a time: enough to read the next while one is sent. With twice as many it
/// gets two.
pub const QUICK_MS: u64 = 50;

/// Peers that are known: many times those that are ever connected.
pub const MAX_PEERS: usize = 1_024;

/// Transfers in which a peer is interested.
pub const MAX_INTERESTS: usize = 1_024;

const _: () = assert!(OPTIMISTIC_SLOTS < SLOTS);

/// All uploads of a node.
pub struct Uploads {
    rng: ChaCha8Rng,
    peers: BTreeMap<PeerId, Peer>,
    /// Those who are interested and not served.
    waiting: BTreeSet<PeerId>,
    /// Those who are served: at most [`SLOTS`].
    served: BTreeSet<PeerId>,
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
            let chosen = choosing::choose(now, &self.peers, &mut self.rng);
            self.rearrange(now, &chosen);
        }
        self.serve_all(now);
    }

    /// The next thing to do, in order; call until `None` after every `handle` and `handle_timeout`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call `handle_timeout`.
    pub fn poll_timeout(&self) -> Option<Deadline> {
        let round = (!self.waiting.is_empty()).then_some(self.round);
        Deadline::earliest(round, self.allowed)
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
        while self.served.len() < SLOTS && !self.waiting.is_empty() {
            let waiting = self.waiting.iter().filter_map(|id| self.peers.get_key_value(id));
            let Some(id) = choosing::by_chance(now, waiting, &mut self.rng) else { return };
            self.stand(now, id, Standing::Optimistic(now.mono_ms));
            self.tell(id);
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

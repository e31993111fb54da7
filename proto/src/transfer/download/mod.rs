//! Downloads: which block to ask of which peer.
//!
//! A transfer begins with what is durable already and what the user wants. Peers come and say what they have; each is asked for blocks
//! that it has and that are missing here, until all that is wanted is durable. Nobody is asked for a block that it does not have, and
//! nobody that is gone, banned, resting, or serves us nothing.
//!
//! **Which block.** The rarest among the peers of the transfer, by chance among equals (Cohen 2003, "Incentives Build Robustness in
//! BitTorrent"; Legout, Urvoy-Keller and Michiardi 2006, "Rarest First and Choke Algorithms Are Enough"): so that peers soon have
//! different blocks to give each other, and none is lost with the one peer that has it. The first [`RANDOM_FIRST`] are any, because rare
//! blocks come slowly, and a newcomer should have something to give soon.
//!
//! | a block is | when | then |
//! |---|---|---|
//! | not wanted | the user did not choose it | stays so |
//! | missing | wanted, and nobody is asked for it | asked |
//! | asked | of one peer; of up to [`MAX_COPIES`] if one is late or the transfer is ending | received; missing, when the last question failed |
//! | received | here, as the answer to one question; the others are cancelled | verified; missing, if it is wrong |
//! | verified | right, and being stored | stored; missing, if the disk does not take it |
//! | stored | durable | stays so |
//!
//! **How much of whom.** Each peer has a window of bytes that may be asked of it, which follows its bandwidth and its delay: it doubles
//! at first, grows while nothing waits at the other end, and shrinks when blocks wait there ([`super::window`] tells how).
//! When not everybody can be asked, those that gave most of late come first, and each failure halves what counts; one of whom nothing is
//! known is tried before all.
//!
//! **Between transfers.** What is under way in all is bounded, and counts from the question until the block is durable: a slow disk
//! thus slows the questions. Transfers take turns, so that all that can ask get the same number of bytes; and once half of the
//! bound is used, none may have more than an equal part, so that one with many slow peers does not keep the others waiting. Below that, a
//! transfer with more peers gets more of a way that is full, as with all programs that open several connections: nobody can tell from
//! here whether it is the way that is full, or the peers. A limit of that transfer helps.
//!
//! **Peers that do not give.** A question is late after [`PATIENCE`](window::PATIENCE) times the usual delay of its peer. Then the block may be asked of
//! another, and the peer has at most one block to send until it sends one; if nothing at all came from it meanwhile, what was asked of it
//! besides is taken back. A peer that trickles is thus found like one that is silent. It is not banned: it may be slow through no
//! fault, and if it is the only one that has a block, that block may still come. After [`GIVE_UP_MS`] more the question is given up.
//!
//! **The end.** When nothing is missing but what was asked for, peers that are free are asked for blocks that another is likely to
//! need longer for than they would. Whoever is first wins, and the others are told to stop.
//!
//! **Lies.** A block of a wrong byte, or of a wrong length, bans its peer from the transfer at once, for as long as there is the transfer. A peer that
//! lacks what it said it had is believed; after [`MAX_LIES`] of these it is banned as well.
//!
//! | a failed question was | the peer |
//! |---|---|
//! | refused | rests for [`REST`] |
//! | gone | has nothing of that share, until it says otherwise; what is asked of it of others goes on |
//! | busy | rests, and its window is halved |
//! | lost, or given up | rests, and comes later in the order |
//! | of a block it lacks | is not asked for that block again |
//!
//! More peers are looked for while fewer than [`FEW_PEERS`] have anything for us, or nothing became durable for [`NO_PROGRESS_MS`]; ever
//! more rarely ([`NEED`]).
//!
//! | bound | value | when it is reached |
//! |---|---|---|
//! | [`MAX_TRANSFERS`] | 1,024 | another is not added |
//! | [`MAX_BLOCKS`] of a transfer | 8.4 million | it is not added |
//! | [`MAX_PEERS`] in a transfer | 256 | further ones are not asked |
//! | [`MAX_BYTES`] under way | 64 MiB | nothing is asked until some are durable |
//! | [`MAX_REQUESTS`], [`MAX_REQUESTS_EACH`] of one peer | 4,096, 128 | nothing is asked until some are answered |
//! | [`MAX_WINDOW`](window::MAX_WINDOW) of one peer | 8 MiB | the window does not grow |
//! | [`MAX_COPIES`] of a question | 3 | the block is asked of nobody else |
//! | [`MAX_ENDING_COPIES`] in a transfer | 4 | another block is asked of a second peer only if it is late |
//! | [`MAX_CHOKING`] peers that serve us nothing, and take part in nothing | 1,024 | further ones are forgotten, and refuse what is asked of them |
//! | [`MAX_BANNED`] in a transfer | 1,024 | the one banned longest ago may return |
//!
//! Each [`Output::Ask`] ends with one answer of the driver, or with one [`Output::Cancel`], whichever is first; what comes later is not
//! looked at. A choice of a block looks at no more than a few hundred blocks, however many the share has.

mod answers;
mod asking;
mod board;
mod interface;
mod link;
mod peers;
mod rarity;
mod requests;
mod swarm;
#[cfg(test)]
mod tests;
mod transfer;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use libp2p_identity::PeerId;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

pub use interface::*;

use super::{Blocks, Lengths, MAX_BLOCK_BYTES, MAX_BLOCKS, TransferId, limits::Limits, turns::Turns, window};
use crate::{
    backoff::{Backoff, Policy},
    schedule::Schedule,
    time::{Deadline, Now},
};
use board::Board;
use link::Link;
use requests::Requests;
use swarm::Swarm;
use transfer::{State, Transfer};

/// Transfers, finished ones too until they are removed.
pub const MAX_TRANSFERS: usize = 1_024;

/// Peers in a transfer: with 10 GB of blocks, 5 KiB each.
pub const MAX_PEERS: usize = 256;

/// Bytes asked for, or here and not durable: under half of what a node may use in memory, should all come at once. Keeps a gigabit
/// busy over half a second.
pub const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Bytes under way up to which a transfer may have as many as it likes.
pub const FREE_BYTES: u64 = MAX_BYTES / 2;

/// Questions that are open: short blocks are many.
pub const MAX_REQUESTS: usize = 4_096;

/// Questions that are open to one peer. It may not queue more of ours ([`super::upload::MAX_QUEUED_EACH`]).
pub const MAX_REQUESTS_EACH: usize = 128;

/// Peers that one block is asked of at a time.
pub const MAX_COPIES: usize = 3;

/// Blocks of a transfer that ends that are asked of several peers at a time: more would cost the peers more than they save us.
pub const MAX_ENDING_COPIES: usize = 4;

/// Blocks that are here or asked for before the rarest are preferred, as in BitTorrent.
pub const RANDOM_FIRST: usize = 4;

/// Late or slow blocks that are looked at for one that a peer has too.
pub const COPIES_LOOKED_AT: usize = 64;

/// Milliseconds that a block is expected to take at least before it is asked of another because the transfer ends: on a quick network
/// all blocks come within less, and nothing is sent twice.
pub const ENDING_FLOOR_MS: u64 = 50;

/// Milliseconds between two looks at the slowest blocks of a transfer that ends.
pub const ENDING_TICK_MS: u64 = 100;

/// Milliseconds after which a late question is given up: who sends less than a kilobyte a second is nobody's source.
pub const GIVE_UP_MS: u64 = 300_000;

/// Blocks that a peer may lack of those it said it has. A file that was lost at the other end costs a window of short blocks.
pub const MAX_LIES: u32 = 16;

/// Peers that serve us nothing and are remembered: more than are ever connected.
pub const MAX_CHOKING: usize = 1_024;

/// Peers that are banned from a transfer and remembered.
pub const MAX_BANNED: usize = 1_024;

/// How long a peer rests after it did not give a block.
pub const REST: Policy = Policy { first_ms: 1_000, cap_ms: 60_000, jitter_percent: 25 };

/// Peers with something for us below which others are looked for.
pub const FEW_PEERS: usize = 4;

/// Milliseconds without a durable block after which others are looked for.
pub const NO_PROGRESS_MS: u64 = 20_000;

/// Milliseconds between two looks at whether there are enough peers.
pub const NEED_CHECK_MS: u64 = 10_000;

/// How long to wait from one search for peers to the next.
pub const NEED: Policy = Policy { first_ms: 5_000, cap_ms: 300_000, jitter_percent: 25 };

const _: () = assert!(MAX_REQUESTS_EACH <= super::upload::MAX_QUEUED_EACH);
const _: () = assert!(window::MAX_WINDOW <= MAX_BYTES / 8 && MAX_BLOCK_BYTES as u64 <= window::LEAST_WINDOW);

/// What is due at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Wake {
    /// A question is late, or to be given up.
    Question(RequestId),
    /// A peer has rested.
    Rested(PeerId),
    /// The limit of a transfer allows the next block.
    Limited(TransferId),
    /// The limit of all does.
    Limit,
    /// The last blocks of a transfer take long.
    Ending(TransferId),
    /// A transfer may need peers.
    Needs(TransferId),
}

/// All downloads of a node.
pub struct Downloads {
    rng: ChaCha8Rng,
    transfers: BTreeMap<TransferId, Transfer>,
    links: BTreeMap<PeerId, Link>,
    /// Those who serve us nothing, whether they take part in anything or not.
    choking: BTreeSet<PeerId>,
    requests: Requests,
    turns: Turns<TransferId>,
    /// Those that wait because they have their share.
    capped: BTreeSet<TransferId>,
    /// Bytes under way in all transfers.
    bytes: u64,
    /// Transfers with bytes under way.
    busy: usize,
    limits: Limits,
    wakes: Schedule<Wake>,
    outputs: VecDeque<Output>,
}

impl Downloads {
    /// None yet.
    pub fn new(seed: [u8; 32]) -> Self {
        Self {
            rng: ChaCha8Rng::from_seed(seed),
            transfers: BTreeMap::new(),
            links: BTreeMap::new(),
            choking: BTreeSet::new(),
            requests: Requests::default(),
            turns: Turns::default(),
            capped: BTreeSet::new(),
            bytes: 0,
            busy: 0,
            limits: Limits::default(),
            wakes: Schedule::default(),
            outputs: VecDeque::new(),
        }
    }

    /// Takes note of something.
    pub fn handle(&mut self, now: Now, input: Input) {
        match input {
            Input::Add { transfer, lengths, have, wanted } => self.add(now, transfer, lengths, have, wanted),
            Input::Remove { transfer } => self.remove(now, transfer),
            Input::Pause { transfer } => self.pause(now, transfer, Pause::User),
            Input::Resume { transfer } => self.resume(now, transfer),
            Input::PeerUp { transfer, peer } => self.peer_up(transfer, peer),
            Input::PeerDown { peer } => self.peer_down(now, peer),
            Input::Has { transfer, peer, blocks } => self.has(now, transfer, peer, blocks),
            Input::HasOne { transfer, peer, block } => self.has_one(now, transfer, peer, block),
            Input::Choked { peer } => self.choked(now, peer, true),
            Input::Unchoked { peer } => self.choked(now, peer, false),
            Input::Received { request, bytes } => self.received(now, request, bytes),
            Input::Verified { request } => self.verified(request),
            Input::Wrong { request } => self.wrong(now, request),
            Input::Failed { request, why } => self.failed(now, request, why),
            Input::Stored { transfer, block } => self.stored(now, transfer, block),
            Input::NotStored { transfer, block } => self.not_stored(now, transfer, block),
            Input::Limit { transfer, rate } => self.limit(now, transfer, rate),
        }
        self.handle_timeout(now);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now) {
        while let Some(wake) = self.wakes.pop_due(now) {
            match wake {
                Wake::Question(request) => self.overdue(now, request),
                Wake::Rested(peer) => self.offer_all(now, peer),
                Wake::Limited(transfer) => {
                    if self.transfers.get(&transfer).is_some_and(Transfer::is_running) {
                        self.turns.wait(transfer);
                    }
                }
                Wake::Limit => {}
                Wake::Ending(transfer) => self.offer_ending(now, transfer),
                Wake::Needs(transfer) => self.look_for_peers(now, transfer),
            }
        }
        self.ask_all(now);
    }

    /// The next thing to do, in order; call until `None` after every `handle` and `handle_timeout`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call `handle_timeout`.
    pub fn poll_timeout(&self) -> Option<Deadline> {
        self.wakes.first()
    }

    /// How far a transfer is.
    pub fn progress(&self, transfer: TransferId) -> Option<Progress> {
        let Transfer { board, swarm, .. } = self.transfers.get(&transfer)?;
        Some(Progress {
            wanted: board.wanted().len(),
            stored: board.stored(),
            asked: board.asked(),
            in_hand: board.in_hand(),
            peers: swarm.len(),
        })
    }

    /// How many blocks of a transfer a peer has, and how many there are; `None` if it takes no part.
    pub fn share_of(&self, transfer: TransferId, peer: &PeerId) -> Option<(u32, u32)> {
        let member = self.transfers.get(&transfer)?.swarm.get(peer)?;
        Some((member.has().len(), member.has().count()))
    }

    /// Whether a peer is known to have a block of a transfer, or takes no part in it.
    pub fn needs_no_word(&self, transfer: TransferId, peer: &PeerId, block: u32) -> bool {
        let member = self.transfers.get(&transfer).and_then(|transfer| transfer.swarm.get(peer));
        member.is_none_or(|member| member.has().contains(block))
    }

    /// What is known of a peer.
    pub fn peer(&self, now: Now, peer: &PeerId) -> Option<PeerLoad> {
        self.links.get(peer).map(|link| link.load(now))
    }

    /// What all of them have under way.
    pub fn load(&self) -> Load {
        Load { requests: self.requests.len(), bytes: self.bytes }
    }

    fn add(&mut self, now: Now, id: TransferId, lengths: Lengths, have: Blocks, wanted: Blocks) {
        if self.transfers.contains_key(&id) {
            return;
        }
        let count = lengths.count();
        let fits = count <= MAX_BLOCKS && have.count() == count && wanted.count() == count;
        if !fits || lengths.longest() > MAX_BLOCK_BYTES || self.transfers.len() >= MAX_TRANSFERS {
            self.outputs.push_back(Output::NotAdded { transfer: id });
            return;
        }
        let board = Board::new(lengths, have, wanted, &mut self.rng);
        let state = if board.is_finished() { State::Finished } else { State::Running };
        let transfer = Transfer {
            board,
            swarm: Swarm::default(),
            state,
            bytes: 0,
            progressed_ms: now.mono_ms,
            need: Backoff::default(),
            need_again: now.after(0),
        };
        if transfer.is_running() {
            self.wakes.set(Wake::Needs(id), Some(transfer.need_again));
        } else {
            self.outputs.push_back(Output::Finished { transfer: id });
        }
        self.transfers.insert(id, transfer);
    }

    fn remove(&mut self, now: Now, id: TransferId) {
        let Some(transfer) = self.transfers.get(&id) else { return };
        let peers: Vec<PeerId> = transfer.swarm.peers().collect();
        if transfer.is_running() {
            self.want_all(id, false);
        }
        self.stop(now, id, State::Finished);
        self.requests.of(id).into_iter().for_each(|request| _ = self.requests.remove(request));
        for peer in peers {
            self.part(now, id, peer);
            self.forget_if_idle(peer);
        }
        let bytes = self.transfers.get(&id).map_or(0, |transfer| transfer.bytes);
        self.free_bytes(id, bytes);
        self.transfers.remove(&id);
        self.turns.forget(id);
        self.limits.set(now, Some(id), None);
    }

    fn pause(&mut self, now: Now, id: TransferId, why: Pause) {
        if !self.transfers.get(&id).is_some_and(Transfer::is_running) {
            return;
        }
        self.want_all(id, false);
        self.stop(now, id, State::Paused(why));
        self.outputs.push_back(Output::Paused { transfer: id, why });
    }

    /// Asks for nothing more, and takes back what was asked for. What is in hand goes on.
    fn stop(&mut self, now: Now, id: TransferId, state: State) {
        let Some(transfer) = self.transfers.get_mut(&id) else { return };
        transfer.state = state;
        self.turns.leave(id);
        self.capped.remove(&id);
        for wake in [Wake::Needs(id), Wake::Ending(id), Wake::Limited(id)] {
            self.wakes.set(wake, None);
        }
        for request in self.requests.of(id) {
            self.cancel(now, request);
        }
    }

    fn resume(&mut self, now: Now, id: TransferId) {
        let Some(transfer) = self.transfers.get_mut(&id) else { return };
        if !matches!(transfer.state, State::Paused(_)) {
            return;
        }
        transfer.state = State::Running;
        transfer.progressed_ms = now.mono_ms;
        transfer.need.reset();
        let (need_again, peers) = (transfer.need_again, transfer.swarm.peers().collect::<Vec<_>>());
        self.wakes.set(Wake::Needs(id), Some(need_again.max(now.after(0))));
        self.want_all(id, true);
        peers.into_iter().for_each(|peer| self.offer(now, id, peer));
    }

    fn limit(&mut self, now: Now, transfer: Option<TransferId>, rate: super::ByteRate) {
        self.limits.set(now, transfer, rate);
        self.wakes.set(transfer.map_or(Wake::Limit, Wake::Limited), Some(now.after(0)));
    }
}

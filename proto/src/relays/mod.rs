//! Relays: through whom others reach a node that they cannot reach directly.
//!
//! A relay lets others connect to a node through a *reservation*, which the node asks for and keeps as long as it is connected with the
//! relay (circuit relay v2, <https://github.com/libp2p/specs/blob/master/relay/circuit-v2.md>). libp2p renews one before it ends. It neither looks for relays nor
//! asks again after one is lost; this machine does both. No relay may be a single point of failure, so a node keeps
//! [`WANTED`], at different places of the internet if it can: who may be one party's together goes down together, or listens together.
//!
//! | a relay is | when | then |
//! |---|---|---|
//! | known | somebody says that it is one | asked, when a reservation is wanted and there is no better one |
//! | asked | a reservation is asked for | held; resting, if it refuses, cannot be reached, or says nothing for [`ASK_MS`] |
//! | held | it said yes | resting, when the reservation or the connection is lost; let go, when it is not wanted any more |
//! | resting | it failed | known, after a while that doubles with each failure: [`LOST`]; [`FULL`], if it has no room |
//!
//! **Which.** First those that the user named, then those that are in another neighbourhood than all that are held or asked
//! ([`crate::connectivity::neighbourhood`]), then those that failed less often, then those that held before, then by lot: if all nodes
//! went by one order, all would be on the same relays.
//!
//! **When.** As soon as one is lost, others are asked; the lost one may come back, and is then known as before. While fewer than
//! [`WANTED`] are held and nobody is left to be asked, more relays are looked for, ever more rarely ([`SEARCH`]). A node that can be
//! reached directly wants none; since that may be a mistake, it lets go only after [`SETTLE_MS`].
//!
//! | bound | value | when it is reached |
//! |---|---|---|
//! | [`WANTED`] held | 2 | of more, since one more is asked than is lacking, the youngest is let go, but one of a shared neighbourhood first, and last one that the user named |
//! | [`MAX_ASKED`] asked | 3 | others wait |
//! | [`MAX_KNOWN`] known | 64 | who was named by nobody we trust, and failed most often, is forgotten |
//!
//! Each [`Output::Reserve`] ends with one [`Input::Accepted`] or [`Input::Failed`], or with [`Output::LetGo`]; each that was accepted with
//! [`Input::Lost`] or [`Output::LetGo`].

mod interface;
mod relay;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use libp2p_identity::PeerId;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub use interface::*;

use crate::{
    backoff::{Backoff, Policy},
    time::{Deadline, Now},
};
use relay::{Relay, Stage};

/// Reservations that are kept: one may be lost at any moment.
pub const WANTED: usize = 2;

/// Relays that are asked at a time: one more than are wanted, for one of them may not answer.
pub const MAX_ASKED: usize = WANTED + 1;

/// Relays that are remembered.
pub const MAX_KNOWN: usize = 64;

/// Milliseconds after which a relay that says nothing has failed: to dial it, and two round trips.
pub const ASK_MS: u64 = 20_000;

/// How long one rests that was lost, refuses, or cannot be reached: one that is started again is there within seconds.
pub const LOST: Policy = Policy { first_ms: 1_000, cap_ms: 300_000, jitter_percent: 25 };

/// How long one rests that has no room: reservations of others end within the hour.
pub const FULL: Policy = Policy { first_ms: 60_000, cap_ms: 1_800_000, jitter_percent: 25 };

/// How long to wait from one search for relays to the next.
pub const SEARCH: Policy = Policy { first_ms: 5_000, cap_ms: 300_000, jitter_percent: 25 };

/// Milliseconds for which a node has to be reachable before it does without relays.
pub const SETTLE_MS: u64 = 60_000;

/// Milliseconds after which a reservation counts as good, and its relay's failures are forgotten when it is lost.
pub const STABLE_MS: u64 = 10_000;

const _: () = assert!(WANTED <= MAX_ASKED && MAX_ASKED < MAX_KNOWN);

/// The reservations of a node.
pub struct Reservations {
    rng: ChaCha8Rng,
    wanted: bool,
    /// When they are let go, if they are wanted no more.
    settled: Option<Deadline>,
    relays: BTreeMap<PeerId, Relay>,
    search: Backoff,
    search_at: Deadline,
    outputs: VecDeque<Output>,
}

impl Reservations {
    /// None, and none wanted.
    pub fn new(seed: [u8; 32]) -> Self {
        Self {
            rng: ChaCha8Rng::from_seed(seed),
            wanted: false,
            settled: None,
            relays: BTreeMap::new(),
            search: Backoff::default(),
            search_at: Deadline(0),
            outputs: VecDeque::new(),
        }
    }

    /// Takes note of something.
    pub fn handle(&mut self, now: Now, input: Input) {
        match input {
            Input::Wanted { wanted } => self.want(now, wanted),
            Input::Found { relay, word, neighbourhood } => self.found(relay, word, neighbourhood),
            Input::NotOne { relay } => self.not_one(relay),
            Input::Accepted { relay } => self.accepted(now, relay),
            Input::Failed { relay, why } => self.failed(now, relay, why),
            Input::Lost { relay } => self.lost(now, relay),
        }
        self.handle_timeout(now);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now) {
        if self.settled.is_some_and(|at| now.reached(at)) {
            self.settled = None;
            self.let_all_go();
        }
        let silent = |relay: &Relay| matches!(relay.stage, Stage::Asked(since) if now.reached(since));
        let silent: Vec<PeerId> = self.relays.iter().filter(|(_, relay)| silent(relay)).map(|(id, _)| *id).collect();
        for relay in silent {
            self.outputs.push_back(Output::LetGo { relay });
            self.rest(now, relay, LOST);
        }
        if self.wanted {
            self.let_spare_ones_go();
            self.ask(now);
        }
    }

    /// The next thing to do, in order; call until `None` after every `handle` and `handle_timeout`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call `handle_timeout`.
    pub fn poll_timeout(&self) -> Option<Deadline> {
        let asked = self.relays.values().filter_map(|relay| match relay.stage {
            Stage::Asked(until) => Some(until),
            _ => None,
        });
        let due = asked.chain(self.settled).min();
        if !self.wanted || self.lacking() == 0 {
            return due;
        }
        let resting = self.relays.values().filter_map(|relay| match relay.stage {
            Stage::Resting(until) => Some(until),
            _ => None,
        });
        let under_way = self.count(Relay::is_asked);
        let again = resting.filter(|_| under_way < self.most());
        let search = (under_way < self.lacking()).then_some(self.search_at);
        again.chain(search).chain(due).min()
    }

    /// Those through whom we can be reached.
    pub fn held(&self) -> impl Iterator<Item = PeerId> {
        self.relays.iter().filter(|(_, relay)| relay.is_held()).map(|(id, _)| *id)
    }

    /// How many are known, in whatever state.
    pub fn known(&self) -> usize {
        self.relays.len()
    }

    // ---- what happens

    fn want(&mut self, now: Now, wanted: bool) {
        match (self.wanted, wanted) {
            (false, true) => {
                self.settled = None;
                self.search.reset();
                self.search_at = now.after(0);
            }
            (true, false) => self.settled = Some(now.after(SETTLE_MS)),
            _ => {}
        }
        self.wanted = wanted;
    }

    fn found(&mut self, id: PeerId, word: Word, neighbourhood: u64) {
        if let Some(relay) = self.relays.get_mut(&id) {
            relay.word = relay.word.min(word);
            relay.neighbourhood = neighbourhood;
            return;
        }
        if self.relays.len() >= MAX_KNOWN && !self.forget_one_for(word) {
            return;
        }
        self.relays.insert(id, Relay::new(word, neighbourhood, self.rng.random()));
    }

    /// Makes room for one on whose behalf somebody speaks: the worst of those goes that nobody better speaks for.
    fn forget_one_for(&mut self, word: Word) -> bool {
        let idle = self.relays.iter().filter(|(_, relay)| relay.is_idle() && relay.word >= word);
        let worst = idle.max_by_key(|(_, relay)| (relay.word, relay.rest.failures(), !relay.was_held, relay.lot));
        let Some(worst) = worst.map(|(id, _)| *id) else { return false };
        self.relays.remove(&worst);
        true
    }

    fn not_one(&mut self, id: PeerId) {
        if self.relays.get(&id).is_some_and(Relay::is_idle) {
            self.relays.remove(&id);
        }
    }

    fn accepted(&mut self, now: Now, id: PeerId) {
        let Some(relay) = self.relays.get_mut(&id).filter(|relay| relay.is_asked()) else { return };
        relay.hold(now);
        self.outputs.push_back(Output::Held { relay: id });
    }

    fn failed(&mut self, now: Now, id: PeerId, why: Failure) {
        if !self.relays.get(&id).is_some_and(Relay::is_asked) {
            return;
        }
        match why {
            Failure::Full => self.rest(now, id, FULL),
            Failure::Unreachable | Failure::Refused => self.rest(now, id, LOST),
            Failure::NotOne => _ = self.relays.remove(&id),
        }
    }

    fn lost(&mut self, now: Now, id: PeerId) {
        let Some(relay) = self.relays.get_mut(&id).filter(|relay| relay.is_held()) else { return };
        // One that accepts and hangs up is not to be asked in a frenzy.
        if now.mono_ms.saturating_sub(relay.since_ms()) >= STABLE_MS {
            relay.rest.reset();
            self.search.reset();
        }
        self.outputs.push_back(Output::NotHeld { relay: id });
        self.rest(now, id, LOST);
    }

    fn rest(&mut self, now: Now, id: PeerId, policy: Policy) {
        if let Some(relay) = self.relays.get_mut(&id) {
            let rest_ms = relay.rest.fail(policy, &mut self.rng);
            relay.stage = Stage::Resting(now.after(rest_ms));
        }
    }

    // ---- whom to ask, and whom to let go

    fn count(&self, which: impl Fn(&Relay) -> bool) -> usize {
        self.relays.values().filter(|relay| which(relay)).count()
    }

    fn lacking(&self) -> usize {
        WANTED.saturating_sub(self.count(Relay::is_held))
    }

    /// How many may be asked at a time: one more than are lacking; the first who answer are kept.
    fn most(&self) -> usize {
        match self.lacking() {
            0 => 0,
            lacking => (lacking + 1).min(MAX_ASKED),
        }
    }

    /// Asks for what is lacking and was not asked for; looks for more relays when there is nobody to be asked.
    fn ask(&mut self, now: Now) {
        while self.count(Relay::is_asked) < self.most() {
            let Some(relay) = self.best(now) else { break };
            if let Some(relay) = self.relays.get_mut(&relay) {
                relay.stage = Stage::Asked(now.after(ASK_MS));
            }
            self.outputs.push_back(Output::Reserve { relay });
        }
        if self.count(Relay::is_asked) < self.lacking() && now.reached(self.search_at) {
            self.search_at = now.after(self.search.fail(SEARCH, &mut self.rng));
            self.outputs.push_back(Output::FindRelays);
        }
    }

    /// The one to be asked next.
    fn best(&self, now: Now) -> Option<PeerId> {
        let is_near = |relay: &Relay| {
            let same = |other: &Relay| !other.is_idle() && other.neighbourhood == relay.neighbourhood;
            self.relays.values().any(same)
        };
        let rank = |relay: &Relay| (relay.word, is_near(relay), relay.rest.failures(), !relay.was_held, relay.lot);
        let may = self.relays.iter().filter(|(_, relay)| relay.may_be_asked(now));
        may.min_by_key(|(_, relay)| rank(relay)).map(|(id, _)| *id)
    }

    /// Of more than are wanted, the youngest go, those first that share a neighbourhood with another; and nobody is asked any more.
    fn let_spare_ones_go(&mut self) {
        while self.count(Relay::is_held) > WANTED {
            let near = |relay: &Relay| {
                let same = |other: &&Relay| other.is_held() && other.neighbourhood == relay.neighbourhood;
                self.relays.values().filter(same).count() > 1
            };
            let held = self.relays.iter().filter(|(_, relay)| relay.is_held());
            let spare = held.max_by_key(|(_, relay)| (relay.word, near(relay), relay.since_ms()));
            let Some(spare) = spare.map(|(id, _)| *id) else { return };
            self.let_go(spare);
        }
        // A better one may still answer.
        let worst = self.relays.values().filter(|relay| relay.is_held()).map(|relay| relay.word).max();
        if self.lacking() == 0 {
            self.let_go_of(|relay| relay.is_asked() && worst.is_none_or(|worst| relay.word >= worst));
        }
    }

    fn let_all_go(&mut self) {
        self.let_go_of(|relay| !relay.is_idle());
    }

    fn let_go_of(&mut self, which: impl Fn(&Relay) -> bool) {
        let these: Vec<PeerId> = self.relays.iter().filter(|(_, relay)| which(relay)).map(|(id, _)| *id).collect();
        these.into_iter().for_each(|relay| self.let_go(relay));
    }

    fn let_go(&mut self, id: PeerId) {
        let Some(relay) = self.relays.get_mut(&id) else { return };
        let was_held = relay.is_held();
        relay.stage = Stage::Known;
        self.outputs.push_back(Output::LetGo { relay: id });
        if was_held {
            self.outputs.push_back(Output::NotHeld { relay: id });
        }
    }
}

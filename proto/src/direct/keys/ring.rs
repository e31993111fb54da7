//! The machine.

use std::collections::VecDeque;

use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

use super::{
    CommitId, Config, Input, LOOK_MS, MAX_KEYS, MAX_KEYS_BY_HAND, MAX_LEAP_MS, NotRotated, Output, RETRY_MS, SAVE_MS,
    STEP_MS, Stored, StoredKey,
};
use crate::{
    commits::Commits,
    direct::card::{
        Card, KEEP_MS, MAX_ADDRESS_BYTES, MAX_MAILBOX_ADDRESSES, MAX_MAILBOXES, MAX_PEER_ID_BYTES, Mailbox, ROTATE_MS,
        SignedCard,
    },
    ids::Author,
    seal::{KeyId, OpenKey},
    signature::Signer,
    time::{Deadline, Now},
};

/// Milliseconds since the epoch that a clock can claim, at most (the year 10889, as [`crate::hlc`] has it).
const LATEST_MS: u64 = (1 << 48) - 1;

/// The recipient's encryption keys.
#[derive(Debug)]
pub struct KeyRing {
    signer: Signer,
    rng: ChaCha20Rng,
    /// What the store has; without keys before the first one is there.
    durable: Stored,
    /// The names of the durable keys, in the same order.
    names: Vec<KeyId>,
    card: Option<SignedCard>,
    time: RingTime,
    mailboxes: Vec<Mailbox>,
    /// The user wants a new key.
    rotate: bool,
    /// At most one record.
    commits: Commits<Commit>,
    /// After the store failed: when to try again.
    retry: Option<Deadline>,
    /// When to look again.
    look: Deadline,
    outputs: VecDeque<Output>,
}

/// A record on its way to the disk.
#[derive(Debug)]
struct Commit {
    stored: Stored,
    /// Whether the user asked for the new key in it.
    by_hand: bool,
}

/// The ring's own time.
#[derive(Debug, Clone, Copy)]
struct RingTime {
    elapsed_ms: u64,
    /// The latest wall time ever seen.
    wall_ms: u64,
    /// The monotonic time up to which it is counted.
    mono_ms: u64,
}

impl RingTime {
    fn advance(&mut self, now: Now) {
        let ran_ms = now.mono_ms.saturating_sub(self.mono_ms);
        let wall_ms = now.wall_ms.min(LATEST_MS);
        let leapt_ms = wall_ms.saturating_sub(self.wall_ms);
        if ran_ms.max(leapt_ms) < STEP_MS {
            return;
        }
        let counted_ms = leapt_ms.min(ran_ms.saturating_add(MAX_LEAP_MS)).max(ran_ms);
        self.elapsed_ms = self.elapsed_ms.saturating_add(counted_ms);
        self.wall_ms = self.wall_ms.max(wall_ms);
        self.mono_ms = self.mono_ms.max(now.mono_ms);
    }
}

impl KeyRing {
    /// The ring of a node that starts for the first time.
    pub fn new(now: Now, config: Config) -> Self {
        let wall_ms = now.wall_ms.min(LATEST_MS);
        let nothing = Stored { keys: Vec::new(), mailboxes: Vec::new(), issued_ms: 0, elapsed_ms: 0, wall_ms };
        Self::restore(now, config, nothing)
    }

    /// The ring that the store holds.
    pub fn restore(now: Now, config: Config, stored: Stored) -> Self {
        let mut ring = Self {
            signer: config.signer,
            rng: ChaCha20Rng::from_seed(config.seed),
            names: names(&stored),
            card: None,
            time: RingTime { elapsed_ms: stored.elapsed_ms, wall_ms: stored.wall_ms, mono_ms: now.mono_ms },
            mailboxes: stored.mailboxes.clone(),
            durable: stored,
            rotate: false,
            commits: Commits::default(),
            retry: None,
            look: now.after(LOOK_MS),
            outputs: VecDeque::new(),
        };
        ring.show_card();
        ring.step(now);
        ring
    }

    /// Our card, once there is one.
    pub fn card(&self) -> Option<&SignedCard> {
        self.card.as_ref()
    }

    /// Whose keys they are.
    pub fn owner(&self) -> Author {
        self.signer.author()
    }

    /// All durable keys, by name: what [`crate::direct::letter::Envelope::open`] wants.
    pub fn keys(&self) -> impl Iterator<Item = (KeyId, &OpenKey)> {
        self.names.iter().copied().zip(self.durable.keys.iter().map(|stored| &stored.key))
    }

    /// Takes note of something that happened.
    pub fn handle(&mut self, now: Now, input: Input) {
        match input {
            Input::Mailboxes(mailboxes) => self.mailboxes = fitting(mailboxes),
            Input::RotateNow => self.rotate = true,
            Input::Persisted { through } => self.persisted(through),
            Input::PersistFailed => self.persist_failed(now),
        }
        self.step(now);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now) {
        self.step(now);
    }

    /// The next thing to do, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`KeyRing::handle_timeout`] is to be called.
    pub fn poll_timeout(&self) -> Option<Deadline> {
        if self.commits.is_empty() { Some(self.look) } else { None }
    }

    // ---- to the disk and back

    /// Hands the store what is to be kept, if that is not what it has.
    fn step(&mut self, now: Now) {
        self.time.advance(now);
        self.retry = self.retry.filter(|retry| !now.reached(*retry));
        if self.commits.is_empty() && self.retry.is_none() {
            self.write(now);
        }
        let due_ms = self.due_ms().saturating_sub(self.time.elapsed_ms);
        let look = now.after(due_ms.clamp(STEP_MS, LOOK_MS));
        self.look = self.retry.map_or(look, |retry| retry.min(look));
    }

    fn write(&mut self, now: Now) {
        let elapsed_ms = self.time.elapsed_ms;
        let mut next = self.durable.clone();
        next.keys.retain(|key| key.replaced_ms.is_none_or(|at| at.saturating_add(KEEP_MS) > elapsed_ms));
        let forgot = next.keys.len() < self.durable.keys.len();
        let by_hand = std::mem::take(&mut self.rotate);
        let rotated = self.rotate_in(&mut next, by_hand);
        let moved = next.mailboxes != self.mailboxes;
        let saved = elapsed_ms.saturating_sub(next.elapsed_ms) < SAVE_MS;
        if !(forgot || rotated || moved) && saved {
            return;
        }
        if rotated || moved {
            next.mailboxes.clone_from(&self.mailboxes);
            next.issued_ms = now.wall_ms.min(LATEST_MS).max(next.issued_ms.saturating_add(1));
        }
        (next.elapsed_ms, next.wall_ms) = (elapsed_ms, self.time.wall_ms);
        let commit = self.commits.push(Commit { stored: next.clone(), by_hand: by_hand && rotated }, 0);
        self.outputs.push_back(Output::Persist { commit, stored: next });
    }

    /// Makes a new key if one is wanted or due, and says whether it did.
    fn rotate_in(&mut self, next: &mut Stored, by_hand: bool) -> bool {
        let elapsed_ms = self.time.elapsed_ms;
        let due = next.keys.last().is_none_or(|key| elapsed_ms.saturating_sub(key.made_ms) >= ROTATE_MS);
        let most = if due { MAX_KEYS } else { MAX_KEYS_BY_HAND };
        if next.keys.len() >= most {
            if by_hand {
                self.outputs.push_back(Output::NotRotated(NotRotated::TooMany));
            }
            return false;
        }
        if !(due || by_hand) {
            return false;
        }
        if let Some(current) = next.keys.last_mut() {
            current.replaced_ms = Some(elapsed_ms);
        }
        next.keys.push(StoredKey { key: OpenKey::generate(&mut self.rng), made_ms: elapsed_ms, replaced_ms: None });
        true
    }

    fn persisted(&mut self, through: CommitId) {
        let Some(commit) = self.commits.pop_through(through) else { return };
        let news = commit.stored.issued_ms > self.durable.issued_ms;
        self.names = names(&commit.stored);
        self.durable = commit.stored;
        if news {
            self.show_card();
        }
    }

    fn persist_failed(&mut self, now: Now) {
        let Some(commit) = self.commits.take_all().pop() else { return };
        if commit.by_hand {
            self.outputs.push_back(Output::NotRotated(NotRotated::StoreFailed));
        }
        self.retry = Some(now.after(RETRY_MS));
    }

    fn show_card(&mut self) {
        let Some(current) = self.durable.keys.last() else { return };
        let card = Card {
            owner: self.signer.author(),
            issued_ms: self.durable.issued_ms,
            key: current.key.seal_key(),
            mailboxes: self.durable.mailboxes.clone(),
        };
        let card = card.sign(&self.signer);
        self.outputs.push_back(Output::Card(card.clone()));
        self.card = Some(card);
    }

    /// When, by the ring's time, something is to be made, forgotten or written.
    fn due_ms(&self) -> u64 {
        let due = |key: &StoredKey| match key.replaced_ms {
            Some(replaced_ms) => replaced_ms.saturating_add(KEEP_MS),
            None => key.made_ms.saturating_add(ROTATE_MS),
        };
        self.durable.keys.iter().map(due).min().unwrap_or(0).min(self.durable.elapsed_ms.saturating_add(SAVE_MS))
    }
}

fn names(stored: &Stored) -> Vec<KeyId> {
    stored.keys.iter().map(|stored| stored.key.seal_key().id()).collect()
}

/// The first of them that fit into a card.
fn fitting(mut mailboxes: Vec<Mailbox>) -> Vec<Mailbox> {
    mailboxes.retain(|mailbox| mailbox.peer.len() <= MAX_PEER_ID_BYTES);
    mailboxes.truncate(MAX_MAILBOXES);
    for mailbox in &mut mailboxes {
        mailbox.addresses.retain(|address| address.len() <= MAX_ADDRESS_BYTES);
        mailbox.addresses.truncate(MAX_MAILBOX_ADDRESSES);
    }
    mailboxes
}

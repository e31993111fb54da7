//! Volunteers as a mailbox, and lies.
//!
//! Underneath it is an honest one, [`Keeper`], with its store in memory: it takes registrations and letters, hands out cards, and
//! provides what mailboxes provide, so that it is chosen like any other. What it says is then bent ([`Lie`]).

use std::collections::{BTreeMap, VecDeque};

use libp2p::{PeerId, kad::RecordKey};
use proto::{
    direct::{
        card::SignedCard,
        finding::{card_key, mailboxes_key},
        letter::{Envelope, EnvelopeId},
        mailbox::{Change, Config, Depositor, Input, Keeper, Output, Settings, Stored},
        message::{DirectAnswer, DirectQuestion, MAX_BATCH_LETTERS},
    },
    ids::Author,
    signature::Ed25519,
    time::Now,
};
use std::sync::Arc;

use super::peer::{Peer, Trick};
use crate::scenario::Lie;

/// Letters that are remembered, whatever became of them. The oldest make room.
const MAX_REMEMBERED: usize = 10_000;

/// Milliseconds from the first time that a key is provided to the second; twice as long to the third, and so on.
const PROVIDE_MS: u64 = 4_000;

/// A key that it provides, and when it does so next.
struct Provided {
    key: [u8; 32],
    at_ms: u64,
    wait_ms: u64,
}

/// Lies about letters.
pub struct LyingMailbox {
    lie: Lie,
    keeper: Keeper,
    letters: BTreeMap<EnvelopeId, Envelope>,
    /// In the order in which they came.
    remembered: VecDeque<Envelope>,
    /// The first of each owner.
    cards: BTreeMap<Author, SignedCard>,
    provided: Vec<Provided>,
}

impl LyingMailbox {
    /// Lies so.
    pub fn new(peer: &Peer, lie: Lie) -> Self {
        let config = Config { settings: Settings::default(), verifier: Arc::new(Ed25519) };
        let mut mailbox = Self {
            lie,
            keeper: Keeper::new(peer.now(), config, Stored::default()),
            letters: BTreeMap::new(),
            remembered: VecDeque::new(),
            cards: BTreeMap::new(),
            provided: Vec::new(),
        };
        mailbox.provide(peer.now(), mailboxes_key());
        mailbox
    }

    fn provide(&mut self, now: Now, key: [u8; 32]) {
        self.provided.push(Provided { key, at_ms: now.mono_ms, wait_ms: PROVIDE_MS });
    }

    /// What an honest mailbox would say.
    fn honest(&mut self, now: Now, from: PeerId, question: DirectQuestion) -> Option<DirectAnswer> {
        let (asker, token) = (Author::from_peer_id(&from)?, 0);
        let input = match question {
            DirectQuestion::Deliver(_) => return None,
            DirectQuestion::Card(author) => Input::Card { token, author },
            DirectQuestion::Deposit(envelopes) => Input::Deposit { token, depositor: Depositor(0), envelopes },
            DirectQuestion::Register(card) => Input::Register { token, asker, card },
            DirectQuestion::Collect { after } => Input::Collect { token, asker, after },
            DirectQuestion::Discard(ids) => Input::Discard { token, asker, ids },
        };
        self.keeper.handle(now, input);
        let mut answer = None;
        while let Some(output) = self.keeper.poll_output() {
            match output {
                Output::Persist { commit, changes } => {
                    changes.into_iter().for_each(|change| self.apply(change));
                    self.keeper.handle(now, Input::Persisted { through: commit });
                }
                Output::Answer { answer: said, .. } => answer = Some(said),
                Output::Serve { ids, more, .. } => {
                    let envelopes = ids.iter().filter_map(|id| self.letters.get(id).cloned()).collect();
                    answer = Some(DirectAnswer::Letters { envelopes, more });
                }
                Output::Provide(author) => self.provide(now, card_key(&author)),
                Output::StopProviding(author) => {
                    self.provided.retain(|provided| provided.key != card_key(&author));
                }
            }
        }
        answer
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Keep { letter, envelope } => {
                if self.remembered.len() >= MAX_REMEMBERED {
                    self.remembered.pop_front();
                }
                self.remembered.push_back(envelope.clone());
                self.letters.insert(letter.id, envelope);
            }
            Change::Drop { ids } => ids.iter().for_each(|id| _ = self.letters.remove(id)),
            Change::Registered(registration) => {
                self.cards.entry(registration.card.card.owner).or_insert(registration.card);
            }
            Change::Unregistered { .. } => {}
        }
    }

    /// All letters that it remembers and that may be handed out to an asker: one page of them.
    fn page(&self, to: impl Fn(&Author) -> bool) -> DirectAnswer {
        let envelopes = self.remembered.iter().filter(|envelope| to(&envelope.to)).cloned();
        DirectAnswer::Letters { envelopes: envelopes.take(MAX_BATCH_LETTERS).collect(), more: false }
    }

    fn bend(&self, envelopes: &mut Vec<Envelope>) {
        match self.lie {
            Lie::Repeat => {
                *envelopes = envelopes.iter().flat_map(|envelope| [envelope.clone(), envelope.clone()]).collect()
            }
            Lie::Shuffle => envelopes.reverse(),
            Lie::Corrupt => {
                for envelope in envelopes {
                    let middle = envelope.sealed.ciphertext.len() / 2;
                    envelope.sealed.ciphertext[middle] ^= 1;
                }
            }
            _ => {}
        }
    }
}

impl Trick for LyingMailbox {
    /// Provides what is due.
    fn act(&mut self, peer: &mut Peer) {
        let now_ms = peer.now().mono_ms;
        if peer.connected.is_empty() {
            return;
        }
        for provided in self.provided.iter_mut().filter(|provided| provided.at_ms <= now_ms) {
            provided.at_ms = now_ms + provided.wait_ms;
            provided.wait_ms *= 2;
            // `Err` when there are too many.
            let _ = peer.swarm.behaviour_mut().kad.start_providing(RecordKey::new(&provided.key));
        }
    }

    fn answer_letter(&mut self, now: Now, from: PeerId, question: DirectQuestion) -> Option<DirectAnswer> {
        let asker = Author::from_peer_id(&from);
        match (self.lie, question) {
            (Lie::Forget, DirectQuestion::Deposit(envelopes)) => Some(DirectAnswer::Deposited(envelopes.len() as u32)),
            (Lie::Claim, DirectQuestion::Deposit(envelopes)) => {
                let claimed = envelopes.len() as u32 + 1;
                self.honest(now, from, DirectQuestion::Deposit(envelopes.into_iter().step_by(2).collect()))?;
                Some(DirectAnswer::Deposited(claimed))
            }
            (Lie::Replay, DirectQuestion::Collect { .. }) => Some(self.page(|to| Some(*to) == asker)),
            // Whoever holds an old card seals for an old key, and does not learn of new mailboxes.
            (Lie::Replay, DirectQuestion::Card(author)) => Some(DirectAnswer::Card(self.cards.get(&author).cloned())),
            (Lie::MixUp, DirectQuestion::Collect { .. }) => Some(self.page(|to| Some(*to) != asker)),
            (Lie::Replay | Lie::MixUp, DirectQuestion::Discard(_)) => Some(DirectAnswer::Noted),
            (Lie::Silence, DirectQuestion::Collect { .. } | DirectQuestion::Discard(_)) => None,
            (_, question) => {
                let mut answer = self.honest(now, from, question)?;
                if let DirectAnswer::Letters { envelopes, .. } = &mut answer {
                    self.bend(envelopes);
                }
                Some(answer)
            }
        }
    }
}

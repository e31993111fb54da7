//! Volunteers as a mailbox, and lies.
//!
//! Underneath it is an honest one, [`Keeper`], with its store in memory: it takes registrations and letters, hands out cards, and
//! provides what mailboxes provide, so that it is chosen like any other. What it says is then bent ([`Lie`]).

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

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
    /// Lies so from now on.
    pub fn new(now: Now, lie: Lie) -> Self {
        let config = Config { settings: Settings::default(), verifier: Arc::new(Ed25519) };
        let mut mailbox = Self {
            lie,
            keeper: Keeper::new(now, config, Stored::default()),
            letters: BTreeMap::new(),
            remembered: VecDeque::new(),
            cards: BTreeMap::new(),
            provided: Vec::new(),
        };
        mailbox.provide(now, mailboxes_key());
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
            DirectQuestion::Register(card) => Input::Register { token, asker, from: Depositor(0), card },
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

#[cfg(test)]
mod tests {
    use libp2p::identity::Keypair;
    use proto::{
        direct::{
            card::Card,
            letter::{Content, Letter, StreamId, Text},
        },
        hlc::Timestamp,
        seal::OpenKey,
        signature::Signer,
    };
    use rand::SeedableRng;
    use rand_chacha::ChaCha20Rng;

    use super::*;

    const NOW: Now = Now { mono_ms: 1_000, wall_ms: 1_000 };

    fn signer(secret: u8) -> Signer {
        Signer::new(Keypair::ed25519_from_bytes([secret; 32]).unwrap()).unwrap()
    }

    fn peer(secret: u8) -> PeerId {
        signer(secret).author().peer_id().unwrap()
    }

    /// A letter for somebody, with whose key nobody will open it here.
    fn letter(to: u8, seq: u64) -> Envelope {
        let mut rng = ChaCha20Rng::seed_from_u64(seq);
        let text = Text { stream: StreamId(1), seq, text: "hello".into(), attachments: Vec::new() };
        let (from, to) = (signer(9).author(), signer(to).author());
        let letter = Letter { from, to, at: Timestamp::from_ms(seq), content: Content::Text(text) };
        letter.sign(&signer(9)).seal(&OpenKey::generate(&mut rng).seal_key(), &mut rng).unwrap()
    }

    fn register(mailbox: &mut LyingMailbox, secret: u8, issued_ms: u64) -> Option<DirectAnswer> {
        let key = OpenKey::generate(&mut ChaCha20Rng::seed_from_u64(issued_ms)).seal_key();
        let card = Card { owner: signer(secret).author(), issued_ms, key, mailboxes: Vec::new() }.sign(&signer(secret));
        mailbox.answer_letter(NOW, peer(secret), DirectQuestion::Register(card))
    }

    /// A mailbox with two letters for the first, and one for the second.
    fn filled(lie: Lie) -> (LyingMailbox, Option<DirectAnswer>) {
        let mut mailbox = LyingMailbox::new(NOW, lie);
        for secret in [1, 2] {
            assert!(matches!(register(&mut mailbox, secret, 5), Some(DirectAnswer::Registered { .. })));
        }
        let deposit = DirectQuestion::Deposit(vec![letter(1, 1), letter(2, 2), letter(1, 3)]);
        let deposited = mailbox.answer_letter(NOW, peer(8), deposit);
        (mailbox, deposited)
    }

    fn collected(mailbox: &mut LyingMailbox) -> Option<Vec<Envelope>> {
        match mailbox.answer_letter(NOW, peer(1), DirectQuestion::Collect { after: None }) {
            Some(DirectAnswer::Letters { envelopes, more: false }) => Some(envelopes),
            Some(other) => panic!("{other:?}"),
            None => None,
        }
    }

    #[test]
    fn each_lie_is_what_it_is_called() {
        let (one, three) = (letter(1, 1), letter(1, 3));
        for (lie, wanted) in [
            (Lie::Forget, Some(vec![])),
            (Lie::Repeat, Some(vec![one.clone(), one.clone(), three.clone(), three.clone()])),
            (Lie::Shuffle, Some(vec![three.clone(), one.clone()])),
            (Lie::Replay, Some(vec![one.clone(), three.clone()])),
            (Lie::MixUp, Some(vec![letter(2, 2)])),
            (Lie::Silence, None),
            (Lie::Claim, Some(vec![one.clone(), three.clone()])),
        ] {
            let (mut mailbox, deposited) = filled(lie);
            let claimed = if lie == Lie::Claim { 4 } else { 3 };
            assert_eq!(deposited, Some(DirectAnswer::Deposited(claimed)), "{lie:?}");
            assert_eq!(collected(&mut mailbox), wanted, "{lie:?}");
        }
        let corrupt = collected(&mut filled(Lie::Corrupt).0).unwrap();
        assert!(corrupt.len() == 2 && corrupt[0].to == one.to && corrupt[0] != one && corrupt[1] != three);
    }

    #[test]
    fn what_was_discarded_is_replayed_and_the_first_card_handed_out() {
        for (lie, left, issued_ms) in [(Lie::Replay, 2, 5), (Lie::Shuffle, 0, 7)] {
            let (mut mailbox, _) = filled(lie);
            let ids = collected(&mut mailbox).unwrap().iter().map(Envelope::id).collect();
            let discarded = mailbox.answer_letter(NOW, peer(1), DirectQuestion::Discard(ids));
            assert_eq!(discarded, Some(DirectAnswer::Noted));
            assert_eq!(collected(&mut mailbox).unwrap().len(), left, "{lie:?}");
            register(&mut mailbox, 1, 7);
            let card = mailbox.answer_letter(NOW, peer(8), DirectQuestion::Card(signer(1).author()));
            assert!(
                matches!(card, Some(DirectAnswer::Card(Some(card))) if card.card.issued_ms == issued_ms),
                "{lie:?}"
            );
        }
    }
}

//! A mailbox: an honest one, or one that does to letters whatever it can.

use rand::{RngExt, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use super::{
    disk::{Disk, MailboxDisk},
    person::{peer, step},
};
use crate::{
    direct::{
        card::{Mailbox, SignedCard},
        letter::{Content, Envelope, Letter, Receipt, StreamId, Text},
        mailbox::{Depositor, Input, Keeper, Output, Settings},
        message::{DirectAnswer, DirectQuestion},
    },
    hlc::Timestamp,
    ids::Author,
    signature::Signer,
    testing::{author, signer},
    time::{Deadline, Now},
};

/// What is to be done outside of a mailbox.
pub enum PostAct {
    /// The store is asked for something.
    Write,
    Answer {
        wire: u64,
        answer: DirectAnswer,
    },
}

pub struct Post {
    pub me: Author,
    pub keeper: Option<Keeper>,
    pub disk: MailboxDisk,
    liar: Option<Liar>,
}

impl Post {
    pub fn new(n: u8, lies: bool) -> Self {
        let liar = lies.then(|| Liar {
            signer: signer(n),
            rng: ChaCha8Rng::seed_from_u64(n.into()),
            letters: Vec::new(),
            cards: Vec::new(),
        });
        Self { me: author(n), keeper: None, disk: Disk::new(), liar }
    }

    /// What cards say of it.
    pub fn mailbox(&self) -> Mailbox {
        Mailbox { peer: peer(&self.me).to_bytes(), addresses: Vec::new() }
    }

    pub fn lies(&self) -> bool {
        self.liar.is_some()
    }

    pub fn start(&mut self, now: Now) {
        self.keeper = Some(self.disk.holds.open(now, Settings::default()));
    }

    /// The power fails: of what the store was asked, it has done the beginning.
    pub fn crash(&mut self, rng: &mut ChaCha8Rng) {
        self.keeper = None;
        self.disk.write(rng.random_range(0..=self.disk.asked()));
        self.disk.forget();
    }

    /// Somebody asks. An answer may be there at once.
    pub fn asked(&mut self, now: Now, asker: Author, token: u64, question: DirectQuestion) -> Option<DirectAnswer> {
        let keeper = self.keeper.as_mut()?;
        if let Some(lie) = self.liar.as_mut().and_then(|liar| liar.instead(&question)) {
            return Some(lie);
        }
        let depositor = Depositor(u64::from(asker.0[0]));
        let input = match question {
            DirectQuestion::Deposit(envelopes) => Input::Deposit { token, depositor, envelopes },
            DirectQuestion::Register(card) => Input::Register { token, asker, from: depositor, card },
            DirectQuestion::Collect { after } => Input::Collect { token, asker, after },
            DirectQuestion::Discard(ids) => Input::Discard { token, asker, ids },
            DirectQuestion::Card(author) => Input::Card { token, author },
            DirectQuestion::Deliver(_) => panic!("a letter was to be brought to a mailbox as if it were its own"),
        };
        keeper.handle(now, input);
        None
    }

    pub fn disk(&mut self, now: Now, rng: &mut ChaCha8Rng) {
        let Some(keeper) = &mut self.keeper else { return };
        if let Some(input) = step(&mut self.disk, rng) {
            keeper.handle(now, input.map_or(Input::PersistFailed, |through| Input::Persisted { through }));
        }
    }

    pub fn due(&self) -> Option<Deadline> {
        self.keeper.as_ref()?.poll_timeout()
    }

    pub fn handle_timeout(&mut self, now: Now) {
        if let Some(keeper) =
            self.keeper.as_mut().filter(|keeper| keeper.poll_timeout().is_some_and(|at| now.reached(at)))
        {
            keeper.handle_timeout(now);
        }
    }

    pub fn work(&mut self) -> Vec<PostAct> {
        let mut acts = Vec::new();
        while let Some(output) = self.keeper.as_mut().and_then(Keeper::poll_output) {
            match output {
                Output::Persist { commit, changes } => {
                    self.disk.ask(commit, changes);
                    acts.push(PostAct::Write);
                }
                Output::Answer { token, answer } => acts.push(PostAct::Answer { wire: token, answer }),
                Output::Serve { token, ids, more } => {
                    let kept = ids.iter().filter_map(|id| self.disk.holds.letters.get(id));
                    let mut envelopes: Vec<Envelope> = kept.map(|(_, envelope)| envelope.clone()).collect();
                    let more = self.liar.as_mut().map_or(more, |liar| liar.twist(&mut envelopes, more));
                    acts.push(PostAct::Answer { wire: token, answer: DirectAnswer::Letters { envelopes, more } });
                }
                Output::Provide(_) | Output::StopProviding(_) => {}
            }
        }
        acts
    }
}

/// Whatever a mailbox can do to letters without the keys of those who write them or read them.
struct Liar {
    signer: Signer,
    rng: ChaCha8Rng,
    /// All letters that were ever left here, for whomever.
    letters: Vec<Envelope>,
    /// All cards that were ever shown here.
    cards: Vec<SignedCard>,
}

impl Liar {
    /// What it answers at once, and does nothing.
    fn instead(&mut self, question: &DirectQuestion) -> Option<DirectAnswer> {
        match question {
            DirectQuestion::Deposit(envelopes) => self.letters.extend(envelopes.iter().cloned()),
            DirectQuestion::Register(card) => self.cards.push(card.clone()),
            _ => {}
        }
        if self.rng.random_bool(0.6) {
            return None;
        }
        Some(match question {
            DirectQuestion::Deposit(envelopes) => DirectAnswer::Deposited(envelopes.len() as u32 + 1),
            DirectQuestion::Register(_) => DirectAnswer::Registered { for_ms: self.rng.random() },
            DirectQuestion::Discard(_) => DirectAnswer::Noted,
            DirectQuestion::Collect { .. } => {
                let mut envelopes = Vec::new();
                let more = self.twist(&mut envelopes, false);
                DirectAnswer::Letters { envelopes, more }
            }
            _ => DirectAnswer::Card(self.card()),
        })
    }

    /// Anybody's card, from any time, perhaps with another key or another date.
    fn card(&mut self) -> Option<SignedCard> {
        let chosen = self.rng.random_range(0..=self.cards.len());
        let mut card = self.cards.get(chosen).cloned()?;
        match self.rng.random_range(0..4) {
            0 => card.card.key.0[7] ^= 1,
            1 => card.card.issued_ms += 1_000_000,
            _ => {}
        }
        Some(card)
    }

    /// What it wrote itself, in the name of one of those who registered here to another, or to itself.
    fn forgery(&mut self) -> Option<Envelope> {
        let mut chosen = || self.cards.get(self.rng.random_range(0..=self.cards.len())).map(|card| &card.card);
        let (from, to) = (chosen()?.owner, chosen()?);
        let stream = StreamId(u64::from(self.rng.random_range(1..3u8)));
        let seq = self.rng.random_range(1..9);
        let content = if self.rng.random() {
            Content::Text(Text { stream, seq, text: "forged".into(), attachments: Vec::new() })
        } else {
            Content::Receipt(Receipt { stream, delivered_through: seq, ..Receipt::default() })
        };
        let letter = Letter { from, to: to.owner, at: Timestamp::from_ms(u64::MAX), content };
        letter.sign(&self.signer).seal(&to.key, &mut self.rng).ok()
    }

    /// Makes another page out of one, and says whether there is more.
    fn twist(&mut self, envelopes: &mut Vec<Envelope>, more: bool) -> bool {
        for _ in 0..self.rng.random_range(0..4) {
            let old = self.letters.get(self.rng.random_range(0..=self.letters.len())).cloned();
            let at = self.rng.random_range(0..envelopes.len().max(1));
            match self.rng.random_range(0..8) {
                0 => envelopes.shuffle(&mut self.rng),
                1 => envelopes.extend(envelopes.get(at).cloned()),
                2 => _ = (at < envelopes.len()).then(|| envelopes.remove(at)),
                // Of long ago, or somebody else's, as it is or addressed anew.
                3 => envelopes.extend(old),
                4 => {
                    let to = envelopes.first().map(|envelope| envelope.to);
                    envelopes.extend(old.map(|old| Envelope { to: to.unwrap_or(old.to), ..old }));
                }
                5 => {
                    if let Some(envelope) = envelopes.get_mut(at) {
                        let byte = self.rng.random_range(0..envelope.sealed.ciphertext.len());
                        envelope.sealed.ciphertext[byte] ^= 1 << self.rng.random_range(0..8);
                    }
                }
                6 => envelopes.extend(self.forgery()),
                _ => {
                    if let (Some(envelope), Some(old)) = (envelopes.get_mut(at), old) {
                        // The outside of one around the inside of another.
                        envelope.sealed = old.sealed;
                    }
                }
            }
        }
        more ^ self.rng.random_bool(0.2)
    }
}

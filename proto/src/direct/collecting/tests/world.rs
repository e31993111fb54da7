//! A collector, an inbox, and mailboxes that are honest or not.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::RangeBounds,
};

use libp2p_identity::PeerId;

use super::*;
use crate::{
    direct::{
        card::{Card, KEEP_MS, Mailbox, SignedCard},
        letter::EnvelopeId,
    },
    ids::Author,
    seal::{KeyId, SealKey, Sealed},
    testing::{self, author, signer},
};

/// What a mailbox does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Conduct {
    #[default]
    Honest,
    /// Takes no registration.
    Refuses,
    /// Cannot be connected to.
    Unreachable,
    /// Never answers.
    Silent,
    /// Has no time.
    Unavailable,
    /// Gives the same page again and again.
    Repeats,
    /// Always has one letter more.
    Endless,
    /// Gives the letters of others.
    Others,
    /// Gives answers to other questions.
    Misfits,
    /// Has more, but nothing now.
    EmptyMore,
    /// Never forgets.
    Stale,
}

/// A mailbox.
#[derive(Debug, Default)]
pub struct Box {
    pub conduct: Conduct,
    pub letters: Vec<Envelope>,
    /// When the card that it has was issued.
    pub card: Option<u64>,
    pub registered: usize,
    pub asked: usize,
    pub reached: usize,
    made: u64,
}

pub struct World {
    pub collector: Collector,
    pub now: Now,
    pub boxes: BTreeMap<u8, Box>,
    /// Of the card that we have.
    pub issued: u64,
    pub came: Vec<Envelope>,
    /// Whom the card names.
    pub card_names: BTreeSet<u8>,
    pub sought: usize,
    pub inbox_works: bool,
    /// How many letters from now on the inbox has no room for, and whether it may have before long.
    pub leaves: Option<(usize, bool)>,
    /// What the inbox has not seen to.
    pub waiting: Vec<(PeerId, EnvelopeId)>,
    has_card: bool,
    peers: Vec<PeerId>,
    us: Author,
}

pub fn us() -> Author {
    author(100)
}

fn peer(n: u8) -> PeerId {
    testing::peer(n + 1)
}

fn mailbox(n: u8) -> Mailbox {
    Mailbox { peer: peer(n).to_bytes(), addresses: Vec::new() }
}

/// An envelope for `to`, told from others by `n`.
pub fn envelope(to: Author, n: u64) -> Envelope {
    let mut encapsulated = [0; 32];
    encapsulated[..8].copy_from_slice(&n.to_le_bytes());
    Envelope { to, key: KeyId([0; 8]), sealed: Sealed { encapsulated, ciphertext: vec![7; 20] } }
}

impl Box {
    fn answer(&mut self, us: Author, question: DirectQuestion) -> Option<DirectAnswer> {
        self.asked += 1;
        match (question, self.conduct) {
            (_, Conduct::Silent | Conduct::Unreachable) => None,
            (_, Conduct::Unavailable) => Some(DirectAnswer::Unavailable),
            (DirectQuestion::Register(_), Conduct::Refuses) => Some(DirectAnswer::Refused(Refusal::Full)),
            (DirectQuestion::Register(card), _) => {
                self.card = Some(card.card.issued_ms);
                self.registered += 1;
                Some(DirectAnswer::Registered { for_ms: KEEP_MS })
            }
            (DirectQuestion::Discard(ids), conduct) => {
                if conduct != Conduct::Stale {
                    let gone: BTreeSet<EnvelopeId> = ids.into_iter().collect();
                    self.letters.retain(|letter| !gone.contains(&letter.id()));
                }
                Some(DirectAnswer::Noted)
            }
            (DirectQuestion::Collect { after }, conduct) => Some(self.page(us, after, conduct)),
            (question, _) => panic!("{question:?}"),
        }
    }

    fn page(&mut self, us: Author, after: Option<EnvelopeId>, conduct: Conduct) -> DirectAnswer {
        let first = &self.letters[..self.letters.len().min(3)];
        self.made += 1;
        let (envelopes, more) = match conduct {
            Conduct::Repeats => (first.to_vec(), true),
            Conduct::Endless => (vec![envelope(us, 1_000_000 + self.made)], true),
            Conduct::Others => (vec![envelope(author(99), self.made)], false),
            Conduct::Misfits => return DirectAnswer::Delivered,
            Conduct::EmptyMore => (Vec::new(), true),
            _ if self.card.is_none() => return DirectAnswer::Refused(Refusal::NotWanted),
            _ => {
                let found = self.letters.iter().position(|letter| Some(letter.id()) == after);
                let rest = &self.letters[found.map_or(0, |at| at + 1)..];
                (rest[..rest.len().min(MAX_BATCH_LETTERS)].to_vec(), rest.len() > MAX_BATCH_LETTERS)
            }
        };
        DirectAnswer::Letters { envelopes, more }
    }
}

impl World {
    /// Where the card names the first `named` of ten mailboxes.
    pub fn new(named: u8) -> Self {
        let mut world = Self::without_card(named);
        world.has_card = true;
        world.new_card();
        world
    }

    pub fn without_card(named: u8) -> Self {
        let now = Now { mono_ms: 1_000, wall_ms: 0 };
        let config = Config { us: us(), named: (0..named).map(mailbox).collect(), seed: [3; 32] };
        let known = |n| Box { card: (n < named).then_some(0), ..Box::default() };
        Self {
            collector: Collector::new(now, config),
            now,
            boxes: (0..10).map(|n| (n, known(n))).collect(),
            issued: 0,
            came: Vec::new(),
            card_names: (0..named).collect(),
            sought: 0,
            inbox_works: true,
            leaves: None,
            waiting: Vec::new(),
            has_card: false,
            peers: (0..10).map(peer).collect(),
            us: us(),
        }
    }

    pub fn conduct(&mut self, n: u8, conduct: Conduct) {
        self.boxes.get_mut(&n).unwrap().conduct = conduct;
    }

    pub fn find(&mut self, numbers: std::ops::Range<u8>) {
        self.tell(Input::Candidates(numbers.map(mailbox).collect()));
    }

    pub fn disconnect(&mut self, n: u8) {
        self.tell(Input::PeerDown(peer(n)));
    }

    pub fn named(&self) -> BTreeSet<u8> {
        let named = self.collector.named();
        (0..10).filter(|n| named.contains(&mailbox(*n))).collect()
    }

    /// Lets the inbox see to these of the letters that wait for it.
    pub fn see_to(&mut self, letters: impl RangeBounds<usize>) {
        let mut seen: BTreeMap<PeerId, Vec<EnvelopeId>> = BTreeMap::new();
        for (mailbox, id) in self.waiting.drain(letters) {
            seen.entry(mailbox).or_default().push(id);
        }
        for (mailbox, ids) in seen {
            self.tell(Input::Discard { mailbox, ids });
        }
    }

    /// Lets time pass.
    pub fn run(&mut self, ms: u64) {
        let end = self.now.after(ms);
        let mut idle = 0;
        while let Some(due) = self.collector.poll_timeout().filter(|due| *due < end) {
            idle = if due.0 > self.now.mono_ms { 0 } else { idle + 1 };
            assert!(idle < 10, "it wants to be called and does nothing");
            self.now.mono_ms = self.now.mono_ms.max(due.0);
            self.collector.handle_timeout(self.now);
            self.work();
        }
        self.now.mono_ms = end.0;
    }

    fn tell(&mut self, input: Input) {
        self.collector.handle(self.now, input);
        self.work();
    }

    fn new_card(&mut self) {
        self.issued += 1;
        let card =
            Card { owner: us(), issued_ms: self.issued, key: SealKey([9; 32]), mailboxes: self.collector.named() };
        let card: SignedCard = card.sign(&signer(100));
        self.tell(Input::Card(card));
    }

    /// Does all that the collector wants done, and all that follows from it.
    fn work(&mut self) {
        let mut inputs = VecDeque::new();
        let mut changed = false;
        loop {
            while let Some(output) = self.collector.poll_output() {
                changed |= matches!(output, Output::Chosen(_));
                inputs.extend(self.output(output));
            }
            let Some(input) = inputs.pop_front() else { break };
            self.collector.handle(self.now, input);
        }
        if changed && self.has_card {
            self.new_card();
        }
    }

    fn output(&mut self, output: Output) -> Option<Input> {
        match output {
            Output::Seek => {
                self.sought += 1;
                None
            }
            Output::Chosen(mailboxes) => {
                assert!(mailboxes.len() <= MAX_MAILBOXES && mailboxes == self.collector.named());
                self.card_names = self.named();
                None
            }
            Output::Reach(mailbox) => {
                let found = self.at(&PeerId::from_bytes(&mailbox.peer).unwrap()).1;
                found.reached += 1;
                (found.conduct != Conduct::Unreachable)
                    .then(|| PeerId::from_bytes(&mailbox.peer).map(Input::PeerUp).unwrap())
            }
            Output::Ask { mailbox, request, question } => {
                let us = self.us;
                match self.at(&mailbox).1.answer(us, question) {
                    Some(answer) => Some(Input::Answered { request, answer }),
                    None => Some(Input::Failed { request }),
                }
            }
            Output::Came { mailbox, envelope } => {
                let id = envelope.id();
                if let Some((left, soon)) = &mut self.leaves
                    && *left > 0
                {
                    *left -= 1;
                    return Some(Input::Left { mailbox, id, soon: *soon });
                }
                self.came.push(envelope);
                if self.inbox_works {
                    return Some(Input::Discard { mailbox, ids: vec![id] });
                }
                self.waiting.push((mailbox, id));
                None
            }
        }
    }

    fn at(&mut self, mailbox: &PeerId) -> (u8, &mut Box) {
        let n = self.peers.iter().position(|peer| peer == mailbox).unwrap() as u8;
        (n, self.boxes.get_mut(&n).unwrap())
    }
}

//! A mailbox that lies. Underneath it is an honest one, driven as a node drives it, with its store in memory; what it says is then bent.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Instant, UNIX_EPOCH},
};

use libp2p::PeerId;
use proto::{
    direct::{
        letter::{Envelope, EnvelopeId},
        mailbox::{Change, Config, Depositor, Input, Keeper, Output, Settings, Stored},
        message::{DirectAnswer, DirectQuestion},
    },
    ids::Author,
    signature::Ed25519,
    time::Now,
    wire,
};

use crate::postman::{Office, Postman};

/// How it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// It does not.
    Honest,
    /// It keeps nothing of what it says it keeps.
    Drop,
    /// It hands over everything twice.
    Duplicate,
    /// It hands over the last first.
    Reorder,
    /// It never discards anything, and hands it over again each time.
    Replay,
    /// It changes a byte of each letter.
    Corrupt,
    /// It hands letters to whoever asks.
    WrongPeer,
}

impl Lie {
    /// All of them but the truth.
    pub const ALL: [Self; 6] =
        [Self::Drop, Self::Duplicate, Self::Reorder, Self::Replay, Self::Corrupt, Self::WrongPeer];
}

/// What it saw and did.
#[derive(Debug, Default)]
pub struct Seen {
    /// Everything that was left with it, as bytes.
    pub bytes: Vec<Vec<u8>>,
    /// Who left letters.
    pub depositors: Vec<PeerId>,
    /// Letters that were left.
    pub deposited: usize,
    /// How often each peer collected.
    pub collected: BTreeMap<PeerId, usize>,
}

struct Books {
    keeper: Keeper,
    letters: BTreeMap<EnvelopeId, Envelope>,
    /// In the order in which they came.
    all: Vec<Envelope>,
    start: Instant,
    lie: Arc<Mutex<Lie>>,
    seen: Arc<Mutex<Seen>>,
}

/// The mailbox.
pub struct Liar {
    /// The peer.
    pub postman: Postman,
    lie: Arc<Mutex<Lie>>,
    seen: Arc<Mutex<Seen>>,
}

impl Liar {
    /// One that is honest as yet.
    pub async fn open() -> Self {
        let lie = Arc::new(Mutex::new(Lie::Honest));
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let config = Config { settings: Settings::default(), verifier: Arc::new(Ed25519) };
        let start = Instant::now();
        let mut books = Books {
            keeper: Keeper::new(now(start), config, Stored::default()),
            letters: BTreeMap::new(),
            all: Vec::new(),
            start,
            lie: Arc::clone(&lie),
            seen: Arc::clone(&seen),
        };
        let office: Office = Box::new(move |from, question| books.asked(from, question));
        Self { postman: Postman::open(office).await, lie, seen }
    }

    /// Lies like this from now on.
    pub fn lie(&self, lie: Lie) {
        *self.lie.lock().unwrap() = lie;
    }

    /// What it saw so far.
    pub fn with_seen<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&self.seen.lock().unwrap())
    }
}

fn now(start: Instant) -> Now {
    let wall = UNIX_EPOCH.elapsed().expect("it is past 1970");
    Now {
        mono_ms: u64::try_from(start.elapsed().as_millis()).expect("it fits"),
        wall_ms: u64::try_from(wall.as_millis()).expect("it fits"),
    }
}

impl Books {
    fn asked(&mut self, from: PeerId, question: DirectQuestion) -> Option<DirectAnswer> {
        let lie = *self.lie.lock().unwrap();
        self.see(from, &question);
        match (lie, &question) {
            (Lie::Drop, DirectQuestion::Deposit(envelopes)) => {
                return Some(DirectAnswer::Deposited(u32::try_from(envelopes.len()).ok()?));
            }
            (Lie::Drop, DirectQuestion::Collect { .. }) => {
                return Some(DirectAnswer::Letters { envelopes: Vec::new(), more: false });
            }
            (Lie::Replay | Lie::WrongPeer, DirectQuestion::Collect { .. }) => {
                return Some(DirectAnswer::Letters { envelopes: self.all.clone(), more: false });
            }
            (Lie::Replay | Lie::WrongPeer, DirectQuestion::Discard(_)) => return Some(DirectAnswer::Noted),
            (_, DirectQuestion::Deposit(envelopes)) => self.all.extend(envelopes.iter().cloned()),
            _ => {}
        }
        let answer = self.honest(from, question)?;
        Some(match answer {
            DirectAnswer::Letters { envelopes, more } => {
                DirectAnswer::Letters { envelopes: bend(lie, envelopes), more }
            }
            answer => answer,
        })
    }

    fn see(&self, from: PeerId, question: &DirectQuestion) {
        let mut seen = self.seen.lock().unwrap();
        match question {
            DirectQuestion::Deposit(envelopes) => {
                seen.bytes.push(wire::encode(question));
                seen.depositors.push(from);
                seen.deposited += envelopes.len();
            }
            DirectQuestion::Collect { .. } => *seen.collected.entry(from).or_default() += 1,
            _ => {}
        }
    }

    fn honest(&mut self, from: PeerId, question: DirectQuestion) -> Option<DirectAnswer> {
        let (now, token) = (now(self.start), 0);
        let asker = Author::from_peer_id(&from)?;
        let input = match question {
            DirectQuestion::Deliver(_) => return None,
            DirectQuestion::Card(author) => Input::Card { token, author },
            DirectQuestion::Deposit(envelopes) => Input::Deposit { token, depositor: Depositor(1), envelopes },
            DirectQuestion::Register(card) => Input::Register { token, asker, from: Depositor(1), card },
            DirectQuestion::Collect { after } => Input::Collect { token, asker, after },
            DirectQuestion::Discard(ids) => Input::Discard { token, asker, ids },
        };
        self.keeper.handle(now, input);
        let mut answer = None;
        while let Some(output) = self.keeper.poll_output() {
            match output {
                Output::Persist { commit, changes } => {
                    for change in changes {
                        self.apply(change);
                    }
                    self.keeper.handle(now, Input::Persisted { through: commit });
                }
                Output::Answer { answer: said, .. } => answer = Some(said),
                Output::Serve { ids, more, .. } => {
                    let envelopes = ids.iter().filter_map(|id| self.letters.get(id).cloned()).collect();
                    answer = Some(DirectAnswer::Letters { envelopes, more });
                }
                Output::Provide(_) | Output::StopProviding(_) => {}
            }
        }
        answer
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Keep { letter, envelope } => {
                self.letters.insert(letter.id, envelope);
            }
            Change::Drop { ids } => ids.iter().for_each(|id| drop(self.letters.remove(id))),
            Change::Registered(_) | Change::Unregistered { .. } => {}
        }
    }
}

fn bend(lie: Lie, mut envelopes: Vec<Envelope>) -> Vec<Envelope> {
    match lie {
        Lie::Duplicate => envelopes.iter().flat_map(|envelope| [envelope.clone(), envelope.clone()]).collect(),
        Lie::Reorder => {
            envelopes.reverse();
            envelopes
        }
        Lie::Corrupt => {
            for envelope in &mut envelopes {
                let middle = envelope.sealed.ciphertext.len() / 2;
                envelope.sealed.ciphertext[middle] ^= 1;
            }
            envelopes
        }
        _ => envelopes,
    }
}

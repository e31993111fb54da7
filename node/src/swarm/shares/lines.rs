//! The lanes to and from each peer, and the questions on them.
//!
//! A lane on which we get is opened with the first question to a peer; what is asked until it is there waits. One on which we give is
//! opened by the peer.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use libp2p::{PeerId, Stream};
use proto::{
    blob::BlobId,
    transfer::{
        TransferId, download,
        message::{Piece, Refusal},
        survey,
        upload::Token,
    },
};
use tokio::sync::mpsc;

use crate::{
    files::vault::Vault,
    spawn::Spawn,
    swarm::lanes::{Answer, Asked, Ends, Getting, Giving, LaneEvent, LaneId, MAX_ORDERS},
};

/// What lanes have to tell that was not looked at. Lanes wait when there is more.
const MAX_EVENTS: usize = 1_024;

/// Lanes that one peer may have opened: one, and one that replaces it while the first is not known to be broken. Further streams are
/// closed.
const MAX_GIVING_EACH: usize = 2;

/// Who wants an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// The downloads, for this block.
    Download(TransferId, download::RequestId, u32),
    /// A survey.
    Survey(TransferId, survey::RequestId),
}

/// By what a question that is taken back is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Key {
    /// A question of the downloads.
    Download(download::RequestId),
    /// One of a survey.
    Survey(TransferId, survey::RequestId),
}

impl Asker {
    fn key(self) -> Key {
        match self {
            Self::Download(_, request, _) => Key::Download(request),
            Self::Survey(id, request) => Key::Survey(id, request),
        }
    }
}

/// Where a lane to a peer is.
enum Line {
    /// Being opened; these wait, at most [`MAX_ORDERS`]: as many as the lane takes at once.
    Opening(Vec<(Asked, bool)>),
    Open(LaneId, Getting),
}

/// A lane on which a peer asks.
struct Asking {
    peer: PeerId,
    lane: Giving,
    /// By number: the name of the question for the uploads, and whether its answer is on its way. At most as many as a lane has open.
    open: HashMap<u64, (Token, bool)>,
}

/// A question of ours on a lane.
#[derive(Debug, Clone, Copy)]
struct Question {
    asker: Asker,
    peer: PeerId,
    /// Over which it was asked; not known while that is being opened.
    lane: Option<LaneId>,
}

/// All lanes.
pub struct Lines {
    vault: Arc<dyn Vault>,
    spawn: Arc<dyn Spawn>,
    events: mpsc::Sender<LaneEvent>,
    receiver: mpsc::Receiver<LaneEvent>,
    next_lane: u64,
    next_number: u64,
    next_token: u64,
    getting: BTreeMap<PeerId, Line>,
    questions: BTreeMap<u64, Question>,
    /// The number of each. Never iterated.
    numbers: HashMap<Key, u64>,
    giving: BTreeMap<LaneId, Asking>,
    tokens: HashMap<Token, (LaneId, Asked)>,
}

/// What became of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// It is sent, or waits for a lane that is being opened.
    Taken,
    /// It waits for a lane that is to be opened now.
    OpenLane,
    /// There is no room for it.
    NoRoom,
}

/// What ended with a lane.
pub struct Ended {
    /// Who gave us blocks over it.
    pub gave: Option<PeerId>,
    /// Who wanted something over it.
    pub askers: Vec<Asker>,
    /// Questions of the peer that need no answer any more.
    pub tokens: Vec<Token>,
}

impl Lines {
    /// None yet.
    pub fn new(vault: Arc<dyn Vault>, spawn: Arc<dyn Spawn>) -> Self {
        let (events, receiver) = mpsc::channel(MAX_EVENTS);
        Self {
            vault,
            spawn,
            events,
            receiver,
            next_lane: 0,
            next_number: 0,
            next_token: 0,
            getting: BTreeMap::new(),
            questions: BTreeMap::new(),
            numbers: HashMap::new(),
            giving: BTreeMap::new(),
            tokens: HashMap::new(),
        }
    }

    /// Waits for what lanes tell. Cancel safe.
    pub async fn next(&mut self) -> LaneEvent {
        match self.receiver.recv().await {
            Some(event) => event,
            // Not while a sender is held here.
            None => std::future::pending().await,
        }
    }

    // ---- where we get

    /// Asks a peer for a piece.
    pub fn ask(&mut self, peer: PeerId, asker: Asker, share: BlobId, piece: Piece) -> Way {
        self.next_number += 1;
        let asked = Asked { number: self.next_number, share, piece };
        let keep = matches!(asker, Asker::Download(..));
        let mut over = None;
        let way = match self.getting.get_mut(&peer) {
            Some(Line::Open(id, lane)) if lane.ask(asked, keep) => {
                over = Some(*id);
                Way::Taken
            }
            Some(Line::Open(..)) => return Way::NoRoom,
            Some(Line::Opening(waiting)) if waiting.len() >= MAX_ORDERS => return Way::NoRoom,
            Some(Line::Opening(waiting)) => {
                waiting.push((asked, keep));
                Way::Taken
            }
            None => {
                self.getting.insert(peer, Line::Opening(vec![(asked, keep)]));
                Way::OpenLane
            }
        };
        self.questions.insert(asked.number, Question { asker, peer, lane: over });
        self.numbers.insert(asker.key(), asked.number);
        way
    }

    /// An answer is not wanted any more.
    pub fn take_back(&mut self, key: Key) {
        let Some(number) = self.numbers.remove(&key) else { return };
        let Some(question) = self.questions.remove(&number) else { return };
        match self.getting.get_mut(&question.peer) {
            Some(Line::Open(_, lane)) => lane.take_back(number),
            Some(Line::Opening(waiting)) => waiting.retain(|(asked, _)| asked.number != number),
            None => {}
        }
    }

    /// All answers to a survey are not wanted any more.
    pub fn end_survey(&mut self, id: TransferId) {
        let its = |question: &&Question| matches!(question.asker, Asker::Survey(of, _) if of == id);
        let keys: Vec<Key> = self.questions.values().filter(its).map(|question| question.asker.key()).collect();
        keys.into_iter().for_each(|key| self.take_back(key));
    }

    /// A lane that was wanted is there. Whether it still is.
    pub fn opened(&mut self, peer: PeerId, stream: Stream) -> bool {
        let Some(line) = self.getting.get_mut(&peer) else { return false };
        let Line::Opening(waiting) = line else { return false };
        self.next_lane += 1;
        let ends = Ends { lane: LaneId(self.next_lane), peer };
        let (lane, task) = Getting::new(ends, stream, Arc::clone(&self.vault), self.events.clone());
        for (asked, keep) in waiting.drain(..) {
            // No more waited than there is room for.
            lane.ask(asked, keep);
            if let Some(question) = self.questions.get_mut(&asked.number) {
                question.lane = Some(ends.lane);
            }
        }
        *line = Line::Open(ends.lane, lane);
        self.spawn.spawn(task);
        true
    }

    /// Whether a lane to a peer is being opened.
    pub fn is_opening(&self, peer: &PeerId) -> bool {
        matches!(self.getting.get(peer), Some(Line::Opening(_)))
    }

    /// A lane could not be opened: who wanted something over it.
    pub fn not_opened(&mut self, peer: &PeerId) -> Vec<Asker> {
        if self.is_opening(peer) {
            self.getting.remove(peer);
        }
        self.drop_questions(|question| question.peer == *peer && question.lane.is_none())
    }

    /// Whose question it was. It is open until it is concluded.
    pub fn asker(&self, number: u64) -> Option<(Asker, PeerId)> {
        self.questions.get(&number).map(|question| (question.asker, question.peer))
    }

    /// A question has its answer.
    pub fn conclude(&mut self, number: u64) {
        if let Some(question) = self.questions.remove(&number) {
            self.numbers.remove(&question.asker.key());
        }
    }

    fn drop_questions(&mut self, which: impl Fn(&Question) -> bool) -> Vec<Asker> {
        let gone: Vec<u64> =
            self.questions.iter().filter(|(_, question)| which(question)).map(|(number, _)| *number).collect();
        let askers =
            gone.iter().filter_map(|number| self.questions.get(number)).map(|question| question.asker).collect();
        gone.into_iter().for_each(|number| self.conclude(number));
        askers
    }

    // ---- where we give

    /// A peer has opened a lane.
    pub fn incoming(&mut self, peer: PeerId, stream: Stream) {
        if self.giving.values().filter(|asking| asking.peer == peer).count() >= MAX_GIVING_EACH {
            tracing::debug!(%peer, "closing a lane of a peer that has enough");
            return;
        }
        self.next_lane += 1;
        let ends = Ends { lane: LaneId(self.next_lane), peer };
        let (lane, task) = Giving::new(ends, stream, Arc::clone(&self.vault), self.events.clone());
        self.giving.insert(ends.lane, Asking { peer, lane, open: HashMap::new() });
        self.spawn.spawn(task);
    }

    /// Who asks on a lane.
    pub fn peer(&self, lane: LaneId) -> Option<PeerId> {
        self.giving.get(&lane).map(|asking| asking.peer)
    }

    /// A peer asks: the name of its question. `None` if that number is open already.
    pub fn asked(&mut self, lane: LaneId, asked: Asked) -> Option<Token> {
        let asking = self.giving.get_mut(&lane)?;
        self.next_token += 1;
        let token = Token(self.next_token);
        if asking.open.contains_key(&asked.number) {
            return None;
        }
        asking.open.insert(asked.number, (token, false));
        self.tokens.insert(token, (lane, asked));
        Some(token)
    }

    /// A peer takes a question back: its name, if its answer is not on its way.
    pub fn taken_back(&mut self, lane: LaneId, number: u64) -> Option<Token> {
        let asking = self.giving.get_mut(&lane)?;
        let (token, _) = *asking.open.get(&number).filter(|(_, is_answered)| !is_answered)?;
        asking.open.remove(&number);
        asking.lane.forget();
        self.tokens.remove(&token);
        Some(token)
    }

    /// Sends what was asked for.
    pub fn serve(&mut self, token: Token) {
        let Some((lane, asked)) = self.tokens.get(&token).copied() else { return };
        let Some(asking) = self.giving.get_mut(&lane) else { return };
        asking.open.insert(asked.number, (token, true));
        asking.lane.answer(Answer::Serve(asked));
    }

    /// Says that it does not come.
    pub fn refuse(&mut self, token: Token, why: Refusal) {
        let Some((lane, asked)) = self.tokens.remove(&token) else { return };
        let Some(asking) = self.giving.get_mut(&lane) else { return };
        asking.open.remove(&asked.number);
        asking.lane.answer(Answer::Refuse(asked.number, why));
    }

    /// An answer went out, or could not: the name of the question, and what was asked.
    pub fn answered(&mut self, lane: LaneId, number: u64) -> Option<(Token, Asked)> {
        let (token, _) = self.giving.get_mut(&lane)?.open.remove(&number)?;
        self.tokens.remove(&token).map(|(_, asked)| (token, asked))
    }

    /// A lane ended.
    pub fn ended(&mut self, lane: LaneId) -> Ended {
        if let Some(asking) = self.giving.remove(&lane) {
            // In the order in which they were asked, whatever the map's.
            let mut tokens: Vec<Token> = asking.open.values().map(|(token, _)| *token).collect();
            tokens.sort_unstable();
            tokens.iter().for_each(|token| _ = self.tokens.remove(token));
            return Ended { gave: None, askers: Vec::new(), tokens };
        }
        let is_it = |line: &Line| matches!(line, Line::Open(id, _) if *id == lane);
        let gave = self.getting.iter().find(|(_, line)| is_it(line)).map(|(peer, _)| *peer);
        if let Some(peer) = &gave {
            self.getting.remove(peer);
        }
        Ended { gave, askers: self.drop_questions(|question| question.lane == Some(lane)), tokens: Vec::new() }
    }

    /// The last connection to a peer ended: who wanted something over a lane that was being opened. One that is open tells itself how it
    /// ends.
    pub fn disconnected(&mut self, peer: &PeerId) -> Vec<Asker> {
        self.not_opened(peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{files::vault::NoVault, spawn::TokioSpawn};

    #[test]
    fn no_more_waits_for_a_lane_than_it_takes_and_what_is_taken_back_makes_room() {
        let key = libp2p::identity::Keypair::ed25519_from_bytes([1; 32]).unwrap();
        let peer = key.public().to_peer_id();
        let mut lines = Lines::new(Arc::new(NoVault), Arc::new(TokioSpawn));
        let share = BlobId([1; 32]);
        let ask = |lines: &mut Lines, survey: u64, request: usize| {
            let asker = Asker::Survey(TransferId(survey), survey::RequestId(request as u64));
            lines.ask(peer, asker, share, Piece::Manifest(0))
        };
        assert_eq!(ask(&mut lines, 1, 0), Way::OpenLane);
        assert!((1..MAX_ORDERS).all(|request| ask(&mut lines, 1 + request as u64 % 2, request) == Way::Taken));
        assert_eq!(ask(&mut lines, 1, MAX_ORDERS), Way::NoRoom);
        lines.take_back(Key::Survey(TransferId(1), survey::RequestId(0)));
        assert_eq!(ask(&mut lines, 1, MAX_ORDERS), Way::Taken);
        lines.end_survey(TransferId(1));
        let left = lines.not_opened(&peer);
        assert_eq!(left.len(), MAX_ORDERS / 2);
        assert!(left.iter().all(|asker| matches!(asker, Asker::Survey(TransferId(2), _))));
        assert!(lines.questions.is_empty() && lines.numbers.is_empty());
    }
}

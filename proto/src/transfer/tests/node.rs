//! A node of the simulated network.

use std::collections::{BTreeMap, BTreeSet};

use super::lanes::Lanes;
use crate::transfer::{
    Blocks, TransferId,
    download::{Downloads, Misdeed, RequestId},
    upload::{Token, Uploads},
};

/// What a node does to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Conduct {
    #[default]
    Honest,
    /// Sends wrong bytes.
    Wrong,
    /// Says it has everything, and then that it lacks what is asked for.
    Claims,
    /// Never answers.
    Stalls,
    /// Sends a byte a second.
    Trickles,
    /// Loses so many answers of a hundred.
    Loses(u32),
    /// Is gone after so many milliseconds.
    Vanishes(u64),
}

impl Conduct {
    /// Whether what it has can be had of it in the end.
    pub fn gives(self) -> bool {
        matches!(self, Self::Honest | Self::Loses(_))
    }
}

/// How a node is connected.
#[derive(Debug, Clone, Copy)]
pub struct Way {
    /// Bytes a millisecond that it sends.
    pub up: u64,
    /// Bytes a millisecond that it receives.
    pub down: u64,
    /// Milliseconds from it to the middle of the network.
    pub away_ms: u64,
}

/// A question at the one who is asked.
#[derive(Debug, Clone, Copy)]
pub struct Question {
    pub from: usize,
    pub request: RequestId,
    pub transfer: TransferId,
    pub block: u32,
    pub is_cancelled: bool,
}

/// A block on its way out.
#[derive(Debug, Clone, Copy)]
pub struct Sending {
    pub token: Token,
    pub question: Question,
    pub len: u32,
    pub since_ms: u64,
}

/// A node.
pub struct Node {
    pub downloads: Downloads,
    pub uploads: Uploads,
    pub conduct: Conduct,
    pub way: Way,
    pub is_gone: bool,
    pub up_free_us: u64,
    pub lanes: Lanes<Sending>,
    pub down_free_us: u64,
    pub has: BTreeMap<TransferId, Blocks>,
    pub neighbours: BTreeSet<usize>,
    /// What others told it that they have.
    pub told: BTreeMap<(usize, TransferId), Blocks>,
    pub choked_by: BTreeSet<usize>,
    pub wants: BTreeSet<(usize, TransferId)>,
    pub questions: BTreeMap<Token, Question>,
    pub tokens: BTreeMap<(usize, RequestId), Token>,
    pub asked: BTreeMap<RequestId, (usize, TransferId, u32)>,
    pub wake_ms: Option<u64>,
    /// Whom it banned, and why.
    pub banned: BTreeMap<(usize, TransferId), Misdeed>,
    /// When each transfer was finished.
    pub finished: BTreeMap<TransferId, u64>,
    /// Bytes that came, and were right, of each transfer.
    pub came: BTreeMap<TransferId, u64>,
    /// When blocks began to be sent, and how long they were.
    pub sent: Vec<(u64, u32)>,
}

impl Node {
    pub fn new([first, second]: [[u8; 32]; 2], way: Way, conduct: Conduct) -> Self {
        Self {
            downloads: Downloads::new(first),
            uploads: Uploads::new(second),
            conduct,
            way,
            is_gone: false,
            up_free_us: 0,
            lanes: Lanes::default(),
            down_free_us: 0,
            has: BTreeMap::new(),
            neighbours: BTreeSet::new(),
            told: BTreeMap::new(),
            choked_by: BTreeSet::new(),
            wants: BTreeSet::new(),
            questions: BTreeMap::new(),
            tokens: BTreeMap::new(),
            asked: BTreeMap::new(),
            wake_ms: None,
            banned: BTreeMap::new(),
            finished: BTreeMap::new(),
            came: BTreeMap::new(),
            sent: Vec::new(),
        }
    }
}

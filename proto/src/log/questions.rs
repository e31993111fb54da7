//! The questions to peers that are under way.

use std::collections::BTreeMap;

use libp2p_identity::PeerId;

use super::{RequestId, message::Want};
use crate::ids::LogKey;

/// A question under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Compare, or the page of the vector after a log.
    Vector {
        /// After which log; `None` for the first page.
        after: Option<LogKey>,
    },
    /// Ranges.
    Range(Vec<Want>),
    /// Why is this log frozen?
    Evidence(LogKey),
    /// A message that needs no answer but "noted".
    Note,
}

/// Stretches of logs, first and last sequence number, that are asked for and not yet answered.
pub type Claimed = BTreeMap<LogKey, Vec<(u64, u64)>>;

/// Who was asked what.
#[derive(Debug, Clone, Default)]
pub struct Questions {
    open: BTreeMap<RequestId, (PeerId, Question)>,
    next_id: u64,
}

impl Questions {
    /// Registers a question.
    pub fn ask(&mut self, peer: PeerId, question: Question) -> RequestId {
        let request = RequestId(self.next_id);
        self.next_id += 1;
        self.open.insert(request, (peer, question));
        request
    }

    /// Takes back the question that an answer belongs to; `None` when `peer` was not asked it.
    pub fn take(&mut self, peer: &PeerId, request: RequestId) -> Option<Question> {
        self.open.get(&request).filter(|(asked, _)| asked == peer)?;
        self.open.remove(&request).map(|(_, question)| question)
    }

    /// Forgets what a peer was asked.
    pub fn forget(&mut self, peer: &PeerId) {
        self.open.retain(|_, (asked, _)| asked != peer);
    }

    /// How many are under way.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether a peer was asked for its vector.
    pub fn compares_with(&self, peer: &PeerId) -> bool {
        self.open.values().any(|(asked, question)| asked == peer && matches!(question, Question::Vector { .. }))
    }

    /// How many range requests each peer has to answer.
    pub fn ranges(&self) -> BTreeMap<PeerId, usize> {
        let mut ranges = BTreeMap::new();
        for (peer, question) in self.open.values() {
            if let Question::Range(_) = question {
                *ranges.entry(*peer).or_default() += 1;
            }
        }
        ranges
    }

    /// What is claimed by range requests.
    pub fn claimed(&self) -> Claimed {
        let mut claimed = Claimed::new();
        for (_, question) in self.open.values() {
            if let Question::Range(wants) = question {
                for want in wants {
                    claimed.entry(want.key()).or_default().push((want.from, want.to));
                }
            }
        }
        claimed
    }

    /// About which logs evidence was asked for, and whom.
    pub fn evidence(&self) -> Vec<(PeerId, LogKey)> {
        let evidence = |(peer, question): &(PeerId, Question)| match question {
            Question::Evidence(key) => Some((*peer, *key)),
            Question::Vector { .. } | Question::Range(_) | Question::Note => None,
        };
        self.open.values().filter_map(evidence).collect()
    }
}

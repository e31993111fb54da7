//! What was asked and is not answered yet.

use std::collections::BTreeMap;

use super::{MAX_ASKING, MAX_DEPOSITING, RequestId, correspondent::Item, schedule::Gate};
use crate::{ids::Author, seal::KeyId};

/// A question under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// A recipient, for its card.
    Card {
        /// Who.
        to: Author,
    },
    /// A recipient, to take something.
    Deliver {
        /// Who.
        to: Author,
        /// What.
        item: Item,
        /// The key that it is sealed for.
        key: KeyId,
    },
    /// A mailbox, to keep something.
    Deposit {
        /// For whom.
        to: Author,
        /// The bytes of its peer id.
        mailbox: Vec<u8>,
        /// The key that all is sealed for.
        key: KeyId,
        /// What, in order.
        items: Vec<Item>,
    },
}

/// All questions under way.
#[derive(Debug)]
pub struct Questions {
    asked: BTreeMap<RequestId, Asked>,
    next_id: u64,
    /// Lets questions to recipients through.
    pub asking: Gate,
    /// Lets deposits through.
    pub depositing: Gate,
}

impl Default for Questions {
    fn default() -> Self {
        Self {
            asked: BTreeMap::new(),
            next_id: 0,
            asking: Gate::new(MAX_ASKING),
            depositing: Gate::new(MAX_DEPOSITING),
        }
    }
}

impl Questions {
    /// Notes a question that went through its gate.
    pub fn ask(&mut self, asked: Asked) -> RequestId {
        let id = RequestId(self.next_id);
        self.next_id += 1;
        self.asked.insert(id, asked);
        id
    }

    /// Takes a question that is answered, or will never be: it leaves its gate.
    pub fn take(&mut self, id: RequestId) -> Option<Asked> {
        let asked = self.asked.remove(&id)?;
        match &asked {
            Asked::Deposit { .. } => self.depositing.leave(),
            Asked::Card { .. } | Asked::Deliver { .. } => self.asking.leave(),
        }
        Some(asked)
    }

    /// Who has stood in line, and can go through now.
    pub fn next_in_line(&mut self) -> Option<Author> {
        self.asking.next().or_else(|| self.depositing.next())
    }
}

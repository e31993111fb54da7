//! What was asked and is not answered yet.

use std::collections::BTreeMap;

use super::{MAX_ASKING, MAX_DEPOSITING, MAX_TELLING, RequestId, correspondent::Item, schedule::Gate};
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
        /// The gate that it went through.
        gate: DepositGate,
    },
}

/// What a deposit is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DepositGate {
    /// Letters, and perhaps a receipt.
    Letters,
    /// A receipt alone: anybody who writes to us can make us owe one, and name mailboxes that do not answer.
    Receipt,
}

impl DepositGate {
    /// The one for these things.
    pub fn of(items: &[Item]) -> Self {
        if items.iter().any(|item| matches!(item, Item::Letter(_))) { Self::Letters } else { Self::Receipt }
    }
}

/// All questions under way.
#[derive(Debug)]
pub struct Questions {
    asked: BTreeMap<RequestId, Asked>,
    next_id: u64,
    /// Lets questions to recipients through.
    pub asking: Gate,
    /// Lets deposits of letters through.
    depositing: Gate,
    /// Lets deposits of receipts alone through.
    telling: Gate,
}

impl Default for Questions {
    fn default() -> Self {
        Self {
            asked: BTreeMap::new(),
            next_id: 0,
            asking: Gate::new(MAX_ASKING),
            depositing: Gate::new(MAX_DEPOSITING),
            telling: Gate::new(MAX_TELLING),
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
            Asked::Deposit { gate, .. } => self.deposits(*gate).leave(),
            Asked::Card { .. } | Asked::Deliver { .. } => self.asking.leave(),
        }
        Some(asked)
    }

    /// Lets deposits through.
    pub fn deposits(&mut self, gate: DepositGate) -> &mut Gate {
        match gate {
            DepositGate::Letters => &mut self.depositing,
            DepositGate::Receipt => &mut self.telling,
        }
    }

    /// Deposits under way.
    pub fn depositing(&self) -> usize {
        self.depositing.inside() + self.telling.inside()
    }

    /// Somebody needs nothing any more.
    pub fn leave_lines(&mut self, author: &Author) {
        self.asking.leave_line(author);
        self.depositing.leave_line(author);
        self.telling.leave_line(author);
    }

    /// Who has stood in line, and can go through now.
    pub fn next_in_line(&mut self) -> Option<Author> {
        self.asking.next().or_else(|| self.depositing.next()).or_else(|| self.telling.next())
    }
}

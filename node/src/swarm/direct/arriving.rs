//! Letters that came from mailboxes and wait to be opened: a page of them at once would keep everybody else waiting.

use std::collections::VecDeque;

use libp2p::PeerId;
use proto::direct::{card::MAX_MAILBOXES, collecting::MAX_HELD, letter::Envelope, message::MAX_BATCH_LETTERS};

/// Letters opened in one turn of the task: at about 0.2 ms each, 2 ms.
pub const LETTERS_PER_TURN: usize = 10;

/// Letters that wait: as many as a collector lets be under way from each mailbox. Further ones are dropped; the mailbox has them still, and
/// they come again with a later round.
pub const MAX_WAITING: usize = MAX_MAILBOXES * (MAX_HELD + MAX_BATCH_LETTERS);

/// The letters, in the order in which they came.
#[derive(Debug, Default)]
pub struct Arriving {
    waiting: VecDeque<(PeerId, Envelope)>,
}

impl Arriving {
    /// A letter came from a mailbox.
    pub fn push(&mut self, mailbox: PeerId, envelope: Envelope) {
        if self.waiting.len() < MAX_WAITING {
            self.waiting.push_back((mailbox, envelope));
        }
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes those that are opened in this turn.
    pub fn take_turn(&mut self) -> Vec<(PeerId, Envelope)> {
        self.waiting.drain(..self.waiting.len().min(LETTERS_PER_TURN)).collect()
    }
}

#[cfg(test)]
mod tests {
    use proto::{
        ids::Author,
        seal::{KeyId, Sealed},
    };

    use super::*;

    #[test]
    fn a_page_is_opened_over_many_turns_in_order_and_what_is_too_much_is_left_with_the_mailbox() {
        let (mailbox, mut arriving) = (PeerId::random(), Arriving::default());
        let envelope = |n: usize| {
            let sealed = Sealed { encapsulated: [0; 32], ciphertext: n.to_le_bytes().to_vec() };
            Envelope { to: Author([0; 32]), key: KeyId([0; 8]), sealed }
        };
        (0..MAX_WAITING + 5).for_each(|n| arriving.push(mailbox, envelope(n)));
        let mut came = Vec::new();
        while !arriving.is_empty() {
            let turn = arriving.take_turn();
            assert!(turn.len() <= LETTERS_PER_TURN);
            came.extend(turn.into_iter().map(|(_, envelope)| envelope));
        }
        assert_eq!(came, (0..MAX_WAITING).map(envelope).collect::<Vec<_>>());
    }
}

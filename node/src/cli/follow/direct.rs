//! Direct messages that a follower has told of, and how it finds those that it missed.

use std::collections::{HashSet, VecDeque};

use super::{MAX_FILLED, MAX_REMEMBERED};
use crate::{
    cli::{
        Failure,
        client::{Client, PAGE_MESSAGES, Which},
    },
    model::DirectMessage,
};

/// What a follower knows of direct messages.
#[derive(Debug, Default)]
pub struct Seen {
    /// The newest that were there when it began. They are not missed; but one that waits for another to come before it is reported later.
    before: HashSet<String>,
    told: HashSet<String>,
    /// The same, in the order in which they were told.
    order: VecDeque<String>,
}

/// What was missed.
#[derive(Debug, Default)]
pub struct Missed {
    /// Oldest first.
    pub messages: Vec<DirectMessage>,
    /// There was more, which is left out.
    pub left_out: bool,
}

impl Seen {
    /// From now on.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn start(client: &Client) -> Result<Self, Failure> {
        let newest = client.direct(Which::default(), PAGE_MESSAGES).await?;
        Ok(Self { before: newest.into_iter().map(|message| message.id).collect(), ..Self::default() })
    }

    /// Notes a message that is told; whether it was not told before.
    pub fn insert(&mut self, id: &str) -> bool {
        let new = self.told.insert(id.to_owned());
        if new {
            self.order.push_back(id.to_owned());
        }
        if self.order.len() > MAX_REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.told.remove(&oldest);
        }
        new
    }

    fn knows(&self, id: &str) -> bool {
        self.told.contains(id) || self.before.contains(id)
    }

    /// What came that was not told. Whatever is older than something known is known, or was forgotten.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn missed(&self, client: &Client) -> Result<Missed, Failure> {
        let mut pages: Vec<Vec<DirectMessage>> = Vec::new();
        let mut found: HashSet<String> = HashSet::new();
        let mut before: Option<String> = None;
        let mut left_out = false;
        loop {
            let page = client.direct_page(Which::default(), before.as_deref(), PAGE_MESSAGES).await?;
            let Some(first) = page.first() else { break };
            before = Some(first.id.clone());
            let complete = page.len() < PAGE_MESSAGES || page.iter().any(|message| self.knows(&message.id));
            let new = |message: &DirectMessage| !self.knows(&message.id) && found.insert(message.id.clone());
            pages.push(page.into_iter().filter(new).collect());
            left_out = found.len() >= MAX_FILLED;
            if complete || left_out {
                break;
            }
        }
        Ok(Missed { messages: pages.into_iter().rev().flatten().collect(), left_out })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_told_once_also_when_it_was_there_at_the_start_and_is_reported_late() {
        let mut seen = Seen { before: ["a".to_owned()].into(), ..Seen::default() };
        assert!(seen.knows("a") && !seen.knows("b"));
        assert!(seen.insert("a") && !seen.insert("a"));
        assert!(seen.insert("b") && !seen.insert("b") && seen.knows("b"));
    }

    #[test]
    fn memory_is_bounded() {
        let mut seen = Seen::default();
        for number in 0..MAX_REMEMBERED + 10 {
            assert!(seen.insert(&number.to_string()));
        }
        assert_eq!((seen.told.len(), seen.order.len()), (MAX_REMEMBERED, MAX_REMEMBERED));
        assert!(!seen.knows("9") && seen.knows("10"));
    }
}

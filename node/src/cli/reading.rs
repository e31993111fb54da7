//! What the user has read: what stood on the screen.
//!
//! A node marks somebody's messages as read up to one of them. So they are only marked when all that were unread have been shown here, and
//! up to the last of these, whatever comes meanwhile: nobody is told that something was read which nobody saw.

use std::collections::{BTreeMap, HashSet};

use super::{
    Failure,
    client::{Client, PAGE_MESSAGES, Which},
};
use crate::model::{DirectMessage, DirectState};

/// Messages remembered of one person at most; of more, what came first is forgotten, and stays unread until the inbox is looked into.
const MAX_REMEMBERED: usize = 10 * PAGE_MESSAGES;

/// Messages that came, were not read, and were shown: by author.
#[derive(Debug, Default)]
pub struct Shown(BTreeMap<String, HashSet<String>>);

impl Shown {
    /// Notes that a message was shown.
    pub fn note(&mut self, message: &DirectMessage, own_peer_id: &str) {
        if message.from == own_peer_id || message.state != DirectState::Delivered {
            return;
        }
        let ids = self.0.entry(message.from.clone()).or_default();
        if ids.len() >= MAX_REMEMBERED {
            ids.clear();
        }
        ids.insert(message.id.clone());
    }

    /// Marks as read what was shown, of all or of one. Returns those of whom something unread was not shown, which then all stays unread.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn mark(&mut self, client: &Client, of: Option<&str>) -> Result<Vec<String>, Failure> {
        let authors: Vec<String> = self.0.keys().filter(|author| of.is_none_or(|of| of == *author)).cloned().collect();
        let mut left = Vec::new();
        for author in authors {
            let shown = self.0.get(&author).map_or(0, HashSet::len);
            let which = Which { peer: Some(&author), unread: true };
            let unread = client.direct(which, shown + 1).await?;
            if self.covers(&author, &unread) {
                if let Some(last) = unread.last() {
                    client.mark_read(&author, &last.id).await?;
                }
                self.0.remove(&author);
            } else {
                left.push(author);
            }
        }
        Ok(left)
    }

    fn covers(&self, author: &str, unread: &[DirectMessage]) -> bool {
        let shown = self.0.get(author);
        unread.iter().all(|message| shown.is_some_and(|shown| shown.contains(&message.id)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: u8, from: &str, state: DirectState) -> DirectMessage {
        DirectMessage {
            id: id.to_string(),
            from: from.into(),
            to: "me".into(),
            at: String::new(),
            text: String::new(),
            state,
        }
    }

    #[test]
    fn only_what_came_and_was_unread_counts_and_all_of_it_has_to_have_been_shown() {
        let mut shown = Shown::default();
        let unread: Vec<DirectMessage> = (1..=2).map(|id| message(id, "ada", DirectState::Delivered)).collect();
        shown.note(&message(7, "me", DirectState::Delivered), "me");
        shown.note(&message(8, "ada", DirectState::Read), "me");
        assert!(shown.0.is_empty());
        shown.note(&unread[0], "me");
        assert!(!shown.covers("ada", &unread) && shown.covers("ada", &unread[..1]));
        shown.note(&unread[1], "me");
        assert!(shown.covers("ada", &unread) && !shown.covers("bob", &unread) && shown.covers("bob", &[]));
    }
}

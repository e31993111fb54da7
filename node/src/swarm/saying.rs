//! Callers whose message is on its way to the disk.

use std::collections::BTreeMap;

use crate::{
    handle::{Answer, CallError},
    model::Message,
    store::StoreError,
};

/// The callers of one room, as many as there are calls, which are bounded.
pub struct Saying {
    waiting: BTreeMap<u64, Answer<Message>>,
    next_token: u64,
    /// What went wrong when commits last failed.
    store_error: StoreError,
}

impl Default for Saying {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), next_token: 0, store_error: StoreError::Closed }
    }
}

impl Saying {
    /// Somebody says something; names it.
    pub fn wait(&mut self, answer: Answer<Message>) -> u64 {
        self.next_token += 1;
        self.waiting.insert(self.next_token, answer);
        self.next_token
    }

    /// It is durable.
    pub fn said(&mut self, token: u64, message: Option<Message>) {
        if let (Some(answer), Some(message)) = (self.waiting.remove(&token), message) {
            // The caller may have gone; the message is said all the same.
            let _ = answer.send(Ok(message));
        }
    }

    /// Commits failed, for this reason.
    pub fn store_failed(&mut self, error: &StoreError) {
        self.store_error = error.clone();
    }

    /// It was not taken: because there is too much to do, or because the store failed.
    pub fn failed(&mut self, token: u64, overloaded: bool) {
        if let Some(answer) = self.waiting.remove(&token) {
            let error = if overloaded { CallError::Overloaded } else { CallError::Store(self.store_error.clone()) };
            // The caller may have gone.
            let _ = answer.send(Err(error));
        }
    }
}

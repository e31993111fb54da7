//! Calls about direct messages and people. They take peer ids; [`Client::find`] makes one of what the user gave.

use std::collections::HashSet;

use reqwest::Method;
use serde_json::json;

use super::{Client, PAGE_MESSAGES, decode};
use crate::{
    cli::Failure,
    model::{DirectMessage, Person, SafetyNumber},
    people::{self, NobodyMeant, Own},
};

/// Which direct messages.
#[derive(Debug, Clone, Copy, Default)]
pub struct Which<'a> {
    /// Only those from and to this peer.
    pub peer: Option<&'a str>,
    /// Only those that came and were not read.
    pub unread: bool,
}

impl Client {
    /// Everybody the node knows.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn people(&self) -> Result<Vec<Person>, Failure> {
        self.get(&["people"]).await
    }

    /// Those whom the user has named or blocked.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn contacts(&self) -> Result<Vec<Person>, Failure> {
        self.get(&["contacts"]).await
    }

    /// The peer that the user means.
    ///
    /// # Errors
    /// [`Failure`] that says who may be meant, or that nobody is; else see [`Client::status`].
    pub async fn find(&self, text: &str) -> Result<String, Failure> {
        let (own, known) = (self.id().await?, self.people().await?);
        match people::find(text, &known, Own { peer_id: &own.peer_id, name: &own.name }) {
            Ok(peer) => Ok(peer.to_string()),
            Err(error @ NobodyMeant::Empty) => Err(Failure::usage(error)),
            Err(error) => Err(Failure::failed(error)),
        }
    }

    /// Writes to somebody; returns the message once it is durable.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn message(&self, to: &str, text: &str) -> Result<DirectMessage, Failure> {
        let body = json!({ "to": to, "text": text });
        decode(self.call(Method::POST, self.url(&["direct"]), Some(body)).await?)
    }

    /// One page of direct messages: at most [`PAGE_MESSAGES`], oldest first.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn direct_page(
        &self,
        which: Which<'_>,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Vec<DirectMessage>, Failure> {
        let mut url = self.url(&["direct"]);
        url.query_pairs_mut()
            .append_pair("limit", &limit.min(PAGE_MESSAGES).to_string())
            .append_pair("unread", if which.unread { "true" } else { "false" });
        for (name, value) in [("peer", which.peer), ("before", before)] {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        decode(self.call(Method::GET, url, None).await?)
    }

    /// The newest `limit` direct messages, oldest first, read in as many pages as it takes.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn direct(&self, which: Which<'_>, limit: usize) -> Result<Vec<DirectMessage>, Failure> {
        let mut pages: Vec<Vec<DirectMessage>> = Vec::new();
        let mut before: Option<String> = None;
        // The first of a page need not be the one that the node has had for longest, so that pages may overlap.
        let mut known: HashSet<String> = HashSet::new();
        while known.len() < limit {
            let page = self.direct_page(which, before.as_deref(), limit - known.len()).await?;
            let Some(first) = page.first() else { break };
            before = Some(first.id.clone());
            pages.push(page.into_iter().filter(|message| known.insert(message.id.clone())).collect());
        }
        Ok(pages.into_iter().rev().flatten().collect())
    }

    /// Marks as read what is there of somebody, up to a message.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn mark_read(&self, peer: &str, through: &str) -> Result<(), Failure> {
        let body = json!({ "peer": peer, "through": through });
        self.call(Method::POST, self.url(&["direct", "read"]), Some(body)).await.map(drop)
    }

    /// Throws a stranger's messages away.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn dismiss(&self, peer: &str) -> Result<(), Failure> {
        self.call(Method::DELETE, self.url(&["people", peer]), None).await.map(drop)
    }

    /// Makes somebody a contact, or gives a contact another name.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn name_contact(&self, peer: &str, name: &str) -> Result<(), Failure> {
        let body = json!({ "name": name });
        self.call(Method::PUT, self.url(&["contacts", peer]), Some(body)).await.map(drop)
    }

    /// Takes a contact's name away.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn remove_contact(&self, peer: &str) -> Result<(), Failure> {
        self.call(Method::DELETE, self.url(&["contacts", peer]), None).await.map(drop)
    }

    /// Takes nothing from somebody any more, or takes it again.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn block(&self, peer: &str, blocked: bool) -> Result<(), Failure> {
        let method = if blocked { Method::PUT } else { Method::DELETE };
        self.call(method, self.url(&["contacts", peer, "blocked"]), None).await.map(drop)
    }

    /// What to compare with somebody.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn safety_number(&self, peer: &str) -> Result<SafetyNumber, Failure> {
        self.get(&["contacts", peer, "safety-number"]).await
    }

    /// Makes a new key for direct messages to the node.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn rotate_key(&self) -> Result<(), Failure> {
        self.call(Method::POST, self.url(&["key", "rotate"]), None).await.map(drop)
    }
}

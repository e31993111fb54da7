//! Calls about files. They take roots; [`crate::cli::meant`] finds the one of what the user gave.

use proto::channel::RoomName;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json, to_value};

use super::{Client, decode, refusal};
use crate::{
    api::{
        error::ErrorBody,
        routes::{
            files::ShareBody,
            transfers::{Freed, TransferRequest},
        },
    },
    cli::Failure,
    model::{AnnouncedShare, Hashing, Message, Share, ShareFile, SharePeer, StoreUsage, TransferLimits},
};

impl Client {
    /// All that the node shares and fetches.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn shares(&self) -> Result<Vec<Share>, Failure> {
        self.get(&["files"]).await
    }

    /// One share, if the node knows it.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn share_known(&self, root: &str) -> Result<Option<Share>, Failure> {
        let (status, body) = self.answer(Method::GET, self.url(&["files", root]), None).await?;
        if status.is_success() {
            return decode(body).map(Some);
        }
        let code = serde_json::from_slice::<ErrorBody>(&body).map(|body| body.error.code);
        match (status, code.as_deref()) {
            (StatusCode::NOT_FOUND, Ok("no_such_share")) => Ok(None),
            _ => Err(refusal(status, &body)),
        }
    }

    /// What was announced in a room; on demand with how many nodes have it.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn announced_shares(&self, room: &RoomName, count: bool) -> Result<Vec<AnnouncedShare>, Failure> {
        let mut url = self.url(&["rooms", room.as_str(), "files"]);
        url.query_pairs_mut().append_pair("seeders", if count { "true" } else { "false" });
        decode(self.call(Method::GET, url, None).await?)
    }

    /// Announces a share in a room.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn announce_share(&self, room: &RoomName, root: &str) -> Result<Message, Failure> {
        self.post(&["rooms", room.as_str(), "files"], Some(json!({ "root": root }))).await
    }

    /// Who takes part in a share.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn share_peers(&self, root: &str) -> Result<Vec<SharePeer>, Failure> {
        self.get(&["files", root, "peers"]).await
    }

    /// The files of a share.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn share_files(&self, root: &str) -> Result<Vec<ShareFile>, Failure> {
        self.get(&["files", root, "files"]).await
    }

    /// Has the node hash something, to share it.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn share(&self, body: &ShareBody) -> Result<Hashing, Failure> {
        self.post(&["files"], Some(to_value(body).map_err(Failure::failed)?)).await
    }

    /// Has the node hash a share anew.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn verify_share(&self, root: &str) -> Result<Hashing, Failure> {
        self.post(&["files", root, "verify"], None).await
    }

    /// How far a hashing is.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn hashing(&self, id: u64) -> Result<Hashing, Failure> {
        self.get(&["hashings", &id.to_string()]).await
    }

    /// Ends a hashing.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn cancel_hashing(&self, id: u64) -> Result<(), Failure> {
        self.call(Method::DELETE, self.url(&["hashings", &id.to_string()]), None).await.map(drop)
    }

    /// Has the node fetch something, or go on.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn fetch(&self, body: &TransferRequest) -> Result<Share, Failure> {
        self.post(&["transfers"], Some(to_value(body).map_err(Failure::failed)?)).await
    }

    /// Has a transfer stand still, or go on.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn pause_share(&self, root: &str, paused: bool) -> Result<Share, Failure> {
        self.post(&["files", root, if paused { "pause" } else { "resume" }], None).await
    }

    /// Shares or fetches something no more.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn unshare(&self, root: &str) -> Result<(), Failure> {
        self.call(Method::DELETE, self.url(&["files", root]), None).await.map(drop)
    }

    /// The limits of all.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn limits(&self) -> Result<TransferLimits, Failure> {
        self.get(&["limits"]).await
    }

    /// Limits one share, or all.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn limit(&self, root: Option<&str>, limits: TransferLimits) -> Result<(), Failure> {
        let url = match root {
            Some(root) => self.url(&["files", root, "limits"]),
            None => self.url(&["limits"]),
        };
        let body = to_value(limits).map_err(Failure::failed)?;
        self.call(Method::PUT, url, Some(body)).await.map(drop)
    }

    /// What shares take of the disk.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn store_usage(&self) -> Result<StoreUsage, Failure> {
        self.get(&["store", "usage"]).await
    }

    /// Has the node remove what nothing needs.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn collect_garbage(&self) -> Result<Freed, Failure> {
        self.post(&["store", "gc"], None).await
    }

    async fn post<T: serde::de::DeserializeOwned>(&self, path: &[&str], body: Option<Value>) -> Result<T, Failure> {
        decode(self.call(Method::POST, self.url(path), body).await?)
    }
}

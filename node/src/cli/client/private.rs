//! Calls about private rooms.

use proto::channel::RoomName;
use reqwest::Method;
use serde_json::json;

use super::{Client, decode};
use crate::{
    api::routes::private::{RotateRequest, Told},
    cli::Failure,
    model::{Invitation, JoinedRoom, Rotation},
};

impl Client {
    /// Makes a private room.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn create_private(&self, name: &RoomName) -> Result<Invitation, Failure> {
        let body = json!({ "name": name.as_str() });
        decode(self.call(Method::POST, self.url(&["private-rooms"]), Some(body)).await?)
    }

    /// Comes into a private room by a link, and calls it so.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn join_private(&self, link: &str, name: Option<&RoomName>) -> Result<JoinedRoom, Failure> {
        let body = json!({ "link": link, "as": name.map(RoomName::as_str) });
        decode(self.call(Method::POST, self.url(&["private-rooms", "join"]), Some(body)).await?)
    }

    /// The link to a private room.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn invitation(&self, room: &RoomName) -> Result<Invitation, Failure> {
        self.get(&["private-rooms", room.as_str(), "invite"]).await
    }

    /// Makes a new key for a private room, of which these members are told.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn rotate_private(&self, room: &RoomName, whom: &RotateRequest) -> Result<Rotation, Failure> {
        let url = self.url(&["private-rooms", room.as_str(), "rotate"]);
        decode(self.call(Method::POST, url, Some(json!(whom))).await?)
    }

    /// Peer ids of those who would be told of a new key.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn would_be_told(&self, room: &RoomName, whom: &RotateRequest) -> Result<Vec<String>, Failure> {
        let url = self.url(&["private-rooms", room.as_str(), "told"]);
        decode(self.call(Method::POST, url, Some(json!(whom))).await?).map(|Told { told }| told)
    }
}

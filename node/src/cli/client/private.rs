//! Calls about private rooms.

use proto::channel::RoomName;
use reqwest::Method;
use serde_json::json;

use super::{Client, decode};
use crate::{
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

    /// Makes a new key for a private room, of which these members are not told.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn rotate_private(&self, room: &RoomName, without: &[String]) -> Result<Rotation, Failure> {
        let url = self.url(&["private-rooms", room.as_str(), "rotate"]);
        decode(self.call(Method::POST, url, Some(json!({ "without": without }))).await?)
    }
}

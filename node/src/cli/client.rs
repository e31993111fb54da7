//! The running node, as other programs see it: found through its data directory, called through its API.

mod direct;
mod files;
mod private;

use std::{path::PathBuf, time::Duration};

use axum::body::Bytes;
use clap::Args;
pub use direct::Which;
use proto::channel::RoomName;
use reqwest::{Method, StatusCode, Url};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, tungstenite::client::IntoClientRequest};

use super::{Failure, output::one_line};
use crate::{
    api::{
        error::ErrorBody,
        routes::Identity,
        token::{self, Token},
    },
    config::ApiAddress,
    data_dir::{self, ENVIRONMENT, Place},
    model::{Member, Message, Peer, Room, Status},
};

/// Longer than the node takes to give up itself.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(45);

/// How often a stopping node is looked at.
const STOP_CHECK: Duration = Duration::from_millis(20);

/// Messages asked for at once: a page of the longest ones is some 60 MB.
pub const PAGE_MESSAGES: usize = 1_000;

/// A node's WebSocket.
pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Which node to talk to.
#[derive(Debug, Clone, Default, Args)]
pub struct Target {
    /// The node's data directory [default: the first one with a running node]
    #[arg(long, value_name = "DIR", env = ENVIRONMENT)]
    pub data_dir: Option<PathBuf>,
    /// The address of the node's API
    #[arg(long, value_name = "ADDR")]
    pub api: Option<ApiAddress>,
    /// The file with the API's token [default: api-token in the data directory]
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

/// A connection to a node's API.
#[derive(Debug, Clone)]
pub struct Client {
    base: Url,
    token: Token,
    http: reqwest::Client,
}

impl Target {
    /// Finds the node, and the target that means this very node from now on, also while others run on the machine.
    ///
    /// # Errors
    /// [`Failure::NoNode`] when none runs where it was looked for.
    pub fn pin(mut self) -> Result<(Self, Client), Failure> {
        let client = self.find()?;
        if self.api.is_none() && self.data_dir.is_none() {
            let place = Place::resolve(None).map_err(Failure::failed)?;
            self.data_dir = place.running().map(|(directory, _)| directory);
        }
        Ok((self, client))
    }

    /// Finds the node.
    ///
    /// # Errors
    /// [`Failure::NoNode`] when none runs where it was looked for.
    pub fn find(&self) -> Result<Client, Failure> {
        let place = Place::resolve(self.data_dir.as_deref()).map_err(Failure::failed)?;
        let running = place.running();
        let base = match (&self.api, &running) {
            (Some(api), _) => api.to_string(),
            (None, Some((_, runtime))) => runtime.api.clone(),
            (None, None) => return Err(Failure::NoNode(nowhere(&place))),
        };
        let token_file = match (&self.token_file, &running, &place) {
            (Some(file), _, _) => file.clone(),
            (None, Some((directory, _)), _) | (None, None, Place::Explicit(directory)) => {
                directory.join(token::FILE_NAME)
            }
            (None, None, Place::Slots(_)) => {
                let message = "--api needs --token-file: the file api-token in the data directory of that node";
                return Err(Failure::usage(message));
            }
        };
        Client::new(&base, Token::read(&token_file).map_err(Failure::failed)?)
    }

    /// Stops the node. Returns its data directory when that is free, so that another can be started there at once; for a
    /// node named by its API's address, `None` when it is stopping.
    ///
    /// # Errors
    /// As [`Target::find`]; [`Failure::Failed`] when it does not end.
    pub async fn stop(&self) -> Result<Option<PathBuf>, Failure> {
        let client = self.find()?;
        let place = Place::resolve(self.data_dir.as_deref()).map_err(Failure::failed)?;
        let directory = place.running().filter(|_| self.api.is_none()).map(|(directory, _)| directory);
        client.shutdown().await?;
        let Some(directory) = directory else { return Ok(None) };
        let freed = async {
            // The lock is the only sign of a process that has ended, and it tells nobody.
            while data_dir::is_held(&directory) {
                tokio::time::sleep(STOP_CHECK).await;
            }
        };
        let late =
            |_| Failure::Failed(format!("the node in {} is still stopping; its log says why", directory.display()));
        tokio::time::timeout(REQUEST_TIMEOUT, freed).await.map_err(late)?;
        Ok(Some(directory))
    }
}

fn nowhere(place: &Place) -> String {
    match place {
        Place::Explicit(path) => format!("no node is running in {}", path.display()),
        Place::Slots(base) => format!("no node is running (looked in {})", base.display()),
    }
}

impl Client {
    /// A client for the API at `base`.
    ///
    /// # Errors
    /// [`Failure::Failed`] for a base that is no URL.
    pub fn new(base: &str, token: Token) -> Result<Self, Failure> {
        let base = base.parse().map_err(|_| Failure::failed(format!("'{base}' is not the address of an API")))?;
        let http = reqwest::Client::builder().no_proxy().timeout(REQUEST_TIMEOUT).build().map_err(Failure::failed)?;
        Ok(Self { base, token, http })
    }

    /// The node's state.
    ///
    /// # Errors
    /// [`Failure`], as all calls: [`Failure::NoNode`] when nobody answers, else with the node's own words.
    pub async fn status(&self) -> Result<Status, Failure> {
        self.get(&["status"]).await
    }

    /// Who the node is.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn id(&self) -> Result<Identity, Failure> {
        self.get(&["id"]).await
    }

    /// Known peers.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn peers(&self) -> Result<Vec<Peer>, Failure> {
        self.get(&["peers"]).await
    }

    /// Rooms.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn rooms(&self) -> Result<Vec<Room>, Failure> {
        self.get(&["rooms"]).await
    }

    /// Who is in a room.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn who(&self, room: &RoomName) -> Result<Vec<Member>, Failure> {
        self.get(&["rooms", room.as_str(), "members"]).await
    }

    /// Joins a room.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn join(&self, room: &RoomName) -> Result<(), Failure> {
        let body = json!({ "room": room.as_str() });
        self.call(Method::POST, self.url(&["rooms"]), Some(body)).await.map(drop)
    }

    /// Leaves a room.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn leave(&self, room: &RoomName) -> Result<(), Failure> {
        self.call(Method::DELETE, self.url(&["rooms", room.as_str()]), None).await.map(drop)
    }

    /// Says something; returns the message once it is durable.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn say(&self, room: &RoomName, text: &str) -> Result<Message, Failure> {
        let url = self.url(&["rooms", room.as_str(), "messages"]);
        decode(self.call(Method::POST, url, Some(json!({ "text": text }))).await?)
    }

    /// Asks the node to stop.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn shutdown(&self) -> Result<(), Failure> {
        self.call(Method::POST, self.url(&["shutdown"]), None).await.map(drop)
    }

    /// One page of history: at most [`PAGE_MESSAGES`], oldest first.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn page(&self, room: &str, before: Option<&str>, limit: usize) -> Result<Vec<Message>, Failure> {
        let mut url = self.url(&["rooms", room, "messages"]);
        url.query_pairs_mut().append_pair("limit", &limit.min(PAGE_MESSAGES).to_string());
        if let Some(before) = before {
            url.query_pairs_mut().append_pair("before", before);
        }
        decode(self.call(Method::GET, url, None).await?)
    }

    /// The newest `limit` messages before `before`, oldest first, read in as many pages as it takes.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn history(&self, room: &str, before: Option<&str>, limit: usize) -> Result<Vec<Message>, Failure> {
        let mut pages: Vec<Vec<Message>> = Vec::new();
        let mut missing = limit;
        while missing > 0 {
            let end = pages.last().and_then(|page| page.first()).map(|message| message.id.as_str()).or(before);
            let page = self.page(room, end, missing).await?;
            if page.is_empty() {
                break;
            }
            missing = missing.saturating_sub(page.len());
            pages.push(page);
        }
        pages.reverse();
        Ok(pages.into_iter().flatten().collect())
    }

    /// Opens the WebSocket of everything that happens.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn events(&self) -> Result<Socket, Failure> {
        let mut url = self.url(&["events"]);
        // `http` to `ws` is always possible.
        let _ = url.set_scheme("ws");
        let mut request = url.as_str().into_client_request().map_err(Failure::failed)?;
        let bearer = format!("Bearer {}", self.token.reveal()).parse().map_err(Failure::failed)?;
        request.headers_mut().insert("authorization", bearer);
        let connecting = tokio_tungstenite::connect_async(request);
        match tokio::time::timeout(REQUEST_TIMEOUT, connecting).await {
            Ok(Ok((socket, _))) => Ok(socket),
            Ok(Err(tokio_tungstenite::tungstenite::Error::Io(_))) | Err(_) => Err(self.no_answer()),
            Ok(Err(error)) => Err(Failure::failed(format!("the node refuses to report what happens: {error}"))),
        }
    }

    async fn get<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, Failure> {
        decode(self.call(Method::GET, self.url(path), None).await?)
    }

    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        // Fails only for URLs that cannot have a path, which `http` URLs are not.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.clear().extend(["api", "v1"]).extend(path);
        }
        url
    }

    async fn call(&self, method: Method, url: Url, body: Option<Value>) -> Result<Bytes, Failure> {
        let (status, body) = self.answer(method, url, body).await?;
        if status.is_success() { Ok(body) } else { Err(refusal(status, &body)) }
    }

    /// What the node answers, whether it does what it was asked or not.
    async fn answer(&self, method: Method, url: Url, body: Option<Value>) -> Result<(StatusCode, Bytes), Failure> {
        let request = self.http.request(method, url).bearer_auth(self.token.reveal());
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let response = request.send().await.map_err(|error| match error.is_timeout() {
            true => Failure::failed("the node does not answer; see its log"),
            false => self.no_answer(),
        })?;
        let status = response.status();
        let body = response.bytes().await.map_err(|_| Failure::failed("the node stopped before it had answered"))?;
        Ok((status, body))
    }

    fn no_answer(&self) -> Failure {
        Failure::NoNode(format!("no node answers at {}", self.base.as_str().trim_end_matches('/')))
    }
}

/// The node's own words for what it does not do.
fn refusal(status: StatusCode, body: &[u8]) -> Failure {
    match serde_json::from_slice::<ErrorBody>(body) {
        // It may repeat what others call themselves.
        Ok(body) => Failure::Failed(one_line(&body.error.message)),
        Err(_) if status == StatusCode::NOT_FOUND => Failure::failed("what answers there is not a Starling node"),
        Err(_) => Failure::failed(format!("the node answered {status}")),
    }
}

fn decode<T: DeserializeOwned>(body: Bytes) -> Result<T, Failure> {
    serde_json::from_slice(&body)
        .map_err(|error| Failure::failed(format!("the node answered something else than expected: {error}")))
}

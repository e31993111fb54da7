//! The HTTP API of a node, as another program uses it.

use std::{fs, path::Path, time::Duration};

use futures::StreamExt;
use node::model::{DirectMessage, Member, Message, NodeEvent, Status};
use reqwest::{Method, RequestBuilder, Response};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::{net::TcpStream, task::JoinHandle};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message as Frame, client::IntoClientRequest, handshake::client::Request},
};

use crate::feed::Feed;

/// No answer takes longer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// A client of one node.
#[derive(Clone)]
pub struct Api {
    base: String,
    token: String,
    http: reqwest::Client,
}

/// A WebSocket of a node's reports.
pub struct Events {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Api {
    /// A client for the API at `base`, with the token in the data directory.
    ///
    /// # Panics
    /// When there is no token.
    pub fn open(base: &str, data_dir: &Path) -> Self {
        let token = fs::read_to_string(data_dir.join("api-token")).expect("a running node has an API token");
        let http = reqwest::Client::builder().timeout(REQUEST_TIMEOUT).no_proxy().build().expect("an HTTP client");
        Self { base: base.trim_end_matches('/').into(), token: token.trim().into(), http }
    }

    /// The URL of a path under `/api/v1`.
    pub fn url(&self, path: &str) -> String {
        format!("{}/api/v1/{path}", self.base)
    }

    /// A request without the token.
    pub fn anonymous(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, self.url(path))
    }

    /// A request with the token.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.anonymous(method, path).bearer_auth(&self.token)
    }

    /// What is at a path.
    ///
    /// # Errors
    /// The answer, if it was not that.
    pub async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T, String> {
        self.get(path).await
    }

    /// Sends something, and reads what is answered.
    ///
    /// # Errors
    /// The answer, if it was not that.
    pub async fn send<T: DeserializeOwned>(&self, method: Method, path: &str, body: &Value) -> Result<T, String> {
        read(self.request(method, path).json(body).send().await).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, String> {
        read(self.request(Method::GET, path).send().await).await
    }

    /// The node's state.
    ///
    /// # Errors
    /// The answer, if it was not that.
    pub async fn status(&self) -> Result<Status, String> {
        self.get("status").await
    }

    /// A room's newest messages, oldest first.
    ///
    /// # Errors
    /// See [`Api::status`].
    pub async fn history(&self, room: &str) -> Result<Vec<Message>, String> {
        self.get(&format!("rooms/{room}/messages?limit=10000")).await
    }

    /// Ids of [`Api::history`].
    ///
    /// # Errors
    /// See [`Api::status`].
    pub async fn history_ids(&self, room: &str) -> Result<Vec<String>, String> {
        Ok(self.history(room).await?.into_iter().map(|message| message.id).collect())
    }

    /// Who is in a room.
    ///
    /// # Errors
    /// See [`Api::status`].
    pub async fn who(&self, room: &str) -> Result<Vec<Member>, String> {
        self.get(&format!("rooms/{room}/members")).await
    }

    /// The sum of a counter over all its labels, from `/metrics`.
    ///
    /// # Errors
    /// See [`Api::status`].
    pub async fn counter(&self, name: &str) -> Result<u64, String> {
        let request = self.http.get(format!("{}/metrics", self.base)).bearer_auth(&self.token);
        let text = async { request.send().await?.error_for_status()?.text().await }.await;
        let text = text.map_err(|error| error.to_string())?;
        let value = |line: &str| {
            let rest = line.strip_prefix(name)?.strip_prefix("_total")?;
            rest.starts_with(['{', ' ']).then(|| rest.rsplit_once(' ')?.1.parse::<u64>().ok())?
        };
        let values: Vec<u64> = text.lines().filter_map(value).collect();
        if values.is_empty() { Err(format!("no {name} in {text}")) } else { Ok(values.iter().sum()) }
    }

    /// Says something; the message is durable when this returns.
    ///
    /// # Errors
    /// See [`Api::status`].
    pub async fn say(&self, room: &str, text: &str) -> Result<Message, String> {
        let request = self.request(Method::POST, &format!("rooms/{room}/messages")).json(&json!({ "text": text }));
        read(request.send().await).await
    }

    /// Writes to somebody; the message is durable when this returns.
    ///
    /// # Errors
    /// See [`Api::status`].
    pub async fn write(&self, to: &str, text: &str) -> Result<DirectMessage, String> {
        let request = self.request(Method::POST, "direct").json(&json!({ "to": to, "text": text }));
        read(request.send().await).await
    }

    /// All direct messages, oldest first.
    ///
    /// # Errors
    /// See [`Api::status`].
    pub async fn direct(&self) -> Result<Vec<DirectMessage>, String> {
        self.get("direct?limit=10000").await
    }

    /// Asks the node to do something that has no answer, such as `sync`.
    ///
    /// # Errors
    /// See [`Api::status`].
    pub async fn post(&self, path: &str, body: &Value) -> Result<(), String> {
        let answer = self.request(Method::POST, path).json(body).send().await.map_err(|error| error.to_string())?;
        let status = answer.status();
        if status.is_success() { Ok(()) } else { Err(format!("{status}: {}", answer.text().await.unwrap_or_default())) }
    }

    /// The request that opens the WebSocket, with the token.
    pub fn events_request(&self) -> Request {
        let url = self.url("events").replacen("http", "ws", 1);
        let mut request = url.into_client_request().expect("a WebSocket URL");
        let bearer = format!("Bearer {}", self.token).parse().expect("a token is text");
        request.headers_mut().insert("authorization", bearer);
        request
    }

    /// Opens the WebSocket.
    ///
    /// # Panics
    /// When the node refuses.
    pub async fn events(&self) -> Events {
        let (socket, _) = connect_async(self.events_request()).await.expect("the node takes a WebSocket");
        Events { socket }
    }

    /// Opens the WebSocket and collects what it reports, until the task is dropped or the node ends.
    ///
    /// # Panics
    /// When the node refuses.
    pub async fn collect_events(&self) -> (Feed, JoinHandle<()>) {
        let feed = Feed::default();
        let (mut events, copy) = (self.events().await, feed.clone());
        let task = tokio::spawn(async move {
            while let Some(event) = events.next().await {
                copy.push(event);
            }
        });
        (feed, task)
    }
}

impl Events {
    /// The next report; `None` when the node closed the WebSocket.
    ///
    /// # Panics
    /// On a frame that is not a report.
    pub async fn next(&mut self) -> Option<NodeEvent> {
        loop {
            match self.socket.next().await?.ok()? {
                Frame::Text(text) => {
                    let event = serde_json::from_str(&text);
                    return Some(event.unwrap_or_else(|error| panic!("not a report: {error} in {text:?}")));
                }
                Frame::Close(_) => return None,
                _ => {}
            }
        }
    }
}

async fn read<T: DeserializeOwned>(answer: reqwest::Result<Response>) -> Result<T, String> {
    let answer = answer.map_err(|error| error.to_string())?;
    let status = answer.status();
    let text = answer.text().await.map_err(|error| error.to_string())?;
    if !status.is_success() {
        return Err(format!("{status}: {text}"));
    }
    serde_json::from_str(&text).map_err(|error| format!("{error} in {text:?}"))
}

//! The API of a fake node: calls are answered by a task on the other end of the command queue.

mod direct;
mod document;
pub(crate) mod files;
mod private;

use std::sync::Arc;

use futures::StreamExt;
use libp2p::{PeerId, identity::Keypair};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::{broadcast, mpsc};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Error as WebSocketError, Message as Frame, client::IntoClientRequest},
};

use super::{error::ErrorBody, *};
use crate::{
    cli::client::Client,
    clock::SystemClock,
    handle::{CallError, Command},
    model::{Message, Refusals, Status},
    store::{Request, Store, StoreError},
};
use prometheus_client::{metrics::counter::ConstCounter, registry::Registry};

struct EmptyStore;

impl Store for EmptyStore {
    fn submit(&self, request: Request) -> Result<(), StoreError> {
        if let Request::History { before, reply, .. } = request {
            let page = matches!(before, crate::store::Before::Time(_)).then(Vec::new);
            let _ = reply.send(Ok(page));
        } else if let Request::Entries { reply, .. } = request {
            let _ = reply.send(Ok(Vec::new()));
        }
        Ok(())
    }
}

fn status() -> Status {
    Status {
        peer_id: "12D3KooW".into(),
        name: "Ada".into(),
        version: "0.1.0".into(),
        uptime_s: 1,
        listen: vec!["/ip4/127.0.0.1/tcp/1/p2p/12D3KooW".into()],
        connected_peers: 2,
        known_peers: 3,
        rooms: 1,
        channels: 1,
        events: 4,
        closed_network: false,
        store: "ok".into(),
        undelivered: 0,
        mailboxes: Vec::new(),
        mailbox: None,
        refused: vec![Refusals { reason: "malformed".into(), count: 5 }],
        warnings: Vec::new(),
    }
}

fn message(text: &str) -> Message {
    Message {
        id: "00".repeat(32),
        room: "lobby".into(),
        author: "12D3KooW".into(),
        name: "Ada".into(),
        seq: 1,
        hlc: 1,
        at: "2026-01-01T00:00:00.000Z".into(),
        text: text.into(),
    }
}

/// Says what it is told to say; the text chooses what goes wrong.
fn said(room: proto::channel::RoomName, text: &str) -> Result<Message, CallError> {
    match text {
        "busy" => Err(CallError::Overloaded),
        "outside" => Err(CallError::NotInRoom(room)),
        "full" => Err(StoreError::DiskFull { free_bytes: 0, reserve_bytes: 1 }.into()),
        "broken" => Err(StoreError::Failed("bad sector".into()).into()),
        "stopping" => Err(CallError::Stopped),
        "" => Err(proto::chat::InvalidChat::EmptyText.into()),
        _ => Ok(message(text)),
    }
}

fn answer(command: Command) {
    match command {
        Command::Status(answer) => drop(answer.send(Ok(status()))),
        Command::Peers(answer) => drop(answer.send(Ok(Vec::new()))),
        Command::Rooms(answer) => drop(answer.send(Ok(Vec::new()))),
        Command::Who(_, answer) => drop(answer.send(Ok(Vec::new()))),
        Command::Leave(room, answer) if room.as_str() == proto::channel::LOBBY => {
            drop(answer.send(Err(CallError::CannotLeaveLobby)));
        }
        Command::Join(_, answer)
        | Command::Leave(_, answer)
        | Command::Dial(_, answer)
        | Command::Sync(answer)
        | Command::Provide(_, answer)
        | Command::StopProviding(_, answer)
        | Command::Shutdown(answer) => drop(answer.send(Ok(()))),
        // No route asks for it.
        Command::FindProviders(_, _, answer) => drop(answer.send(Err(CallError::Stopped))),
        Command::Private(command) => private::answer(command),
        Command::Shares(command) => files::answer(command),
        Command::Say(room, text, answer) => drop(answer.send(said(room, &text))),
        command => direct::answer(command),
    }
}

/// A node whose calls are answered by these tests.
pub(crate) struct Fixture {
    peer_id: PeerId,
    server: Server,
    token: Token,
    events: broadcast::Sender<NodeEvent>,
    http: reqwest::Client,
}

impl Fixture {
    pub(crate) async fn start() -> Self {
        let (commands, mut queue) = mpsc::channel(16);
        let events = broadcast::Sender::new(4);
        let peer_id = Keypair::generate_ed25519().public().to_peer_id();
        let handle = Handle {
            peer_id,
            commands,
            events: events.clone(),
            vault: Arc::new(crate::files::vault::NoVault),
            store: Arc::new(EmptyStore),
            private: watch::channel(Default::default()).1,
            clock: Arc::new(SystemClock::default()),
        };
        tokio::spawn(async move {
            while let Some(command) = queue.recv().await {
                answer(command);
            }
        });
        let token = Token::random();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut counted = Registry::with_prefix("starling");
        counted.register("shouts", "What the node counted by itself", ConstCounter::new(3_u64));
        let server = serve(handle, counted, listener, token.clone()).unwrap();
        Self { peer_id, server, token, events, http: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    /// As the command line calls it.
    pub(crate) fn client(&self) -> Client {
        Client::new(&self.server.url(), self.token.clone()).unwrap()
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.server.url())).bearer_auth(self.token.reveal())
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, String) {
        let request = self.request(method, path);
        let request = match &body {
            Some(body) => request.json(body),
            None => request,
        };
        let response = request.send().await.unwrap();
        (response.status(), response.text().await.unwrap())
    }

    async fn refusal(&self, method: Method, path: &str, body: Option<Value>) -> (u16, String) {
        let (status, text) = self.call(method, path, body).await;
        let body: ErrorBody = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {status} {text}"));
        assert!(!body.error.message.is_empty());
        (status.as_u16(), body.error.code)
    }

    fn web_socket(&self, path: &str) -> tokio_tungstenite::tungstenite::handshake::client::Request {
        format!("ws://{}{path}", self.server.address()).into_client_request().unwrap()
    }
}

#[tokio::test]
async fn every_call_is_answered_with_its_status() {
    let node = Fixture::start().await;
    let say = json!({ "text": "hello" });
    for (method, path, body, expected) in [
        (Method::GET, "/api/v1/status", None, 200),
        (Method::GET, "/api/v1/id", None, 200),
        (Method::GET, "/api/v1/peers", None, 200),
        (Method::GET, "/api/v1/rooms", None, 200),
        (Method::POST, "/api/v1/rooms", Some(json!({ "room": "birds" })), 204),
        (Method::DELETE, "/api/v1/rooms/birds", None, 204),
        (Method::GET, "/api/v1/rooms/lobby/members", None, 200),
        (Method::GET, "/api/v1/rooms/lobby/messages?limit=10000", None, 200),
        (Method::POST, "/api/v1/rooms/a%20b%2Fc/messages", Some(say), 201),
        (Method::POST, "/api/v1/dial", Some(json!({ "address": "/ip4/192.0.2.1/tcp/1" })), 202),
        (Method::POST, "/api/v1/sync", None, 202),
    ] {
        let (status, text) = node.call(method.clone(), path, body).await;
        assert_eq!(status.as_u16(), expected, "{method} {path}: {text}");
    }
    let (_, text) = node.call(Method::GET, "/api/v1/status", None).await;
    assert_eq!(serde_json::from_str::<Status>(&text).unwrap(), status());
}

#[tokio::test]
async fn every_failure_has_its_status_and_code() {
    let node = Fixture::start().await;
    let messages = "/api/v1/rooms/lobby/messages";
    for (text, status, code) in [
        ("busy", 503, "overloaded"),
        ("outside", 404, "not_in_room"),
        ("full", 507, "disk_full"),
        ("broken", 500, "store_failed"),
        ("stopping", 503, "stopping"),
        ("", 422, "invalid_text"),
    ] {
        let refusal = node.refusal(Method::POST, messages, Some(json!({ "text": text }))).await;
        assert_eq!(refusal, (status, code.into()), "{text}");
    }
    let unknown = format!("{messages}?before={}", "ab".repeat(32));
    let too_long = format!("/api/v1/rooms/{}/members", "x".repeat(65));
    let huge = json!({ "text": "x".repeat(MAX_BODY_BYTES) });
    for (method, path, body, status, code) in [
        (Method::DELETE, "/api/v1/rooms/lobby", None, 409, "cannot_leave_lobby"),
        (Method::GET, &unknown, None, 404, "no_such_message"),
        (Method::GET, "/api/v1/rooms/lobby/messages?before=xyz", None, 422, "invalid_id"),
        (Method::GET, "/api/v1/rooms/lobby/messages?limit=0", None, 422, "invalid_limit"),
        (Method::GET, "/api/v1/rooms/lobby/messages?limit=10001", None, 422, "invalid_limit"),
        (Method::GET, "/api/v1/rooms/lobby/messages?limit=many", None, 422, "invalid_query"),
        (Method::GET, &too_long, None, 422, "invalid_room"),
        (Method::POST, "/api/v1/rooms", Some(json!({ "room": " " })), 422, "invalid_room"),
        (Method::POST, "/api/v1/dial", Some(json!({ "address": "/ip4/1.2.3.4/tpc/1" })), 422, "invalid_address"),
        (Method::POST, messages, Some(json!({ "txt": "hello" })), 422, "invalid_body"),
        (Method::POST, messages, None, 415, "invalid_body"),
        (Method::POST, messages, Some(huge), 413, "body_too_large"),
        (Method::GET, "/api/v1/nothing", None, 404, "no_such_route"),
        (Method::PUT, "/api/v1/status", None, 405, "method_not_allowed"),
    ] {
        assert_eq!(node.refusal(method.clone(), path, body).await, (status, code.into()), "{method} {path}");
    }
}

#[tokio::test]
async fn only_holders_of_the_token_get_in() {
    let node = Fixture::start().await;
    let anonymous = |path: &str| node.http.get(format!("{}{path}", node.server.url()));
    for path in ["/api/v1/status", "/metrics", "/api/v1/events", "/api/v1/nothing"] {
        assert_eq!(anonymous(path).send().await.unwrap().status(), 401, "{path}");
        let wrong = anonymous(path).bearer_auth("0".repeat(64)).send().await.unwrap();
        assert_eq!(wrong.status(), 401, "{path}");
        let body: ErrorBody = wrong.json().await.unwrap();
        assert_eq!(body.error.code, "unauthorized");
    }
    for path in ["/healthz", "/api/v1/openapi.json"] {
        assert_eq!(anonymous(path).send().await.unwrap().status(), 200, "{path}");
    }
}

#[tokio::test]
async fn web_pages_of_other_sites_are_refused_even_with_the_token() {
    let node = Fixture::start().await;
    let own = format!("http://{}", node.server.address());
    let status_with = |name: &'static str, value: String| {
        let request = node.request(Method::GET, "/api/v1/status").header(name, value);
        async move { request.send().await.unwrap().status().as_u16() }
    };
    assert_eq!(status_with("host", "evil.example:7380".into()).await, 403);
    assert_eq!(status_with("origin", "http://evil.example".into()).await, 403);
    assert_eq!(status_with("origin", "null".into()).await, 403);
    assert_eq!(status_with("origin", "http://127.0.0.1:1".into()).await, 403);
    assert_eq!(status_with("origin", own).await, 200);
    let health = node.http.get(format!("{}/healthz", node.server.url())).header("host", "evil.example");
    assert_eq!(health.send().await.unwrap().status(), 403);
}

#[tokio::test]
async fn the_web_socket_reports_everything_and_owns_up_to_gaps() {
    let node = Fixture::start().await;
    let token = node.token.reveal();
    let mut with_header = node.web_socket("/api/v1/events");
    with_header.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    let with_query = node.web_socket(&format!("/api/v1/events?token={token}"));
    let mut with_protocol = node.web_socket("/api/v1/events");
    with_protocol.headers_mut().insert("sec-websocket-protocol", format!("bearer.{token}").parse().unwrap());
    for request in [with_header, with_query, with_protocol] {
        let (mut socket, _) = connect_async(request).await.unwrap();
        let event = NodeEvent::Message(message("hello"));
        node.events.send(event.clone()).unwrap();
        let Frame::Text(text) = socket.next().await.unwrap().unwrap() else { panic!("not text") };
        assert_eq!(serde_json::from_str::<NodeEvent>(&text).unwrap(), event);
        assert!(text.contains(r#""event":"message""#), "{text}");
        // The queue holds 4 and this test has one thread, so that the server cannot read in between.
        for _ in 0..6 {
            node.events.send(event.clone()).unwrap();
        }
        let Frame::Text(text) = socket.next().await.unwrap().unwrap() else { panic!("not text") };
        assert_eq!(serde_json::from_str::<NodeEvent>(&text).unwrap(), NodeEvent::Lagged { missed: 2 });
    }
    for request in [node.web_socket("/api/v1/events"), node.web_socket("/api/v1/events?token=0")] {
        let Err(WebSocketError::Http(response)) = connect_async(request).await else { panic!("let in") };
        assert_eq!(response.status(), 401);
    }
}

#[tokio::test]
async fn web_sockets_are_bounded_and_closed_when_the_node_stops() {
    let node = Fixture::start().await;
    let path = format!("/api/v1/events?token={}", node.token.reveal());
    let mut sockets = Vec::new();
    for _ in 0..MAX_WEB_SOCKETS {
        sockets.push(connect_async(node.web_socket(&path)).await.unwrap().0);
    }
    let Err(WebSocketError::Http(response)) = connect_async(node.web_socket(&path)).await else { panic!("let in") };
    assert_eq!(response.status(), 503);
    node.server.stop().await;
    for socket in &mut sockets {
        assert!(matches!(socket.next().await, Some(Ok(Frame::Close(_)))));
    }
}

#[tokio::test]
async fn a_client_can_ask_the_node_to_stop() {
    let node = Fixture::start().await;
    let requested = node.server.stop_requested();
    assert_eq!(node.call(Method::POST, "/api/v1/shutdown", None).await.0, 202);
    requested.await;
}

#[tokio::test]
async fn metrics_say_what_the_status_says_and_what_the_node_counted() {
    let node = Fixture::start().await;
    let (status, text) = node.call(Method::GET, "/metrics", None).await;
    assert_eq!(status, 200);
    for line in [
        "starling_connected_peers 2",
        "starling_events 4",
        r#"starling_refused_total{reason="malformed"} 5"#,
        "starling_shouts_total 3",
    ] {
        assert!(text.lines().any(|have| have == line), "{line} is not in:\n{text}");
    }
    assert_eq!(text.matches("# EOF\n").count(), 1);
    assert!(text.ends_with("# EOF\n"));
}

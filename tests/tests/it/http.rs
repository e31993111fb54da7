//! The HTTP API as a stranger on the same machine, or a web page in its browser, meets it.

use std::{fs, os::unix::fs::PermissionsExt};

use harness::{Node, NodeOptions, seconds};
use node::model::{Message, NodeEvent};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio_tungstenite::{connect_async, tungstenite::Error};

const CALLS: [(&str, &str); 17] = [
    ("GET", "status"),
    ("GET", "peers"),
    ("GET", "id"),
    ("GET", "rooms"),
    ("GET", "rooms/lobby/members"),
    ("GET", "rooms/lobby/messages"),
    ("POST", "rooms/lobby/messages"),
    ("DELETE", "rooms/lobby"),
    ("GET", "direct"),
    ("POST", "direct"),
    ("POST", "direct/read"),
    ("GET", "people"),
    ("GET", "contacts"),
    ("POST", "key/rotate"),
    ("POST", "dial"),
    ("POST", "sync"),
    ("POST", "shutdown"),
];

fn method(name: &str) -> Method {
    Method::from_bytes(name.as_bytes()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_token_nothing_is_answered() {
    let node = Node::start(NodeOptions::default()).await;
    let api = node.api();
    for (name, path) in CALLS {
        let none = api.anonymous(method(name), path).send().await.unwrap();
        assert_eq!(none.status(), StatusCode::UNAUTHORIZED, "{name} {path}");
        let wrong = api.anonymous(method(name), path).bearer_auth("0".repeat(64)).send().await.unwrap();
        assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED, "{name} {path}");
    }
    let mut request = api.events_request();
    request.headers_mut().remove("authorization");
    let refused = connect_async(request).await.unwrap_err();
    assert!(matches!(&refused, Error::Http(answer) if answer.status() == 401), "{refused}");
    assert_eq!(api.status().await.unwrap().peer_id, node.peer_id());
}

#[tokio::test(flavor = "multi_thread")]
async fn web_pages_of_other_origins_and_names_are_refused_even_with_the_token() {
    let node = Node::start(NodeOptions::default()).await;
    let api = node.api();
    for (header, value) in [("origin", "https://evil.example"), ("origin", "null"), ("host", "evil.example")] {
        for (name, path) in CALLS {
            let answer = api.request(method(name), path).header(header, value).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{name} {path} with {header}: {value}");
        }
    }
    let mut request = api.events_request();
    request.headers_mut().insert("origin", "https://evil.example".parse().unwrap());
    let refused = connect_async(request).await.unwrap_err();
    assert!(matches!(&refused, Error::Http(answer) if answer.status() == 403), "{refused}");
    let answer = api.request(Method::GET, "status").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(!answer.headers().contains_key("access-control-allow-origin"));
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_for_their_owner_only() {
    let node = Node::start(NodeOptions::default()).await;
    for name in ["identity.key", "api-token"] {
        let mode = fs::metadata(node.data_dir().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    assert_eq!(fs::metadata(node.data_dir()).unwrap().permissions().mode() & 0o077, 0, "the data directory");
    let token = fs::read_to_string(node.data_dir().join("api-token")).unwrap();
    assert!(token.trim().len() >= 32, "a token that can be guessed");
    assert!(!node.log().contains(token.trim()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_does_what_the_command_line_does() {
    let node = Node::start(NodeOptions::named("ada")).await;
    let api = node.api();
    let (feed, _task) = api.collect_events().await;
    api.post("rooms", &json!({ "room": "garden" })).await.unwrap();
    let said = api.say("garden", "by HTTP").await.unwrap();
    let heard =
        feed.wait_for("the message on the WebSocket", seconds(5), |event| matches!(event, NodeEvent::Message(_))).await;
    assert_eq!(heard, NodeEvent::Message(said.clone()));
    assert_eq!(node.history("garden").await, std::slice::from_ref(&said));
    assert_eq!(api.history("garden").await.unwrap(), [said]);
    let answer = api.request(Method::DELETE, "rooms/garden").send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
    let refused = api.say("garden", "to nobody").await.unwrap_err();
    assert!(refused.starts_with('4'), "the caller's fault: {refused}");
    api.post("sync", &json!({})).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_is_answered_with_the_callers_fault_and_not_a_crash() {
    let node = Node::start(NodeOptions::default()).await;
    let api = node.api();
    let bodies =
        ["", "{", "[]", "{\"text\":5}", "{\"text\":\"\"}", &format!("{{\"text\":\"{}\"}}", "x".repeat(70_000))];
    for body in bodies {
        let request = api.request(Method::POST, "rooms/lobby/messages").header("content-type", "application/json");
        let answer = request.body(body.to_owned()).send().await.unwrap();
        assert!(answer.status().is_client_error(), "{} for {:.40}", answer.status(), body);
    }
    let huge = api.request(Method::POST, "rooms/lobby/messages").header("content-type", "application/json");
    // The node may hang up before it has read all of it.
    if let Ok(answer) = huge.body("x".repeat(20 << 20)).send().await {
        assert!(answer.status().is_client_error(), "{}", answer.status());
    }
    for path in ["nothing", "rooms/lobby/messages?limit=-1", "rooms/lobby/messages?before=xyz", "rooms/%00/members"] {
        let answer = api.request(Method::GET, path).send().await.unwrap();
        assert!(answer.status().is_client_error(), "{} for {path}", answer.status());
    }
    assert_eq!(api.history("lobby").await.unwrap(), Vec::<Message>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_describes_itself() {
    let node = Node::start(NodeOptions::default()).await;
    let api = node.api();
    let documents = ["openapi.json", "../../openapi.json", "../openapi.json"];
    let mut found = None;
    for path in documents {
        let answer = api.request(Method::GET, path).send().await.unwrap();
        if answer.status() == StatusCode::OK {
            found = Some(answer.json::<Value>().await.unwrap());
        }
    }
    let document = found.unwrap_or_else(|| panic!("no OpenAPI document at any of {documents:?}"));
    let paths = document["paths"].as_object().expect("it lists paths");
    for (name, path) in CALLS {
        let path = format!("/api/v1/{}", path.replacen("lobby", "{room}", 1));
        let described = paths.get(&path).unwrap_or_else(|| panic!("{path} is not described"));
        assert!(described.get(name.to_lowercase()).is_some(), "{name} {path} is not described");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_stopped_by_its_api() {
    let mut node = Node::start(NodeOptions::default()).await;
    node.api().post("shutdown", &json!({})).await.unwrap();
    assert_eq!(node.ended().await, Some(0));
}

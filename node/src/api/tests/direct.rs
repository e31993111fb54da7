//! Direct messages and people.

use libp2p::PeerId;
use proto::{
    direct::{
        letter::{InvalidLetter, MAX_TEXT_BYTES},
        outbox::NotWritten,
        safety::SafetyNumber as Compared,
    },
    ids::Author,
};

use super::*;
use crate::model::{DirectMessage, DirectState, Person, SafetyNumber};

fn peer(secret: u8) -> PeerId {
    Keypair::ed25519_from_bytes([secret; 32]).unwrap().public().to_peer_id()
}

fn person(secret: u8, contact: Option<&str>, name: &str) -> Person {
    Person {
        peer_id: peer(secret).to_string(),
        contact: contact.map(str::to_owned),
        names: vec![name.into()],
        known: secret != 4,
        blocked: secret == 4,
        connected: true,
        messages: 0,
    }
}

/// A contact, two of one display name, and one who is blocked.
fn people() -> Vec<Person> {
    vec![
        person(1, Some("Ada / L."), "countess"),
        person(2, None, "bob"),
        person(3, None, "Bob"),
        person(4, None, "eve"),
    ]
}

/// Writes what it is told to; the text chooses what goes wrong.
fn written(to: Author, text: String) -> Result<DirectMessage, CallError> {
    let of = |author: Author| author.peer_id().unwrap().to_string();
    match text.as_str() {
        "" => Err(NotWritten::Invalid(InvalidLetter::Empty).into()),
        "crowded" => Err(NotWritten::TooMuchWaiting.into()),
        "full" => Err(StoreError::DiskFull { free_bytes: 0, reserve_bytes: 1 }.into()),
        text if text.len() > MAX_TEXT_BYTES => Err(NotWritten::Invalid(InvalidLetter::TooLong(text.len())).into()),
        _ => Ok(DirectMessage {
            id: "00".repeat(32),
            from: peer(0).to_string(),
            to: of(to),
            at: "2026-01-01T00:00:00.000Z".into(),
            text,
            state: DirectState::Queued,
        }),
    }
}

/// Answers what is about direct messages. Whether a name may be used is the handle's to say.
pub(super) fn answer(command: Command) {
    match command {
        Command::People(answer) => drop(answer.send(Ok(people()))),
        Command::Message(to, text, answer) => drop(answer.send(written(to, text))),
        Command::MarkRead(_, _, answer)
        | Command::Dismiss(_, _, answer)
        | Command::Block(_, _, answer)
        | Command::NameContact(_, _, answer) => {
            drop(answer.send(Ok(())));
        }
        Command::RotateKey(answer) => drop(answer.send(Err(CallError::Overloaded))),
        command => panic!("nothing answers {command:?}"),
    }
}

#[tokio::test]
async fn direct_messages_and_people_have_calls_for_all_that_users_do() {
    let node = Fixture::start().await;
    let (ada, stranger) = (peer(1), peer(9));
    for (method, path, body, expected) in [
        (Method::GET, "/api/v1/direct".into(), None, 200),
        (Method::GET, "/api/v1/direct?peer=ada%20%2F%20L.&unread=true&limit=5".into(), None, 200),
        (Method::GET, format!("/api/v1/direct?peer={stranger}"), None, 200),
        (Method::POST, "/api/v1/direct".into(), Some(json!({ "to": "ADA / L.", "text": "hello" })), 201),
        (Method::POST, "/api/v1/direct".into(), Some(json!({ "to": stranger.to_string(), "text": "hello" })), 201),
        (Method::POST, "/api/v1/direct/read".into(), Some(json!({ "peer": ada.to_string()[..20] })), 204),
        (Method::GET, "/api/v1/people".into(), None, 200),
        (Method::GET, "/api/v1/contacts".into(), None, 200),
        (Method::PUT, "/api/v1/contacts/ada%20%2F%20l.".into(), Some(json!({ "name": "Ada" })), 204),
        (Method::PUT, format!("/api/v1/contacts/{stranger}"), Some(json!({ "name": "Zoe" })), 204),
        (Method::DELETE, "/api/v1/contacts/countess".into(), None, 204),
        (Method::PUT, "/api/v1/contacts/eve/blocked".into(), None, 204),
        (Method::DELETE, "/api/v1/contacts/eve/blocked".into(), None, 204),
        (Method::GET, "/api/v1/contacts/eve/safety-number".into(), None, 200),
    ] {
        let (status, text) = node.call(method.clone(), &path, body).await;
        assert_eq!(status.as_u16(), expected, "{method} {path}: {text}");
    }
    let (_, text) = node.call(Method::GET, "/api/v1/people", None).await;
    assert_eq!(serde_json::from_str::<Vec<Person>>(&text).unwrap(), people());
    let (_, text) = node.call(Method::GET, "/api/v1/contacts", None).await;
    let contacts: Vec<Person> = serde_json::from_str(&text).unwrap();
    assert_eq!(contacts, [person(1, Some("Ada / L."), "countess"), person(4, None, "eve")]);
}

#[tokio::test]
async fn what_goes_wrong_with_direct_messages_and_people_has_its_status_and_code() {
    let node = Fixture::start().await;
    let own = node.peer_id.to_string();
    let to = |to: &str, text: &str| Some(json!({ "to": to, "text": text }));
    let named = |name: &str| Some(json!({ "name": name }));
    let before = format!("/api/v1/direct?before={}", "ab".repeat(32));
    for (method, path, body, status, code) in [
        (Method::POST, "/api/v1/direct".into(), to("carol", "hello"), 404, "unknown_peer"),
        (Method::POST, "/api/v1/direct".into(), to("bob", "hello"), 409, "ambiguous_peer"),
        (Method::POST, "/api/v1/direct".into(), to(" ", "hello"), 422, "invalid_peer"),
        (Method::POST, "/api/v1/direct".into(), to(&own, "hello"), 422, "oneself"),
        (Method::POST, "/api/v1/direct".into(), to("eve", ""), 422, "invalid_message"),
        (Method::POST, "/api/v1/direct".into(), to("eve", &"x".repeat(MAX_TEXT_BYTES + 1)), 422, "invalid_message"),
        (Method::POST, "/api/v1/direct".into(), to("eve", "crowded"), 409, "too_much_waiting"),
        (Method::POST, "/api/v1/direct".into(), to("eve", "full"), 507, "disk_full"),
        (Method::POST, "/api/v1/direct".into(), Some(json!({ "text": "hello" })), 422, "invalid_body"),
        (Method::GET, "/api/v1/direct?peer=carol".into(), None, 404, "unknown_peer"),
        (Method::GET, "/api/v1/direct?unread=maybe".into(), None, 422, "invalid_query"),
        (Method::GET, "/api/v1/direct?limit=0".into(), None, 422, "invalid_limit"),
        (Method::GET, "/api/v1/direct?before=xyz".into(), None, 422, "invalid_id"),
        (Method::GET, before, None, 404, "no_such_message"),
        (Method::POST, "/api/v1/direct/read".into(), Some(json!({ "peer": "bob" })), 409, "ambiguous_peer"),
        (Method::PUT, "/api/v1/contacts/carol".into(), named("Carol"), 404, "unknown_peer"),
        (Method::PUT, "/api/v1/contacts/eve".into(), named(" ADA / l. "), 409, "name_taken"),
        (Method::PUT, "/api/v1/contacts/eve".into(), named(" "), 422, "invalid_name"),
        (Method::PUT, "/api/v1/contacts/eve".into(), named(&"x".repeat(65)), 422, "invalid_name"),
        (Method::DELETE, "/api/v1/contacts/eve".into(), None, 404, "not_a_contact"),
        (Method::PUT, format!("/api/v1/contacts/{own}/blocked"), None, 422, "oneself"),
        (Method::GET, "/api/v1/contacts/bob/safety-number".into(), None, 409, "ambiguous_peer"),
        (Method::POST, "/api/v1/key/rotate".into(), None, 503, "overloaded"),
    ] {
        assert_eq!(node.refusal(method.clone(), &path, body).await, (status, code.into()), "{method} {path}");
    }
    let (_, text) = node.call(Method::POST, "/api/v1/direct", to("bob", "hello")).await;
    assert!(text.contains(&peer(2).to_string()) && text.contains(&peer(3).to_string()), "{text}");
}

#[tokio::test]
async fn a_direct_message_has_six_keys_in_their_order_and_names_both_in_full() {
    let node = Fixture::start().await;
    let body = json!({ "to": "eve", "text": "hello" });
    let (_, text) = node.call(Method::POST, "/api/v1/direct", Some(body)).await;
    let expected = format!(
        r#"{{"id":"{}","from":"{}","to":"{}","at":"2026-01-01T00:00:00.000Z","text":"hello","state":"queued"}}"#,
        "00".repeat(32),
        peer(0),
        peer(4)
    );
    assert_eq!(text, expected);
}

#[tokio::test]
async fn the_safety_number_is_that_of_both_keys() {
    let node = Fixture::start().await;
    let (_, text) = node.call(Method::GET, "/api/v1/contacts/eve/safety-number", None).await;
    let number: SafetyNumber = serde_json::from_str(&text).unwrap();
    let author = |peer: &PeerId| Author::from_peer_id(peer).unwrap();
    let expected = Compared::between(&author(&peer(4)), &author(&node.peer_id));
    assert_eq!((number.digits, number.groups.join(" ")), (expected.digits(), expected.to_string()));
    assert_eq!(number.peer_id, peer(4).to_string());
}

#[tokio::test]
async fn the_web_socket_reports_direct_messages_and_how_far_they_are() {
    let node = Fixture::start().await;
    let path = format!("/api/v1/events?token={}", node.token.reveal());
    let (mut socket, _) = connect_async(node.web_socket(&path)).await.unwrap();
    let message = written(Author::from_peer_id(&peer(4)).unwrap(), "hello".into()).unwrap();
    let (id, to) = (message.id.clone(), message.to.clone());
    let state = NodeEvent::DirectState { id, to, state: DirectState::Delivered };
    for (event, kind) in [(NodeEvent::Direct(message), "direct"), (state, "direct_state")] {
        node.events.send(event.clone()).unwrap();
        let Frame::Text(text) = socket.next().await.unwrap().unwrap() else { panic!("not text") };
        assert_eq!(serde_json::from_str::<NodeEvent>(&text).unwrap(), event);
        assert!(text.contains(&format!(r#""event":"{kind}""#)), "{text}");
    }
}

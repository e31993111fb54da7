//! Files: what is shared, what is fetched, limits and the disk.

use proto::blob::{BlobId, Blocks};

use super::*;
use crate::{
    handle::{FetchRequest, ShareError, ShareRequest, Target},
    model::{Hashing, Share, SharePeer, ShareState, StoreUsage, TransferLimits},
    swarm::shares::{self, Have},
};

/// What is here; all else is not.
pub(crate) const HERE: BlobId = BlobId([7; 32]);

/// It is being fetched.
pub(crate) const COMING: BlobId = BlobId([8; 32]);

/// It is not known what is in it.
pub(crate) const ASKING: BlobId = BlobId([6; 32]);

/// The same, and it cannot be forgotten.
pub(crate) const STUCK: BlobId = BlobId([5; 32]);

fn shared(root: BlobId, state: ShareState) -> Share {
    Share {
        root: root.to_string(),
        name: "murmuration.mp4".into(),
        folder: Some(false),
        size: Some(1_000_003),
        files: Some(1),
        state,
        reason: None,
        place: Some("/tmp/murmuration.mp4".into()),
        copied: false,
        link: None,
        added_at: "2026-01-01T00:00:00.000Z".into(),
        wanted_bytes: 1_000_003,
        done_bytes: 1_000_003,
        peers: 0,
        seeders: 0,
        down_bytes_s: 0,
        up_bytes_s: 0,
        eta_s: None,
        uploaded_bytes: 0,
        down_limit: None,
        up_limit: None,
    }
}

fn all() -> Vec<Share> {
    let states = [
        (HERE, ShareState::Complete),
        (COMING, ShareState::Fetching),
        (ASKING, ShareState::Asking),
        (STUCK, ShareState::Asking),
    ];
    states.map(|(root, state)| shared(root, state)).to_vec()
}

fn known(root: BlobId) -> Result<Share, CallError> {
    all().into_iter().find(|share| share.root == root.to_string()).ok_or(ShareError::Unknown(root).into())
}

/// One that goes on.
pub(crate) fn hashing(path: impl ToString) -> Hashing {
    Hashing { id: 3, path: path.to_string(), hashed_bytes: 0, total_bytes: 0, share: None, error: None }
}

/// Tells in an error what it was asked.
fn repeated<T>(asked: impl std::fmt::Debug) -> Result<T, CallError> {
    Err(ShareError::Invalid(format!("{asked:?}")).into())
}

/// One goes on, one has ended well, one has not; there are no more.
fn numbered(number: u64) -> Result<Hashing, CallError> {
    match number {
        3 => Ok(hashing("/tmp/x")),
        5 => Ok(Hashing { share: Some(shared(HERE, ShareState::Complete)), ..hashing("/tmp/x") }),
        6 => Ok(Hashing { error: Some("cannot read '\u{1b}[2J'".into()), ..hashing("/tmp/x") }),
        _ => Err(ShareError::NoSuchHashing(number).into()),
    }
}

fn begun(request: ShareRequest) -> Result<Hashing, CallError> {
    let ShareRequest { path, name, .. } = &request;
    match name.as_ref().map(|name| name.as_str()) {
        Some("echo") => repeated(request),
        Some("crowded") => Err(ShareError::TooMany("8 things are being hashed".into()).into()),
        _ => Ok(hashing(path.display())),
    }
}

fn fetched(request: FetchRequest) -> Result<Share, CallError> {
    match &request.target {
        Target::At(path) if path.ends_with("echo") => repeated(request),
        Target::At(path) if path.ends_with("full") => Err(ShareError::Disk("the disk is full".into()).into()),
        Target::At(path) if path.ends_with("here") => Err(ShareError::Here("it is here already".into()).into()),
        _ => Ok(shared(request.wanted.id(), ShareState::Asking)),
    }
}

fn paused(root: BlobId, to_pause: bool) -> Result<Share, CallError> {
    let state = if to_pause { ShareState::Paused } else { ShareState::Fetching };
    match known(root)?.state {
        ShareState::Complete | ShareState::Asking => Err(ShareError::NotFetched(root).into()),
        _ => Ok(shared(root, state)),
    }
}

/// Answers what is about shares.
pub(super) fn answer(command: shares::Command) {
    use shares::Command as Asked;
    let peer = SharePeer {
        peer_id: "12D3KooW".into(),
        address: "/ip4/192.0.2.1/tcp/1".into(),
        path: "direct".into(),
        blocks: Some(1),
        of: Some(4),
        recent_bytes: 0,
        asked_bytes: 0,
        choking: false,
    };
    // Of what is here all is known, but the vault has nothing of it.
    let have = Have { have: Blocks::all(4), selected: None };
    match command {
        Asked::Share(request, answer) => drop(answer.send(begun(request))),
        Asked::Verify(root, answer) => drop(answer.send(known(root).map(|share| hashing(share.name)))),
        Asked::Hashing(number, answer) => drop(answer.send(numbered(number))),
        Asked::CancelHashing(number, answer) => drop(answer.send(numbered(number).map(drop))),
        Asked::Fetch(request, answer) => drop(answer.send(fetched(*request))),
        Asked::List(answer) => drop(answer.send(Ok(all()))),
        Asked::Show(root, answer) => drop(answer.send(known(root))),
        Asked::Peers(root, answer) => drop(answer.send(known(root).map(|_| vec![peer]))),
        Asked::Have(root, answer) => drop(answer.send(known(root).map(|_| (root != ASKING).then_some(have)))),
        Asked::Pause(root, to_pause, answer) => drop(answer.send(paused(root, to_pause))),
        Asked::Forget(STUCK, answer) => drop(answer.send(Err(ShareError::Disk("broken".into()).into()))),
        Asked::Forget(root, answer) => drop(answer.send(known(root).map(drop))),
        Asked::Limit(None, up, down, answer) => drop(answer.send(repeated((up, down)))),
        Asked::Limit(Some(root), .., answer) => drop(answer.send(known(root).map(drop))),
        Asked::Limits(answer) => drop(answer.send(Ok(TransferLimits { up: Some(1), down: None }))),
    }
}

#[tokio::test]
async fn files_have_calls_for_all_that_users_do() {
    let node = Fixture::start().await;
    let (here, coming) = (format!("/api/v1/files/{HERE}"), format!("/api/v1/files/{COMING}"));
    let asking = format!("/api/v1/files/{ASKING}");
    let path = |path: &str, below: &str| format!("{path}{below}");
    let fetch = json!({ "link": COMING.to_string(), "into": "/tmp" });
    for (method, path, body, expected) in [
        (Method::POST, "/api/v1/files".to_owned(), Some(json!({ "path": "/tmp/x" })), 202),
        (Method::GET, "/api/v1/files".into(), None, 200),
        (Method::GET, here.clone(), None, 200),
        (Method::DELETE, here.clone(), None, 204),
        (Method::GET, path(&here, "/peers"), None, 200),
        (Method::GET, path(&asking, "/files"), None, 200),
        (Method::POST, path(&here, "/verify"), None, 202),
        (Method::POST, path(&coming, "/pause"), None, 200),
        (Method::POST, path(&coming, "/resume"), None, 200),
        (Method::PUT, path(&here, "/limits"), Some(json!({ "up": 5 })), 204),
        (Method::GET, "/api/v1/hashings/3".into(), None, 200),
        (Method::DELETE, "/api/v1/hashings/3".into(), None, 204),
        (Method::POST, "/api/v1/transfers".into(), Some(fetch), 202),
        (Method::GET, "/api/v1/limits".into(), None, 200),
        (Method::GET, "/api/v1/store/usage".into(), None, 200),
        (Method::POST, "/api/v1/store/gc".into(), None, 200),
    ] {
        let (status, text) = node.call(method.clone(), &path, body).await;
        assert_eq!(status.as_u16(), expected, "{method} {path}: {text}");
    }
    let (_, text) = node.call(Method::GET, &here, None).await;
    assert_eq!(serde_json::from_str::<Share>(&text).unwrap(), shared(HERE, ShareState::Complete));
    let (_, text) = node.call(Method::GET, &path(&asking, "/files"), None).await;
    assert_eq!(text, "[]", "what is not known to be in it");
    let (_, text) = node.call(Method::POST, "/api/v1/store/gc", None).await;
    assert_eq!(text, r#"{"freed_bytes":0}"#);
    let (_, text) = node.call(Method::GET, "/api/v1/store/usage", None).await;
    assert_eq!(serde_json::from_str::<StoreUsage>(&text).unwrap().garbage_bytes, 0);
    let (_, text) = node.call(Method::GET, "/api/v1/limits", None).await;
    assert_eq!(text, r#"{"up":1,"down":null}"#);
}

#[tokio::test]
async fn shares_are_listed_by_how_far_they_are_and_alike_under_the_names_that_others_know() {
    let node = Fixture::start().await;
    for (query, expected) in [("", all()), ("?state=asking", all()[2..].to_vec()), ("?state=failed", Vec::new())] {
        let (_, text) = node.call(Method::GET, &format!("/api/v1/files{query}"), None).await;
        assert_eq!(serde_json::from_str::<Vec<Share>>(&text).unwrap(), expected, "{query}");
    }
    for path in [
        "",
        "?state=asking",
        &format!("/{HERE}"),
        &format!("/{HERE}/peers"),
        "?state=lost",
        "/7",
        &format!("/{}", BlobId([9; 32])),
    ] {
        let ours = node.call(Method::GET, &format!("/api/v1/files{path}"), None).await;
        assert_eq!(node.call(Method::GET, &format!("/api/files{path}"), None).await, ours, "{path}");
    }
    let anonymous = node.http.get(format!("{}/api/files", node.server.url()));
    assert_eq!(anonymous.send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn whatever_a_caller_says_reaches_the_node() {
    let node = Fixture::start().await;
    let told = async |method, path: &str, body| {
        let (status, text) = node.call(method, path, Some(body)).await;
        assert_eq!(status, 422, "{text}");
        serde_json::from_str::<ErrorBody>(&text).unwrap().error.message
    };
    let limits = told(Method::PUT, "/api/v1/limits", json!({ "up": 5, "down": null })).await;
    assert_eq!(limits, "(Some(5), None)");
    let body = json!({ "path": "/tmp/x", "name": "echo", "copy": true, "follow_symlinks": true });
    let share = told(Method::POST, "/api/v1/files", body).await;
    assert!(share.contains("copy: true, symlinks: Follow") && share.contains("\"/tmp/x\""), "{share}");
    let peer = format!("/ip4/192.0.2.1/tcp/1/p2p/{}", node.peer_id);
    let body = json!({ "link": HERE.to_string(), "at": "/tmp/echo", "select": ["*.mp4"], "peers": [peer] });
    let fetch = told(Method::POST, "/api/v1/transfers", body).await;
    for part in ["At(\"/tmp/echo\")", "\"*.mp4\"", &node.peer_id.to_string()] {
        assert!(fetch.contains(part), "{part} is not in {fetch}");
    }
}

#[tokio::test]
async fn what_cannot_be_shared_or_fetched_has_its_status_and_code() {
    let node = Fixture::start().await;
    let unknown = format!("/api/v1/files/{}", BlobId([9; 32]));
    let here = format!("/api/v1/files/{HERE}");
    let fetch = |more: Value| {
        let mut body = json!({ "link": HERE.to_string() });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Some(body)
    };
    let share = |path: &str, name: &str| Some(json!({ "path": path, "name": name }));
    for (method, path, body, status, code) in [
        (Method::POST, "/api/v1/files", share("photos", "x"), 422, "invalid_path"),
        (Method::POST, "/api/v1/files", share("/photos", "../x"), 422, "invalid_name"),
        (Method::POST, "/api/v1/files", share("/photos", "crowded"), 409, "too_many_shares"),
        (Method::POST, "/api/v1/files", Some(json!({ "name": "x" })), 422, "invalid_body"),
        (Method::GET, "/api/v1/files?state=lost", None, 422, "invalid_query"),
        (Method::GET, "/api/v1/files/7", None, 422, "invalid_root"),
        (Method::GET, &unknown, None, 404, "no_such_share"),
        (Method::DELETE, &unknown, None, 404, "no_such_share"),
        (Method::POST, &format!("{unknown}/verify"), None, 404, "no_such_share"),
        (Method::PUT, &format!("{unknown}/limits"), Some(json!({})), 404, "no_such_share"),
        (Method::POST, &format!("{here}/pause"), None, 409, "not_fetched"),
        (Method::GET, &format!("{here}/files"), None, 422, "invalid_share"),
        (Method::GET, "/api/v1/hashings/4", None, 404, "no_such_hashing"),
        (Method::DELETE, "/api/v1/hashings/x", None, 422, "invalid_id"),
        (Method::PUT, "/api/v1/limits", Some(json!({ "up": "5MiB" })), 422, "invalid_body"),
        (Method::POST, "/api/v1/transfers", Some(json!({ "link": "x", "into": "/" })), 422, "invalid_link"),
        (Method::POST, "/api/v1/transfers", fetch(json!({})), 422, "invalid_path"),
        (Method::POST, "/api/v1/transfers", fetch(json!({ "into": "/a", "at": "/b" })), 422, "invalid_path"),
        (Method::POST, "/api/v1/transfers", fetch(json!({ "into": "here" })), 422, "invalid_path"),
        (Method::POST, "/api/v1/transfers", fetch(json!({ "at": "/tmp/full" })), 507, "disk_failed"),
        (Method::POST, "/api/v1/transfers", fetch(json!({ "at": "/tmp/here" })), 409, "here_already"),
        (
            Method::POST,
            "/api/v1/transfers",
            fetch(json!({ "into": "/", "peers": ["/ip4/192.0.2.1/tcp/1"] })),
            422,
            "invalid_address",
        ),
    ] {
        assert_eq!(node.refusal(method.clone(), path, body).await, (status, code.into()), "{method} {path}");
    }
}

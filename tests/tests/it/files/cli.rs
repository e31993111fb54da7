//! Files from the command line.

use std::{fs, path::Path};

use harness::{Node, eventually, files::same, seconds};
use node::model::{AnnouncedShare, Share, ShareState};
use serde_json::Value;

use super::{MIB, Places, start};
use crate::cli::is_friendly;

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Runs a command that is to succeed, and gives its last object.
async fn last(node: &Node, arguments: &[&str]) -> Value {
    let output = node.run(arguments).await;
    assert_eq!(output.code, Some(0), "{output:#?}");
    output.json().pop().unwrap_or(Value::Null)
}

#[tokio::test]
async fn a_file_is_shared_and_got_by_link_by_its_number_in_a_room_and_by_name() {
    let places = Places::new();
    let source = places.file("photo.jpg", 3 * MIB + 5);
    let (ada, second) = (start("ada", &[]).await, places.file("second.bin", 70_000));
    let bob = start("bob", &[&ada]).await;
    let told = last(&ada, &["share", "--json", text(&source), "--room", "lobby"]).await;
    let keys: Vec<&str> = told.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys.len(), 4, "{told}");
    assert_eq!((told["name"].as_str(), told["size"].as_u64()), (Some("photo.jpg"), Some(3 * MIB + 5)));
    let by_link = places.at("by-link");
    last(&bob, &["get", "--json", told["link"].as_str().unwrap(), "-o", text(&by_link)]).await;
    assert!(same(&source, &by_link.join("photo.jpg")));

    last(&ada, &["share", "--json", text(&second), "--name", "other.bin", "--room", "lobby"]).await;
    let carol = start("carol", &[&bob, &ada]).await;
    eventually("both announcements are there", seconds(30), async || {
        let all: Vec<AnnouncedShare> = carol.run(&["shared", "--room", "lobby", "--json"]).await.json();
        let seeders = all.iter().map(|share| share.seeders.unwrap_or(0)).collect::<Vec<_>>();
        if matches!(seeders.as_slice(), [first, second] if *first >= 2 && *second >= 1) {
            return Ok(());
        }
        Err(format!("{all:?}"))
    })
    .await;
    last(&carol, &["get", "1", "--room", "lobby", "-o", text(&places.at("one").join("mine.jpg")), "--json"]).await;
    assert!(same(&source, &places.at("one").join("mine.jpg")));
    last(&carol, &["get", "other.bin", "--room", "lobby", "-o", text(&places.at("two")), "--json"]).await;
    assert!(same(&second, &places.at("two").join("other.bin")));
    for (wrong, word) in
        [(&["get", "3", "--room", "lobby"][..], "node shared"), (&["get", "nonsense"], "starling:file/")]
    {
        let output = carol.run(wrong).await;
        assert!(matches!(output.code, Some(1 | 2)) && output.stderr.contains(word), "{output:#?}");
        is_friendly(&output);
    }
}

#[tokio::test]
async fn transfers_are_paused_resumed_cancelled_and_shares_verified_and_unshared() {
    let places = Places::new();
    let source = places.file("file.bin", 8 * MIB);
    let ada = start("ada", &[]).await;
    let bob = start("bob", &[&ada]).await;
    let told = last(&ada, &["share", "--json", text(&source)]).await;
    let (link, root) = (told["link"].as_str().unwrap(), told["root"].as_str().unwrap());
    last(&ada, &["limits", "--up", "1MiB", "--json"]).await;
    let into = places.at("got");
    let begun = last(&bob, &["get", "--detach", "--json", link, "-o", text(&into)]).await;
    assert_eq!(begun["root"], told["root"]);
    let listed = async || -> Vec<Share> { bob.run(&["transfers", "--json"]).await.json() };
    eventually("some of it is there", seconds(30), async || match listed().await.first() {
        Some(share) if share.done_bytes > 0 => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    last(&bob, &["transfers", "pause", &root[..8], "--json"]).await;
    let paused = listed().await.remove(0);
    assert_eq!(paused.state, ShareState::Paused);
    last(&ada, &["limits", "--up", "none", "--json"]).await;
    last(&bob, &["transfers", "resume", "file.bin", "--json"]).await;
    last(&bob, &["get", "--json", link, "-o", text(&into)]).await;
    assert!(same(&source, &into.join("file.bin")));

    last(&bob, &["shared", "verify", root, "--json"]).await;
    fs::write(into.join("file.bin"), b"another").unwrap();
    let verified = bob.run(&["shared", "verify", root]).await;
    assert!(verified.stdout.contains("file.bin") || verified.stderr.contains("file.bin"), "{verified:#?}");
    last(&bob, &["shared", "unshare", root, "--json"]).await;
    assert!(bob.run(&["shared", "--json"]).await.json::<Share>().is_empty());
    assert_eq!(fs::read(into.join("file.bin")).unwrap(), b"another", "what the user has is left alone");

    let again = places.at("again");
    last(&ada, &["limits", "--up", "1MiB", "--json"]).await;
    last(&bob, &["get", "--detach", "--json", link, "-o", text(&again)]).await;
    last(&bob, &["transfers", "cancel", root, "--json"]).await;
    assert_eq!(fs::read_dir(&again).unwrap().count(), 0, "nothing is left of it");
}

#[tokio::test]
async fn a_copy_is_served_after_its_source_is_gone_and_its_bytes_are_freed_when_it_is_unshared() {
    let places = Places::new();
    let source = places.file("file.bin", 2 * MIB);
    let kept = places.at("kept").join("file.bin");
    fs::copy(&source, &kept).unwrap();
    let ada = start("ada", &[]).await;
    let bob = start("bob", &[&ada]).await;
    let told = last(&ada, &["share", "--copy", "--json", text(&source)]).await;
    fs::remove_file(&source).unwrap();
    let into = places.at("got");
    last(&bob, &["get", "--json", told["root"].as_str().unwrap(), "-o", text(&into)]).await;
    assert!(same(&kept, &into.join("file.bin")));
    let usage = last(&ada, &["store", "usage", "--json"]).await;
    assert_eq!((usage["copied_bytes"].as_u64(), usage["garbage_bytes"].as_u64()), (Some(2 * MIB), Some(0)));
    last(&ada, &["shared", "unshare", told["root"].as_str().unwrap(), "--json"]).await;
    let freed = last(&ada, &["store", "gc", "--json"]).await;
    assert_eq!(freed["freed_bytes"].as_u64(), Some(2 * MIB), "{freed}");
}

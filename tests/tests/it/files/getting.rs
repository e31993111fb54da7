//! Files that arrive.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use harness::{
    files::{Fetch, fetched, leavings, same, share_until},
    seconds,
};
use node::model::ShareState;

use super::{MIB, Places, get, start};

#[tokio::test]
async fn a_file_arrives_from_one_seeder_then_from_four_then_eight_get_it_at_once() {
    let places = Places::new();
    let source = places.file("file.bin", 6 * MIB + 12_345);
    let first = start("first", &[]).await;
    let share = first.api().share(&source).await.unwrap();
    let mut nodes = vec![first];
    for number in 0..3 {
        let node = start("further", &[&nodes[0]]).await;
        get(&node, &share, &places.at(&format!("got-{number}")), &source).await;
        nodes.push(node);
    }
    let from_four = start("fifth", &[&nodes[0]]).await;
    let got = places.at("from-four");
    get(&from_four, &share, &got, &source).await;
    assert_eq!(leavings(&got), Vec::<String>::new());
    nodes.push(from_four);

    let mut getters = Vec::new();
    for _ in 0..8 {
        getters.push(start("getter", &[&nodes[0]]).await);
    }
    let at_once = getters.iter().enumerate().map(|(number, node)| {
        let into = places.at(&format!("at-once-{number}"));
        let (share, source) = (&share, &source);
        async move { get(node, share, &into, source).await }
    });
    futures::future::join_all(at_once).await;
}

#[tokio::test]
async fn a_partial_getter_gives_what_it_has() {
    let places = Places::new();
    let source = places.file("file.bin", 8 * MIB);
    let seeder = start("seeder", &[]).await;
    let share = seeder.api().share(&source).await.unwrap();
    let slow = start("slow", &[&seeder]).await;
    slow.api().limit(node::model::TransferLimits { up: None, down: Some(MIB) }).await.unwrap();
    let begun = slow.api().begin_fetch(&Fetch::all(share.link.as_deref().unwrap(), &places.at("slow"))).await.unwrap();
    share_until(&slow.api(), &begun.root, "some of it is there", seconds(30), |share| share.done_bytes >= 2 * MIB)
        .await;
    drop(seeder);
    // It learns of the only one who has anything from Kademlia, or from its address. By the root alone it could not know what the share
    // is before somebody has the end of the file.
    let other = start("other", &[&slow]).await;
    let mut fetch = Fetch::all(share.link.as_deref().unwrap(), &places.at("other"));
    fetch.peers = vec![slow.addresses()[0].clone()];
    other.api().begin_fetch(&fetch).await.unwrap();
    let has = |share: &node::model::Share| share.done_bytes >= 2 * MIB;
    let got = share_until(&other.api(), &begun.root, "it gets what the other has", seconds(30), has).await;
    assert_eq!(got.state, ShareState::Fetching, "nobody has the rest");
}

#[tokio::test]
async fn a_folder_with_all_kinds_of_names_and_files_arrives_whole() {
    let places = Places::new();
    let source = places.at("source/folder");
    for number in 0..2_000 {
        let below = source.join(format!("d{}", number % 20));
        fs::create_dir_all(&below).unwrap();
        fs::write(below.join(format!("{number}")), vec![number as u8; number % 3_000]).unwrap();
    }
    fs::write(source.join("größe 🦊 \u{0301}.txt"), b"names").unwrap();
    fs::write(source.join("x".repeat(255)), b"long").unwrap();
    fs::write(source.join("empty"), b"").unwrap();
    fs::create_dir_all(source.join("nothing/in/here")).unwrap();
    fs::write(source.join("run-me"), b"#!/bin/sh\n").unwrap();
    fs::set_permissions(source.join("run-me"), fs::Permissions::from_mode(0o755)).unwrap();
    let seeder = start("seeder", &[]).await;
    let getter = start("getter", &[&seeder]).await;
    let share = seeder.api().share(&source).await.unwrap();
    let place = get(&getter, &share, &places.at("got"), &source).await;
    assert_ne!(fs::metadata(place.join("run-me")).unwrap().permissions().mode() & 0o100, 0);
    assert_eq!(fs::metadata(place.join("empty")).unwrap().permissions().mode() & 0o111, 0);

    let mut some = Fetch::all(share.link.as_deref().unwrap(), &places.at("some"));
    some.select = vec!["d7/*".into(), "*.txt".into()];
    let third = start("third", &[&seeder, &getter]).await;
    let place = PathBuf::from(fetched(&third, &some, seconds(60)).await.place.unwrap());
    assert!(same(&source.join("d7"), &place.join("d7")));
    let mut names: Vec<_> = fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names.len(), 2, "{names:?}");
}

#[tokio::test]
async fn a_file_that_changes_after_it_was_shared_is_noticed_and_never_served_wrong() {
    let places = Places::new();
    let source = places.file("file.bin", 3 * MIB);
    let before = fs::metadata(&source).unwrap().modified().unwrap();
    let seeder = start("seeder", &[]).await;
    let getter = start("getter", &[&seeder]).await;
    let share = seeder.api().share(&source).await.unwrap();
    let file = fs::File::options().write(true).open(&source).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"changed", MIB).unwrap();
    file.set_modified(before).unwrap();
    drop(file);
    let into = places.at("got");
    getter.api().begin_fetch(&Fetch::all(share.link.as_deref().unwrap(), &into)).await.unwrap();
    let changed = |share: &node::model::Share| share.state == ShareState::Changed;
    let told = share_until(&seeder.api(), &share.root, "the change is noticed", seconds(30), changed).await;
    assert!(told.reason.unwrap().contains("file.bin"), "it is said which");
    let fetching = getter.api().share_of(&share.root).await.unwrap();
    assert!(fetching.done_bytes < 3 * MIB && !into.join("file.bin").exists());
    // Shared anew it is another share; the old one has gone from the file.
    let anew = seeder.api().share(&source).await.unwrap();
    assert_ne!(anew.root, share.root);
    get(&getter, &anew, &places.at("anew"), &source).await;
}

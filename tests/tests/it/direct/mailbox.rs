//! A mailbox knows neither what is in the letters nor who wrote them.

use std::{
    fs,
    io::{Read, Seek, SeekFrom},
    path::Path,
};

use harness::{Node, NodeOptions, connected_to, seconds};
use node::model::DirectState;
use proto::ids::Author;

use super::{BY_MAILBOX, SETTLED, all_are, came, has_mailbox, texts};

const SECRET: &str = "meet me under the old lime tree";

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// All files under a directory, one after the other.
fn disk(directory: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => bytes.extend(disk(&path)),
            false => bytes.extend(fs::read(&path).unwrap()),
        }
    }
    bytes
}

/// Everything that a process can write to in its memory.
fn memory(pid: u32) -> Vec<u8> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let mut memory = fs::File::open(format!("/proc/{pid}/mem")).unwrap();
    let mut bytes = Vec::new();
    for line in maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|mode| mode.starts_with("rw"))) {
        let (from, to) = line.split_once(' ').unwrap().0.split_once('-').unwrap();
        let (from, to) = (u64::from_str_radix(from, 16).unwrap(), u64::from_str_radix(to, 16).unwrap());
        let mut part = vec![0; usize::try_from(to - from).unwrap()];
        memory.seek(SeekFrom::Start(from)).unwrap();
        // Some of what is mapped cannot be read.
        if memory.read_exact(&mut part).is_ok() {
            bytes.extend(part);
        }
    }
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_hands_over_what_its_author_left_for_good_and_knows_neither_the_text_nor_the_author() {
    let mut hub = Node::start(NodeOptions::named("hub").with(&["--mailbox"])).await;
    let mut bob = Node::start(NodeOptions::named("bob").joining(&hub)).await;
    has_mailbox(&bob).await;
    hub.stay();
    // From here on the mailbox is only where the card says that it is, and never meets the author in any other way.
    hub.kill().await;
    let mut ada = Node::start(NodeOptions::named("zebediah").joining(&bob)).await;
    connected_to(&ada, 1, seconds(20)).await;
    ada.api().write(bob.peer_id(), "first").await.unwrap();
    all_are(&ada, 1, DirectState::Delivered, seconds(20)).await;
    bob.kill().await;
    hub.restart().await;
    let written: Vec<String> = (0..5).map(|number| format!("{SECRET} {number}")).collect();
    for text in &written {
        ada.api().write(bob.peer_id(), text).await.unwrap();
    }
    all_are(&ada, 6, DirectState::Sent, BY_MAILBOX).await;
    ada.stop().await;

    let id: libp2p::PeerId = ada.peer_id().parse().unwrap();
    let author = Author::from_peer_id(&id).unwrap();
    let recipient = Author::from_peer_id(&bob.peer_id().parse().unwrap()).unwrap();
    let (memory, disk, log) = (memory(hub.pid()), disk(hub.data_dir()), hub.log().into_bytes());
    assert!(contains(&memory, &recipient.0) && contains(&disk, &recipient.0), "the search finds what is there");
    for (place, bytes) in [("memory", memory), ("disk", disk), ("log", log)] {
        for (what, secret) in [
            ("text", SECRET.as_bytes()),
            ("author's key", &author.0),
            ("author's id", ada.peer_id().as_bytes()),
            ("author's name", b"zebediah"),
        ] {
            assert!(!contains(&bytes, secret), "the {what} is in the mailbox's {place}");
        }
    }

    bob.restart().await;
    harness::eventually("all have come", SETTLED, async || {
        let count = bob.api().direct().await?.len();
        if count == 6 { Ok(()) } else { Err(count.to_string()) }
    })
    .await;
    assert_eq!(texts(&came(&bob, ada.peer_id()).await)[1..], written);
    harness::eventually("the mailbox is empty", SETTLED, async || {
        let kept = hub.api().status().await?.mailbox.map_or(0, |mailbox| mailbox.letters);
        if kept == 0 { Ok(()) } else { Err(kept.to_string()) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_of_the_networks_mailboxes_keep_a_letter_which_outlives_any_two_of_them() {
    let first = Node::start(NodeOptions::named("mailbox-0").with(&["--mailbox"])).await;
    let mut mailboxes = Vec::new();
    for number in 1..4 {
        let options = NodeOptions::named(&format!("mailbox-{number}")).joining(&first).with(&["--mailbox"]);
        mailboxes.push(Node::start(options).await);
    }
    mailboxes.push(first);
    let mut bob = Node::start(NodeOptions::named("bob").joining(&mailboxes[0])).await;
    harness::eventually("bob has as many mailboxes as there may be", SETTLED, async || {
        let named = bob.api().status().await?.mailboxes.len();
        if named == 3 { Ok(()) } else { Err(format!("{named}")) }
    })
    .await;
    let named = bob.status().await.mailboxes;
    bob.stop().await;

    let mut ada = Node::start(NodeOptions::named("ada").joining(&mailboxes[0])).await;
    ada.api().write(bob.peer_id(), "hold on to this").await.unwrap();
    harness::eventually("three copies are kept", SETTLED, async || {
        let mut copies = 0;
        for node in &mailboxes {
            copies += node.api().status().await?.mailbox.map_or(0, |mailbox| mailbox.letters);
        }
        if copies == 3 { Ok(()) } else { Err(format!("{copies}")) }
    })
    .await;
    ada.stop().await;
    let (lost, left): (Vec<Node>, Vec<Node>) =
        mailboxes.into_iter().partition(|node| named[..2].iter().any(|peer| peer == node.peer_id()));
    assert_eq!(lost.len(), 2);
    for mut node in lost {
        node.kill().await;
    }

    bob.restart().await;
    harness::eventually("the letter has come", SETTLED, async || {
        let count = bob.api().direct().await?.len();
        if count == 1 { Ok(()) } else { Err(count.to_string()) }
    })
    .await;
    assert_eq!(texts(&came(&bob, ada.peer_id()).await), ["hold on to this"]);
    drop(left);
}

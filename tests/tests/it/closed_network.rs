//! A network that only holders of a key may enter.

use std::path::{Path, PathBuf};

use harness::{Node, NodeOptions, connected_to, eventually, same_history, seconds};
use tempfile::TempDir;

const ROOM: &str = "lobby";

/// A key file as libp2p's private networks have it.
fn key_file(directory: &TempDir, name: &str, byte: u8) -> PathBuf {
    let path = directory.path().join(name);
    let digits = format!("{byte:02x}").repeat(32);
    std::fs::write(&path, format!("/key/swarm/psk/1.0.0/\n/base16/\n{digits}\n")).unwrap();
    path
}

/// QUIC has no place for the key, so that closed networks are on TCP.
fn over_tcp(name: &str, key: Option<&Path>) -> NodeOptions {
    NodeOptions {
        listen: vec!["/ip4/127.0.0.1/tcp/0".into()],
        network_key: key.map(Into::into),
        ..NodeOptions::named(name)
    }
}

/// Waits until a node's log says that a network key may be what keeps a peer out.
async fn logs_the_reason(node: &Node) {
    eventually(&format!("'{}' logs that the network key does not fit", node.name()), seconds(30), async || {
        let log = node.log().to_lowercase();
        if log.lines().any(|line| line.contains("network key")) { Ok(()) } else { Err("nothing of the kind") }
    })
    .await;
}

async fn stays_alone(node: &Node, others: &[&Node]) {
    let status = node.api().status().await.unwrap();
    assert_eq!(status.connected_peers, 0, "{} got in", node.name());
    for other in others {
        let peers = other.peers().await;
        assert!(!peers.iter().any(|peer| peer.peer_id == node.peer_id() && peer.connected), "{peers:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn holders_of_one_key_talk() {
    let keys = TempDir::new().unwrap();
    let key = key_file(&keys, "key", 7);
    let first = Node::start(over_tcp("first", Some(&key))).await;
    let second = Node::start(over_tcp("second", Some(&key)).joining(&first)).await;
    connected_to(&second, 1, seconds(20)).await;
    let said = first.say(ROOM, "among ourselves").await;
    assert_eq!(same_history(&[&first, &second], ROOM, 1, seconds(20)).await, [said.id]);
    assert!(first.status().await.closed_network);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_key_or_with_another_a_node_gets_nowhere_and_both_sides_log_why() {
    let keys = TempDir::new().unwrap();
    let (key, other_key) = (key_file(&keys, "key", 7), key_file(&keys, "other", 8));
    for (name, wrong) in [("without a key", None), ("with another key", Some(other_key.as_path()))] {
        let member = Node::start(over_tcp("member", Some(&key))).await;
        let secret = member.say(ROOM, "not for strangers").await;
        let stranger = Node::start(over_tcp(name, wrong).joining(&member)).await;
        logs_the_reason(&member).await;
        logs_the_reason(&stranger).await;
        stays_alone(&stranger, &[&member]).await;
        assert!(!stranger.history_ids(ROOM).await.contains(&secret.id));
        assert!(member.status().await.closed_network);
        // The key itself is a secret.
        assert!(!member.log().contains(&"07".repeat(32)) && !stranger.log().contains(&"08".repeat(32)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_file_that_is_no_key_is_a_clear_error() {
    let keys = TempDir::new().unwrap();
    let broken = keys.path().join("broken");
    std::fs::write(&broken, "not a key\n").unwrap();
    for path in [broken, keys.path().join("missing")] {
        let output = Node::try_start(over_tcp("node", Some(&path))).await.err().expect("it does not start");
        assert!(matches!(output.code, Some(1 | 2)), "{output:#?}");
        assert!(output.stderr.contains(path.to_str().unwrap()), "{output:#?}");
        assert_eq!(output.stderr.trim().lines().count(), 1, "{output:#?}");
    }
}

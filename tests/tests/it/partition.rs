//! The network falls in two for longer than connections live, and is whole again.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use harness::{Node, NodeOptions, eventually, network::Network, same_history, seconds, skip};
use node::model::NodeEvent;

const ROOM: &str = "lobby";

/// Longer than TCP, QUIC and the pings of libp2p hold a dead connection.
const CUT: Duration = seconds(90);

/// Between two messages of one node.
const PACE: Duration = seconds(3);

/// From the healing of the network to equal histories.
const HEALED_WITHIN: Duration = seconds(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_heals_to_the_same_history_everywhere() {
    let network = match Network::new(4) {
        Ok(network) => network,
        Err(reason) => return skip("partition", &reason),
    };
    let options = |index: usize| NodeOptions {
        namespace: Some(network.namespace(index).into()),
        listen: vec![
            format!("/ip4/{}/tcp/0", network.address(index)),
            format!("/ip4/{}/udp/0/quic-v1", network.address(index)),
        ],
        ..NodeOptions::named(&format!("node-{index}"))
    };
    let mut nodes = vec![Node::start(options(0)).await];
    for index in 1..4 {
        nodes.push(Node::start(options(index).joining(&nodes[0])).await);
    }
    let everyone: Vec<&Node> = nodes.iter().collect();
    // Those on the far side must have met before it is cut off.
    for node in &everyone {
        eventually("everybody is connected to everybody", seconds(40), async || {
            let connected = node.status().await.connected_peers;
            if connected == 3 { Ok(()) } else { Err(format!("{} to {connected}", node.name())) }
        })
        .await;
    }
    nodes[0].say(ROOM, "whole").await;
    same_history(&everyone, ROOM, 1, seconds(40)).await;

    network.cut_off(&[2, 3]);
    let (mut said, cut) = (1, Instant::now());
    let mut pace = tokio::time::interval(PACE);
    while cut.elapsed() < CUT {
        pace.tick().await;
        for node in &nodes {
            node.say(ROOM, &format!("{} in the dark, {said}", node.name())).await;
            said += 1;
        }
    }
    // Each side went on by itself and heard nothing of the other.
    let sides = [&everyone[..2], &everyone[2..]];
    let mut halves = Vec::new();
    for side in sides {
        halves
            .push(same_history(side, ROOM, 1 + (said - 1) / 2, seconds(40)).await.into_iter().collect::<BTreeSet<_>>());
    }
    assert_eq!(halves[0].intersection(&halves[1]).count(), 1, "the cut leaks");

    network.heal();
    let healed = Instant::now();
    let ids = same_history(&everyone, ROOM, said, HEALED_WITHIN).await;
    eprintln!("cut for {:?}; {said} messages the same everywhere {:?} after the heal", CUT, healed.elapsed());
    assert_eq!(ids.len(), said);
    for node in &nodes {
        assert_eq!(node.feed.shown_twice(), Vec::<String>::new(), "on {}", node.name());
    }

    // And what is said now arrives at once again, over links and not by repair.
    let last = nodes[3].say(ROOM, "whole again").await;
    let is_last = |event: &NodeEvent| matches!(event, NodeEvent::Message(message) if message.id == last.id);
    nodes[1].feed.wait_for("the first message after the heal", seconds(20), is_last).await;
}

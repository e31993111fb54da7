//! Who is there.

use std::time::{Duration, Instant};

use harness::{Node, NodeOptions, eventually, seconds};
use node::model::NodeEvent;

const ROOM: &str = "lobby";

/// A newcomer sees everyone, and a closed node is gone, within this.
const AT_ONCE: Duration = seconds(2);

/// A killed node is gone within this.
const SILENCE: Duration = seconds(30);

async fn sees(node: &Node, others: &[&Node], timeout: Duration) {
    eventually(&format!("{} sees {} members", node.name(), others.len()), timeout, async || {
        let mut seen: Vec<_> = node.api().who(ROOM).await?.into_iter().map(|member| member.name).collect();
        let mut wanted: Vec<_> = others.iter().map(|other| other.name().to_owned()).collect();
        seen.sort();
        wanted.sort();
        if seen == wanted { Ok(()) } else { Err(format!("sees {seen:?}")) }
    })
    .await;
}

fn left(peer_id: &str) -> impl Fn(&NodeEvent) -> bool {
    move |event| matches!(event, NodeEvent::Left(member) if member.room == ROOM && member.peer_id == peer_id)
}

fn joined(peer_id: &str) -> impl Fn(&NodeEvent) -> bool {
    move |event| matches!(event, NodeEvent::Joined(member) if member.room == ROOM && member.peer_id == peer_id)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_sees_everyone_a_closed_node_is_gone_at_once_and_a_killed_one_soon() {
    let first = Node::start(NodeOptions::named("first")).await;
    let mut second = Node::start(NodeOptions::named("second").joining(&first)).await;
    let mut third = Node::start(NodeOptions::named("third").joining(&first)).await;
    sees(&first, &[&first, &second, &third], seconds(20)).await;

    let newcomer = Node::start(NodeOptions::named("newcomer").joining(&first)).await;
    let (ready, everyone) = (Instant::now(), [&first, &second, &third, &newcomer]);
    sees(&newcomer, &everyone, AT_ONCE).await;
    eprintln!("the newcomer saw everyone {:?} after it was ready", ready.elapsed());
    for node in [&first, &second, &third] {
        node.feed.wait_for("the newcomer", AT_ONCE, joined(newcomer.peer_id())).await;
    }
    let listed = newcomer.who(ROOM).await;
    assert!(listed.iter().all(|member| member.is_self == (member.peer_id == newcomer.peer_id())), "{listed:?}");

    let closed = second.peer_id().to_owned();
    assert_eq!(second.stop().await, Some(0));
    let stopped = Instant::now();
    for node in [&first, &third, &newcomer] {
        node.feed.wait_for("the closed node left", AT_ONCE, left(&closed)).await;
    }
    eprintln!("all had noted it {:?} after the closed node ended", stopped.elapsed());

    let killed = third.peer_id().to_owned();
    third.kill().await;
    let dead = Instant::now();
    for node in [&first, &newcomer] {
        node.feed.wait_for("the killed node left", SILENCE.saturating_sub(dead.elapsed()), left(&killed)).await;
        sees(node, &[&first, &newcomer], AT_ONCE).await;
    }
    eprintln!("all had noted it {:?} after the kill", dead.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn leaving_a_room_is_seen_by_those_in_it() {
    let room = "garden";
    let options = |name| NodeOptions { rooms: vec![room.into()], ..NodeOptions::named(name) };
    let first = Node::start(options("first")).await;
    let second = Node::start(options("second").joining(&first)).await;
    let in_room = |peer_id: &str, event: &NodeEvent, coming: bool| match event {
        NodeEvent::Joined(member) if coming => member.room == room && member.peer_id == peer_id,
        NodeEvent::Left(member) if !coming => member.room == room && member.peer_id == peer_id,
        _ => false,
    };
    let second_id = second.peer_id().to_owned();
    first.feed.wait_for("second comes", seconds(20), |event| in_room(&second_id, event, true)).await;
    assert_eq!(second.run(&["leave", room]).await.code, Some(0));
    first.feed.wait_for("second leaves", seconds(5), |event| in_room(&second_id, event, false)).await;
    // It is still in the lobby.
    assert_eq!(first.who("lobby").await.len(), 2);
    assert_eq!(first.who(room).await.len(), 1);
}

//! The node through which all others joined dies for good.

use harness::{Node, NodeOptions, connected_to, same_history, seconds};

const ROOM: &str = "lobby";

#[tokio::test(flavor = "multi_thread")]
async fn the_others_go_on_without_the_node_they_joined_through() {
    let mut bootstrap = Node::start(NodeOptions::named("bootstrap")).await;
    let stayer = Node::start(NodeOptions::named("stayer").joining(&bootstrap)).await;
    let mut sleeper = Node::start(NodeOptions::named("sleeper").joining(&bootstrap)).await;
    // They know each other by now, and not only the bootstrap node.
    for node in [&stayer, &sleeper] {
        connected_to(node, 2, seconds(30)).await;
    }
    stayer.say(ROOM, "before").await;
    same_history(&[&bootstrap, &stayer, &sleeper], ROOM, 1, seconds(20)).await;

    assert_eq!(sleeper.stop().await, Some(0));
    bootstrap.kill().await;
    for number in 0..10 {
        stayer.say(ROOM, &format!("while the sleeper is away: {number}")).await;
    }

    sleeper.restart_with(|options| options.bootstrap.clear()).await.unwrap();
    same_history(&[&stayer, &sleeper], ROOM, 11, seconds(30)).await;

    let newcomer = Node::start(NodeOptions::named("newcomer").joining(&sleeper)).await;
    same_history(&[&stayer, &sleeper, &newcomer], ROOM, 11, seconds(30)).await;
    newcomer.say(ROOM, "I joined through one who had joined").await;
    stayer.say(ROOM, "welcome").await;
    same_history(&[&stayer, &sleeper, &newcomer], ROOM, 13, seconds(30)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bootstrap_node_that_comes_back_at_its_address_is_found_again() {
    let mut bootstrap = Node::start(NodeOptions::named("bootstrap")).await;
    let other = Node::start(NodeOptions::named("other").joining(&bootstrap)).await;
    connected_to(&other, 1, seconds(20)).await;

    let addresses: Vec<String> =
        bootstrap.addresses().iter().map(|address| address.split("/p2p/").next().unwrap().to_owned()).collect();
    bootstrap.kill().await;
    let said = other.say(ROOM, "to nobody").await;
    bootstrap.restart_with(|options| options.listen = addresses).await.unwrap();

    assert_eq!(same_history(&[&bootstrap, &other], ROOM, 1, seconds(60)).await, [said.id]);
}

//! How long a message takes.

use std::time::{Duration, Instant};

use harness::{Node, NodeOptions, connected_to, same_history, seconds};
use node::model::NodeEvent;

use crate::report::Report;

const ROOM: &str = "lobby";
const MESSAGES: usize = 500;

/// Between two messages: they are measured one by one, not as a burst.
const PACE: Duration = Duration::from_millis(5);

/// Both times include the sender's signature and its durable write: a message leaves a node only after that.
pub async fn measure(report: &mut Report) {
    let first = Node::start(NodeOptions::named("first")).await;
    let second = Node::start(NodeOptions::named("second").joining(&first)).await;
    connected_to(&second, 1, seconds(20)).await;
    first.say(ROOM, "warm up").await;
    same_history(&[&first, &second], ROOM, 1, seconds(20)).await;

    let api = first.api();
    let mut events = second.api().events().await;
    let (mut durable, mut delivered) = (Vec::new(), Vec::new());
    for number in 0..MESSAGES {
        let text = format!("message {number}");
        let start = Instant::now();
        let saying = async {
            api.say(ROOM, &text).await.expect("it is said");
            start.elapsed()
        };
        let hearing = async {
            loop {
                match events.next().await.expect("the WebSocket stays open") {
                    NodeEvent::Message(message) if message.text == text => return start.elapsed(),
                    _ => {}
                }
            }
        };
        let (said, heard) = tokio::join!(saying, hearing);
        durable.push(said);
        delivered.push(heard);
        tokio::time::sleep(PACE).await;
    }
    report.add_durations("latency", "POST to durable answer", durable);
    report.add_durations("latency", "POST to the other's WebSocket", delivered);
}

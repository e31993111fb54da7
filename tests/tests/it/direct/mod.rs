//! Direct messages between real processes.

mod chaos;
mod delivery;
mod lying;
mod mailbox;
mod refused;

use std::time::Duration;

use harness::{Node, eventually, seconds};
use node::model::{DirectMessage, DirectState};

/// A letter goes by mailbox within this.
const BY_MAILBOX: Duration = seconds(60);

/// Everything is set right within this after all are back.
const SETTLED: Duration = seconds(90);

/// Waits until a node's card names mailboxes.
async fn has_mailbox(node: &Node) {
    eventually(&format!("{} has a mailbox", node.name()), seconds(60), async || {
        let mailboxes = node.api().status().await?.mailboxes;
        if mailboxes.is_empty() { Err("none".to_owned()) } else { Ok(()) }
    })
    .await;
}

/// Waits until all that a node wrote is at least so far.
async fn all_are(node: &Node, count: usize, state: DirectState, timeout: Duration) {
    eventually(&format!("{count} of {} are {state:?}", node.name()), timeout, async || {
        let messages = node.api().direct().await?;
        let ours = messages.iter().filter(|message| message.from == node.peer_id());
        let far = ours.clone().filter(|message| message.state >= state).count();
        if far == count { Ok(()) } else { Err(format!("{far} of {}", ours.count())) }
    })
    .await;
}

/// What came to a node from another, in the order in which it is shown.
async fn came(node: &Node, from: &str) -> Vec<DirectMessage> {
    let messages = node.api().direct().await.unwrap();
    messages.into_iter().filter(|message| message.from == from).collect()
}

fn texts(messages: &[DirectMessage]) -> Vec<&str> {
    messages.iter().map(|message| message.text.as_str()).collect()
}

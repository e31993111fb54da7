//! What a node reported, kept so that a test can await a report whether it has come already or not.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use node::model::{Message, NodeEvent};
use tokio::sync::watch;

/// The reports of one node, oldest first, over all its restarts.
#[derive(Clone)]
pub struct Feed {
    events: Arc<Mutex<Vec<NodeEvent>>>,
    count: watch::Sender<usize>,
}

impl Default for Feed {
    fn default() -> Self {
        Self { events: Arc::default(), count: watch::Sender::new(0) }
    }
}

impl Feed {
    /// Adds a report.
    pub fn push(&self, event: NodeEvent) {
        let mut events = self.events.lock().unwrap();
        events.push(event);
        self.count.send_replace(events.len());
    }

    /// The number of reports so far: a place to wait from.
    pub fn mark(&self) -> usize {
        *self.count.borrow()
    }

    /// All reports so far.
    pub fn events(&self) -> Vec<NodeEvent> {
        self.events.lock().unwrap().clone()
    }

    /// All messages shown so far.
    pub fn messages(&self) -> Vec<Message> {
        let messages = self.events().into_iter().filter_map(|event| match event {
            NodeEvent::Message(message) => Some(message),
            _ => None,
        });
        messages.collect()
    }

    /// The first report, from the beginning on, that `wanted` accepts.
    ///
    /// # Panics
    /// When it does not come within `timeout`.
    pub async fn wait_for(&self, what: &str, timeout: Duration, wanted: impl Fn(&NodeEvent) -> bool) -> NodeEvent {
        self.wait_after(0, what, timeout, wanted).await
    }

    /// As [`Feed::wait_for`], among the reports after `mark`.
    ///
    /// # Panics
    /// When it does not come within `timeout`.
    pub async fn wait_after(
        &self,
        mark: usize,
        what: &str,
        timeout: Duration,
        wanted: impl Fn(&NodeEvent) -> bool,
    ) -> NodeEvent {
        let mut count = self.count.subscribe();
        let mut next = mark;
        let search = async {
            loop {
                let seen = *count.borrow_and_update();
                let found = self.events.lock().unwrap()[next..seen].iter().find(|event| wanted(event)).cloned();
                next = seen;
                match found {
                    Some(event) => return event,
                    None => count.changed().await.expect("the feed holds the sender"),
                }
            }
        };
        match tokio::time::timeout(timeout, search).await {
            Ok(event) => event,
            Err(_) => {
                let events = self.events();
                panic!(
                    "not reported within {timeout:?}: {what}; last reports: {:#?}",
                    &events[events.len().saturating_sub(8)..]
                )
            }
        }
    }

    /// Waits until `count` messages were shown in all.
    ///
    /// # Errors
    /// Says how many came within `timeout`.
    pub async fn wait_for_messages(&self, count: usize, timeout: Duration) -> Result<Vec<Message>, String> {
        let mut changes = self.count.subscribe();
        let search = async {
            while self.messages().len() < count {
                changes.changed().await.expect("the feed holds the sender");
            }
        };
        let in_time = tokio::time::timeout(timeout, search).await.is_ok();
        let messages = self.messages();
        if in_time { Ok(messages) } else { Err(format!("{} of {count} messages within {timeout:?}", messages.len())) }
    }

    /// Ids of messages that were shown more than once.
    pub fn shown_twice(&self) -> Vec<String> {
        let mut counts = BTreeMap::new();
        for message in self.messages() {
            *counts.entry(message.id).or_insert(0) += 1;
        }
        counts.into_iter().filter(|(_, count)| *count > 1).map(|(id, _)| id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seconds;

    fn warning(text: &str) -> NodeEvent {
        NodeEvent::Warning { text: text.into() }
    }

    #[tokio::test]
    async fn a_report_is_found_whether_it_came_before_or_comes_later() {
        let feed = Feed::default();
        feed.push(warning("early"));
        feed.wait_for("early", seconds(5), |event| *event == warning("early")).await;
        let (copy, mark) = (feed.clone(), feed.mark());
        let waiting = tokio::spawn(async move {
            copy.wait_after(mark, "late", seconds(5), |event| *event == warning("late")).await;
        });
        feed.push(warning("late"));
        waiting.await.unwrap();
    }

    #[tokio::test]
    #[should_panic(expected = "not reported within")]
    async fn a_report_before_the_mark_does_not_count() {
        let feed = Feed::default();
        feed.push(warning("early"));
        feed.wait_after(feed.mark(), "early", Duration::from_millis(50), |event| *event == warning("early")).await;
    }
}

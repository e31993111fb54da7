//! Following while the user types.

use tokio::{sync::mpsc, task::JoinHandle};

use super::{Follow, News};
use crate::cli::Failure;

/// News that wait for a prompt; past that the follower waits, and fills in from history what it misses.
const MAX_QUEUED_NEWS: usize = 256;

/// A follower at work in a task of its own, so that what it waits for keeps nobody else waiting.
pub struct Following {
    news: mpsc::Receiver<Result<News, Failure>>,
    task: JoinHandle<()>,
}

impl Following {
    /// Puts a follower to work, until this is dropped.
    pub fn start(mut follow: Follow) -> Self {
        let (sender, news) = mpsc::channel(MAX_QUEUED_NEWS);
        let task = tokio::spawn(async move {
            loop {
                let news = follow.next().await;
                let failed = news.is_err();
                if sender.send(news).await.is_err() || failed {
                    return;
                }
            }
        });
        Self { news, task }
    }

    /// What is new. May be dropped and called again.
    ///
    /// # Errors
    /// As [`Follow::next`].
    pub async fn next(&mut self) -> Result<News, Failure> {
        self.news.recv().await.unwrap_or_else(|| Err(Failure::failed("the node's reports ended")))
    }

    /// Whether something is new already.
    pub fn has_more(&self) -> bool {
        !self.news.is_empty()
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.task.abort();
    }
}

//! The tasks of one running node, so that all of them can be ended at once, in the middle of whatever they do.

use std::sync::{Arc, Mutex, PoisonError};

use node::spawn::{Spawn, Task};
use tokio::task::AbortHandle;

/// Tasks noted before those that have ended are sorted out.
const FEW: usize = 32;

/// Runs the tasks of one life of a node. Clones are the same.
#[derive(Clone, Default)]
pub struct Tasks {
    noted: Arc<Mutex<Noted>>,
}

#[derive(Default)]
struct Noted {
    running: Vec<AbortHandle>,
    /// Tidied when so many are noted: twice those that were running the last time, so that tidying costs each task little.
    tidy_at: usize,
}

impl Tasks {
    /// Ends all of them. What they own is dropped before the runtime goes on.
    pub fn abort(&self) {
        let running = std::mem::take(&mut self.lock().running);
        running.iter().for_each(AbortHandle::abort);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spawn for Tasks {
    fn spawn(&self, task: Task) {
        let handle = tokio::spawn(task).abort_handle();
        let mut noted = self.lock();
        noted.running.push(handle);
        if noted.running.len() > noted.tidy_at.max(FEW) {
            noted.running.retain(|task| !task.is_finished());
            noted.tidy_at = noted.running.len() * 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn aborted_tasks_go_no_further() {
        let tasks = Tasks::default();
        let (reached, mut was_reached) = oneshot::channel();
        let (go_on, wait) = oneshot::channel::<()>();
        tasks.spawn(Box::pin(async move {
            // `Err` when the other side is dropped, which this test does not do.
            let _ = wait.await;
            let _ = reached.send(());
        }));
        tokio::task::yield_now().await;
        tasks.abort();
        // The receiver is gone with the task.
        let _ = go_on.send(());
        assert!((&mut was_reached).await.is_err());
    }
}

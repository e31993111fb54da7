//! What runs a node's tasks: tokio, or a simulator that can end a node in mid-step.

use std::{future::Future, pin::Pin, sync::Arc};

/// A task: runs until it is done, or dropped with the node.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs tasks, given to the node when it is built.
pub trait Spawn: Send + Sync + 'static {
    /// Runs a task. Must not poll it before returning.
    fn spawn(&self, task: Task);
}

/// The tokio runtime that the node was started in.
#[derive(Debug, Clone, Copy, Default)]
pub struct TokioSpawn;

impl Spawn for TokioSpawn {
    fn spawn(&self, task: Task) {
        tokio::spawn(task);
    }
}

/// The same for libp2p, which runs each connection in a task.
pub(crate) struct ConnectionTasks(pub Arc<dyn Spawn>);

impl libp2p::swarm::Executor for ConnectionTasks {
    fn exec(&self, task: Task) {
        self.0.spawn(task);
    }
}

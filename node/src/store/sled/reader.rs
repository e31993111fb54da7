//! The thread that reads, so that a long page does not delay a commit.

use std::sync::mpsc::Receiver;

use ::sled::Tree;
use proto::{
    event::{Run, SignedEvent},
    hlc::Timestamp,
    ids::{ChannelId, LogKey},
    log::message::Want,
};

use super::{
    Fault,
    health::Health,
    index::SharedIndex,
    keys,
    read::{ChannelView, Cursor, LogView, page_after, page_before},
    records::decode,
};
use crate::store::{Before, Evidence, Reply, runs::Budget};

/// What the reader is asked: the reading requests of [`crate::store::Request`].
pub(super) enum Task {
    History { channels: Vec<ChannelId>, before: Before, limit: usize, reply: Reply<Option<Vec<SignedEvent>>> },
    After { channel: ChannelId, from: Timestamp, limit: usize, reply: Reply<Vec<SignedEvent>> },
    Runs { channel: ChannelId, wants: Vec<Want>, reply: Reply<Vec<Run>> },
    Evidence { channel: ChannelId, key: LogKey, reply: Reply<Option<Evidence>> },
    Stop,
}

/// The reader's belongings.
pub(super) struct Reader {
    /// The database's only tree.
    pub tree: Tree,
    /// All logs, as they are durable.
    pub index: SharedIndex,
    /// Whether the store still works.
    pub health: Health,
}

impl Reader {
    /// Serves until [`Task::Stop`], or until nobody can ask any more.
    pub(super) fn run(self, tasks: &Receiver<Task>) {
        while let Ok(task) = tasks.recv() {
            // Nobody may wait for an answer.
            match task {
                Task::History { channels, before, limit, reply } => {
                    let _ = reply.send(self.health.guard("reading", || self.history(&channels, before, limit)));
                }
                Task::After { channel, from, limit, reply } => {
                    let view = ChannelView::new(&self.index.read(), channel);
                    let _ = reply.send(self.health.guard("reading", || page_after(&self.tree, &view, from, limit)));
                }
                Task::Runs { channel, wants, reply } => {
                    let _ = reply.send(self.health.guard("reading", || self.runs(channel, &wants)));
                }
                Task::Evidence { channel, key, reply } => {
                    let _ = reply.send(self.health.guard("reading", || self.evidence(channel, key)));
                }
                Task::Stop => return,
            }
        }
    }

    fn history(&self, channels: &[ChannelId], before: Before, limit: usize) -> Result<Option<Vec<SignedEvent>>, Fault> {
        let (views, runs) = {
            let index = self.index.read();
            let runs = if matches!(before, Before::Event(_)) { index.id_runs.clone() } else { Vec::new() };
            let views: Vec<ChannelView> = channels.iter().map(|channel| ChannelView::new(&index, *channel)).collect();
            (views, runs)
        };
        page_before(&self.tree, &views, &runs, before, limit)
    }

    fn runs(&self, channel: ChannelId, wants: &[Want]) -> Result<Vec<Run>, Fault> {
        let mut budget = Budget::new();
        let mut runs = Vec::new();
        for want in wants {
            let log = {
                let index = self.index.read();
                let handle = index.handle(&channel, &want.key());
                handle.and_then(|handle| Some(LogView::new(handle, index.log(handle)?)))
            };
            let Some(log) = log.filter(|_| want.from >= 1 && want.from <= want.to) else { continue };
            if budget.is_spent() {
                break;
            }
            runs.extend(budget.take_run(want.to, Cursor::new(&self.tree, log, want.from).forwards())?);
        }
        Ok(runs)
    }

    fn evidence(&self, channel: ChannelId, key: LogKey) -> Result<Option<Evidence>, Fault> {
        let handle = {
            let index = self.index.read();
            let handle = index.handle(&channel, &key);
            handle.filter(|&handle| index.log(handle).is_some_and(|log| log.frozen))
        };
        let Some(handle) = handle else { return Ok(None) };
        let bytes = keys::get_parts(&self.tree, &keys::evidence(handle))?;
        let bytes = bytes.ok_or_else(|| Fault::Damaged(format!("the evidence against {} is missing", key.log)))?;
        decode("evidence", &bytes).map(Some)
    }
}

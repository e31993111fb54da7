//! The thread that writes: group commit.
//!
//! It takes everything that waits, up to [`GROUP_BYTES`], applies it as one batch, flushes, synchronises, publishes the new
//! heads, and answers all. One by one, commits cost one fdatasync each; under load, many share one.

use std::{
    path::PathBuf,
    sync::mpsc::{Receiver, SyncSender},
    thread::JoinHandle,
};

use ::sled::Db;

use super::{
    Fault,
    disk::{Syncer, Witness, free_bytes},
    health::Health,
    index::SharedIndex,
    reader,
    records::Meta,
    stage::{Group, Prepared},
    tables,
};
use crate::store::{
    Batch, Reply, StoreError,
    peers::PeerTable,
    tables::{Entry, Select, Table},
};

/// Bytes of event bodies after which a group is closed. Bounds the memory of one batch, and with it what a commit needs of
/// the space kept in reserve.
const GROUP_BYTES: usize = 4 * 1024 * 1024;

/// What the writer is asked.
pub(super) enum Task {
    /// See [`crate::store::Request::Commit`].
    Commit(Batch, Reply<()>),
    /// See [`crate::store::Request::Entries`].
    Entries(Table, Select, Reply<Vec<Entry>>),
    /// See [`crate::store::Request::Close`].
    Close(Reply<()>),
}

/// The writer's belongings.
pub(super) struct Writer {
    /// The database.
    pub db: Db,
    /// Its start, as it is durable.
    pub meta: Meta,
    /// Known peers, as they are durable.
    pub peers: PeerTable,
    /// All logs, as they are durable.
    pub index: SharedIndex,
    /// Makes it so.
    pub syncer: Box<dyn Syncer>,
    /// Testifies to it.
    pub witness: Witness,
    /// Whether the store still works.
    pub health: Health,
    /// Where the space is watched.
    pub directory: PathBuf,
    /// Bytes that stay free.
    pub reserve_bytes: u64,
    /// The reader, to be stopped before the database closes.
    pub reader: (SyncSender<reader::Task>, JoinHandle<()>),
}

impl Writer {
    /// Serves until [`Task::Close`], or until nobody can ask any more.
    pub(super) fn run(mut self, tasks: &Receiver<Task>) {
        let close = self.serve(tasks);
        let result = self.close();
        if let Some(reply) = close {
            // Nobody may wait for it.
            let _ = reply.send(result);
        }
    }

    fn serve(&mut self, tasks: &Receiver<Task>) -> Option<Reply<()>> {
        while let Ok(first) = tasks.recv() {
            let mut commits = Vec::new();
            let mut bytes = 0;
            let mut next = Some(first);
            let (mut read, mut close) = (None, None);
            while let Some(task) = next.take() {
                match task {
                    Task::Commit(batch, reply) => {
                        bytes += batch.events.iter().map(|signed| signed.event.body.bytes.len()).sum::<usize>();
                        bytes +=
                            batch.entries.iter().filter_map(|entry| entry.value.as_ref()).map(Vec::len).sum::<usize>();
                        commits.push((batch, reply));
                    }
                    Task::Entries(table, select, reply) => read = Some((table, select, reply)),
                    Task::Close(reply) => close = Some(reply),
                }
                if close.is_none() && read.is_none() && bytes < GROUP_BYTES {
                    next = tasks.try_recv().ok();
                }
            }
            self.commit_all(commits);
            if let Some((table, select, reply)) = read {
                // Nobody may wait for it.
                let _ = reply.send(self.read(table, &select));
            }
            if close.is_some() {
                return close;
            }
        }
        None
    }

    /// Reads entries. Everything before is durable by now; where it could not be made so, the store has failed.
    fn read(&self, table: Table, select: &Select) -> Result<Vec<Entry>, StoreError> {
        self.health.check()?;
        self.health.guard("reading", || tables::select(&self.db, table, select))
    }

    fn commit_all(&mut self, commits: Vec<(Batch, Reply<()>)>) {
        let (batches, replies): (Vec<_>, Vec<_>) = commits.into_iter().unzip();
        let results = self.commit_group(batches);
        for (reply, result) in replies.into_iter().zip(results) {
            // Nobody may wait for it.
            let _ = reply.send(result);
        }
    }

    /// Makes batches durable; one result for each.
    fn commit_group(&mut self, batches: Vec<Batch>) -> Vec<Result<(), StoreError>> {
        let count = batches.len();
        if let Err(error) = self.health.check().and_then(|()| self.check_space()) {
            return vec![Err(error); count];
        }
        let index = self.index.clone();
        let durable = index.read();
        let mut group = Group::new(&durable, &self.peers);
        let mut results: Vec<_> = batches.into_iter().map(|batch| group.add(batch)).collect();
        if group.is_empty() {
            return results;
        }
        // sled panics on some damage; nothing of ours is left half done by it but the overlay, which is dropped.
        let written = self.health.guard("writing", || {
            let prepared = group.finish(&self.db, &self.meta)?;
            Self::write(&self.db, self.syncer.as_mut(), &mut self.witness, prepared)
        });
        drop(durable);
        match written {
            Ok(prepared) => self.publish(prepared),
            Err(error) => {
                for result in results.iter_mut().filter(|result| result.is_ok()) {
                    *result = Err(error.clone());
                }
            }
        }
        results
    }

    fn check_space(&self) -> Result<(), StoreError> {
        let free_bytes = free_bytes(&self.directory).map_err(|error| self.health.fail(&error.to_string()))?;
        let reserve_bytes = self.reserve_bytes;
        if free_bytes < reserve_bytes { Err(StoreError::DiskFull { free_bytes, reserve_bytes }) } else { Ok(()) }
    }

    fn write(
        db: &Db,
        syncer: &mut dyn Syncer,
        witness: &mut Witness,
        mut prepared: Prepared,
    ) -> Result<Prepared, Fault> {
        db.apply_batch(std::mem::take(&mut prepared.batch))?;
        db.flush()?;
        syncer.sync()?;
        // Only from here on may anybody rely on it.
        witness.write(prepared.meta.commits)?;
        Ok(prepared)
    }

    fn publish(&mut self, prepared: Prepared) {
        let mut index = self.index.write();
        for (handle, record) in prepared.logs {
            index.put(handle, record);
        }
        index.id_runs.clone_from(&prepared.meta.runs);
        drop(index);
        self.meta = prepared.meta;
        if let Some(peers) = prepared.peers {
            self.peers = peers;
        }
    }

    /// Ends the reader, then closes the database.
    fn close(self) -> Result<(), StoreError> {
        let Self { db, mut syncer, health, reader: (tasks, thread), .. } = self;
        // What was asked of the reader before comes first; a reader that is gone needs no telling.
        let _ = tasks.send(reader::Task::Stop);
        if thread.join().is_err() {
            health.fail("the reader panicked");
        }
        let closed = health.guard("closing", || {
            db.flush()?;
            syncer.sync()?;
            drop(db);
            syncer.sync()?;
            Ok(())
        });
        // What failed first tells more.
        health.check().and(closed)
    }
}

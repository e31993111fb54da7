//! Logs of channels that no room is in memory for: those that were not joined since the start, and private ones that were left.

use std::collections::BTreeMap;

use proto::{
    ids::{ChannelId, LogKey},
    log::{
        Replica,
        shelf::{Log, Position},
    },
    time::Now,
};

use crate::store::Head;

/// How far the store holds them.
#[derive(Debug, Default)]
pub struct Dormant {
    heads: BTreeMap<ChannelId, Vec<Head>>,
}

impl Dormant {
    /// What the store held when it was opened.
    pub fn new(heads: Vec<Head>) -> Self {
        let mut dormant = Self::default();
        for head in heads {
            dormant.heads.entry(head.channel).or_default().push(head);
        }
        dormant
    }

    /// Puts the logs of a channel into its replica.
    pub fn wake(&mut self, now: Now, channel: &ChannelId, replica: &mut Replica) {
        for head in self.heads.remove(channel).unwrap_or_default() {
            let position = Position { seq: head.seq, id: head.id, hlc: head.hlc };
            replica.restore(now, head.key, position, head.frozen);
        }
    }

    /// Keeps what the replica of a channel knows, so that another one can go on from there. Nothing of it may be on its way to the disk.
    pub fn lay_by(&mut self, channel: ChannelId, replica: &Replica) {
        let head = |(key, log): (&LogKey, &Log)| {
            let Position { seq, id, hlc } = log.durable;
            Head { channel, key: *key, seq, id, hlc, frozen: log.frozen }
        };
        let heads: Vec<Head> = replica.shelf().iter().map(head).collect();
        if !heads.is_empty() {
            self.heads.insert(channel, heads);
        }
    }

    /// Events held of all these channels.
    pub fn events(&self) -> u64 {
        self.heads.values().flatten().map(|head| head.seq).sum()
    }

    /// Events held of one.
    pub fn events_of(&self, channel: &ChannelId) -> u64 {
        self.heads.get(channel).into_iter().flatten().map(|head| head.seq).sum()
    }
}

//! Logs of channels that were not joined since the start.

use std::collections::BTreeMap;

use proto::{
    ids::ChannelId,
    log::{Replica, shelf::Position},
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

    /// Events held of all these channels.
    pub fn events(&self) -> u64 {
        self.heads.values().flatten().map(|head| head.seq).sum()
    }

    /// Events held of one.
    pub fn events_of(&self, channel: &ChannelId) -> u64 {
        self.heads.get(channel).into_iter().flatten().map(|head| head.seq).sum()
    }
}

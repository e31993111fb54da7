//! Letters to members about a new secret, until they are durable.

use std::collections::BTreeMap;

use super::{MAX_TELLING, TELL_AGAIN_MS};
use crate::{
    ids::{Author, ChannelId},
    time::{Deadline, Now},
};

/// Who is being told of which channel.
#[derive(Debug, Default)]
pub(super) struct Telling {
    under_way: BTreeMap<u64, (ChannelId, Author)>,
    next_token: u64,
    /// A letter was not taken: nobody is told until then.
    pause: Option<Deadline>,
}

impl Telling {
    /// Ends a pause that is over.
    pub(super) fn resume(&mut self, now: Now) {
        self.pause = self.pause.filter(|pause| !now.reached(*pause));
    }

    /// Whether somebody may be told now.
    pub(super) fn may_begin(&self) -> bool {
        self.under_way.len() < MAX_TELLING && self.pause.is_none()
    }

    pub(super) fn is_under_way(&self, channel: ChannelId, who: Author) -> bool {
        self.under_way.values().any(|told| *told == (channel, who))
    }

    /// Somebody is told; names it.
    pub(super) fn begin(&mut self, channel: ChannelId, who: Author) -> u64 {
        let token = self.next_token;
        self.next_token += 1;
        self.under_way.insert(token, (channel, who));
        token
    }

    /// A letter is durable, or was not taken; who was told of what, if so.
    pub(super) fn written(&mut self, now: Now, token: u64, written: bool) -> Option<(ChannelId, Author)> {
        let told = self.under_way.remove(&token)?;
        if written {
            return Some(told);
        }
        self.pause = Some(now.after(TELL_AGAIN_MS));
        None
    }

    /// When somebody may be told again.
    pub(super) fn deadline(&self) -> Option<Deadline> {
        self.pause
    }
}

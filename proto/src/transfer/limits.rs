//! The user's limits: so many bytes a second in all, and of each transfer.

use std::collections::BTreeMap;

use super::{MAX_BLOCK_BYTES, TransferId};
use crate::{
    rate::{Rate, TokenBucket},
    time::{Deadline, Now},
};

/// Milliseconds of a limit that a bucket holds besides a block: whoever drives a machine may be late by this, and nothing is lost.
const BURST_MS: u64 = 20;

/// Bytes a second, as the user says; `None` is no limit. 0 lets nothing through.
pub type ByteRate = Option<u64>;

/// The buckets of all limits.
#[derive(Debug, Default)]
pub struct Limits {
    all: Option<TokenBucket>,
    each: BTreeMap<TransferId, TokenBucket>,
}

/// When a limit allows what it does not allow now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// The limit of this transfer, until then; forever if there is no such time.
    Transfer(Option<Deadline>),
    /// The limit of all.
    All(Option<Deadline>),
}

impl Limits {
    /// Sets the limit of one transfer, or of all.
    pub fn set(&mut self, now: Now, transfer: Option<TransferId>, rate: ByteRate) {
        let bucket = rate.map(|rate| bucket(now, rate));
        match (transfer, bucket) {
            (None, bucket) => self.all = bucket,
            (Some(transfer), Some(bucket)) => _ = self.each.insert(transfer, bucket),
            (Some(transfer), None) => _ = self.each.remove(&transfer),
        }
    }

    /// Takes so many bytes out of both buckets, or of neither.
    pub fn take(&mut self, now: Now, transfer: TransferId, bytes: u64) -> Result<(), Held> {
        if let Some(all) = &self.all
            && all.available(now) < bytes
        {
            return Err(Held::All(all.ready_at(now, bytes)));
        }
        if let Some(each) = self.each.get_mut(&transfer)
            && !each.take(now, bytes)
        {
            return Err(Held::Transfer(each.ready_at(now, bytes)));
        }
        let taken = self.all.as_mut().is_none_or(|all| all.take(now, bytes));
        debug_assert!(taken, "there were enough a moment ago");
        Ok(())
    }
}

/// A bucket that holds a block at least, or no block would ever pass; and that is empty at first, or each change of a limit would be a
/// gift of a block.
fn bucket(now: Now, rate: u64) -> TokenBucket {
    let burst = (rate.saturating_mul(BURST_MS) / 1_000).saturating_add(MAX_BLOCK_BYTES.into());
    let mut bucket = TokenBucket::new(Rate::per_second(rate, burst), now);
    let emptied = bucket.take(now, burst);
    debug_assert!(emptied, "a new bucket is full");
    bucket
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::at;

    const BLOCK: u64 = MAX_BLOCK_BYTES as u64;

    #[test]
    fn the_limit_of_a_transfer_and_of_all_hold_both() {
        let mut limits = Limits::default();
        let [one, other] = [1, 2].map(TransferId);
        limits.set(at(0), None, Some(4 * BLOCK));
        limits.set(at(0), Some(one), Some(BLOCK));
        assert_eq!(limits.take(at(0), one, BLOCK), Err(Held::All(Some(Deadline(250)))));
        assert_eq!(limits.take(at(250), one, BLOCK), Err(Held::Transfer(Some(Deadline(1_000)))));
        assert_eq!(limits.take(at(250), other, BLOCK), Ok(()));
        assert_eq!(limits.take(at(1_000), one, BLOCK), Ok(()));
        limits.set(at(1_000), None, None);
        limits.set(at(1_000), Some(one), None);
        assert_eq!(limits.take(at(1_000), one, BLOCK), Ok(()));
    }

    #[test]
    fn a_limit_of_nothing_holds_forever() {
        let mut limits = Limits::default();
        limits.set(at(0), None, Some(0));
        assert_eq!(limits.take(at(u64::MAX), TransferId(0), 1), Err(Held::All(None)));
    }
}

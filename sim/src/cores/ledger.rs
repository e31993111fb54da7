//! What was said, and who was shown it when.

use std::{collections::VecDeque, time::Duration};

use super::bits::Bits;
use crate::report::measure::{Buckets, Coarse, Histogram, Tally};

/// Microseconds within which a message counts as delivered live.
pub const LIVE_US: u64 = 10_000_000;

/// A message that its author knows to be durable.
#[derive(Debug, Clone, Copy)]
pub struct Said {
    /// When its author said it.
    pub at_us: u64,
    /// Who.
    pub by: u32,
    /// Hosts that were up then and ever since, without the author.
    expected: u32,
    /// How many of them were shown it in time.
    live: u32,
}

/// All messages, by the numbers of their events.
#[derive(Debug, Default)]
pub struct Ledger {
    said: Vec<Option<Said>>,
    acknowledged: Bits,
    count: u64,
    /// Those that may still be shown in time, oldest first.
    recent: VecDeque<u32>,
    /// Messages that were refused.
    pub refused: u64,
    /// Times that a message was shown.
    pub shown: u64,
    latency: Histogram,
    latencies: Buckets<Coarse>,
}

impl Ledger {
    /// A message is durable at its author. `others` hosts are up besides.
    pub fn say(&mut self, number: u32, at_us: u64, by: u32, others: usize) {
        if self.said.len() <= number as usize {
            self.said.resize(number as usize + 1, None);
        }
        let expected = u32::try_from(others).unwrap_or(u32::MAX);
        self.said[number as usize] = Some(Said { at_us, by, expected, live: 0 });
        self.acknowledged.insert(number);
        self.count += 1;
        self.recent.push_back(number);
    }

    /// A message is shown to a host that has been up since `up_us`.
    pub fn show(&mut self, number: u32, now_us: u64, host: u32, up_us: u64) {
        self.shown += 1;
        let Some(said) = self.said.get_mut(number as usize).and_then(Option::as_mut) else { return };
        if said.by == host || up_us > said.at_us {
            return;
        }
        let latency_us = now_us.saturating_sub(said.at_us);
        if latency_us <= LIVE_US {
            said.live += 1;
        }
        let (at, latency) = (Duration::from_micros(said.at_us), Duration::from_micros(latency_us));
        self.latency.record(latency);
        self.latencies.at(at).record(latency);
    }

    /// A host that was up since `up_us` goes: it need not be shown what it was not shown in time.
    pub fn go(&mut self, now_us: u64, host: u32, up_us: u64, shown: &Bits) {
        self.forget(now_us);
        for number in &self.recent {
            if let Some(said) = self.said.get_mut(*number as usize).and_then(Option::as_mut)
                && said.by != host
                && up_us <= said.at_us
                && !shown.contains(*number)
            {
                said.expected = said.expected.saturating_sub(1);
            }
        }
    }

    /// Lets go of messages that are too old to be delivered live.
    pub fn forget(&mut self, now_us: u64) {
        let old = |said: &Said| said.at_us + LIVE_US < now_us;
        while self.recent.front().is_some_and(|number| self.get(*number).is_none_or(|said| old(&said))) {
            self.recent.pop_front();
        }
    }

    /// A message by the number of its event; `None` when nobody was told that it is durable.
    pub fn get(&self, number: u32) -> Option<Said> {
        self.said.get(number as usize).copied().flatten()
    }

    /// All messages, with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (u32, Said)> {
        self.said.iter().enumerate().filter_map(|(number, said)| Some((number as u32, (*said)?)))
    }

    /// How many were said.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// How many of the messages are among those shown to a host.
    pub fn shown_of(&self, shown: &Bits) -> u64 {
        self.acknowledged.count_common(shown)
    }

    /// Of all messages and hosts up since before, the share shown in time; over the run, and by span of time.
    pub fn live(&self) -> (Option<f64>, Buckets<Tally>) {
        let (mut all, mut spans) = (Tally::default(), Buckets::<Tally>::default());
        for (_, said) in self.iter() {
            for tally in [&mut all, spans.at(Duration::from_micros(said.at_us))] {
                tally.count += u64::from(said.expected);
                tally.sum += f64::from(said.live);
            }
        }
        (all.mean(), spans)
    }

    /// From said to shown, of hosts that were up since before.
    pub fn latency(&self) -> (&Histogram, &Buckets<Coarse>) {
        (&self.latency, &self.latencies)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_goes_or_comes_late_is_not_expected_to_have_been_shown_anything() {
        let mut ledger = Ledger::default();
        // Besides host 0 there are 1 to 4; 5 comes later.
        ledger.say(0, 1_000_000, 0, 4);
        ledger.show(0, 1_100_000, 1, 0);
        ledger.show(0, 12_000_000, 2, 0);
        ledger.go(2_000_000, 3, 0, &Bits::default());
        ledger.show(0, 3_000_000, 5, 2_500_000);
        let (live, _) = ledger.live();
        // Of 1, 2 and 4 that were there throughout, 1 was shown it in time.
        assert_eq!(live, Some(1.0 / 3.0));
        assert_eq!(ledger.shown, 3);
    }

    #[test]
    fn a_host_that_goes_after_it_was_shown_a_message_counts() {
        let mut ledger = Ledger::default();
        let mut shown = Bits::default();
        ledger.say(0, 0, 0, 1);
        ledger.show(0, 50_000, 1, 0);
        shown.insert(0);
        ledger.go(60_000, 1, 0, &shown);
        assert_eq!((ledger.live().0, ledger.shown_of(&shown)), (Some(1.0), 1));
    }
}

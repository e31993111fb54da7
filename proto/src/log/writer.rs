//! Our own writing: which log it goes to, and what time it claims.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{MAX_LIVE_RUN_BYTES, pending::weight, shelf::Shelf};
use crate::{
    event::{Body, Event, Run, SignedEvent},
    hlc::{Clock, MAX_ADVANCE_MS, MAX_AHEAD_MS, Timestamp},
    ids::{ChannelId, LogId, LogKey, tagged_hash},
    signature::Signer,
    time::Now,
};

/// Milliseconds that our own stamps may be ahead of our wall clock. Others may push our clock to [`MAX_ADVANCE_MS`] and not
/// further; were our logs left at that very mark, they could make us leave one with every message until nobody takes more.
const MAX_OWN_AHEAD_MS: u64 = 2 * MAX_ADVANCE_MS;

const _: () = assert!(MAX_OWN_AHEAD_MS < MAX_AHEAD_MS);

/// Makes our events.
#[derive(Debug)]
pub struct Writer {
    channel: ChannelId,
    signer: Signer,
    log: LogId,
    clock: Clock,
    rng: ChaCha8Rng,
}

impl Writer {
    /// Writes in `log` of the signer.
    pub fn new(channel: ChannelId, signer: Signer, log: LogId, seed: [u8; 32]) -> Self {
        let mut rng = ChaCha8Rng::from_seed(seed);
        // The seed is shared: what is drawn here is nothing that anything else draws.
        rng.set_stream(1);
        Self { channel, signer, log, clock: Clock::default(), rng }
    }

    /// Takes note of the time of an event: what is written from now on is later.
    pub fn observe(&mut self, now: Now, hlc: Timestamp) {
        self.clock.observe(hlc, now.wall_ms);
    }

    /// The next event of our log.
    pub fn write(&mut self, now: Now, shelf: &Shelf, body: Body) -> SignedEvent {
        let key = self.choose_log(now, shelf);
        let tip = shelf.log(&key).tip;
        let event = Event {
            channel: self.channel,
            author: key.author,
            log: key.log,
            seq: tip.seq + 1,
            prev: tip.id,
            hlc: self.stamp(now, shelf, tip.hlc),
            body,
        };
        SignedEvent::create(&self.signer, event)
    }

    /// Takes note that others are about to extend a log; `true` if it is the one that we write in. That can only be when this
    /// store is a copy: from now on we write in a new log.
    pub fn leave_if_extended(&mut self, now: Now, shelf: &Shelf, key: LogKey) -> bool {
        let ours = key == self.key();
        if ours {
            // Drawn: the same old copy may be put back twice, and finds its log as long as the first time. After a restart
            // the log is no longer than what is held of it, and can be written in again.
            let salt: [u8; 32] = self.rng.random();
            self.leave_log(shelf, &[&salt[..], &now.wall_ms.to_le_bytes()].concat());
        }
        ours
    }

    fn key(&self) -> LogKey {
        LogKey { author: self.signer.author(), log: self.log }
    }

    /// The log to write in. A log that is frozen, or whose last event a wrong clock put far ahead, is left for a new one:
    /// events after it would have to claim even later times, and nobody would take them.
    fn choose_log(&mut self, now: Now, shelf: &Shelf) -> LogKey {
        loop {
            let key = self.key();
            let log = shelf.log(&key);
            if !log.frozen && log.tip.hlc.ahead_ms(now.wall_ms) <= MAX_OWN_AHEAD_MS {
                return key;
            }
            // Derived, not drawn, so that a restart finds the same log again.
            self.leave_log(shelf, &[]);
        }
    }

    /// Chooses another log to write in. It depends on where the old one ends, because copies of a store that have gone
    /// different ways must not meet again in the next log.
    fn leave_log(&mut self, shelf: &Shelf, salt: &[u8]) {
        let tip = shelf.log(&self.key()).tip.id;
        let [a, b, c, d, e, f, g, h, ..] =
            tagged_hash("starling/next-log/1", &[&self.log.0.to_le_bytes(), &tip.0, salt]);
        self.log = LogId(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
    }

    /// A timestamp later than `tip`, which [`Writer::choose_log`] made sure is no more than [`MAX_OWN_AHEAD_MS`] ahead.
    fn stamp(&mut self, now: Now, shelf: &Shelf, tip: Timestamp) -> Timestamp {
        self.clock.observe(tip, now.wall_ms);
        let stamp = self.clock.tick(now.wall_ms).max(tip.next());
        if stamp.ahead_ms(now.wall_ms) <= MAX_OWN_AHEAD_MS {
            return stamp;
        }
        // The wall clock was far ahead and is no longer. Stamps that went on from there would be refused by everyone, so
        // the clock starts over from what it may still follow.
        self.clock = Clock::default();
        for (_, log) in shelf.iter() {
            self.clock.observe(log.tip.hlc, now.wall_ms);
        }
        self.clock.tick(now.wall_ms).max(tip.next())
    }
}

/// Our events as they are published live. Those that became durable together travel together as far as they follow each
/// other: one message, one signature to check.
pub fn live_runs(own: &[SignedEvent]) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut rest = own;
    while !rest.is_empty() {
        let mut count = 1;
        while count < rest.len()
            && rest[count].event.prev == rest[count - 1].id
            && weight(&rest[..=count]) <= MAX_LIVE_RUN_BYTES
        {
            count += 1;
        }
        let (run, others) = rest.split_at(count);
        runs.extend(Run::from_events(run));
        rest = others;
    }
    runs
}

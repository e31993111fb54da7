//! The log that a hostile author writes, and the rate at which it does.

use proto::{
    chat::ChatMessage,
    event::{Body, Event, Run, SignedEvent},
    hlc::Timestamp,
    ids::{ChannelId, EventId, LogId},
    signature::Signer,
};

/// Messages that are due at once at most. What is due beyond that is not sent: no run of virtual time is worth the memory.
const MAX_DUE: usize = 10_000;

/// How many messages are due, at a rate.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    rate_per_s: f64,
    owed: f64,
}

impl Pace {
    /// So many a second.
    pub fn new(rate_per_s: f64) -> Self {
        Self { rate_per_s, owed: 0.0 }
    }

    /// Whole messages due after so many more milliseconds.
    pub fn due(&mut self, passed_ms: u64) -> usize {
        self.owed += self.rate_per_s * passed_ms as f64 / 1_000.0;
        let due = self.owed.floor();
        self.owed -= due;
        (due as usize).min(MAX_DUE)
    }
}

/// A log.
#[derive(Debug, Clone)]
pub struct Log {
    signer: Signer,
    channel: ChannelId,
    log: LogId,
    seq: u64,
    prev: EventId,
    hlc: Timestamp,
}

impl Log {
    /// An empty one.
    pub fn new(signer: Signer, channel: ChannelId, log: LogId) -> Self {
        Self { signer, channel, log, seq: 0, prev: EventId::NONE, hlc: Timestamp::default() }
    }

    /// Writes some messages as one run, signed once; `None` when they are too much for one.
    pub fn write(&mut self, wall_ms: u64, texts: &[String]) -> Option<Run> {
        let mut events = Vec::with_capacity(texts.len());
        for (index, text) in texts.iter().enumerate() {
            let event = self.next(wall_ms, chat(text)?);
            let signed = if index + 1 == texts.len() {
                SignedEvent::create(&self.signer, event)
            } else {
                SignedEvent { id: event.id(), event, signature: None }
            };
            (self.seq, self.prev, self.hlc) = (signed.event.seq, signed.id, signed.event.hlc);
            events.push(signed);
        }
        Run::from_events(&events)
    }

    fn next(&self, wall_ms: u64, body: Body) -> Event {
        Event {
            channel: self.channel,
            author: self.signer.author(),
            log: self.log,
            seq: self.seq + 1,
            prev: self.prev,
            hlc: Timestamp::from_ms(wall_ms).max(Timestamp(self.hlc.0 + 1)),
            body,
        }
    }
}

fn chat(text: &str) -> Option<Body> {
    ChatMessage::new("mallory", text).ok().map(|chat| chat.to_body())
}

#[cfg(test)]
mod tests {
    use libp2p::identity::Keypair;
    use proto::signature::Ed25519;

    use super::*;

    #[test]
    fn a_rate_is_kept_whatever_the_steps() {
        for (rate, step_ms) in [(0.3, 10), (250.0, 7), (3_333.0, 100)] {
            let mut pace = Pace::new(rate);
            let sent: usize = (0..100_000 / step_ms).map(|_| pace.due(step_ms)).sum();
            let wanted = rate * (100_000 / step_ms * step_ms) as f64 / 1_000.0;
            assert!((sent as f64 - wanted).abs() <= 1.0, "{sent} of {wanted}");
        }
    }

    #[test]
    fn what_is_written_is_a_valid_log() {
        let signer = Signer::new(Keypair::ed25519_from_bytes([1; 32]).unwrap()).unwrap();
        let mut log = Log::new(signer, ChannelId([7; 32]), LogId(1));
        let first = log.write(1_000, &["a".into(), "b".into(), "c".into()]).unwrap().verify(&Ed25519).unwrap();
        let second = log.write(1_000, &["d".into()]).unwrap().verify(&Ed25519).unwrap();
        assert_eq!(first.len(), 3);
        assert_eq!((second[0].event.seq, second[0].event.prev), (4, first[2].id));
        assert!(second[0].event.hlc > first[2].event.hlc);
    }
}

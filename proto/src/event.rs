//! Events: the signed, hash-chained entries of a log, and runs of them.
//!
//! An [`Event`] names its channel, its author, which of the author's logs it is in, its sequence number there (from 1), the
//! id of the event before it, a hybrid logical timestamp later than its predecessor's, and a body that this layer does not
//! look into. Its id is `SHA-256("starling/event/1" 0x00 canonical-bytes)`.
//!
//! Events travel and are stored in **runs**: consecutive events of one log and *one* signature, over the id of the last.
//! Since each event names its predecessor by hash, that signature vouches for the whole run, as the signature on a commit
//! vouches for its history. A run of 500 events therefore costs one signature check and 64 bytes, not 500 checks and
//! 32 kB; what a run implies (channel, author, log, sequence numbers, all but the first predecessor) is not repeated in it.
//! A message sent live is a run of one.
//!
//! The price: an event inside a run can be shown to a third party only together with the events that follow it up to the
//! signature. Runs have at most [`MAX_RUN_EVENTS`] events, and whoever stores one keeps its signature at its end, so the
//! next signature is never further away than that.

use serde::{Deserialize, Serialize};

use crate::{
    hlc::Timestamp,
    ids::{Author, ChannelId, EventId, LogId, LogKey, tagged_hash},
    signature::{Signature, Signer, Verifier, verify},
    wire,
};

/// Bytes: the largest event, encoded. One gossip message carries it with room to spare.
pub const MAX_EVENT_BYTES: usize = 64 * 1024;

/// Bytes that an event's header takes at most: three 32-byte names, three integers of up to 9 bytes, kind and lengths.
pub const MAX_HEADER_BYTES: usize = 160;

/// Bytes: the largest body of an event.
pub const MAX_BODY_BYTES: usize = MAX_EVENT_BYTES - MAX_HEADER_BYTES;

/// Events in one run. Bounds how far the next signature is, and what one message holds.
pub const MAX_RUN_EVENTS: usize = 500;

/// Bytes of one run, as a frame: any run can be passed on in one answer.
pub const MAX_RUN_BYTES: usize = 1024 * 1024;

const _: () = assert!(MAX_BODY_BYTES + MAX_HEADER_BYTES <= MAX_EVENT_BYTES);

/// What an event says: a kind, and bytes that only the view for that kind understands.
///
/// Kinds are numbers rather than variants so that an old node carries on the events of newer ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    /// Which view reads the bytes ([`crate::chat::KIND`], ...).
    pub kind: u32,
    /// The content, encoded as that view defines.
    #[serde(with = "serde_bytes")]
    pub bytes: Vec<u8>,
}

/// One entry of a log, without its signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The channel it is said in.
    pub channel: ChannelId,
    /// Who says it.
    pub author: Author,
    /// In which of the author's logs.
    pub log: LogId,
    /// Position in that log, from 1.
    pub seq: u64,
    /// The id of the event before it, [`EventId::NONE`] for the first.
    pub prev: EventId,
    /// When, later than the event before it.
    pub hlc: Timestamp,
    /// What.
    pub body: Body,
}

impl Event {
    /// The event's name: a hash over all of it.
    pub fn id(&self) -> EventId {
        EventId(tagged_hash("starling/event/1", &[&wire::encode(self)]))
    }

    /// The log it is in.
    pub fn log_key(&self) -> LogKey {
        LogKey { author: self.author, log: self.log }
    }

    /// Its place in the order of a channel, the same everywhere: by time, then author, log and position.
    pub fn order(&self) -> OrderKey {
        OrderKey { hlc: self.hlc, author: self.author, log: self.log, seq: self.seq }
    }
}

/// What events of a channel are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OrderKey {
    /// Time first.
    pub hlc: Timestamp,
    /// Ties go by author,
    pub author: Author,
    /// then log,
    pub log: LogId,
    /// then position.
    pub seq: u64,
}

const SIGNATURE_TAG: &str = "starling/event-signature/1";

/// What of an event is not implied by its place in a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub hlc: Timestamp,
    /// What.
    pub body: Body,
}

/// Consecutive events of one log, vouched for by one signature over the last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The channel of all events in it.
    pub channel: ChannelId,
    /// The author of all.
    pub author: Author,
    /// The log of all.
    pub log: LogId,
    /// The sequence number of the first.
    pub first_seq: u64,
    /// The predecessor of the first.
    pub prev: EventId,
    /// The events, oldest first.
    pub entries: Vec<Entry>,
    /// The author's signature over the last event's id.
    pub signature: Signature,
}

/// Why a run is not what its author signed, or breaks the rules of a log. Always the fault of whoever passes it on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum InvalidRun {
    /// It holds no event, or more than [`MAX_RUN_EVENTS`].
    #[error("a run of {0} events")]
    Length(usize),
    /// It is longer than [`MAX_RUN_BYTES`].
    #[error("a run of {0} bytes")]
    TooLarge(usize),
    /// A sequence number of 0, or past the end of the range.
    #[error("sequence number out of range")]
    Seq,
    /// The first event of a log names a predecessor, or a later one names none.
    #[error("the predecessor does not fit the sequence number")]
    Prev,
    /// An event is longer than [`MAX_EVENT_BYTES`].
    #[error("an event of {0} bytes")]
    EventTooLarge(usize),
    /// Timestamps do not increase along the log.
    #[error("timestamps do not increase")]
    Time,
    /// The signature is not the author's over the last event.
    #[error("bad signature")]
    Signature,
}

/// An event whose authenticity is established, with the signature that ended its run, if it was the last.
///
/// Only [`Run::verify`], [`SignedEvent::create`] and trusted storage make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedEvent {
    /// The event's id.
    pub id: EventId,
    /// The event.
    pub event: Event,
    /// The author's signature over `id`; `None` when a later event of the log vouches for this one.
    pub signature: Option<Signature>,
}

impl SignedEvent {
    /// Signs a new event.
    pub fn create(signer: &Signer, event: Event) -> Self {
        let id = event.id();
        let signature = Some(signer.sign(SIGNATURE_TAG, &id.0));
        Self { id, event, signature }
    }
}

impl Run {
    /// Makes a run of consecutive events of one log, of which the last is signed; `None` when they are not that, or too
    /// much for one run.
    pub fn from_events(events: &[SignedEvent]) -> Option<Self> {
        let first = events.first()?;
        let signature = events.last()?.signature?;
        let linked = events.windows(2).all(|pair| pair[1].event.prev == pair[0].id);
        if !linked || events.len() > MAX_RUN_EVENTS {
            return None;
        }
        let run = Self {
            channel: first.event.channel,
            author: first.event.author,
            log: first.event.log,
            first_seq: first.event.seq,
            prev: first.event.prev,
            entries: events.iter().map(|e| Entry { hlc: e.event.hlc, body: e.event.body.clone() }).collect(),
            signature,
        };
        (wire::encode(&run).len() <= MAX_RUN_BYTES).then_some(run)
    }

    /// The log all its events are in.
    pub fn log_key(&self) -> LogKey {
        LogKey { author: self.author, log: self.log }
    }

    /// The sequence number of its last event (saturating; [`Run::verify`] refuses runs that leave the range).
    pub fn last_seq(&self) -> u64 {
        self.first_seq.saturating_add(self.entries.len() as u64).saturating_sub(1)
    }

    /// Checks everything that can be checked without knowing the log, the signature by `verifier`, and returns the events.
    ///
    /// # Errors
    /// [`InvalidRun`] names the broken rule.
    pub fn verify(self, verifier: &dyn Verifier) -> Result<Vec<SignedEvent>, InvalidRun> {
        let count = self.entries.len();
        if count == 0 || count > MAX_RUN_EVENTS {
            return Err(InvalidRun::Length(count));
        }
        if self.first_seq == 0 || self.first_seq.checked_add(count as u64).is_none() {
            return Err(InvalidRun::Seq);
        }
        if (self.first_seq == 1) != (self.prev == EventId::NONE) {
            return Err(InvalidRun::Prev);
        }
        if let Some(entry) = self.entries.iter().find(|entry| entry.body.bytes.len() > MAX_BODY_BYTES) {
            return Err(InvalidRun::EventTooLarge(entry.body.bytes.len()));
        }
        let bytes = wire::encode(&self).len();
        if bytes > MAX_RUN_BYTES {
            return Err(InvalidRun::TooLarge(bytes));
        }
        let mut events: Vec<SignedEvent> = Vec::with_capacity(count);
        let (mut prev, mut seq) = (self.prev, self.first_seq);
        for entry in self.entries {
            if events.last().is_some_and(|before| before.event.hlc >= entry.hlc) {
                return Err(InvalidRun::Time);
            }
            let event = Event {
                channel: self.channel,
                author: self.author,
                log: self.log,
                seq,
                prev,
                hlc: entry.hlc,
                body: entry.body,
            };
            let id = event.id();
            events.push(SignedEvent { id, event, signature: None });
            (prev, seq) = (id, seq + 1);
        }
        if !verify(verifier, &self.author, SIGNATURE_TAG, &prev.0, &self.signature) {
            return Err(InvalidRun::Signature);
        }
        if let Some(last) = events.last_mut() {
            last.signature = Some(self.signature);
        }
        Ok(events)
    }
}

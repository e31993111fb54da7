//! Cutting a log into runs that fit an answer.

use proto::{
    event::{Event, MAX_RUN_EVENTS, Run, SignedEvent},
    log::message::{MAX_RESPONSE_EVENTS, MAX_RUNS_BYTES},
};

/// Bytes of a run's frame that do not depend on its numbers: version, channel, author, predecessor, and the signature with
/// its length.
const FIXED_BYTES: usize = 1 + 3 * 32 + 1 + 64;

const _: () = assert!(MAX_RESPONSE_EVENTS <= MAX_RUN_EVENTS);

/// How many events and bytes a run of given events takes, encoded, without encoding it.
#[derive(Debug, Clone, Copy)]
pub(super) struct RunSize {
    events: usize,
    bytes: usize,
}

impl RunSize {
    /// An empty run that will start with `first`.
    pub(super) fn new(first: &Event) -> Self {
        Self { events: 0, bytes: FIXED_BYTES + varint_bytes(first.log.0) + varint_bytes(first.seq) }
    }

    /// Adds the next event.
    pub(super) fn add(&mut self, event: &Event) {
        let body = event.body.bytes.len();
        self.events += 1;
        self.bytes +=
            varint_bytes(event.hlc.0) + varint_bytes(event.body.kind.into()) + varint_bytes(body as u64) + body;
    }

    /// Events so far.
    pub(super) fn events(&self) -> usize {
        self.events
    }

    /// Bytes of the encoded run.
    pub(super) fn bytes(&self) -> usize {
        self.bytes + varint_bytes(self.events as u64)
    }
}

/// Bytes that an integer takes in the wire encoding.
fn varint_bytes(value: u64) -> usize {
    match value {
        0..251 => 1,
        251..0x1_0000 => 3,
        0x1_0000..0x1_0000_0000 => 5,
        _ => 9,
    }
}

/// What is left of an answer's limits.
#[derive(Debug)]
pub(super) struct Budget {
    events: usize,
    bytes: usize,
}

impl Budget {
    /// All of an answer.
    pub(super) fn new() -> Self {
        Self { events: MAX_RESPONSE_EVENTS, bytes: MAX_RUNS_BYTES }
    }

    /// Whether no further event fits for sure.
    pub(super) fn is_spent(&self) -> bool {
        self.events == 0 || self.bytes <= FIXED_BYTES
    }

    /// Takes the longest run that fits from the consecutive `events`: up to the first signature at or after `to`, or the last
    /// signature before the limits. `None` when no signature is within reach.
    pub(super) fn take_run<E>(
        &mut self,
        to: u64,
        events: impl Iterator<Item = Result<SignedEvent, E>>,
    ) -> Result<Option<Run>, E> {
        let mut taken: Vec<SignedEvent> = Vec::new();
        let mut size: Option<RunSize> = None;
        let mut signed = None;
        for next in events {
            let next = next?;
            let size = size.get_or_insert_with(|| RunSize::new(&next.event));
            size.add(&next.event);
            if size.events() > self.events || size.bytes() > self.bytes {
                break;
            }
            let (is_signed, seq) = (next.signature.is_some(), next.event.seq);
            taken.push(next);
            if is_signed {
                signed = Some(*size);
                if seq >= to {
                    break;
                }
            }
        }
        let Some(size) = signed else {
            if !taken.is_empty() {
                // What is left does not reach a signature here; trying one want after the other would read a lot for nothing.
                self.events = 0;
            }
            return Ok(None);
        };
        taken.truncate(size.events());
        self.events -= size.events();
        self.bytes -= size.bytes();
        Ok(Run::from_events(&taken))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proto::{
        event::{Body, Entry},
        hlc::Timestamp,
        ids::{Author, ChannelId, EventId, LogId},
        signature::Signature,
        wire,
    };

    use super::*;

    proptest! {
        #[test]
        fn the_size_of_a_run_is_the_size_of_its_encoding(
            log in any::<u64>(),
            first_seq in prop_oneof![1u64..1000, any::<u64>()],
            entries in prop::collection::vec((any::<u64>(), any::<u32>(), prop::collection::vec(any::<u8>(), 0..400)), 0..300),
        ) {
            let entries: Vec<Entry> = entries
                .into_iter()
                .map(|(hlc, kind, bytes)| Entry { hlc: Timestamp(hlc), body: Body { kind, bytes } })
                .collect();
            let (channel, author, log, prev) = (ChannelId([1; 32]), Author([2; 32]), LogId(log), EventId([3; 32]));
            let event = |entry: &Entry| Event {
                channel, author, log, seq: first_seq, prev, hlc: entry.hlc, body: entry.body.clone(),
            };
            let empty = Entry { hlc: Timestamp(0), body: Body { kind: 0, bytes: Vec::new() } };
            let mut size = RunSize::new(&event(&empty));
            entries.iter().for_each(|entry| size.add(&event(entry)));
            let run = Run { channel, author, log, first_seq, prev, entries, signature: Signature::from_bytes([4; 64]) };
            prop_assert_eq!(size.bytes(), wire::encode(&run).len());
        }
    }
}

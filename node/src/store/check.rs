//! What both stores demand of a batch before they touch anything.

use std::collections::BTreeMap;

use proto::{
    event::{Event, MAX_BODY_BYTES, MAX_RUN_EVENTS, SignedEvent},
    hlc::Timestamp,
    ids::{ChannelId, EventId, LogKey},
    log::message::MAX_RUNS_BYTES,
    wire,
};

use super::{Batch, MAX_EVIDENCE_BYTES, MAX_PEER_ID_BYTES, MAX_ROOM_BYTES, StoreError, runs::RunSize, tables};

/// The end of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tip {
    /// The last sequence number.
    pub seq: u64,
    /// The id of the last event.
    pub id: EventId,
    /// Its time.
    pub hlc: Timestamp,
}

/// One log while the events of a batch pass by: its end, and the run since the last signature.
struct Progress {
    tip: Option<Tip>,
    unsigned: Option<RunSize>,
}

/// Checks that every event follows its log's tip, is what its id says, and can be passed on in a run.
///
/// # Errors
/// [`StoreError::Rejected`] names the first rule that is broken.
pub(super) fn check_batch(batch: &Batch, tip: impl Fn(&ChannelId, &LogKey) -> Option<Tip>) -> Result<(), StoreError> {
    let mut logs: BTreeMap<(ChannelId, LogKey), Progress> = BTreeMap::new();
    for signed in &batch.events {
        let (channel, key) = (signed.event.channel, signed.event.log_key());
        let progress =
            logs.entry((channel, key)).or_insert_with(|| Progress { tip: tip(&channel, &key), unsigned: None });
        step(progress, signed).map_err(|rule| rejected(&signed.event, rule))?;
    }
    if let Some(((channel, key), _)) = logs.iter().find(|(_, progress)| progress.unsigned.is_some()) {
        return Err(StoreError::Rejected(format!(
            "the last event of log {} of {} in {channel} is not signed",
            key.log, key.author
        )));
    }
    tables::check(&batch.entries)?;
    check_limit("a peer id", batch.peers.iter().map(|known| known.peer.len()), MAX_PEER_ID_BYTES)?;
    check_limit("the name of a room", batch.rooms.iter().map(|(room, _)| room.len()), MAX_ROOM_BYTES)?;
    check_limit("evidence", batch.evidence.iter().map(|proof| wire::encode(proof).len()), MAX_EVIDENCE_BYTES)
}

fn check_limit(what: &str, mut lens: impl Iterator<Item = usize>, limit: usize) -> Result<(), StoreError> {
    match lens.find(|len| *len > limit) {
        Some(len) => Err(StoreError::Rejected(format!("{what} of {len} bytes, of which {limit} are allowed"))),
        None => Ok(()),
    }
}

fn step(progress: &mut Progress, signed: &SignedEvent) -> Result<(), &'static str> {
    let event = &signed.event;
    let (seq, prev) = progress.tip.map_or((0, EventId::NONE), |tip| (tip.seq, tip.id));
    if seq.checked_add(1) != Some(event.seq) {
        return Err("its sequence number does not follow the log's last");
    }
    if event.prev != prev {
        return Err("it names another predecessor");
    }
    if progress.tip.is_some_and(|tip| event.hlc <= tip.hlc) {
        return Err("it is not later than its predecessor");
    }
    if event.body.bytes.len() > MAX_BODY_BYTES {
        return Err("it is too large");
    }
    if event.id() != signed.id {
        return Err("it has another id");
    }
    let mut run = progress.unsigned.take().unwrap_or_else(|| RunSize::new(event));
    run.add(event);
    if run.events() > MAX_RUN_EVENTS || run.bytes() > MAX_RUNS_BYTES {
        return Err("the run up to its next signature is too long");
    }
    progress.tip = Some(Tip { seq: event.seq, id: signed.id, hlc: event.hlc });
    progress.unsigned = signed.signature.is_none().then_some(run);
    Ok(())
}

fn rejected(event: &Event, rule: &str) -> StoreError {
    StoreError::Rejected(format!(
        "event {} of log {} of {} in {}: {rule}",
        event.seq, event.log, event.author, event.channel
    ))
}

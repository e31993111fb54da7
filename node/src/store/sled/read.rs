//! Reading events: a log from any position, and a channel's logs merged in order.
//!
//! A channel has no index by time: within a log time increases with the sequence number, so a place in time is found by
//! bisection, and a page is a merge of logs from there. A log's last time is known in memory, so that a page touches only the
//! logs that reach into it.

use std::{cmp::Reverse, collections::BinaryHeap};

use ::sled::Tree;
use proto::{
    event::{OrderKey, SignedEvent},
    hlc::Timestamp,
    ids::{ChannelId, EventId, LogKey},
};

use super::{
    Fault, ids,
    index::Index,
    keys::{self, Area},
    records::{IdRun, LogRecord, decode_piece},
};
use crate::store::{Before, end_in, start_of};

/// A log as far as it was durable when the request came.
#[derive(Debug, Clone, Copy)]
pub(super) struct LogView {
    handle: u32,
    channel: ChannelId,
    key: LogKey,
    head: u64,
    head_hlc: Timestamp,
}

impl LogView {
    /// The view of a log with events.
    pub(super) fn new(handle: u32, record: &LogRecord) -> Self {
        Self { handle, channel: record.channel, key: record.key, head: record.seq, head_hlc: record.hlc }
    }

    fn last_order(&self) -> OrderKey {
        OrderKey { hlc: self.head_hlc, author: self.key.author, log: self.key.log, seq: self.head }
    }
}

/// The piece that holds `seq`, which must not lie behind the head.
pub(super) fn piece_at(tree: &Tree, log: &LogView, seq: u64) -> Result<Vec<SignedEvent>, Fault> {
    // Fresh first: a piece is packed by one batch, so that whatever is no longer fresh is already packed. The second round is
    // for a piece packed between the reading of two of its parts.
    for area in [Area::Fresh, Area::Packed, Area::Fresh, Area::Packed] {
        let first_key = keys::pieces(area, log.handle);
        let end = keys::piece(area, log.handle, seq.saturating_add(1));
        let Some(found) = tree.range(first_key..end).next_back() else { continue };
        let (key, _) = found?;
        let Some(first_seq) = keys::seq_of(&key) else { continue };
        let Some(bytes) = keys::get_parts(tree, &keys::piece(area, log.handle, first_seq))? else { continue };
        match decode_piece(log.channel, log.key, first_seq, &bytes) {
            Ok(events) if events.last().is_some_and(|last| last.event.seq >= seq) => return Ok(events),
            Ok(_) => {}
            // A piece that is gone by now was cut short by its packing; one that is still there is damaged.
            Err(fault) if tree.contains_key(&key)? => return Err(fault),
            Err(_) => {}
        }
    }
    Err(Fault::Damaged(format!("event {seq} of log {} in {} is missing", log.key.log, log.channel)))
}

/// Steps through a log in either direction, a piece at a time.
pub(super) struct Cursor<'a> {
    tree: &'a Tree,
    log: LogView,
    seq: u64,
    piece: Vec<SignedEvent>,
}

impl<'a> Cursor<'a> {
    /// At `seq`.
    pub(super) fn new(tree: &'a Tree, log: LogView, seq: u64) -> Self {
        Self { tree, log, seq, piece: Vec::new() }
    }

    /// The event at the cursor; `None` outside the log.
    fn get(&mut self) -> Result<Option<SignedEvent>, Fault> {
        if self.seq == 0 || self.seq > self.log.head {
            return Ok(None);
        }
        if self.at().is_none() {
            self.piece = piece_at(self.tree, &self.log, self.seq)?;
        }
        Ok(self.at().cloned())
    }

    fn at(&self) -> Option<&SignedEvent> {
        let offset = self.seq.checked_sub(self.piece.first()?.event.seq)?;
        self.piece.get(usize::try_from(offset).ok()?)
    }

    /// The events from the cursor on.
    pub(super) fn forwards(mut self) -> impl Iterator<Item = Result<SignedEvent, Fault>> {
        std::iter::from_fn(move || {
            let event = self.get().transpose();
            self.seq = self.seq.saturating_add(1);
            event
        })
    }
}

/// The last position of a log whose event comes before `bound`; 0 when none does.
fn last_before(tree: &Tree, log: &LogView, bound: &OrderKey) -> Result<u64, Fault> {
    if log.last_order() < *bound {
        return Ok(log.head);
    }
    let (mut before, mut from) = (0, log.head);
    while before + 1 < from {
        let piece = piece_at(tree, log, before + (from - before) / 2)?;
        let place = piece.partition_point(|signed| signed.event.order() < *bound);
        if let Some(last) = place.checked_sub(1).and_then(|place| piece.get(place)) {
            before = before.max(last.event.seq);
        }
        if let Some(first) = piece.get(place) {
            from = from.min(first.event.seq);
        }
    }
    Ok(before)
}

fn views(index: &Index, channel: &ChannelId) -> Vec<LogView> {
    index.channel(channel).filter(|(_, log)| log.seq > 0).map(|(handle, log)| LogView::new(handle, log)).collect()
}

/// What [`page_before`] and [`page_after`] need of the index, copied so that the writer need not wait for them.
pub(super) struct ChannelView {
    logs: Vec<LogView>,
}

impl ChannelView {
    /// The logs of a channel.
    pub(super) fn new(index: &Index, channel: ChannelId) -> Self {
        Self { logs: views(index, &channel) }
    }
}

/// The place of an event of one of these channels, if it is held.
fn place_of(
    tree: &Tree,
    views: &[ChannelView],
    runs: &[IdRun],
    id: EventId,
) -> Result<Option<(ChannelId, OrderKey)>, Fault> {
    for entry in ids::find(tree, runs, id)? {
        let mut logs = views.iter().flat_map(|view| &view.logs);
        let Some(log) = logs.find(|log| log.handle == entry.handle && entry.seq <= log.head) else {
            continue;
        };
        let event = Cursor::new(tree, *log, entry.seq).get()?;
        if let Some(signed) = event.filter(|signed| signed.id == id && signed.event.channel == log.channel) {
            return Ok(Some((log.channel, signed.event.order())));
        }
    }
    Ok(None)
}

/// A log in a merge from new to old: sorted by a place no event of it lies behind, which is that of its next event once
/// `next` is known.
struct Source<'a> {
    order: OrderKey,
    next: Option<SignedEvent>,
    cursor: Cursor<'a>,
}

impl Source<'_> {
    /// Logs of several channels may have events at one place of their orders.
    fn place(&self) -> (OrderKey, ChannelId) {
        (self.order, self.cursor.log.channel)
    }
}

impl PartialEq for Source<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.place() == other.place()
    }
}
impl Eq for Source<'_> {}
impl PartialOrd for Source<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Source<'_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.place().cmp(&other.place())
    }
}

/// The newest `limit` events of some channels before a point, oldest first; `None` when the point is an unknown event.
pub(super) fn page_before(
    tree: &Tree,
    views: &[ChannelView],
    runs: &[IdRun],
    before: Before,
    limit: usize,
) -> Result<Option<Vec<SignedEvent>>, Fault> {
    let (home, place) = match before {
        Before::Time(time) => (ChannelId([0; 32]), start_of(time)),
        Before::Event(id) => match place_of(tree, views, runs, id)? {
            Some(place) => place,
            None => return Ok(None),
        },
    };
    let mut heap: BinaryHeap<Source<'_>> = BinaryHeap::new();
    for log in views.iter().flat_map(|view| &view.logs) {
        // A log that ends before the bound is opened when the page reaches its end; any other is placed now.
        let bound = end_in(&log.channel, &home, place);
        let seq = last_before(tree, log, &bound)?;
        let order = if seq == log.head { log.last_order() } else { bound };
        heap.push(Source { order, next: None, cursor: Cursor::new(tree, *log, seq) });
    }
    let mut page = Vec::new();
    while page.len() < limit
        && let Some(mut source) = heap.pop()
    {
        if let Some(event) = source.next.take() {
            page.push(event);
            source.cursor.seq -= 1;
        }
        if let Some(event) = source.cursor.get()? {
            heap.push(Source { order: event.event.order(), next: Some(event), cursor: source.cursor });
        }
    }
    page.reverse();
    Ok(Some(page))
}

/// The oldest `limit` events of a channel from a time on, oldest first.
pub(super) fn page_after(
    tree: &Tree,
    view: &ChannelView,
    from: Timestamp,
    limit: usize,
) -> Result<Vec<SignedEvent>, Fault> {
    let bound = start_of(from);
    let mut heap: BinaryHeap<Reverse<Source<'_>>> = BinaryHeap::new();
    for log in view.logs.iter().filter(|log| log.head_hlc >= from) {
        let mut cursor = Cursor::new(tree, *log, last_before(tree, log, &bound)? + 1);
        if let Some(event) = cursor.get()? {
            heap.push(Reverse(Source { order: event.event.order(), next: Some(event), cursor }));
        }
    }
    let mut page = Vec::new();
    while page.len() < limit
        && let Some(Reverse(mut source)) = heap.pop()
    {
        page.extend(source.next.take());
        source.cursor.seq += 1;
        if let Some(event) = source.cursor.get()? {
            heap.push(Reverse(Source { order: event.event.order(), next: Some(event), cursor: source.cursor }));
        }
    }
    Ok(page)
}

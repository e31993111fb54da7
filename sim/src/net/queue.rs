//! What is still to come, in order: first by time, then by when it was decided. So that one seed gives one history.

use std::{cmp::Ordering, collections::BinaryHeap};

/// Events by time. It holds one entry for each packet on its way, so that the streams' windows bound it.
pub(super) struct Queue<E> {
    heap: BinaryHeap<Entry<E>>,
    sequence: u64,
}

struct Entry<E> {
    at_us: u64,
    sequence: u64,
    event: E,
}

impl<E> Queue<E> {
    pub fn new() -> Self {
        Self { heap: BinaryHeap::new(), sequence: 0 }
    }

    /// Adds an event at a time in microseconds.
    pub fn push(&mut self, at_us: u64, event: E) {
        self.sequence += 1;
        self.heap.push(Entry { at_us, sequence: self.sequence, event });
    }

    /// When the next event is.
    pub fn next_at_us(&self) -> Option<u64> {
        self.heap.peek().map(|entry| entry.at_us)
    }

    /// The next event, if it is not later than a time.
    pub fn pop_due(&mut self, until_us: u64) -> Option<(u64, E)> {
        if self.next_at_us()? > until_us {
            return None;
        }
        self.heap.pop().map(|entry| (entry.at_us, entry.event))
    }
}

impl<E> Ord for Entry<E> {
    /// The earliest is the greatest, as [`BinaryHeap`] gives out the greatest.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at_us, other.sequence).cmp(&(self.at_us, self.sequence))
    }
}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.sequence == other.sequence
    }
}

impl<E> Eq for Entry<E> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_by_time_and_then_in_the_order_in_which_they_were_added() {
        let mut queue = Queue::new();
        for (at_us, event) in [(5, 'c'), (1, 'a'), (5, 'd'), (3, 'b')] {
            queue.push(at_us, event);
        }
        let due: Vec<_> = std::iter::from_fn(|| queue.pop_due(4)).collect();
        assert_eq!(due, [(1, 'a'), (3, 'b')]);
        let late: Vec<_> = std::iter::from_fn(|| queue.pop_due(u64::MAX)).collect();
        assert_eq!(late, [(5, 'c'), (5, 'd')]);
        assert_eq!(queue.next_at_us(), None);
    }
}

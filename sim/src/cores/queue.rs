//! What will happen, in order of time; what is due at one instant happens in the order in which it was planned.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
};

/// Things planned at most. At some 60 bytes each, 4 GB: a run that plans more would not end anyway, and is ended.
pub const MAX_PLANNED: usize = 64_000_000;

/// Something due.
#[derive(Debug)]
pub struct Due<T> {
    /// Microseconds from the start.
    pub at_us: u64,
    /// The host that it happens to; 0 when it concerns all.
    pub host: u32,
    /// What.
    pub what: T,
    number: u64,
}

/// The things planned, and the time.
#[derive(Debug)]
pub struct Queue<T> {
    heap: BinaryHeap<Reverse<Due<T>>>,
    now_us: u64,
    planned: u64,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), now_us: 0, planned: 0 }
    }
}

impl<T> Queue<T> {
    /// The instant of what happens now.
    pub fn now_us(&self) -> u64 {
        self.now_us
    }

    /// Plans something, `delay_us` microseconds from now.
    pub fn after(&mut self, delay_us: u64, host: u32, what: T) {
        self.at(self.now_us.saturating_add(delay_us), host, what);
    }

    /// Plans something for an instant; for now, if that has passed.
    pub fn at(&mut self, at_us: u64, host: u32, what: T) {
        self.planned += 1;
        let at_us = at_us.max(self.now_us);
        self.heap.push(Reverse(Due { at_us, host, what, number: self.planned }));
    }

    /// Takes what comes next, and advances the time to it. `None` when nothing is due until `end_us`.
    pub fn next(&mut self, end_us: u64) -> Option<Due<T>> {
        if self.heap.peek()?.0.at_us > end_us {
            return None;
        }
        let Reverse(due) = self.heap.pop()?;
        self.now_us = due.at_us;
        Some(due)
    }

    /// Whether as much is planned as may be.
    pub fn is_full(&self) -> bool {
        self.heap.len() >= MAX_PLANNED
    }
}

impl<T> Due<T> {
    fn order(&self) -> (u64, u64) {
        (self.at_us, self.number)
    }
}

impl<T> PartialEq for Due<T> {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl<T> Eq for Due<T> {}

impl<T> PartialOrd for Due<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Due<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order().cmp(&other.order())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_at_one_instant_happens_in_the_order_it_was_planned() {
        let mut queue = Queue::default();
        for (delay_us, name) in [(5, "c"), (1, "a"), (5, "d"), (1, "b")] {
            queue.after(delay_us, 0, name);
        }
        let names: Vec<&str> = std::iter::from_fn(|| queue.next(5)).map(|due| due.what).collect();
        assert_eq!((names, queue.now_us()), (vec!["a", "b", "c", "d"], 5));
    }

    #[test]
    fn nothing_happens_after_the_end_or_in_the_past() {
        let mut queue = Queue::default();
        queue.after(10, 0, "late");
        assert!(queue.next(9).is_none());
        assert_eq!(queue.next(10).map(|due| due.at_us), Some(10));
        queue.at(3, 0, "overdue");
        assert_eq!(queue.next(10).map(|due| due.at_us), Some(10));
    }
}

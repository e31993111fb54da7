//! What was met of late: a set that forgets what has been in it for longest when it would grow too large.

use std::collections::{BTreeSet, VecDeque};

/// The last so many different things that were put in.
#[derive(Debug, Clone)]
pub struct Recent<T, const MOST: usize> {
    items: BTreeSet<T>,
    /// In the order in which they were put in.
    order: VecDeque<T>,
}

impl<T, const MOST: usize> Default for Recent<T, MOST> {
    fn default() -> Self {
        Self { items: BTreeSet::new(), order: VecDeque::new() }
    }
}

impl<T: Ord + Clone, const MOST: usize> Recent<T, MOST> {
    /// Puts one in. One that is in it keeps its place.
    pub fn insert(&mut self, item: T) {
        if self.items.insert(item.clone()) {
            self.order.push_back(item);
        }
        if self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.items.remove(&oldest);
        }
    }

    /// Whether it is in it.
    pub fn contains(&self, item: &T) -> bool {
        self.items.contains(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_too_many_those_that_came_first_are_forgotten() {
        let mut recent: Recent<u8, 3> = Recent::default();
        for item in [1, 2, 3, 1, 4] {
            recent.insert(item);
        }
        assert!(!recent.contains(&1) && [2, 3, 4].iter().all(|item| recent.contains(item)));
    }
}

//! Sets of numbers that are mostly one stretch from 1 on.

use serde::{Deserialize, Serialize};

use crate::direct::letter::MAX_STRETCHES;

/// The numbers of a stream's letters that are here: all up to one, and a few stretches beyond.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ranges {
    through: u64,
    /// First and last number, in order, with a gap before each.
    stretches: Vec<(u64, u64)>,
}

/// It would have more than [`MAX_STRETCHES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

impl Ranges {
    /// All numbers up to this one are in it.
    pub fn through(&self) -> u64 {
        self.through
    }

    /// Those beyond, first and last of each stretch.
    pub fn stretches(&self) -> &[(u64, u64)] {
        &self.stretches
    }

    /// Whether a number is in it.
    pub fn contains(&self, number: u64) -> bool {
        let next = self.stretches.partition_point(|(_, last)| *last < number);
        number <= self.through || self.stretches.get(next).is_some_and(|(first, _)| *first <= number)
    }

    /// The largest number in it; 0 if there is none.
    pub fn last(&self) -> u64 {
        self.stretches.last().map_or(self.through, |(_, last)| *last)
    }

    /// Puts in a number that is not in it.
    pub(super) fn insert(&mut self, number: u64) -> Result<(), Full> {
        let next = self.stretches.partition_point(|(_, last)| *last < number);
        let touches_next = self.stretches.get(next).is_some_and(|(first, _)| number.checked_add(1) == Some(*first));
        let touches_last = match next.checked_sub(1) {
            Some(before) => self.stretches[before].1 + 1 == number,
            None => self.through + 1 == number,
        };
        match (touches_last, touches_next) {
            (false, false) if self.stretches.len() >= MAX_STRETCHES => return Err(Full),
            (false, false) => self.stretches.insert(next, (number, number)),
            (false, true) => self.stretches[next].0 = number,
            (true, touches_next) => {
                let last = if touches_next { self.stretches.remove(next).1 } else { number };
                match next.checked_sub(1) {
                    Some(before) => self.stretches[before].1 = last,
                    None => self.through = last,
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_largest_number_has_its_place() {
        let mut ranges = Ranges::default();
        for number in [u64::MAX, u64::MAX - 1, 1] {
            assert!(!ranges.contains(number));
            ranges.insert(number).unwrap();
            assert!(ranges.contains(number));
        }
        assert_eq!((ranges.through(), ranges.stretches()), (1, &[(u64::MAX - 1, u64::MAX)][..]));
    }

    #[test]
    fn one_stretch_too_many_has_none_and_a_number_that_closes_a_gap_always_has() {
        let mut ranges = Ranges::default();
        for number in 1..=MAX_STRETCHES as u64 {
            ranges.insert(number * 3).unwrap();
        }
        let before = ranges.clone();
        assert_eq!(ranges.insert(3 * MAX_STRETCHES as u64 + 3), Err(Full));
        assert_eq!(ranges, before);
        ranges.insert(1).unwrap();
        ranges.insert(2).unwrap();
        assert_eq!((ranges.through(), ranges.stretches().len()), (3, MAX_STRETCHES - 1));
    }

    proptest! {
        #[test]
        fn it_holds_what_was_put_in_with_a_gap_before_each_stretch(numbers in prop::collection::vec(1u64..120, 0..100)) {
            let (mut ranges, mut set) = (Ranges::default(), BTreeSet::new());
            for number in numbers {
                prop_assert_eq!(ranges.contains(number), set.contains(&number));
                if set.insert(number) {
                    ranges.insert(number).unwrap();
                }
            }
            for number in 1..121 {
                prop_assert_eq!(ranges.contains(number), set.contains(&number));
            }
            prop_assert_eq!(ranges.last(), set.last().copied().unwrap_or(0));
            let mut end = ranges.through();
            for (first, last) in ranges.stretches() {
                prop_assert!(*first > end + 1 && last >= first);
                end = *last;
            }
        }
    }
}

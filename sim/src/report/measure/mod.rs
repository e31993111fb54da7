//! Recorders that a run fills while it goes on. They take little memory, however long it lasts and however much happens.
//!
//! | recorder | holds | memory |
//! |---|---|---|
//! | [`Tally`] | how many values, and their sum | 16 bytes |
//! | [`Histogram`] | how spans of time are distributed, three digits of each | 190 KB |
//! | [`Coarse`] | the same, two digits of each | 30 KB |
//! | [`Buckets`] | one of these for each span of virtual time | at most [`MAX_POINTS`] of them |
//!
//! A [`Buckets`] begins with spans of 5 s. When a run outlasts [`MAX_POINTS`] of them, each two neighbours become one, as
//! often as needed: a chart has between 60 and 120 points, whether the run lasted ten minutes or ten days.

mod buckets;
mod histogram;

pub use buckets::{Buckets, MAX_POINTS, SPAN};
pub use histogram::{Coarse, Digits, Histogram, LONGEST};

/// What can be added to another of its kind, as if both had been recorded in one.
pub trait Merge {
    /// Takes in everything that the other holds.
    fn merge(&mut self, other: &Self);
}

/// How many values there were, and their sum.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Tally {
    /// Values.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
}

impl Tally {
    /// Takes in a value. What is not a number is left out.
    pub fn add(&mut self, value: f64) {
        if value.is_finite() {
            self.count += 1;
            self.sum += value;
        }
    }

    /// Takes in a hit or a miss.
    pub fn hit(&mut self, hit: bool) {
        self.add(if hit { 1.0 } else { 0.0 });
    }

    /// The mean; of hits and misses, the share of hits. `None` when there was nothing.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }
}

impl Merge for Tally {
    fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.sum += other.sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_of_nothing_has_no_mean() {
        assert_eq!(Tally::default().mean(), None);
    }

    #[test]
    fn the_mean_of_hits_is_their_share() {
        let mut tally = Tally::default();
        for hit in [true, true, true, false] {
            tally.hit(hit);
        }
        assert_eq!(tally.mean(), Some(0.75));
    }

    #[test]
    fn what_is_not_a_number_is_left_out() {
        let mut tally = Tally::default();
        tally.add(f64::NAN);
        tally.add(f64::INFINITY);
        tally.add(2.0);
        assert_eq!(tally, Tally { count: 1, sum: 2.0 });
    }
}

//! A set of small numbers.

/// A set of numbers that are given out from 0 on, one bit each.
#[derive(Debug, Clone, Default)]
pub struct Bits {
    words: Vec<u64>,
}

impl Bits {
    /// Puts in a number; `false` when it was in.
    pub fn insert(&mut self, number: u32) -> bool {
        let (word, bit) = (number as usize / 64, 1u64 << (number % 64));
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        let new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        new
    }

    /// Whether a number is in.
    pub fn contains(&self, number: u32) -> bool {
        self.words.get(number as usize / 64).is_some_and(|word| word & (1 << (number % 64)) != 0)
    }

    /// How many are in this set and in the other.
    pub fn count_common(&self, other: &Self) -> u64 {
        self.words.iter().zip(&other.words).map(|(a, b)| u64::from((a & b).count_ones())).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_set(ones in prop::collection::vec(0u32..300, 0..100), others in prop::collection::vec(0u32..300, 0..100)) {
            let fill = |numbers: &[u32]| {
                let (mut bits, mut set) = (Bits::default(), BTreeSet::new());
                for number in numbers {
                    assert_eq!(bits.insert(*number), set.insert(*number));
                }
                (bits, set)
            };
            let ((one, first), (other, second)) = (fill(&ones), fill(&others));
            prop_assert!((0..400).all(|number| one.contains(number) == first.contains(&number)));
            prop_assert_eq!(one.count_common(&other), first.intersection(&second).count() as u64);
        }
    }
}

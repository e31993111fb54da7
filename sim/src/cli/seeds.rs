//! Which seeds a sweep runs: `7`, `1..50` (both ends), `1,5,9`, or several of those with commas.

use std::{collections::BTreeSet, str::FromStr};

/// Seeds of one sweep, at most: at a second each, a day of one core.
pub const MAX_SEEDS: u64 = 100_000;

/// The largest seed: what a scenario's file has a place for.
pub const MAX_SEED: u64 = i64::MAX as u64;

/// Seeds, each once, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seeds(pub BTreeSet<u64>);

/// Text that names no seeds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SeedsError {
    /// Not a number.
    #[error("\"{0}\" is no seed; write a number, a range with both ends (1..50), or several with commas (1,5,9)")]
    Number(String),
    /// More than [`MAX_SEED`].
    #[error("a seed is at most {MAX_SEED}")]
    TooLarge,
    /// The end comes before the beginning.
    #[error("the range {0} is empty; write the smaller number first")]
    Empty(String),
    /// More than [`MAX_SEEDS`].
    #[error("a sweep has at most {MAX_SEEDS} seeds")]
    TooMany,
}

impl FromStr for Seeds {
    type Err = SeedsError;

    fn from_str(text: &str) -> Result<Self, SeedsError> {
        let mut seeds = BTreeSet::new();
        for part in text.split(',').map(str::trim) {
            let (first, last) = match part.split_once("..") {
                Some((first, last)) => (number(first)?, number(last.strip_prefix('=').unwrap_or(last))?),
                None => (number(part)?, number(part)?),
            };
            if last < first {
                return Err(SeedsError::Empty(part.into()));
            }
            if last > MAX_SEED {
                return Err(SeedsError::TooLarge);
            }
            if seeds.len() as u64 + (last - first) >= MAX_SEEDS {
                return Err(SeedsError::TooMany);
            }
            seeds.extend(first..=last);
        }
        Ok(Self(seeds))
    }
}

/// One seed, as `--seed` takes it.
///
/// # Errors
/// In words: it is no number, or too large.
pub fn seed(text: &str) -> Result<u64, String> {
    let number = text.trim().parse().map_err(|_| "write a whole number, 0 or more".to_owned())?;
    if number > MAX_SEED { Err(SeedsError::TooLarge.to_string()) } else { Ok(number) }
}

fn number(text: &str) -> Result<u64, SeedsError> {
    text.trim().parse().map_err(|_| SeedsError::Number(text.into()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn seeds_are_numbers_ranges_and_lists() {
        for (text, seeds) in [
            ("3", vec![3]),
            ("1..4", vec![1, 2, 3, 4]),
            ("1..=4", vec![1, 2, 3, 4]),
            ("1,5,9", vec![1, 5, 9]),
            ("7..8, 2, 8", vec![2, 7, 8]),
            ("9223372036854775807", vec![MAX_SEED]),
        ] {
            assert_eq!(text.parse::<Seeds>(), Ok(Seeds(seeds.into_iter().collect())), "{text}");
        }
    }

    #[test]
    fn what_names_no_seeds_is_refused() {
        for text in ["", "x", "1..", "..5", "1,,2", "-1", "1...3"] {
            assert!(matches!(text.parse::<Seeds>(), Err(SeedsError::Number(_))), "{text}");
        }
        assert_eq!("5..1".parse::<Seeds>(), Err(SeedsError::Empty("5..1".into())));
        assert_eq!("1..100001".parse::<Seeds>(), Err(SeedsError::TooMany));
        assert_eq!("0..9223372036854775807".parse::<Seeds>(), Err(SeedsError::TooMany));
        assert_eq!("9223372036854775808".parse::<Seeds>(), Err(SeedsError::TooLarge));
        assert!(seed("9223372036854775807").is_ok() && seed("9223372036854775808").is_err() && seed("abc").is_err());
        assert_eq!("1..100000".parse::<Seeds>().unwrap().0.len(), 100_000);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[0-9.,= ]{0,30}") {
            let _ = text.parse::<Seeds>();
        }
    }
}

//! Safety numbers: what two people compare to know that nobody stands between them.
//!
//! The idea is that of Signal's safety numbers. Each identity has a fingerprint of 30 digits, made of its key alone; the number of two
//! identities is both fingerprints, the smaller first, so that both sides see the same 60 digits, read aloud or scanned. Who passes
//! off a key of its own as somebody's has to find one with the same fingerprint.
//!
//! A peer id is its key, so that two people who compared both their peer ids, letter by letter, have done the same. The number is one
//! comparison instead of two, and of digits, which can be read aloud in any language.
//!
//! | bound | what it is worth |
//! |---|---|
//! | 30 digits of a fingerprint, 99 bits | what has to be hit, for a given victim: 2^99 keys to be tried on the average |
//! | [`ITERATIONS`] of the hash for each key tried | another 12 bits of work |
//! | any of a million victims | 20 bits less |
//!
//! A number says nothing of what the two do with their keys: who steals one has the number too. Names are not part of it.

use std::fmt;

use crate::ids::{Author, tagged_hash};

/// Digits of a safety number.
pub const DIGITS: usize = 60;

/// Groups in which they are read, of five digits each.
pub const GROUPS: usize = 12;

/// How often the hash is applied to make a fingerprint: as often as Signal does, some milliseconds.
pub const ITERATIONS: usize = 5_200;

/// Groups of one fingerprint.
const HALF: usize = GROUPS / 2;

/// Bytes of the hash that make a group: so many that all groups are alike likely, but for one part in ten millions.
const GROUP_BYTES: usize = 5;

/// Groups are numbers below this.
const GROUP_END: u64 = 100_000;

const TAG: &str = "starling/safety/1";

const _: () = assert!(HALF * GROUP_BYTES <= 32 && GROUPS * 5 == DIGITS);

/// What two people compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SafetyNumber([u32; GROUPS]);

impl SafetyNumber {
    /// The number of two identities, whichever comes first.
    pub fn between(one: &Author, other: &Author) -> Self {
        let (one, other) = (fingerprint(one), fingerprint(other));
        let mut groups = [0; GROUPS];
        let (first, second) = groups.split_at_mut(HALF);
        first.copy_from_slice(&one.min(other));
        second.copy_from_slice(&one.max(other));
        Self(groups)
    }

    /// Its twelve groups of five digits.
    pub fn groups(&self) -> [String; GROUPS] {
        self.0.map(|group| format!("{group:05}"))
    }

    /// Its sixty digits.
    pub fn digits(&self) -> String {
        self.groups().concat()
    }
}

/// The groups, with a blank between them.
impl fmt::Display for SafetyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.groups().join(" "))
    }
}

/// The hash of the key, and then again and again of what came out and the key.
fn fingerprint(identity: &Author) -> [u32; HALF] {
    let mut hash = tagged_hash(TAG, &[&identity.0]);
    for _ in 1..ITERATIONS {
        hash = tagged_hash(TAG, &[&hash, &identity.0]);
    }
    let mut groups = [0; HALF];
    for (group, bytes) in groups.iter_mut().zip(hash.chunks_exact(GROUP_BYTES)) {
        let number = bytes.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
        *group = (number % GROUP_END) as u32;
    }
    groups
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(one: u8, other: u8) -> SafetyNumber {
        SafetyNumber::between(&Author([one; 32]), &Author([other; 32]))
    }

    #[test]
    fn a_safety_number_is_sixty_digits_in_twelve_groups_of_five() {
        let number = number(1, 2);
        let digits = number.digits();
        assert!(digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit()), "{digits}");
        assert!(number.groups().iter().all(|group| group.len() == 5));
        assert_eq!(number.to_string().replace(' ', ""), digits);
        assert_eq!(number.to_string().split(' ').count(), GROUPS);
    }

    #[test]
    fn another_identity_on_either_side_changes_its_half_and_not_the_other() {
        let halves = |number: SafetyNumber| {
            let groups = number.groups();
            [groups[..HALF].concat(), groups[HALF..].concat()]
        };
        let (before, after) = (halves(number(1, 2)), halves(number(1, 3)));
        assert_eq!(before.iter().filter(|half| after.contains(half)).count(), 1);
    }

    #[test]
    fn small_numbers_keep_their_zeros() {
        assert_eq!(SafetyNumber([7; GROUPS]).digits(), "00007".repeat(GROUPS));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn both_sides_see_the_same_number(one: [u8; 32], other: [u8; 32]) {
            let (one, other) = (Author(one), Author(other));
            let number = SafetyNumber::between(&one, &other);
            prop_assert_eq!(number, SafetyNumber::between(&other, &one));
            prop_assert_eq!(one == other, number == SafetyNumber::between(&one, &one));
        }
    }
}

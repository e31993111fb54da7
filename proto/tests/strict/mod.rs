//! Whether a type has one spelling, and nothing else is let in.

use std::fmt::Debug;

use proptest::prelude::*;
use proto::wire;
use serde::{Serialize, de::DeserializeOwned};

/// How bytes may be damaged on the way, or by intent.
#[derive(Debug, Clone)]
pub enum Damage {
    Replace(prop::sample::Index, u8),
    Truncate(prop::sample::Index),
    Append(Vec<u8>),
    Insert(prop::sample::Index, u8),
    Remove(prop::sample::Index),
    /// Spells a small integer in three bytes.
    Overlong(prop::sample::Index),
    /// Puts the largest integer in a byte's place: often a length.
    Huge(prop::sample::Index),
}

pub fn damage() -> impl Strategy<Value = Damage> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        (index(), any::<u8>()).prop_map(|(at, byte)| Damage::Replace(at, byte)),
        index().prop_map(Damage::Truncate),
        prop::collection::vec(any::<u8>(), 1..10).prop_map(Damage::Append),
        (index(), any::<u8>()).prop_map(|(at, byte)| Damage::Insert(at, byte)),
        index().prop_map(Damage::Remove),
        index().prop_map(Damage::Overlong),
        index().prop_map(Damage::Huge),
    ]
}

pub fn damaged(frame: &[u8], damage: &Damage) -> Vec<u8> {
    let mut bytes = frame.to_vec();
    let at = |index: &prop::sample::Index| index.index(frame.len());
    match damage {
        Damage::Replace(index, byte) => bytes[at(index)] = *byte,
        Damage::Truncate(index) => bytes.truncate(at(index)),
        Damage::Append(more) => bytes.extend(more),
        Damage::Insert(index, byte) => bytes.insert(at(index), *byte),
        Damage::Remove(index) => _ = bytes.remove(at(index)),
        Damage::Overlong(index) => {
            let place = at(index);
            _ = bytes.splice(place..=place, [0xfb, frame[place], 0]);
        }
        Damage::Huge(index) => {
            let place = at(index);
            _ = bytes.splice(place..=place, [vec![0xfd], vec![0xff; 8]].concat());
        }
    }
    bytes
}

/// Checks that `bytes` are refused, or are the one encoding of what they are taken for.
pub fn one_spelling<T: Serialize + DeserializeOwned, const LIMIT: usize>(bytes: &[u8]) -> Result<(), TestCaseError> {
    if let Ok(value) = wire::decode::<T, LIMIT>(bytes) {
        prop_assert_eq!(wire::encode(&value), bytes);
    }
    Ok(())
}

/// Checks a value's way there and back, and its frame under damage.
pub fn round_trip<T, const LIMIT: usize>(value: &T, damage: &Damage) -> Result<(), TestCaseError>
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let frame = wire::encode(value);
    let decoded = wire::decode::<T, LIMIT>(&frame);
    prop_assert_eq!(decoded.as_ref(), Ok(value));
    one_spelling::<T, LIMIT>(&damaged(&frame, damage))
}

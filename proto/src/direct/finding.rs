//! Under which keys Kademlia tells of mailboxes.
//!
//! Kademlia keeps no cards: only who may have them. A mailbox provides one key for each recipient that is registered with it, so that
//! whoever writes to the recipient finds its card there, and one that all mailboxes share, so that recipients find a mailbox.

use crate::ids::{Author, tagged_hash};

/// What those provide who hand out this owner's card.
pub fn card_key(owner: &Author) -> [u8; 32] {
    tagged_hash("starling/card-of/1", &[&owner.0])
}

/// What all mailboxes provide.
pub fn mailboxes_key() -> [u8; 32] {
    tagged_hash("starling/mailboxes/1", &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_are_what_other_programs_make_of_them() {
        // SHA-256 of "starling/mailboxes/1" and a zero byte, and the same with another tag and 32 bytes of 7.
        assert_eq!(hex::encode(mailboxes_key()), "3fd3cfe9786e1177d5082ffd61906109b36387fecdbff80832c7077c740f383b");
        assert_eq!(
            hex::encode(card_key(&Author([7; 32]))),
            "f76ce9ff763cdfd0230277ed123224763642c25fa170e9b5ce6d22f2fd387b3c"
        );
    }
}

//! Checks each signature once in a run, however many members it reaches.
//!
//! Whether a signature is good depends on author, bytes and signature only, so that what [`Ed25519`] said once it would say again. A
//! hundred thousand members that hear sixty messages would otherwise spend most of the run on it.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use proto::{
    ids::Author,
    signature::{Ed25519, Signature, Verifier},
};
use sha2::{Digest, Sha256};

/// Signatures remembered, twice over: the newer ones and those before them. At some 100 bytes each, 13 MB. What is older is
/// checked again.
pub const MAX_REMEMBERED: usize = 65_536;

/// A verifier that remembers.
#[derive(Debug, Default)]
pub struct Memo {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    newer: HashMap<[u8; 32], bool>,
    older: HashMap<[u8; 32], bool>,
}

impl Known {
    fn get(&mut self, question: &[u8; 32]) -> Option<bool> {
        if let Some(answer) = self.newer.get(question) {
            return Some(*answer);
        }
        let answer = self.older.remove(question)?;
        self.put(*question, answer);
        Some(answer)
    }

    fn put(&mut self, question: [u8; 32], answer: bool) {
        if self.newer.len() >= MAX_REMEMBERED {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(question, answer);
    }
}

impl Verifier for Memo {
    fn is_good(&self, author: &Author, signed: &[u8], signature: &Signature) -> bool {
        // The first two have a fixed length, so no two questions hash the same bytes.
        let question = Sha256::new().chain_update(author.0).chain_update(signature.to_bytes()).chain_update(signed);
        let question = question.finalize().into();
        // Answers are put in whole: a thread that panicked left none half done.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = known.get(&question) {
            return answer;
        }
        let answer = Ed25519.is_good(author, signed, signature);
        known.put(question, answer);
        answer
    }
}

#[cfg(test)]
mod tests {
    use libp2p::identity::Keypair;

    use super::*;

    fn signed(secret: u8, message: &[u8]) -> (Author, Signature) {
        let keypair = Keypair::ed25519_from_bytes([secret; 32]).unwrap();
        let author = Author::from_public_key(&keypair.public()).unwrap();
        (author, Signature::from_bytes(keypair.sign(message).unwrap().try_into().unwrap()))
    }

    #[test]
    fn it_says_what_ed25519_says_the_first_time_and_later() {
        let memo = Memo::default();
        let (author, signature) = signed(1, b"hello");
        let (stranger, forged) = signed(2, b"hello");
        for _ in 0..3 {
            assert!(memo.is_good(&author, b"hello", &signature));
            assert!(!memo.is_good(&author, b"hallo", &signature));
            assert!(!memo.is_good(&stranger, b"hello", &signature));
            assert!(!memo.is_good(&author, b"hello", &forged));
        }
        assert_eq!(memo.known.lock().unwrap().newer.len(), 4);
    }

    #[test]
    fn it_forgets_the_oldest_when_it_is_full() {
        let mut known = Known::default();
        let question = |number: usize| {
            let mut question = [0; 32];
            question[..8].copy_from_slice(&number.to_le_bytes());
            question
        };
        (0..3 * MAX_REMEMBERED).for_each(|number| known.put(question(number), true));
        assert!(known.newer.len() + known.older.len() <= 2 * MAX_REMEMBERED);
        assert_eq!(known.get(&question(0)), None);
        assert_eq!(known.get(&question(2 * MAX_REMEMBERED - 1)), Some(true));
    }
}

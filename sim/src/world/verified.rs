//! Temporary.
use proto::{
    ids::Author,
    signature::{Ed25519, Signature, Verifier},
};
#[derive(Debug, Default)]
pub struct Memo;
impl Verifier for Memo {
    fn is_good(&self, author: &Author, signed: &[u8], signature: &Signature) -> bool {
        Ed25519.is_good(author, signed, signature)
    }
}

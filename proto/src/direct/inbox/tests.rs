//! One rule each; `properties` has all of them at once.

use super::*;
use crate::{
    direct::{
        letter::{Content, Envelope, MAX_STRETCHES, Receipt, StreamId, Text},
        message::{DirectAnswer, MAX_DISCARDED, Refusal},
    },
    seal::OpenKey,
};
use world::{OWNER, World, author, seal, signer, text};

mod order;
mod people;
mod properties;
mod receipts;
mod refusing;
mod storing;
mod strangers;
pub mod witness;
pub mod world;

const DELIVERED: Option<DirectAnswer> = Some(DirectAnswer::Delivered);

fn refusals(said: &[Output]) -> Vec<(NotTaken, bool)> {
    let refusal = |output: &Output| match output {
        Output::Refused { why, peer } => Some((*why, peer.is_some())),
        _ => None,
    };
    said.iter().filter_map(refusal).collect()
}

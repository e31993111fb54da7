//! What Starling's peers say to each other, and how they decide.
//!
//! Everything here is pure: no clock, no I/O, no global randomness, no iteration in random order.

pub mod backoff;
pub mod call;
pub mod channel;
pub mod chat;
pub mod conduct;
pub mod connectivity;
pub mod event;
pub mod hlc;
pub mod ids;
pub mod live;
pub mod log;
pub mod offence;
pub mod presence;
pub mod rate;
pub mod time;
pub mod wire;

pub use libp2p_identity::{Keypair, PeerId, PublicKey};

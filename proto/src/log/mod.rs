//! The replicated log of a channel.

pub mod message;

//! Authors that wrote two different messages at one position: the proof is kept, and the user told.

use proto::{channel::RoomName, ids::ChannelId, log::Fork};

use super::context::Cx;
use crate::store::Evidence;

/// A log of a room is forked.
pub fn note(cx: &mut Cx, room: &RoomName, channel: ChannelId, fork: Fork) {
    let key = match fork {
        Fork::Noticed { key, seq, theirs } => {
            cx.reads.own_branch(channel, key, seq, theirs);
            key
        }
        Fork::Proven { key, runs } => {
            cx.journal.evidence(Evidence { channel, key, runs });
            key
        }
    };
    let author = key.author.peer_id().map_or_else(|| key.author.to_string(), |peer| peer.to_string());
    cx.warn(format!(
        "{author} wrote two different messages at one position in '{room}' (a cloned data directory, or malice): nothing more \
         is taken of that log"
    ));
}

//! Who is served while more are interested than can be.

use std::{cmp::Reverse, collections::BTreeMap};

use libp2p_identity::PeerId;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{
    NEWCOMER_WEIGHT, OPTIMISTIC_OF, ROTATE_MS,
    peer::{Peer, Standing},
};
use crate::time::Now;

/// How a peer stands among others: the least comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Merit {
    /// It gave us so much.
    Gives(Reverse<u64>),
    /// It gives nothing, and is served since then, not for long yet.
    Takes(Reverse<u64>),
    /// It is not served, and was last at this time.
    Waits(Option<u64>),
    /// It was served for long.
    HadEnough(u64),
}

fn merit(now: Now, peer: &Peer) -> Merit {
    let given = peer.given(now);
    match peer.standing {
        _ if given > 0 => Merit::Gives(Reverse(given)),
        Standing::Choked => Merit::Waits(peer.served_ms),
        Standing::Regular(since) | Standing::Optimistic(since) if now.mono_ms >= since.saturating_add(ROTATE_MS) => {
            Merit::HadEnough(since)
        }
        Standing::Regular(since) | Standing::Optimistic(since) => Merit::Takes(Reverse(since)),
    }
}

/// Those who are to be served from now on, so many at most, and whether by merit.
pub fn choose(now: Now, slots: usize, peers: &BTreeMap<PeerId, Peer>, rng: &mut ChaCha8Rng) -> BTreeMap<PeerId, bool> {
    let interested: Vec<(&PeerId, &Peer)> = peers.iter().filter(|(_, peer)| peer.is_interested()).collect();
    if interested.len() <= slots {
        return interested.into_iter().map(|(id, _)| (*id, true)).collect();
    }
    let mut by_merit: Vec<(Merit, PeerId)> = interested
        .iter()
        .filter(|(_, peer)| !peer.is_snubbing(now))
        .map(|(id, peer)| (merit(now, peer), **id))
        .collect();
    by_merit.sort_unstable();
    let mut chosen: BTreeMap<PeerId, bool> =
        by_merit.into_iter().take(slots - slots / OPTIMISTIC_OF).map(|(_, id)| (id, true)).collect();
    for (id, peer) in interested {
        if chosen.len() < slots && peer.has_its_chance(now) && !peer.is_snubbing(now) {
            chosen.entry(*id).or_insert(false);
        }
    }
    while chosen.len() < slots
        && let Some(id) =
            by_chance(now, peers.iter().filter(|(id, peer)| peer.is_interested() && !chosen.contains_key(id)), rng)
    {
        chosen.insert(id, false);
    }
    chosen
}

/// One of these: newcomers more likely, those who had their chance only if all others have one, and those who take and do not give only if
/// there is nobody else.
pub fn by_chance<'a>(
    now: Now,
    peers: impl Iterator<Item = (&'a PeerId, &'a Peer)>,
    rng: &mut ChaCha8Rng,
) -> Option<PeerId> {
    let rank = |peer: &Peer| (peer.is_snubbing(now), peer.is_served());
    let mut pool: Vec<_> = peers.collect();
    let best = pool.iter().map(|(_, peer)| rank(peer)).min()?;
    pool.retain(|(_, peer)| rank(peer) == best);
    let weight = |peer: &Peer| if peer.served_ms.is_none() { NEWCOMER_WEIGHT } else { 1 };
    let all: u32 = pool.iter().map(|(_, peer)| weight(peer)).sum();
    let mut left = rng.random_range(0..all.max(1));
    for (id, peer) in pool {
        match left.checked_sub(weight(peer)) {
            Some(rest) => left = rest,
            None => return Some(*id),
        }
    }
    None
}

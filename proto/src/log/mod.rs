//! The replicated log of a channel: how every member comes to hold every event, with nobody in charge.
//!
//! # The protocol in prose
//!
//! Each member of a channel writes logs of its own: numbered, hash-chained, signed ([`crate::event`]). A [`Replica`] is one
//! member's copy of all logs of one channel. Events reach it in two ways:
//!
//! - **Live.** Who writes an event makes it durable, then publishes it on the channel's gossip topic as a run. Who receives
//!   it verifies it, makes it durable, shows it to its user and lets gossip pass it on. Gossip is best effort.
//! - **Repair.** When two members connect, every 30 s with one member at random, and shortly after repair brought something
//!   new, a replica asks a peer to *compare*: it sends a hash over its *vector*, the list of how far it holds each log. Equal
//!   hashes end it. Else the peer answers with its vector; each side then knows what it lacks and *pulls* those ranges, from
//!   several peers at a time when it can. Repair is what makes "nothing lost" true.
//!
//! Nobody is ever pushed anything but live gossip, so each node decides how much is under way, and stops asking while its
//! disk is behind.
//!
//! # An event's way through a replica
//!
//! | state | where | leaves it when |
//! |---|---|---|
//! | requested | `planner`: claimed by one request to one peer | the answer comes, or the request fails |
//! | waiting | `pending`: verified, but its predecessor is missing | the predecessor comes; or dropped when space runs out |
//! | committing | `commits`: tip of its log, handed to the store | the store answers: durable; or fails: everything after the durable head is forgotten and repaired later |
//! | durable | [`shelf`]: part of the vector we show and the ranges we serve | never |
//! | deferred | `deferred`: durable, but claims a time over a minute ahead | it is due |
//! | emitted | shown to the user, exactly once a run of the program | - |
//!
//! # Forks
//!
//! An author that signs two different events at one position of one log has broken its log: a cloned data directory, or
//! malice. Whoever notices keeps the other branch as evidence beside its own, *freezes* the log (takes nothing more of it),
//! tells its user, and shows the evidence to whoever asks, so that all members freeze it. Since every event names its
//! predecessor, a fork cannot hide: the branches' descendants do not link.
//!
//! # Parts
//!
//! [`Replica`] connects them and holds nothing else. Each owns its state; none knows the replica.
//!
//! | module | what it owns or decides |
//! |---|---|
//! | `interface` | what goes into a replica and comes out of it |
//! | `writer` | our own writing: the log, its clock, the signature |
//! | `checking` | whether a run or a proof is what it claims to be |
//! | [`shelf`] | how far each log is held, and how a run fits |
//! | `pending`, `commits`, `deferred` | events that wait: for a predecessor, for the disk, for their time |
//! | `answering` | what a peer's question is answered with |
//! | `asking` | the exchange with the peers we ask; its parts are |
//! | `schedule` | when to ask |
//! | `planner` | whom to ask for what, by `holdings` (what each peer holds) and `questions` (what is under way) |
//!
//! # Bounds
//!
//! See the constants here and in [`message`]. Papers: Parker et al., "Detection of Mutual Inconsistency in Distributed
//! Systems" (1983), for version vectors; Demers et al., "Epidemic Algorithms for Replicated Database Maintenance" (1987), for
//! anti-entropy; Kermarrec, Lavoie, Tschudin, "Gossiping with Append-Only Logs" (2020).

mod answering;
mod asking;
mod checking;
mod commits;
mod deferred;
mod holdings;
mod interface;
pub mod message;
mod pending;
mod planner;
mod questions;
mod replica;
mod schedule;
pub mod shelf;
mod writer;

pub use interface::*;
pub use replica::Replica;

/// Logs in one channel: each costs about 250 bytes of memory. Further logs are not taken; the author's offence it is not, so
/// nobody is penalised.
pub const MAX_LOGS: usize = 65_536;

/// Logs of one author in one channel: a new one is made with each new store, so honest authors have a handful.
pub const MAX_LOGS_PER_AUTHOR: usize = 64;

/// Bytes handed to the store and not yet durable. At this point no more is asked of peers, live events are left to repair,
/// and publishing is refused.
pub const MAX_COMMITTING_BYTES: usize = 16 * 1024 * 1024;

/// Bytes of runs that wait for a predecessor. When full, a further one is dropped; repair brings it again.
pub const MAX_PENDING_BYTES: usize = 16 * 1024 * 1024;

/// Bytes of those that live events may fill, and above which nothing is asked for whose predecessor is missing too: a flood
/// of events that never link must not keep repair from working.
pub const MAX_PENDING_LIVE_BYTES: usize = 4 * 1024 * 1024;

/// Bytes of our own events in one live message. A larger event travels alone.
pub const MAX_LIVE_RUN_BYTES: usize = 32 * 1024;

/// Bytes of durable events that wait to be due. When full, events from the future are left to a later repair.
pub const MAX_DEFERRED_BYTES: usize = 4 * 1024 * 1024;

/// Logs of which we remember that a peer holds more, per peer. The rest is learned with the next comparison.
pub const MAX_LEARNED: usize = 2_048;

/// Range requests under way in one channel, over all peers.
pub const MAX_RANGES_IN_FLIGHT: usize = 8;

/// Range requests under way to one peer: one travels while the other is served.
pub const MAX_RANGES_PER_PEER: usize = 2;

/// Of the range requests under way, those to members that left a question open since they last brought something: members that
/// promise and do not deliver must not take the turns of those who would.
pub const MAX_BARREN_RANGES_IN_FLIGHT: usize = MAX_RANGES_IN_FLIGHT / 2;

/// Questions about evidence under way to one peer.
pub const MAX_EVIDENCE_PER_PEER: usize = 2;

/// Milliseconds between periodic comparisons with one random peer, ± [`COMPARE_JITTER_MS`].
pub const COMPARE_INTERVAL_MS: u64 = 30_000;

/// Milliseconds by which the interval varies, so that a room's members do not all compare at once.
pub const COMPARE_JITTER_MS: u64 = 6_000;

/// Milliseconds that a gap in live events may last before it is pulled: gossip often delivers out of order.
pub const GAP_PATIENCE_MS: u64 = 300;

/// Milliseconds after repair brought news until other peers are compared with, so that news is collected first.
pub const SPREAD_DELAY_MS: u64 = 200;

/// Milliseconds between two such comparisons while a long repair goes on: each may cost an exchange of vectors.
pub const SPREAD_INTERVAL_MS: u64 = 2_000;

/// Peers compared with after repair brought news.
pub const SPREAD_PEERS: usize = 8;

/// Milliseconds until a peer that failed to answer is asked again; doubles up to [`COMPARE_INTERVAL_MS`].
pub const RETRY_MS: u64 = 1_000;

const _: () = assert!(COMPARE_JITTER_MS < COMPARE_INTERVAL_MS);
const _: () = assert!(MAX_PENDING_BYTES >= MAX_PENDING_LIVE_BYTES + MAX_RANGES_IN_FLIGHT * message::MAX_RUNS_BYTES);

//! What Starling's peers say to each other, and how they decide.
//!
//! Everything here is pure: no clock, no I/O, no global randomness, no iteration in random order. docs/PROTOCOL.md tells the
//! same for those who write a peer in another language.
//!
//! **Machines** decide. Each is driven alike: `handle` tells it what happened, `poll_output` says what to do about it,
//! `poll_timeout` when to call `handle_timeout`. Whoever drives one gives it the time ([`time::Now`]) and a seed.
//!
//! | module | machine | decides |
//! |---|---|---|
//! | [`log`] | [`log::Replica`] | how every member of a channel comes to hold every event |
//! | [`presence`] | [`presence::Presence`] | who is in a room now |
//! | [`connectivity`] | [`connectivity::Connectivity`] | whom to dial, whom to disconnect, whom to remember |
//! | [`direct::outbox`] | [`direct::outbox::Outbox`] | how our letters get to those for whom they are |
//! | [`direct::keys`] | [`direct::keys::KeyRing`] | for which key letters to us are sealed, and which old keys still open them |
//! | [`direct::inbox`] | [`direct::inbox::Inbox`] | which letters to us are new, when they are acknowledged and shown |
//! | [`direct::mailbox`] | [`direct::mailbox::Keeper`] | which letters to keep for recipients that are away |
//! | [`direct::collecting`] | [`direct::collecting::Collector`] | which mailboxes to use, and when to ask them |
//! | [`private::rooms`] | [`private::rooms::PrivateRooms`] | which private rooms we have, with which secrets, and whom to tell of a new one |
//! | [`transfer::survey`] | [`transfer::survey::Survey`] | whom to ask what a share consists of |
//! | [`transfer::download`] | [`transfer::download::Downloads`] | which block of a file to ask of which peer |
//! | [`transfer::upload`] | [`transfer::upload::Uploads`] | whom to serve blocks of files, in which order, how fast |
//! | [`reachability`] | [`reachability::Reachability`] | whether others reach us directly, and where |
//! | [`relays`] | [`relays::Reservations`] | through which relays others reach us |
//! | [`conduct`] | [`conduct::Conduct`] | how much misbehaviour is too much |
//!
//! **What travels**
//!
//! | module | what |
//! |---|---|
//! | [`ids`] | the names of things: channels, events, authors, logs, blobs |
//! | [`channel`] | rooms and their ids, and who may write in them |
//! | [`signature`] | who signs, and who says whether a signature is good |
//! | [`direct`] | letters between two people, and what carries them |
//! | [`blob`] | files and folders: hash trees, manifests, links, and the parts in which they travel |
//! | [`seal`] | bytes that one key alone can open |
//! | [`private`] | rooms that only those with an invitation can read, and the invitation |
//! | [`event`] | events, signed and hash-chained, and runs of them |
//! | [`hlc`] | the time that an event claims |
//! | [`chat`] | the body of a message in a room |
//! | [`live`] | what gossip carries |
//! | [`call`] | what one peer asks another, and the answers |
//! | [`transfer::message`] | the same about files, and what goes over the streams that carry them |
//! | [`wire`] | the encoding of all of it |
//! | [`offence`] | how a peer can break the protocol |
//!
//! **Tools** of the machines
//!
//! | module | what |
//! |---|---|
//! | [`time`] | instants and deadlines |
//! | [`backoff`] | how long to wait after failures, and jitter |
//! | [`rate`] | token buckets |
//! | [`recent`] | the last so many different things |
//! | [`schedule`] | deadlines of many, the earliest at hand |
//! | [`commits`] | what is on its way to the store |
//! | [`inbound`] | how much one neighbour may send by gossip |
//! | [`linking`] | links as text, with a check sum |

pub mod backoff;
pub mod blob;
pub mod call;
pub mod channel;
pub mod chat;
mod clock;
pub mod commits;
pub mod conduct;
pub mod connectivity;
pub mod direct;
pub mod event;
pub mod hlc;
pub mod ids;
pub mod inbound;
pub mod linking;
pub mod live;
pub mod log;
pub mod offence;
pub mod presence;
pub mod private;
pub mod rate;
pub mod reachability;
pub mod recent;
pub mod relays;
pub mod schedule;
pub mod seal;
pub mod signature;
#[cfg(test)]
pub(crate) mod testing;
pub mod time;
pub mod transfer;
pub mod wire;

pub use libp2p_identity::{Keypair, PeerId, PublicKey};

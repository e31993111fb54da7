//! Many Starling nodes in one process, in virtual time, from one seed.
//!
//! Not models of nodes: the same library that people run, with its swarm, gossip, Kademlia and store, over a simulated network. What a
//! thousand nodes do in ten minutes of bad weather can thus be seen in one minute, and seen again.
//!
//! | module | what it is |
//! |---|---|
//! | [`scenario`] | what a run is about: hosts, network, what happens, what must come of it; read from TOML |
//! | [`net`] | the simulated network: latency, loss, bandwidth, NATs, partitions; a libp2p transport over it |
//! | [`world`] | the run itself: hosts that come and go, users that talk, invariants |
//! | [`hostile`] | hosts that do not keep to the protocol |
//! | [`cores`] | the same with the state machines of `proto` alone, for very many hosts |
//! | [`progress`], [`memo`] | how far a run is; signatures that were checked once |
//! | `truth` | what is in the files that are shared |
//! | [`report`] | what a run leaves: figures, checks, charts |
//! | [`Sim`] | a scenario put together in a few calls, for tests |
//! | [`cli`] | the program `sim` |
//!
//! A run has a thread and a tokio runtime of its own, whose clock is paused: when nothing is left to do at one instant, time jumps to
//! the next timer. Computing costs no virtual time. The clock and the randomness of the system are replaced on that thread
//! ([`interpose`]), so that one seed gives one history. Since libp2p numbers connections for the whole process, that
//! holds for the first run of a process; `sim` makes one run in each.

mod builder;
pub mod cli;
pub mod cores;
pub mod hostile;
pub mod memo;
pub mod net;
mod process;
pub mod progress;
mod random;
pub mod report;
pub mod scenario;
mod trace;
mod truth;
pub mod world;

pub use builder::{Sim, group};

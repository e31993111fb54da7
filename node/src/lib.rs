//! The Starling node: swarm, store, API and command line. What peers say and how they decide is in the crate `proto`;
//! docs/ARCHITECTURE.md tells how it all works together.
//!
//! | module | what |
//! |---|---|
//! | [`swarm`] | the one task that owns the libp2p swarm, the replicas and presence; [`swarm::start`] makes a node |
//! | [`handle`] | typed calls to that task, for everyone else |
//! | [`transport`] | addresses, and the stack beneath every stream |
//! | [`store`] | what must survive: events, rooms and known peers |
//! | [`files`] | files on this machine: what can be shared of them, and their hash trees |
//! | [`letters`] | direct messages as they are kept, and read for the user |
//! | [`clock`], [`spawn`] | where time comes from, and what runs a node's tasks |
//! | [`identity`], [`secret_file`] | the key that is this node, and files that only their owner may read |
//! | [`data_dir`] | where the files are, and how programs on one machine find each other |
//! | [`config`] | what the user asks of a node |
//! | [`people`] | whom a user means by a name or a part of a peer id |
//! | [`model`], [`view`] | what users see, and how stored events become that |
//! | [`api`] | the HTTP API |
//! | [`cli`] | the program: the node in the foreground, and the clients of a running one |

pub mod announced;
pub mod api;
pub mod cli;
pub mod clock;
pub mod config;
pub mod data_dir;
pub mod files;
pub mod handle;
pub mod identity;
pub mod letters;
pub mod model;
pub mod people;
pub mod secret_file;
pub mod spawn;
pub mod store;
pub mod swarm;
pub mod transport;
pub mod view;

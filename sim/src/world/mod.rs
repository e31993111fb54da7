//! The run itself: hosts that come and go, users that talk, a network that fails, and what must hold all the while.
//!
//! | file | what |
//! |---|---|
//! | `runtime` | the thread and the paused clock of a run |
//! | `engine` | the loop: takes the next action from the timetable and carries it out |
//! | `timetable` | what is going to happen when |
//! | `population` | who is up, starting and ending hosts |
//! | `host`, `clock`, `disk`, `tasks` | one host: what a node is built of |
//! | `shared`, `ledger`, `history` | what nodes report: said, shown, connected |
//! | `letters`, `mail` | direct messages: writing them, and the account of them |
//! | `sharing`, `files`, `vault` | files: fetching them, the account of them, and where hosts keep them |
//! | `trace`, `gossip` | what is read off the wire: the hash of the run, copies of messages |
//! | `verify` | the invariants |
//! | `samples`, `outcome` | the report |
//!
//! | invariant | verified |
//! |---|---|
//! | what a node acknowledged is on its disk, whatever happened to it | whenever a host starts again, and at the end |
//! | no message is shown to a user twice | at every message |
//! | a direct message is with its recipient once, is what its author wrote, is lost by nobody, and is as far as its author is told | at every message, whenever a host starts again, and at the end |
//! | no file is completed with a wrong byte; what is complete is all there, and stays so | at every block, whenever a host starts again, and at the end |
//! | a direct message arrives within [`crate::scenario::Invariants::deliver_s`] in which nothing was in its way | every second |
//! | hosts of a room that can talk hold the same within [`crate::scenario::Invariants::converge_s`] of quiet | every second of quiet, and at the end |
//!
//! A breach ends the run. Its report names the seed, the time, and what the hosts concerned did last.

mod clock;
mod disk;
mod engine;
mod files;
mod gossip;
mod history;
mod host;
mod ledger;
mod letters;
mod mail;
mod outcome;
mod population;
mod runtime;
mod samples;
mod shared;
mod sharing;
mod tasks;
mod timetable;
mod trace;
mod vault;
mod verify;

pub use runtime::run;

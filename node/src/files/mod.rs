//! Files on this machine: what can be shared of them, and their hash trees. Nothing here knows of the network, and nothing of it runs on
//! the swarm's task: bytes are read by threads of their own.
//!
//! | file | owns |
//! |---|---|
//! | `scan` | what a path holds that can be shared, or why it cannot |
//! | `hashing` | the hash trees of many files, by as many threads as there are cores |
//! | `select` | which files of a share the user wants |
//! | `stamp` | how a file is known again, and that it has changed |
//! | `import` | both together: what a share consists of |
//! | `open_files` | open files, so many at a time |
//! | `platter` | what a share that is being fetched asks of the disk |
//! | `partial` | a share that is being fetched |
//! | `vault` | what this node has of shares, durable |

mod hashing;
mod import;
mod open_files;
mod partial;
mod platter;
mod scan;
mod select;
mod stamp;
pub mod vault;

pub use hashing::{HashError, Progress, hash_files};
pub use import::{Import, ImportError, Imported, import, import_from};
pub use open_files::{FileKey, OpenFiles};
pub use partial::{MAX_OPEN_FILES, Partial, PartialError, Shape};
use partial::{MAX_SYNCED_ALONE, part_of};
pub use platter::{Platter, RealPlatter};
pub use scan::{Found, Scan, ScanError, Symlinks, scan};
pub use select::{InvalidSelect, Select};
pub use stamp::Stamp;

/// Takes a lock. What a thread that panicked left under any of those that are taken so is as it was before or after a change, for each is
/// made at once.
pub(crate) fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_partial;

//! Where a node keeps its files, and how nodes and clients on one machine find each other.
//!
//! With an explicit directory, that directory is the node's. Without one, nodes share a base directory and each takes the
//! first slot `<base>/1`, `<base>/2`, … that no other node holds, so that a second terminal just works.
//!
//! | file | what | mode |
//! |---|---|---|
//! | `lock` | locked while a node runs; holds its process id | 0600 |
//! | `node.json` | [`Runtime`]: how to reach the running node; only believed while the lock is held | 0600 |
//! | `identity.key`, `api-token` | secrets, made once | 0600 |
//! | `node.log`, `prompt-history` | written while a prompt is open | 0600 |

use std::{
    fs::{self, DirBuilder, File, TryLockError},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::secret_file;

/// The environment variable that names the data directory.
pub const ENVIRONMENT: &str = "STARLING_DATA_DIR";

/// Slots tried. More nodes than this on one machine are started by scripts, which can name directories.
const MAX_SLOTS: usize = 64;

/// Tries to take a lock. A client that checks a lock holds it for a moment, and a node must not mistake it for a node.
const LOCK_TRIES: u32 = 5;

/// Milliseconds between two tries.
const LOCK_RETRY_MS: u64 = 10;

/// Bytes of `node.json` read at most: a few hundred addresses fit.
const MAX_RUNTIME_BYTES: u64 = 64 * 1024;

/// Why there is no data directory.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another node holds it.
    #[error(
        "the data directory {path} is in use by another node{holder}; stop that node, or choose another --data-dir"
    )]
    InUse {
        /// Which.
        path: String,
        /// ` (process 1234)`, when known.
        holder: String,
    },
    /// All slots are held.
    #[error("all {MAX_SLOTS} data directories under {path} are in use; choose one with --data-dir")]
    NoFreeSlot {
        /// The base directory.
        path: String,
    },
    /// No home directory.
    #[error("cannot tell where your data directory is ({reason}); choose one with --data-dir or {ENVIRONMENT}")]
    NoHome {
        /// Why.
        reason: String,
    },
    /// The file system refuses.
    #[error("cannot use the data directory {path}: {reason}; choose another with --data-dir")]
    Io {
        /// Which.
        path: String,
        /// Why.
        reason: io::Error,
    },
}

/// How to reach a running node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runtime {
    /// Base URL of its API.
    pub api: String,
    /// Its peer id.
    pub peer_id: String,
    /// Full multiaddrs on which it listens.
    pub listen: Vec<String>,
    /// Its process id.
    pub pid: u32,
}

/// Where to look for data: one directory, or the slots under a base directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// This directory and no other.
    Explicit(PathBuf),
    /// The first suitable slot under this directory.
    Slots(PathBuf),
}

impl Place {
    /// The directory chosen by the user, else the slots under the platform's data directory.
    ///
    /// # Errors
    /// [`DataDirError::NoHome`].
    pub fn resolve(chosen: Option<&Path>) -> Result<Self, DataDirError> {
        use etcetera::base_strategy::{BaseStrategy, choose_native_strategy};
        if let Some(path) = chosen {
            return Ok(Self::Explicit(path.into()));
        }
        let strategy = choose_native_strategy().map_err(|error| DataDirError::NoHome { reason: error.to_string() })?;
        Ok(Self::Slots(strategy.data_dir().join("starling")))
    }

    fn directories(&self) -> Vec<PathBuf> {
        match self {
            Self::Explicit(path) => vec![path.clone()],
            Self::Slots(base) => (1..=MAX_SLOTS).map(|slot| base.join(slot.to_string())).collect(),
        }
    }

    /// The first node that runs here, and its directory.
    pub fn running(&self) -> Option<(PathBuf, Runtime)> {
        self.directories().into_iter().find_map(|path| running(&path).map(|runtime| (path, runtime)))
    }
}

/// The node that runs in `directory`, if one does. What a killed node left behind counts as none.
pub fn running(directory: &Path) -> Option<Runtime> {
    let mut text = String::new();
    File::open(directory.join("node.json")).ok()?.take(MAX_RUNTIME_BYTES).read_to_string(&mut text).ok()?;
    let runtime = serde_json::from_str(&text).ok()?;
    is_held(directory).then_some(runtime)
}

/// Whether a process holds `directory`.
pub fn is_held(directory: &Path) -> bool {
    File::open(directory.join("lock")).is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// A data directory that this process holds. Dropping it gives it up.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    place: Place,
    // Holds the lock as long as it lives.
    _lock: File,
}

impl DataDir {
    /// Takes the directory, or the first free slot, and makes it when it does not exist.
    ///
    /// # Errors
    /// [`DataDirError`].
    pub fn take(place: Place) -> Result<Self, DataDirError> {
        for path in place.directories() {
            match lock(&path).map_err(|reason| DataDirError::Io { path: path.display().to_string(), reason })? {
                Locked::Ours(lock) => {
                    // Left by a node that was killed.
                    let _ = fs::remove_file(path.join("node.json"));
                    return Ok(Self { path, place, _lock: lock });
                }
                Locked::Taken { holder } if matches!(place, Place::Explicit(_)) => {
                    return Err(DataDirError::InUse { path: path.display().to_string(), holder });
                }
                Locked::Taken { .. } => {}
            }
        }
        let (Place::Explicit(path) | Place::Slots(path)) = &place;
        Err(DataDirError::NoFreeSlot { path: path.display().to_string() })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Tells clients and other nodes how to reach this one.
    ///
    /// # Errors
    /// Any error of the file system.
    pub fn publish(&self, runtime: &Runtime) -> io::Result<()> {
        secret_file::replace(&self.path.join("node.json"), &serde_json::to_vec_pretty(runtime)?)
    }

    /// Takes back what [`DataDir::publish`] told.
    pub fn withdraw(&self) {
        if let Err(error) = fs::remove_file(self.path.join("node.json"))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!("cannot remove node.json: {error}");
        }
    }

    /// Nodes that run in the other slots; none when the directory was chosen explicitly.
    pub fn siblings(&self) -> Vec<Runtime> {
        match &self.place {
            Place::Explicit(_) => Vec::new(),
            slots @ Place::Slots(_) => {
                slots.directories().iter().filter(|path| **path != self.path).filter_map(|path| running(path)).collect()
            }
        }
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        self.withdraw();
    }
}

enum Locked {
    Ours(File),
    Taken { holder: String },
}

fn lock(directory: &Path) -> io::Result<Locked> {
    make_private_directory(directory)?;
    let mut file = secret_file::private_options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(directory.join("lock"))?;
    for attempt in 1.. {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if attempt < LOCK_TRIES => {
                std::thread::sleep(Duration::from_millis(LOCK_RETRY_MS));
            }
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                // Where a locked file cannot be read, the error does without the process id.
                let _ = file.take(20).read_to_string(&mut pid);
                let holder = pid.trim().parse::<u32>().map(|pid| format!(" (process {pid})")).unwrap_or_default();
                return Ok(Locked::Taken { holder });
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())?;
    Ok(Locked::Ours(file))
}

fn make_private_directory(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runtime(pid: u32) -> Runtime {
        Runtime { api: "http://127.0.0.1:1".into(), peer_id: "peer".into(), listen: vec!["/ip4/1.2.3.4".into()], pid }
    }

    #[test]
    fn nodes_without_a_chosen_directory_take_slots_in_order_and_free_them() {
        let base = tempfile::tempdir().unwrap();
        let place = Place::Slots(base.path().join("starling"));
        let first = DataDir::take(place.clone()).unwrap();
        let second = DataDir::take(place.clone()).unwrap();
        assert_eq!(first.path(), base.path().join("starling/1"));
        assert_eq!(second.path(), base.path().join("starling/2"));
        drop(first);
        assert_eq!(DataDir::take(place).unwrap().path(), base.path().join("starling/1"));
    }

    #[test]
    fn an_explicit_directory_in_use_is_refused_with_the_holder_and_the_way_out() {
        let base = tempfile::tempdir().unwrap();
        let place = Place::Explicit(base.path().join("data"));
        let _held = DataDir::take(place.clone()).unwrap();
        let error = DataDir::take(place).unwrap_err().to_string();
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
        assert!(error.contains("--data-dir"), "{error}");
    }

    #[test]
    fn a_runtime_file_is_believed_only_while_its_node_holds_the_lock() {
        let base = tempfile::tempdir().unwrap();
        let place = Place::Slots(base.path().into());
        assert_eq!(place.running(), None);
        let node = DataDir::take(place.clone()).unwrap();
        node.publish(&runtime(7)).unwrap();
        assert_eq!(place.running(), Some((base.path().join("1"), runtime(7))));
        let text = fs::read(base.path().join("1/node.json")).unwrap();
        drop(node);
        // What a killed node leaves behind.
        fs::write(base.path().join("1/node.json"), text).unwrap();
        assert_eq!(place.running(), None);
        let again = DataDir::take(place.clone()).unwrap();
        assert_eq!(place.running(), None, "the old file does not speak for the new node");
        drop(again);
    }

    #[test]
    fn siblings_see_each_other_and_not_themselves() {
        let base = tempfile::tempdir().unwrap();
        let place = Place::Slots(base.path().into());
        let first = DataDir::take(place.clone()).unwrap();
        first.publish(&runtime(1)).unwrap();
        let second = DataDir::take(place).unwrap();
        second.publish(&runtime(2)).unwrap();
        assert_eq!(second.siblings(), [runtime(1)]);
        assert_eq!(first.siblings(), [runtime(2)]);
        let elsewhere = tempfile::tempdir().unwrap();
        assert!(DataDir::take(Place::Explicit(elsewhere.path().into())).unwrap().siblings().is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn directory_and_files_are_private() {
        use std::os::unix::fs::PermissionsExt;
        let base = tempfile::tempdir().unwrap();
        let data = DataDir::take(Place::Explicit(base.path().join("a/b"))).unwrap();
        data.publish(&runtime(1)).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(data.path()), 0o700);
        assert_eq!(mode(&data.path().join("lock")), 0o600);
        assert_eq!(mode(&data.path().join("node.json")), 0o600);
    }

    #[test]
    fn a_file_in_place_of_the_directory_is_a_clear_error() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("file");
        fs::write(&path, "").unwrap();
        let error = DataDir::take(Place::Explicit(path)).unwrap_err().to_string();
        assert!(error.contains("cannot use the data directory"), "{error}");
    }
}

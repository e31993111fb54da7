//! Opening a store, making one, and setting a damaged one aside.
//!
//! | what is met | what happens |
//! |---|---|
//! | nothing | a new store is made; `format` is written last, once all else is durable |
//! | a newer format | [`OpenError::Newer`] |
//! | a lock, a missing permission, a full disk, a failing one | an error; nothing is moved |
//! | corruption, a panic, a value that does not decode, fewer commits than the witness saw | set aside, a new store |
//! | the `suspect` mark | everything is verified; if it holds, the mark goes, else as above |

use std::{
    fs, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{atomic::AtomicBool, mpsc::sync_channel},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ::sled::Db;
use proto::{ids::LogId, wire};

use super::{
    Fault, Opened, Options, READ_QUEUE_REQUESTS, SledStore, WRITE_QUEUE_REQUESTS,
    disk::{MakeSyncer, Syncer, Witness, create_private_directory, free_bytes, make_private, write_file},
    health::{Health, SUSPECT},
    index::{Index, SharedIndex},
    keys,
    reader::Reader,
    records::{LogRecord, Meta, decode},
    verify::verify,
    writer::Writer,
};
use crate::{
    secret_file::sync_directory,
    store::{KnownPeer, Snapshot, peers::PeerTable},
};

/// The version of the format that this program writes.
const FORMAT: u32 = 1;

/// What the `format` file starts with.
const FORMAT_NAME: &str = "starling-store ";

/// Bytes free below which the disk counts as full: the database is not opened, and a failure to open it is put down to that.
const FULL_BYTES: u64 = 1024 * 1024;

/// Between two tries to open a database that is in use. Nobody tells when it is not any more.
const LOCK_WAIT: Duration = Duration::from_millis(50);

/// Tries after the first: two seconds of them. What is in use for longer is so by another node.
const LOCK_TRIES: u32 = 40;

/// Why a store cannot be opened. Nothing was changed; the user can mend it.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("the store in {0} is in use by another node; stop that one, or choose another data directory")]
    InUse(PathBuf),
    /// A later version of this program wrote it.
    #[error("the store in {path} has format {found}, this program knows {FORMAT}; use a newer version of the program")]
    Newer {
        /// Where.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// The disk is full.
    #[error("no space is left on the disk of {0}; free some, then try again")]
    DiskFull(PathBuf),
    /// A permission is missing.
    #[error("{0} cannot be read and written; check who owns it and its permissions")]
    Permission(PathBuf),
    /// The disk or the system refuses.
    #[error("{path} cannot be opened: {reason}; check the disk, or choose another data directory")]
    Io {
        /// Where.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
}

/// What stands between a directory and an open store.
enum Trouble {
    /// The files are not what was written.
    Damage(String),
    /// Anything else.
    Error(OpenError),
}

/// A database that was opened and looked through.
struct Loaded {
    db: Db,
    meta: Meta,
    index: Index,
    rooms: Vec<String>,
    peers: PeerTable,
    syncer: Box<dyn Syncer>,
    witness: Witness,
}

/// See [`SledStore::open`].
pub(super) fn open(directory: &Path, options: &Options, make_syncer: &MakeSyncer<'_>) -> Result<Opened, OpenError> {
    let (loaded, set_aside) = match load_when_free(directory, options, make_syncer) {
        Ok(loaded) => (loaded, None),
        Err(Trouble::Error(error)) => return Err(error),
        Err(Trouble::Damage(reason)) => {
            let aside = set_aside(directory).map_err(|error| from_io(directory, &error))?;
            tracing::warn!("the store was damaged ({reason}); it was set aside as {}", aside.display());
            let loaded = load_guarded(directory, options, make_syncer).map_err(|trouble| match trouble {
                Trouble::Error(error) => error,
                Trouble::Damage(reason) => OpenError::Io { path: directory.into(), reason },
            })?;
            (loaded, Some(aside))
        }
    };
    start(directory, options, loaded, set_aside)
}

fn start(directory: &Path, options: &Options, loaded: Loaded, set_aside: Option<PathBuf>) -> Result<Opened, OpenError> {
    let Loaded { db, meta, index, rooms, peers, syncer, witness } = loaded;
    let snapshot = Snapshot { log: Some(meta.log), heads: index.heads(), rooms, peers: peers.list() };
    let index = SharedIndex::new(index);
    let health = Health::new(directory);
    let failed = |error: io::Error| from_io(directory, &error);

    let (reads, read_tasks) = sync_channel(READ_QUEUE_REQUESTS);
    let reader = Reader { tree: (*db).clone(), index: index.clone(), health: health.clone() };
    let reader =
        thread::Builder::new().name("store-read".into()).spawn(move || reader.run(&read_tasks)).map_err(failed)?;
    let (writes, write_tasks) = sync_channel(WRITE_QUEUE_REQUESTS);
    let writer = Writer {
        db,
        meta,
        peers,
        index,
        syncer,
        witness,
        health,
        directory: directory.into(),
        reserve_bytes: options.reserve_bytes,
        reader: (reads.clone(), reader),
    };
    let writer =
        thread::Builder::new().name("store-write".into()).spawn(move || writer.run(&write_tasks)).map_err(failed)?;
    let store =
        SledStore { writes: Some(writes), reads: Some(reads), closed: AtomicBool::new(false), writer: Some(writer) };
    Ok(Opened { store, snapshot, set_aside })
}

/// Waits a little for a database that is in use: sled's own threads let go of its lock some time after it was closed.
fn load_when_free(directory: &Path, options: &Options, make_syncer: &MakeSyncer<'_>) -> Result<Loaded, Trouble> {
    for _ in 0..LOCK_TRIES {
        match load_guarded(directory, options, make_syncer) {
            Err(Trouble::Error(OpenError::InUse(_))) => thread::sleep(LOCK_WAIT),
            loaded => return loaded,
        }
    }
    load_guarded(directory, options, make_syncer)
}

fn load_guarded(directory: &Path, options: &Options, make_syncer: &MakeSyncer<'_>) -> Result<Loaded, Trouble> {
    create_private_directory(directory).map_err(|error| Trouble::Error(from_io(directory, &error)))?;
    // sled writes while it opens; on a full disk that can damage what is still whole.
    if is_full(directory) {
        return Err(Trouble::Error(OpenError::DiskFull(directory.into())));
    }
    let loaded = catch_unwind(AssertUnwindSafe(|| load(directory, options, make_syncer)))
        .unwrap_or_else(|_| Err(Trouble::Damage("the database panicked".into())));
    match loaded {
        // A full disk makes sled fail in any way there is.
        Err(Trouble::Damage(_)) if is_full(directory) => Err(Trouble::Error(OpenError::DiskFull(directory.into()))),
        loaded => loaded,
    }
}

fn is_full(directory: &Path) -> bool {
    free_bytes(directory).is_ok_and(|free| free < FULL_BYTES)
}

fn load(directory: &Path, options: &Options, make_syncer: &MakeSyncer<'_>) -> Result<Loaded, Trouble> {
    let trouble = |fault: Fault| classify(directory, fault);
    let io_trouble = |error: io::Error| classify(directory, Fault::Io(error));
    let is_made = read_format(directory)?;
    let (mut witness, witnessed) = Witness::open(&directory.join("witness")).map_err(io_trouble)?;
    let files = directory.join("sled");
    create_private_directory(&files).map_err(io_trouble)?;
    let db = ::sled::Config::new()
        .path(&files)
        .cache_capacity(options.cache_bytes)
        .open()
        .map_err(|error| trouble(error.into()))?;

    let meta = load_meta(&db, options.seed, is_made || witnessed.is_some()).map_err(trouble)?;
    if witnessed.is_some_and(|commits| commits > meta.commits) {
        return Err(Trouble::Damage(format!("it ends at commit {} of {witnessed:?}", meta.commits)));
    }
    let mut index = load_index(&db).map_err(trouble)?;
    index.id_runs.clone_from(&meta.runs);
    let rooms = load_rooms(&db).map_err(trouble)?;
    let peers = load_peers(&db).map_err(trouble)?;
    let suspect = directory.join(SUSPECT);
    let is_suspect = suspect.try_exists().map_err(io_trouble)?;
    if is_suspect {
        verify(&db, &index).map_err(trouble)?;
    }

    // What a killed process wrote and nobody synchronised is shown from here on, so it must be durable too.
    db.flush().map_err(|error| trouble(error.into()))?;
    let mut syncer = make_syncer(&files).map_err(io_trouble)?;
    let mut settle = || -> io::Result<()> {
        syncer.sync()?;
        sync_directory(&files)?;
        witness.write(meta.commits)?;
        make_private(directory)?;
        if !is_made {
            write_file(&directory.join("format"), format!("{FORMAT_NAME}{FORMAT}\n").as_bytes())?;
        }
        if is_suspect {
            fs::remove_file(&suspect)?;
        }
        sync_directory(directory)?;
        directory.parent().filter(|parent| !parent.as_os_str().is_empty()).map_or(Ok(()), sync_directory)
    };
    settle().map_err(io_trouble)?;
    Ok(Loaded { db, meta, index, rooms, peers, syncer, witness })
}

/// Whether the store was made before; an error when its format is not ours.
fn read_format(directory: &Path) -> Result<bool, Trouble> {
    let text = match fs::read(directory.join("format")) {
        Ok(text) => String::from_utf8_lossy(&text).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(Trouble::Error(from_io(directory, &error))),
    };
    let version = text.strip_prefix(FORMAT_NAME).and_then(|rest| rest.trim_end().parse::<u32>().ok());
    match version {
        Some(FORMAT) => Ok(true),
        Some(found) if found > FORMAT => Err(Trouble::Error(OpenError::Newer { path: directory.into(), found })),
        _ => Err(Trouble::Damage("its format file is unreadable".into())),
    }
}

fn load_meta(db: &Db, seed: u64, is_made: bool) -> Result<Meta, Fault> {
    if let Some(bytes) = db.get(keys::META)? {
        return decode("start", &bytes);
    }
    if is_made || !db.is_empty() {
        return Err(Fault::Damaged("its start is missing".into()));
    }
    let meta = Meta { log: LogId(seed), commits: 0, next_run: 0, runs: Vec::new() };
    db.insert(keys::META, wire::encode(&meta))?;
    Ok(meta)
}

fn load_index(db: &Db) -> Result<Index, Fault> {
    let mut index = Index::default();
    for entry in db.scan_prefix([keys::LOG]) {
        let (key, value) = entry?;
        let handle = index.len();
        if key != keys::log(handle) || !index.put(handle, decode::<LogRecord>("log record", &value)?) {
            return Err(Fault::Damaged("a log record is missing".into()));
        }
    }
    Ok(index)
}

fn load_rooms(db: &Db) -> Result<Vec<String>, Fault> {
    let names = db.scan_prefix([keys::ROOM]).keys();
    names
        .map(|name| String::from_utf8(name?[1..].to_vec()).map_err(|_| Fault::Damaged("a room's name".into())))
        .collect()
}

fn load_peers(db: &Db) -> Result<PeerTable, Fault> {
    let mut peers = PeerTable::default();
    for entry in db.scan_prefix([keys::PEER]) {
        peers.insert(decode::<KnownPeer>("known peer", &entry?.1)?);
    }
    Ok(peers)
}

/// Renames a store's directory to a name that is free, and makes that durable.
fn set_aside(directory: &Path) -> io::Result<PathBuf> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let named = |suffix: &str| {
        let mut name = directory.as_os_str().to_owned();
        name.push(format!(".damaged-{seconds}{suffix}"));
        PathBuf::from(name)
    };
    let mut aside = named("");
    let mut number = 1;
    while fs::symlink_metadata(&aside).is_ok() {
        aside = named(&format!("-{number}"));
        number += 1;
    }
    fs::rename(directory, &aside)?;
    if let Some(parent) = directory.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        sync_directory(parent)?;
    }
    Ok(aside)
}

fn from_io(directory: &Path, error: &io::Error) -> OpenError {
    let path = directory.to_path_buf();
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => OpenError::Permission(path),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => OpenError::DiskFull(path),
        _ => OpenError::Io { path, reason: error.to_string() },
    }
}

/// Tells damage from what the user can mend.
fn classify(directory: &Path, fault: Fault) -> Trouble {
    match fault {
        Fault::Io(error) | Fault::Sled(::sled::Error::Io(error)) => match error.kind() {
            // Offsets and lengths read from a damaged file lead outside of it, or to files that never were.
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::InvalidData
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::NotFound => Trouble::Damage(error.to_string()),
            // sled has no better way to say so.
            io::ErrorKind::Other if error.to_string().contains("could not acquire lock") => {
                Trouble::Error(OpenError::InUse(directory.into()))
            }
            _ => Trouble::Error(from_io(directory, &error)),
        },
        fault => Trouble::Damage(fault.to_string()),
    }
}

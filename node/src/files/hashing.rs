//! The hash trees of many files, by as many threads as there are cores.
//!
//! The work is cut into stretches of up to [`STRETCH_CHUNKS`] chunks of one file. Each thread takes the next stretch, reads it with
//! positioned reads, so that no two share a place in a file, and hashes it. A large file thus keeps all threads busy, and
//! so do many small ones. Memory is one chunk for each thread, besides the hashes.

use std::{
    fs::File,
    io,
    num::NonZeroUsize,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use proto::blob::{CHUNK_BYTES, Hash, chunk_count, chunk_hash, chunk_len, layer::Layer};
use rustix::fs::OFlags;

use super::{Stamp, lock};

/// Chunks that a thread takes at a time, 4 MiB: long enough for the disk to read ahead, short enough that threads end together.
const STRETCH_CHUNKS: u64 = 16;

/// How far the hashing is. Read by whoever shows it.
#[derive(Debug, Default)]
pub struct Progress {
    hashed_bytes: AtomicU64,
    total_bytes: AtomicU64,
    cancelled: AtomicBool,
}

impl Progress {
    /// Bytes that are hashed, and that there are as far as is known.
    pub fn bytes(&self) -> (u64, u64) {
        (self.hashed_bytes.load(Ordering::Relaxed), self.total_bytes.load(Ordering::Relaxed))
    }

    /// So many bytes more are hashed, or there are so many more.
    pub(super) fn add(&self, hashed: u64, total: u64) {
        self.hashed_bytes.fetch_add(hashed, Ordering::Relaxed);
        self.total_bytes.fetch_add(total, Ordering::Relaxed);
    }

    /// Whether [`Progress::cancel`] was called.
    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Nobody wants the result any more: the threads end with what they are at.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }
}

/// Why files cannot be hashed.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// The file system says no.
    #[error("cannot read '{path}': {error}")]
    Io {
        /// Which file.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// Somebody wrote to it meanwhile.
    #[error("'{0}' was changed while it was read; try again when nothing writes to it")]
    Changed(String),
    /// [`Progress::cancel`].
    #[error("cancelled")]
    Cancelled,
}

/// A file that is being hashed.
struct Open {
    file: File,
    stamp: Stamp,
}

/// A stretch of chunks of one file.
struct Stretch {
    index: usize,
    open: Arc<Open>,
    first: u64,
    end: u64,
}

/// What is to be hashed next.
struct Queue<'a> {
    files: &'a [PathBuf],
    next: usize,
    current: Option<Stretch>,
}

impl Queue<'_> {
    fn take(&mut self) -> Result<Option<Stretch>, HashError> {
        while self.current.as_ref().is_none_or(|rest| rest.first >= rest.end) {
            let Some(path) = self.files.get(self.next) else { return Ok(None) };
            let open = Arc::new(open(path)?);
            let end = chunk_count(open.stamp.size);
            self.current = Some(Stretch { index: self.next, open, first: 0, end });
            self.next += 1;
            // An empty file has no stretch that would say so.
            if end == 0 {
                return Ok(self.current.take());
            }
        }
        let Some(rest) = &mut self.current else { return Ok(None) };
        let first = rest.first;
        rest.first = (first + STRETCH_CHUNKS).min(rest.end);
        Ok(Some(Stretch { index: rest.index, open: Arc::clone(&rest.open), first, end: rest.first }))
    }
}

/// What the threads share.
struct Work<'a> {
    files: &'a [PathBuf],
    queue: Mutex<Queue<'a>>,
    /// By file: what is hashed so far.
    done: Vec<Mutex<Done>>,
    failed: Mutex<Option<HashError>>,
    progress: &'a Progress,
}

#[derive(Default)]
struct Done {
    hashes: Vec<Hash>,
    hashed: u64,
    finished: Option<(Stamp, Layer)>,
}

/// The stamps and the chunk hashes of these files, in their order.
///
/// # Errors
/// [`HashError`] of the first file that cannot be hashed.
pub fn hash_files(files: &[PathBuf], progress: &Progress) -> Result<Vec<(Stamp, Layer)>, HashError> {
    let sizes = files.iter().filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len());
    progress.add(0, sizes.sum());
    let work = Work {
        files,
        queue: Mutex::new(Queue { files, next: 0, current: None }),
        done: files.iter().map(|_| Mutex::default()).collect(),
        failed: Mutex::new(None),
        progress,
    };
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|| work.run());
        }
        work.run();
    });
    if let Some(error) = lock(&work.failed).take() {
        return Err(error);
    }
    let finished = work.done.into_iter().map(|done| done.into_inner().unwrap_or_else(PoisonError::into_inner).finished);
    // Nothing failed, so all stretches of all files were hashed, or it was cancelled.
    finished.collect::<Option<Vec<_>>>().ok_or(HashError::Cancelled)
}

impl Work<'_> {
    fn run(&self) {
        let mut buffer = vec![0; CHUNK_BYTES];
        while !self.progress.cancelled.load(Ordering::Relaxed) && lock(&self.failed).is_none() {
            let result = match self.next() {
                Ok(None) => return,
                Ok(Some(stretch)) => self.hash(&stretch, &mut buffer),
                Err(error) => Err(error),
            };
            if let Err(error) = result {
                lock(&self.failed).get_or_insert(error);
            }
        }
    }

    /// The next stretch. The lock is free again when this returns: it must not be held while one is hashed.
    fn next(&self) -> Result<Option<Stretch>, HashError> {
        lock(&self.queue).take()
    }

    fn hash(&self, stretch: &Stretch, buffer: &mut [u8]) -> Result<(), HashError> {
        let Stretch { index, open, first, end } = stretch;
        let path = &self.files[*index];
        let len = open.stamp.size;
        let mut hashes = Vec::with_capacity((end - first) as usize);
        for chunk in *first..*end {
            let bytes = &mut buffer[..chunk_len(len, chunk)];
            open.file.read_exact_at(bytes, chunk * CHUNK_BYTES as u64).map_err(|error| match error.kind() {
                // It has become shorter.
                io::ErrorKind::UnexpectedEof => HashError::Changed(path.display().to_string()),
                _ => failed(path, error),
            })?;
            hashes.push(chunk_hash(bytes, len));
            self.progress.hashed_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        }
        let mut done = lock(&self.done[*index]);
        let (chunks, at) = (chunk_count(len), *first as usize);
        done.hashes.resize(chunks as usize, Hash::default());
        done.hashes[at..at + hashes.len()].copy_from_slice(&hashes);
        done.hashed += hashes.len() as u64;
        if done.hashed == chunks {
            let stamp = Stamp::of(&open.file).map_err(|error| failed(path, error))?;
            let hashes = std::mem::take(&mut done.hashes);
            // There are as many as chunks.
            let layer = Layer::new(hashes, len).ok().filter(|_| stamp == open.stamp);
            done.finished = Some((stamp, layer.ok_or_else(|| HashError::Changed(path.display().to_string()))?));
        }
        Ok(())
    }
}

fn open(path: &Path) -> Result<Open, HashError> {
    // What took the file's place since may be a pipe, which must not hold us up.
    let flags = OFlags::NONBLOCK.bits() as i32;
    let file = File::options().read(true).custom_flags(flags).open(path).map_err(|error| failed(path, error))?;
    let metadata = file.metadata().map_err(|error| failed(path, error))?;
    if !metadata.is_file() {
        return Err(HashError::Changed(path.display().to_string()));
    }
    Ok(Open { file, stamp: Stamp::from(&metadata) })
}

fn failed(path: &Path, error: io::Error) -> HashError {
    HashError::Io { path: path.display().to_string(), error }
}

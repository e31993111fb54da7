//! Open files, so many at a time and no more.

use std::{
    collections::{BTreeMap, VecDeque},
    fs::File,
    sync::{Arc, Mutex, MutexGuard},
};

use proto::blob::BlobId;

use super::lock;

/// A file of a share, by its number in the manifest.
pub type FileKey = (BlobId, u32);

/// Files that are open, for several threads. Of more than it may have open, the one that was opened first is closed, as soon as nobody is at it.
#[derive(Debug)]
pub struct OpenFiles {
    limit: usize,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    open: BTreeMap<FileKey, Arc<File>>,
    /// In which order they were opened.
    order: VecDeque<FileKey>,
}

impl OpenFiles {
    /// None yet, and so many at most.
    pub fn new(limit: usize) -> Self {
        Self { limit: limit.max(1), table: Mutex::default() }
    }

    /// A file that is open, or is opened now. Threads that want the same one may both open it; one of the two is then kept.
    ///
    /// # Errors
    /// Those of `open`.
    pub fn get<E>(&self, key: FileKey, open: impl FnOnce() -> Result<File, E>) -> Result<Arc<File>, E> {
        if let Some(file) = self.lock().open.get(&key) {
            return Ok(Arc::clone(file));
        }
        // Without the lock: a slow disk keeps nobody from the files that are open.
        let file = Arc::new(open()?);
        let mut table = self.lock();
        if let Some(file) = table.open.get(&key) {
            return Ok(Arc::clone(file));
        }
        if table.order.len() >= self.limit
            && let Some(first) = table.order.pop_front()
        {
            table.open.remove(&first);
        }
        table.order.push_back(key);
        table.open.insert(key, Arc::clone(&file));
        Ok(file)
    }

    /// Closes all files of a share.
    pub fn close(&self, share: BlobId) {
        let mut table = self.lock();
        table.open.retain(|(of, _), _| *of != share);
        table.order.retain(|(of, _)| *of != share);
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        lock(&self.table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_files_are_open_than_may_be_and_those_of_one_share_are_closed_together() {
        let files = OpenFiles::new(2);
        let key = |share, file| (BlobId([share; 32]), file);
        let open = |key| files.get(key, || File::open("/dev/null")).unwrap();
        let first = open(key(1, 0));
        assert!(Arc::ptr_eq(&first, &open(key(1, 0))));
        open(key(2, 0));
        open(key(1, 1));
        assert_eq!(Arc::strong_count(&first), 1, "it is ours alone");
        assert_eq!(files.lock().open.len(), 2);
        files.close(BlobId([1; 32]));
        assert_eq!(files.lock().order, [key(2, 0)]);
        assert!(files.get(key(1, 0), || Err(())).is_err());
    }
}

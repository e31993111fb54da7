//! What sled leaves to its user: making files durable, private and witnessed, and watching the space.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use crate::secret_file::sync_directory;

/// Makes everything that sled has written survive a power cut.
pub(super) trait Syncer: Send {
    /// Returns when it would.
    fn sync(&mut self) -> io::Result<()>;
}

/// What a [`Syncer`] is made from: the directory of the sled files.
pub(super) type MakeSyncer<'a> = dyn Fn(&Path) -> io::Result<Box<dyn Syncer>> + 'a;

/// Synchronises the files of sled.
///
/// sled 0.34.7 ends a flush with `sync_file_range`, which leaves the data in the drive's cache and the file's size in memory.
/// `fdatasync` on any handle of the file covers what was written through every other one.
pub(super) struct FileSyncer {
    database: File,
    blobs: PathBuf,
    synced_blobs: BTreeSet<OsString>,
}

impl FileSyncer {
    /// For the sled database in `directory`.
    pub(super) fn open(directory: &Path) -> io::Result<Box<dyn Syncer>> {
        let database = OpenOptions::new().read(true).write(true).open(directory.join("db"))?;
        let blobs = directory.join("blobs");
        Ok(Box::new(Self { database, blobs, synced_blobs: BTreeSet::new() }))
    }
}

impl Syncer for FileSyncer {
    fn sync(&mut self) -> io::Result<()> {
        // Values are cut so that none goes here (see `keys`). Should sled do it all the same, it must be as durable.
        let mut names = BTreeSet::new();
        for entry in fs::read_dir(&self.blobs)? {
            names.insert(entry?.file_name());
        }
        if names != self.synced_blobs {
            for name in names.difference(&self.synced_blobs) {
                match File::open(self.blobs.join(name)) {
                    Ok(blob) => blob.sync_all()?,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
            sync_directory(&self.blobs)?;
            self.synced_blobs = names;
        }
        self.database.sync_data()
    }
}

/// Creates a directory, and those above it, that only its owner may enter.
pub(super) fn create_private_directory(directory: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

/// Takes group and others every right to a directory and what is in it.
pub(super) fn make_private(path: &Path) -> io::Result<()> {
    let is_directory = fs::symlink_metadata(path)?.is_dir();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(if is_directory { 0o700 } else { 0o600 }))?;
    }
    if is_directory {
        for entry in fs::read_dir(path)? {
            make_private(&entry?.path())?;
        }
    }
    Ok(())
}

/// Writes a small file durably: all of it or nothing.
pub(super) fn write_file(path: &Path, content: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = File::create(&fresh)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    path.parent().map_or(Ok(()), sync_directory)
}

/// Bytes that this user may still write to the file system of `path`; everything where that cannot be asked.
pub(super) fn free_bytes(path: &Path) -> io::Result<u64> {
    #[cfg(unix)]
    {
        let stat = rustix::fs::statvfs(path)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        Ok(u64::MAX)
    }
}

/// A file with the number of the last commit group, written after that group was made durable and never synchronised itself.
///
/// sled takes a database that ends early for one that was written to until there, and an empty file for a new database. The
/// witness is never ahead of what is durable, so a database that is behind it has lost something. After a power cut it may
/// lag, and then notices less.
#[derive(Debug)]
pub(super) struct Witness(File);

impl Witness {
    /// Opens or creates it, and returns the number it holds, if any.
    pub(super) fn open(path: &Path) -> io::Result<(Self, Option<u64>)> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut content = Vec::new();
        file.read_to_end(&mut content)?;
        let number = content.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
        let number = number.filter(|number| content == Self::encode(*number));
        Ok((Self(file), number))
    }

    /// Notes that this many groups are durable.
    pub(super) fn write(&mut self, commits: u64) -> io::Result<()> {
        self.0.seek(SeekFrom::Start(0))?;
        self.0.write_all(&Self::encode(commits))
    }

    fn encode(number: u64) -> [u8; 16] {
        let mut content = [0; 16];
        content[..8].copy_from_slice(&number.to_le_bytes());
        content[8..].copy_from_slice(&Sha256::digest(number.to_le_bytes())[..8]);
        content
    }
}

//! A share that is being fetched, as it lies on disk.
//!
//! | what is fetched | where its bytes are until it is complete | then |
//! |---|---|---|
//! | a file | `NAME.ID.part` beside the target, as long as the file, at their places | renamed to the target |
//! | a folder | the same, a directory with its files at their paths | the same |
//!
//! `ID` are the first digits of the share's id, so that another share of that name is not taken for this one, and the same one is found again.
//! What a block's bytes are is for the caller to check before, and to remember after [`Partial::sync`]: what was synced
//! outlives a power cut. The target appears whole or not at all, and takes no other file's place.
//!
//! Several threads may read and write at once. Of a block that holds bytes of files that are not wanted, only the others are kept, so that
//! it cannot be read again as a whole.

mod finish;

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

use proto::blob::{
    BlobId, CHUNK_BYTES,
    layout::{Layout, Part, TooLarge},
    manifest::{Manifest, Node},
    path::MAX_NAME_BYTES,
};
use rustix::fs::OFlags;

use super::{OpenFiles, Platter, RealPlatter, lock};

/// Files of a share that are open at a time; of more, the one that was opened first is closed. A process has 1,024 descriptors by default,
/// and connections need most of them.
pub const MAX_OPEN_FILES: usize = 32;

/// Files and directories that are synced one by one; when there are more, the whole file system is asked to sync, which waits for what others
/// wrote too. Of 4 KiB files on ext4, 32 took 7 ms one by one, and 1 ms together; 1,000 took 280 ms and 13 ms.
pub(super) const MAX_SYNCED_ALONE: usize = 32;

/// Hexadecimal digits of the share's id in the name of what is not complete.
const ID_DIGITS: usize = 16;

/// What is to be fetched.
#[derive(Debug, Clone, Copy)]
pub enum Shape<'a> {
    /// A file of so many bytes.
    File(u64),
    /// A folder.
    Folder(&'a Manifest),
}

/// Why what is fetched cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum PartialError {
    /// The target is there already. The user's to mend.
    #[error("'{0}' is there already; choose another place with -o")]
    Exists(String),
    /// The disk is full, or the quota used up. Worth another try when there is space.
    #[error("no space for '{0}'; free some, then resume")]
    Full(String),
    /// The file system says no.
    #[error("cannot write '{path}': {error}")]
    Io {
        /// Where.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// Nothing can be written in the place that was chosen. The user's to mend.
    #[error("cannot write '{path}': {error}; choose another place with -o")]
    Place {
        /// Where.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// No share has such files.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// The bytes of a block are more or fewer than it has.
    #[error("a block of another length")]
    Length,
}

struct Entry {
    place: PathBuf,
    size: u64,
    executable: bool,
}

/// What was written and is not yet durable.
#[derive(Default)]
struct Unsynced {
    files: BTreeSet<u32>,
    /// Those with new names in them.
    directories: BTreeSet<PathBuf>,
}

/// A share that is not complete.
pub struct Partial {
    id: BlobId,
    target: PathBuf,
    part: PathBuf,
    layout: Layout,
    /// In the order of the layout.
    files: Vec<Entry>,
    empty: Vec<PathBuf>,
    is_folder: bool,
    /// Files that are fetched, if not all are.
    selected: Option<BTreeSet<u32>>,
    open: Arc<OpenFiles>,
    disk: Arc<dyn Platter>,
    unsynced: Mutex<Unsynced>,
}

impl Partial {
    /// Begins, or goes on with what is there.
    ///
    /// # Errors
    /// [`PartialError`].
    pub fn begin(
        target: &Path,
        id: BlobId,
        shape: Shape,
        selected: Option<BTreeSet<u32>>,
    ) -> Result<Self, PartialError> {
        let partial = Self::at(target, id, shape, selected)?;
        partial.make()?;
        Ok(partial)
    }

    /// What is, or would be, there, without touching it.
    ///
    /// # Errors
    /// [`PartialError::TooLarge`].
    pub(super) fn at(
        target: &Path,
        id: BlobId,
        shape: Shape,
        selected: Option<BTreeSet<u32>>,
    ) -> Result<Self, PartialError> {
        let part = part_of(target, id);
        let below = |path: &str| part.join(path);
        let (files, empty) = match shape {
            Shape::File(size) => (vec![Entry { place: part.clone(), size, executable: false }], Vec::new()),
            Shape::Folder(manifest) => {
                let entry = |(path, file): (&proto::blob::path::RelativePath, &proto::blob::manifest::FileEntry)| {
                    Entry { place: below(path.as_str()), size: file.size, executable: file.executable }
                };
                // Who selects files wants nothing beside them.
                let is_empty = |node: &Node| *node == Node::EmptyDirectory && selected.is_none();
                let directories = manifest.entries().iter().filter(|entry| is_empty(&entry.node));
                let empty = directories.map(|entry| below(entry.path.as_str())).collect();
                (manifest.files().map(entry).collect(), empty)
            }
        };
        Ok(Self {
            id,
            target: target.to_owned(),
            part,
            layout: Layout::new(files.iter().map(|file| file.size))?,
            files,
            empty,
            is_folder: matches!(shape, Shape::Folder(_)),
            selected,
            open: Arc::new(OpenFiles::new(MAX_OPEN_FILES)),
            disk: Arc::new(RealPlatter::default()),
            unsynced: Mutex::default(),
        })
    }

    /// The same with a table of open files that others use too, and on another disk.
    pub(super) fn with(self, open: Arc<OpenFiles>, disk: Arc<dyn Platter>) -> Self {
        Self { open, disk, ..self }
    }

    /// Makes what the bytes go into, unless the target is there: so that who may not write there is told at once.
    pub(super) fn make(&self) -> Result<(), PartialError> {
        if self.target.symlink_metadata().is_ok() {
            return Err(PartialError::Exists(self.target.display().to_string()));
        }
        self.check_owner()?;
        let made = if self.is_folder { self.make_directory(&self.part) } else { self.new_file(&self.part).map(drop) };
        match made {
            // There may be space when there is something to write.
            Err(PartialError::Full(_)) => Ok(()),
            Err(PartialError::Io { path, error }) => Err(PartialError::Place { path, error }),
            made => made,
        }
    }

    /// Refuses to go on with what somebody else has put in the place of what is not complete: who can write there could lead what is written
    /// elsewhere, or change it afterwards.
    fn check_owner(&self) -> Result<(), PartialError> {
        let Ok(found) = self.part.symlink_metadata() else { return Ok(()) };
        let is_kind = if self.is_folder { found.is_dir() } else { found.is_file() };
        let is_ours = found.uid() == rustix::process::geteuid().as_raw() && found.mode() & 0o022 == 0;
        if is_kind && is_ours { Ok(()) } else { Err(PartialError::Exists(self.part.display().to_string())) }
    }

    /// How the share is cut into blocks.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Where its bytes are until it is complete.
    pub fn place(&self) -> &Path {
        &self.part
    }

    /// Where they are then.
    pub(super) fn target(&self) -> &Path {
        &self.target
    }

    /// Where a file is until then.
    pub(super) fn file_place(&self, file: u32) -> &Path {
        &self.files[file as usize].place
    }

    fn is_selected(&self, file: u32) -> bool {
        self.selected.as_ref().is_none_or(|selected| selected.contains(&file))
    }

    fn selected(&self) -> impl Iterator<Item = (u32, &Entry)> {
        (0..).zip(&self.files).filter(|(index, _)| self.is_selected(*index))
    }

    /// Files that are wanted, have bytes, and are not there in their full length.
    pub(super) fn lacking(&self) -> Vec<u32> {
        let is_there = |entry: &Entry| {
            entry.place.symlink_metadata().is_ok_and(|found| found.is_file() && found.len() == entry.size)
        };
        self.selected().filter(|(_, entry)| entry.size > 0 && !is_there(entry)).map(|(index, _)| index).collect()
    }

    /// Puts a block in its place.
    ///
    /// # Errors
    /// [`PartialError`]. What was there of the block is then undefined.
    pub fn write(&self, block: u32, bytes: &[u8]) -> Result<(), PartialError> {
        if bytes.len() != self.layout.block_len(block) as usize {
            return Err(PartialError::Length);
        }
        for part in self.layout.block(block).filter(|part| self.is_selected(part.file)) {
            let bytes = &bytes[part.at as usize..][..part.len as usize];
            let place = &self.files[part.file as usize].place;
            let result = self.disk.write_at(&*self.file(part.file)?, place, bytes, part.offset);
            // Not before it is written: who syncs takes what is noted, and what is written after that is for the next time.
            self.unsynced().files.insert(part.file);
            result.map_err(|error| failed(place, error))?;
        }
        Ok(())
    }

    /// Reads a block that is there.
    ///
    /// # Errors
    /// [`PartialError::Io`], also for a block with bytes of files that are not fetched.
    pub fn read(&self, block: u32) -> Result<Vec<u8>, PartialError> {
        let mut bytes = vec![0; self.layout.block_len(block) as usize];
        for part in self.layout.block(block) {
            self.read_part(&part, &mut bytes[part.at as usize..][..part.len as usize])?;
        }
        Ok(bytes)
    }

    /// Reads those parts of a block that are kept.
    ///
    /// # Errors
    /// [`PartialError::Io`].
    pub(super) fn read_kept(&self, block: u32) -> Result<Vec<(Part, Vec<u8>)>, PartialError> {
        let kept = self.layout.block(block).filter(|part| self.is_selected(part.file));
        let read = |part: Part| {
            let mut bytes = vec![0; part.len as usize];
            self.read_part(&part, &mut bytes).map(|()| (part, bytes))
        };
        kept.map(read).collect()
    }

    fn read_part(&self, part: &Part, bytes: &mut [u8]) -> Result<(), PartialError> {
        let place = &self.files[part.file as usize].place;
        let file = self.open.get((self.id, part.file), || options().open(place));
        file.and_then(|file| file.read_exact_at(bytes, part.offset)).map_err(|error| failed(place, error))
    }

    /// An open file of the share, made if it is not there.
    fn file(&self, index: u32) -> Result<Arc<File>, PartialError> {
        self.open.get((self.id, index), || self.make_file(&self.files[index as usize]))
    }

    /// Opens a file, and makes it, with all above it, if it is not there.
    fn make_file(&self, entry: &Entry) -> Result<File, PartialError> {
        let failed = |error| failed(&entry.place, error);
        let file = match options().open(&entry.place) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let file = self.new_file(&entry.place)?;
                // It is written as a whole, if it is written at all: that gives it its length.
                if entry.size <= CHUNK_BYTES as u64 {
                    return Ok(file);
                }
                file
            }
            opened => opened.map_err(failed)?,
        };
        // Sparse where nothing is yet, and as long as it will be.
        if file.metadata().map_err(failed)?.len() != entry.size {
            file.set_len(entry.size).map_err(failed)?;
        }
        Ok(file)
    }

    fn new_file(&self, place: &Path) -> Result<File, PartialError> {
        let above = place.parent().unwrap_or(Path::new("/"));
        // Until it is handed over, nobody else is to write in it.
        let make = || options().create(true).truncate(false).mode(0o600).open(place);
        let file = match make() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.make_directory(above)?;
                make()
            }
            made => made,
        };
        let file = file.map_err(|error| failed(place, error))?;
        self.unsynced().directories.insert(above.to_owned());
        Ok(file)
    }

    fn make_directory(&self, directory: &Path) -> Result<(), PartialError> {
        let missing: Vec<&Path> = directory.ancestors().take_while(|place| !place.exists()).collect();
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.map_err(|error| failed(directory, error))?;
        // What is above is the user's at once.
        for above in missing.iter().filter(|place| !place.starts_with(&self.part)) {
            self.disk.hand_over(above, 0o777).map_err(|error| failed(above, error))?;
        }
        let named = missing.into_iter().filter_map(Path::parent).filter(|above| !above.as_os_str().is_empty());
        self.unsynced().directories.extend(named.map(Path::to_owned));
        Ok(())
    }

    /// Whether something was written that was not synced.
    pub(super) fn is_unsynced(&self) -> bool {
        !self.unsynced().files.is_empty()
    }

    /// Has everything that was written outlive a power cut.
    ///
    /// # Errors
    /// [`PartialError`]. What was written since the last time is then lost: a system that failed to write says so once, and takes the bytes
    /// for written afterwards.
    pub fn sync(&self) -> Result<(), PartialError> {
        let Unsynced { files, directories } = std::mem::take(&mut *self.unsynced());
        // Nobody relies on names without bytes.
        let synced = if files.is_empty() { Ok(false) } else { self.sync_these(files, &directories).map(|()| true) };
        if !matches!(synced, Ok(true)) {
            self.unsynced().directories.extend(directories);
        }
        synced.map(|_| ())
    }

    fn sync_these(&self, files: BTreeSet<u32>, directories: &BTreeSet<PathBuf>) -> Result<(), PartialError> {
        if files.len() + directories.len() > MAX_SYNCED_ALONE {
            let place = self.part.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
            return self.disk.sync_everything(place).map_err(|error| failed(place, error));
        }
        for index in files {
            let place = &self.files[index as usize].place;
            let file = self.open.get((self.id, index), || options().open(place));
            file.and_then(|file| self.disk.sync_file(&file, place)).map_err(|error| failed(place, error))?;
        }
        for directory in directories {
            self.disk.sync_directory(directory).map_err(|error| failed(directory, error))?;
        }
        Ok(())
    }

    fn unsynced(&self) -> MutexGuard<'_, Unsynced> {
        lock(&self.unsynced)
    }
}

/// Where what is fetched is until it is complete. Of a name that would be too long with what is added, the beginning.
pub(super) fn part_of(target: &Path, id: BlobId) -> PathBuf {
    let end = format!(".{}.part", &id.to_string()[..ID_DIGITS]);
    let mut name = target.file_name().map(OsString::from).unwrap_or_default();
    if name.len() + end.len() > MAX_NAME_BYTES {
        let text = name.to_string_lossy();
        name = text[..text.floor_char_boundary(MAX_NAME_BYTES - end.len())].into();
    }
    name.push(end);
    target.with_file_name(name)
}

/// How files are opened: a symbolic link in the place of one is not followed.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(OFlags::NOFOLLOW.bits() as i32);
    options
}

fn failed(path: &Path, error: io::Error) -> PartialError {
    let path = path.display().to_string();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => PartialError::Full(path),
        _ => PartialError::Io { path, error },
    }
}

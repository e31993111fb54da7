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

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ffi::OsString,
    fs::{self, File, OpenOptions, Permissions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use proto::blob::{
    BlobId,
    layout::{Layout, TooLarge},
    manifest::{Manifest, Node},
};
use rustix::fs::{CWD, OFlags, RenameFlags, renameat_with};

use crate::secret_file::sync_directory;

/// Files of a share that are open at a time; of more, the one that was opened first is closed. A process has 1,024 descriptors by default,
/// and connections need most of them.
pub const MAX_OPEN_FILES: usize = 32;

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

/// A share that is not complete.
pub struct Partial {
    target: PathBuf,
    part: PathBuf,
    layout: Layout,
    /// In the order of the layout.
    files: Vec<Entry>,
    empty: Vec<PathBuf>,
    /// Files that are fetched, if not all are.
    selected: Option<BTreeSet<u32>>,
    open: BTreeMap<u32, File>,
    /// In which order they were opened.
    order: VecDeque<u32>,
    /// Written to since the last sync.
    touched: BTreeSet<u32>,
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
        if target.symlink_metadata().is_ok() {
            return Err(PartialError::Exists(target.display().to_string()));
        }
        let mut name = target.file_name().map(OsString::from).unwrap_or_default();
        name.push(format!(".{}.part", &id.to_string()[..ID_DIGITS]));
        let part = target.with_file_name(name);
        let below = |path: &str| part.join(path);
        let (sizes, files, empty) = match shape {
            Shape::File(size) => (vec![size], vec![Entry { place: part.clone(), size, executable: false }], Vec::new()),
            Shape::Folder(manifest) => {
                let entry = |(path, file): (&proto::blob::path::RelativePath, &proto::blob::manifest::FileEntry)| {
                    Entry { place: below(path.as_str()), size: file.size, executable: file.executable }
                };
                let files: Vec<Entry> = manifest.files().map(entry).collect();
                let directories = manifest.entries().iter().filter(|entry| entry.node == Node::EmptyDirectory);
                let empty = directories.map(|entry| below(entry.path.as_str())).collect();
                fs::create_dir_all(&part).map_err(|error| failed(&part, error))?;
                (files.iter().map(|file| file.size).collect(), files, empty)
            }
        };
        Ok(Self {
            target: target.to_owned(),
            part,
            layout: Layout::new(sizes)?,
            files,
            empty,
            selected,
            open: BTreeMap::new(),
            order: VecDeque::new(),
            touched: BTreeSet::new(),
        })
    }

    /// How the share is cut into blocks.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Where its bytes are until it is complete.
    pub fn place(&self) -> &Path {
        &self.part
    }

    fn is_selected(&self, file: u32) -> bool {
        self.selected.as_ref().is_none_or(|selected| selected.contains(&file))
    }

    /// Puts a block in its place.
    ///
    /// # Errors
    /// [`PartialError`]. What was there of the block is then undefined.
    pub fn write(&mut self, block: u32, bytes: &[u8]) -> Result<(), PartialError> {
        if bytes.len() != self.layout.block_len(block) as usize {
            return Err(PartialError::Length);
        }
        let parts: Vec<_> = self.layout.block(block).filter(|part| self.is_selected(part.file)).collect();
        for part in parts {
            let bytes = &bytes[part.at as usize..][..part.len as usize];
            let result = self.file(part.file)?.write_all_at(bytes, part.offset);
            result.map_err(|error| failed(&self.files[part.file as usize].place, error))?;
            self.touched.insert(part.file);
        }
        Ok(())
    }

    /// Reads a block that is there.
    ///
    /// # Errors
    /// [`PartialError::Io`], also for a block of files that are not fetched.
    pub fn read(&mut self, block: u32) -> Result<Vec<u8>, PartialError> {
        let mut bytes = vec![0; self.layout.block_len(block) as usize];
        for part in self.layout.block(block).collect::<Vec<_>>() {
            let buffer = &mut bytes[part.at as usize..][..part.len as usize];
            let result = self.file(part.file)?.read_exact_at(buffer, part.offset);
            result.map_err(|error| failed(&self.files[part.file as usize].place, error))?;
        }
        Ok(bytes)
    }

    /// An open file of the share, made if it is not there.
    fn file(&mut self, index: u32) -> Result<&File, PartialError> {
        if !self.open.contains_key(&index) {
            let file = make(&self.files[index as usize])?;
            if self.order.len() >= MAX_OPEN_FILES
                && let Some(first) = self.order.pop_front()
            {
                self.open.remove(&first);
            }
            self.order.push_back(index);
            self.open.insert(index, file);
        }
        // It was put there just now, if it was not.
        self.open.get(&index).ok_or(PartialError::Length)
    }

    /// Has everything that was written outlive a power cut.
    ///
    /// # Errors
    /// [`PartialError`]. What was written since the last time is then not to be relied on.
    pub fn sync(&mut self) -> Result<(), PartialError> {
        for index in std::mem::take(&mut self.touched) {
            let result = self.file(index)?.sync_data();
            result.map_err(|error| failed(&self.files[index as usize].place, error))?;
        }
        Ok(())
    }

    /// All is there: puts it in its place, durably.
    ///
    /// # Errors
    /// [`PartialError`]. It can be tried again.
    pub fn finish(mut self) -> Result<PathBuf, PartialError> {
        self.sync()?;
        for directory in &self.empty {
            fs::create_dir_all(directory).map_err(|error| failed(directory, error))?;
        }
        let mut directories = BTreeSet::new();
        for (_, entry) in self.files.iter().enumerate().filter(|(index, _)| self.is_selected(*index as u32)) {
            if entry.size == 0 {
                make(entry)?.sync_all().map_err(|error| failed(&entry.place, error))?;
            }
            if entry.executable {
                run_by_owner(&entry.place).map_err(|error| failed(&entry.place, error))?;
            }
            directories.extend(entry.place.ancestors().skip(1).take_while(|place| place.starts_with(&self.part)));
        }
        directories.extend(self.empty.iter().map(PathBuf::as_path));
        for directory in directories.into_iter().rev() {
            sync_directory(directory).map_err(|error| failed(directory, error))?;
        }
        self.open.clear();
        renameat_with(CWD, &self.part, CWD, &self.target, RenameFlags::NOREPLACE).map_err(|error| match error {
            rustix::io::Errno::EXIST => PartialError::Exists(self.target.display().to_string()),
            error => failed(&self.target, error.into()),
        })?;
        let above = self.target.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
        sync_directory(above).map_err(|error| failed(above, error))?;
        Ok(self.target)
    }

    /// Nobody wants it any more: removes what is there of it.
    ///
    /// # Errors
    /// [`PartialError`].
    pub fn discard(self) -> Result<(), PartialError> {
        let removed = if self.part.is_dir() { fs::remove_dir_all(&self.part) } else { fs::remove_file(&self.part) };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(&self.part, error)),
            _ => Ok(()),
        }
    }
}

/// Opens a file, and makes it, with all above it, if it is not there. A symbolic link in its place is not followed.
fn make(entry: &Entry) -> Result<File, PartialError> {
    let open = || {
        let mut options = OpenOptions::new();
        let flags = OFlags::NOFOLLOW.bits() as i32;
        options.read(true).write(true).create(true).truncate(false).custom_flags(flags).open(&entry.place)
    };
    let file = match open() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let above = entry.place.parent().unwrap_or(Path::new("/"));
            fs::create_dir_all(above).map_err(|error| failed(above, error))?;
            open()
        }
        opened => opened,
    };
    let file = file.map_err(|error| failed(&entry.place, error))?;
    // Sparse where nothing is yet, and as long as it will be.
    let len = file.metadata().map_err(|error| failed(&entry.place, error))?.len();
    if len != entry.size {
        file.set_len(entry.size).map_err(|error| failed(&entry.place, error))?;
    }
    Ok(file)
}

/// Lets its owner, and whoever may read it, run a file.
fn run_by_owner(place: &Path) -> io::Result<()> {
    let mode = fs::metadata(place)?.permissions().mode();
    fs::set_permissions(place, Permissions::from_mode(mode | ((mode & 0o444) >> 2)))
}

fn failed(path: &Path, error: io::Error) -> PartialError {
    let path = path.display().to_string();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => PartialError::Full(path),
        _ => PartialError::Io { path, error },
    }
}

//! What a path holds that can be shared.

use std::{
    fs::{self, DirEntry, Metadata},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use proto::blob::{
    MAX_FOLDER_ENTRIES,
    path::{FileName, InvalidPath, RelativePath},
};

use crate::identity;

/// What to do about symbolic links below a folder. The path that the user gives is followed in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Symlinks {
    /// A folder with one is not shared: it may lead to what nobody meant to share.
    Refuse,
    /// What it leads to is shared as if it stood there.
    Follow,
}

/// A file that can be shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where it is on this machine.
    pub place: PathBuf,
    /// Where it is in the share.
    pub path: RelativePath,
    /// Whether its owner may run it.
    pub executable: bool,
}

/// What a path holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scan {
    /// One file.
    File {
        /// Where, without symbolic links.
        place: PathBuf,
        /// Its name.
        name: FileName,
    },
    /// A folder.
    Folder {
        /// Where, without symbolic links.
        place: PathBuf,
        /// Its name.
        name: FileName,
        /// All files below it, ordered by path.
        files: Vec<Found>,
        /// Directories with nothing in them.
        empty: Vec<RelativePath>,
    },
}

impl Scan {
    /// Where the files are, in the order of their paths in the share.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let (one, many) = match self {
            Self::File { place, .. } => (Some(place.as_path()), &[][..]),
            Self::Folder { files, .. } => (None, files.as_slice()),
        };
        one.into_iter().chain(many.iter().map(|file| file.place.as_path()))
    }
}

/// Why something cannot be shared. The user's to mend.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The file system says no.
    #[error("cannot read '{path}': {error}")]
    Io {
        /// Where.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// A name that not every system can have.
    #[error(transparent)]
    Name(#[from] InvalidPath),
    /// The same, below the folder.
    #[error("'{path}': {error}")]
    NameBelow {
        /// Where.
        path: String,
        /// What is wrong with it.
        error: InvalidPath,
    },
    /// The keys of a node are there.
    #[error("'{0}' is the data directory of a node, with its secret keys; share something without it")]
    Secrets(String),
    /// A name that is no text.
    #[error("the name '{0}' is not UTF-8; rename it")]
    NotText(String),
    /// A path without a name, such as `/`.
    #[error("'{0}' has no name of its own; share what is in it")]
    Nameless(String),
    /// A symbolic link.
    #[error("'{0}' is a symbolic link; remove it, or share what it leads to with --follow-symlinks")]
    Symlink(String),
    /// A symbolic link that leads to a directory in which it is itself.
    #[error("the symbolic link '{0}' leads back to where it came from; remove it")]
    Loop(String),
    /// Neither file nor directory.
    #[error("'{0}' is neither a file nor a directory; only these can be shared")]
    Special(String),
    /// More than a share may have.
    #[error("there are more than {MAX_FOLDER_ENTRIES} files and directories; share its folders one by one")]
    TooMany,
}

/// Looks at a path, and all that is below it.
///
/// # Errors
/// [`ScanError`] names what cannot be shared.
pub fn scan(path: &Path, symlinks: Symlinks) -> Result<Scan, ScanError> {
    let failed = |error| ScanError::Io { path: path.display().to_string(), error };
    let place = path.canonicalize().map_err(failed)?;
    let metadata = fs::metadata(&place).map_err(failed)?;
    let name = place.file_name().ok_or_else(|| ScanError::Nameless(path.display().to_string()))?;
    let name: FileName = name.to_str().ok_or_else(|| ScanError::NotText(name.display().to_string()))?.parse()?;
    if let Some(secret) = place.ancestors().find(|place| holds_secrets(place)) {
        return Err(ScanError::Secrets(secret.display().to_string()));
    }
    if metadata.is_file() {
        return Ok(Scan::File { place, name });
    }
    if !metadata.is_dir() {
        return Err(ScanError::Special(path.display().to_string()));
    }
    let mut walk = Walk { symlinks, files: Vec::new(), empty: Vec::new() };
    walk.directory(&place, &mut Vec::new(), &mut vec![(metadata.dev(), metadata.ino())])?;
    let Walk { mut files, mut empty, .. } = walk;
    files.sort_by(|one, other| one.path.cmp(&other.path));
    empty.sort();
    Ok(Scan::Folder { place, name, files, empty })
}

/// Whether a directory is the data directory of a node, ours or another's.
fn holds_secrets(directory: &Path) -> bool {
    directory.join(identity::FILE_NAME).symlink_metadata().is_ok()
}

struct Walk {
    symlinks: Symlinks,
    files: Vec<Found>,
    empty: Vec<RelativePath>,
}

impl Walk {
    /// Looks at a directory that stands at `names`. `above` are the devices and inodes of it and all above it. It goes no deeper than a
    /// path may be, because each path is checked.
    fn directory(
        &mut self,
        place: &Path,
        names: &mut Vec<String>,
        above: &mut Vec<(u64, u64)>,
    ) -> Result<(), ScanError> {
        let failed = |error| ScanError::Io { path: place.display().to_string(), error };
        let mut is_empty = true;
        for entry in fs::read_dir(place).map_err(failed)? {
            is_empty = false;
            self.entry(&entry.map_err(failed)?, names, above)?;
        }
        if is_empty && !names.is_empty() {
            self.empty.push(RelativePath::from_names(names.iter().map(String::as_str))?);
        }
        Ok(())
    }

    fn entry(
        &mut self,
        entry: &DirEntry,
        names: &mut Vec<String>,
        above: &mut Vec<(u64, u64)>,
    ) -> Result<(), ScanError> {
        let place = entry.path();
        let shown = || place.display().to_string();
        let name = entry.file_name().into_string().map_err(|_| ScanError::NotText(shown()))?;
        let metadata = self.metadata(entry)?;
        names.push(name);
        let path = RelativePath::from_names(names.iter().map(String::as_str))
            .map_err(|error| ScanError::NameBelow { path: shown(), error })?;
        if self.files.len() + self.empty.len() >= MAX_FOLDER_ENTRIES {
            return Err(ScanError::TooMany);
        }
        if metadata.is_file() {
            let executable = metadata.permissions().mode() & 0o100 != 0;
            self.files.push(Found { place, path, executable });
        } else if metadata.is_dir() {
            let which = (metadata.dev(), metadata.ino());
            if above.contains(&which) {
                return Err(ScanError::Loop(shown()));
            }
            if holds_secrets(&place) {
                return Err(ScanError::Secrets(shown()));
            }
            above.push(which);
            self.directory(&place, names, above)?;
            above.pop();
        } else {
            return Err(ScanError::Special(shown()));
        }
        names.pop();
        Ok(())
    }

    fn metadata(&self, entry: &DirEntry) -> Result<Metadata, ScanError> {
        let shown = || entry.path().display().to_string();
        let failed = |error| ScanError::Io { path: shown(), error };
        let metadata = entry.metadata().map_err(failed)?;
        match (metadata.is_symlink(), self.symlinks) {
            (false, _) => Ok(metadata),
            (true, Symlinks::Refuse) => Err(ScanError::Symlink(shown())),
            (true, Symlinks::Follow) => fs::metadata(entry.path()).map_err(failed),
        }
    }
}

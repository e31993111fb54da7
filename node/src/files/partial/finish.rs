//! How what is fetched ends: in its place, or not at all.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use proto::blob::BlobId;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::{MAX_SYNCED_ALONE, Partial, PartialError, failed, part_of};

impl Partial {
    /// All is there: puts it in its place, durably.
    ///
    /// # Errors
    /// [`PartialError`]. It can be tried again.
    pub fn finish(&self) -> Result<PathBuf, PartialError> {
        self.sync()?;
        self.complete()?;
        self.open.close(self.id);
        renameat_with(CWD, &self.part, CWD, &self.target, RenameFlags::NOREPLACE).map_err(|error| match error {
            rustix::io::Errno::EXIST => PartialError::Exists(self.target.display().to_string()),
            error => failed(&self.target, error.into()),
        })?;
        let above = self.target.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
        self.disk.sync_directory(above).map_err(|error| failed(above, error))?;
        Ok(self.target.clone())
    }

    /// Makes what no block makes, durably: empty files and directories, and who may use what.
    fn complete(&self) -> Result<(), PartialError> {
        for directory in &self.empty {
            fs::create_dir_all(directory).map_err(|error| failed(directory, error))?;
        }
        let (mut directories, mut files) = (BTreeSet::new(), Vec::new());
        for (index, entry) in self.selected() {
            if entry.size == 0 {
                self.file(index)?;
            }
            let mode = if entry.executable { 0o777 } else { 0o666 };
            self.disk.hand_over(&entry.place, mode).map_err(|error| failed(&entry.place, error))?;
            files.push(index);
            directories.extend(entry.place.ancestors().skip(1).take_while(|place| place.starts_with(&self.part)));
        }
        directories.extend(self.empty.iter().map(PathBuf::as_path));
        for directory in &directories {
            self.disk.hand_over(directory, 0o777).map_err(|error| failed(directory, error))?;
        }
        if files.len() + directories.len() > MAX_SYNCED_ALONE {
            return self.disk.sync_everything(&self.part).map_err(|error| failed(&self.part, error));
        }
        for index in files {
            self.file(index)?.sync_all().map_err(|error| failed(&self.files[index as usize].place, error))?;
        }
        for directory in directories.into_iter().rev() {
            self.disk.sync_directory(directory).map_err(|error| failed(directory, error))?;
        }
        Ok(())
    }

    /// Nobody wants it any more: removes what is there of it.
    ///
    /// # Errors
    /// [`PartialError`].
    pub fn discard(&self) -> Result<(), PartialError> {
        self.open.close(self.id);
        Self::remove(&self.target, self.id)
    }

    /// Removes what is there of a share that was to come to this target.
    pub(in crate::files) fn remove(target: &Path, id: BlobId) -> Result<(), PartialError> {
        let part = part_of(target, id);
        // Where we cannot even look, nothing of ours is.
        let Ok(found) = part.symlink_metadata() else { return Ok(()) };
        // A symbolic link in its place is removed, not followed.
        let removed = if found.is_dir() { fs::remove_dir_all(&part) } else { fs::remove_file(&part) };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(&part, error)),
            _ => Ok(()),
        }
    }
}

//! What a share that is being fetched asks of the disk, so that a test can put a full one, or one that loses its power, in its place.

use std::{
    fs::{File, Permissions},
    io,
    os::unix::fs::{FileExt, PermissionsExt},
    path::Path,
};

use crate::secret_file;

/// Takes bytes, and keeps them.
pub trait Platter: Send + Sync + std::fmt::Debug {
    /// Writes all of these bytes at their place in a file.
    ///
    /// # Errors
    /// Those of the file system.
    fn write_at(&self, file: &File, place: &Path, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Has the bytes of a file outlive a power cut.
    ///
    /// # Errors
    /// Those of the file system, also of earlier writes.
    fn sync_file(&self, file: &File, place: &Path) -> io::Result<()>;

    /// Gives what was fetched the mode that it has when the user makes such a thing: this one, without what the user withholds from others.
    ///
    /// # Errors
    /// Those of the file system.
    fn hand_over(&self, place: &Path, mode: u32) -> io::Result<()>;

    /// Has the names in a directory outlive a power cut.
    ///
    /// # Errors
    /// Those of the file system.
    fn sync_directory(&self, directory: &Path) -> io::Result<()>;

    /// Has everything on the file system of this path outlive a power cut: bytes, names, modes.
    ///
    /// # Errors
    /// Those of the file system, also of earlier writes.
    fn sync_everything(&self, place: &Path) -> io::Result<()>;
}

/// The disk.
#[derive(Debug, Clone, Copy)]
pub struct RealPlatter {
    /// What the user withholds from others in what is fetched: a umask. That of the process may be stricter.
    pub umask: u32,
}

impl Default for RealPlatter {
    /// All from all others.
    fn default() -> Self {
        Self { umask: 0o077 }
    }
}

impl Platter for RealPlatter {
    fn write_at(&self, file: &File, _place: &Path, bytes: &[u8], offset: u64) -> io::Result<()> {
        file.write_all_at(bytes, offset)
    }

    fn sync_file(&self, file: &File, _place: &Path) -> io::Result<()> {
        file.sync_data()
    }

    fn hand_over(&self, place: &Path, mode: u32) -> io::Result<()> {
        std::fs::set_permissions(place, Permissions::from_mode(mode & !self.umask))
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        secret_file::sync_directory(directory)
    }

    fn sync_everything(&self, place: &Path) -> io::Result<()> {
        let place = File::open(place)?;
        #[cfg(target_os = "linux")]
        rustix::fs::syncfs(&place)?;
        #[cfg(not(target_os = "linux"))]
        {
            let _ = place;
            rustix::fs::sync();
        }
        Ok(())
    }
}

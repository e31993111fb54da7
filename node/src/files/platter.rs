//! What a share that is being fetched asks of the disk, so that a test can put a full one, or one that loses its power, in its place.

use std::{fs::File, io, os::unix::fs::FileExt, path::Path};

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
#[derive(Debug, Clone, Copy, Default)]
pub struct RealPlatter;

impl Platter for RealPlatter {
    fn write_at(&self, file: &File, _place: &Path, bytes: &[u8], offset: u64) -> io::Result<()> {
        file.write_all_at(bytes, offset)
    }

    fn sync_file(&self, file: &File, _place: &Path) -> io::Result<()> {
        file.sync_data()
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

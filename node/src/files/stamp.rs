//! How a file is known again.

use std::{
    fs::{File, Metadata},
    io,
    os::unix::fs::MetadataExt,
};

use serde::{Deserialize, Serialize};

/// What a file system says of a file that changes whenever its bytes do, unless somebody takes care that it does not. A file with another
/// stamp than the one under which it was hashed is not served before it was hashed anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Bytes.
    pub size: u64,
    /// When its bytes last changed, in nanoseconds since 1970.
    pub modified_ns: i128,
    /// When anything of it last changed, in nanoseconds since 1970: this one programs do not set.
    pub changed_ns: i128,
    /// Which file it is, on its device.
    pub inode: u64,
    /// Which device.
    pub device: u64,
}

impl Stamp {
    /// The stamp of an open file.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn of(file: &File) -> io::Result<Self> {
        file.metadata().map(|metadata| Self::from(&metadata))
    }

    /// Whether this is the stamp of the same file, not changed since that one was taken, perhaps before a restart: the number of a device
    /// is not the same after each, where it has none of its own.
    pub fn agrees(&self, before: &Self) -> bool {
        Self { device: before.device, ..*self } == *before
    }
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Self {
        let ns = |seconds: i64, ns: i64| i128::from(seconds) * 1_000_000_000 + i128::from(ns);
        Self {
            size: metadata.len(),
            modified_ns: ns(metadata.mtime(), metadata.mtime_nsec()),
            changed_ns: ns(metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
            device: metadata.dev(),
        }
    }
}

//! Small disks that can run full.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use tempfile::TempDir;

use crate::require_root_and;

/// A file system in memory with a fixed size.
pub struct SmallDisk {
    mount: TempDir,
}

impl SmallDisk {
    /// A new one that holds `megabytes` MiB.
    ///
    /// # Errors
    /// Why this machine cannot have one.
    pub fn new(megabytes: u64) -> Result<Self, String> {
        require_root_and(&["mount", "umount"])?;
        let mount = TempDir::with_prefix("starling-disk-").map_err(|error| error.to_string())?;
        let disk = Self { mount };
        disk.mount(&["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"])?;
        Ok(disk)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.mount.path()
    }

    /// Makes it larger or smaller.
    ///
    /// # Panics
    /// When the system refuses.
    pub fn resize(&self, megabytes: u64) {
        self.mount(&["-o", &format!("remount,size={megabytes}m")]).unwrap_or_else(|error| panic!("{error}"));
    }

    /// Fills it with one file, `filler`, except for `spare` bytes.
    ///
    /// # Panics
    /// When that cannot be done.
    pub fn fill_except(&self, spare: u64) {
        let space = rustix::fs::statvfs(self.path()).expect("its size");
        let bytes = (space.f_bavail * space.f_frsize).saturating_sub(spare);
        fs::write(self.path().join("filler"), vec![0; usize::try_from(bytes).expect("it is small")]).expect("it fits");
    }

    fn mount(&self, arguments: &[&str]) -> Result<(), String> {
        let Output { status, stderr, .. } = Command::new("mount")
            .args(arguments)
            .arg(self.path())
            .output()
            .map_err(|error| format!("mount: {error}"))?;
        if status.success() { Ok(()) } else { Err(format!("mount: {}", String::from_utf8_lossy(&stderr).trim())) }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a process that is being killed may still hold a file.
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).output();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_disk_runs_full_and_grows() {
        let disk = match SmallDisk::new(4) {
            Ok(disk) => disk,
            Err(reason) => return crate::skip("small disk", &reason),
        };
        disk.fill_except(0);
        let full = fs::write(disk.path().join("more"), vec![1; 100_000]).unwrap_err();
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
        disk.resize(8);
        fs::write(disk.path().join("more"), vec![1; 100_000]).unwrap();
    }
}

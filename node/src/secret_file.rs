//! Files that only their owner may read: written once, never overwritten.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::Path,
};

/// Bytes read of a secret at most. Every secret of a node is shorter; a longer file is not one.
const MAX_SECRET_BYTES: u64 = 4_096;

/// Writes a new file with mode 0600 so that it is there whole or not at all, also after a power cut.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] when there is such a file; it is left as it is.
pub fn create(path: &Path, contents: &[u8]) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if fs::symlink_metadata(path).is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let temporary = path.with_extension(format!("tmp-{}", std::process::id()));
    let result = write_and_link(&temporary, path, contents);
    let removed = fs::remove_file(&temporary);
    result?;
    removed?;
    sync_directory(directory)
}

fn write_and_link(temporary: &Path, path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut file = new_private_file(temporary)?;
    file.write_all(contents)?;
    file.sync_all()?;
    // A hard link, unlike a rename, never replaces what is there.
    fs::hard_link(temporary, path)
}

/// Replaces a file that is no secret to keep, with mode 0600, at once: readers see the old contents or the new.
///
/// # Errors
/// Any error of the file system.
pub fn replace(path: &Path, contents: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension(format!("tmp-{}", std::process::id()));
    let written = new_private_file(&temporary).and_then(|mut file| file.write_all(contents));
    let result = written.and_then(|()| fs::rename(&temporary, path));
    if result.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&temporary);
    }
    result
}

/// Reads a secret.
///
/// # Errors
/// [`io::ErrorKind::NotFound`], [`io::ErrorKind::PermissionDenied`], or [`io::ErrorKind::InvalidData`] when it is longer than
/// any secret.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    if fs::metadata(path)?.len() > MAX_SECRET_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is too long"));
    }
    fs::read(path)
}

/// Whether users other than the owner may read the file. False where files have no such modes.
pub fn is_exposed(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        false
    }
}

/// Makes the names in a directory durable.
///
/// # Errors
/// Any error of the file system.
pub fn sync_directory(directory: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(directory)?.sync_all()?;
    let _ = directory;
    Ok(())
}

fn new_private_file(path: &Path) -> io::Result<File> {
    // Left over by a process with our id that died half-way.
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    private_options().write(true).create_new(true).open(path)
}

/// Options that give a new file the mode 0600.
pub fn private_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_private_and_never_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        create(&path, b"first").unwrap();
        assert_eq!(create(&path, b"second").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(read(&path).unwrap(), b"first");
        assert!(!is_exposed(&path));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[cfg(unix)]
    #[test]
    fn a_dangling_link_is_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        std::os::unix::fs::symlink(directory.path().join("elsewhere"), &path).unwrap();
        assert_eq!(create(&path, b"secret").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert!(!directory.path().join("elsewhere").exists());
    }

    #[test]
    fn replacing_keeps_the_file_private_and_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.json");
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert!(!is_exposed(&path));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}

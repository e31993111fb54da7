//! Copied files, and what nothing needs any more.
//!
//! | in the vault's directory | needed by |
//! |---|---|
//! | `files/ROOT` | shares that are held as copies, if a file with this root is in one |
//! | `files/NUMBER.new` | nobody but who is copying it |
//! | `SHARE/` | the record of that share |
//!
//! Who needs a file is found anew each time, so there is no count that could be wrong. What is made before the record that needs it is
//! [claimed](Claims) in the meantime. Other names are left alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use proto::blob::{BlobId, manifest::Content};

use super::{
    Usage, VaultError,
    outlines::{self, UNFINISHED},
    records::Way,
    shelf::{Core, alone},
};
use crate::files::lock;

/// The directory of copied files.
pub const FILES: &str = "files";

/// Where a copied file is.
pub fn file_place(shares: &Path, root: BlobId) -> PathBuf {
    shares.join(FILES).join(root.to_string())
}

/// Files and directories that are not garbage although no record needs them yet.
#[derive(Default)]
pub struct Claims {
    claimed: Arc<Mutex<BTreeMap<PathBuf, usize>>>,
    next: AtomicU64,
}

/// A claim. Dropping it gives it up.
pub struct Claim {
    place: PathBuf,
    claimed: Arc<Mutex<BTreeMap<PathBuf, usize>>>,
}

impl Claims {
    /// Claims a place; several may.
    pub fn take(&self, place: PathBuf) -> Claim {
        *lock(&self.claimed).entry(place.clone()).or_default() += 1;
        Claim { place, claimed: Arc::clone(&self.claimed) }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut claimed = lock(&self.claimed);
        if let Some(count) = claimed.get_mut(&self.place) {
            *count -= 1;
            if *count == 0 {
                claimed.remove(&self.place);
            }
        }
    }
}

/// What is in the vault's directory.
#[derive(Default)]
struct Found {
    copied_bytes: u64,
    outline_bytes: u64,
    garbage_bytes: u64,
}

impl Core {
    /// A name for a file that is to be copied, claimed.
    pub fn new_file(&self) -> (PathBuf, Claim) {
        let files = self.shares_directory.join(FILES);
        loop {
            let number = self.claims.next.fetch_add(1, Ordering::Relaxed);
            let place = files.join(format!("{number}.{UNFINISHED}"));
            let claim = self.claims.take(place.clone());
            // One may be left of a run that was killed.
            if place.symlink_metadata().is_err() {
                return (place, claim);
            }
        }
    }

    /// See [`super::Vault::usage`].
    pub fn usage(&self) -> Result<Usage, VaultError> {
        let Found { copied_bytes, outline_bytes, garbage_bytes } = self.sweep(false)?;
        let mut partial_bytes = 0;
        for share in self.all()? {
            let record = share.state().as_ref().map(|state| Arc::clone(&state.record));
            if let Some(record) = record.filter(|record| matches!(record.way, Way::Parts(_))) {
                partial_bytes += allocated(&crate::files::part_of(&record.place, share.id));
            }
        }
        Ok(Usage { copied_bytes, partial_bytes, outline_bytes, garbage_bytes })
    }

    /// See [`super::Vault::collect_garbage`].
    pub fn collect_garbage(&self) -> Result<u64, VaultError> {
        Ok(self.sweep(true)?.garbage_bytes)
    }

    /// Looks at all that is in the vault's directory, and removes what nothing needs if that is wanted.
    fn sweep(&self, remove: bool) -> Result<Found, VaultError> {
        let _alone = alone(&self.sweeping);
        let mut shares = BTreeSet::new();
        let mut roots = BTreeSet::new();
        for share in self.all()? {
            let Some(record) = share.state().as_ref().map(|state| Arc::clone(&state.record)) else { continue };
            shares.insert(share.id);
            if record.way == Way::Copied {
                // Without its manifest nobody knows what it needs; then nothing is removed.
                self.add_roots(record.content, &mut roots)?;
            }
        }
        let mut found = Found::default();
        for (place, name) in entries(&self.shares_directory)? {
            let Ok(share) = name.parse::<BlobId>() else { continue };
            let bytes = self.judge(&place, shares.contains(&share), remove, &mut found)?;
            found.outline_bytes += bytes;
        }
        for (place, name) in entries(&self.shares_directory.join(FILES))? {
            let root = name.parse::<BlobId>();
            if root.is_ok() || place.extension().is_some_and(|extension| extension == UNFINISHED) {
                let needed = root.is_ok_and(|root| roots.contains(&root));
                let bytes = self.judge(&place, needed, remove, &mut found)?;
                found.copied_bytes += bytes;
            }
        }
        Ok(found)
    }

    fn add_roots(&self, content: Content, roots: &mut BTreeSet<BlobId>) -> Result<(), VaultError> {
        match outlines::read_manifest(&self.shares_directory, content)? {
            Some((manifest, _)) => roots.extend(manifest.files().map(|(_, file)| file.root)),
            None => _ = roots.insert(content.id()),
        }
        Ok(())
    }

    /// Bytes at a place that is needed or claimed; else they are garbage.
    fn judge(&self, place: &Path, needed: bool, remove: bool, found: &mut Found) -> Result<u64, VaultError> {
        let bytes = size(place);
        // Nobody claims it while it is removed.
        let claimed = lock(&self.claims.claimed);
        if needed || claimed.contains_key(place) {
            return Ok(bytes);
        }
        found.garbage_bytes += bytes;
        if remove {
            let removed = if place.is_dir() { fs::remove_dir_all(place) } else { fs::remove_file(place) };
            // Who forgets a share removes its outline too.
            removed.or_else(ignore_missing).map_err(|error| outlines::failed(place, error))?;
        }
        Ok(0)
    }
}

/// What is in a directory and has a name that is text, as all have that the vault makes.
fn entries(directory: &Path) -> Result<Vec<(PathBuf, String)>, VaultError> {
    let entry = |entry: io::Result<fs::DirEntry>| {
        entry.map(|entry| Some((entry.path(), entry.file_name().into_string().ok()?))).transpose()
    };
    let entries = fs::read_dir(directory).and_then(|entries| entries.filter_map(entry).collect());
    entries.map_err(|error| outlines::failed(directory, error))
}

/// What is not there needs not be removed.
pub fn ignore_missing(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// Bytes of a file, or of the files right in a directory.
fn size(place: &Path) -> u64 {
    let len = |path: &Path| path.symlink_metadata().map_or(0, |found| if found.is_file() { found.len() } else { 0 });
    match fs::read_dir(place) {
        Ok(entries) => entries.filter_map(Result::ok).map(|entry| len(&entry.path())).sum(),
        Err(_) => len(place),
    }
}

/// Bytes that a file, or all below a directory, take on disk.
fn allocated(place: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    /// What file systems count in.
    const UNIT_BYTES: u64 = 512;
    let Ok(found) = place.symlink_metadata() else { return 0 };
    let below = match fs::read_dir(place) {
        Ok(entries) if found.is_dir() => entries.filter_map(Result::ok).map(|entry| allocated(&entry.path())).sum(),
        _ => 0,
    };
    below + if found.is_file() { found.blocks() * UNIT_BYTES } else { 0 }
}

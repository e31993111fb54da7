//! What a share consists of.

use std::path::{Path, PathBuf};

use proto::blob::{
    layer::Layer,
    manifest::{Content, Entry, FileEntry, InvalidManifest, Manifest, Node},
    path::FileName,
};

use super::{HashError, Progress, Scan, ScanError, Stamp, Symlinks, hash_files, scan};

/// What to share.
#[derive(Debug, Clone)]
pub struct Import<'a> {
    /// A file or a folder.
    pub path: &'a Path,
    /// What to do about symbolic links in it.
    pub symlinks: Symlinks,
}

/// A file of a share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// What the share is.
    pub content: Content,
    /// What it is called.
    pub name: FileName,
    /// Where it is.
    pub place: PathBuf,
    /// What is in it, if it is a folder.
    pub manifest: Option<Manifest>,
    /// Its files, in the order of the manifest: where each is, under which stamp it was hashed, and its chunks' hashes.
    pub files: Vec<(PathBuf, Stamp, Layer)>,
}

/// Why something cannot be shared.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It holds what cannot be shared.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// It cannot be read.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// Together, its files make no share.
    #[error(transparent)]
    Manifest(#[from] InvalidManifest),
}

/// Looks at a path and hashes all of it. Takes as long as reading it does, and keeps all cores busy.
///
/// # Errors
/// [`ImportError`].
pub fn import(what: &Import, progress: &Progress) -> Result<Imported, ImportError> {
    let found = scan(what.path, what.symlinks)?;
    let places: Vec<PathBuf> = found.files().map(Path::to_owned).collect();
    import_from(found, places, progress)
}

/// Hashes what was found on a path, where its files are now: at `places`, in the order of [`Scan::files`].
///
/// # Errors
/// [`ImportError`].
pub fn import_from(found: Scan, places: Vec<PathBuf>, progress: &Progress) -> Result<Imported, ImportError> {
    let hashed = hash_files(&places, progress)?;
    match found {
        Scan::File { place, name } => {
            let (stamp, layer) = hashed.first().ok_or(HashError::Cancelled)?;
            let content = Content::File { root: layer.root(), size: stamp.size };
            let files = places.into_iter().zip(hashed).map(|(place, (stamp, layer))| (place, stamp, layer)).collect();
            Ok(Imported { content, name, place, manifest: None, files })
        }
        Scan::Folder { place, name, files: found, empty } => {
            let file = |(found, (stamp, layer)): (super::Found, &(Stamp, Layer))| Entry {
                path: found.path,
                node: Node::File(FileEntry { size: stamp.size, root: layer.root(), executable: found.executable }),
            };
            let entries = found.into_iter().zip(&hashed).map(file);
            let empty = empty.into_iter().map(|path| Entry { path, node: Node::EmptyDirectory });
            let manifest = Manifest::new(entries.chain(empty).collect())?;
            let files = places.into_iter().zip(hashed).map(|(place, (stamp, layer))| (place, stamp, layer)).collect();
            Ok(Imported { content: manifest.content(), name, place, manifest: Some(manifest), files })
        }
    }
}

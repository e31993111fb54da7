//! Outlines on disk: a directory for each share.
//!
//! | file | what |
//! |---|---|
//! | `manifest` | the bytes of the manifest; only of a folder |
//! | `hashes` | the hashes of all chunks of all files, in order |
//!
//! What is read is proven against the share's id before anybody sees it.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use proto::blob::{
    BlobId, CHUNK_BYTES, Hash, chunk_count, chunk_hash,
    layer::Layer,
    manifest::{Content, Manifest},
    outline::Outline,
};

use super::VaultError;
use crate::secret_file::{private_options, sync_directory};

const MANIFEST: &str = "manifest";
const HASHES: &str = "hashes";

/// How the names of files end that are being written.
pub const UNFINISHED: &str = "new";

/// Where the outline of a share is.
pub fn directory(shares: &Path, share: BlobId) -> PathBuf {
    shares.join(share.to_string())
}

/// The file of a share's manifest.
pub fn manifest_place(shares: &Path, share: BlobId) -> PathBuf {
    directory(shares, share).join(MANIFEST)
}

/// Creates a directory, and those above it, that only its owner may enter.
pub fn private_directory(directory: &Path) -> Result<(), VaultError> {
    let mut builder = fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(directory).map_err(|error| failed(directory, error))
}

/// Writes an outline, durably.
///
/// # Errors
/// [`VaultError::Io`].
pub fn write(shares: &Path, outline: &Outline) -> Result<(), VaultError> {
    let directory = directory(shares, outline.content().id());
    private_directory(&directory)?;
    if let Some(manifest) = outline.manifest() {
        write_file(&directory.join(MANIFEST), |file| file.write_all(&manifest.encode()))?;
    }
    let layers = outline.layers().iter();
    write_file(&directory.join(HASHES), |file| {
        let mut file = io::BufWriter::new(file);
        layers.map(Layer::hashes).try_for_each(|hashes| file.write_all(hashes.as_flattened()))?;
        file.flush()
    })?;
    for directory in [&directory, shares] {
        sync_directory(directory).map_err(|error| failed(directory, error))?;
    }
    Ok(())
}

fn write_file(place: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> Result<(), VaultError> {
    let unfinished = place.with_extension(UNFINISHED);
    let result = private_options().write(true).create(true).truncate(true).open(&unfinished).and_then(|mut file| {
        write(&mut file)?;
        file.sync_all()?;
        fs::rename(&unfinished, place)
    });
    result.map_err(|error| failed(place, error))
}

/// Reads the manifest of a share, if it is a folder, and the hashes of its chunks.
///
/// # Errors
/// [`VaultError::Io`], also when it is not the share's.
pub fn read_manifest(shares: &Path, content: Content) -> Result<Option<(Manifest, Layer)>, VaultError> {
    let Content::Folder { manifest_len, .. } = content else { return Ok(None) };
    let place = manifest_place(shares, content.id());
    let bytes = read_file(&place, u64::from(manifest_len))?;
    let layer = layer_of(&bytes).filter(|layer| layer.root() == content.id());
    let layer = layer.ok_or_else(|| damaged(&place))?;
    let manifest = Manifest::decode(&bytes).map_err(|_| damaged(&place))?;
    Ok(Some((manifest, layer)))
}

/// The hashes of the chunks of a manifest.
pub fn layer_of(bytes: &[u8]) -> Option<Layer> {
    let len = bytes.len() as u64;
    let hashes: Vec<Hash> = bytes.chunks(CHUNK_BYTES).map(|chunk| chunk_hash(chunk, len)).collect();
    Layer::new(hashes, len).ok()
}

/// Reads an outline, and the hashes of its manifest's chunks.
///
/// # Errors
/// [`VaultError::Io`], also when it is not the share's.
pub fn read(shares: &Path, content: Content) -> Result<(Outline, Option<Layer>), VaultError> {
    let (manifest, manifest_layer) = read_manifest(shares, content)?.unzip();
    let sizes: Vec<u64> = match &manifest {
        Some(manifest) => manifest.files().map(|(_, file)| file.size).collect(),
        None => vec![content.size()],
    };
    let chunks: u64 = sizes.iter().map(|size| chunk_count(*size)).sum();
    let place = directory(shares, content.id()).join(HASHES);
    let bytes = read_file(&place, chunks * size_of::<Hash>() as u64)?;
    let mut hashes = bytes.as_chunks::<{ size_of::<Hash>() }>().0;
    let layer = |size: u64| {
        let (of_file, rest) = hashes.split_at_checked(chunk_count(size) as usize)?;
        hashes = rest;
        Layer::new(of_file.to_vec(), size).ok()
    };
    let layers: Option<Vec<Layer>> = sizes.into_iter().map(layer).collect();
    let outline = layers.and_then(|layers| Outline::new(content, manifest, layers).ok());
    Ok((outline.ok_or_else(|| damaged(&place))?, manifest_layer))
}

/// Reads a file that has so many bytes.
fn read_file(place: &Path, len: u64) -> Result<Vec<u8>, VaultError> {
    let failed = |error| failed(place, error);
    let mut file = File::open(place).map_err(failed)?;
    if file.metadata().map_err(failed)?.len() != len {
        return Err(damaged(place));
    }
    let mut bytes = vec![0; len as usize];
    file.read_exact(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// The disk says no.
pub fn failed(place: &Path, error: io::Error) -> VaultError {
    VaultError::Io { path: place.display().to_string(), error }
}

/// A file of the vault is not what was written.
pub fn damaged(place: &Path) -> VaultError {
    let text = "it is not what was written there; share or fetch it again";
    failed(place, io::Error::new(io::ErrorKind::InvalidData, text))
}

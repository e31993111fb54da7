//! Bytes and hashes of shares, for peers.
//!
//! What is read is checked against the hashes of its block before anybody gets it, so nothing wrong is ever served. Stamps are compared all
//! the same: they tell of a change in a file before the block is asked for that it is in. Because of the hashes it does no harm that a file
//! may change within the tick of the file system's clock in which it was hashed, and keep its stamp.

use std::{
    collections::BTreeSet,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use proto::{
    blob::{
        BlobId, CHUNK_BYTES,
        layer::{LayerPart, LayerRange},
        layout::Part,
        merkle::is_chunk,
        outline::Outline,
    },
    transfer::message::Tree,
};

use super::{
    Held, VaultError,
    open::{Open, open_file},
    outlines,
    records::{self, Record, Way},
    shelf::{Core, Share, alone, is_whole, together},
};
use crate::files::{HashError, ImportError, PartialError, Progress, Stamp, hash_files};

/// Why a part of a file cannot be read.
enum Unread {
    /// It is not what it was.
    Changed(PathBuf),
    /// The disk says no.
    Io(PathBuf, io::Error),
}

impl Core {
    /// See [`super::Vault::outline`].
    pub fn outline(&self, id: BlobId) -> Result<Arc<Outline>, VaultError> {
        let share = self.find(id)?;
        let _together = together(&share.alone);
        let record = share.record()?;
        Ok(Arc::clone(&self.open(&share, &record)?.outline))
    }

    /// A share that can be served.
    fn serving(&self, share: &Arc<Share>) -> Result<(Arc<Record>, Arc<Open>), VaultError> {
        let record = share.record()?;
        match &record.changed {
            Some(file) => Err(VaultError::Changed(file.clone())),
            None => {
                let open = self.open(share, &record)?;
                Ok((record, open))
            }
        }
    }

    /// See [`super::Vault::layer`].
    pub fn layer(&self, id: BlobId, of: Tree, range: LayerRange) -> Result<LayerPart, VaultError> {
        let share = self.find(id)?;
        let _together = together(&share.alone);
        let (_, open) = self.serving(&share)?;
        let layer = match of {
            Tree::Manifest => open.manifest_layer.as_ref(),
            Tree::File(file) => open.outline.layer(file),
        };
        layer.ok_or(VaultError::Unknown)?.part(range).map_err(|_| VaultError::Unknown)
    }

    /// See [`super::Vault::manifest_chunk`].
    pub fn manifest_chunk(&self, id: BlobId, chunk: u32) -> Result<Vec<u8>, VaultError> {
        let share = self.find(id)?;
        let _together = together(&share.alone);
        let (_, open) = self.serving(&share)?;
        let layer = open.manifest_layer.as_ref().ok_or(VaultError::Unknown)?;
        let hash = layer.hashes().get(chunk as usize).ok_or(VaultError::Unknown)?;
        let place = outlines::manifest_place(&self.shares_directory, id);
        let mut bytes = vec![0; proto::blob::chunk_len(layer.blob_len(), chunk.into())];
        let read =
            open_file(&place).and_then(|file| file.read_exact_at(&mut bytes, u64::from(chunk) * CHUNK_BYTES as u64));
        read.map_err(|error| outlines::failed(&place, error))?;
        if is_chunk(&bytes, chunk.into(), layer.blob_len(), hash) { Ok(bytes) } else { Err(outlines::damaged(&place)) }
    }

    /// See [`super::Vault::read`].
    pub fn read(&self, id: BlobId, block: u32) -> Result<Vec<u8>, VaultError> {
        let share = self.find(id)?;
        let _together = together(&share.alone);
        let (record, open) = self.serving(&share)?;
        let layout = open.outline.layout();
        if block >= layout.blocks() || !is_whole(layout, record.way.selected(), block) {
            return Err(VaultError::Unknown);
        }
        if let Some(partial) = &open.partial {
            if !share.with_parts(|parts| parts.have.contains(block) || parts.pending.contains(&block))? {
                return Err(VaultError::Unknown);
            }
            let bytes = partial.read(block);
            return self.checked(&share, &open, block, bytes);
        }
        let mut bytes = vec![0; layout.block_len(block) as usize];
        for part in layout.block(block) {
            let buffer = &mut bytes[part.at as usize..][..part.len as usize];
            match self.read_part(&record, &open, &part, buffer) {
                Ok(()) => {}
                Err(Unread::Changed(place)) => return Err(self.mark_changed(&share, &place)),
                Err(Unread::Io(place, error)) => return Err(outlines::failed(&place, error)),
            }
        }
        Ok(bytes)
    }

    /// Reads a part of a file that is in place or copied, and checks it.
    fn read_part(&self, record: &Record, open: &Open, part: &Part, bytes: &mut [u8]) -> Result<(), Unread> {
        let place = open.place(&self.shares_directory, record, part.file).unwrap_or_default();
        let unread = |error: io::Error| match is_gone(&error) {
            true => Unread::Changed(place.clone()),
            false => Unread::Io(place.clone(), error),
        };
        let file = self.files.get((record.content.id(), part.file), || open_file(&place)).map_err(unread)?;
        if record.way != Way::Copied {
            let known = open.stamps.get(part.file as usize).copied().flatten();
            let now = Stamp::of(&file).map_err(unread)?;
            if !known.is_some_and(|known| now.agrees(&known)) {
                return Err(Unread::Changed(place));
            }
        }
        file.read_exact_at(bytes, part.offset).map_err(unread)?;
        if is_right(&open.outline, part, bytes) { Ok(()) } else { Err(Unread::Changed(place)) }
    }

    /// The bytes of a block that is held in parts, if they are what was written.
    fn checked(
        &self,
        share: &Share,
        open: &Open,
        block: u32,
        bytes: Result<Vec<u8>, PartialError>,
    ) -> Result<Vec<u8>, VaultError> {
        let place = match bytes {
            Ok(bytes) if open.outline.is_block(block, &bytes) => return Ok(bytes),
            Err(PartialError::Io { path, error }) if is_gone(&error) => path,
            Err(error) => return Err(error.into()),
            Ok(_) => open.partial.as_ref().map_or_else(String::new, |partial| partial.place().display().to_string()),
        };
        self.drop_blocks(share, &BTreeSet::from([block]))?;
        Err(VaultError::Lost(place))
    }

    /// See [`super::Vault::verify`].
    pub fn verify(&self, id: BlobId, progress: &Progress) -> Result<Held, VaultError> {
        let share = self.find(id)?;
        let record = share.record()?;
        if let Way::Parts(_) = record.way {
            self.verify_parts(&share, progress)?;
        } else {
            self.verify_files(&share, &record, progress)?;
        }
        self.held(&share)
    }

    fn verify_files(&self, share: &Arc<Share>, record: &Arc<Record>, progress: &Progress) -> Result<(), VaultError> {
        let open = {
            let _together = together(&share.alone);
            self.open(share, record)?
        };
        let here = |file: &u32| record.way.selected().is_none_or(|files| files.contains(*file));
        let files: Vec<u32> = (0..open.outline.layers().len() as u32).filter(here).collect();
        let place = |file: &u32| open.place(&self.shares_directory, record, *file).unwrap_or_default();
        let places: Vec<PathBuf> = files.iter().map(place).collect();
        let found = match hash_files(&places, progress) {
            Ok(hashed) => {
                let differs = |(file, (_, layer)): (&u32, &_)| open.outline.layer(*file) != Some(layer);
                let wrong = files.iter().zip(&hashed).position(differs);
                wrong.map_or(Ok(hashed), |at| Err(places[at].display().to_string()))
            }
            Err(HashError::Io { path, error }) if is_gone(&error) => Err(path),
            Err(error) => return Err(ImportError::from(error).into()),
        };
        let _alone = alone(&share.alone);
        // It may have been forgotten or shared anew in the meantime; then that is what is known.
        let now = share.record()?;
        if (Record { changed: record.changed.clone(), ..(*now).clone() }) != **record {
            return Ok(());
        }
        match found {
            Err(path) => _ = self.mark_changed(share, Path::new(&path)),
            Ok(hashed) => {
                if record.way != Way::Copied {
                    let mut stamps = vec![None; open.outline.layers().len()];
                    files.iter().zip(&hashed).for_each(|(file, (stamp, _))| stamps[*file as usize] = Some(*stamp));
                    self.commit_pages(records::put_stamps(share.id, &stamps))?;
                }
                let record = Record { changed: None, ..(**record).clone() };
                self.commit(vec![records::put_record(&record)])?;
                if let Some(state) = share.state().as_mut() {
                    state.record = Arc::new(record);
                }
                self.close(share);
            }
        }
        Ok(())
    }

    fn verify_parts(&self, share: &Arc<Share>, progress: &Progress) -> Result<(), VaultError> {
        let have = share.with_parts(|parts| parts.have.clone())?;
        let mut is_first = true;
        for block in have.iter() {
            if progress.is_cancelled() {
                return Err(ImportError::from(HashError::Cancelled).into());
            }
            let _together = together(&share.alone);
            let record = share.record()?;
            let open = self.open(share, &record)?;
            // Finished in the meantime.
            let Some(partial) = &open.partial else { return Ok(()) };
            let layout = open.outline.layout();
            if std::mem::take(&mut is_first) {
                progress.add(0, have.iter().map(|block| u64::from(layout.block_len(block))).sum());
            }
            let is_here = match partial.read_kept(block) {
                Ok(parts) => parts.iter().all(|(part, bytes)| is_right(&open.outline, part, bytes)),
                Err(PartialError::Io { error, .. }) if is_gone(&error) => false,
                Err(error) => return Err(error.into()),
            };
            if !is_here {
                self.drop_blocks(share, &BTreeSet::from([block]))?;
            }
            progress.add(layout.block_len(block).into(), 0);
        }
        Ok(())
    }
}

/// Whether these are the bytes of a part of a block.
fn is_right(outline: &Outline, part: &Part, bytes: &[u8]) -> bool {
    let layer = outline.layer(part.file);
    layer.is_some_and(|layer| {
        let hash = layer.hashes().get(part.chunk as usize);
        hash.is_some_and(|hash| is_chunk(bytes, part.chunk.into(), layer.blob_len(), hash))
    })
}

/// Whether what should be there is not, or not all of it.
fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{IsADirectory, NotADirectory, NotFound, UnexpectedEof};
    matches!(error.kind(), NotFound | NotADirectory | IsADirectory | UnexpectedEof)
}

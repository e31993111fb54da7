//! Shares that are held whole, because the user has them.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Weak},
};

use proto::blob::{layer::Layer, outline::Outline};

use super::{
    Held, ShareThis, VaultError,
    garbage::{self, Claim},
    open::Open,
    outlines,
    records::{self, Record, Way},
    shelf::{Core, Share, State, alone, together},
};
use crate::{
    files::{
        HashError, Import, ImportError, Imported, MAX_SYNCED_ALONE, Progress, Stamp, import, import_from, lock, scan,
    },
    secret_file::sync_directory,
    store::tables::Table,
};

/// Files that were copied, and are not yet needed by a durable record. Those that are left under their first names are removed.
#[derive(Default)]
struct Copies {
    places: Vec<PathBuf>,
    claims: Vec<Claim>,
}

impl Drop for Copies {
    fn drop(&mut self) {
        for place in &self.places {
            // Garbage otherwise, and collected as such.
            let _ = fs::remove_file(place);
        }
    }
}

impl Core {
    /// See [`super::Vault::import`].
    pub fn import(&self, what: ShareThis, progress: &Progress) -> Result<Held, VaultError> {
        let mut copies = Copies::default();
        let mut imported = if what.copy {
            let found = scan(&what.path, what.symlinks).map_err(ImportError::from)?;
            self.copy(found.files(), &mut copies, progress)?;
            let imported = import_from(found, copies.places.clone(), progress)?;
            self.keep_copies(&imported, &mut copies)?;
            imported
        } else {
            import(&Import { path: &what.path, symlinks: what.symlinks }, progress)?
        };
        if let Some(name) = what.name {
            imported.name = name;
        }
        let share = self.find_or_add(imported.content.id())?;
        let held = self.hold(&share, imported, what.copy, what.now_ms, copies);
        self.tidy(share);
        held
    }

    /// Copies files into the vault under names of their own.
    fn copy<'a>(
        &self,
        files: impl Iterator<Item = &'a Path>,
        copies: &mut Copies,
        progress: &Progress,
    ) -> Result<(), VaultError> {
        for file in files {
            if progress.is_cancelled() {
                return Err(ImportError::from(HashError::Cancelled).into());
            }
            let (place, claim) = self.new_file();
            copies.claims.push(claim);
            copies.places.push(place.clone());
            // Where the file system can, this takes no space.
            let copied =
                fs::copy(file, &place).and_then(|_| fs::set_permissions(&place, fs::Permissions::from_mode(0o600)));
            copied.map_err(|error| outlines::failed(file, error))?;
        }
        Ok(())
    }

    /// Makes copies durable under the names of what is in them. One that was there is replaced by its equal.
    fn keep_copies(&self, imported: &Imported, copies: &mut Copies) -> Result<(), VaultError> {
        let files = self.shares_directory.join(garbage::FILES);
        if copies.places.len() > MAX_SYNCED_ALONE {
            self.disk.sync_everything(&files).map_err(|error| outlines::failed(&files, error))?;
        } else {
            for place in &copies.places {
                let synced = fs::File::open(place).and_then(|file| self.disk.sync_file(&file, place));
                synced.map_err(|error| outlines::failed(place, error))?;
            }
        }
        for (place, _, layer) in &imported.files {
            let kept = garbage::file_place(&self.shares_directory, layer.root());
            // Before it is there, so that it is never taken for garbage.
            copies.claims.push(self.claims.take(kept.clone()));
            fs::rename(place, &kept).map_err(|error| outlines::failed(place, error))?;
        }
        copies.places.clear();
        sync_directory(&files).map_err(|error| outlines::failed(&files, error))
    }

    fn hold(
        &self,
        share: &Arc<Share>,
        imported: Imported,
        copy: bool,
        now_ms: u64,
        copies: Copies,
    ) -> Result<Held, VaultError> {
        let Imported { content, name, place, manifest, files } = imported;
        let (stamps, layers): (Vec<Option<Stamp>>, Vec<Layer>) =
            files.into_iter().map(|(_, stamp, layer)| (Some(stamp), layer)).unzip();
        if !records::has_room(&place) {
            return Err(outlines::failed(&place, std::io::ErrorKind::InvalidFilename.into()));
        }
        // They were made together.
        let outline = Outline::new(content, manifest, layers).map_err(|_| VaultError::Unknown)?;
        let _alone = alone(&share.alone);
        let before = share.record().ok();
        if let Some(before) = before.as_ref().filter(|before| matches!(before.way, Way::Parts(_))) {
            return Err(VaultError::Here(before.place.display().to_string()));
        }
        // Who shares again what was copied has not asked for the copy to go.
        let is_copied = |before: &&Arc<Record>| matches!(before.way, Way::Copied) && before.changed.is_none() && !copy;
        if let Some(before) = before.as_ref().filter(is_copied) {
            let record = Record { name, ..Record::clone(before) };
            self.commit(vec![records::put_record(&record)])?;
            if let Some(state) = &mut *share.state() {
                state.record = Arc::new(record);
            }
            return self.held(share);
        }
        let claim = self.claims.take(outlines::directory(&self.shares_directory, share.id));
        outlines::write(&self.shares_directory, &outline)?;
        let stamps = if copy { Vec::new() } else { stamps };
        // If we are killed before the record follows, a share that is in place elsewhere is taken for changed until it is verified.
        self.commit_pages(records::put_stamps(share.id, &stamps))?;
        let _entering = lock(&self.entering);
        let (added_ms, number) = match &before {
            Some(before) => (before.added_ms, before.number),
            None => (now_ms, self.room()?),
        };
        let way = if copy { Way::Copied } else { Way::InPlace };
        let record = Record { content, name, place, way, changed: None, added_ms, number };
        let mut changes = if copy { self.removals(Table::Stamps, share.id)? } else { Vec::new() };
        changes.push(records::put_record(&record));
        let sweeping = together(&self.sweeping);
        self.commit(changes)?;
        *share.state() = Some(State { record: Arc::new(record), parts: None, layout: Weak::new() });
        drop((claim, copies, sweeping));
        let manifest_layer = outline.manifest().and_then(|manifest| outlines::layer_of(&manifest.encode()));
        self.open_with(share, Open::new(Arc::new(outline), manifest_layer, stamps, None));
        self.held(share)
    }
}

//! Shares that are held in parts: from the first block to their place.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use globset::GlobSet;
use proto::blob::{BlobId, Blocks, layer::Layer, layout::Layout, outline::Outline};

use super::{
    FetchThis, Held, VaultError, garbage,
    open::Open,
    outlines,
    records::{self, Fetch, Record, Way},
    shelf::{Core, Parts, Share, State, alone, together, wanted},
};
use crate::{
    files::{Partial, PartialError, Stamp, lock},
    store::tables::Table,
};

impl Core {
    /// See [`super::Vault::begin`].
    pub fn begin(&self, outline: Arc<Outline>, what: FetchThis) -> Result<Held, VaultError> {
        let share = self.find_or_add(outline.content().id())?;
        let begun = self.begin_share(&share, outline, what);
        self.tidy(share);
        begun
    }

    fn begin_share(&self, share: &Arc<Share>, outline: Arc<Outline>, what: FetchThis) -> Result<Held, VaultError> {
        if !records::has_room(&what.target) {
            let error = std::io::ErrorKind::InvalidFilename.into();
            return Err(outlines::failed(&what.target, error));
        }
        let selected = selection(&outline, &what.select)?;
        let _alone = alone(&share.alone);
        match share.record().ok() {
            None => self.begin_anew(share, outline, selected, what)?,
            Some(before) => match &before.way {
                Way::Parts(fetch) if before.place == what.target => {
                    self.go_on(share, &before, fetch, outline, selected, what.addresses)?;
                }
                _ => return Err(VaultError::Here(before.place.display().to_string())),
            },
        }
        self.held(share)
    }

    fn begin_anew(
        &self,
        share: &Arc<Share>,
        outline: Arc<Outline>,
        selected: Option<Blocks>,
        what: FetchThis,
    ) -> Result<(), VaultError> {
        let FetchThis { name, target, addresses, now_ms, .. } = what;
        // Before anything is made; asked again below.
        self.room()?;
        let partial = self.partial(&target, &outline, selected.as_ref())?;
        partial.make()?;
        let claim = self.claims.take(outlines::directory(&self.shares_directory, share.id));
        outlines::write(&self.shares_directory, &outline)?;
        let mut changes = self.removals(Table::Have, share.id)?;
        let _entering = lock(&self.entering);
        let addresses = records::addresses(addresses, &[]);
        let record = Record {
            content: outline.content(),
            name,
            place: target,
            way: Way::Parts(Fetch { selected, paused: false, addresses }),
            changed: None,
            added_ms: now_ms,
            number: self.room()?,
        };
        changes.push(records::put_record(&record));
        let _sweeping = together(&self.sweeping);
        self.commit(changes)?;
        let (have, pending) = (Blocks::none(outline.layout().blocks()), BTreeSet::new());
        self.put_parts(share, record, outline, partial, have, pending);
        drop(claim);
        Ok(())
    }

    /// What is known of a share that is held in parts.
    fn put_parts(
        &self,
        share: &Arc<Share>,
        record: Record,
        outline: Arc<Outline>,
        partial: Partial,
        have: Blocks,
        pending: BTreeSet<u32>,
    ) {
        let wanted = wanted(outline.layout(), record.way.selected());
        let mut state = share.state();
        let layout = state.as_ref().map(|state| state.layout.clone()).unwrap_or_default();
        *state = Some(State { record: Arc::new(record), parts: Some(Parts { have, pending, wanted }), layout });
        drop(state);
        let manifest_layer = outline.manifest().and_then(|manifest| outlines::layer_of(&manifest.encode()));
        self.open_with(share, Open::new(outline, manifest_layer, Vec::new(), Some(partial)));
    }

    /// Goes on with what was begun, and wants what is selected now as well.
    fn go_on(
        &self,
        share: &Arc<Share>,
        before: &Record,
        fetch: &Fetch,
        outline: Arc<Outline>,
        selected: Option<Blocks>,
        addresses: Vec<String>,
    ) -> Result<(), VaultError> {
        let pending = self.settle(share);
        self.close(share);
        outlines::write(&self.shares_directory, &outline)?;
        let layout = outline.layout();
        let (files, blocks) = (outline.layers().len() as u32, layout.blocks());
        let known = share.with_parts(|parts| parts.have.clone()).ok();
        let was = match known {
            Some(have) => have,
            // Its outline was damaged, and is not any more.
            None => records::have(&self.entries(Table::Have, &share.id.0)?, blocks)?,
        };
        let (new, selected) = match (&fetch.selected, selected) {
            (None, _) => (Blocks::none(files), None),
            (Some(some), None) => (Blocks::all(files).without(some), None),
            (Some(some), Some(more)) => {
                let both = Blocks::of(files, some.iter().chain(more.iter()));
                (both.without(some), Some(both).filter(|both| !both.is_all()))
            }
        };
        let partial = self.partial(&before.place, &outline, selected.as_ref())?;
        partial.make()?;
        // Of a block that holds bytes of a file that was not wanted until now, those were not kept.
        let lost = partial.lacking().into_iter().chain(new.iter());
        let lost: BTreeSet<u32> = lost.flat_map(|file| layout.blocks_of(file)).collect();
        let have = Blocks::of(blocks, was.iter().filter(|block| !lost.contains(block)));
        let pending = pending.difference(&lost).copied().collect();
        let addresses = records::addresses(addresses, &fetch.addresses);
        let way = Way::Parts(Fetch { selected, paused: false, addresses });
        let record = Record { way, ..before.clone() };
        let mut changes = have_pages(share.id, &have, was.iter().filter(|block| lost.contains(block)));
        changes.push(records::put_record(&record));
        self.commit(changes)?;
        self.put_parts(share, record, outline, partial, have, pending);
        Ok(())
    }

    /// Syncs what was written and not synced; which blocks that were.
    fn settle(&self, share: &Share) -> BTreeSet<u32> {
        let open = lock(&share.open).clone();
        let synced = open.as_ref().and_then(|open| open.partial.as_ref()).is_none_or(|partial| partial.sync().is_ok());
        let pending = share.with_parts(|parts| std::mem::take(&mut parts.pending)).unwrap_or_default();
        if synced { pending } else { BTreeSet::new() }
    }

    /// See [`super::Vault::write`].
    pub fn write(&self, id: BlobId, block: u32, bytes: &[u8]) -> Result<(), VaultError> {
        let share = self.find(id)?;
        let _together = together(&share.alone);
        let record = share.record()?;
        if !share.with_parts(|parts| parts.wanted.contains(block))? {
            return Err(VaultError::Unknown);
        }
        let open = self.open(&share, &record)?;
        if !open.outline.is_block(block, bytes) {
            return Err(VaultError::Wrong);
        }
        open.partial.as_ref().ok_or(VaultError::Unknown)?.write(block, bytes)?;
        share.with_parts(|parts| _ = parts.pending.insert(block))
    }

    /// See [`super::Vault::sync`].
    pub fn sync(&self, id: BlobId, blocks: &[u32]) -> Result<(), VaultError> {
        let share = self.find(id)?;
        let _together = together(&share.alone);
        let record = share.record()?;
        let _syncing = lock(&share.syncing);
        // What is written from now on is for the next time.
        let fresh = share.with_parts(|parts| {
            let known = |block: &&u32| parts.pending.contains(block) || parts.have.contains(**block);
            let all = blocks.iter().all(|block| known(&block));
            all.then(|| blocks.iter().copied().filter(|block| !parts.have.contains(*block)).collect::<BTreeSet<u32>>())
        })?;
        let fresh = fresh.ok_or(VaultError::Unknown)?;
        if fresh.is_empty() {
            return Ok(());
        }
        let open = self.open(&share, &record)?;
        if let Err(error) = open.partial.as_ref().ok_or(VaultError::Unknown)?.sync() {
            // The system says once that it lost what was written: it is to be written again.
            share.with_parts(|parts| parts.pending.clear())?;
            return Err(error.into());
        }
        let pages: BTreeSet<u32> = fresh.iter().copied().map(records::page).collect();
        let page = |have: &Blocks, page| {
            records::put_have(id, page, have.count(), |block| have.contains(block) || fresh.contains(&block))
        };
        let pages = share.with_parts(|parts| pages.into_iter().map(|at| page(&parts.have, at)).collect())?;
        self.commit(pages)?;
        share.with_parts(|parts| {
            for block in &fresh {
                parts.have.insert(*block);
                parts.pending.remove(block);
            }
        })
    }

    /// Takes blocks for missing that were taken for durable.
    pub fn drop_blocks(&self, share: &Share, lost: &BTreeSet<u32>) -> Result<(), VaultError> {
        let _syncing = lock(&share.syncing);
        let pages = share.with_parts(|parts| {
            let had: Vec<u32> = lost.iter().copied().filter(|block| parts.have.remove(*block)).collect();
            parts.pending.retain(|block| !lost.contains(block));
            have_pages(share.id, &parts.have, had)
        })?;
        Ok(self.commit(pages)?)
    }

    /// See [`super::Vault::finish`].
    pub fn finish(&self, id: BlobId) -> Result<Held, VaultError> {
        let share = self.find(id)?;
        let _alone = alone(&share.alone);
        let record = share.record()?;
        if !share.with_parts(|parts| parts.wanted.without(&parts.have).is_empty())? {
            return Err(VaultError::Unknown);
        }
        let (outline, _) = outlines::read(&self.shares_directory, record.content)?;
        let partial = self.partial(&record.place, &outline, record.way.selected())?;
        if !is_moved(&partial) {
            let lacking = partial.lacking();
            if let Some(file) = lacking.first() {
                let place = partial.file_place(*file).display().to_string();
                // What is written from now on is not to go to files that nobody finds any more.
                self.close(&share);
                self.drop_blocks(&share, &lacking.iter().flat_map(|file| outline.layout().blocks_of(*file)).collect())?;
                return Err(PartialError::Io { path: place, error: std::io::ErrorKind::NotFound.into() }.into());
            }
            self.close(&share);
            partial.finish()?;
        }
        self.close(&share);
        let done = self.record_finished(&record, &outline)?;
        *share.state() = Some(State { record: Arc::new(done), parts: None, layout: std::sync::Weak::new() });
        self.held(&share)
    }

    /// All is in its place: takes the stamps of the files, and keeps them.
    fn record_finished(&self, record: &Record, outline: &Outline) -> Result<Record, VaultError> {
        let id = record.content.id();
        let way = record.way.selected().map_or(Way::InPlace, |files| Way::Some(files.clone()));
        let done = Record { way, ..record.clone() };
        let places: Vec<PathBuf> = match outline.manifest() {
            Some(manifest) => manifest.files().map(|(path, _)| done.place.join(path.as_str())).collect(),
            None => vec![done.place.clone()],
        };
        let stamp = |(file, (place, size)): (u32, (PathBuf, u64))| {
            if done.way.selected().is_some_and(|files| !files.contains(file)) {
                return Ok(None);
            }
            let metadata = fs::symlink_metadata(&place).map_err(|error| outlines::failed(&place, error))?;
            let stamp = Stamp::from(&metadata);
            if metadata.is_file() && stamp.size == size {
                Ok(Some(stamp))
            } else {
                Err(VaultError::Changed(place.display().to_string()))
            }
        };
        let sizes = outline.layers().iter().map(Layer::blob_len);
        let stamps = (0..).zip(places.into_iter().zip(sizes)).map(stamp);
        let stamps: Vec<Option<Stamp>> = stamps.collect::<Result<_, _>>()?;
        self.commit_pages(records::put_stamps(id, &stamps))?;
        let mut changes = self.removals(Table::Have, id)?;
        changes.push(records::put_record(&done));
        self.commit(changes)?;
        Ok(done)
    }

    /// What is known of a share after a restart.
    pub fn restore(&self, record: Record) -> Result<State, VaultError> {
        let layout = std::sync::Weak::new();
        if !matches!(record.way, Way::Parts(_)) {
            return Ok(State { record: Arc::new(record), parts: None, layout });
        }
        match self.restore_parts(&record) {
            Ok(Restored::Parts(parts)) => Ok(State { record: Arc::new(record), parts: Some(parts), layout }),
            Ok(Restored::Finished(done)) => Ok(State { record: Arc::new(done), parts: None, layout }),
            Err(VaultError::Store(error)) => Err(error.into()),
            Err(error) => {
                tracing::warn!("cannot go on with '{}': {error}", record.place.display());
                Ok(State { record: Arc::new(record), parts: None, layout })
            }
        }
    }

    fn restore_parts(&self, record: &Record) -> Result<Restored, VaultError> {
        let id = record.content.id();
        let (outline, _) = outlines::read(&self.shares_directory, record.content)?;
        let layout: &Layout = outline.layout();
        let was = records::have(&self.entries(Table::Have, &id.0)?, layout.blocks())?;
        let wanted = wanted(layout, record.way.selected());
        let partial = self.partial(&record.place, &outline, record.way.selected())?;
        // It was moved to its place, and we were killed before that was kept.
        if is_moved(&partial)
            && wanted.without(&was).is_empty()
            && let Ok(done) = self.record_finished(record, &outline)
        {
            return Ok(Restored::Finished(done));
        }
        let lost: BTreeSet<u32> = partial.lacking().into_iter().flat_map(|file| layout.blocks_of(file)).collect();
        let have = Blocks::of(layout.blocks(), was.iter().filter(|block| !lost.contains(block)));
        self.commit(have_pages(id, &have, was.iter().filter(|block| lost.contains(block))))?;
        Ok(Restored::Parts(Parts { have, pending: BTreeSet::new(), wanted }))
    }

    /// See [`super::Vault::pause`].
    pub fn pause(&self, id: BlobId, paused: bool) -> Result<(), VaultError> {
        let share = self.find(id)?;
        // Not alone: nobody has to wait for it.
        let _together = together(&share.alone);
        let _syncing = lock(&share.syncing);
        let before = share.record()?;
        let Way::Parts(fetch) = &before.way else { return Err(VaultError::Unknown) };
        let way = Way::Parts(Fetch { paused, ..fetch.clone() });
        let record = Record { way, ..(*before).clone() };
        self.commit(vec![records::put_record(&record)])?;
        if let Some(state) = share.state().as_mut() {
            state.record = Arc::new(record);
        }
        Ok(())
    }

    /// See [`super::Vault::forget`].
    pub fn forget(&self, id: BlobId) -> Result<(), VaultError> {
        let share = self.find(id)?;
        let forgotten = self.forget_share(&share);
        self.tidy(share);
        forgotten
    }

    fn forget_share(&self, share: &Share) -> Result<(), VaultError> {
        let _alone = alone(&share.alone);
        let record = share.record()?;
        self.close(share);
        if let Way::Parts(_) = record.way {
            Partial::remove(&record.place, share.id)?;
        }
        // The record last: who is killed before can do it again.
        self.commit_pages(self.removals(Table::Stamps, share.id)?)?;
        let mut changes = self.removals(Table::Have, share.id)?;
        changes.push(crate::store::tables::remove(Table::Shares, share.id.0));
        self.commit(changes)?;
        *share.state() = None;
        let directory = outlines::directory(&self.shares_directory, share.id);
        if let Err(error) = fs::remove_dir_all(&directory).or_else(garbage::ignore_missing) {
            // Garbage from now on, and collected as such.
            tracing::warn!("cannot remove '{}': {error}", directory.display());
        }
        Ok(())
    }
}

enum Restored {
    Parts(Parts),
    Finished(Record),
}

/// Whether what was fetched is in its place already.
fn is_moved(partial: &Partial) -> bool {
    let is_there = |place: &Path| place.symlink_metadata().is_ok();
    !is_there(partial.place()) && is_there(partial.target())
}

/// The pages of these blocks.
fn have_pages(
    share: BlobId,
    have: &Blocks,
    of: impl IntoIterator<Item = u32>,
) -> Vec<crate::store::tables::EntryChange> {
    let pages: BTreeSet<u32> = of.into_iter().map(records::page).collect();
    pages.into_iter().map(|page| records::put_have(share, page, have.count(), |block| have.contains(block))).collect()
}

/// Paths that are named to who selected none.
const SHOWN_PATHS: usize = 5;

/// The files that the user wants, if not all.
fn selection(outline: &Outline, select: &GlobSet) -> Result<Option<Blocks>, VaultError> {
    let Some(manifest) = outline.manifest().filter(|_| !select.is_empty()) else { return Ok(None) };
    let fitting = (0..).zip(manifest.files()).filter(|(_, (path, _))| select.is_match(path.as_str()));
    let files = Blocks::of(outline.layers().len() as u32, fitting.map(|(file, _)| file));
    if files.is_empty() {
        let some: Vec<String> = manifest.files().take(SHOWN_PATHS).map(|(path, _)| format!("'{path}'")).collect();
        return Err(VaultError::NothingSelected(some.join(", ")));
    }
    Ok(Some(files).filter(|files| !files.is_all()))
}

//! What the vault holds, and what that means for all others.

use proto::{
    time::Now,
    transfer::{Lengths, TransferId, download, message::ShareAnswer, survey},
};

use super::{
    DISK_AGAIN_MS, Shares, Wake,
    entry::{Entry, Stage},
    work::Done,
};
use crate::{
    files::vault::{Held, Holding, VaultError},
    handle::vault_error,
    swarm::context::Cx,
};

impl Shares {
    /// What the vault has done.
    pub(super) fn done(&mut self, cx: &mut Cx, done: Done) {
        match done {
            Done::Listed(Ok(all)) => all.iter().for_each(|held| self.hold(cx, held)),
            Done::Listed(Err(error)) => {
                cx.warn(format!("what is shared cannot be read; it is tried again: {error}"));
                self.wakes.set(Wake::List, Some(cx.now.after(DISK_AGAIN_MS)));
            }
            Done::Hashed(number, held) => self.hashed(cx, number, held),
            Done::Verified(number, id, held) => {
                let is_here = self.table.get(id).is_some_and(|entry| !entry.is_leaving());
                self.hashed(cx, number, held.and_then(|held| is_here.then_some(held).ok_or(VaultError::Unknown)));
            }
            Done::Read(id, manifest) => self.survey(cx, id, survey::Input::Manifest(manifest)),
            Done::Began(id, held) => self.told_how_held(cx, id, held, Self::began),
            Done::Looked(id, held) => self.told_how_held(cx, id, held, Self::looked),
            Done::Finished(id, held) => self.told_how_held(cx, id, held, Self::finished),
            Done::Synced(id, result) => self.synced(cx, id, result),
            Done::Paused(id, paused, result, answer) => {
                let result = result.map_err(vault_error).and_then(|()| self.stand_still(cx, id, paused));
                // Whoever asked may have gone.
                let _ = answer.send(result);
            }
            Done::Forgotten(id, result) => self.forgotten(cx, id, result),
            Done::Layer(token, part) => {
                let answer = match part {
                    Ok(part) => ShareAnswer::Layer(part),
                    Err(VaultError::Store(_) | VaultError::Io { .. }) => ShareAnswer::Unavailable,
                    Err(_) => ShareAnswer::Lacks,
                };
                self.questions.answer(cx.behaviour, token, answer);
            }
        }
    }

    // ---- how shares are held

    /// The vault tells how a share is held, or why it cannot. Nobody wants to know that of one that leaves.
    fn told_how_held(
        &mut self,
        cx: &mut Cx,
        id: TransferId,
        held: Result<Held, VaultError>,
        tell: impl FnOnce(&mut Self, &mut Cx, TransferId, Result<Held, VaultError>),
    ) {
        let Some(entry) = self.table.get_mut(id) else { return };
        entry.asked_vault = entry.asked_vault.saturating_sub(1);
        if entry.is_leaving() {
            self.let_go(id);
        } else {
            tell(self, cx, id, held);
        }
    }

    fn began(&mut self, cx: &mut Cx, id: TransferId, held: Result<Held, VaultError>) {
        let Some(entry) = self.table.get_mut(id) else { return };
        match held {
            Ok(held) => self.hold_and_add(cx, id, &held),
            Err(error) if entry.bytes.is_some() => {
                // It is held as before, or in another way.
                entry.reason = Some(error.to_string());
                self.work.look(id, entry);
            }
            Err(error) => self.fail(cx, id, error.to_string()),
        }
    }

    fn finished(&mut self, cx: &mut Cx, id: TransferId, held: Result<Held, VaultError>) {
        let Some(entry) = self.table.get_mut(id) else { return };
        match held {
            Ok(held) => self.hold(cx, &held),
            Err(error) => {
                // Unknown: blocks of it were lost meanwhile.
                if !matches!(error, VaultError::Unknown) {
                    entry.reason = Some(error.to_string());
                }
                self.work.look(id, entry);
            }
        }
    }

    fn looked(&mut self, cx: &mut Cx, id: TransferId, held: Result<Held, VaultError>) {
        let Some(entry) = self.table.get_mut(id) else { return };
        let is_finishing = matches!(entry.stage, Stage::Finishing);
        match held {
            // It is all there; it goes on as soon as whatever is in the way is gone.
            Ok(held) if is_finishing && lacks_nothing(&held) => {
                self.wakes.set(Wake::Disk(id), Some(cx.now.after(DISK_AGAIN_MS)));
                self.show(cx, id);
            }
            Ok(held) => {
                let reason = entry.reason.take();
                self.hold_and_add(cx, id, &held);
                if let Some(entry) = self.table.get_mut(id) {
                    entry.reason = entry.reason.take().or(reason);
                }
                self.show(cx, id);
            }
            Err(VaultError::Unknown) => _ = self.left(cx, id),
            Err(_) if is_finishing => self.wakes.set(Wake::Disk(id), Some(cx.now.after(DISK_AGAIN_MS))),
            Err(error) => self.fail(cx, id, error.to_string()),
        }
    }

    /// The vault holds a share, for which the user may have selected more meanwhile.
    fn hold_and_add(&mut self, cx: &mut Cx, id: TransferId, held: &Held) {
        self.hold(cx, held);
        if let Some(more) = self.table.get_mut(id).and_then(|entry| entry.more.take()) {
            self.begin_again(cx, id, &more, Vec::new());
        }
    }

    /// The vault holds a share, or holds it in another way than before.
    pub(super) fn hold(&mut self, cx: &mut Cx, held: &Held) {
        let root = held.content.id();
        let id = match self.table.id(&root) {
            Some(id) => {
                let Some(entry) = self.table.get_mut(id).filter(|entry| !entry.is_leaving()) else { return };
                entry.take(held);
                self.end_survey(id);
                id
            }
            None => self.enter(Entry::held(cx.now, held)),
        };
        // The machine counts on blocks that stay: it begins anew with those that are here, and asks everybody again.
        self.downloads.handle(cx.now, download::Input::Remove { transfer: id });
        self.wakes.set(Wake::Disk(id), None);
        match &held.holding {
            Holding::Parts { addresses, .. } => {
                self.add_download(cx, id);
                self.telling.asked(cx.now, id);
                self.candidates_at(cx, id, addresses);
                if !held.servable().is_empty() {
                    self.provide(cx.now, root);
                }
                self.approach(cx, id);
            }
            Holding::InPlace | Holding::Copied | Holding::Some { .. } => {
                self.provide(cx.now, root);
            }
            Holding::Changed { .. } => {
                self.withdraw(cx, id);
                self.stop_providing(cx, root);
            }
        }
        self.apply_limits(cx, id);
        self.show(cx, id);
    }

    /// Has what is missing of a share fetched.
    fn add_download(&mut self, cx: &mut Cx, id: TransferId) {
        let Some(entry) = self.table.get(id) else { return };
        let Some(bytes) = &entry.bytes else { return };
        let lengths = Lengths::of(&bytes.layout);
        let (have, wanted) = (bytes.have.clone(), bytes.wanted.clone());
        self.downloads.handle(cx.now, download::Input::Add { transfer: id, lengths, have, wanted });
        if matches!(entry.stage, Stage::Paused) {
            self.downloads.handle(cx.now, download::Input::Pause { transfer: id });
        }
        self.apply_limits(cx, id);
        // Also those who were asked before it was known how the share is cut.
        self.circle.ask_again(cx.now, id);
    }

    /// A block that was here is not any more: the disk lost it, or somebody changed it.
    pub(super) fn fetch_again(&mut self, cx: &mut Cx, id: TransferId, block: u32) {
        let Some(entry) = self.table.get_mut(id) else { return };
        let was_here = entry.bytes.as_mut().is_some_and(|bytes| bytes.lose(block));
        if !was_here {
            return;
        }
        if matches!(entry.stage, Stage::Finishing) {
            entry.stage = Stage::Fetching;
            self.wakes.set(Wake::Disk(id), None);
        }
        self.downloads.handle(cx.now, download::Input::Remove { transfer: id });
        self.add_download(cx, id);
        self.approach(cx, id);
        self.show(cx, id);
    }

    // ---- what came is made durable

    /// Has what came made durable, unless that is under way.
    pub(super) fn sync(&mut self, id: TransferId) {
        let Some(entry) = self.table.get_mut(id).filter(|entry| !entry.is_leaving()) else { return };
        let Some(bytes) = entry.bytes.as_mut().filter(|bytes| bytes.syncing.is_none() && !bytes.unsynced.is_empty())
        else {
            return;
        };
        let blocks = std::mem::take(&mut bytes.unsynced);
        bytes.syncing = Some(blocks.clone());
        if let Some(entry) = self.table.get(id) {
            self.work.sync(id, entry, blocks);
        }
    }

    fn synced(&mut self, cx: &mut Cx, id: TransferId, result: Result<(), VaultError>) {
        let Some(entry) = self.table.get_mut(id).filter(|entry| !entry.is_leaving()) else { return };
        let Some(bytes) = &mut entry.bytes else { return };
        let blocks = bytes.syncing.take().unwrap_or_default();
        match result {
            Ok(()) => {
                blocks.iter().for_each(|block| bytes.store(*block));
                let gives = (entry.stage.is_served() && !bytes.came.is_empty()).then_some(entry.root);
                // As soon as there is something to give, others find it here.
                gives.into_iter().for_each(|root| self.provide(cx.now, root));
                self.telling.came(cx.now, id);
                for block in blocks {
                    self.downloads.handle(cx.now, download::Input::Stored { transfer: id, block });
                }
            }
            // Some of them are not there any more. A full disk, which loses them too, has paused it by then.
            Err(VaultError::Unknown) if matches!(entry.stage, Stage::Fetching) => self.work.look(id, entry),
            Err(error) => {
                entry.reason = Some(error.to_string());
                for block in blocks {
                    self.downloads.handle(cx.now, download::Input::NotStored { transfer: id, block });
                }
            }
        }
        self.sync(id);
    }

    /// All that is wanted of a share is durable.
    pub(super) fn complete(&mut self, cx: &mut Cx, id: TransferId) {
        let Some(entry) = self.table.get_mut(id).filter(|entry| matches!(entry.stage, Stage::Fetching | Stage::Paused))
        else {
            return;
        };
        // More may be wanted by then: what the vault answers begins the download anew, which then finishes again.
        if entry.asked_vault > 0 {
            return;
        }
        entry.stage = Stage::Finishing;
        self.wakes.set(Wake::Approach(id), None);
        self.finish(id);
        self.show(cx, id);
    }

    pub(super) fn finish(&mut self, id: TransferId) {
        if let Some(entry) = self.table.get_mut(id) {
            self.work.finish(id, entry);
        }
    }

    /// Something was hashed.
    fn hashed(&mut self, cx: &mut Cx, number: u64, held: Result<Held, VaultError>) {
        let result = match held {
            Ok(held) => {
                self.hold(cx, &held);
                let shown = self.table.id(&held.content.id()).and_then(|id| self.shown(cx.now, id));
                shown.ok_or_else(|| "it is not shared".to_owned())
            }
            Err(error) => Err(error.to_string()),
        };
        self.hashings.end(number, result);
    }

    /// Users are told in a second how far things are.
    pub(super) fn keep_ticking(&mut self, now: Now) {
        self.wakes.set_if_none(Wake::Tick, now.after(super::shown::TICK_MS));
    }
}

/// Whether all that is wanted of a share is here.
fn lacks_nothing(held: &Held) -> bool {
    match &held.holding {
        Holding::Parts { have, wanted, .. } => wanted.without(have).is_empty(),
        _ => false,
    }
}

//! The end of a share on this node.

use proto::{
    blob::BlobId,
    transfer::{TransferId, download, upload},
};

use super::{
    Shares, Wake,
    entry::{Entry, Stage},
};
use crate::{
    files::vault::VaultError,
    handle::{Answer, CallError, vault_error},
    model::NodeEvent,
    swarm::context::Cx,
};

impl Shares {
    /// The user wants a share here no more. Who asked may have gone: a failed send of an answer is nobody's loss.
    pub(super) fn forget(&mut self, cx: &mut Cx, root: BlobId, answer: Answer<()>) {
        let id = match self.table.id(&root) {
            Some(id) => id,
            None => return drop(answer.send(Err(Self::unknown(root)))),
        };
        let Some(entry) = self.table.get_mut(id) else { return };
        match &mut entry.stage {
            Stage::Leaving(waiting) => waiting.push(answer),
            Stage::Asking(_) | Stage::Failed if entry.bytes.is_none() => {
                self.left(cx, id);
                drop(answer.send(Ok(())));
            }
            _ => {
                entry.stage = Stage::Leaving(vec![answer]);
                self.downloads.handle(cx.now, download::Input::Remove { transfer: id });
                self.withdraw(cx, id);
                self.stop_providing(cx, root);
                self.shown.remove(&id);
                self.let_go(id);
            }
        }
    }

    /// Has the vault let go of a share that leaves, once there is no answer of it that could bring the share back.
    pub(super) fn let_go(&self, id: TransferId) {
        if let Some(entry) = self.table.get(id).filter(|entry| entry.is_leaving() && entry.asked_vault == 0) {
            self.work.forget(id, entry);
        }
    }

    /// The vault has let go of a share, or cannot.
    pub(super) fn forgotten(&mut self, cx: &mut Cx, id: TransferId, result: Result<(), VaultError>) {
        let (waiting, result): (Vec<Answer<()>>, Result<(), CallError>) = match result {
            Ok(()) | Err(VaultError::Unknown) => {
                let Some(Entry { stage: Stage::Leaving(waiting), .. }) = self.left(cx, id) else { return };
                (waiting, Ok(()))
            }
            Err(error) => {
                let Some(entry) = self.table.get_mut(id).filter(|entry| entry.is_leaving()) else { return };
                entry.reason = Some(error.to_string());
                let Stage::Leaving(waiting) = std::mem::replace(&mut entry.stage, Stage::Beginning) else { return };
                self.work.look(id, entry);
                self.show(cx, id);
                (waiting, Err(vault_error(error)))
            }
        };
        // Whoever asked may have gone.
        waiting.into_iter().for_each(|answer| _ = answer.send(result.clone()));
    }

    /// A share is here no more. Nothing of it stays behind.
    pub(super) fn left(&mut self, cx: &mut Cx, id: TransferId) -> Option<Entry> {
        let entry = self.table.remove(id)?;
        self.end_survey(id);
        self.downloads.handle(cx.now, download::Input::Remove { transfer: id });
        self.withdraw(cx, id);
        self.stop_providing(cx, entry.root);
        self.circle.forget(id);
        self.finding.forget(id);
        self.shown.remove(&id);
        for wake in [Wake::Survey(id), Wake::Approach(id), Wake::Disk(id)] {
            self.wakes.set(wake, None);
        }
        cx.report(NodeEvent::Unshared { root: entry.root.to_string() });
        Some(entry)
    }

    /// Nobody is given anything of a share any more.
    pub(super) fn withdraw(&mut self, cx: &mut Cx, id: TransferId) {
        self.uploads.handle(cx.now, upload::Input::Gone { transfer: id });
        self.telling.gone(cx.now, id);
        self.apply_limits(cx, id);
    }
}

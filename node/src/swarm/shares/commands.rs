//! What the user says about shares.

use std::path::PathBuf;

use proto::{
    blob::{BlobId, link::Wanted},
    transfer::{ByteRate, TransferId, download, survey::Survey, upload},
};
use rand::Rng;

use super::{
    Shares, Wake,
    entry::{Entry, Stage, Wish},
    shown::Have,
};
use crate::{
    files::{InvalidSelect, Select, vault::ShareThis},
    handle::{Answer, CallError, FetchRequest, ShareError, ShareRequest},
    model::{Hashing, Share, SharePeer, TransferLimits},
    swarm::{context::Cx, peers::Peers},
};

/// A call about shares.
#[derive(Debug)]
pub enum Command {
    /// Share something.
    Share(ShareRequest, Answer<Hashing>),
    /// Hash a share anew.
    Verify(BlobId, Answer<Hashing>),
    /// How far is that?
    Hashing(u64, Answer<Hashing>),
    /// Nobody wants it any more.
    CancelHashing(u64, Answer<()>),
    /// Fetch something.
    Fetch(Box<FetchRequest>, Answer<Share>),
    /// What is shared and fetched?
    List(Answer<Vec<Share>>),
    /// How far is one?
    Show(BlobId, Answer<Share>),
    /// Who takes part in it?
    Peers(BlobId, Answer<Vec<SharePeer>>),
    /// What of it is here?
    Have(BlobId, Answer<Option<Have>>),
    /// Stand still, or go on.
    Pause(BlobId, bool, Answer<Share>),
    /// Share or fetch it no more.
    Forget(BlobId, Answer<()>),
    /// Up and down, of one or of all.
    Limit(Option<BlobId>, ByteRate, ByteRate, Answer<()>),
    /// The limits of all.
    Limits(Answer<TransferLimits>),
}

impl Shares {
    /// Does what the user says. Whoever asked may have gone: a failed send of an answer is nobody's loss.
    pub fn command(&mut self, cx: &mut Cx, command: Command, peers: &Peers) {
        match command {
            Command::Share(request, answer) => drop(answer.send(self.share(cx, request))),
            Command::Verify(root, answer) => drop(answer.send(self.verify(root))),
            Command::Hashing(number, answer) => drop(answer.send(self.hashings.show(number))),
            Command::CancelHashing(number, answer) => drop(answer.send(self.hashings.cancel(number))),
            Command::Fetch(request, answer) => drop(answer.send(self.fetch(cx, *request))),
            Command::List(answer) => {
                let all: Vec<TransferId> = self.table.iter().map(|(id, _)| id).collect();
                drop(answer.send(Ok(all.into_iter().filter_map(|id| self.shown(cx.now, id)).collect())));
            }
            Command::Show(root, answer) => drop(answer.send(self.known(&root).and_then(|id| self.told(cx, id)))),
            Command::Peers(root, answer) => {
                drop(answer.send(self.known(&root).map(|id| self.shown_peers(cx.now, id, peers))));
            }
            Command::Have(root, answer) => drop(answer.send(self.known(&root).map(|id| self.have(id)))),
            Command::Pause(root, paused, answer) => self.pause(cx, root, paused, answer),
            Command::Forget(root, answer) => self.forget(cx, root, answer),
            Command::Limit(root, up, down, answer) => drop(answer.send(self.limit(cx, root, up, down))),
            Command::Limits(answer) => drop(answer.send(Ok(self.limits))),
        }
        self.drain(cx);
    }

    pub(super) fn unknown(root: BlobId) -> CallError {
        ShareError::Unknown(root).into()
    }

    /// One that is here, and does not leave.
    fn known(&self, root: &BlobId) -> Result<TransferId, CallError> {
        let id = self.table.id(root).filter(|id| self.table.get(*id).is_some_and(|entry| !entry.is_leaving()));
        id.ok_or_else(|| Self::unknown(*root))
    }

    fn told(&self, cx: &Cx, id: TransferId) -> Result<Share, CallError> {
        self.shown(cx.now, id).ok_or(CallError::Stopped)
    }

    fn share(&mut self, cx: &Cx, request: ShareRequest) -> Result<Hashing, CallError> {
        let ShareRequest { path, name, copy, symlinks } = request;
        let (number, progress) = self.hashings.begin(path.clone())?;
        self.work.import(number, ShareThis { path, name, copy, symlinks, now_ms: cx.now.wall_ms }, progress);
        self.hashings.show(number)
    }

    fn verify(&mut self, root: BlobId) -> Result<Hashing, CallError> {
        let id = self.known(&root)?;
        let entry = self.table.get(id).filter(|entry| matches!(entry.stage, Stage::Complete | Stage::Changed));
        let entry =
            entry.ok_or_else(|| ShareError::Invalid("it is not complete; there is nothing to verify yet".into()))?;
        let (number, progress) = self.hashings.begin(entry.place.clone().unwrap_or_else(PathBuf::new))?;
        self.work.verify(number, id, entry, progress);
        self.hashings.show(number)
    }

    /// Begins to fetch, or goes on.
    fn fetch(&mut self, cx: &mut Cx, request: FetchRequest) -> Result<Share, CallError> {
        let FetchRequest { wanted, target, select, peers } = request;
        let root = wanted.id();
        let select = Select::read(&select).map_err(invalid)?;
        let (content, name, mut addresses) = match wanted {
            Wanted::Link(link) => (Some(link.content), Some(link.name), link.addresses),
            Wanted::Root(_) => (None, None, Vec::new()),
        };
        addresses.extend(peers.iter().map(ToString::to_string));
        let mut limits = (None, None);
        if let Some(entry) = self.table.id(&root).and_then(|id| self.table.get(id)) {
            if entry.is_leaving() {
                return Err(ShareError::Invalid("it is being forgotten; try again in a moment".into()).into());
            }
            if !matches!(entry.stage, Stage::Failed) || entry.bytes.is_some() {
                return self.go_on(cx, root, select, addresses);
            }
            limits = (entry.up_limit, entry.down_limit);
        } else if !self.table.has_room() {
            let text = "as many shares are known as can be; unshare some: node shared".to_owned();
            return Err(ShareError::TooMany(text).into());
        }
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        let survey = Box::new(Survey::new(root, content, seed));
        let wish = Wish { survey, target, select, addresses: addresses.clone() };
        let mut entry = Entry::wish(cx.now, root, content, name, wish);
        (entry.up_limit, entry.down_limit) = limits;
        let id = self.enter(entry);
        self.apply_limits(cx, id);
        // A new survey knows nobody of those who were met before.
        self.circle.ask_again(cx.now, id);
        self.candidates_at(cx, id, &addresses);
        self.need_peers(cx, id);
        self.survey_timeout(cx, id);
        self.show(cx, id);
        self.told(cx, id)
    }

    /// What is here, or on its way, is wanted again: perhaps more of it.
    fn go_on(&mut self, cx: &mut Cx, root: BlobId, select: Select, addresses: Vec<String>) -> Result<Share, CallError> {
        let id = self.known(&root)?;
        self.candidates_at(cx, id, &addresses);
        let Some(entry) = self.table.get_mut(id) else { return Err(CallError::Stopped) };
        let is_part = entry.bytes.as_ref().is_some_and(|bytes| bytes.selected.is_some());
        match &mut entry.stage {
            Stage::Asking(wish) => wish.select.add(select),
            Stage::Beginning => match &mut entry.more {
                Some(more) => more.add(select),
                none => *none = Some(select),
            },
            Stage::Failed => {
                entry.stage = Stage::Beginning;
                entry.reason = None;
                self.begin_again(cx, id, &select, addresses);
            }
            Stage::Fetching | Stage::Paused if is_part => self.begin_again(cx, id, &select, addresses),
            Stage::Paused => return self.resume(cx, id),
            _ => {}
        }
        self.approach(cx, id);
        self.told(cx, id)
    }

    fn resume(&mut self, cx: &mut Cx, id: TransferId) -> Result<Share, CallError> {
        if let Some(entry) = self.table.get(id) {
            // Noted durably as well; nobody waits for that.
            self.work.pause(id, entry, false, tokio::sync::oneshot::channel().0);
        }
        self.stand_still(cx, id, false)
    }

    fn pause(&mut self, _: &mut Cx, root: BlobId, paused: bool, answer: Answer<Share>) {
        let found = self.known(&root).and_then(|id| {
            let entry = self.table.get(id).filter(|entry| matches!(entry.stage, Stage::Fetching | Stage::Paused));
            entry.map(|entry| (id, entry)).ok_or(ShareError::NotFetched(root).into())
        });
        match found {
            Ok((id, entry)) => self.work.pause(id, entry, paused, answer),
            // Whoever asked may have gone.
            Err(error) => drop(answer.send(Err(error))),
        }
    }

    /// A share stands still, or goes on.
    pub(super) fn stand_still(&mut self, cx: &mut Cx, id: TransferId, paused: bool) -> Result<Share, CallError> {
        let Some(entry) = self.table.get_mut(id) else { return Err(CallError::Stopped) };
        match (&entry.stage, paused) {
            (Stage::Leaving(_), _) => return Err(Self::unknown(entry.root)),
            (Stage::Fetching, true) => {
                entry.stage = Stage::Paused;
                self.downloads.handle(cx.now, download::Input::Pause { transfer: id });
            }
            (Stage::Paused, false) => {
                entry.stage = Stage::Fetching;
                entry.reason = None;
                entry.resume(cx.now);
                self.wakes.set(Wake::Disk(id), None);
                self.downloads.handle(cx.now, download::Input::Resume { transfer: id });
                self.need_peers(cx, id);
            }
            // A full disk may have stopped it first.
            (Stage::Paused, true) => self.wakes.set(Wake::Disk(id), None),
            _ => {}
        }
        self.show(cx, id);
        self.told(cx, id)
    }

    fn limit(&mut self, cx: &mut Cx, root: Option<BlobId>, up: ByteRate, down: ByteRate) -> Result<(), CallError> {
        let transfer = root.map(|root| self.known(&root)).transpose()?;
        match transfer.and_then(|id| self.table.get_mut(id)) {
            Some(entry) => (entry.up_limit, entry.down_limit) = (up, down),
            None => self.limits = TransferLimits { up, down },
        }
        self.limit_to(cx, transfer, (up, down));
        Ok(())
    }

    fn limit_to(&mut self, cx: &Cx, transfer: Option<TransferId>, (up, down): (ByteRate, ByteRate)) {
        self.uploads.handle(cx.now, upload::Input::Limit { transfer, rate: up });
        self.downloads.handle(cx.now, download::Input::Limit { transfer, rate: down });
    }

    /// What the user said of a share holds, whatever the machines forgot of it; of one that is gone, nothing.
    pub(super) fn apply_limits(&mut self, cx: &Cx, id: TransferId) {
        let limits = self.table.get(id).map_or((None, None), |entry| (entry.up_limit, entry.down_limit));
        self.limit_to(cx, Some(id), limits);
    }
}

fn invalid(error: InvalidSelect) -> ShareError {
    ShareError::Invalid(error.to_string())
}

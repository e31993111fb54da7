//! The way from a wish to a share that is complete.

use std::path::PathBuf;

use libp2p::PeerId;
use proto::{
    blob::outline::Outline,
    time::Now,
    transfer::{
        Lengths, TransferId, download,
        message::{Piece, ShareAnswer, ShareQuestion},
        survey,
    },
};

use super::{
    Shares, Wake,
    circle::Word,
    entry::{Entry, Stage, Wish},
    lines::Asker as LaneAsker,
    questions::Asker,
    work::Done,
};
use crate::{
    files::vault::{FetchThis, Held, Holding, VaultError},
    handle::{Target, vault_error},
    model::NodeEvent,
    swarm::context::Cx,
};

/// Digits of its root by which a share is called that nobody has told a name of.
const NAME_DIGITS: usize = 16;

impl Shares {
    // ---- the survey

    /// Tells a survey something, and does what it wants.
    pub(super) fn survey(&mut self, cx: &mut Cx, id: TransferId, input: survey::Input) {
        let Some(Entry { stage: Stage::Asking(wish), .. }) = self.table.get_mut(id) else { return };
        wish.survey.handle(cx.now, input);
        self.drain_survey(cx, id);
    }

    /// Tells all surveys something, or all in which somebody takes part.
    pub(super) fn survey_all(
        &mut self,
        cx: &mut Cx,
        input: impl Fn(TransferId) -> survey::Input,
        member: Option<PeerId>,
    ) {
        let asking = self.table.iter().filter(|(_, entry)| matches!(entry.stage, Stage::Asking(_)));
        let takes_part = |id: &TransferId| member.is_none_or(|peer| self.circle.is_member(*id, &peer));
        let asking: Vec<TransferId> = asking.map(|(id, _)| id).filter(takes_part).collect();
        asking.into_iter().for_each(|id| self.survey(cx, id, input(id)));
    }

    pub(super) fn survey_timeout(&mut self, cx: &mut Cx, id: TransferId) {
        let Some(Entry { stage: Stage::Asking(wish), .. }) = self.table.get_mut(id) else { return };
        wish.survey.handle_timeout(cx.now);
        self.drain_survey(cx, id);
    }

    pub(super) fn drain_survey(&mut self, cx: &mut Cx, id: TransferId) {
        while let Some(Entry { stage: Stage::Asking(wish), root, .. }) = self.table.get_mut(id) {
            let share = *root;
            let Some(output) = wish.survey.poll_output() else {
                self.wakes.set(Wake::Survey(id), wish.survey.poll_timeout());
                return;
            };
            match output {
                survey::Output::Ask { request, peer, what: survey::Asked::Layer { of, range } } => {
                    let question = ShareQuestion::Layer { share, of, range };
                    self.questions.ask(cx.behaviour, peer, Asker::Survey(id, request), question);
                }
                survey::Output::Ask { request, peer, what: survey::Asked::ManifestChunk(chunk) } => {
                    self.ask_for_survey(cx, id, request, peer, Piece::Manifest(chunk));
                }
                survey::Output::Ask { request, peer, what: survey::Asked::Block(block) } => {
                    self.ask_for_survey(cx, id, request, peer, Piece::Block(block));
                }
                // An answer that comes nevertheless is not looked at.
                survey::Output::Cancel { .. } => {}
                survey::Output::Ban { peer, why } => self.banned(id, peer, why),
                survey::Output::NeedPeers => self.need_peers(cx, id),
                survey::Output::Decode(bytes) => self.work.read(id, bytes),
                survey::Output::Done(outline) => return self.begin(cx, id, *outline),
                survey::Output::Failed(error) => {
                    return self.fail(cx, id, format!("what is shared there is no folder: {error}"));
                }
            }
        }
    }

    fn ask_for_survey(&mut self, cx: &mut Cx, id: TransferId, request: survey::RequestId, peer: PeerId, piece: Piece) {
        if !self.ask_on_lane(cx, id, peer, LaneAsker::Survey(id, request), piece) {
            let why = download::Failure::Busy;
            self.survey(cx, id, survey::Input::Failed { request, why });
        }
    }

    /// A question of a survey has its answer, or none.
    pub(super) fn surveyed(
        &mut self,
        cx: &mut Cx,
        id: TransferId,
        request: survey::RequestId,
        answer: Option<ShareAnswer>,
    ) {
        let failed = |why| survey::Input::Failed { request, why };
        let input = match answer {
            Some(ShareAnswer::Layer(part)) => survey::Input::Layer { request, part },
            Some(ShareAnswer::Unavailable) => failed(download::Failure::Busy),
            Some(ShareAnswer::Unknown) => failed(download::Failure::Refused),
            Some(_) => failed(download::Failure::Lacks),
            None => failed(download::Failure::Lost),
        };
        self.survey(cx, id, input);
    }

    // ---- beginning

    /// It is known what is in a share: makes place for what the user wants of it.
    fn begin(&mut self, cx: &mut Cx, id: TransferId, outline: Outline) {
        let Some(entry) = self.table.get_mut(id) else { return };
        let Stage::Asking(Wish { target, select, addresses, .. }) =
            std::mem::replace(&mut entry.stage, Stage::Beginning)
        else {
            return;
        };
        self.wakes.set(Wake::Survey(id), None);
        entry.content = Some(outline.content());
        let digits = &entry.root.to_string()[..NAME_DIGITS];
        let Some(name) = entry.name.clone().or_else(|| digits.parse().ok()) else { return };
        let target: PathBuf = match target {
            Target::At(path) => path,
            Target::Into(_) if name.as_str().starts_with('.') => {
                let reason =
                    format!("its name, {:?}, begins with a dot; say where it is to be: -o PATH", name.as_str());
                return self.fail(cx, id, reason);
            }
            Target::Into(directory) => directory.join(name.as_str()),
        };
        let selected = match outline.manifest().filter(|_| !select.is_empty()) {
            None => None,
            Some(manifest) => {
                let files = manifest.files().enumerate().filter(|(_, (path, _))| select.is_match(path.as_str()));
                Some(files.map(|(file, _)| file as u32).collect::<Vec<u32>>())
            }
        };
        if selected.as_ref().is_some_and(Vec::is_empty) {
            return self.fail(cx, id, "no file of it is selected; see what is in it without --select".into());
        }
        entry.name = Some(name.clone());
        entry.place = Some(target.clone());
        let what = FetchThis { name, target, selected, addresses, now_ms: cx.now.wall_ms };
        self.work.begin(id, outline, what);
    }

    /// A share cannot be fetched.
    pub(super) fn fail(&mut self, cx: &mut Cx, id: TransferId, reason: String) {
        self.downloads.handle(cx.now, download::Input::Remove { transfer: id });
        self.wakes.set(Wake::Survey(id), None);
        self.wakes.set(Wake::Approach(id), None);
        if let Some(entry) = self.table.get_mut(id) {
            entry.stage = Stage::Failed;
            entry.reason = Some(reason);
        }
        self.show(cx, id);
    }

    /// What the vault has done.
    pub(super) fn done(&mut self, cx: &mut Cx, done: Done) {
        match done {
            Done::Listed(Ok(all)) => all.iter().for_each(|held| self.hold(cx, held)),
            Done::Listed(Err(error)) => cx.warn(format!("what is shared cannot be read: {error}")),
            Done::Hashed(number, held) => self.hashed(cx, number, held),
            Done::Read(id, manifest) => self.survey(cx, id, survey::Input::Manifest(manifest)),
            Done::Began(_, Ok(held)) | Done::Finished(_, Ok(held)) => self.hold(cx, &held),
            Done::Began(id, Err(error)) => self.fail(cx, id, error.to_string()),
            Done::Finished(id, Err(error)) => {
                if let Some(entry) = self.table.get_mut(id) {
                    entry.reason = Some(error.to_string());
                }
                // It is all there; it goes on as soon as whatever is in the way is gone.
                self.wakes.set(Wake::Disk(id), Some(cx.now.after(super::DISK_AGAIN_MS)));
                self.show(cx, id);
            }
            Done::Synced(id, result) => self.synced(cx, id, result),
            Done::Paused(id, paused, result, answer) => {
                let result = result.map_err(vault_error).and_then(|()| self.stand_still(cx, id, paused));
                // Whoever asked may have gone.
                let _ = answer.send(result);
            }
            Done::Forgotten(id, result, answer) => {
                if result.is_ok()
                    && let Some(entry) = self.table.remove(id)
                {
                    cx.report(NodeEvent::Unshared { root: entry.root.to_string() });
                }
                // Whoever asked may have gone.
                let _ = answer.send(result.map_err(vault_error));
            }
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

    /// The vault holds a share, or holds it in another way than before.
    pub(super) fn hold(&mut self, cx: &mut Cx, held: &Held) {
        let root = held.content.id();
        let id = match self.table.id(&root) {
            Some(id) => {
                if let Some(entry) = self.table.get_mut(id) {
                    entry.take(held);
                }
                id
            }
            None => self.table.insert(Entry::held(cx.now, held)),
        };
        match &held.holding {
            Holding::Parts { have, wanted, paused, addresses, .. } => {
                let lengths = Lengths::of(&held.layout);
                let (have, wanted) = (have.clone(), wanted.clone());
                self.downloads.handle(cx.now, download::Input::Add { transfer: id, lengths, have, wanted });
                if *paused {
                    self.downloads.handle(cx.now, download::Input::Pause { transfer: id });
                }
                self.candidates_at(cx, id, addresses);
                // Those who were asked before it was known how the share is cut are asked again what they have.
                self.circle.ask_again(cx.now, id);
                if !held.servable().is_empty() {
                    self.provide(cx.now, root);
                }
                self.approach(cx, id);
            }
            Holding::InPlace | Holding::Copied | Holding::Some { .. } => {
                self.downloads.handle(cx.now, download::Input::Remove { transfer: id });
                self.provide(cx.now, root);
            }
            Holding::Changed { .. } => {
                self.withdraw(cx, id);
                self.stop_providing(cx, root);
            }
        }
        self.show(cx, id);
    }

    /// A block that was here is not any more: the disk lost it, or somebody changed it.
    pub(super) fn fetch_again(&mut self, cx: &mut Cx, id: TransferId, block: u32) {
        let Some(entry) = self.table.get_mut(id) else { return };
        let is_paused = matches!(entry.stage, Stage::Paused);
        let Some(bytes) = &mut entry.bytes else { return };
        if !bytes.lose(block) {
            return;
        }
        let lengths = Lengths::of(&bytes.layout);
        let (have, wanted) = (bytes.have.clone(), bytes.wanted.clone());
        // The machine counts on blocks that stay: it begins anew with those that are here, and asks everybody again.
        self.downloads.handle(cx.now, download::Input::Remove { transfer: id });
        self.downloads.handle(cx.now, download::Input::Add { transfer: id, lengths, have, wanted });
        if is_paused {
            self.downloads.handle(cx.now, download::Input::Pause { transfer: id });
        }
        self.circle.ask_again(cx.now, id);
        self.approach(cx, id);
    }

    /// Those who may have a share were said to be there.
    pub(super) fn candidates_at(&mut self, cx: &Cx, id: TransferId, addresses: &[String]) {
        for address in addresses.iter().filter_map(|address| address.parse::<libp2p::Multiaddr>().ok()) {
            let peer = address.iter().last().and_then(|last| match last {
                libp2p::multiaddr::Protocol::P2p(peer) => Some(peer),
                _ => None,
            });
            if let Some(peer) = peer.filter(|peer| *peer != self.own) {
                self.circle.candidate(cx.now, id, peer, (vec![address], Word::User));
            }
        }
    }

    // ---- what came is made durable

    /// Has what came made durable, unless that is under way.
    pub(super) fn sync(&mut self, id: TransferId) {
        let Some(entry) = self.table.get_mut(id) else { return };
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
        let Some(entry) = self.table.get_mut(id) else { return };
        let Some(bytes) = &mut entry.bytes else { return };
        let blocks = bytes.syncing.take().unwrap_or_default();
        match result {
            Ok(()) => {
                blocks.iter().for_each(|block| bytes.store(*block));
                let gives = (!bytes.came.is_empty()).then_some(entry.root);
                // As soon as there is something to give, others find it here.
                gives.into_iter().for_each(|root| self.provide(cx.now, root));
                self.telling.came(cx.now, id);
                for block in blocks {
                    self.downloads.handle(cx.now, download::Input::Stored { transfer: id, block });
                }
            }
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
        entry.stage = Stage::Finishing;
        self.wakes.set(Wake::Approach(id), None);
        self.finish(id);
        self.show(cx, id);
    }

    pub(super) fn finish(&mut self, id: TransferId) {
        if let Some(entry) = self.table.get(id) {
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

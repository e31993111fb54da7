//! The way from a wish to a share that is complete.

use std::path::PathBuf;

use libp2p::PeerId;
use proto::{
    blob::outline::Outline,
    transfer::{
        TransferId, download,
        message::{Piece, ShareAnswer, ShareQuestion},
        survey,
    },
};

use super::{
    Shares, Wake,
    circle::Word,
    entry::{Entry, Stage, Wish},
    lines::{self, Asker as LaneAsker},
    questions::Asker,
};
use crate::{
    files::{Select, vault::FetchThis},
    handle::Target,
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
                survey::Output::Cancel { request } => {
                    self.lines.take_back(lines::Key::Survey(id, request));
                    self.questions.take_back(Asker::Survey(id, request));
                }
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

    /// A survey is wanted no more, or has come to its end: no answer to it means anything.
    pub(super) fn end_survey(&mut self, id: TransferId) {
        self.wakes.set(Wake::Survey(id), None);
        self.lines.end_survey(id);
        self.questions.end_survey(id);
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
            Some(ShareAnswer::Unknown) => failed(download::Failure::Gone),
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
        let select = match select.set() {
            Ok(select) => select,
            Err(error) => return self.fail(cx, id, error.to_string()),
        };
        entry.name = Some(name.clone());
        entry.place = Some(target.clone());
        let what = FetchThis { name, target, select, addresses, now_ms: cx.now.wall_ms };
        self.work.begin(id, entry, outline, what);
    }

    /// More is wanted of a share that the vault holds in parts.
    pub(super) fn begin_again(&mut self, cx: &mut Cx, id: TransferId, select: &Select, addresses: Vec<String>) {
        let Some(entry) = self.table.get_mut(id) else { return };
        let (Some(name), Some(target)) = (entry.name.clone(), entry.place.clone()) else { return };
        match select.set() {
            Ok(select) => {
                let what = FetchThis { name, target, select, addresses, now_ms: cx.now.wall_ms };
                self.work.begin_again(id, entry, what);
            }
            Err(error) if matches!(entry.stage, Stage::Beginning) => self.fail(cx, id, error.to_string()),
            Err(error) => entry.reason = Some(error.to_string()),
        }
    }

    /// A share cannot be fetched.
    pub(super) fn fail(&mut self, cx: &mut Cx, id: TransferId, reason: String) {
        self.downloads.handle(cx.now, download::Input::Remove { transfer: id });
        self.end_survey(id);
        self.wakes.set(Wake::Approach(id), None);
        self.withdraw(cx, id);
        if let Some(entry) = self.table.get_mut(id) {
            entry.stage = Stage::Failed;
            entry.reason = Some(reason);
            let root = entry.root;
            self.stop_providing(cx, root);
        }
        self.show(cx, id);
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
}

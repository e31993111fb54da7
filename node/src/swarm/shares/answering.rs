//! What peers ask and tell about shares, and what is done about it.

use libp2p::{Multiaddr, PeerId};
use proto::{
    blob::{Blocks, layer::LayerRange},
    transfer::{
        MAX_BLOCK_BYTES, TransferId, download,
        message::{
            MAX_ADDRESS_BYTES, MAX_OTHER_ADDRESSES, MAX_OTHERS, Met, News, Other, Piece, Refusal, ShareAnswer,
            ShareQuestion, Tree,
        },
        survey, upload,
    },
};

use super::{Shares, entry::Stage};
use crate::{
    files::vault::VaultError,
    swarm::{
        context::Cx,
        lanes::{Asked, LaneId, Told},
    },
};

impl Shares {
    /// A peer asks; the answer goes to `token`.
    pub(super) fn asked(
        &mut self,
        cx: &mut Cx,
        peer: PeerId,
        token: u64,
        question: ShareQuestion,
        known: impl Fn(&PeerId) -> Vec<String>,
    ) {
        let answer = match question {
            ShareQuestion::Meet { share } => match self.table.id(&share) {
                Some(id) => self.meet(cx, id, peer, known),
                None => ShareAnswer::Unknown,
            },
            ShareQuestion::Layer { share, of, range } => {
                return self.layer(cx, token, self.table.id(&share), of, range);
            }
            ShareQuestion::Tell { serving, news } => {
                let was_choking = self.downloads.peer(cx.now, &peer).is_some_and(|load| load.choking);
                if serving == was_choking {
                    let input =
                        if serving { download::Input::Unchoked { peer } } else { download::Input::Choked { peer } };
                    self.downloads.handle(cx.now, input);
                }
                if serving {
                    // Surveys let one rest that refused.
                    self.survey_all(cx, |_| survey::Input::PeerUp { peer, content: None }, Some(peer));
                }
                news.into_iter().for_each(|news| self.news(cx, peer, &news));
                ShareAnswer::Noted
            }
        };
        self.questions.answer(cx.behaviour, token, answer);
    }

    /// A peer takes part in a share, or wants to.
    fn meet(
        &mut self,
        cx: &mut Cx,
        id: TransferId,
        peer: PeerId,
        known: impl Fn(&PeerId) -> Vec<String>,
    ) -> ShareAnswer {
        let others = self.others(id, &peer, known);
        let Some(entry) = self.table.get(id) else { return ShareAnswer::Unknown };
        let bytes = entry.bytes.as_ref().filter(|_| entry.stage.is_served());
        if bytes.is_none() && !entry.stage.wants_peers() {
            return ShareAnswer::Unknown;
        }
        let met = Met {
            content: entry.content.filter(|_| bytes.is_some()),
            name: entry.name.as_ref().map(ToString::to_string).unwrap_or_default(),
            have: bytes.map(super::entry::Bytes::given),
            others,
        };
        if let Some(bytes) = bytes {
            self.telling.listens(id, entry.root, peer, bytes.came.len());
        }
        if entry.stage.wants_peers() {
            // It may have something, or come to have it.
            self.candidate(cx, id, peer, Vec::new());
            self.approach(cx, id);
        }
        ShareAnswer::Met(met)
    }

    /// Others who take part, for a peer.
    fn others(&mut self, id: TransferId, peer: &PeerId, known: impl Fn(&PeerId) -> Vec<String>) -> Vec<Other> {
        use rand::seq::SliceRandom;
        let mut members: Vec<PeerId> = self.circle.members(id).chain(&self.telling.listeners(id)).copied().collect();
        members.sort_unstable();
        members.dedup();
        members.shuffle(&mut self.rng);
        let other = |member: PeerId| {
            let mut addresses = known(&member);
            addresses.retain(|address| address.len() <= MAX_ADDRESS_BYTES);
            addresses.truncate(MAX_OTHER_ADDRESSES);
            (!addresses.is_empty()).then(|| Other { peer: member.to_bytes(), addresses })
        };
        members.into_iter().filter(|member| member != peer).filter_map(other).take(MAX_OTHERS).collect()
    }

    /// A peer wants hashes.
    fn layer(&mut self, cx: &mut Cx, token: u64, id: Option<TransferId>, of: Tree, range: LayerRange) {
        match id.and_then(|id| self.table.get(id)).filter(|entry| entry.stage.is_served()) {
            Some(entry) => self.work.layer(token, entry, of, range),
            None => self.questions.answer(cx.behaviour, token, ShareAnswer::Unknown),
        }
    }

    /// A peer tells what has changed with it.
    fn news(&mut self, cx: &mut Cx, peer: PeerId, news: &News) {
        let Some(id) = self.table.id(&news.share) else { return };
        if !news.here {
            let took_part = self.circle.is_member(id, &peer);
            self.circle.not_met(cx.now, id, peer);
            self.uploads.handle(cx.now, upload::Input::NotInterested { peer, transfer: id });
            let bytes = self.table.get(id).and_then(|entry| entry.bytes.as_ref());
            if let Some(bytes) = bytes.filter(|_| took_part) {
                let blocks = Blocks::none(bytes.have.count());
                self.downloads.handle(cx.now, download::Input::Has { transfer: id, peer, blocks });
            }
            return;
        }
        let input = match news.wanting {
            true => upload::Input::Interested { peer, transfer: id },
            false => upload::Input::NotInterested { peer, transfer: id },
        };
        if self.table.get(id).is_some_and(|entry| entry.stage.is_served()) {
            self.uploads.handle(cx.now, input);
        }
        if self.circle.is_member(id, &peer) && !news.has.is_empty() {
            self.circle.gives(id, peer);
            for block in news.has.iter().copied() {
                if !self.downloads.needs_no_word(id, &peer, block) {
                    self.downloads.handle(cx.now, download::Input::HasOne { transfer: id, peer, block });
                }
            }
        }
    }

    /// Somebody whom we asked takes part in a share.
    pub(super) fn met(&mut self, cx: &mut Cx, id: TransferId, peer: PeerId, met: Met) {
        for other in &met.others {
            let Ok(other_peer) = PeerId::from_bytes(&other.peer) else { continue };
            let addresses: Vec<Multiaddr> = other.addresses.iter().filter_map(|address| address.parse().ok()).collect();
            self.candidate(cx, id, other_peer, addresses);
        }
        if !self.circle.is_connected(&peer) || self.circle.is_banned(id, &peer) {
            return self.circle.not_met(cx.now, id, peer);
        }
        if self.circle.met(cx.now, id, peer) {
            self.finding.met(id);
        }
        if met.content.is_some() && met.have.as_ref().is_none_or(|have| !have.is_empty()) {
            self.circle.gives(id, peer);
        }
        let Some(entry) = self.table.get_mut(id) else { return };
        if entry.name.is_none() {
            entry.name = met.name.parse().ok();
        }
        if matches!(entry.stage, Stage::Asking(_)) {
            self.survey(cx, id, survey::Input::PeerUp { peer, content: met.content });
        }
        self.join(cx, id, peer, met.have);
        self.approach(cx, id);
    }

    /// Lets the downloads know what a member has, if it is known how the share is cut.
    fn join(&mut self, cx: &mut Cx, id: TransferId, peer: PeerId, have: Option<Blocks>) {
        let count = self.table.get(id).and_then(|entry| entry.bytes.as_ref()).map(|bytes| bytes.have.count());
        match (count, have) {
            (Some(count), Some(blocks)) if blocks.count() == count => {
                self.downloads.handle(cx.now, download::Input::PeerUp { transfer: id, peer });
                self.downloads.handle(cx.now, download::Input::Has { transfer: id, peer, blocks });
            }
            (Some(_), Some(_)) => {
                tracing::warn!(%peer, share = %id.0, "a peer cuts a share into another number of blocks; it is not asked");
                self.circle.ban(id, peer);
            }
            // What it has is asked again once it is known how the share is cut.
            (None, _) => {}
            // It does not know yet; it will be heard of.
            (Some(_), None) => self.downloads.handle(cx.now, download::Input::PeerUp { transfer: id, peer }),
        }
    }

    // ---- lanes on which peers ask

    /// Something happened on a lane on which a peer asks.
    pub(super) fn lane_told(&mut self, cx: &mut Cx, lane: LaneId, told: Told) {
        match told {
            Told::Asked(asked) => self.lane_asked(cx, lane, asked),
            Told::TakenBack(number) => {
                if let Some(token) = self.lines.taken_back(lane, number) {
                    self.uploads.handle(cx.now, upload::Input::Cancelled { token });
                }
            }
            Told::Arrived { number, bytes, took_ms } => {
                let Some((token, asked)) = self.lines.answered(lane, number) else { return };
                self.uploads.handle(cx.now, upload::Input::Served { token, bytes, took_ms });
                if let Some(entry) = self.table.id(&asked.share).and_then(|id| self.table.get_mut(id)) {
                    entry.is_unreadable = false;
                    entry.up.add(cx.now, bytes.into());
                    entry.uploaded_bytes += u64::from(bytes);
                    self.keep_ticking(cx.now);
                }
            }
            Told::Failed(asked, error) => {
                if let Some((token, _)) = self.lines.answered(lane, asked.number) {
                    self.uploads.handle(cx.now, upload::Input::Served { token, bytes: 0, took_ms: 0 });
                }
                if let Some(id) = self.table.id(&asked.share) {
                    self.not_served(cx, id, asked.piece, &error);
                }
            }
        }
    }

    fn lane_asked(&mut self, cx: &mut Cx, lane: LaneId, asked: Asked) {
        // What a peer asked before it went is told after that.
        let Some(peer) = self.lines.peer(lane).filter(|peer| self.circle.is_connected(peer)) else { return };
        let Some(token) = self.lines.asked(lane, asked) else { return };
        let id = self.table.id(&asked.share);
        let entry = id.and_then(|id| self.table.get(id)).filter(|entry| entry.stage.is_served());
        let (Some(transfer), Some(bytes)) = (id, entry.and_then(|entry| entry.bytes.as_ref())) else {
            return self.lines.refuse(token, Refusal::Gone);
        };
        match asked.piece {
            Piece::Manifest(block) => {
                let len = MAX_BLOCK_BYTES;
                self.uploads.handle(cx.now, upload::Input::Asked { peer, transfer, block, len, token });
            }
            Piece::Block(block) if bytes.gives(block) => {
                let len = bytes.layout.block_len(block);
                self.uploads.handle(cx.now, upload::Input::Asked { peer, transfer, block, len, token });
            }
            Piece::Block(_) => self.lines.refuse(token, Refusal::Lacks),
        }
    }

    /// A share could not be read.
    fn not_served(&mut self, cx: &mut Cx, id: TransferId, piece: Piece, error: &VaultError) {
        let Some(entry) = self.table.get_mut(id) else { return };
        match (error, piece, &entry.stage) {
            // There is no such piece: whoever asked may ask for anything.
            (VaultError::Unknown, _, _) | (_, _, Stage::Leaving(_)) => {}
            (VaultError::Lost(_), Piece::Block(block), _) => {
                tracing::debug!("a block is to be fetched again: {error}");
                self.fetch_again(cx, id, block);
            }
            (VaultError::Changed(_), _, Stage::Changed) => {}
            (VaultError::Changed(_), _, _) => {
                entry.stage = Stage::Changed;
                entry.reason = Some(error.to_string());
                let root = entry.root;
                cx.warn(error.to_string());
                self.withdraw(cx, id);
                self.stop_providing(cx, root);
                self.show(cx, id);
            }
            _ => {
                // Said once: how often it is asked for is up to others.
                if !std::mem::replace(&mut entry.is_unreadable, true) {
                    tracing::warn!("a share cannot be read: {error}");
                }
            }
        }
    }
}

//! What the network says: connections, streams, questions and their answers.

use libp2p::{PeerId, kad, request_response};
use proto::{
    transfer::{
        TransferId, download,
        message::{ShareAnswer, ShareQuestion},
        survey, upload,
    },
    wire::DecodeError,
};

use super::{
    APPROACH_MS, Shares, Wake,
    circle::{Approach, Word},
    lines::Asker as LaneAsker,
    questions::{Asker, Event},
};
use crate::swarm::{
    context::{Cx, Effect},
    lanes,
};

impl Shares {
    /// The first connection to a peer.
    pub fn connected(&mut self, cx: &mut Cx, peer: PeerId) {
        for id in self.circle.connected(cx.now, peer) {
            self.approach(cx, id);
        }
        self.drain(cx);
    }

    /// A connection ended that was not the last to that peer: a lane that was being opened on it may never come.
    pub fn connection_closed(&mut self, cx: &mut Cx, peer: PeerId) {
        if self.lines.is_opening(&peer) {
            cx.effects.push_back(Effect::OpenLane { peer });
        }
    }

    /// The last connection to a peer ended.
    pub fn disconnected(&mut self, cx: &mut Cx, peer: PeerId) {
        self.circle.disconnected(cx.now, peer);
        self.telling.disconnected(&peer);
        self.questions.disconnected(&peer);
        let askers = self.lines.disconnected(&peer);
        self.lost(cx, askers);
        self.keeping.gives(peer, false);
        self.downloads.handle(cx.now, download::Input::PeerDown { peer });
        self.uploads.handle(cx.now, upload::Input::PeerDown { peer });
        self.survey_all(cx, |_| survey::Input::PeerDown { peer }, None);
        self.drain(cx);
    }

    /// A query of Kademlia made progress.
    pub fn progressed(&mut self, cx: &mut Cx, id: kad::QueryId, result: &kad::QueryResult, step: &kad::ProgressStep) {
        let Some((transfer, peers)) = self.finding.progressed(id, result, step) else { return };
        for peer in peers {
            self.candidate(cx, transfer, peer, Vec::new());
        }
        self.approach(cx, transfer);
        self.drain(cx);
    }

    /// What became of a stream.
    pub fn stream(&mut self, cx: &mut Cx, event: lanes::behaviour::Event) {
        use lanes::behaviour::Came;
        match event.came {
            Came::Opened(stream) => {
                if self.lines.opened(event.peer, stream) {
                    self.keeping.gives(event.peer, true);
                }
            }
            Came::Refused(why) => {
                tracing::debug!(peer = %event.peer, "no lane: {why}");
                self.no_lane(cx, event.peer);
            }
            Came::Incoming(stream) => self.lines.incoming(event.peer, stream),
        }
        self.drain(cx);
    }

    /// A lane cannot be opened.
    pub fn no_lane(&mut self, cx: &mut Cx, peer: PeerId) {
        let askers = self.lines.not_opened(&peer);
        self.lost(cx, askers);
        self.drain(cx);
    }

    /// What request-response tells. `known` says where a peer is known to be. Bytes that do not decode are handed back.
    ///
    /// # Errors
    /// Who sent them, and what is wrong with them.
    pub fn event(
        &mut self,
        cx: &mut Cx,
        event: Event,
        known: impl Fn(&PeerId) -> Vec<String>,
    ) -> Result<(), (PeerId, DecodeError)> {
        use request_response::{Event, Message};
        let mut fault = Ok(());
        match event {
            Event::Message { peer, message: Message::Request { request_id, request, channel }, .. } => {
                // The way back is dropped: garbage gets no answer.
                let question = request.map_err(|error| (peer, error))?;
                if !question.is_bounded() {
                    return Err((peer, DecodeError::NotCanonical));
                }
                if let Some(token) = self.questions.asked(cx.now, cx.behaviour, (peer, &question), request_id, channel)
                {
                    self.asked(cx, peer, token, question, known);
                }
            }
            Event::Message { peer, message: Message::Response { request_id, response }, .. } => {
                let Some(asker) = self.questions.concluded(request_id) else { return Ok(()) };
                let answer = match response {
                    Ok(answer) => Some(answer),
                    Err(error) => {
                        fault = Err((peer, error));
                        None
                    }
                };
                self.answered(cx, asker, answer);
            }
            Event::OutboundFailure { peer, request_id, error, .. } => {
                tracing::debug!(%peer, "a question about shares came to nothing: {error}");
                if let Some(asker) = self.questions.concluded(request_id) {
                    self.answered(cx, asker, None);
                }
            }
            Event::InboundFailure { request_id, .. } | Event::ResponseSent { request_id, .. } => {
                self.questions.sent(request_id);
            }
        }
        self.drain(cx);
        fault
    }

    /// An answer to a question of ours, or that none will come.
    fn answered(&mut self, cx: &mut Cx, asker: Asker, answer: Option<ShareAnswer>) {
        match (asker, answer) {
            (Asker::Meet(id, peer), Some(ShareAnswer::Met(met))) if met.is_bounded() => self.met(cx, id, peer, met),
            (Asker::Meet(id, peer), _) => self.circle.not_met(cx.now, id, peer),
            (Asker::Survey(id, request), answer) => self.surveyed(cx, id, request, answer),
            (Asker::Tell(peer), answer) => self.telling.told(cx.now, peer, answer == Some(ShareAnswer::Noted)),
        }
    }

    /// Questions on lanes come to nothing.
    pub(super) fn lost(&mut self, cx: &mut Cx, askers: Vec<LaneAsker>) {
        for asker in askers {
            match asker {
                LaneAsker::Download(_, request, _) => {
                    let why = download::Failure::Lost;
                    self.downloads.handle(cx.now, download::Input::Failed { request, why });
                }
                LaneAsker::Survey(id, request) => {
                    let why = download::Failure::Lost;
                    self.survey(cx, id, survey::Input::Failed { request, why });
                }
            }
        }
    }

    // ---- who takes part

    /// Somebody may have a share.
    pub(super) fn candidate(&mut self, cx: &Cx, id: TransferId, peer: PeerId, addresses: Vec<libp2p::Multiaddr>) {
        if peer != self.own && self.table.get(id).is_some() {
            self.circle.candidate(cx.now, id, peer, (addresses, Word::Hearsay));
        }
    }

    /// Asks, or dials, those who may have a share.
    pub(super) fn approach(&mut self, cx: &mut Cx, id: TransferId) {
        let Some(entry) = self.table.get(id).filter(|entry| entry.stage.wants_peers()) else { return };
        if self.circle.members(id).count() < download::FEW_PEERS {
            self.finding.search(cx.now, &mut self.rng, cx.behaviour, (id, &entry.root));
        }
        for approach in self.circle.approach(cx.now, id) {
            match approach {
                Approach::Ask(peer) => {
                    let question = ShareQuestion::Meet { share: entry.root };
                    self.questions.ask(cx.behaviour, peer, Asker::Meet(id, peer), question);
                }
                Approach::Dial(peer, addresses) => cx.effects.push_back(Effect::Dial { peer, addresses }),
            }
        }
        self.wakes.set(Wake::Approach(id), Some(cx.now.after(APPROACH_MS)));
    }
}

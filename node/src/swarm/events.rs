//! What the swarm tells, and which capability it is for.

use libp2p::{PeerId, kad, request_response, swarm::SwarmEvent};
use proto::{
    call::{Answer, Question},
    offence::Offence,
    time::Now,
    wire::DecodeError,
};

use super::{
    behaviour::BehaviourEvent,
    calls::WayBack,
    context::Cx,
    direct, shares,
    task::{Task, lend},
};
use crate::model::NodeEvent;

impl Task {
    pub(super) fn swarm_event(&mut self, now: Now, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.behaviour_event(now, event),
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                let address = endpoint.get_remote_address().clone();
                self.network.connected(now, connection_id, peer_id, endpoint.is_dialer(), &address);
                self.reach.connected(connection_id);
                if self.peers.opened(peer_id, connection_id, address.clone()) {
                    tracing::info!(%peer_id, %address, "connected");
                    let address = address.to_string();
                    lend!(self, now).report(NodeEvent::PeerConnected { peer_id: peer_id.to_string(), address });
                    self.direct.connected(&mut lend!(self, now), peer_id);
                    self.shares.connected(&mut lend!(self, now), peer_id);
                }
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, cause, .. } => {
                if self.peers.closed(peer_id, connection_id) {
                    tracing::info!(%peer_id, ?cause, "disconnected");
                    self.network.disconnected(now, peer_id, cause.as_ref());
                    self.guard.disconnected(&peer_id);
                    self.rooms.disconnected(&mut lend!(self, now), peer_id);
                    self.direct.disconnected(&mut lend!(self, now), peer_id);
                    self.shares.disconnected(&mut lend!(self, now), peer_id);
                    lend!(self, now).report(NodeEvent::PeerDisconnected { peer_id: peer_id.to_string() });
                } else {
                    self.shares.connection_closed(&mut lend!(self, now), peer_id);
                }
                self.calls.forget_gone();
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                self.network.dial_failed(now, connection_id, &error, self.settings.closed_network);
                self.reach.failed(&mut self.swarm, connection_id);
            }
            SwarmEvent::IncomingConnectionError { send_back_addr, error, .. } => {
                self.guard.refused_connection(&send_back_addr, &error, self.settings.closed_network);
            }
            SwarmEvent::NewListenAddr { address, .. } => {
                tracing::info!(%address, "listening");
                self.reached_at();
            }
            SwarmEvent::ExpiredListenAddr { .. } => self.reached_at(),
            SwarmEvent::ListenerError { error, .. } => tracing::warn!("a listener failed to accept: {error}"),
            SwarmEvent::ListenerClosed { addresses, reason: Err(error), .. } => {
                lend!(self, now).warn(format!("no longer listening on {addresses:?}: {error}"));
            }
            // Other events tell of steps whose outcome is told by those above.
            _ => {}
        }
    }

    fn behaviour_event(&mut self, now: Now, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Gossip(event) => {
                if self.guard.admits_gossip(&mut lend!(self, now), &event) {
                    self.rooms.gossip(&mut lend!(self, now), event);
                }
            }
            BehaviourEvent::Calls(event) => self.call_event(now, event),
            BehaviourEvent::Direct(event) => self.direct_event(now, event),
            BehaviourEvent::Shares(event) => self.share_event(now, event),
            BehaviourEvent::Lanes(event) => self.shares.stream(&mut lend!(self, now), event),
            BehaviourEvent::Identify(event) => self.network.identify(now, &mut self.swarm, &mut self.peers, event),
            BehaviourEvent::Kad(event) => {
                if let kad::Event::OutboundQueryProgressed { id, result, stats, step } = &event {
                    self.rendezvous.progressed(&mut self.swarm, &mut self.reach, *id, result);
                    self.reach.progressed(&mut self.swarm, *id, result);
                    let own = *self.swarm.local_peer_id();
                    let known = |peer: &PeerId| self.network.addresses(peer);
                    self.direct.progressed(&mut lend!(self, now), (*id, result, step), known);
                    self.shares.progressed(&mut lend!(self, now), *id, result, step);
                    self.lookups.progressed(own, &mut self.swarm.behaviour_mut().kad, *id, result, stats, step);
                }
                self.network.kad(now, &mut self.swarm.behaviour_mut().kad, event);
            }
            BehaviourEvent::Mdns(event) => self.network.mdns(now, event),
            BehaviourEvent::Ping(event) => match event.result {
                Ok(rtt) => self.peers.pinged(&event.peer, rtt),
                // A peer without ping is odd, not gone.
                Err(libp2p::ping::Failure::Unsupported) => {}
                Err(error) => {
                    // libp2p leaves it open. Behind a broken link it would take many minutes to be noticed.
                    tracing::info!(peer = %event.peer, "closing a connection that does not answer: {error}");
                    self.network.silent(event.peer);
                    self.swarm.close_connection(event.connection);
                }
            },
            BehaviourEvent::Blocked(never) => match never {},
            BehaviourEvent::Limits(never) => match never {},
            BehaviourEvent::Memory(never) => match never {},
        }
    }

    fn call_event(
        &mut self,
        now: Now,
        event: request_response::Event<Result<Question, DecodeError>, Result<Answer, DecodeError>>,
    ) {
        use request_response::{Event, Message};
        match event {
            Event::Message { peer, message: Message::Request { request_id, request, channel }, .. } => match request {
                Ok(question) => self.question(now, peer, request_id, question, channel),
                // The way back is dropped: garbage gets no answer.
                Err(error) => self.blame(now, peer, &error),
            },
            Event::Message { peer, message: Message::Response { request_id, response }, .. } => {
                let Some(outbound) = self.calls.concluded(request_id) else { return };
                match response {
                    Ok(answer) => self.rooms.answered(&mut lend!(self, now), outbound, answer),
                    Err(error) => {
                        self.blame(now, peer, &error);
                        self.rooms.unanswered(&mut lend!(self, now), outbound);
                    }
                }
            }
            Event::OutboundFailure { peer, request_id, error, .. } => {
                tracing::debug!(%peer, "a question came to nothing: {error}");
                if let Some(outbound) = self.calls.concluded(request_id) {
                    self.rooms.unanswered(&mut lend!(self, now), outbound);
                }
            }
            Event::InboundFailure { request_id, .. } | Event::ResponseSent { request_id, .. } => {
                self.calls.sent(request_id);
            }
        }
    }

    fn direct_event(&mut self, now: Now, event: direct::Event) {
        use request_response::{Event, Message};
        if let Event::Message { peer, message: Message::Request { request: question, .. }, .. } = &event
            && !self.guard.admits_question(&mut lend!(self, now), *peer, question)
        {
            // The way back is dropped with the event.
            return;
        }
        let from = match &event {
            Event::Message { peer, connection_id, .. } => {
                self.peers.get(peer).and_then(|connected| connected.connections.get(connection_id)).cloned()
            }
            _ => None,
        };
        if let Err((peer, error)) = self.direct.event(&mut lend!(self, now), event, from.as_ref()) {
            self.blame(now, peer, &error);
        }
    }

    fn share_event(&mut self, now: Now, event: shares::Event) {
        let known = |peer: &PeerId| self.network.addresses(peer);
        if let Err((peer, error)) = self.shares.event(&mut lend!(self, now), event, known) {
            self.blame(now, peer, &error);
        }
    }

    fn question(
        &mut self,
        now: Now,
        peer: PeerId,
        id: request_response::InboundRequestId,
        question: Question,
        way_back: WayBack,
    ) {
        let admitted = self.guard.admits_call(&mut lend!(self, now), peer);
        match self.calls.asked(peer, id, way_back) {
            Ok(token) if admitted => self.rooms.asked(&mut lend!(self, now), peer, token, question),
            Ok(token) => self.calls.answer(self.swarm.behaviour_mut(), token, question.topic.unavailable()),
            Err(way_back) => {
                // Gone already, if this fails.
                let _ = self.swarm.behaviour_mut().calls.send_response(way_back, Ok(question.topic.unavailable()));
            }
        }
    }

    /// Holds bytes that do not decode against whoever sent them; a stream that broke is nobody's fault.
    fn blame(&mut self, now: Now, peer: PeerId, error: &DecodeError) {
        let offence = match error {
            DecodeError::TooLong { .. } => Offence::Oversized,
            DecodeError::Version(_) | DecodeError::Malformed(_) | DecodeError::NotCanonical => Offence::Malformed,
            DecodeError::Truncated => return,
        };
        lend!(self, now).penalise(peer, offence);
    }
}

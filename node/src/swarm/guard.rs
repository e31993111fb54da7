//! What comes in from each peer: how much of it, what is wrong with it, and who is kept out.
//!
//! The judgement is [`proto::conduct`]'s; here it is carried out.

use std::collections::BTreeMap;

use libp2p::{Multiaddr, PeerId, gossipsub, swarm::ListenError};
use proto::{
    conduct::{self, Conduct},
    direct::{letter::Envelope, message::DirectQuestion},
    inbound::Inbound,
    live::Verdict,
    offence::Offence,
    rate::{Rate, TokenBucket},
    time::{Deadline, Now},
    wire::DecodeError,
};

use super::{
    context::{Cx, Effect},
    verdicts,
};

/// Bytes that a question is charged with: they are small, but answering may cost a read of a megabyte.
const CALL_BYTES: usize = 64 * 1024;

/// Topics that one peer may subscribe to or leave, a second: a peer in many rooms names them all at once, and then rarely any.
const SUBSCRIPTIONS: Rate = Rate::per_second(10, 1_024);

/// What one connected peer may still send.
struct Allowance {
    messages: Inbound,
    subscriptions: TokenBucket,
}

/// The guard.
pub struct Guard {
    conduct: Conduct,
    allowances: BTreeMap<PeerId, Allowance>,
    /// Why those who are kept out are.
    banned: BTreeMap<PeerId, Offence>,
    refused_connections: u64,
}

impl Guard {
    /// Nobody has done anything yet.
    pub fn new() -> Self {
        Self { conduct: Conduct::new(), allowances: BTreeMap::new(), banned: BTreeMap::new(), refused_connections: 0 }
    }

    /// Holds an offence against a peer.
    pub fn penalise(&mut self, cx: &mut Cx, peer: PeerId, offence: Offence) {
        tracing::debug!(%peer, %offence, "offence");
        self.conduct.handle(cx.now, conduct::Input::Offence { peer, offence });
        self.drain(cx);
    }

    /// Whether a gossip event may be looked at. A message over the limit is dropped before it costs more.
    pub fn admits_gossip(&mut self, cx: &mut Cx, event: &gossipsub::Event) -> bool {
        let gossipsub::Event::Message { propagation_source, message_id, message } = event else {
            self.note_subscription(cx, event);
            return true;
        };
        let admitted = self.admits(cx, *propagation_source, message.data.len());
        if !admitted {
            verdicts::decide(cx, message_id, propagation_source, Verdict::Ignore);
        }
        admitted
    }

    /// Each change of subscription starts questions of ours: who toggles them is flooding.
    fn note_subscription(&mut self, cx: &mut Cx, event: &gossipsub::Event) {
        let (gossipsub::Event::Subscribed { peer_id, .. } | gossipsub::Event::Unsubscribed { peer_id, .. }) = event
        else {
            return;
        };
        if !self.allowance(cx.now, *peer_id).subscriptions.take(cx.now, 1) {
            cx.penalise(*peer_id, Offence::Flood);
        }
    }

    /// Whether a peer's question may be looked at.
    pub fn admits_call(&mut self, cx: &mut Cx, peer: PeerId) -> bool {
        self.admits(cx, peer, CALL_BYTES)
    }

    /// Whether a peer's question about letters may be looked at, or what came in the place of one.
    pub fn admits_question(
        &mut self,
        cx: &mut Cx,
        peer: PeerId,
        question: &Result<DirectQuestion, DecodeError>,
    ) -> bool {
        let envelope_bytes = |envelope: &Envelope| envelope.sealed.ciphertext.len();
        let bytes = match question {
            Ok(DirectQuestion::Deliver(envelope)) => envelope_bytes(envelope),
            Ok(DirectQuestion::Deposit(envelopes)) => envelopes.iter().map(envelope_bytes).sum(),
            Ok(
                DirectQuestion::Card(_)
                | DirectQuestion::Register(_)
                | DirectQuestion::Collect { .. }
                | DirectQuestion::Discard(_),
            ) => CALL_BYTES,
            Err(DecodeError::TooLong { len, .. }) => *len,
            Err(_) => CALL_BYTES,
        };
        self.admits(cx, peer, bytes)
    }

    fn admits(&mut self, cx: &mut Cx, peer: PeerId, bytes: usize) -> bool {
        let admitted = self.allowance(cx.now, peer).messages.admit(cx.now, bytes);
        if !admitted {
            cx.penalise(peer, Offence::Flood);
        }
        admitted
    }

    fn allowance(&mut self, now: Now, peer: PeerId) -> &mut Allowance {
        let fresh = || Allowance { messages: Inbound::new(now), subscriptions: TokenBucket::new(SUBSCRIPTIONS, now) };
        self.allowances.entry(peer).or_insert_with(fresh)
    }

    /// The last connection to a peer closed.
    pub fn disconnected(&mut self, peer: &PeerId) {
        self.allowances.remove(peer);
    }

    /// A connection from outside came to nothing.
    pub fn refused_connection(&mut self, from: &Multiaddr, error: &ListenError, closed_network: bool) {
        match error {
            ListenError::Denied { .. } => self.refused_connections += 1,
            error if closed_network => {
                tracing::warn!("a connection from {from} failed: {error} (does it have the same network key?)");
            }
            error => tracing::info!("a connection from {from} failed: {error}"),
        }
    }

    /// Refusals by reason; what never happened is left out.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let offences = Offence::ALL.into_iter().map(|offence| (offence.as_str(), self.conduct.count(offence)));
        offences.chain([("banned", self.refused_connections)]).filter(|(_, count)| *count > 0)
    }

    /// Why a peer is kept out, if it is.
    pub fn banned(&self, peer: &PeerId) -> Option<String> {
        self.banned.get(peer).map(ToString::to_string)
    }

    /// All who are kept out.
    pub fn all_banned(&self) -> impl Iterator<Item = &PeerId> {
        self.banned.keys()
    }

    /// When [`Guard::timeout`] is to be called.
    pub fn deadline(&self) -> Option<Deadline> {
        self.conduct.poll_timeout()
    }

    /// Ends bans.
    pub fn timeout(&mut self, cx: &mut Cx) {
        if self.deadline().is_some_and(|at| cx.now.reached(at)) {
            self.conduct.handle_timeout(cx.now);
            self.drain(cx);
        }
    }

    fn drain(&mut self, cx: &mut Cx) {
        while let Some(output) = self.conduct.poll_output() {
            match output {
                conduct::Output::Ban { peer, offence, until } => {
                    let minutes = until.0.saturating_sub(cx.now.mono_ms) / 60_000;
                    tracing::warn!("{peer} is kept out for {minutes} minutes: {offence}");
                    self.banned.insert(peer, offence);
                    // This also closes its connections.
                    cx.behaviour.blocked.block_peer(peer);
                    cx.effects.push_back(Effect::Banned { peer });
                }
                conduct::Output::Unban(peer) => {
                    self.banned.remove(&peer);
                    cx.behaviour.blocked.unblock_peer(peer);
                    cx.effects.push_back(Effect::Unbanned { peer });
                }
            }
        }
    }
}

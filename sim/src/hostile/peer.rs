//! What all hostile hosts have in common: a swarm that is taken for a node's, and a loop in which a [`Trick`] has its say.
//!
//! | it is asked | and otherwise |
//! |---|---|
//! | what to do, every [`Trick::period_ms`] | |
//! | whether to pass on a gossip message | messages are passed on unseen |
//! | what to answer to a question | "not now", as a node does that has too much to do |
//! | what to answer to a question about letters | that it is no mailbox |
//! | what to answer to a question about files, and what to do with a stream for blocks | that it has none; it is closed |
//! | whom to name to others in Kademlia | all who identify themselves |
//!
//! It looks for further peers in Kademlia and dials them, until it has [`NEIGHBOURS`]; those that it goes for it dials whenever they
//! are lost.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use futures::{StreamExt, future::BoxFuture};
use libp2p::{
    Multiaddr, PeerId, Stream, Swarm, gossipsub, identify,
    kad::{self, QueryResult},
    multiaddr::Protocol,
    request_response::{self, Message, ResponseChannel},
    swarm::{self, SwarmEvent, dial_opts::DialOpts},
};
use node::{clock::Clock, spawn::Spawn};
use proto::{
    call::{Answer, MAX_QUESTION_BYTES, Question},
    channel::{LOBBY, RoomName},
    direct::message::{self, DirectAnswer, DirectQuestion, Refusal},
    ids::{ChannelId, LogId},
    live::Live,
    signature::Signer,
    time::Now,
    transfer::message::{MAX_QUESTION_BYTES as MAX_SHARE_QUESTION_BYTES, ShareAnswer, ShareQuestion},
    wire,
};
use rand::{RngExt, SeedableRng, seq::IteratorRandom};
use rand_chacha::ChaCha8Rng;
use tokio::time::Instant;

use super::{
    Parts, StartError,
    author::Log,
    behaviour::{Behaviour, BehaviourEvent, LANES, behaviour, refused},
};

/// Connected peers from which on it dials no further ones.
pub const NEIGHBOURS: usize = 24;

/// Peers whose addresses are kept. Further ones are not dialed.
const MAX_KNOWN: usize = 1_024;

/// Milliseconds between two looks at whom to dial.
const DIAL_MS: u64 = 1_000;

/// Dials begun at one look.
const MAX_DIALS: usize = 4;

/// Looks between two searches for further peers.
const LOOKS_PER_SEARCH: u64 = 30;

/// Questions that are left open: a node has no more than this many with one peer. When there are more, the oldest is closed.
const MAX_OPEN: usize = 4_096;

/// Seconds that a connection without streams is kept.
const IDLE_CONNECTION_S: u64 = 600;

/// An application's score that keeps a peer from being published to, and nothing else: between gossipsub's default thresholds for
/// publishing (-50) and for being ignored (-80).
const UNHEARD: f64 = -60.0;

/// What a hostile host does.
pub trait Trick: Send {
    /// Milliseconds between two calls of [`Trick::act`].
    fn period_ms(&self) -> u64 {
        1_000
    }

    /// Something is done, if there is anything to do.
    fn act(&mut self, _peer: &mut Peer) {}

    /// Whether a gossip message that came is passed on.
    fn passes_on(&self, _now: Now) -> bool {
        true
    }

    /// What is answered to a question; `None` leaves it open until the asker gives up.
    fn answer(&self, _now: Now, _from: PeerId, question: &Question) -> Option<Answer> {
        Some(question.topic.unavailable())
    }

    /// What is answered to a question about letters; `None` leaves it open until the asker gives up.
    fn answer_letter(&mut self, _now: Now, _from: PeerId, question: DirectQuestion) -> Option<DirectAnswer> {
        Some(match question {
            DirectQuestion::Card(_) => DirectAnswer::Card(None),
            _ => DirectAnswer::Refused(Refusal::NotWanted),
        })
    }

    /// What is answered to a question about files.
    fn answer_share(&mut self, question: ShareQuestion) -> ShareAnswer {
        match question {
            ShareQuestion::Meet { .. } => ShareAnswer::Unknown,
            ShareQuestion::Layer { .. } => ShareAnswer::Lacks,
            ShareQuestion::Tell { .. } => ShareAnswer::Noted,
        }
    }

    /// What is done with a stream on which a peer asks for blocks; it is closed if that is nothing.
    fn lane(&mut self, _from: PeerId, _lane: Stream) -> Option<BoxFuture<'static, ()>> {
        None
    }

    /// Whether it is gone.
    fn is_over(&self) -> bool {
        false
    }

    /// Whether a peer that identified itself is named to those who ask for peers near a key.
    fn names(&self, _peer: &PeerId) -> bool {
        true
    }
}

/// A hostile host.
pub struct Peer {
    /// Its swarm.
    pub swarm: Swarm<Behaviour>,
    signer: Signer,
    /// For whatever is done at random.
    pub rng: ChaCha8Rng,
    /// Connected peers.
    pub connected: BTreeSet<PeerId>,
    clock: Arc<dyn Clock>,
    channel: ChannelId,
    topic: gossipsub::IdentTopic,
    known: BTreeMap<PeerId, Multiaddr>,
    /// Dialed whenever they are lost.
    targets: Vec<PeerId>,
    /// Questions without an answer, oldest first.
    open: VecDeque<ResponseChannel<Vec<u8>>>,
    spawn: Arc<dyn Spawn>,
    looks: u64,
}

impl Peer {
    /// A host that listens, is in the lobby, and is connected to nobody yet.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn new(parts: Parts, spawn: &Arc<dyn Spawn>) -> Result<Self, StartError> {
        let lobby: RoomName = LOBBY.parse().map_err(|_| StartError::Room(LOBBY.into()))?;
        let channel = lobby.channel();
        let topic = gossipsub::IdentTopic::new(channel.topic());
        let signer = Signer::new(parts.keypair.clone()).ok_or(StartError::KeyType)?;
        let peer_id = parts.keypair.public().to_peer_id();
        let tasks = Arc::clone(spawn);
        let config = swarm::Config::with_executor(move |task| tasks.spawn(task))
            .with_idle_connection_timeout(Duration::from_secs(IDLE_CONNECTION_S));
        let transport = parts.network.transport(parts.host, peer_id);
        let mut swarm = Swarm::new(transport, behaviour(&parts.keypair)?, peer_id, config);
        let address = parts.network.listen_address(parts.host);
        swarm.listen_on(address).map_err(|error| refused("to listen", error.to_string()))?;
        let subscribed = swarm.behaviour_mut().gossip.subscribe(&topic);
        subscribed.map_err(|error| refused("the lobby's topic", error.to_string()))?;
        let through = if parts.targets.is_empty() { &parts.bootstrap } else { &parts.targets };
        Ok(Self {
            swarm,
            signer,
            rng: ChaCha8Rng::from_seed(parts.seed),
            connected: BTreeSet::new(),
            clock: parts.clock,
            channel,
            topic,
            known: through.iter().filter_map(with_peer).collect(),
            targets: parts.targets.iter().filter_map(with_peer).map(|(peer, _)| peer).collect(),
            open: VecDeque::new(),
            spawn: Arc::clone(spawn),
            looks: 0,
        })
    }

    /// Runs until it is gone, which most never are.
    pub async fn run(mut self, mut trick: Box<dyn Trick>) {
        // `Err` when somebody else takes them, which nobody does.
        let Ok(mut lanes) = self.swarm.behaviour().lanes.new_control().accept(LANES) else { return };
        let period = Duration::from_millis(trick.period_ms());
        let (mut act_at, mut dial_at) = (Instant::now() + period, Instant::now());
        while !trick.is_over() {
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(act_at) => {
                    act_at += period;
                    trick.act(&mut self);
                }
                () = tokio::time::sleep_until(dial_at) => {
                    dial_at += Duration::from_millis(DIAL_MS);
                    self.look();
                }
                Some((from, lane)) = lanes.next() => {
                    if let Some(serve) = trick.lane(from, lane) {
                        self.spawn.spawn(serve);
                    }
                }
                event = self.swarm.select_next_some() => self.event(&mut *trick, event),
            }
        }
    }

    /// The time.
    pub fn now(&self) -> Now {
        self.clock.now()
    }

    /// A log of its own that nobody has seen yet: after a restart it has no memory of what it wrote in an earlier one.
    pub fn new_log(&mut self) -> Log {
        Log::new(self.signer.clone(), self.channel, LogId(self.rng.random()))
    }

    /// Publishes in the lobby, to all. Returns whether anybody was there to hear it.
    pub fn publish(&mut self, message: &Live) -> bool {
        self.swarm.behaviour_mut().gossip.publish(self.topic.clone(), wire::encode(message)).is_ok()
    }

    /// The same, to some only.
    pub fn publish_to(&mut self, message: &Live, hears: impl Fn(&PeerId) -> bool) -> bool {
        self.score(|peer| if hears(peer) { 0.0 } else { UNHEARD });
        let heard = self.publish(message);
        self.score(|_| 0.0);
        heard
    }

    /// Somewhere to find others at. Kept if there is room.
    pub fn learn(&mut self, peer: PeerId, address: Multiaddr) {
        if self.known.len() < MAX_KNOWN && peer != *self.swarm.local_peer_id() {
            self.known.insert(peer, address);
        }
    }

    /// An address of a peer, if one is known.
    pub fn address(&self, peer: &PeerId) -> Option<&Multiaddr> {
        self.known.get(peer)
    }

    fn score(&mut self, of: impl Fn(&PeerId) -> f64) {
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        for peer in &self.connected {
            // `false` when gossip does not know it, and then publishes nothing to it either.
            gossip.set_application_score(peer, of(peer));
        }
    }

    /// Dials whoever is to be dialed, and now and then looks for more.
    fn look(&mut self) {
        let mut wanted: Vec<PeerId> =
            self.targets.iter().filter(|peer| !self.connected.contains(peer)).copied().collect();
        if self.connected.len() < NEIGHBOURS {
            let others = self.known.keys().filter(|peer| !self.connected.contains(peer)).copied();
            wanted.extend(others.sample(&mut self.rng, MAX_DIALS));
            if self.looks.is_multiple_of(LOOKS_PER_SEARCH) {
                let anywhere: [u8; 32] = self.rng.random();
                self.swarm.behaviour_mut().kad.get_closest_peers(anywhere.to_vec());
            }
        }
        self.looks += 1;
        for peer in wanted {
            let Some(address) = self.known.get(&peer) else { continue };
            // `Err` when it is being dialed already.
            let _ = self.swarm.dial(DialOpts::peer_id(peer).addresses(vec![address.clone()]).build());
        }
    }

    fn event(&mut self, trick: &mut dyn Trick, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::ConnectionEstablished { peer_id, .. } => {
                self.connected.insert(peer_id);
            }
            SwarmEvent::ConnectionClosed { peer_id, num_established: 0, .. } => {
                self.connected.remove(&peer_id);
            }
            SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received { peer_id, info, .. })) => {
                let Some(address) = info.listen_addrs.into_iter().next() else { return };
                if trick.names(&peer_id) {
                    self.swarm.behaviour_mut().kad.add_address(&peer_id, address.clone());
                }
                self.learn(peer_id, address);
            }
            SwarmEvent::Behaviour(BehaviourEvent::Kad(kad::Event::OutboundQueryProgressed {
                result: QueryResult::GetClosestPeers(Ok(closest)),
                ..
            })) => {
                for found in closest.peers {
                    found.addrs.into_iter().take(1).for_each(|address| self.learn(found.peer_id, address));
                }
            }
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(gossipsub::Event::Message {
                propagation_source,
                message_id,
                ..
            })) => {
                let accepts = trick.passes_on(self.now());
                let verdict =
                    if accepts { gossipsub::MessageAcceptance::Accept } else { gossipsub::MessageAcceptance::Ignore };
                let gossip = &mut self.swarm.behaviour_mut().gossip;
                // `false` when it has left gossip's cache.
                gossip.report_message_validation_result(&message_id, &propagation_source, verdict);
            }
            SwarmEvent::Behaviour(BehaviourEvent::Questions(request_response::Event::Message {
                peer,
                message: Message::Request { request, channel, .. },
                ..
            })) => self.asked(trick, peer, &request, channel),
            SwarmEvent::Behaviour(BehaviourEvent::Letters(request_response::Event::Message {
                peer,
                message: Message::Request { request, channel, .. },
                ..
            })) => self.asked_about_letters(trick, peer, &request, channel),
            SwarmEvent::Behaviour(BehaviourEvent::Shares(request_response::Event::Message {
                message: Message::Request { request, channel, .. },
                ..
            })) => {
                let question = wire::decode::<ShareQuestion, MAX_SHARE_QUESTION_BYTES>(&request);
                let Ok(answer) = question.map(|question| trick.answer_share(question)) else { return };
                // `Err` when the asker has gone.
                let _ = self.swarm.behaviour_mut().shares.send_response(channel, wire::encode(&answer));
            }
            _ => {}
        }
    }

    fn asked(&mut self, trick: &dyn Trick, from: PeerId, bytes: &[u8], way_back: ResponseChannel<Vec<u8>>) {
        // What does not decode gets no answer, as from a node.
        let Ok(question) = wire::decode::<Question, MAX_QUESTION_BYTES>(bytes) else { return };
        if let Some(answer) = trick.answer(self.now(), from, &question) {
            // `Err` when the asker has gone.
            let _ = self.swarm.behaviour_mut().questions.send_response(way_back, wire::encode(&answer));
            return;
        }
        self.leave_open(way_back);
    }

    fn asked_about_letters(
        &mut self,
        trick: &mut dyn Trick,
        from: PeerId,
        bytes: &[u8],
        way_back: ResponseChannel<Vec<u8>>,
    ) {
        let Ok(question) = wire::decode::<DirectQuestion, { message::MAX_QUESTION_BYTES }>(bytes) else { return };
        match trick.answer_letter(self.now(), from, question) {
            // `Err` when the asker has gone.
            Some(answer) => _ = self.swarm.behaviour_mut().letters.send_response(way_back, wire::encode(&answer)),
            None => self.leave_open(way_back),
        }
    }

    fn leave_open(&mut self, way_back: ResponseChannel<Vec<u8>>) {
        self.open.retain(ResponseChannel::is_open);
        if self.open.len() >= MAX_OPEN {
            self.open.pop_front();
        }
        self.open.push_back(way_back);
    }
}

/// An address that names its peer, taken apart.
fn with_peer(address: &Multiaddr) -> Option<(PeerId, Multiaddr)> {
    let mut address = address.clone();
    match address.pop() {
        Some(Protocol::P2p(peer)) => Some((peer, address)),
        _ => None,
    }
}

//! What all hostile hosts have in common: a swarm that is taken for a node's, and a loop in which a [`Trick`] has its say.
//!
//! | it is asked | and otherwise |
//! |---|---|
//! | what to do, every [`Trick::period_ms`] | |
//! | whether to pass on a gossip message | messages are passed on unseen |
//! | what to answer to a question | "not now", as a node does that has too much to do |
//! | whom to name to others in Kademlia | all who identify themselves |
//!
//! It looks for further peers in Kademlia and dials them, until it has [`NEIGHBOURS`]; those that it goes for it dials whenever they
//! are lost.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    num::NonZeroUsize,
    sync::Arc,
    time::Duration,
};

use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, StreamProtocol, Swarm, gossipsub, identify,
    identity::Keypair,
    kad::{self, QueryResult},
    multiaddr::Protocol,
    ping,
    request_response::{self, Message, ProtocolSupport, ResponseChannel},
    swarm::{self, NetworkBehaviour, SwarmEvent, dial_opts::DialOpts},
};
use node::{clock::Clock, spawn::Spawn};
use proto::{
    call::{Answer, MAX_QUESTION_BYTES, Question},
    channel::{LOBBY, RoomName},
    event::MAX_EVENT_BYTES,
    ids::{ChannelId, LogId},
    live::{self, Live},
    signature::Signer,
    time::Now,
    wire,
};
use rand::{RngExt, SeedableRng, seq::IteratorRandom};
use rand_chacha::ChaCha8Rng;
use tokio::time::Instant;

use super::{Parts, StartError, author::Log, codec::Bytes};

/// The name of the nodes' Kademlia network.
const KAD: StreamProtocol = StreamProtocol::new("/starling/kad/1");

/// The nodes' protocol of questions about channels.
const QUESTIONS: StreamProtocol = StreamProtocol::new("/starling/channel/1");

/// What identify shows: the name and version of a node, and the number by which one run of it is told from another.
const AGENT: &str = "starling/0.1.0 (00000bad)";

/// Peers in each of Kademlia's buckets, allocated ahead.
const BUCKET_PEERS: NonZeroUsize = NonZeroUsize::new(8).expect("8 is not 0");

/// Gossip neighbours that it would like to have: more than any node has, so that it grafts whomever it meets.
const MESH: usize = 16;

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

/// Seconds until a question that is left open is closed from here: longer than any node waits.
const OPEN_S: u64 = 60;

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

    /// Whether a peer that identified itself is named to those who ask for peers near a key.
    fn names(&self, _peer: &PeerId) -> bool {
        true
    }
}

/// All protocols of a node.
#[derive(NetworkBehaviour)]
pub struct Behaviour {
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    /// Finding peers.
    pub kad: kad::Behaviour<kad::store::MemoryStore>,
    gossip: gossipsub::Behaviour,
    questions: request_response::Behaviour<Bytes>,
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
            looks: 0,
        })
    }

    /// Runs forever.
    pub async fn run(mut self, mut trick: Box<dyn Trick>) {
        let period = Duration::from_millis(trick.period_ms());
        let (mut act_at, mut dial_at) = (Instant::now() + period, Instant::now());
        loop {
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
                event = self.swarm.select_next_some() => self.event(&*trick, event),
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

    fn event(&mut self, trick: &dyn Trick, event: SwarmEvent<BehaviourEvent>) {
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

fn refused(what: &'static str, reason: String) -> StartError {
    StartError::Refused { what, reason }
}

fn behaviour(keypair: &Keypair) -> Result<Behaviour, StartError> {
    let peer_id = keypair.public().to_peer_id();
    let identify = identify::Config::new("/starling/1".into(), keypair.public()).with_agent_version(AGENT.into());
    let questions = request_response::Config::default().with_request_timeout(Duration::from_secs(OPEN_S));
    Ok(Behaviour {
        identify: identify::Behaviour::new(identify),
        ping: ping::Behaviour::default(),
        kad: kademlia(peer_id),
        gossip: gossip()?,
        questions: request_response::Behaviour::with_codec(Bytes, [(QUESTIONS, ProtocolSupport::Full)], questions),
    })
}

/// It serves, keeps nobody's provider records, and names nobody of whom it is not told to.
fn kademlia(peer_id: PeerId) -> kad::Behaviour<kad::store::MemoryStore> {
    let mut config = kad::Config::new(KAD);
    config.set_kbucket_size(BUCKET_PEERS);
    config.set_kbucket_inserts(kad::BucketInserts::Manual);
    config.set_periodic_bootstrap_interval(None);
    config.set_record_filtering(kad::StoreInserts::FilterBoth);
    let mut kad = kad::Behaviour::with_config(peer_id, kad::store::MemoryStore::new(peer_id), config);
    kad.set_mode(Some(kad::Mode::Server));
    kad
}

fn gossip() -> Result<gossipsub::Behaviour, StartError> {
    let config = gossipsub::ConfigBuilder::default()
        .validation_mode(gossipsub::ValidationMode::Anonymous)
        .validate_messages()
        .message_id_fn(|message| {
            gossipsub::MessageId::from(live::message_id(message.topic.as_str(), &message.data).to_vec())
        })
        .mesh_n(MESH)
        .mesh_n_low(MESH / 2)
        .mesh_n_high(MESH * 2)
        // As a node's, or what nodes send would be refused.
        .max_transmit_size(MAX_EVENT_BYTES + 16 * 1024)
        .max_control_message_size(256 * 1024)
        .build()
        .map_err(|error| refused("gossip", error.to_string()))?;
    let mut gossip = gossipsub::Behaviour::new(gossipsub::MessageAuthenticity::Anonymous, config)
        .map_err(|error| refused("gossip", error.to_owned()))?;
    let scoring = gossipsub::PeerScoreParams {
        app_specific_weight: 1.0,
        ip_colocation_factor_weight: 0.0,
        ..gossipsub::PeerScoreParams::default()
    };
    gossip
        .with_peer_score(scoring, gossipsub::PeerScoreThresholds::default())
        .map_err(|error| refused("gossip's scores", error))?;
    Ok(gossip)
}

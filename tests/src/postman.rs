//! A peer that speaks of letters (`/starling/direct/1`) with whatever bytes a test gives it, and that others take for a mailbox. It
//! shares no code with the node's own swarm, only the wire types.

use std::{collections::HashMap, time::Duration};

use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, StreamProtocol, Swarm, SwarmBuilder, identify,
    identity::Keypair,
    kad::{self, RecordKey},
    multiaddr::Protocol,
    noise, ping,
    request_response::{self, OutboundRequestId, ProtocolSupport},
    swarm::{NetworkBehaviour, SwarmEvent},
    tcp, yamux,
};
use proto::{
    direct::{
        finding::mailboxes_key,
        message::{DirectAnswer, DirectQuestion, MAX_QUESTION_BYTES},
    },
    wire,
};
use tokio::sync::{mpsc, oneshot};

use crate::attacker::RawCodec;

const LETTERS: StreamProtocol = StreamProtocol::new("/starling/direct/1");
const KADEMLIA: StreamProtocol = StreamProtocol::new("/starling/kad/1");

/// From asking to the answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// What it answers to those who ask, if anything.
pub type Office = Box<dyn FnMut(PeerId, DirectQuestion) -> Option<DirectAnswer> + Send>;

#[derive(NetworkBehaviour)]
struct Behaviour {
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    kad: kad::Behaviour<kad::store::MemoryStore>,
    letters: request_response::Behaviour<RawCodec>,
}

struct Order {
    to: Multiaddr,
    frame: Vec<u8>,
    reply: oneshot::Sender<Result<Vec<u8>, String>>,
}

/// The peer. It leaves when it is dropped.
pub struct Postman {
    /// Its peer id.
    pub peer_id: PeerId,
    /// Where it listens, with its peer id.
    pub address: Multiaddr,
    orders: mpsc::Sender<Order>,
}

impl Postman {
    /// A new peer that listens, and answers by `office`.
    ///
    /// # Panics
    /// When it cannot listen.
    pub async fn open(office: Office) -> Self {
        let keypair = Keypair::generate_ed25519();
        let mut swarm = swarm(&keypair);
        swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse().expect("an address")).expect("it can listen");
        let address = loop {
            if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                break address;
            }
        };
        let kad = &mut swarm.behaviour_mut().kad;
        kad.set_mode(Some(kad::Mode::Server));
        kad.start_providing(RecordKey::new(&mailboxes_key())).expect("there is room");
        let peer_id = keypair.public().to_peer_id();
        let (orders, received) = mpsc::channel(1_024);
        tokio::spawn(Task { swarm, office, asked: HashMap::new() }.run(received));
        Self { peer_id, address: address.with(Protocol::P2p(peer_id)), orders }
    }

    /// One that answers nobody.
    pub async fn silent() -> Self {
        Self::open(Box::new(|_, _| None)).await
    }

    /// Asks the node at an address with its peer id, and returns what it answers.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn ask(&self, to: &str, question: &DirectQuestion) -> Result<DirectAnswer, String> {
        let answer = self.ask_raw(to, wire::encode(question)).await?;
        wire::decode::<DirectAnswer, MAX_QUESTION_BYTES>(&answer).map_err(|error| error.to_string())
    }

    /// The same with bytes as they are.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn ask_raw(&self, to: &str, frame: Vec<u8>) -> Result<Vec<u8>, String> {
        let (reply, answer) = oneshot::channel();
        let to = to.parse().map_err(|error| format!("{error}"))?;
        self.orders.send(Order { to, frame, reply }).await.map_err(|_| "the peer is gone")?;
        let answer = tokio::time::timeout(ANSWER_TIMEOUT, answer).await;
        answer.map_err(|_| "no answer in time")?.map_err(|_| "the peer is gone")?
    }
}

fn swarm(keypair: &Keypair) -> Swarm<Behaviour> {
    let behaviour = |keypair: &Keypair| {
        let peer_id = keypair.public().to_peer_id();
        Behaviour {
            identify: identify::Behaviour::new(identify::Config::new("/starling/1".into(), keypair.public())),
            ping: ping::Behaviour::default(),
            kad: kad::Behaviour::with_config(
                peer_id,
                kad::store::MemoryStore::new(peer_id),
                kad::Config::new(KADEMLIA),
            ),
            letters: request_response::Behaviour::with_codec(
                RawCodec,
                [(LETTERS, ProtocolSupport::Full)],
                request_response::Config::default().with_max_concurrent_streams(1_000),
            ),
        }
    };
    SwarmBuilder::with_existing_identity(keypair.clone())
        .with_tokio()
        .with_tcp(tcp::Config::new().nodelay(true), noise::Config::new, yamux::Config::default)
        .expect("TCP works")
        .with_behaviour(behaviour)
        .expect("the behaviour is infallible")
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(600)))
        .build()
}

struct Task {
    swarm: Swarm<Behaviour>,
    office: Office,
    asked: HashMap<OutboundRequestId, oneshot::Sender<Result<Vec<u8>, String>>>,
}

impl Task {
    async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(Order { to, frame, reply }) => {
                        let Some(Protocol::P2p(peer)) = to.iter().last() else { panic!("{to} names no peer") };
                        let letters = &mut self.swarm.behaviour_mut().letters;
                        let request = letters.send_request_with_addresses(&peer, frame, vec![to]);
                        self.asked.insert(request, reply);
                    }
                    None => return,
                },
                event = self.swarm.select_next_some() => {
                    if let SwarmEvent::Behaviour(BehaviourEvent::Letters(event)) = event {
                        self.note(event);
                    }
                }
            }
        }
    }

    fn note(&mut self, event: request_response::Event<Vec<u8>, Vec<u8>>) {
        use request_response::{Event, Message};
        match event {
            Event::Message { peer, message: Message::Request { request, channel, .. }, .. } => {
                let question = wire::decode::<DirectQuestion, MAX_QUESTION_BYTES>(&request);
                let answer = question.ok().and_then(|question| (self.office)(peer, question));
                if let Some(answer) = answer {
                    // The node may have hung up meanwhile.
                    let _ = self.swarm.behaviour_mut().letters.send_response(channel, wire::encode(&answer));
                }
            }
            Event::Message { message: Message::Response { request_id, response }, .. } => {
                if let Some(reply) = self.asked.remove(&request_id) {
                    let _ = reply.send(Ok(response));
                }
            }
            Event::OutboundFailure { request_id, error, .. } => {
                if let Some(reply) = self.asked.remove(&request_id) {
                    let _ = reply.send(Err(error.to_string()));
                }
            }
            Event::InboundFailure { .. } | Event::ResponseSent { .. } => {}
        }
    }
}

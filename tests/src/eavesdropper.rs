//! A peer that keeps all it can hear: it subscribes to every topic that others subscribe to, takes down each gossip message and each
//! question it is asked, and asks whatever bytes a test gives it. It shares no code with the node's own swarm.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, StreamProtocol, Swarm, SwarmBuilder, gossipsub, identify,
    identity::Keypair,
    noise, ping,
    request_response::{self, OutboundRequestId, ProtocolSupport},
    swarm::{NetworkBehaviour, SwarmEvent},
    tcp, yamux,
};
use proto::{
    call::{MAX_QUESTION_BYTES, Question},
    live, wire,
};
use tokio::sync::{mpsc, oneshot};

use crate::{attacker::RawCodec, node::Node};

const QUESTIONS: StreamProtocol = StreamProtocol::new("/starling/channel/1");

/// From asking to the answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// What it took down.
#[derive(Debug, Clone, Default)]
pub struct Heard {
    /// Gossip, by topic. Topics that nothing was said on are there, too.
    pub gossip: BTreeMap<String, Vec<Vec<u8>>>,
    /// Questions, as they came.
    pub questions: Vec<Vec<u8>>,
    /// What peers say of themselves when they connect.
    pub identities: Vec<String>,
    /// Peers that hung up.
    pub gone: Vec<PeerId>,
}

#[derive(NetworkBehaviour)]
struct Behaviour {
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    gossip: gossipsub::Behaviour,
    questions: request_response::Behaviour<RawCodec>,
}

enum Order {
    Ask(PeerId, Vec<u8>, oneshot::Sender<Result<Vec<u8>, String>>),
    Gossip(String, Vec<u8>),
}

/// The peer. It leaves when it is dropped.
pub struct Eavesdropper {
    heard: Arc<Mutex<Heard>>,
    orders: mpsc::Sender<Order>,
}

impl Eavesdropper {
    /// A new peer that connects to these nodes.
    ///
    /// # Panics
    /// When it cannot.
    pub fn connect(nodes: &[&Node]) -> Self {
        let mut swarm = swarm(&Keypair::generate_ed25519());
        for node in nodes {
            let address: Multiaddr = node.address_with("/tcp/").parse().expect("a multiaddr");
            swarm.dial(address).expect("it can be dialed");
        }
        let heard = Arc::new(Mutex::new(Heard::default()));
        let (orders, received) = mpsc::channel(64);
        tokio::spawn(Task { swarm, heard: Arc::clone(&heard), asked: HashMap::new() }.run(received));
        Self { heard, orders }
    }

    /// What it has taken down so far.
    pub fn heard(&self) -> Heard {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks a node that it is connected to, and returns the answer's bytes.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn ask(&self, node: &Node, frame: Vec<u8>) -> Result<Vec<u8>, String> {
        let peer = node.peer_id().parse().expect("a peer id");
        let (reply, answer) = oneshot::channel();
        self.orders.send(Order::Ask(peer, frame, reply)).await.map_err(|_| "the peer is gone")?;
        let answer = tokio::time::timeout(ANSWER_TIMEOUT, answer).await;
        answer.map_err(|_| "no answer in time")?.map_err(|_| "the peer is gone")?
    }

    /// Gossips a frame to all neighbours on a topic.
    ///
    /// # Panics
    /// When the peer is gone.
    pub async fn gossip(&self, topic: &str, frame: Vec<u8>) {
        self.orders.send(Order::Gossip(topic.into(), frame)).await.expect("the peer is there");
    }
}

fn swarm(keypair: &Keypair) -> Swarm<Behaviour> {
    let behaviour = |keypair: &Keypair| {
        let config = gossipsub::ConfigBuilder::default()
            .validation_mode(gossipsub::ValidationMode::None)
            .max_transmit_size(8 << 20)
            .message_id_fn(|message| live::message_id(message.topic.as_str(), &message.data).to_vec().into())
            .build()
            .expect("a valid configuration");
        let gossip = gossipsub::Behaviour::new(gossipsub::MessageAuthenticity::Anonymous, config);
        Behaviour {
            identify: identify::Behaviour::new(identify::Config::new("/starling/1".into(), keypair.public())),
            ping: ping::Behaviour::default(),
            gossip: gossip.expect("a valid configuration"),
            questions: request_response::Behaviour::with_codec(
                RawCodec,
                [(QUESTIONS, ProtocolSupport::Full)],
                request_response::Config::default(),
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
    heard: Arc<Mutex<Heard>>,
    asked: HashMap<OutboundRequestId, oneshot::Sender<Result<Vec<u8>, String>>>,
}

impl Task {
    async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(Order::Ask(peer, frame, reply)) => {
                        let request = self.swarm.behaviour_mut().questions.send_request(&peer, frame);
                        self.asked.insert(request, reply);
                    }
                    Some(Order::Gossip(topic, frame)) => {
                        // Nobody may be there to hear it.
                        let _ = self.swarm.behaviour_mut().gossip.publish(gossipsub::IdentTopic::new(topic), frame);
                    }
                    None => return,
                },
                event = self.swarm.select_next_some() => self.note(event),
            }
        }
    }

    fn note(&mut self, event: SwarmEvent<BehaviourEvent>) {
        use request_response::{Event, Message};
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(gossipsub::Event::Subscribed { topic, .. })) => {
                heard.gossip.entry(topic.to_string()).or_default();
                let topic = gossipsub::IdentTopic::new(topic.to_string());
                self.swarm.behaviour_mut().gossip.subscribe(&topic).expect("every topic is taken");
            }
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(gossipsub::Event::Message { message, .. })) => {
                heard.gossip.entry(message.topic.to_string()).or_default().push(message.data);
            }
            SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received { info, .. })) => {
                heard.identities.push(format!("{info:?}"));
            }
            SwarmEvent::Behaviour(BehaviourEvent::Questions(event)) => match event {
                Event::Message { message: Message::Request { request, channel, .. }, .. } => {
                    let answer = match wire::decode::<Question, MAX_QUESTION_BYTES>(&request) {
                        Ok(question) => wire::encode(&question.topic.unavailable()),
                        Err(_) => Vec::new(),
                    };
                    heard.questions.push(request);
                    // The node may have hung up meanwhile.
                    let _ = self.swarm.behaviour_mut().questions.send_response(channel, answer);
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
                _ => {}
            },
            SwarmEvent::ConnectionClosed { peer_id, num_established: 0, .. } => heard.gone.push(peer_id),
            _ => {}
        }
    }
}
